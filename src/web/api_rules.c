/* /api/v1/rules and /api/v1/alerts: Prometheus' shape, vmalert's extras as further keys. */

#include <strings.h>

#include "base/number.h"
#include "web/api.h"

static void put_time_ns(JsonWriter *json, const char *key, TimeMs time) {
    if (time) {
        json_put_time(json, key, time);
    } else {
        json_put_str(json, key, STR("0001-01-01T00:00:00Z"));
    }
}

static void put_labels(JsonWriter *json, const char *key, LabelSet labels) {
    json_key(json, str_of(key));
    labels_json(json, labels);
}

/* vmalert's ids are numbers in text. */
static void put_id(JsonWriter *json, const char *key, uint64_t id) {
    AUTO(buf_finish) Buf text = {0};
    buf_printf(&text, "%llu", (unsigned long long)id);
    json_put_str(json, key, buf_view(&text));
}

/* What was asked for. */
typedef struct RuleFilter {
    bool alerts, records, exclude_alerts, extended_states;
    const MatcherSet *sets; /* match[] on the configured labels; any of them */
    size_t set_count;
    const Params *params;
} RuleFilter;

/* An alert, its rule and its group. */
typedef struct AlertPlace {
    const GroupView *group;
    const RuleView *rule;
} AlertPlace;

static void put_alert_place(JsonWriter *json, const Alert *alert, AlertPlace place) {
    put_id(json, "id", labels_fingerprint(alert->labels));
    put_id(json, "rule_id", place.rule->id);
    put_id(json, "group_id", place.group->id);
    json_put_str(json, "name", place.rule->name);
    json_put_str(json, "expression", place.rule->query);
    json_put_str(json, "source", place.rule->generator_url);
    json_put_bool(json, "restored", alert->is_restored);
    json_put_bool(json, "stabilizing", alert->keep_firing_since != 0);
}

static void put_alert(JsonWriter *json, const Alert *alert, AlertPlace place) {
    AUTO(buf_finish) Buf value = {0};
    number_put_exp(&value, alert->value);
    json_object(json);
    put_labels(json, "labels", alert->labels);
    put_labels(json, "annotations", alert->annotations);
    json_put_str(json, "state", str_of(alert_phase_text(alert->phase)));
    json_put_time(json, "activeAt", alert->active_at);
    if (alert->keep_firing_since) {
        json_put_time(json, "keepFiringSince", alert->keep_firing_since);
    }
    json_put_str(json, "value", buf_view(&value));
    if (alert->stale) {
        json_put_bool(json, "stale", true); /* its source is late: held as it was */
    }
    put_alert_place(json, alert, place);
    json_end(json);
}

static const char *rule_state(const RuleView *rule) {
    AlertPhase state = ALERT_INACTIVE;
    if (rule->last_evaluation == 0 && rule->alert_count == 0) {
        return "unknown"; /* not evaluated yet */
    }
    for (size_t i = 0; i < rule->alert_count; i++) {
        state = rule->alerts[i].phase > state ? rule->alerts[i].phase : state;
    }
    return alert_phase_text(state);
}

static void put_alerts(JsonWriter *json, AlertPlace place, bool exclude) {
    const RuleView *rule = place.rule;
    if (exclude) {
        json_key(json, STR("alerts"));
        json_null(json);
        return;
    }
    json_put_array(json, "alerts");
    for (size_t i = 0; i < rule->alert_count; i++) {
        put_alert(json, &rule->alerts[i], place);
    }
    json_end(json);
}

