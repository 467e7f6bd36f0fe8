/*
 * /api/v1/rules and /api/v1/alerts: each filter and each way of paging alone, and what they refuse.
 *
 * What an answer holds is written as "file/group: rule, rule; ..." with the folder left out.
 */

#include <cjson/cJSON.h>
#include <criterion/criterion.h>

#include "web_test.h"

static const char file_a[] =
    "groups:\n"
    "- name: beta\n"
    "  rules:\n"
    "  - {record: 'gone:sum', expr: sum(gone)}\n"
    "  - {alert: Broken, expr: 'm * on() m', labels: {severity: info}}\n"
    "- name: alpha\n"
    "  labels: {team: core}\n"
    "  rules:\n"
    "  - {alert: Fires, expr: m > 0, labels: {severity: critical}}\n"
    "  - {alert: Waits, expr: m > 0, for: 1h, labels: {severity: warning}}\n"
    "  - {alert: Calm, expr: 'max( m{b=\"\",a=\"\"} )by(a) > 5', annotations: {url: '', b: c}}\n"
    "  - {record: 'm:sum', expr: sum(m), labels: {severity: info}}\n"
    "- {name: empty, rules: []}\n";
static const char file_b[] =
    "groups:\n"
    "- {name: alpha, type: prometheus, concurrency: 3, params: {nocache: ['1']}, headers: ['A: "
    "b'],\n"
    "   rules: [{alert: Again, expr: 'm  == 1', keep_firing_for: 5m, debug: true}]}\n";

#define ALL "a/alpha: Fires, Waits, Calm, m:sum; a/beta: gone:sum, Broken; b/alpha: Again; "
#define BUILT_IN "built in/belfry telemetry: TelemetryLost; "

static TestWeb test;

static void write_file(const char *name, const char *text) {
    char path[128];
    Err err = {0};
    snprintf(path, sizeof path, "%s/%s.yml", test.dir, name);
    must(file_replace(path, str_of(text), &err), &err);
}

/* Two series of m, and one evaluation. */
static void open_evaluated(void) {
    char pattern[128];
    Problems problems = {0};
    test_web_open(&test, 0);
    test_web_ready(&test);
    write_file("a", file_a);
    write_file("b", file_b);
    snprintf(pattern, sizeof pattern, "%s/*.yml", test.dir);
    RulesOptions options = {.evaluation_interval = MINUTE_MS,
                            .lookback = 5 * MINUTE_MS,
                            .source_label = STR("cluster"),
                            .started_at = clock_now(),
                            .hold = true};
    rules_set_options(test.rules, &options);
    RulesSource source = {.pattern = str_of(pattern)};
    cr_assert(rules_load(test.rules, &source, 1, clock_now(), &problems));
    TimeMs now = clock_now();
    NetAnswer answer =
        test_web_call(&test, "POST", "/api/v1/import/prometheus",
                      STR("m{instance=\"x\"} 1\nm{instance=\"y\"} 1\n"), "text/plain");
    cr_assert_eq(answer.status, 204);
    net_answer_finish(&answer);
    for (int i = 0; i < 2; i++, now += MINUTE_MS) {
        RulesTick tick = {0};
        rules_tick(test.rules, now, &tick);
        rules_tick_finish(&tick);
    }
}

static void close_all(void) {
    test_web_close(&test);
}

static const char *text_of(const cJSON *object, const char *key) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text ? text : "";
}

/* "/tmp/x/a.yml" -> "a" */
static void put_file(Buf *out, const char *path) {
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strstr(name, ".yml");
    buf_put(out, name, dot ? (size_t)(dot - name) : strlen(name));
}

static void put_groups(Buf *out, const cJSON *data) {
    const cJSON *group, *rule;
    cJSON_ArrayForEach(group, cJSON_GetObjectItem(data, "groups")) {
        put_file(out, text_of(group, "file"));
        buf_printf(out, "/%s: ", text_of(group, "name"));
        bool first = true;
        cJSON_ArrayForEach(rule, cJSON_GetObjectItem(group, "rules")) {
            buf_printf(out, "%s%s", first ? "" : ", ", text_of(rule, "name"));
            first = false;
        }
        buf_str(out, STR("; "));
    }
}

