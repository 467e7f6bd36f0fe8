/*
 * The rules that come along in rules.d: complete, tested one by one, looking at metrics that exist,
 * and silent where nothing of what they watch is there.
 */

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "rules/lint.h"
#include "rules/rule_file.h"
#include "rules/sandbox.h"

enum { FILE_BYTES_MAX = 64 << 20 };

/* In no file of the corpus; from the exporters' own sources. */
static const char *const known_metrics[] = {
    "nginx_up",                                                 /* nginx-prometheus-exporter */
    "nginx_connections_accepted",                               /* the same */
    "nginx_connections_handled",                                /* the same */
    "nginx_connections_active",                                 /* the same */
    "engine_daemon_container_states_containers",                /* dockerd, metrics-addr */
    "engine_daemon_health_checks_failed_total",                 /* the same */
    "kubeproxy_sync_proxy_rules_last_timestamp_seconds",        /* kube-proxy */
    "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds", /* the same */
    "prometheus_rule_group_iterations_missed_total",            /* our own, in Prometheus' words */
};

typedef struct Pack {
    Arena arena;
    RuleFile **files;
    size_t count;
} Pack;

static Pack load_packs(void) {
    Pack pack = {0};
    Str *paths = NULL;
    Err err = {0};
    cr_assert(file_glob(&pack.arena, "rules.d/**/*.y*ml", &paths, &pack.count, &err), "%s",
              err.text);
    cr_assert_geq(pack.count, 10, "the working directory is not the project's");
    pack.files = arena_array(&pack.arena, RuleFile *, pack.count);
    for (size_t i = 0; i < pack.count; i++) {
        Problems problems = {0};
        Str bytes = {0};
        cr_assert(file_read(&pack.arena, paths[i].ptr, FILE_BYTES_MAX, &bytes, &err), "%s",
                  err.text);
        if (!rule_file_load(paths[i], bytes, RULES_PROMETHEUS, &pack.files[i], &problems)) {
            AUTO(buf_finish) Buf text = {0};
            problems_print(&problems, &text);
            cr_assert_fail("%.*s", STR_ARG(buf_view(&text)));
        }
        problems_finish(&problems);
    }
    return pack;
}

static void pack_finish(Pack *pack) {
    for (size_t i = 0; i < pack->count; i++) {
        rule_file_unref(pack->files[i]);
    }
    arena_finish(&pack->arena);
}

/* Calls `visit` for each rule of all files. */
static void each_rule(const Pack *pack,
                      void (*visit)(void *ctx, const RuleFile *file, const RuleDef *rule),
                      void *ctx) {
    for (size_t i = 0; i < pack->count; i++) {
        for (size_t g = 0; g < pack->files[i]->group_count; g++) {
            for (size_t r = 0; r < pack->files[i]->groups[g].rule_count; r++) {
                visit(ctx, pack->files[i], &pack->files[i]->groups[g].rules[r]);
            }
        }
    }
}

static Str annotation(const RuleDef *rule, Str name) {
    for (size_t i = 0; i < rule->annotations.count; i++) {
        if (str_eq(rule->annotations.items[i].name, name)) {
            return rule->annotations.items[i].text;
        }
    }
    return (Str){0};
}

static void check_texts(void *ctx, const RuleFile *file, const RuleDef *rule) {
    (void)ctx;
    (void)file;
    if (!rule->is_alert) {
        return;
    }
    Str severity = labels_get(rule->label_set, STR("severity"));
    cr_expect(str_eq(severity, STR("critical")) || str_eq(severity, STR("warning")) ||
                  str_eq(severity, STR("info")) || str_eq(rule->name, STR("Watchdog")),
              "%.*s: severity \"%.*s\"", STR_ARG(rule->name), STR_ARG(severity));
    static const char *const wanted[] = {"summary", "description", "runbook"};
    for (size_t i = 0; i < 3; i++) {
        cr_expect_gt(annotation(rule, str_of(wanted[i])).len, 10, "%.*s: no %s",
                     STR_ARG(rule->name), wanted[i]);
    }
}

