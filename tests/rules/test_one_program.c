/*
 * One program for all rules of a slot answers as each rule alone would: every expression of the
 * corpus' kubernetes, node and etcd rules, and families of thresholds over shared parts, asked
 * together and one by one over the same store.
 */

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "rules/rule_file.h"
#include "rules/sandbox.h"
#include "rules/series_list.h"

static const TimeMs START = INT64_C(1700000040000);
enum { STEPS = 40, SCRAPE_MS = 15000 };

typedef struct Corpus {
    Arena arena;
    RuleFile **files;
    size_t files_count, files_cap;
    EngineExpr *exprs;
    size_t exprs_count, exprs_cap;
    Str *metrics; /* names the expressions read */
    size_t metrics_count, metrics_cap;
} Corpus;

static void note_metric(Corpus *corpus, Str metric) {
    for (size_t i = 0; i < corpus->metrics_count; i++) {
        if (str_eq(corpus->metrics[i], metric)) {
            return;
        }
    }
    if (metric.len) {
        VEC_PUSH(*corpus, metrics, metric);
    }
}

static void take_file(Corpus *corpus, RuleFile *file) {
    VEC_PUSH(*corpus, files, file);
    for (size_t g = 0; g < file->group_count; g++) {
        for (size_t i = 0; i < file->groups[g].rule_count; i++) {
            const RuleDef *rule = &file->groups[g].rules[i];
            VEC_PUSH(*corpus, exprs, ((EngineExpr){.expr = rule->expr, .text = rule->expr_text}));
            for (size_t s = 0; s < rule->selector_count; s++) {
                note_metric(corpus, rule->selectors[s].metric);
            }
        }
    }
}

static void add_folder(Corpus *corpus, const char *project) {
    const char *shared = getenv("BELFRY_SHARED");
    Str *paths = NULL;
    size_t count = 0;
    Err err = {0};
    Str pattern = arena_printf(&corpus->arena, "%s/corpus/rules/%s/*.y*ml",
                               shared ? shared : "../shared", project);
    cr_assert(file_glob(&corpus->arena, pattern.ptr, &paths, &count, &err));
    for (size_t i = 0; i < count; i++) {
        AUTO(problems_finish) Problems problems = {0};
        RuleFile *file = NULL;
        Str bytes = {0};
        cr_assert(file_read(&corpus->arena, paths[i].ptr, 16 << 20, &bytes, &err));
        if (rule_file_load(paths[i], bytes, RULES_AUTO, &file, &problems)) {
            take_file(corpus, file);
        }
    }
}

/* Thresholds over the same windows and sub-expressions, as real rule sets have them in families. */
static void add_families(Corpus *corpus) {
    Buf text = {0};
    buf_printf(&text, "groups:\n- name: families\n  rules:\n");
    for (int i = 0; i < 60; i++) {
        buf_printf(&text,
                   "  - {record: a%d, expr: 'sum by (job) (rate(up[%dm])) / on(job) sum by (job) "
                   "(up) > %d'}\n",
                   i, 1 + i % 3, i % 5);
        buf_printf(&text,
                   "  - {record: b%d, expr: 'max_over_time(rate(up[5m])[10m:1m]) > 0.%02d'}\n", i,
                   i);
    }
    AUTO(problems_finish) Problems problems = {0};
    RuleFile *file = NULL;
    cr_assert(rule_file_load(STR("families"), buf_view(&text), RULES_AUTO, &file, &problems));
    take_file(corpus, file);
    buf_finish(&text);
}

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* A few series of every metric, counters with resets and gaps. */
static void fill_store(Corpus *corpus, Engine *engine) {
    static const Str jobs[] = {
        {"kubelet", 7}, {"node", 4}, {"kube-state-metrics", 18}, {"etcd", 4}};
    SeriesList list = {0};
    uint32_t state = 1;
    for (int step = 0; step < STEPS; step++) {
        TimeMs time = START - (TimeMs)(STEPS - 1 - step) * SCRAPE_MS;
        for (size_t m = 0; m < corpus->metrics_count; m++) {
            for (size_t s = 0; s < 3; s++) {
                Label *labels = arena_array(&corpus->arena, Label, 6);
                labels[0] = (Label){LABEL_METRIC_NAME, corpus->metrics[m]};
                labels[1] = (Label){STR("instance"), s ? STR("b") : STR("a")};
                labels[2] = (Label){STR("job"), jobs[(m + s) % 4]};
                labels[3] = (Label){STR("le"), s == 2 ? STR("+Inf") : STR("1")};
                labels[4] = (Label){STR("namespace"), STR("kube-system")};
                labels[5] = (Label){STR("node"), s ? STR("n1") : STR("n2")};
                if (next_random(&state) % 16) {
                    series_list_add(&list, (LabelSet){labels, 6}, time,
                                    (double)((uint32_t)step * 7 + next_random(&state) % 5) -
                                        (step == 20) * 90);
                }
            }
        }
    }
    uint64_t lsn = 0, ticket = 0;
    Err err = {0};
    cr_assert(series_list_write(&list, engine, START, &lsn, &ticket, &err), "%s", err.text);
    series_list_finish(&list);
}