static void put_alerts(Buf *out, const cJSON *data) {
    const cJSON *alert;
    cJSON_ArrayForEach(alert, cJSON_GetObjectItem(data, "alerts")) {
        const cJSON *labels = cJSON_GetObjectItem(alert, "labels");
        buf_printf(out, "%s %s; ", text_of(labels, "alertname"), text_of(labels, "instance"));
    }
}

/* The answer to GET `path`, which has to be good. */
static cJSON *ask(const char *path) {
    NetAnswer answer = test_web_call(&test, "GET", path, STR(""), "");
    cr_expect_eq(answer.status, 200, "%s: %d: %.*s", path, answer.status, STR_ARG(answer.body));
    cJSON *json = cJSON_ParseWithLength(answer.body.ptr, answer.body.len);
    cr_assert_not_null(json);
    net_answer_finish(&answer);
    return json;
}

typedef struct FilterCase {
    const char *query;
    const char *want; /* what is listed, or of errors the text */
} FilterCase;

static void check_good(const char *path, const FilterCase *cases,
                       void (*put)(Buf *out, const cJSON *data)) {
    for (; cases->query; cases++) {
        AUTO(buf_finish) Buf whole = {0};
        AUTO(buf_finish) Buf got = {0};
        buf_printf(&whole, "%s?%s", path, cases->query);
        buf_byte(&whole, '\0');
        cJSON *json = ask(whole.ptr);
        put(&got, cJSON_GetObjectItem(json, "data"));
        cr_expect(str_eq(buf_view(&got), str_of(cases->want)), "%s lists %.*s, not %s",
                  cases->query, STR_ARG(buf_view(&got)), cases->want);
        cJSON_Delete(json);
    }
}

static void check_bad(const char *path, const FilterCase *cases) {
    for (; cases->query; cases++) {
        AUTO(buf_finish) Buf whole = {0};
        buf_printf(&whole, "%s?%s", path, cases->query);
        buf_byte(&whole, '\0');
        NetAnswer answer = test_web_call(&test, "GET", whole.ptr, STR(""), "");
        cr_expect_eq(answer.status, 400, "%s: %d", cases->query, answer.status);
        cJSON *json = cJSON_ParseWithLength(answer.body.ptr, answer.body.len);
        cr_assert_not_null(json);
        cr_expect_str_eq(text_of(json, "status"), "error");
        cr_expect_str_eq(text_of(json, "errorType"), "bad_data");
        cr_expect_str_eq(text_of(json, "error"), cases->want, "%s", cases->query);
        cJSON_Delete(json);
        net_answer_finish(&answer);
    }
}

Test(api_rules, each_filter_alone, .init = open_evaluated, .fini = close_all) {
    static const FilterCase cases[] = {
        {"", ALL BUILT_IN},
        {"unknown=1", ALL BUILT_IN},
        {"type=alert", "a/alpha: Fires, Waits, Calm; a/beta: Broken; b/alpha: Again; " BUILT_IN},
        {"type=record", "a/alpha: m:sum; a/beta: gone:sum; "},
        {"rule_name[]=Fires&rule_name[]=Again", "a/alpha: Fires; b/alpha: Again; "},
        {"rule_name=m:sum", "a/alpha: m:sum; "},
        {"rule_name[]=fires", ""}, /* exact */
        {"rule_group[]=beta", "a/beta: gone:sum, Broken; "},
        {"rule_group[]=alpha&type=record", "a/alpha: m:sum; "},
        {"rule_group[]=empty", ""}, /* groups without rules are left out */
        {"file[]=nowhere.yml", ""},
        {"match[]={severity=%22info%22}", "a/alpha: m:sum; a/beta: Broken; "},
        {"match[]={severity=~%22crit.*%22}&match[]={severity=%22warning%22}",
         "a/alpha: Fires, Waits; " BUILT_IN},
        {"match[]={team=%22core%22,severity=%22%22}", "a/alpha: Calm; "},
        {"exclude_alerts=true&rule_name=Fires", "a/alpha: Fires; "},
        {"type=Alert&rule_name=Fires", "a/alpha: Fires; "},
        /* vmalert's */
        {"datasource_type=prometheus", ALL BUILT_IN},
        {"datasource_type=vlogs", ""},
        {"search=AGAIN", "b/alpha: Again; "},
        {"search=alph", "a/alpha: Fires, Waits, Calm, m:sum; b/alpha: Again; "},
        {"search=b.yml", "b/alpha: Again; "},
        {"state=firing", "a/alpha: Fires; b/alpha: Again; "},
        {"state=pending", "a/alpha: Waits; "},
        {"state=pending,firing&rule_group=alpha", "a/alpha: Fires, Waits; b/alpha: Again; "},
        {"state=firing&state=pending", "a/alpha: Fires, Waits; b/alpha: Again; "},
        {"filter=inactive&match[]={team=%22core%22}", "a/alpha: Calm; "},
        {"state=normal&match[]={team=%22core%22}", "a/alpha: Calm; "},
        {"state=unhealthy", "a/beta: Broken; "},
        {"state=error", "a/beta: Broken; "},
        {"state=nomatch&type=record", "a/beta: gone:sum; "},
        {"state=noData&type=record", "a/beta: gone:sum; "},
        {"state=", ALL BUILT_IN},
        {NULL, NULL},
    };
    check_good("/api/v1/rules", cases, put_groups);
    char query[160];
    snprintf(query, sizeof query, "file[]=%s/b.yml", test.dir);
    check_good("/api/v1/rules", (FilterCase[]){{query, "b/alpha: Again; "}, {NULL, NULL}},
               put_groups);
}

