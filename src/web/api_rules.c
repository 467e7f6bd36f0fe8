/* /api/v1/rules and /api/v1/alerts: Prometheus' shape, vmalert's extras as further keys. */

#include <strings.h>

#include "base/number.h"
#include "web/api.h"
#include "web/rules_json.h"

/* What was asked for. */
typedef struct RuleFilter {
    bool alerts, records;
    RulesJson how;
    const MatcherSet *sets; /* match[] on the configured labels; any of them */
    size_t set_count;
    const Params *params;
} RuleFilter;

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
            if (rules_json_in_state(rule, state)) {
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
                   "invalid parameter \"%s\": error converting %s: strconv.ParseBool: parsing "
                   "\"%.*s\": invalid syntax",
                   name, name, STR_ARG(text));
}

/* Prometheus asks for types whatever their case. */
static bool is_type(Str asked, const char *type) {
    return asked.len == strlen(type) && strncasecmp(asked.ptr, type, asked.len) == 0;
}

static bool check_states(const Params *params, Err *err) {
    for (size_t i = 0; i < params->items_count; i++) {
        Str rest = params->items[i].value, state;
        while (is_state_param(&params->items[i]) && next_state(&rest, &state)) {
            bool known = false;
            for (size_t k = 0; k < RULES_JSON_STATES; k++) {
                known |= str_eq(rules_json_state_by_alias(state), str_of(rules_json_states[k]));
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
    filter->alerts = type.len == 0 || is_type(type, "alert");
    filter->records = type.len == 0 || is_type(type, "record");
    if (!filter->alerts && !filter->records) {
        return err_set(err, ERR_INVALID, "invalid parameter \"type\": not supported value \"%.*s\"",
                       STR_ARG(type));
    }
    return read_flag(filter->params, "exclude_alerts", &filter->how.exclude_alerts, err) &&
           read_flag(filter->params, "extended_states", &filter->how.extended_states, err) &&
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
        rules_json_group(&json, &groups[page.first + i], filter.how);
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
            rules_json_alert(json, &place.rule->alerts[a], place);
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

void handle_notifiers(Web *web, Request *request) {
    Str *names;
    size_t count;
    notify_receivers(web_doors(web)->notify, &request->arena, &names, &count);
    JsonWriter json = respond_success(request);
    json_object(&json);
    json_put_array(&json, "notifiers");
    json_object(&json);
    json_put_str(&json, "kind", STR("static"));
    json_put_array(&json, "targets");
    for (size_t i = 0; i < count; i++) {
        json_object(&json);
        json_put_str(&json, "address", names[i]);
        json_put_object(&json, "labels");
        json_end(&json);
        json_put_str(&json, "lastError", STR(""));
        json_end(&json);
    }
    json_end(&json);
    json_end(&json);
    json_end(&json);
    json_end(&json);
    respond_success_end(&json);
}