Test(packs, every_alert_says_how_bad_it_is_and_what_to_do) {
    Pack pack = load_packs();
    each_rule(&pack, check_texts, NULL);
    pack_finish(&pack);
}

Test(packs, lint_finds_nothing) {
    Pack pack = load_packs();
    for (size_t i = 0; i < pack.count; i++) {
        AUTO(problems_finish) Problems findings = {0};
        AUTO(buf_finish) Buf text = {0};
        if (str_ends(pack.files[i]->path, STR("watchdog.yml"))) {
            continue; /* fires always, on purpose */
        }
        lint_files(&pack.files[i], 1, MINUTE_MS, &findings);
        problems_print(&findings, &text);
        cr_expect_eq(findings.items_count, 0, "%.*s", STR_ARG(buf_view(&text)));
    }
    pack_finish(&pack);
}

static void find_test(void *ctx, const RuleFile *file, const RuleDef *rule) {
    (void)file;
    AUTO(arena_finish) Arena arena = {0};
    Str wanted = arena_printf(&arena, "alertname: %.*s\n", STR_ARG(rule->name));
    const Buf *tests = ctx;
    if (rule->is_alert && !str_eq(rule->name, STR("Watchdog"))) {
        cr_expect(memmem(tests->ptr, tests->len, wanted.ptr, wanted.len), "%.*s has no test",
                  STR_ARG(rule->name));
    }
}

Test(packs, every_alert_passes_its_unit_test) {
    Pack pack = load_packs();
    AUTO(buf_finish) Buf tests = {0};
    Str *paths = NULL;
    size_t count = 0;
    Err err = {0};
    cr_assert(file_glob(&pack.arena, "tests/packs/*.yml", &paths, &count, &err), "%s", err.text);
    for (size_t i = 0; i < count; i++) {
        RulesTestReport report = {0};
        Str bytes = {0};
        cr_assert(file_read(&pack.arena, paths[i].ptr, FILE_BYTES_MAX, &bytes, &err));
        buf_str(&tests, bytes);
        AUTO(problems_finish) Problems problems = {0};
        AUTO(buf_finish) Buf complaint = {0};
        bool ran = rules_unittest(paths[i], NULL, &report, &problems);
        problems_print(&problems, &complaint);
        cr_assert(ran, "%.*s", STR_ARG(buf_view(&complaint)));
        cr_expect_eq(report.failed, 0, "%.*s", STR_ARG(buf_view(&report.text)));
        cr_expect_gt(report.passed, 0);
        buf_finish(&report.text);
        buf_finish(&report.junit);
    }
    each_rule(&pack, find_test, &tests);
    pack_finish(&pack);
}

/* ---- metrics ---- */

typedef struct Known {
    const Pack *pack;
    Buf text; /* of the corpus */
    size_t looked_up;
} Known;

static void read_all(Known *known, const char *pattern) {
    AUTO(arena_finish) Arena arena = {0};
    const char *shared = getenv("BELFRY_SHARED");
    Str *paths = NULL;
    size_t count = 0;
    Err err = {0};
    Str full = arena_printf(&arena, "%s/corpus/%s", shared ? shared : "../shared", pattern);
    (void)!file_glob(&arena, full.ptr, &paths, &count, &err);
    for (size_t i = 0; i < count; i++) {
        Str bytes = {0};
        if (file_read(&arena, paths[i].ptr, FILE_BYTES_MAX, &bytes, &err)) {
            buf_str(&known->text, bytes);
            buf_byte(&known->text, '\n');
        }
    }
}

static bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':';
}

static bool occurs(const Buf *text, Str name) {
    const char *end = text->ptr + text->len;
    for (const char *at = text->ptr; (at = memmem(at, (size_t)(end - at), name.ptr, name.len));
         at++) {
        if (!is_name_byte(at[-1]) && !is_name_byte(at[name.len])) {
            return true;
        }
    }
    return false;
}

