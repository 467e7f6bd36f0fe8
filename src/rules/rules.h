#pragma once

/*
 * Rules: files in, alerts and recorded series out.
 *
 * rules_load() reads rule files into a rule set; rules_tick() evaluates what is due at `now` and
 * *returns* what changed; the caller stores and notifies. Nothing here knows a clock, SQLite or
 * HTTP, so that replay, unit tests and the live scheduler are the same code.
 *
 *     rules_tick()            evaluates one slot; recordings are written through the engine and
 * visible at once state_put_alerts() ...  the caller makes the changes durable (the truth)
 *     rules_write_alerts()    ALERTS and ALERTS_FOR_STATE, the truth's shadow
 *     engine_sync()           one log sync for both
 *
 * Threads: one thread ticks (rules spread their queries over the engine's pool), others may tick
 * for the groups that would hold the rest up; readers (API) may come from any thread and get
 * copies.
 */

#include "base/problems.h"
#include "engine/engine.h"
#include "model/alert.h"
#include "tmpl/tmpl.h"

typedef struct Rules Rules;

typedef enum RulesFlavour { RULES_AUTO, RULES_PROMETHEUS, RULES_VMALERT } RulesFlavour;

typedef struct RulesSource {
    Str pattern; /* glob with **; a folder stands for the YAML files in it */
    RulesFlavour flavour;
    Str templates; /* files of definitions for their texts: globs with commas between; "" = none */
} RulesSource;

typedef struct RulesOptions {
    DurationMs evaluation_interval;
    DurationMs query_offset; /* default of groups */
    LabelSet external_labels;
    Str external_url;
    Str source_label;      /* "cluster" */
    DurationMs late_after; /* 0 = auto: max(2 x usual interval, 30 s) */
    DurationMs lost_after; /* 5 m */
    bool hold;             /* telemetry-aware holding on (off in unit tests) */
    DurationMs lookback;   /* 5 m */
    bool closed_windows;   /* Prometheus 2's windows, for unit tests written for it */
    bool no_alertgroup;    /* vmalert's alerts have no label `alertgroup` */
    QueryBudget budget;    /* of one rule */
    uint64_t alerts_max;   /* 0 = none */
    TimeMs started_at;     /* of the process: "lost" counts from here at the earliest */
    bool has_aside;        /* somebody calls rules_tick_aside() */
} RulesOptions;

Rules *rules_new(Engine *engine, const RulesOptions *options);
void rules_free(Rules *rules);
DEFINE_AUTO(Rules, rules_free)
void rules_set_options(Rules *rules, const RulesOptions *options);

/* Loads or reloads. Files that are good take effect even where others are not (those keep their
 * last good version); all problems of all files are in `problems`. True if there was none. */
bool rules_load(Rules *rules, const RulesSource *sources, size_t count, TimeMs now,
                Problems *problems);

/* A file that is live, as it was read. */
typedef struct RulesFile {
    Str path;
    RulesFlavour flavour; /* as asked for */
    Str content;
} RulesFile;
/* What has to be kept over a restart, and giving it back before the first load: a file that is
 * broken by then still has its last good version. */
void rules_files(Rules *rules, Arena *arena, RulesFile **ret_files, size_t *ret_count);
void rules_remember(Rules *rules, const RulesFile *files, size_t count);

/* Gives alerts their state back after a restart. Those whose rule is gone come back from the next
 * tick as resolved ("rule removed"). */
void rules_restore(Rules *rules, const Alert *alerts, size_t count);

/* A span in which a source sent nothing. While a window begins inside it, the absence of a result
 * decides nothing (hold.h), so it has to be known over a restart. */
typedef struct RulesGap {
    Str source;
    TimeMs from, to; /* last sample before, first one after; TIME_MAX: still dark */
} RulesGap;
/* Gives back what a tick said; before the first tick. Sources the store no longer knows are
 * left out. */
void rules_restore_gaps(Rules *rules, const RulesGap *gaps, size_t count);

/* At the first start of all: alerts of another evaluator are found in its imported series
 * ALERTS_FOR_STATE, so that no `for` starts over (for_state.h). Until it is turned off. */
void rules_take_over(Rules *rules, bool on);

/* The program serves from `now` on. The slot after that is evaluated however late the first tick
 * comes; without this, slots count from the first tick. */
void rules_begin(Rules *rules, TimeMs now);

/* When the next slot is due; TIME_MAX if there are no rules. */
TimeMs rules_next_due(const Rules *rules, TimeMs now);

typedef struct RulesTick {
    Arena arena; /* owns what follows */
    AlertChange *changes;
    size_t changes_count, changes_cap;
    uint64_t lsn; /* recordings written so far */
    bool did_evaluate;
    bool gaps_changed; /* `gaps` is all there are now, in order of time for each source */
    RulesGap *gaps;
    size_t gap_count;
    void *series; /* for rules_write_alerts() */
} RulesTick;
void rules_tick_finish(RulesTick *tick);

/* Evaluates the oldest slot that is due at `now`, if any (did_evaluate). Missed slots are counted,
 * not repeated. Failures of rules are theirs (health, metrics), never the tick's. */
void rules_tick(Rules *rules, TimeMs now, RulesTick *ret_tick);

/*
 * Groups that take long (a datasource that hangs, a query over weeks) are put aside, so that they
 * hold up themselves only: the evaluation that shows it is broken off and made again here, and
 * until one is quick again they are due here and no longer at rules_tick(). Other threads call this
 * as the first calls rules_tick(), any number of them: each takes what is due and not under way. A
 * load interrupts it; what was interrupted is due at once.
 */