static void put_queries(Buf *out, const cJSON *data) {
    const cJSON *group, *rule, *text;
    cJSON_ArrayForEach(group, cJSON_GetObjectItem(data, "groups")) {
        cJSON_ArrayForEach(rule, cJSON_GetObjectItem(group, "rules")) {
            buf_printf(out, "%s", text_of(rule, "query"));
            cJSON_ArrayForEach(text, cJSON_GetObjectItem(rule, "annotations")) {
                buf_printf(out, " [%s=%s]", text->string, cJSON_GetStringValue(text));
            }
            buf_str(out, STR("; "));
        }
    }
}

/* As Prometheus does it: expressions as it prints them, empty texts too. vmalert shows what was
 * written. */
Test(api_rules, expressions_and_texts_as_their_tools_show_them, .init = open_evaluated,
     .fini = close_all) {
    static const FilterCase cases[] = {
        {"rule_name=Calm", "max by (a) (m{a=\"\",b=\"\"}) > 5 [b=c] [url=]; "},
        {"rule_name=Again", "m  == 1; "},
        {NULL, NULL},
    };
    check_good("/api/v1/rules", cases, put_queries);
}

Test(api_rules, what_it_refuses, .init = open_evaluated, .fini = close_all) {
    static const char limit[] =
        "invalid parameter \"group_limit\": group_limit needs to be a valid "
        "number greater than 0";
    static const FilterCase cases[] = {
        {"type=x", "invalid parameter \"type\": not supported value \"x\""},
        {"exclude_alerts=maybe", "invalid parameter \"exclude_alerts\": error converting "
                                 "exclude_alerts: strconv.ParseBool: parsing \"maybe\": invalid "
                                 "syntax"},
        {"extended_states=2", "invalid parameter \"extended_states\": error converting "
                              "extended_states: strconv.ParseBool: parsing \"2\": invalid syntax"},
        {"match[]={", "1:2: parse error: unexpected end of input inside braces"},
        {"match[]={}", "match[] must contain at least one non-empty matcher"},
        {"datasource_type=x", "invalid parameter \"datasource_type\": not supported value \"x\""},
        {"state=burning", "invalid parameter \"state\": not supported value \"burning\""},
        {"filter=ok,bad", "invalid parameter \"filter\": not supported value \"bad\""},
        {"group_limit=0", limit},
        {"group_limit=-3", limit},
        {"group_limit=x", limit},
        {"group_next_token=x", "invalid parameter \"group_limit\": group_limit needs to be present "
                               "in order to paginate over the groups"},
        {"group_limit=1&group_next_token=x",
         "invalid parameter \"group_next_token\": invalid group_next_token 'x'. were rule groups "
         "changed?"},
        {"page_num=1", "invalid parameter \"page_num\": group_limit needs to be present"},
        {"group_limit=3&page_num=3", "invalid parameter \"page_num\": 3 is not between 1 and 2"},
        {"group_limit=3&page_num=0", "invalid parameter \"page_num\": 0 is not between 1 and 2"},
        {NULL, NULL},
    };
    check_bad("/api/v1/rules", cases);
    static const FilterCase alert_cases[] = {
        {"match[]={", "1:2: parse error: unexpected end of input inside braces"},
        {"datasource_type=x", "invalid parameter \"datasource_type\": not supported value \"x\""},
        {NULL, NULL},
    };
    check_bad("/api/v1/alerts", alert_cases);
}

