/*
 * Running unit tests of rules: the live evaluator over a store of its own, with a clock in hand.
 *
 * As promtool does it: from the start to the last time asked about, in steps of the evaluation
 * interval, samples up to that time are appended and every group is evaluated, one after the other,
 * each seeing what those before it recorded. A case about alerts is judged by the evaluation at or
 * right before its time; expressions are asked when all is done.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/go_text.h"
#include "base/mem.h"
#include "base/number.h"
#include "rules/plan.h"
#include "rules/rules_internal.h"
#include "rules/sandbox.h"
#include "rules/unittest_compare.h"
#include "rules/unittest_file.h"

enum { TEST_FILE_BYTES_MAX = 64 << 20 };

/* One group of tests under way. */
typedef struct TestRun {
    const TestFile *file;
    const TestGroup *group;
    const RulesTestOptions *options;
    bool closed_windows; /* Prometheus 2's */
    TimeMs start;
    Sandbox *sandbox;
    Rules *rules;
    Arena arena;
    Slot *slots; /* one per rule group, in the order they are evaluated */
    size_t slot_count;
    size_t *loaded;        /* per input series: points appended so far */
    AlertChange *resolved; /* at the evaluation done last */
    size_t resolved_count, resolved_cap;
    Arena resolved_arena;
    Buf failures;
    size_t passed, failed;
} TestRun;

/* ---- input ---- */

static bool append_until(TestRun *run, TimeMs until, Err *err) {
    SeriesList list = {0};
    for (size_t i = 0; i < run->group->series_count; i++) {
        const SeriesDesc *series = &run->group->series[i];
        for (; run->loaded[i] < series->count; run->loaded[i]++) {
            TimeMs time = run->start + (TimeMs)run->loaded[i] * run->group->interval;
            const SeriesPoint *point = &series->points[run->loaded[i]];
            if (time > until) {
                break;
            }
            if (!point->omitted) {
                RulePoint written = {series->labels, time, point->value, point->histogram};
                VEC_PUSH(list, items, written);
            }
        }
    }
    uint64_t lsn = 0, ticket = 0;
    bool ok = series_list_write(&list, run->sandbox->engine, until, &lsn, &ticket, err);
    series_list_finish(&list);
    return ok;
}

/* ---- rules ---- */

static size_t place_in_order(const TestFile *file, Str name) {
    for (size_t i = 0; i < file->group_order_count; i++) {
        if (str_eq(file->group_order[i], name)) {
            return i;
        }
    }
    return 0;
}

/* Each rule group gets a slot of its own, so that it runs after those before it. Groups that
 * `group_eval_order` does not name count as first, in the order of the files: never at random. */
static void make_slots(TestRun *run) {
    RuleSet *set = run->rules->set;
    LiveGroup **order = arena_array(&run->arena, LiveGroup *, set->group_count + 1);
    size_t count = 0;
    for (size_t place = 0; place <= run->file->group_order_count; place++) {
        for (size_t g = 0; g < set->group_count; g++) {
            if (place_in_order(run->file, set->groups[g].def->name) == place) {
                order[count++] = &set->groups[g];
            }
        }
    }
    run->slots = arena_array(&run->arena, Slot, count + 1);
    for (size_t i = 0; i < count; i++) {
        Slot *slot = &run->slots[run->slot_count++];
        SlotTiming timing = slot_timing(order[i]->def, &run->rules->options);
        timing.interval = run->file->evaluation_interval;
        *slot = (Slot){.timing = timing, .group_count = 1};
        slot->groups = arena_array(&run->arena, LiveGroup *, 1);
        slot->groups[0] = order[i];
        plan_slot(&run->arena, slot, run->rules->options.source_label);
    }
}