/* What vmalert tells besides, and what each selector found. */
static void put_rule_extras(JsonWriter *json, AlertPlace place) {
    const RuleView *rule = place.rule;
    json_put_str(json, "datasourceType", STR("prometheus"));
    json_put_int(json, "lastSamples", (int64_t)rule->samples);
    if (rule->knows_series) {
        json_put_int(json, "lastSeriesFetched", (int64_t)rule->series);
    }
    if (rule->is_alert) {
        json_put_number(json, "keep_firing_for", (double)rule->keep_firing / 1000);
    }
    put_id(json, "id", rule->id);
    put_id(json, "group_id", place.group->id);
    json_put_str(json, "group_name", place.group->name);
    json_put_str(json, "file", place.group->file);
    json_put_bool(json, "debug", rule->debug);
    json_put_int(json, "max_updates_entries", rule->updates_max);
    json_put_array(json, "selectors");
    for (size_t i = 0; i < rule->selector_count; i++) {
        json_object(json);
        json_put_str(json, "selector", rule->selectors[i].text);
        json_put_int(json, "series", (int64_t)rule->selectors[i].series);
        json_end(json);
    }
    json_end(json);
}

static bool matched_nothing(const RuleView *rule) {
    return rule->samples == 0 && rule->knows_series && rule->series == 0;
}

/* vmalert's `extended_states`: also what is wrong with the rule, and of recording rules. */
static const char *extended_state(const RuleView *rule) {
    if (rule->alert_count) {
        return rule_state(rule);
    }
    if (rule->health != RULE_OK) {
        return "unhealthy";
    }
    return matched_nothing(rule) ? "nomatch" : rule->is_alert ? rule_state(rule) : "ok";
}

static void put_rule(JsonWriter *json, AlertPlace place, const RuleFilter *filter) {
    const RuleView *rule = place.rule;
    static const char *const healths[] = {"unknown", "ok", "err"};
    json_object(json);
    if (rule->is_alert || filter->extended_states) {
        json_put_str(json, "state",
                     str_of(filter->extended_states ? extended_state(rule) : rule_state(rule)));
    }
    json_put_str(json, "name", rule->name);
    json_put_str(json, "query", rule->query);
    if (rule->is_alert) {
        json_put_number(json, "duration", (double)rule->hold / 1000);
        json_put_number(json, "keepFiringFor", (double)rule->keep_firing / 1000);
    }
    put_labels(json, "labels", rule->labels);
    if (rule->is_alert) {
        put_labels(json, "annotations", rule->annotations);
        put_alerts(json, place, filter->exclude_alerts);
    }
    json_put_str(json, "health", str_of(healths[rule->health]));
    json_put_str(json, "lastError", rule->last_error);
    json_put_number(json, "evaluationTime", (double)rule->duration_ns / 1e9);
    put_time_ns(json, "lastEvaluation", rule->last_evaluation);
    json_put_str(json, "type", rule->is_alert ? STR("alerting") : STR("recording"));
    put_rule_extras(json, place);
    json_end(json);
}

/* ---- filters ---- */

/* True if `value` is among the parameters `name` or `name[]`, or there are none. */
static bool is_asked(const Params *params, Str name, Str value) {
    bool asked = false;
    for (size_t i = 0; i < params->items_count; i++) {
        Str key = params->items[i].name;
        key.len -= str_ends(key, STR("[]")) ? 2 : 0;
        if (str_eq(key, name)) {
            asked = true;
            if (str_eq(params->items[i].value, value)) {
                return true;
            }
        }
    }
    return !asked;
}

static const char *const state_names[] = {"inactive",  "pending", "firing", "unknown",
                                          "unhealthy", "nomatch", "ok"};

/* Grafana's words for states. */
static Str state_by_alias(Str state) {
    static const char *const aliases[][2] = {
        {"noData", "nomatch"}, {"normal", "inactive"}, {"error", "unhealthy"}};
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        state = str_eq(state, str_of(aliases[i][0])) ? str_of(aliases[i][1]) : state;
    }
    return state;
}

static bool is_in_state(const RuleView *rule, Str state) {
    state = state_by_alias(state);
    if (str_eq(state, STR("unhealthy"))) {
        return rule->health == RULE_ERR;
    }
    if (str_eq(state, STR("nomatch"))) {
        return rule->health == RULE_OK && matched_nothing(rule);
    }
    if (str_eq(state, STR("ok"))) {
        return rule->health == RULE_OK;
    }
    return rule->is_alert && str_eq(state, str_of(rule_state(rule)));
}