Test(api_rules, pages_by_token_give_each_group_once, .init = open_evaluated, .fini = close_all) {
    AUTO(buf_finish) Buf got = {0};
    char path[160] = "/api/v1/rules?group_limit=1";
    for (int page = 0; page < 10 && path[0]; page++) {
        cJSON *json = ask(path);
        const cJSON *data = cJSON_GetObjectItem(json, "data");
        const char *token = text_of(data, "groupNextToken");
        cr_expect_eq(cJSON_GetArraySize(cJSON_GetObjectItem(data, "groups")), 1);
        put_groups(&got, data);
        cr_expect(*token == '\0' || strlen(token) == 64);
        snprintf(path, sizeof path, "/api/v1/rules?group_limit=1&group_next_token=%s", token);
        path[0] = *token ? path[0] : '\0'; /* none: this was the last page */
        cJSON_Delete(json);
    }
    cr_expect(str_eq(buf_view(&got), STR(ALL BUILT_IN)), "%.*s", STR_ARG(buf_view(&got)));
}

Test(api_rules, pages_by_number_count_all, .init = open_evaluated, .fini = close_all) {
    cJSON *json = ask("/api/v1/rules?group_limit=3&page_num=2");
    static const struct {
        const char *key;
        double want;
    } totals[] = {{"page", 2}, {"total_pages", 2}, {"total_groups", 4}, {"total_rules", 8}};
    for (size_t i = 0; i < 4; i++) {
        cr_expect_eq(cJSON_GetNumberValue(cJSON_GetObjectItem(json, totals[i].key)), totals[i].want,
                     "%s", totals[i].key);
    }
    AUTO(buf_finish) Buf got = {0};
    put_groups(&got, cJSON_GetObjectItem(json, "data"));
    cr_expect(str_eq(buf_view(&got), STR(BUILT_IN)));
    cr_expect_null(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "data"), "groupNextToken"));
    cJSON_Delete(json);
}

Test(api_rules, files_that_are_not_live_are_named, .init = open_evaluated, .fini = close_all) {
    char pattern[128];
    Problems problems = {0};
    cJSON *good = ask("/api/v1/rules");
    cr_expect_null(cJSON_GetObjectItem(cJSON_GetObjectItem(good, "data"), "fileErrors"));
    cJSON_Delete(good);
    write_file("c", "groups: [{name: g, rules: [{alert: A, exp: up}]}]"); /* never was good */
    snprintf(pattern, sizeof pattern, "%s/*.yml", test.dir);
    RulesSource source = {.pattern = str_of(pattern)};
    cr_expect_not(rules_load(test.rules, &source, 1, clock_now(), &problems));
    problems_finish(&problems);
    cJSON *json = ask("/api/v1/rules?type=record");
    const cJSON *errors = cJSON_GetObjectItem(cJSON_GetObjectItem(json, "data"), "fileErrors");
    cr_assert_eq(cJSON_GetArraySize(errors), 2);
    const char *first = cJSON_GetStringValue(cJSON_GetArrayItem(errors, 0));
    cr_expect(strstr(first, "/c.yml:1:28: group \"g\", rule 1, \"A\""), "%s", first);
    cJSON_Delete(json);
}

/* The only rule that `query` leaves. */
static const cJSON *only_rule(cJSON *json) {
    const cJSON *group =
        cJSON_GetArrayItem(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "data"), "groups"), 0);
    return cJSON_GetArrayItem(cJSON_GetObjectItem(group, "rules"), 0);
}

