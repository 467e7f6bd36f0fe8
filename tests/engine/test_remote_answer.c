/* Answers of query APIs: what is understood, and what is said of the rest. */

#include <criterion/criterion.h>

#include "engine/engine_remote.h"

static void assert_refused(int status, const char *body, ErrKind kind, const char *want) {
    Arena arena = {0};
    Value value;
    Err err = {0};
    cr_expect(!remote_answer_read(&arena, status, str_of(body), &value, &err), "%s", body);
    cr_expect(err.kind == kind && strstr(err.text, want), "%s: %d %s", body, err.kind, err.text);
    arena_finish(&arena);
}

Test(remote_answer, errors_keep_the_other_sides_words) {
    assert_refused(
        400, "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"1:5: parse error\"}",
        ERR_INVALID, "answers 400: 1:5: parse error");
    assert_refused(422, "{\"status\":\"error\",\"error\":\"too many\"}", ERR_INVALID, "too many");
    assert_refused(502, "<html>bad gateway", ERR_IO, "502: <html>bad gateway");
    assert_refused(503, "", ERR_TIMEOUT, "503");
    assert_refused(200, "{\"status\":\"error\",\"error\":\"no\"}", ERR_IO, "no");
    assert_refused(200, "not json", ERR_IO, "misshapen");
}

Test(remote_answer, wrong_shapes_are_refused) {
    static const char *const results[] = {
        "{}",
        "{\"resultType\":\"table\",\"result\":[]}",
        "{\"resultType\":\"vector\",\"result\":{}}",
        "{\"resultType\":\"vector\",\"result\":[{}]}",
        "{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"a\":1},\"value\":[1,\"1\"]}]}",
        "{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":[1]}]}",
        "{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":[\"1\",\"1\"]}]}",
        "{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":[1e300,\"1\"]}]}",
        "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},\"values\":[[1,\"x\"]]}]}",
        "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{}}]}",
        "{\"resultType\":\"scalar\",\"result\":[1,1]}",
    };
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        AUTO(buf_finish) Buf body = {0};
        buf_printf(&body, "{\"status\":\"success\",\"data\":%s}%c", results[i], '\0');
        assert_refused(200, body.ptr, ERR_IO, "misshapen");
    }
}

Test(remote_answer, values_come_out_as_they_were) {
    Arena arena = {0};
    Value value;
    Err err = {0};
    Str body = STR(
        "{\"status\":\"success\",\"isPartial\":true,\"warnings\":[\"w\"],\"data\":{\"resultType\":"
        "\"matrix\",\"result\":[{\"metric\":{\"b\":\"2\",\"a\":\"1\"},\"values\":[[1.5,\"NaN\"],[2,"
        "\"+Inf\"]]}]}}");
    cr_assert(remote_answer_read(&arena, 200, body, &value, &err), "%s", err.text);
    cr_assert(value.type == VALUE_MATRIX && value.series_count == 1);
    cr_expect(str_eq(value.series[0].labels.items[0].name, STR("a")));
    cr_expect_eq(value.series[0].times[0], 1500);
    cr_expect(value.series[0].values[0] != value.series[0].values[0]);
    cr_expect_eq(value.warning_count, 2);
    cr_expect(str_eq(value.warnings[1], STR("the remote engine's answer is partial")));
    arena_finish(&arena);
}

Test(remote_answer, series_fetched_are_known_where_it_says_so) {
    static const struct {
        const char *stats;
        bool knows;
        uint64_t series;
    } rows[] = {
        {"", false, 0},
        {",\"stats\":{}", false, 0},
        {",\"stats\":{\"seriesFetched\":\"17\",\"executionTimeMsec\":1}", true, 17},
        {",\"stats\":{\"seriesFetched\":3}", true, 3},
        {",\"stats\":{\"seriesFetched\":\"0\"}", true, 0},
        {",\"stats\":{\"seriesFetched\":\"-1\"}", false, 0},
        {",\"stats\":{\"seriesFetched\":1e300}", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Arena arena = {0};
        Value value;
        Err err = {0};
        AUTO(buf_finish) Buf body = {0};
        buf_printf(&body,
                   "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}%s}",
                   rows[i].stats);
        cr_assert(remote_answer_read(&arena, 200, buf_view(&body), &value, &err), "%s", err.text);
        cr_expect_eq(value.stats.knows_series, rows[i].knows, "%s", rows[i].stats);
        cr_expect_eq(value.stats.series, rows[i].series, "%s", rows[i].stats);
        arena_finish(&arena);
    }
}

Test(remote_answer, every_prefix_is_refused_or_read_but_never_more) {
    Str body = STR("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{"
                   "\"metric\":{\"a\":"
                   "\"1\"},\"value\":[1.5,\"2\"]}]}}");
    for (size_t length = 0; length < body.len; length++) {
        Arena arena = {0};
        Value value;
        Err err = {0};
        cr_expect(!remote_answer_read(&arena, 200, (Str){body.ptr, length}, &value, &err));
        arena_finish(&arena);
    }
}