static bool is_recorded(const Pack *pack, Str name) {
    for (size_t i = 0; i < pack->count; i++) {
        for (size_t g = 0; g < pack->files[i]->group_count; g++) {
            for (size_t r = 0; r < pack->files[i]->groups[g].rule_count; r++) {
                const RuleDef *rule = &pack->files[i]->groups[g].rules[r];
                if (!rule->is_alert && str_eq(rule->name, name)) {
                    return true;
                }
            }
        }
    }
    return false;
}

static bool is_known(const Known *known, Str name) {
    for (size_t i = 0; i < sizeof known_metrics / sizeof *known_metrics; i++) {
        if (str_eq(str_of(known_metrics[i]), name)) {
            return true;
        }
    }
    return str_starts(name, STR("belfry_")) || is_recorded(known->pack, name) ||
           occurs(&known->text, name);
}

static void look_up(void *ctx, const RuleFile *file, const RuleDef *rule) {
    Known *known = ctx;
    for (size_t i = 0; i < rule->selector_count; i++) {
        Str name = rule->selectors[i].metric;
        cr_expect_gt(name.len, 0, "%.*s selects by no name", STR_ARG(rule->name));
        cr_expect(is_known(known, name), "%.*s: %.*s: nobody exposes %.*s", STR_ARG(file->path),
                  STR_ARG(rule->name), STR_ARG(name));
        known->looked_up++;
    }
}

/* Names as exporters expose them, or as others' rules and tests use them. */
Test(packs, metrics_are_those_of_the_exporters) {
    Pack pack = load_packs();
    Known known = {.pack = &pack};
    buf_byte(&known.text, '\n');
    read_all(&known, "exposition/**/*");
    if (known.text.len < 1000) {
        pack_finish(&pack);
        buf_finish(&known.text);
        cr_skip_test("no corpus");
    }
    read_all(&known, "promtool-unittest/**/*");
    read_all(&known, "rules/**/*");
    buf_byte(&known.text, '\n');
    buf_byte(&known.text, '\0');
    each_rule(&pack, look_up, &known);
    cr_expect_gt(known.looked_up, 100);
    buf_finish(&known.text);
    pack_finish(&pack);
}

/* ---- silence ---- */

Test(packs, nothing_rings_or_fails_where_nothing_is_watched) {
    Sandbox sandbox;
    Err err = {0};
    Problems problems = {0};
    TimeMs start = INT64_C(1700000040000);
    cr_assert(sandbox_open(&sandbox, NULL, 1, &err), "%s", err.text);
    RulesOptions options = {.evaluation_interval = MINUTE_MS, .started_at = start};
    Rules *rules = rules_new(sandbox.engine, &options);
    RulesSource source = {.pattern = STR("rules.d/**/*.y*ml")};
    cr_assert(rules_load(rules, &source, 1, start, &problems));
    for (TimeMs now = start; now < start + HOUR_MS; now += MINUTE_MS) {
        RulesTick tick;
        rules_tick(rules, now, &tick);
        for (size_t i = 0; i < tick.changes_count; i++) {
            Str name = labels_get(tick.changes[i].alert.labels, STR("alertname"));
            cr_expect(str_eq(name, STR("Watchdog")), "%.*s rings", STR_ARG(name));
        }
        rules_tick_finish(&tick);
    }
    AUTO(arena_finish) Arena arena = {0};
    GroupView *groups = NULL;
    size_t count = 0;
    rules_view(rules, &arena, &groups, &count);
    for (size_t g = 0; g < count; g++) {
        for (size_t r = 0; r < groups[g].rule_count; r++) {
            cr_expect_eq(groups[g].rules[r].health, RULE_OK, "%.*s: %.*s",
                         STR_ARG(groups[g].rules[r].name), STR_ARG(groups[g].rules[r].last_error));
        }
    }
    rules_free(rules);
    problems_finish(&problems);
    sandbox_close(&sandbox);
}