Test(api_rules, extended_states_and_alerts_left_out, .init = open_evaluated, .fini = close_all) {
    static const struct {
        const char *rule, *state, *extended;
    } rows[] = {
        {"Fires", "firing", "firing"},
        {"Calm", "inactive", "inactive"},
        {"Broken", "inactive", "unhealthy"},
        {"gone:sum", "", "nomatch"},
        {"m:sum", "", "ok"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "/api/v1/rules?rule_name=%s", rows[i].rule);
        cJSON *plain = ask(path);
        cr_expect_str_eq(text_of(only_rule(plain), "state"), rows[i].state, "%s", rows[i].rule);
        snprintf(path, sizeof path, "/api/v1/rules?rule_name=%s&extended_states=1", rows[i].rule);
        cJSON *extended = ask(path);
        cr_expect_str_eq(text_of(only_rule(extended), "state"), rows[i].extended, "%s",
                         rows[i].rule);
        cJSON_Delete(plain);
        cJSON_Delete(extended);
    }
    cJSON *with = ask("/api/v1/rules?rule_name=Fires&exclude_alerts=false");
    cJSON *without = ask("/api/v1/rules?rule_name=Fires&exclude_alerts=1");
    cr_expect_eq(cJSON_GetArraySize(cJSON_GetObjectItem(only_rule(with), "alerts")), 2);
    cr_expect(cJSON_IsNull(cJSON_GetObjectItem(only_rule(without), "alerts")));
    cJSON_Delete(with);
    cJSON_Delete(without);
}

Test(api_rules, alerts_by_their_own_labels, .init = open_evaluated, .fini = close_all) {
    static const FilterCase cases[] = {
        {"", "Fires x; Fires y; Waits x; Waits y; Again x; Again y; "},
        {"match[]={instance=%22x%22}", "Fires x; Waits x; Again x; "},
        {"match[]={severity=%22warning%22}&match[]={alertname=%22Again%22,instance=%22y%22}",
         "Waits x; Waits y; Again y; "},
        {"rule_group[]=beta", ""},
        {"rule_name[]=Waits", "Waits x; Waits y; "},
        {"file[]=nowhere.yml", ""},
        {"datasource_type=graphite", ""},
        {"state=pending", "Fires x; Fires y; Waits x; Waits y; Again x; Again y; "}, /* not asked */
        {NULL, NULL},
    };
    check_good("/api/v1/alerts", cases, put_alerts);
}