static bool is_state_param(const Param *param) {
    return str_eq(param->name, STR("state")) || str_eq(param->name, STR("filter"));
}

/* The next of several states with commas between. False at the end. */
static bool next_state(Str *rest, Str *ret_state) {
    while (rest->len) {
        size_t len = str_find(*rest, ',');
        *ret_state = str_trim((Str){rest->ptr, len});
        *rest = str_skip(*rest, len < rest->len ? len + 1 : len);
        if (ret_state->len) {
            return true;
        }
    }
    return false;
}

static bool has_state(const RuleFilter *filter, const RuleView *rule) {
    bool asked = false;
    for (size_t i = 0; i < filter->params->items_count; i++) {
        Str rest = filter->params->items[i].value, state;
        while (is_state_param(&filter->params->items[i]) && next_state(&rest, &state)) {
            asked = true;
            if (is_in_state(rule, state)) {
                return true;
            }
        }
    }
    return !asked;
}

static bool contains(Str text, Str part) {
    for (size_t at = 0; at + part.len <= text.len; at++) {
        if (strncasecmp(text.ptr + at, part.ptr, part.len) == 0) {
            return true;
        }
    }
    return false;
}

/* vmalert's `search`: in the name, whatever the case, of the group, the file or the rule. */
static bool is_found(const RuleFilter *filter, const GroupView *group, const RuleView *rule) {
    Str part = params_get(filter->params, STR("search"));
    return part.len == 0 || contains(group->name, part) || contains(group->file, part) ||
           contains(rule->name, part);
}

static bool keeps_rule(const RuleFilter *filter, const GroupView *group, const RuleView *rule) {
    bool matched = filter->set_count == 0;
    for (size_t i = 0; i < filter->set_count && !matched; i++) {
        matched = matcher_set_matches(&filter->sets[i], rule->labels);
    }
    return matched && (rule->is_alert ? filter->alerts : filter->records) &&
           is_asked(filter->params, STR("rule_name"), rule->name) && has_state(filter, rule) &&
           is_found(filter, group, rule);
}

static bool keeps_group(const RuleFilter *filter, const GroupView *group) {
    return is_asked(filter->params, STR("rule_group"), group->name) &&
           is_asked(filter->params, STR("file"), group->file) &&
           is_asked(filter->params, STR("datasource_type"), group->type);
}

/* Drops what the filter does not keep, in place. */
static size_t filter_groups(const RuleFilter *filter, GroupView *groups, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        GroupView group = groups[i];
        size_t rules = 0;
        for (size_t r = 0; r < group.rule_count; r++) {
            if (keeps_rule(filter, &group, &group.rules[r])) {
                group.rules[rules++] = group.rules[r];
            }
        }
        group.rule_count = rules;
        if (rules && keeps_group(filter, &group)) {
            groups[kept++] = group;
        }
    }
    return kept;
}

/* strconv.ParseBool */
static bool read_bool(Str text, bool *ret_value) {
    static const char *const words[2][6] = {{"0", "f", "F", "false", "FALSE", "False"},
                                            {"1", "t", "T", "true", "TRUE", "True"}};
    for (int value = 0; value < 2; value++) {
        for (int i = 0; i < 6; i++) {
            if (str_eq(text, str_of(words[value][i]))) {
                *ret_value = value;
                return true;
            }
        }
    }
    return false;
}

static bool read_flag(const Params *params, const char *name, bool *ret_value, Err *err) {
    Str text = params_get(params, str_of(name));
    return text.len == 0 || read_bool(text, ret_value) ||
           err_set(err, ERR_INVALID,
                   "invalid parameter \"%s\": strconv.ParseBool: parsing \"%.*s\": invalid syntax",
                   name, STR_ARG(text));
}