static void fail_run(TestRun *run, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void fail_run(TestRun *run, const char *fmt, ...) {
    char text[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    buf_printf(&run->failures, "    %s\n", text);
    run->failed++;
}

static bool load_rules(TestRun *run) {
    AUTO(problems_finish) Problems problems = {0};
    RulesSource *sources = arena_array(&run->arena, RulesSource, run->file->rule_file_count + 1);
    RulesFlavour flavour = run->file->vmalert ? RULES_VMALERT : RULES_AUTO;
    for (size_t i = 0; i < run->file->rule_file_count; i++) {
        sources[i] = (RulesSource){run->file->rule_files[i], flavour, run->options->templates};
    }
    if (!rules_load(run->rules, sources, run->file->rule_file_count, run->start, &problems)) {
        AUTO(buf_finish) Buf text = {0};
        problems_print(&problems, &text);
        fail_run(run, "rule files do not load:\n%.*s", STR_ARG(buf_view(&text)));
        return false;
    }
    make_slots(run);
    return true;
}

/* ---- evaluation ---- */

static void put_time(Buf *buf, TimeMs at) {
    duration_put(buf, at);
}

/* A rule that fails ends the test. One whose template fails has that in its text, as with promtool
 * and vmalert-tool alike. */
static bool check_health(TestRun *run, const LiveGroup *group, TimeMs at) {
    for (size_t i = 0; i < group->rule_count; i++) {
        const RuleState *state = group->rules[i].state;
        if (state->health == RULE_ERR && !state->is_text_fault) {
            AUTO(buf_finish) Buf time = {0};
            put_time(&time, at);
            fail_run(run, "rule: %.*s, time: %.*s, err: %s", STR_ARG(group->rules[i].def->name),
                     STR_ARG(buf_view(&time)), state->last_error ? state->last_error : "");
            return false;
        }
    }
    return true;
}

static void keep_resolved(TestRun *run, const RulesTick *tick) {
    for (size_t i = 0; i < tick->changes_count; i++) {
        if (tick->changes[i].event == ALERT_BECAME_RESOLVED) {
            AlertChange change = tick->changes[i];
            change.alert.labels = labels_copy(&run->resolved_arena, change.alert.labels);
            change.alert.annotations = labels_copy(&run->resolved_arena, change.alert.annotations);
            VEC_PUSH(*run, resolved, change);
        }
    }
}

static bool evaluate_group(TestRun *run, Slot *slot, TimeMs time) {
    RulesTick tick = {.series = mem_zero(1, sizeof(TickSeries))};
    Err err = {0};
    slot->last = time - slot->timing.interval;
    slot_evaluate(run->rules, slot, time, time, &tick);
    keep_resolved(run, &tick);
    bool ok = rules_write_alerts(run->rules, &tick, time, &err);
    rules_tick_finish(&tick);
    if (!ok) {
        fail_run(run, "%s", err.text);
        return false;
    }
    return check_health(run, slot->groups[0], time - run->start);
}

static bool evaluate_all(TestRun *run, TimeMs time) {
    Err err = {0};
    run->resolved_count = 0;
    arena_reset(&run->resolved_arena);
    if (!append_until(run, time, &err)) {
        fail_run(run, "input series: %s", err.text);
        return false;
    }
    for (size_t i = 0; i < run->slot_count; i++) {
        if (!evaluate_group(run, &run->slots[i], time)) {
            return false;
        }
    }
    return true;
}

/* ---- cases ---- */

typedef struct GotAlerts {
    ExpectedAlert *items;
    size_t items_count, items_cap;
} GotAlerts;

static bool group_is_meant(const AlertCase *test, const LiveGroup *group) {
    return test->groupname.len == 0 || str_eq(test->groupname, group->def->name);
}

static void add_active(GotAlerts *got, const AlertCase *test, const RuleState *state) {
    for (size_t i = 0; i < state->alerts_count; i++) {
        const ActiveAlert *active = state->alerts[i];
        bool is_firing = active->life.phase == ALERT_FIRING;
        if (is_firing || test->names_states) {
            ExpectedAlert alert = {active->labels, active->annotations,
                                   is_firing ? EXPECT_FIRING : EXPECT_PENDING, false};
            VEC_PUSH(*got, items, alert);
        }
    }
}

/* Alerts of the case's name as they are now. False if no rule has that name: a misspelt one must
 * not pass. */
static bool collect_alerts(const TestRun *run, const AlertCase *test, GotAlerts *got) {
    bool is_known = false;
    for (size_t s = 0; s < run->slot_count; s++) {
        const LiveGroup *group = run->slots[s].groups[0];
        for (size_t i = 0; i < group->rule_count && group_is_meant(test, group); i++) {
            const LiveRule *rule = &group->rules[i];
            if (rule->def->is_alert && str_eq(rule->def->name, test->alertname)) {
                is_known = true;
                add_active(got, test, rule->state);
            }
        }
    }
    for (size_t i = 0; test->names_states && i < run->resolved_count; i++) {
        const Alert *alert = &run->resolved[i].alert;
        if (str_eq(labels_get(alert->labels, STR("alertname")), test->alertname)) {
            VEC_PUSH(*got, items,
                     ((ExpectedAlert){alert->labels, alert->annotations, EXPECT_RESOLVED, false}));
        }
    }
    return is_known;
}

/* What a name that no rule has may have been meant to be, or NULL. */
static const char *suggest_alert(TestRun *run, Str name) {
    const char **known = arena_array(&run->arena, const char *, run->rules->set->rule_count + 1);
    size_t count = 0;
    for (size_t s = 0; s < run->slot_count; s++) {
        const LiveGroup *group = run->slots[s].groups[0];
        for (size_t i = 0; i < group->rule_count; i++) {
            if (group->rules[i].def->is_alert) {
                known[count++] = arena_cstr(&run->arena, group->rules[i].def->name);
            }
        }
    }
    return str_suggest(name, known);
}

static void check_alert_case(TestRun *run, const AlertCase *test) {
    GotAlerts got = {0};
    AUTO(buf_finish) Buf difference = {0};
    AUTO(buf_finish) Buf time = {0};
    put_time(&time, test->at);
    if (!collect_alerts(run, test, &got)) {
        const char *near = suggest_alert(run, test->alertname);
        fail_run(run,
                 "line %u: alertname: %.*s: no alerting rule of this name in the rule files%s%s%s",
                 test->line, STR_ARG(test->alertname), near ? ", did you mean \"" : "",
                 near ? near : "", near ? "\"?" : "");
    } else if (unittest_alerts_match(test, got.items, got.items_count, &difference)) {
        run->passed++;
    } else {
        run->failed++;
        buf_printf(&run->failures, "    line %u: alertname: %.*s, time: %.*s,\n%.*s", test->line,
                   STR_ARG(test->alertname), STR_ARG(buf_view(&time)),
                   STR_ARG(buf_view(&difference)));
    }
    free(got.items);
}

static void check_expr_case(TestRun *run, const ExprCase *test) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf difference = {0};
    AUTO(buf_finish) Buf time = {0};
    const Expr *expr = NULL;
    Value value = {0};
    Err err = {0};
    bool ok = false;
    QueryOptions options = {.lookback = 5 * MINUTE_MS,
                            .default_step = run->file->evaluation_interval,
                            .closed_windows = run->closed_windows};
    put_time(&time, test->at);
    if (promql_parse(&arena, test->expr, test->metricsql ? PROMQL_METRICSQL : PROMQL_PROMETHEUS,
                     &expr, &err)) {
        EngineExpr asked = {.expr = expr, .text = test->expr};
        engine_instant(run->sandbox->engine, &asked, 1, run->start + test->at, &options, &arena,
                       &value, &ok, &err);
    }
    expr_finish(expr);
    if (ok && unittest_samples_match(test, &value, run->file->fuzzy, &difference)) {
        run->passed++;
        return;
    }
    run->failed++;
    buf_printf(&run->failures, "    line %u: expr: ", test->line);
    go_quote(&run->failures, test->expr, 0);
    buf_printf(&run->failures, ", time: %.*s,\n", STR_ARG(buf_view(&time)));
    if (ok) {
        buf_str(&run->failures, buf_view(&difference));
    } else {
        buf_printf(&run->failures, "        err: %s\n", err.text);
    }
}

static void run_timeline(TestRun *run) {
    const TestGroup *group = run->group;
    DurationMs step = run->file->evaluation_interval, last = group->last;
    size_t next = 0;
    for (DurationMs at = 0; at <= last; at += step) {
        if (!evaluate_all(run, run->start + at)) {
            return;
        }
        for (; next < group->alert_count && group->alerts[next].at < at + step; next++) {
            check_alert_case(run, &group->alerts[next]);
        }
    }
    for (size_t i = 0; i < group->expr_count; i++) {
        check_expr_case(run, &group->exprs[i]);
    }
}

/* Those of the command line before those of the file, as vmalert-tool does it. */
static LabelSet external_labels(TestRun *run) {
    LabelSet labels = run->group->external_labels;
    const LabelSet *given = &run->options->external_labels;
    for (size_t i = 0; i < given->count; i++) {
        labels = labels_with(&run->arena, labels, given->items[i].name, given->items[i].value);
    }
    return labels;
}

/* vmalert-tool wants `groupname` with each case unless the label is turned off: a file without any
 * was written to be run so. */
static bool has_no_alertgroup(const TestRun *run) {
    return run->options->no_alertgroup || (run->file->vmalert && !run->file->names_groups);
}

/* At least 1, and what the rules record comes on top. */
static uint64_t points_of(const TestGroup *group) {
    uint64_t points = 1;
    for (size_t i = 0; i < group->series_count; i++) {
        points += group->series[i].count;
    }
    return points;
}

static void run_group(TestRun *run) {
    Sandbox sandbox = {0};
    Err err = {0};
    if (!sandbox_open(&sandbox, NULL, points_of(run->group), &err)) {
        fail_run(run, "%s", err.text);
        sandbox_close(&sandbox);
        return;
    }
    RulesOptions options = {
        .evaluation_interval = run->file->evaluation_interval,
        .external_labels = external_labels(run),
        .external_url =
            run->group->external_url.len ? run->group->external_url : run->options->external_url,
        .no_alertgroup = has_no_alertgroup(run),
        .lookback = 5 * MINUTE_MS,
        .closed_windows = run->closed_windows,
        .started_at = run->start,
    };
    run->sandbox = &sandbox;
    run->rules = rules_new(sandbox.engine, &options);
    run->loaded = arena_array(&run->arena, size_t, run->group->series_count + 1);
    if (load_rules(run)) {
        run_timeline(run);
    }
    rules_free(run->rules);
    sandbox_close(&sandbox);
}

/* ---- report ---- */

static void put_xml(Buf *buf, Str text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        switch (c) {
        case '<':
            buf_str(buf, STR("&lt;"));
            break;
        case '>':
            buf_str(buf, STR("&gt;"));
            break;
        case '&':
            buf_str(buf, STR("&amp;"));
            break;
        case '"':
            buf_str(buf, STR("&quot;"));
            break;
        default:
            buf_byte(buf, c < 0x20 && c != '\n' && c != '\t' ? ' ' : (char)c);
            break;
        }
    }
}