Test(api_rules, links_of_prometheus_pages_lead_to_ours, .init = open_evaluated, .fini = close_all) {
    static const char *const rows[][2] = {
        {"/graph?g0.expr=sum(m)+%3E+1%2F2&g0.tab=1", "./#query/sum(m)%20%3E%201%2F2"},
        {"/graph", "./#query"},
        {"/alerts", "./#burning"},
        {"/rules", "./#rules"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char url[256];
        snprintf(url, sizeof url, "http://127.0.0.1:%d%s", web_port(test.web), rows[i][0]);
        NetOptions stay = {.no_redirects = true};
        NetRequest request = {.method = STR("GET"),
                              .url = str_of(url),
                              .options = &stay,
                              .timeout = 30 * SECOND_MS,
                              .answer_bytes_max = 1 << 20};
        NetAnswer answer = {0};
        Err err = {0};
        must(net_call(test.net, &request, &answer, &err), &err);
        cr_expect_eq(answer.status, 302, "%s: %d", rows[i][0], answer.status);
        Str place = str_trim(str_skip(answer.body, 4)); /* "see PLACE" */
        cr_expect(str_eq(place, str_of(rows[i][1])), "%s leads to %.*s", rows[i][0],
                  STR_ARG(place));
        net_answer_finish(&answer);
    }
}

/* ---- vmalert's answers about one thing ---- */

static cJSON *ask_for(const char *path, const char *names[], const cJSON *from) {
    AUTO(buf_finish) Buf whole = {0};
    buf_printf(&whole, "%s?", path);
    for (int i = 0; names[i]; i += 2) {
        buf_printf(&whole, "%s%s=%s", i ? "&" : "", names[i], text_of(from, names[i + 1]));
    }
    buf_byte(&whole, '\0');
    return ask(whole.ptr);
}

Test(api_rules, tell_of_one_group_one_rule_one_alert, .init = open_evaluated, .fini = close_all) {
    cJSON *all = ask("/api/v1/rules?rule_group=alpha&rule_name=Fires");
    const cJSON *group =
        cJSON_GetArrayItem(cJSON_GetObjectItem(cJSON_GetObjectItem(all, "data"), "groups"), 0);
    const cJSON *rule = cJSON_GetArrayItem(cJSON_GetObjectItem(group, "rules"), 0);
    const cJSON *alert = cJSON_GetArrayItem(cJSON_GetObjectItem(rule, "alerts"), 1);

    cJSON *got = ask_for("/api/v1/group", (const char *[]){"group_id", "id", NULL}, group);
    cr_expect_str_eq(text_of(got, "name"), "alpha");
    cr_expect_eq(cJSON_GetArraySize(cJSON_GetObjectItem(got, "rules")), 4);
    cJSON_Delete(got);

    got = ask_for("/vmalert/api/v1/rule",
                  (const char *[]){"group_id", "group_id", "rule_id", "id", NULL}, rule);
    cr_expect_str_eq(text_of(got, "name"), "Fires");
    const cJSON *updates = cJSON_GetObjectItem(got, "updates");
    cr_expect_eq(cJSON_GetArraySize(updates), 2, "one of each evaluation");
    const cJSON *newest = cJSON_GetArrayItem(updates, 0), *oldest = cJSON_GetArrayItem(updates, 1);
    cr_expect(strcmp(text_of(newest, "at"), text_of(oldest, "at")) > 0, "newest first");
    cr_expect_eq(cJSON_GetObjectItem(newest, "samples")->valueint, 2);
    cr_expect_eq(cJSON_GetObjectItem(newest, "series_fetched")->valueint, 2);
    cr_expect_str_eq(text_of(newest, "error"), "");
    cJSON_Delete(got);

    got = ask_for("/api/v1/alert", (const char *[]){"group_id", "group_id", "alert_id", "id", NULL},
                  alert);
    cr_expect_str_eq(text_of(got, "id"), text_of(alert, "id"));
    cr_expect_str_eq(text_of(got, "state"), "firing");
    cJSON_Delete(got);
    cJSON_Delete(all);
}

Test(api_rules, tell_of_evaluations_that_failed, .init = open_evaluated, .fini = close_all) {
    cJSON *all = ask("/api/v1/rules?rule_name=Broken");
    const cJSON *group =
        cJSON_GetArrayItem(cJSON_GetObjectItem(cJSON_GetObjectItem(all, "data"), "groups"), 0);
    const cJSON *rule = cJSON_GetArrayItem(cJSON_GetObjectItem(group, "rules"), 0);
    cJSON *got = ask_for("/api/v1/rule",
                         (const char *[]){"group_id", "group_id", "rule_id", "id", NULL}, rule);
    const cJSON *newest = cJSON_GetArrayItem(cJSON_GetObjectItem(got, "updates"), 0);
    cr_expect(strstr(text_of(newest, "error"), "many-to-many"), "%s", text_of(newest, "error"));
    cJSON_Delete(got);
    cJSON_Delete(all);
}

Test(api_rules, refuse_ids_that_are_none_or_nothings, .init = open_evaluated, .fini = close_all) {
    static const struct {
        const char *path;
        int status;
    } cases[] = {
        {"/api/v1/group", 400},
        {"/api/v1/group?group_id=x", 400},
        {"/api/v1/group?group_id=-1", 400},
        {"/api/v1/group?group_id=18446744073709551616", 400},
        {"/api/v1/group?group_id=18446744073709551615", 404},
        {"/api/v1/rule?rule_id=1", 400},
        {"/api/v1/rule?group_id=1&rule_id=1", 404},
        {"/api/v1/alert?group_id=1&alert_id=1", 404},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        NetAnswer answer = test_web_call(&test, "GET", cases[i].path, STR(""), "");
        cr_expect_eq(answer.status, cases[i].status, "%s: %d", cases[i].path, answer.status);
        net_answer_finish(&answer);
    }
}

Test(api_rules, tell_who_is_told, .init = open_evaluated, .fini = close_all) {
    cJSON *got = ask("/api/v1/notifiers");
    const cJSON *notifiers = cJSON_GetObjectItem(cJSON_GetObjectItem(got, "data"), "notifiers");
    const cJSON *targets = cJSON_GetObjectItem(cJSON_GetArrayItem(notifiers, 0), "targets");
    cr_expect(cJSON_IsArray(targets));
    cJSON_Delete(got);
}
