/* /api/v1/rules and /api/v1/alerts: Prometheus' shape, vmalert's extras as further keys. */

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

static void put_alert(JsonWriter *json, const Alert *alert) {
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
    json_end(json);
}

static const char *rule_state(const RuleView *rule) {
    AlertPhase state = ALERT_INACTIVE;
    for (size_t i = 0; i < rule->alert_count; i++) {
        state = rule->alerts[i].phase > state ? rule->alerts[i].phase : state;
    }
    return alert_phase_text(state);
}

static void put_alerts(JsonWriter *json, const RuleView *rule, bool exclude) {
    if (exclude) {
        return;
    }
    json_put_array(json, "alerts");
    for (size_t i = 0; i < rule->alert_count; i++) {
        put_alert(json, &rule->alerts[i]);
    }
    json_end(json);
}

static void put_rule(JsonWriter *json, const RuleView *rule, bool exclude_alerts) {
    static const char *const healths[] = {"unknown", "ok", "err"};
    json_object(json);
    if (rule->is_alert) {
        json_put_str(json, "state", str_of(rule_state(rule)));
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
        put_alerts(json, rule, exclude_alerts);
    }
    json_put_str(json, "health", str_of(healths[rule->health]));
    if (rule->last_error.len) {
        json_put_str(json, "lastError", rule->last_error);
    }
    json_put_number(json, "evaluationTime", (double)rule->duration_ns / 1e9);
    put_time_ns(json, "lastEvaluation", rule->last_evaluation);
    json_put_str(json, "type", rule->is_alert ? STR("alerting") : STR("recording"));
    json_put_str(json, "datasourceType", STR("prometheus"));
    json_put_int(json, "lastSamples", (int64_t)rule->samples);
    json_put_int(json, "lastSeriesFetched", (int64_t)rule->series);
    json_end(json);
}

/* ---- filters ---- */

typedef struct RuleFilter {
    bool alerts, records, exclude_alerts;
    const MatcherSet *sets; /* match[] on the configured labels; any of them */
    size_t set_count;
    const Params *params;
} RuleFilter;

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

static bool keeps_rule(const RuleFilter *filter, const RuleView *rule) {
    bool matched = filter->set_count == 0;
    for (size_t i = 0; i < filter->set_count && !matched; i++) {
        matched = matcher_set_matches(&filter->sets[i], rule->labels);
    }
    return matched && (rule->is_alert ? filter->alerts : filter->records) &&
           is_asked(filter->params, STR("rule_name"), rule->name);
}

static bool keeps_group(const RuleFilter *filter, const GroupView *group) {
    return is_asked(filter->params, STR("rule_group"), group->name) &&
           is_asked(filter->params, STR("file"), group->file);
}

/* Drops what the filter does not keep, in place. */
static size_t filter_groups(const RuleFilter *filter, GroupView *groups, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        GroupView group = groups[i];
        size_t rules = 0;
        for (size_t r = 0; r < group.rule_count; r++) {
            if (keeps_rule(filter, &group.rules[r])) {
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

static bool read_filter(Request *request, RuleFilter *filter, Err *err) {
    Str type = params_get(&request->params, STR("type"));
    Str exclude = params_get(&request->params, STR("exclude_alerts"));
    *filter = (RuleFilter){.params = &request->params};
    filter->alerts = type.len == 0 || str_eq(type, STR("alert"));
    filter->records = type.len == 0 || str_eq(type, STR("record"));
    if (!filter->alerts && !filter->records) {
        return err_set(err, ERR_INVALID, "invalid parameter \"type\": not supported value \"%.*s\"",
                       STR_ARG(type));
    }
    bool yes = str_eq(exclude, STR("true")) || str_eq(exclude, STR("1"));
    bool no = exclude.len == 0 || str_eq(exclude, STR("false")) || str_eq(exclude, STR("0"));
    if (!yes && !no) {
        return err_set(err, ERR_INVALID,
                       "invalid parameter \"exclude_alerts\": strconv.ParseBool: parsing \"%.*s\": "
                       "invalid syntax",
                       STR_ARG(exclude));
    }
    filter->exclude_alerts = yes;
    return true;
}

/* ---- pages ---- */

typedef struct Page {
    size_t first, count;
    char next[65]; /* token of the group that follows; "" at the end */
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

static void put_group(JsonWriter *json, const GroupView *group, bool exclude_alerts) {
    json_object(json);
    json_put_str(json, "name", group->name);
    json_put_str(json, "file", group->file);
    json_put_array(json, "rules");
    for (size_t i = 0; i < group->rule_count; i++) {
        put_rule(json, &group->rules[i], exclude_alerts);
    }
    json_end(json);
    json_put_number(json, "interval", (double)group->interval / 1000);
    json_put_int(json, "limit", group->limit);
    json_put_number(json, "evaluationTime", (double)group->duration_ns / 1e9);
    put_time_ns(json, "lastEvaluation", group->last_evaluation);
    json_put_str(json, "type", group->type);
    if (group->file_error.len) {
        json_put_str(json, "fileError", group->file_error);
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
        good = read_page(request, groups, count, &page, &err);
    }
    api_matches_finish(&matches);
    if (!good) {
        respond_error(request, &err);
        return;
    }
    JsonWriter json = respond_success(request);
    json_object(&json);
    json_put_array(&json, "groups");
    for (size_t i = 0; i < page.count; i++) {
        put_group(&json, &groups[page.first + i], filter.exclude_alerts);
    }
    json_end(&json);
    if (page.next[0]) {
        json_put_str(&json, "groupNextToken", str_of(page.next));
    }
    json_end(&json);
    respond_success_end(&json);
}

void handle_alerts(Web *web, Request *request) {
    AUTO(arena_finish) Arena arena = {0};
    GroupView *groups;
    size_t count;
    rules_view(web_doors(web)->rules, &arena, &groups, &count);
    JsonWriter json = respond_success(request);
    json_object(&json);
    json_put_array(&json, "alerts");
    for (size_t i = 0; i < count; i++) {
        for (size_t r = 0; r < groups[i].rule_count; r++) {
            const RuleView *rule = &groups[i].rules[r];
            for (size_t a = 0; a < rule->alert_count; a++) {
                put_alert(&json, &rule->alerts[a]);
            }
        }
    }
    json_end(&json);
    json_end(&json);
    respond_success_end(&json);
}
