#include <criterion/criterion.h>

#include "web_test.h"

/* The server over real doors: statuses and shapes that clients depend on. */

static TestWeb test;

static void open_ready(void) {
    test_web_open(&test, 0);
    test_web_ready(&test);
}

static void close_all(void) {
    test_web_close(&test);
}

/* Status of one exchange, and whether the answer has `part` in it. */
static void assert_answer(const char *method, const char *path, const char *body, const char *type,
                          int status, const char *part) {
    NetAnswer answer = test_web_call(&test, method, path, str_of(body), type);
    cr_expect(answer.ok, "%s %s: %s", method, path, answer.err.text);
    cr_expect_eq(answer.status, status, "%s %s: %d, want %d: %.*s", method, path, answer.status,
                 status, STR_ARG(answer.body));
    cr_expect(!part || memmem(answer.body.ptr, answer.body.len, part, strlen(part)),
              "%s %s: no %s in %.*s", method, path, part, STR_ARG(answer.body));
    net_answer_finish(&answer);
}

Test(server, answers_before_it_is_ready_only_what_it_can) {
    test_web_open(&test, 0);
    assert_answer("GET", "/-/healthy", "", "", 200, "OK");
    assert_answer("GET", "/-/ready", "", "", 503, NULL);
    assert_answer("GET", "/api/v1/query?query=1", "", "", 503, "starting");
    assert_answer("GET", "/metrics", "", "", 200, "belfry_build_info");
    test_web_ready(&test);
    assert_answer("GET", "/-/ready", "", "", 200, "OK");
    test_web_close(&test);
}

Test(server, grafanas_save_and_test_passes, .init = open_ready, .fini = close_all) {
    assert_answer(
        "POST", "/api/v1/query", "query=1%2B1&time=4", "application/x-www-form-urlencoded", 200,
        "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[4,\"2\"]}}");
    assert_answer("GET", "/api/v1/status/buildinfo", "", "", 200, "\"version\"");
    NetAnswer info = test_web_call(&test, "GET", "/api/v1/status/buildinfo", STR(""), "");
    cr_expect_null(
        memmem(info.body.ptr, info.body.len, "features", 8)); /* Grafana takes it for Mimir */
    net_answer_finish(&info);
    assert_answer("GET", "/alertmanager/api/v2/status", "", "", 404, NULL);
    assert_answer("GET", "/api/v2/status", "", "", 200, "\"disabled\"");
}

Test(server, what_is_written_can_be_read, .init = open_ready, .fini = close_all) {
    assert_answer("POST", "/api/v1/import/prometheus", "up{job=\"a\"} 1\nup{job=\"b\"} 0\n",
                  "text/plain", 204, NULL);
    assert_answer("GET", "/api/v1/query?query=sum(up)", "", "", 200, "\"1\"]");
    assert_answer("GET", "/api/v1/query?query=up%7Bjob%3D%22a%22%7D", "", "", 200, "\"job\":\"a\"");
    assert_answer("GET", "/api/v1/labels", "", "", 200, "[\"__name__\",\"job\"]");
    assert_answer("GET", "/api/v1/label/job/values", "", "", 200, "[\"a\",\"b\"]");
    assert_answer("GET", "/api/v1/series?match[]=up&limit=1", "", "", 200, "truncated");
    assert_answer("POST", "/api/v1/admin/flush", "", "", 204, NULL);
    assert_answer("GET", "/api/v1/query?query=count(up)", "", "", 200, "\"2\"]");
    assert_answer("GET", "/api/v1/export?match[]=up", "", "", 200, "\"values\":[1]");
}

