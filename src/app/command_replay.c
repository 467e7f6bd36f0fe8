/*
 * belfry replay: how often would these rules have rung? Runs rules over stored history and tells,
 * as text, JSON or a page; see rules/replay.h.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/against.h"
#include "app/command.h"
#include "app/commands.h"
#include "app/config.h"
#include "app/file_kind.h"
#include "app/rule_options.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/number.h"
#include "rules/replay.h"

static _Atomic bool is_interrupted;

static void interrupt(int number) {
    (void)number;
    is_interrupted = true;
}

/* ---- what was asked for ---- */

typedef struct Ask {
    Arena arena;
    Problems problems;
    Against against, write_to;
    Zone *zone;
    Config *config; /* --config; NULL = none */
    ReplayOptions options;
    const char *config_file; /* --config, or the first word that is a belfry.yml; NULL = none */
    const char **words;      /* the other words: rule files */
    size_t word_count;
    RulesSource *sources;
    ReplayVariant *variants;
    size_t variants_count, variants_cap;
} Ask;

static void ask_finish(Ask *ask) {
    against_close(&ask->write_to);
    against_close(&ask->against);
    zone_free(ask->zone);
    config_free(ask->config);
    free(ask->variants);
    problems_finish(&ask->problems);
    arena_finish(&ask->arena);
}

/* "2026-11-27", "2026-11-27 06:30" and "2026-11-27T06:30:15" on the wall clock of the zone. */
static bool wall_time(const char *text, const Zone *zone, TimeMs *ret_time) {
    CivilTime wall = {0};
    int year = 0, used = 0;
    char comma = 0;
    int fields = sscanf(text, "%4d-%2d-%2d%n%c%2d:%2d%n:%2d%n", &year, &wall.month, &wall.day,
                        &used, &comma, &wall.hour, &wall.minute, &used, &wall.second, &used);
    bool is_whole = fields == 3 || fields == 6 || fields == 7;
    if (!is_whole || text[used] || (comma && comma != ' ' && comma != 'T') || wall.month < 1 ||
        wall.month > 12 || wall.day < 1 || wall.day > civil_days_in_month(year, wall.month) ||
        wall.hour > 23 || wall.minute > 59 || wall.second > 59 || wall.hour < 0 ||
        wall.minute < 0 || wall.second < 0) {
        return false;
    }
    wall.year = year;
    *ret_time = zone_time(zone, &wall);
    return true;
}

/* "-30d" and "30d" are so long ago, "now" is now; else a time. */
static bool ask_time(const char *text, const Zone *zone, TimeMs now, TimeMs *ret_time, Err *err) {
    Str span = str_of(text[0] == '-' ? text + 1 : text);
    DurationMs ago;
    Err ignored = {0};
    if (strcmp(text, "now") == 0) {
        *ret_time = now;
        return true;
    }
    if (duration_parse(span, &ago, &ignored)) {
        *ret_time = now - ago;
        return true;
    }
    return wall_time(text, zone, ret_time) || time_parse(str_of(text), ret_time, err);
}

static bool ask_period(const Args *args, Ask *ask, Err *err) {
    TimeMs now = clock_now();
    ask->options.to = now;
    if (!args_get(args, "from")) {
        return err_set(err, ERR_INVALID, "since when? --from -30d, or a time");
    }
    if (!ask_time(args_get(args, "from"), ask->zone, now, &ask->options.from, err)) {
        return err_context(err, "--from");
    }
    if (args_get(args, "to") &&
        !ask_time(args_get(args, "to"), ask->zone, now, &ask->options.to, err)) {
        return err_context(err, "--to");
    }
    if (ask->options.from >= ask->options.to) {
        return err_set(err, ERR_INVALID, "--from is not before --to");
    }
    return true;
}

static bool parse_clock(Str text, int *ret_minutes) {
    int64_t hour, minute = 0;
    size_t colon = str_find(text, ':');
    Str rest = colon < text.len ? str_skip(text, colon + 1) : STR("0");
    if (!number_parse_int((Str){text.ptr, colon}, &hour) || !number_parse_int(rest, &minute) ||
        hour < 0 || hour > 24 || minute < 0 || minute > 59) {
        return false;
    }
    *ret_minutes = (int)(hour * 60 + minute) % (24 * 60);
    return true;
}