static void report_group(RulesTestReport *report, const TestRun *run, double seconds) {
    report->passed += run->passed;
    report->failed += run->failed;
    if (run->failed) {
        buf_printf(&report->text, "  %.*s: %.*s\n%.*s", STR_ARG(run->file->path),
                   STR_ARG(run->group->name), STR_ARG(buf_view(&run->failures)));
    }
    buf_str(&report->junit, STR("  <testcase classname=\""));
    put_xml(&report->junit, run->file->path);
    buf_str(&report->junit, STR("\" name=\""));
    put_xml(&report->junit, run->group->name);
    buf_printf(&report->junit, "\" time=\"%.3f\"", seconds);
    if (run->failed) {
        buf_str(&report->junit, STR("><failure>"));
        put_xml(&report->junit, buf_view(&run->failures));
        buf_str(&report->junit, STR("</failure></testcase>\n"));
    } else {
        buf_str(&report->junit, STR("/>\n"));
    }
}

static void run_finish(TestRun *run) {
    free(run->resolved);
    buf_finish(&run->failures);
    arena_finish(&run->resolved_arena);
    arena_finish(&run->arena);
}

/* Where tests begin that name no time, and no tool's default is asked for. */
static TimeMs start_of(const TestGroup *group, const RulesTestOptions *options) {
    return !group->has_start && options->has_start ? options->start : group->start;
}