Test(server, bad_requests_say_what_is_wrong, .init = open_ready, .fini = close_all) {
    static const struct {
        const char *method, *path, *body, *type;
        int status;
        const char *part;
    } cases[] = {
        {"GET", "/api/v1/query?query=foo(", "", "", 400, "parse error"},
        {"GET", "/api/v1/query?query=up&time=x", "", "", 400,
         "cannot parse \\\"x\\\" to a valid timestamp"},
        {"GET", "/api/v1/query_range?query=up&start=2&end=1&step=1", "", "", 400,
         "end timestamp must not be before start time"},
        {"GET", "/api/v1/query_range?query=up&start=0&end=99999&step=1", "", "", 400,
         "exceeded maximum resolution"},
        {"GET", "/api/v1/query_range?query=up[5m]&start=0&end=9&step=1", "", "", 400,
         "range vector"},
        {"GET", "/api/v1/series", "", "", 400, "no match[] parameter provided"},
        {"GET", "/api/v1/rules?type=x", "", "", 400, "not supported value"},
        {"GET", "/nope", "", "", 404, NULL},
        {"DELETE", "/api/v1/query", "", "", 405, NULL},
        {"GET", "/api/v2/nope", "", "", 404,
         "{\"code\":404,\"message\":\"path /api/v2/nope was not found\"}"},
        {"POST", "/api/v1/write", "garbage", "application/x-protobuf", 400, "snappy"},
        {"POST", "/api/v1/write", "x", "text/plain", 415, NULL},
        {"POST", "/api/v1/write", "x", "application/x-protobuf;proto=io.foo.Bar", 415, "proto="},
        {"POST", "/api/v1/write", "x", "application/x-protobufs", 415, "proto="},
        {"POST", "/api/v1/write", "garbage",
         "application/x-protobuf; proto=\"io.prometheus.write.v2.Request\"", 400, "snappy"},
        {"POST", "/api/v1/import/prometheus", "a 1\nb{ 2\nc 3\n", "text/plain", 400, "line 2"},
        {"POST", "/api/v2/silences", "{}", "application/json", 422, "is required"},
        {"POST", "/api/v2/silences", "{", "application/json", 400, "parsing silence body"},
        {"POST", "/api/v2/silences", "{}", "text/plain", 415, NULL},
        {"GET", "/api/v2/silence/x", "", "", 422, "must be of type uuid"},
        {"GET", "/api/v2/silence/00000000-0000-0000-0000-000000000000", "", "", 404, NULL},
        {"GET", "/api/v2/alerts?filter=foo", "", "", 400, "\"bad matcher format: foo\""},
        {"POST", "/api/v1/maintenance", "{\"matchers\":[\"a=b\"],\"reson\":\"x\"}",
         "application/json", 400, "did you mean reason"},
        {"POST", "/api/v1/maintenance", "{\"matchers\":[\"a=b\"],\"reason\":\"x\",\"owner\":\"o\"}",
         "application/json", 400, "ends_at or review_at"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_answer(cases[i].method, cases[i].path, cases[i].body, cases[i].type, cases[i].status,
                      cases[i].part);
    }
    assert_answer("GET", "/api/v1/query?query=c", "", "", 200,
                  "\"3\"]"); /* the line after the bad one */
}

Test(server, a_body_over_its_limit_is_refused_and_names_the_option) {
    test_web_open(&test, 1000);
    test_web_ready(&test);
    char body[2000];
    memset(body, 'x', sizeof body - 1);
    body[sizeof body - 1] = '\0';
    assert_answer("POST", "/api/v1/write", body, "application/x-protobuf", 413,
                  "limits.body_bytes_max");
    assert_answer("POST", "/api/v1/import/prometheus", "fine 1\n", "text/plain", 204, NULL);
    test_web_close(&test);
}

Test(server, silences_and_flags_go_in_and_come_out, .init = open_ready, .fini = close_all) {
    const char *silence =
        "{\"matchers\":[{\"name\":\"a\",\"value\":\"b\",\"isRegex\":false}],"
        "\"startsAt\":\"0001-01-01T00:00:00Z\",\"endsAt\":\"2999-01-01T00:00:00Z\","
        "\"createdBy\":\"me\",\"comment\":\"why\"}";
    assert_answer("POST", "/api/v2/silences", silence, "application/json", 200, "silenceID");
    assert_answer("GET", "/api/v2/silences?filter=a%3Db", "", "", 200, "\"comment\":\"why\"");
    assert_answer("GET", "/api/v2/silences?filter=a%3Dc", "", "", 200, "[]");
    assert_answer("POST", "/api/v1/maintenance",
                  "{\"matchers\":{\"cluster\":\"x\"},\"reason\":\"r\",\"owner\":\"o\",\"ends_at\":"
                  "\"2999-01-01T00:00:00Z\"}",
                  "application/json", 200, "\"id\"");
    assert_answer("GET", "/api/v1/maintenance", "", "", 200, "cluster=\\\"x\\\"");
}

Test(server, the_page_is_in_the_binary, .init = open_ready, .fini = close_all) {
    assert_answer("GET", "/", "", "", 200, "<title>Belfry</title>");
    assert_answer("GET", "/ui/app.js", "", "", 200, "use strict");
    assert_answer("GET", "/ui/../state.db", "", "", 404, NULL);
}

Test(server, stops_while_an_order_waits) {
    open_ready();
    NetBox *box = net_box_new(test.net);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/-/reload", web_port(test.web));
    NetRequest reload = {.method = STR("POST"),
                         .url = str_of(url),
                         .timeout = 20 * SECOND_MS,
                         .answer_bytes_max = 1000};
    net_send(box, &reload);
    WebOrder order;
    cr_assert(web_take_order(test.web, 10 * SECOND_MS, &order)); /* taken, never answered */
    net_box_free(box);                                           /* its client leaves, too */
    test_web_close(&test);
}
