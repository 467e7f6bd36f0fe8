#pragma once

/*
 * Replay: how often would these rules have rung?
 *
 * The rules engine itself runs over stored history with a clock in hand, slot by slot: the same
 * plan, state machine, templates and holding as live, only the answers to its queries are worked
 * out ahead (engine/engine_replay.h). Several variants of the rules (another `for`, another
 * threshold) run side by side over one reading of the history.
 *
 * Rules are evaluated from some time before `from` on (`warm_from`), so that what was pending or
 * firing then is so at `from`, and recordings have windows to be read through.
 *
 * Part of the door of this folder, beside rules.h.
 */

#include "base/zone.h"
#include "rules/rules.h"

typedef enum ReplayField { REPLAY_FOR, REPLAY_KEEP_FIRING, REPLAY_THRESHOLD } ReplayField;

typedef struct ReplayChange {
    ReplayField field;
    DurationMs span; /* REPLAY_FOR, REPLAY_KEEP_FIRING */
    double number;   /* REPLAY_THRESHOLD */
} ReplayChange;

/* The rules as written, but for `changes` to each alert that was asked for. */
typedef struct ReplayVariant {
    Str name;
    ReplayChange *changes;
    size_t change_count;
} ReplayVariant;

/* How rings are judged. */
typedef struct ReplayPolicy {
    const Zone *zone;
    int night_from, night_to; /* minutes of the day: 22:00 and 7:00 are 1320 and 420 */
    DurationMs flap_within;   /* ringing again so soon after it was resolved is flapping */
} ReplayPolicy;

typedef struct ReplayOptions {
    Engine *base; /* history */
    Store *store; /* what `base` reads, where it is local; else NULL */
    Pool *pool;
    RulesOptions rules;
    const RulesSource *sources;
    size_t source_count;
    TimeMs from, to;
    const ReplayVariant *variants; /* besides the rules as written */
    size_t variant_count;
    const Str *only; /* names of the alerts that are reported and changed; none: all */
    size_t only_count;
    ReplayPolicy policy;
    Engine *write_to;              /* NULL, or where recordings go besides */
    const _Atomic bool *cancelled; /* NULL, or set when nobody waits any more */
    void (*progress)(void *ctx, TimeMs at, TimeMs from, TimeMs to); /* during the call; or NULL */
    void *progress_ctx;
} ReplayOptions;

/* One time an alert rang. */
typedef struct ReplayRing {
    LabelSet labels;
    TimeMs pending_at, fired_at;
    TimeMs ended_at;   /* the end of the replay where it still fired */
    bool began_before; /* it fired already when the report begins; not counted */
    bool is_open;      /* it still fired at the end */
    bool by_night;
    bool is_flap;
    double value; /* when it fired */
} ReplayRing;

typedef struct ReplayAlert {
    Str group, file, name, severity, expr;
    DurationMs hold, keep_firing, interval;
    ReplayRing *rings; /* by time */
    size_t ring_count;
    size_t rang, by_night, flapped;
    size_t instances;    /* different label sets that rang */
    size_t pending_only; /* times it was pending and never fired */
    size_t pending_at_end;
    DurationMs firing; /* instances added up, within the report */
    DurationMs longest, median;
    double per_week;
    uint64_t evaluations, failures;
    Str last_error;
    Str unmatched; /* of an alert that was never even pending: selectors that matched nothing
                      whenever looked at, with commas; "" = none */
} ReplayAlert;

/* A recording rule, as written. */
typedef struct ReplayRecord {
    Str group, file, name;
    uint64_t evaluations, failures;
    Str last_error;
} ReplayRecord;

typedef struct ReplayRun {
    Str name;            /* "as written", or the variant's */
    ReplayAlert *alerts; /* by file, group, place */
    size_t alert_count;
} ReplayRun;

typedef struct ReplayReport {
    Arena arena; /* owns all of it */
    TimeMs from, to, warm_from;
    ReplayPolicy policy;
    ReplayRun *runs; /* the first is the rules as written */
    size_t run_count;
    ReplayRecord *records; /* by file, group, place */
    size_t record_count;
    bool writes;      /* recordings went to a store */
    uint64_t written; /* samples of them */
    uint64_t slots;   /* evaluations of slots, all runs together */
    int64_t wall_ns;
} ReplayReport;

/* False with `problems` (the files) or `err` filled (the history cannot be read, a change does not
 * fit, ERR_CANCELLED). */
bool rules_replay(const ReplayOptions *options, ReplayReport *ret_report, Problems *problems,
                  Err *err) MUST_CHECK;
void replay_report_finish(ReplayReport *report);

/* "for=10m", "threshold=0.9,keep_firing_for=5m" -> a variant of that name. */
bool replay_variant_parse(Arena *arena, Str text, ReplayVariant *ret_variant, Err *err) MUST_CHECK;
/* "0.7:0.95:0.05", "for=0s:30m:5m": first, last, step -> a variant per value. */
bool replay_sweep_parse(Arena *arena, Str text, ReplayVariant **ret_variants, size_t *ret_count,
                        Err *err) MUST_CHECK;

void replay_report_text(const ReplayReport *report, Buf *out);
void replay_report_json(const ReplayReport *report, Buf *out);
/* A page that needs nothing else. */
void replay_report_html(const ReplayReport *report, Buf *out);