static bool ask_policy(const Args *args, Ask *ask, Err *err) {
    ReplayPolicy *policy = &ask->options.policy;
    Str night = str_of(args_get(args, "night") ? args_get(args, "night") : "22:00-07:00");
    size_t dash = str_find(night, '-');
    Str zone = str_of(args_get(args, "timezone") ? args_get(args, "timezone") : "UTC");
    Str flap = str_of(args_get(args, "flap") ? args_get(args, "flap") : "30m");
    if (dash == night.len || !parse_clock((Str){night.ptr, dash}, &policy->night_from) ||
        !parse_clock(str_skip(night, dash + 1), &policy->night_to)) {
        return err_set(err, ERR_INVALID, "--night: \"%.*s\" is not FROM-TO, as 22:00-07:00",
                       STR_ARG(night));
    }
    if (!duration_parse(flap, &policy->flap_within, err)) {
        return err_context(err, "--flap");
    }
    if (!zone_load(zone, &ask->zone, err)) {
        return err_context(err, "--timezone");
    }
    policy->zone = ask->zone;
    return true;
}

static bool ask_variants(const Args *args, Ask *ask, Err *err) {
    const char *const *values = NULL;
    size_t count = args_all(args, "set", &values);
    for (size_t i = 0; i < count; i++) {
        ReplayVariant variant;
        if (!replay_variant_parse(&ask->arena, str_of(values[i]), &variant, err)) {
            return err_context(err, "--set");
        }
        VEC_PUSH(*ask, variants, variant);
    }
    count = args_all(args, "sweep", &values);
    for (size_t i = 0; i < count; i++) {
        ReplayVariant *swept = NULL;
        size_t swept_count = 0;
        if (!replay_sweep_parse(&ask->arena, str_of(values[i]), &swept, &swept_count, err)) {
            return err_context(err, "--sweep");
        }
        for (size_t k = 0; k < swept_count; k++) {
            VEC_PUSH(*ask, variants, swept[k]);
        }
    }
    ask->options.variants = ask->variants;
    ask->options.variant_count = ask->variants_count;
    return true;
}

enum { WORD_BYTES_MAX = 64 << 20 };

static bool is_config(const char *word) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(problems_finish) Problems ignored = {0};
    Str text;
    Err err = {0};
    YamlDocs docs = {0};
    return file_read(&arena, word, WORD_BYTES_MAX, &text, &err) &&
           yaml_parse(&arena, text, str_of(word), &docs, &ignored) && docs.count &&
           docs.items[0]->kind == YAML_MAP && file_kind(docs.items[0]) == KIND_CONFIG;
}

/* A belfry.yml among the rule files stands for --config, as in `belfry check`. */
static void ask_words(const Args *args, Ask *ask) {
    ask->config_file = args_get(args, "config");
    ask->words = arena_array(&ask->arena, const char *, args->word_count + 1);
    for (size_t i = 0; i < args->word_count; i++) {
        if (!ask->config_file && is_config(args->words[i])) {
            ask->config_file = args->words[i];
        } else {
            ask->words[ask->word_count++] = args->words[i];
        }
    }
}

/* What of belfry.yml makes a difference to when an alert rings, and to what it says. */
static bool ask_config(Ask *ask, Err *err) {
    const char *file = ask->config_file;
    RulesOptions *rules = &ask->options.rules;
    *rules = (RulesOptions){.evaluation_interval = MINUTE_MS,
                            .source_label = STR("cluster"),
                            .hold = true,
                            .lookback = 5 * MINUTE_MS};
    if (!file) {
        return true;
    }
    ask->config = config_load(str_of(file), &ask->problems);
    if (!ask->config) {
        AUTO(buf_finish) Buf text = {0};
        problems_print(&ask->problems, &text);
        fwrite(text.ptr, 1, text.len, stderr);
        return err_set(err, ERR_NOT_FOUND, "%s does not load", file);
    }
    *rules = config_rule_options(ask->config);
    return true;
}

static bool ask_rules(const Args *args, Ask *ask, Err *err) {
    RulesOptions *rules = &ask->options.rules;
    const char *const *only = NULL;
    ask->options.only_count = args_all(args, "rule", &only);
    Str *names = arena_array(&ask->arena, Str, ask->options.only_count + 1);
    for (size_t i = 0; i < ask->options.only_count; i++) {
        names[i] = str_of(only[i]);
    }
    ask->options.only = names;
    const char *label = args_get(args, "source-label");
    const char *interval = args_get(args, "interval");
    if (label) {
        rules->source_label = str_of(label);
    }
    rules->hold &= !args_has(args, "no-hold");
    if (interval && !duration_parse(str_of(interval), &rules->evaluation_interval, err)) {
        return err_context(err, "--interval");
    }
    return interval == NULL || rules->evaluation_interval > 0 ||
           err_set(err, ERR_INVALID, "--interval has to be more than nothing");
}