/* When the next is due that nobody has under way; TIME_MAX if there is none. */
TimeMs rules_aside_due(Rules *rules, TimeMs now);
void rules_tick_aside(Rules *rules, TimeMs now, RulesTick *ret_tick);

/* The program ends: what is being evaluated is broken off, and decides nothing. */
void rules_interrupt(Rules *rules);

/* Writes the tick's ALERTS series; `tick->lsn` grows. To a remote engine they are queued. */
bool rules_write_alerts(Rules *rules, RulesTick *tick, TimeMs now, Err *err) MUST_CHECK;

/* ---- reading: copies in the caller's arena ---- */

typedef enum RuleHealth { RULE_UNKNOWN, RULE_OK, RULE_ERR } RuleHealth;

/* One selector of an expression, and the series it found at the last evaluation. */
typedef struct SelectorView {
    Str text;
    uint64_t series;
} SelectorView;

typedef struct RuleView {
    bool is_alert;
    bool debug;
    Str name, query;
    LabelSet labels, annotations; /* as written */
    DurationMs hold, keep_firing; /* for, keep_firing_for */
    RuleHealth health;
    Str last_error;
    TimeMs last_evaluation;
    int64_t duration_ns;
    uint64_t samples, series; /* results and series matched at the last evaluation */
    bool knows_series;        /* a remote engine may not tell */
    SelectorView *selectors;
    size_t selector_count;
    int64_t updates_max; /* vmalert's update_entries_limit */
    Str generator_url;
    Alert *alerts; /* active ones */
    size_t alert_count;
    uint64_t id;
} RuleView;

typedef struct GroupView {
    Str name, file;
    DurationMs interval;
    int64_t limit;
    TimeMs last_evaluation;
    int64_t duration_ns;
    bool is_aside; /* see rules_tick_aside() */
    Str type;
    LabelSet labels;
    DurationMs query_offset, eval_offset, eval_delay;
    int64_t concurrency;
    const Label *params; /* vmalert's */
    size_t param_count;
    const Str *headers, *notifier_headers;
    size_t header_count, notifier_header_count;
    Str file_error; /* why a newer version of the file is not live; "" */
    RuleView *rules;
    size_t rule_count;
    uint64_t id;
} GroupView;

/* One evaluation that is over. */
typedef struct RuleUpdate {
    TimeMs time; /* the slot */
    TimeMs at;   /* when it was evaluated */
    int64_t duration_ns;
    uint64_t samples, series;
    bool knows_series;
    Str error;
} RuleUpdate;

/* All groups ordered by file, then name; the built-in one last. */
void rules_view(Rules *rules, Arena *arena, GroupView **ret_groups, size_t *ret_count);
/* The group of that id. False if there is none. */
bool rules_view_group(Rules *rules, uint64_t id, Arena *arena, GroupView *ret_group);
/* The last evaluations of a rule, newest first: as many as its `updates_max`. False if there is no
 * such rule. */
bool rules_updates(Rules *rules, uint64_t group_id, uint64_t rule_id, Arena *arena,
                   RuleUpdate **ret_updates, size_t *ret_count);
/* The problems of the last load, those of files whose old version is still live. */
void rules_problems(Rules *rules, Buf *out);
size_t rules_count(Rules *rules);
/* vmalert's `notifier_headers`, of every alerting rule; those of most are empty. */
void rules_notifier_headers(Rules *rules, Arena *arena, AlertHeaders **ret_list, size_t *ret_count);

void rules_metrics(Rules *rules, MetricWriter *out);

/* ---- commands: each is the whole of a subcommand behind its flags; text goes to `out` ---- */

typedef struct RulesCheckOptions {
    bool lint;
    Engine *against;                /* whether selectors match anything there; NULL: not asked */
    DurationMs evaluation_interval; /* of groups without one; 0 = 1 m */
} RulesCheckOptions;

/* belfry check: adds all problems; and findings: with `lint` all, else only what PromQL finds wrong
 * in a file that nothing else makes vmalert's. The files are judged as loaded together. */
bool rules_check(const RulesSource *sources, size_t count, const RulesCheckOptions *options,
                 Problems *problems, Problems *findings);

typedef struct RulesTestReport {
    size_t passed, failed;
    Buf text;  /* one paragraph a failure */
    Buf junit; /* XML */
} RulesTestReport;

/* What the command lines of promtool and vmalert-tool say beside the files. */
typedef struct RulesTestOptions {
    const char *run_regex;    /* NULL: all test groups */
    LabelSet external_labels; /* added to those of the file, and before them */
    Str external_url;         /* of groups that name none */
    bool has_start;           /* groups without `start_timestamp` begin at `start` */
    TimeMs start;
    bool no_alertgroup; /* vmalert's -disableAlertgroupLabel */
    Str templates;      /* of the rule files, as in RulesSource */
} RulesTestOptions;

/* belfry check of a unit-test file: adds what is wrong with it, its expressions and the rule files
 * it names, which may use `templates` (as in RulesSource). Nothing is run. True if there was
 * nothing. */
bool rules_check_unittest(Str file, Str templates, Problems *problems);

/* belfry test: promtool's and vmalert-tool's unit-test files. False with all that is wrong with the
 * file: then nothing was run. */
bool rules_unittest(Str file, const RulesTestOptions *options, RulesTestReport *report,
                    Problems *problems) MUST_CHECK;