static bool check_states(const Params *params, Err *err) {
    for (size_t i = 0; i < params->items_count; i++) {
        Str rest = params->items[i].value, state;
        while (is_state_param(&params->items[i]) && next_state(&rest, &state)) {
            bool known = false;
            for (size_t k = 0; k < sizeof state_names / sizeof *state_names; k++) {
                known |= str_eq(state_by_alias(state), str_of(state_names[k]));
            }
            if (!known) {
                return err_set(err, ERR_INVALID,
                               "invalid parameter \"%.*s\": not supported value \"%.*s\"",
                               STR_ARG(params->items[i].name), STR_ARG(state));
            }
        }
    }
    return true;
}

static bool check_datasource_type(const Params *params, Err *err) {
    static const char *const types[] = {"", "prometheus", "graphite", "vlogs"};
    Str type = params_get(params, STR("datasource_type"));
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (str_eq(type, str_of(types[i]))) {
            return true;
        }
    }
    return err_set(err, ERR_INVALID,
                   "invalid parameter \"datasource_type\": not supported value \"%.*s\"",
                   STR_ARG(type));
}

static bool read_filter(Request *request, RuleFilter *filter, Err *err) {
    Str type = params_get(&request->params, STR("type"));
    *filter = (RuleFilter){.params = &request->params};
    filter->alerts = type.len == 0 || str_eq(type, STR("alert"));
    filter->records = type.len == 0 || str_eq(type, STR("record"));
    if (!filter->alerts && !filter->records) {
        return err_set(err, ERR_INVALID, "invalid parameter \"type\": not supported value \"%.*s\"",
                       STR_ARG(type));
    }
    return read_flag(filter->params, "exclude_alerts", &filter->exclude_alerts, err) &&
           read_flag(filter->params, "extended_states", &filter->extended_states, err) &&
           check_states(filter->params, err) && check_datasource_type(filter->params, err);
}

/* ---- pages ---- */

typedef struct Page {
    size_t first, count;
    char next[65];           /* token of the group that follows; "" at the end */
    int64_t number, numbers; /* vmalert's way: this page of how many; 0 = not asked for */
} Page;

static void group_token(const GroupView *group, char hex[65]) {
    AUTO(buf_finish) Buf text = {0};
    buf_printf(&text, "%.*s;%.*s", STR_ARG(group->file), STR_ARG(group->name));
    sha256_hex(buf_view(&text), hex);
}

static bool read_page(const Request *request, const GroupView *groups, size_t count, Page *page,
                      Err *err) {
    Str limit_text = params_get(&request->params, STR("group_limit"));
    Str token = params_get(&request->params, STR("group_next_token"));
    int64_t limit = 0;
    *page = (Page){.count = count};
    if (limit_text.len && (!number_parse_int(limit_text, &limit) || limit <= 0)) {
        return err_set(err, ERR_INVALID,
                       "invalid parameter \"group_limit\": group_limit needs to be a valid number "
                       "greater than 0");
    }
    if (token.len && !limit) {
        return err_set(
            err, ERR_INVALID,
            "invalid parameter \"group_limit\": group_limit needs to be present in order "
            "to paginate over the groups");
    }
    char hex[65];
    while (token.len && page->first < count) {
        group_token(&groups[page->first], hex);
        if (str_eq(token, str_of(hex))) {
            break;
        }
        page->first++;
    }
    if (token.len && page->first == count) {
        return err_set(
            err, ERR_INVALID,
            "invalid parameter \"group_next_token\": invalid group_next_token '%.*s'. were "
            "rule groups changed?",
            STR_ARG(token));
    }
    page->count = count - page->first;
    if (limit && page->count > (size_t)limit) {
        page->count = (size_t)limit;
        group_token(&groups[page->first + page->count], page->next);
    }
    return true;
}