/* Without rule files on the command line: those of the configuration. */
static void take_rules_of(Ask *ask) {
    const Config *config = ask->config;
    ask->sources = arena_array(&ask->arena, RulesSource, config->rules_count + 1);
    for (size_t i = 0; i < config->rules_count; i++) {
        const ConfigRules *rules = &config->rules[i];
        ask->sources[i] = config_rule_source(rules);
    }
    ask->options.sources = ask->sources;
    ask->options.source_count = config->rules_count;
}

/* A pattern that matches nothing is an error: nothing would be replayed, and nothing rings. */
static bool ask_files(const Args *args, Ask *ask, Err *err) {
    const char *word = args_get(args, "flavour") ? args_get(args, "flavour") : "auto";
    RulesFlavour flavour = RULES_AUTO;
    if (!rule_flavour_parse(str_of(word), &flavour)) {
        return err_set(err, ERR_INVALID, "--flavour is auto, prometheus or vmalert");
    }
    if (ask->word_count == 0) {
        take_rules_of(ask);
        return true;
    }
    ask->sources = arena_array(&ask->arena, RulesSource, ask->word_count);
    for (size_t i = 0; i < ask->word_count; i++) {
        Str *paths = NULL;
        size_t count = 0;
        if (!file_glob_yaml(&ask->arena, ask->words[i], &paths, &count, err)) {
            return false;
        }
        if (count == 0) {
            return err_set(err, ERR_NOT_FOUND,
                           "%s: no such file, or a folder without .yml and .yaml files",
                           ask->words[i]);
        }
        ask->sources[i] = (RulesSource){.pattern = str_of(ask->words[i]), .flavour = flavour};
    }
    ask->options.sources = ask->sources;
    ask->options.source_count = ask->word_count;
    return true;
}

static bool ask_history(const Args *args, Ask *ask, Err *err) {
    const char *where = args_get(args, "against");
    const char *environment = getenv("BELFRY_URL");
    where = where ? where : environment && *environment ? environment : "http://127.0.0.1:8119";
    if (!against_open(where, &ask->against, err)) {
        return false;
    }
    ask->options.base = ask->against.engine;
    ask->options.store = ask->against.store;
    ask->options.pool = ask->against.pool;
    const char *write_to = args_get(args, "write-to");
    if (write_to && strcmp(write_to, where) != 0) {
        if (!against_open(write_to, &ask->write_to, err)) {
            return false;
        }
        ask->options.write_to = ask->write_to.engine;
    } else if (write_to || args_has(args, "write")) {
        ask->options.write_to = ask->against.engine;
    }
    return true;
}

/* ---- progress ---- */

typedef struct Progress {
    int64_t started_ns, shown_ns;
} Progress;

static void show_progress(void *ctx, TimeMs at, TimeMs from, TimeMs to) {
    Progress *progress = ctx;
    int64_t now_ns = clock_monotonic_ns();
    if (now_ns - progress->shown_ns < INT64_C(100000000)) {
        return;
    }
    enum { WIDTH = 40 };
    double share = to > from ? (double)(at - from) / (double)(to - from) : 1;
    double spent = (double)(now_ns - progress->started_ns) / 1e9;
    int filled = (int)(share * WIDTH);
    AUTO(buf_finish) Buf bar = {0};
    for (int i = 0; i < WIDTH; i++) {
        buf_str(&bar, i < filled ? STR("█") : STR("░"));
    }
    CivilTime civil = civil_of(at);
    fprintf(stderr, "\r%.*s %3.0f %%  %04lld-%02d-%02d  %.0f s left  ", STR_ARG(buf_view(&bar)),
            share * 100, (long long)civil.year, civil.month, civil.day,
            share > 0 ? spent / share - spent : 0);
    fflush(stderr);
    progress->shown_ns = now_ns;
}

static void clear_progress(const Progress *progress) {
    if (progress->shown_ns) {
        fputs("\r\033[K", stderr);
    }
}

/* ---- running ---- */

static bool put_report(const Args *args, const ReplayReport *report, Err *err) {
    AUTO(buf_finish) Buf out = {0};
    const char *format = args_get(args, "format");
    if (format && strcmp(format, "json") == 0) {
        replay_report_json(report, &out);
    } else if (format && strcmp(format, "html") == 0) {
        replay_report_html(report, &out);
    } else {
        replay_report_text(report, &out);
    }
    const char *path = args_get(args, "output");
    if (path) {
        return file_replace(path, buf_view(&out), err);
    }
    return (fwrite(out.ptr, 1, out.len, stdout) == out.len && fflush(stdout) == 0) ||
           err_errno(err, "standard output");
}