/* What the tools did before: a group that fails is tried once more so, and passes with a note if it
 * does. */
typedef struct FormerWay {
    bool closed_windows; /* windows lost their left end in Prometheus 3 */
    bool from_1970;      /* vmalert-tool's tests begin in 2000 now */
    const char *note;
} FormerWay;

static const FormerWay former_ways[] = {
    {true, false,
     "passes only with the windows of Prometheus 2, where a sample exactly as old as the range or "
     "the lookback still counts"},
    {false, true,
     "passes only when it begins in 1970, as with earlier vmalert-tool; now its tests begin in "
     "2000"},
};

static bool passes_in(const FormerWay *way, const TestRun *failed) {
    bool is_dated = failed->group->has_start || failed->options->has_start;
    if (way->from_1970 && (is_dated || failed->start == 0)) {
        return false;
    }
    AUTO(run_finish)
    TestRun run = {.file = failed->file,
                   .group = failed->group,
                   .options = failed->options,
                   .start = way->from_1970 ? 0 : failed->start,
                   .closed_windows = way->closed_windows};
    run_group(&run);
    return run.failed == 0;
}

static void run_and_report(const TestFile *file, const TestGroup *group,
                           const RulesTestOptions *options, RulesTestReport *report) {
    AUTO(run_finish)
    TestRun run = {
        .file = file, .group = group, .options = options, .start = start_of(group, options)};
    int64_t started_ns = clock_monotonic_ns();
    run_group(&run);
    for (size_t i = 0; run.failed && i < sizeof former_ways / sizeof former_ways[0]; i++) {
        if (passes_in(&former_ways[i], &run)) {
            run.passed += run.failed;
            run.failed = 0;
            buf_printf(&report->text, "  %.*s: %.*s: note: %s\n", STR_ARG(file->path),
                       STR_ARG(group->name), former_ways[i].note);
        }
    }
    report_group(report, &run, (double)(clock_monotonic_ns() - started_ns) / 1e9);
}