/* vmalert's way: pages by number, from 1. */
static bool read_page_number(const Request *request, size_t count, Page *page, Err *err) {
    Str text = params_get(&request->params, STR("page_num"));
    int64_t limit = 0;
    if (text.len == 0) {
        return true;
    }
    (void)!number_parse_int(params_get(&request->params, STR("group_limit")), &limit);
    if (limit <= 0) {
        return err_set(err, ERR_INVALID,
                       "invalid parameter \"page_num\": group_limit needs to be present");
    }
    page->numbers = (int64_t)(count ? (count - 1) / (size_t)limit + 1 : 1);
    if (!number_parse_int(text, &page->number) || page->number < 1 ||
        page->number > page->numbers) {
        return err_set(err, ERR_INVALID,
                       "invalid parameter \"page_num\": %.*s is not between 1 and %lld",
                       STR_ARG(text), (long long)page->numbers);
    }
    page->first = (size_t)(page->number - 1) * (size_t)limit;
    page->count = count - page->first < (size_t)limit ? count - page->first : (size_t)limit;
    page->next[0] = '\0';
    return true;
}

static void put_texts(JsonWriter *json, const char *key, const Str *texts, size_t count) {
    json_put_array(json, key);
    for (size_t i = 0; i < count; i++) {
        json_str(json, texts[i]);
    }
    json_end(json);
}

static void put_params(JsonWriter *json, const GroupView *group) {
    json_put_array(json, "params");
    for (size_t i = 0; i < group->param_count; i++) {
        AUTO(buf_finish) Buf pair = {0};
        buf_str(&pair, group->params[i].name);
        buf_byte(&pair, '=');
        buf_str(&pair, group->params[i].value);
        json_str(json, buf_view(&pair));
    }
    json_end(json);
}

static void put_states(JsonWriter *json, const GroupView *group) {
    json_put_object(json, "states");
    for (size_t n = 0; n < sizeof state_names / sizeof *state_names; n++) {
        int64_t count = 0;
        for (size_t i = 0; i < group->rule_count; i++) {
            const RuleView *rule = &group->rules[i];
            bool is_ok = str_eq(str_of(state_names[n]), STR("ok"));
            count += is_ok ? !rule->is_alert && rule->health == RULE_OK
                           : is_in_state(rule, str_of(state_names[n]));
        }
        if (count) {
            json_put_int(json, state_names[n], count);
        }
    }
    json_end(json);
}

/* What vmalert tells besides. */
static void put_group_extras(JsonWriter *json, const GroupView *group) {
    put_id(json, "id", group->id);
    json_put_int(json, "concurrency", group->concurrency);
    put_params(json, group);
    put_texts(json, "headers", group->headers, group->header_count);
    put_texts(json, "notifier_headers", group->notifier_headers, group->notifier_header_count);
    put_labels(json, "labels", group->labels);
    json_put_number(json, "query_offset", (double)group->query_offset / 1000);
    json_put_number(json, "eval_offset", (double)group->eval_offset / 1000);
    json_put_number(json, "eval_delay", (double)group->eval_delay / 1000);
    put_states(json, group);
}

static void put_group(JsonWriter *json, const GroupView *group, const RuleFilter *filter) {
    json_object(json);
    json_put_str(json, "name", group->name);
    json_put_str(json, "file", group->file);
    json_put_array(json, "rules");
    for (size_t i = 0; i < group->rule_count; i++) {
        put_rule(json, (AlertPlace){group, &group->rules[i]}, filter);
    }
    json_end(json);
    json_put_number(json, "interval", (double)group->interval / 1000);
    json_put_int(json, "limit", group->limit);
    json_put_number(json, "evaluationTime", (double)group->duration_ns / 1e9);
    put_time_ns(json, "lastEvaluation", group->last_evaluation);
    json_put_str(json, "type", group->type);
    put_group_extras(json, group);
    if (group->file_error.len) {
        json_put_str(json, "fileError", group->file_error);
    }
    json_end(json);
}