static bool put_page(const Args *args, const ReplayReport *report, Err *err) {
    const char *path = args_get(args, "html");
    AUTO(buf_finish) Buf out = {0};
    if (!path) {
        return true;
    }
    replay_report_html(report, &out);
    return file_replace(path, buf_view(&out), err);
}

static int run_replay(const Args *args, Ask *ask) {
    Err err = {0};
    ReplayReport report;
    Progress progress = {.started_ns = clock_monotonic_ns()};
    ask->options.cancelled = &is_interrupted;
    if (isatty(STDERR_FILENO)) {
        ask->options.progress = show_progress;
        ask->options.progress_ctx = &progress;
    }
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    bool ok = rules_replay(&ask->options, &report, &ask->problems, &err);
    clear_progress(&progress);
    if (!ok) {
        AUTO(buf_finish) Buf text = {0};
        problems_print(&ask->problems, &text);
        fwrite(text.ptr, 1, text.len, stderr);
        return command_fail(&err);
    }
    ok = put_report(args, &report, &err) && put_page(args, &report, &err);
    replay_report_finish(&report);
    return ok ? EXIT_DONE : command_fail(&err);
}

static bool ask_all(const Args *args, Ask *ask, Err *err) {
    const char *format = args_get(args, "format");
    if (format && strcmp(format, "text") != 0 && strcmp(format, "json") != 0 &&
        strcmp(format, "html") != 0) {
        return err_set(err, ERR_INVALID, "--format is text, json or html");
    }
    ask_words(args, ask);
    return ask_policy(args, ask, err) && ask_period(args, ask, err) &&
           ask_variants(args, ask, err) && ask_config(ask, err) && ask_rules(args, ask, err) &&
           ask_files(args, ask, err) && ask_history(args, ask, err);
}

int command_replay(int argc, char **argv) {
    static const ArgOption options[] = {
        {"from", "TIME",
         "-30d; 2026-11-27, also with 06:30, in --timezone; RFC 3339; Unix seconds"},
        {"to", "TIME", "default: now"},
        {"against", "URL|DIR",
         "history: a Prometheus API (default $BELFRY_URL, else http://127.0.0.1:8119), or a data "
         "directory that no server has open"},
        {"rule", "NAME", "only this alert is reported and changed; may be repeated"},
        {"set", "CHANGES",
         "also with this changed: for=10m, keep_firing_for=5m, threshold=0.9, or several with "
         "commas; may be repeated"},
        {"sweep", "A:B:STEP", "also with these thresholds; for=0s:30m:5m sweeps `for`"},
        {"format", "FORM", "text (default), json or html"},
        {"output", "FILE", "write the report there"},
        {"html", "FILE", "write the page there besides"},
        {"night", "FROM-TO", "what counts as night, default 22:00-07:00"},
        {"timezone", "ZONE", "whose night, e.g. Europe/Berlin; default UTC"},
        {"flap", "SPAN", "ringing again so soon counts as flapping, default 30m"},
        {"config", "FILE",
         "a belfry.yml: its evaluation interval, external labels, sources and lookback, and its "
         "rules where none are named"},
        {"interval", "SPAN", "of groups without one, default 1m"},
        {"flavour", "WORD", "auto (default), prometheus or vmalert"},
        {"source-label", "LABEL", "whose telemetry it is, default cluster"},
        {"no-hold", NULL, "missing data resolves alerts, as in Prometheus"},
        {"write", NULL, "write what recording rules give back to --against"},
        {"write-to", "URL|DIR", "or there"},
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry replay RULES... --from -30d [OPTIONS]",
        "Runs rules over stored history as the server would have, and tells how often each alert "
        "would have rung,\n"
        "when, for how long, how often by night and how often it flapped.",
        options,
    };
    Args args;
    int status;
    if (!command_args(argc, argv, &spec, &args, &status)) {
        return status;
    }
    Err err = {0};
    Ask ask = {0};
    if (args.word_count == 0 && !args_has(&args, "config")) {
        status = command_usage(&spec, "which rules?");
    } else if (!ask_all(&args, &ask, &err)) {
        status =
            err.kind == ERR_INVALID ? command_usage(&spec, "%s", err.text) : command_fail(&err);
    } else {
        status = run_replay(&args, &ask);
    }
    ask_finish(&ask);
    args_finish(&args);
    return status;
}
