/* The series notation of tests: values, gaps, repetitions and histograms. */

#include <math.h>

#include "base/number.h"
#include "corpus.h"
#include "promql/promql.h"
#include "promql/series_desc.h"

/* "1 _ stale", histograms as PromQL prints them; or the error. */
static Str shown(Arena *arena, Str text) {
    SeriesPoint *points;
    size_t count;
    Err err = {0};
    if (!series_values_parse(arena, text, &points, &count, &err)) {
        return arena_str(arena, str_of(err.text));
    }
    AUTO(buf_finish) Buf buf = {0};
    for (size_t i = 0; i < count; i++) {
        buf_str(&buf, i ? STR(" ") : STR(""));
        if (points[i].omitted) {
            buf_byte(&buf, '_');
        } else if (points[i].histogram) {
            histogram_print(&buf, points[i].histogram);
        } else if (value_is_stale(points[i].value)) {
            buf_str(&buf, STR("stale"));
        } else {
            number_put(&buf, points[i].value);
        }
    }
    return arena_str(arena, buf_view(&buf));
}

Test(series_desc, reads_values_gaps_and_repetitions) {
    static const char *const rows[][2] = {
        {"1 2 3", "1 2 3"},
        {"1x2 _x2 stale", "1 1 1 _ _ stale"},
        {"1+2x3 10-5x2", "1 3 5 7 10 5 0"},
        {"-1e3 +Inf -Inf NaN .5", "-1000 +Inf -Inf NaN 0.5"},
        {" \t1\n2 ", "1 2"},
        {"", ""},
        {"{{schema:0 sum:5 count:4 buckets:[1 2 1]}}",
         "{count:4, sum:5, (0.5,1]:1, (1,2]:2, (2,4]:1}"},
        {"{{sum:1 count:1 buckets:[1]}}+{{sum:2 count:1 buckets:[1]}}x2",
         "{count:1, sum:1, (0.5,1]:1} {count:2, sum:3, (0.5,1]:2} {count:3, sum:5, (0.5,1]:3}"},
        {"{{schema:-53 sum:1 count:3 custom_values:[5 10] buckets:[1 2]}}",
         "{count:3, sum:1, [-Inf,5]:1, (5,10]:2}"},
        {"{{}}x1", "{count:0, sum:0} {count:0, sum:0}"},
        {"1+1", "1:4: parse error: unexpected end of input in series values"},
        {"1 2 foo", "1:5: parse error: unexpected identifier in series values, expected number or "
                    "\"stale\""},
        {"1x99999999999", "series has more than 10000000 values"},
        {"{{}}+{{sum:1}}x99999999999", "series has more than 10000000 values"},
        {"{{}}+{{sum:1}}x9999999", "a run of histograms takes more than 128 MiB"},
        {"{{sum:1 sum:2}}", "1:9: parse error: duplicate key \"sum\" in histogram"},
        {"{{sun:1}}", "1:3: parse error: bad histogram descriptor found: \"sun\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Arena arena = {0};
        Str got = shown(&arena, str_of(rows[i][0]));
        cr_expect(str_eq(got, str_of(rows[i][1])), "%s\n  want %s\n  got  %.*s", rows[i][0],
                  rows[i][1], STR_ARG(got));
        arena_finish(&arena);
    }
}

static void assert_desc(const cJSON *item) {
    Arena arena = {0};
    Err err = {0};
    SeriesDesc desc;
    Str input = corpus_text(&arena, item, "input");
    bool ok = series_desc_parse(&arena, input, &desc, &err);
    cr_expect_eq(!ok, cJSON_IsTrue(cJSON_GetObjectItem(item, "fail")), "%.*s: %s", STR_ARG(input),
                 ok ? "" : err.text);
    const cJSON *values = cJSON_GetObjectItem(item, "values");
    for (size_t i = 0; ok && i < desc.count; i++) {
        const cJSON *want = cJSON_GetArrayItem(values, (int)i);
        cr_expect_eq(desc.points[i].omitted, cJSON_IsNull(want), "%.*s", STR_ARG(input));
        cr_expect(cJSON_IsNull(want) || desc.points[i].value == want->valuedouble, "%.*s",
                  STR_ARG(input));
    }
    cr_expect(!ok || (int)desc.count == cJSON_GetArraySize(values), "%.*s", STR_ARG(input));
    const cJSON *label;
    cJSON_ArrayForEach(label, cJSON_GetObjectItem(item, "metric")) {
        cr_expect(ok && str_eq(labels_get(desc.labels, str_of(label->string)),
                               str_of(label->valuestring)),
                  "%.*s", STR_ARG(input));
    }
    arena_finish(&arena);
}

Test(series_desc, reads_what_prometheus_reads) {
    cJSON *root = corpus_open("promql-series-desc.json");
    const cJSON *item;
    cJSON_ArrayForEach(item, corpus_cases(root)) {
        assert_desc(item);
    }
    cJSON_Delete(root);
}

Test(series_desc, reads_label_sets) {
    static const char *const rows[][2] = {
        {"up", "up"},
        {"up{a='1', b=\"2\",}", "up{a=\"1\", b=\"2\"}"},
        {"{\"my.metric\", \"a b\"=\"c\"}", "{\"my.metric\", \"a b\"=\"c\"}"},
        {"up {a=\"1\"}", "up{a=\"1\"}"},
        {"up{a=}", "1:6: parse error: unexpected \"}\" in label set, expected string"},
        {"up{a}", "1:5: parse error: unexpected \"}\" in label set, expected \"=\""},
        {"up{a=\"1\"", "1:9: parse error: unexpected end of input inside braces"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Arena arena = {0};
        LabelSet labels;
        Err err = {0};
        AUTO(buf_finish) Buf got = {0};
        if (series_labels_parse(&arena, str_of(rows[i][0]), &labels, &err)) {
            labels_print(&got, labels);
        } else {
            buf_str(&got, str_of(err.text));
        }
        cr_expect(str_eq(buf_view(&got), str_of(rows[i][1])), "%s\n  want %s\n  got  %.*s",
                  rows[i][0], rows[i][1], STR_ARG(buf_view(&got)));
        arena_finish(&arena);
    }
}