static bool matches_any(Arena *arena, Str pattern) {
    Str *paths = NULL;
    size_t count = 0;
    Err err = {0};
    return file_glob(arena, arena_cstr(arena, pattern), &paths, &count, &err) && count > 0;
}

/* A pattern may match nothing, as in promtool; a file that is named has to be there. */
static bool is_missing(Arena *arena, Str pattern) {
    return !strpbrk(arena_cstr(arena, pattern), "*?[") && !matches_any(arena, pattern);
}

static void check_rule_files(const TestFile *file, RulesTestReport *report) {
    for (size_t i = 0; i < file->rule_file_count; i++) {
        AUTO(arena_finish) Arena arena = {0};
        if (is_missing(&arena, file->rule_files[i])) {
            report->failed++;
            buf_printf(&report->text, "  %.*s: rule_files: %.*s: no such file\n",
                       STR_ARG(file->path), STR_ARG(file->rule_files[i]));
        }
    }
}

static bool read_test_file(Arena *arena, Str path, TestFile *ret_file, Problems *problems) {
    Str bytes = {0};
    Err err = {0};
    if (!file_read(arena, arena_cstr(arena, path), TEST_FILE_BYTES_MAX, &bytes, &err)) {
        return problems_add(problems, path, 0, 0, "%s", err.text);
    }
    return unittest_file_parse(arena, path, bytes, ret_file, problems);
}

static void check_exprs(const TestFile *file, const TestGroup *group, Problems *problems) {
    for (size_t i = 0; i < group->expr_count; i++) {
        AUTO(arena_finish) Arena arena = {0};
        const ExprCase *test = &group->exprs[i];
        const Expr *expr = NULL;
        Err err = {0};
        if (!promql_parse(&arena, test->expr,
                          test->metricsql ? PROMQL_METRICSQL : PROMQL_PROMETHEUS, &expr, &err)) {
            problems_add(problems, file->path, test->expr_line, test->expr_column,
                         "could not parse expression: %s", err.text);
        }
        expr_finish(expr);
    }
}

bool rules_check_unittest(Str path, Str templates, Problems *problems) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(problems_finish) Problems findings = {0};
    TestFile file = {0};
    size_t before = problems->items_count;
    if (!read_test_file(&arena, path, &file, problems)) {
        return false;
    }
    for (size_t i = 0; i < file.group_count; i++) {
        check_exprs(&file, &file.groups[i], problems);
    }
    RulesSource *sources = arena_array(&arena, RulesSource, file.rule_file_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < file.rule_file_count; i++) {
        if (is_missing(&arena, file.rule_files[i])) {
            problems_add(problems, path, 0, 0, "rule_files: %.*s: no such file",
                         STR_ARG(file.rule_files[i]));
        } else if (matches_any(&arena, file.rule_files[i])) {
            sources[count++] = (RulesSource){file.rule_files[i],
                                             file.vmalert ? RULES_VMALERT : RULES_AUTO, templates};
        }
    }
    (void)rules_check(sources, count, &(RulesCheckOptions){0}, problems, &findings);
    return problems->items_count == before;
}

bool rules_unittest(Str path, const RulesTestOptions *options, RulesTestReport *report,
                    Problems *problems) {
    static const RulesTestOptions none = {0};
    options = options ? options : &none;
    const char *run_regex = options->run_regex;
    AUTO(arena_finish) Arena arena = {0};
    Err err = {0};
    Regex *regex = NULL;
    TestFile file = {0};
    if (!read_test_file(&arena, path, &file, problems)) {
        return false;
    }
    if (run_regex) {
        regex = regex_new_search(run_regex, strlen(run_regex), &err);
        if (!regex) {
            return problems_add(problems, STR("--run"), 0, 0, "%s", err.text);
        }
    }
    check_rule_files(&file, report);
    for (size_t i = 0; i < file.group_count; i++) {
        const TestGroup *group = &file.groups[i];
        if (!regex || regex_matches(regex, group->name.ptr, group->name.len)) {
            run_and_report(&file, group, options, report);
        }
    }
    regex_free(regex);
    return true;
}