/* Files whose newest version is not live, those that never were among them: no group could tell. */
static void put_file_errors(JsonWriter *json, Rules *rules) {
    AUTO(buf_finish) Buf text = {0};
    rules_problems(rules, &text);
    if (text.len == 0) {
        return;
    }
    json_put_array(json, "fileErrors");
    for (Str rest = buf_view(&text); rest.len;) {
        size_t len = str_find(rest, '\n');
        json_str(json, (Str){rest.ptr, len});
        rest = str_skip(rest, len < rest.len ? len + 1 : len);
    }
    json_end(json);
}

void handle_rules(Web *web, Request *request) {
    Err err = {0};
    RuleFilter filter;
    Page page;
    GroupView *groups;
    size_t count;
    AUTO(arena_finish) Arena arena = {0};
    ApiMatches matches = {0};
    bool good = read_filter(request, &filter, &err) && api_matches(request, &matches, &err);
    if (good) {
        filter.sets = matches.sets;
        filter.set_count = matches.count;
        rules_view(web_doors(web)->rules, &arena, &groups, &count);
        count = filter_groups(&filter, groups, count);
        good = read_page(request, groups, count, &page, &err) &&
               read_page_number(request, count, &page, &err);
    }
    api_matches_finish(&matches);
    if (!good) {
        respond_error(request, &err);
        return;
    }
    size_t rules = 0;
    for (size_t i = 0; i < count; i++) {
        rules += groups[i].rule_count;
    }
    JsonWriter json = respond_success(request);
    json_object(&json);
    json_put_array(&json, "groups");
    for (size_t i = 0; i < page.count; i++) {
        put_group(&json, &groups[page.first + i], &filter);
    }
    json_end(&json);
    if (page.next[0]) {
        json_put_str(&json, "groupNextToken", str_of(page.next));
    }
    put_file_errors(&json, web_doors(web)->rules);
    json_end(&json);
    if (page.number) {
        json_put_int(&json, "page", page.number);
        json_put_int(&json, "total_pages", page.numbers);
        json_put_int(&json, "total_groups", (int64_t)count);
        json_put_int(&json, "total_rules", (int64_t)rules);
    }
    respond_success_end(&json);
}

/* `match[]` is about the alert's own labels here. */
static bool keeps_alert(const RuleFilter *filter, const Alert *alert) {
    bool matched = filter->set_count == 0;
    for (size_t i = 0; i < filter->set_count && !matched; i++) {
        matched = matcher_set_matches(&filter->sets[i], alert->labels);
    }
    return matched;
}

static void put_alerts_of(JsonWriter *json, const RuleFilter *filter, AlertPlace place) {
    if (!keeps_group(filter, place.group) ||
        !is_asked(filter->params, STR("rule_name"), place.rule->name)) {
        return;
    }
    for (size_t a = 0; a < place.rule->alert_count; a++) {
        if (keeps_alert(filter, &place.rule->alerts[a])) {
            put_alert(json, &place.rule->alerts[a], place);
        }
    }
}

void handle_alerts(Web *web, Request *request) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(api_matches_finish) ApiMatches matches = {0};
    Err err = {0};
    GroupView *groups;
    size_t count;
    if (!check_datasource_type(&request->params, &err) || !api_matches(request, &matches, &err)) {
        respond_error(request, &err);
        return;
    }
    RuleFilter filter = {
        .params = &request->params, .sets = matches.sets, .set_count = matches.count};
    rules_view(web_doors(web)->rules, &arena, &groups, &count);
    JsonWriter json = respond_success(request);
    json_object(&json);
    json_put_array(&json, "alerts");
    for (size_t i = 0; i < count; i++) {
        for (size_t r = 0; r < groups[i].rule_count; r++) {
            put_alerts_of(&json, &filter, (AlertPlace){&groups[i], &groups[i].rules[r]});
        }
    }
    json_end(&json);
    json_end(&json);
    respond_success_end(&json);
}