static void put_value(Buf *buf, const Value *value, bool ok, const Err *err) {
    if (!ok) {
        buf_printf(buf, "error %s", err->text);
        return;
    }
    buf_printf(buf, "%d %a", value->type, value->type == VALUE_SCALAR ? value->scalar : 0);
    for (size_t i = 0; i < value->series_count; i++) {
        labels_print(buf, value->series[i].labels);
        buf_printf(buf, " %016llx\n", (unsigned long long)value_bits(value->series[i].values[0]));
    }
    for (size_t i = 0; i < value->warning_count; i++) {
        buf_printf(buf, "warning %.*s\n", STR_ARG(value->warnings[i]));
    }
}

Test(one_program, answers_as_each_rule_alone) {
    Corpus corpus = {0};
    Sandbox sandbox = {0};
    Err err = {0};
    add_folder(&corpus, "kube-prometheus");
    add_folder(&corpus, "node-exporter");
    add_families(&corpus);
    Pool *pool = pool_new("work", 3, 64); /* parts of the program run side by side */
    cr_assert(sandbox_open(&sandbox, pool, 1, &err), "%s", err.text);
    fill_store(&corpus, sandbox.engine);

    size_t count = corpus.exprs_count, results = 0;
    AUTO(arena_finish) Arena arena = {0};
    Value *values = arena_array(&arena, Value, count);
    bool *ok = arena_array(&arena, bool, count);
    Err *errs = arena_array(&arena, Err, count);
    QueryOptions options = {.lookback = 5 * MINUTE_MS, .default_step = MINUTE_MS};
    engine_instant(sandbox.engine, corpus.exprs, count, START, &options, &arena, values, ok, errs);
    for (size_t i = 0; i < count; i++) {
        AUTO(arena_finish) Arena own = {0};
        AUTO(buf_finish) Buf together = {0};
        AUTO(buf_finish) Buf alone = {0};
        Value value = {0};
        bool own_ok = false;
        engine_instant(sandbox.engine, &corpus.exprs[i], 1, START, &options, &own, &value, &own_ok,
                       &err);
        put_value(&together, &values[i], ok[i], &errs[i]);
        put_value(&alone, &value, own_ok, &err);
        results += own_ok ? value.series_count : 0;
        cr_expect(str_eq(buf_view(&together), buf_view(&alone)),
                  "%.*s\ntogether: %.*s\nalone: %.*s", STR_ARG(corpus.exprs[i].text),
                  STR_ARG(buf_view(&together)), STR_ARG(buf_view(&alone)));
    }
    cr_expect_gt(count, 120, "%zu expressions", count);
    cr_expect_gt(results, 100, "%zu results", results);
    for (size_t i = 0; i < corpus.files_count; i++) {
        rule_file_unref(corpus.files[i]);
    }
    free(corpus.files);
    free(corpus.exprs);
    free(corpus.metrics);
    arena_finish(&corpus.arena);
    sandbox_close(&sandbox);
    pool_free(pool);
}
