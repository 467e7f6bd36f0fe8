#pragma once

/*
 * What a rule remembers from one evaluation to the next: its active alerts, the series it recorded,
 * its health.
 *
 * A state belongs to a rule by its key and not by its place, so it survives edits of `for`,
 * annotations and file names: rule_key() is a hash over the rule's name and labels and one over
 * these and the group's name; the n-th of several equal ones gets `#n`. A rule that was moved to
 * another group is known by the first half. It keeps the key it had, by which the database and
 * those who were told of its alerts know it.
 *
 * Threads: only the thread that evaluates changes it, under the lock of Rules; readers hold that
 * lock.
 */

#include "rules/alert_state.h"
#include "rules/hash_index.h"
#include "rules/hold.h"
#include "rules/rule_history.h"
#include "rules/rule_result.h"
#include "rules/series_list.h"

enum { RULE_KEY_BYTES = 48, RULE_KEY_ITSELF = 16 /* bytes that do not depend on the group */ };

typedef struct ActiveAlert {
    Hash128 id;      /* labels_hash(labels) */
    LabelSet labels; /* a block of its own, as annotations */
    LabelSet annotations;
    AlertLife life;
    double value;
    Hash128 texts_of;       /* what the annotations were made from */
    uint64_t round;         /* evaluation that last had it among its results */
    AlertPhase open_series; /* alertstate of its series in the store; INACTIVE: none is open */
    TimeMs updated_at;
    bool
        was_restored; /* since when it is active comes from the database, or from another's books */
} ActiveAlert;

typedef struct RecordedSeries {
    Hash128 id;
    LabelSet labels; /* a block of its own */
    uint64_t round;
} RecordedSeries;

typedef struct RuleState {
    char key[RULE_KEY_BYTES];
    ActiveAlert **alerts;
    size_t alerts_count, alerts_cap;
    HashIndex alert_index;
    RecordedSeries *series; /* written last time, by a recording rule */
    size_t series_count, series_cap;
    HashIndex series_index;
    uint64_t round;

    RuleHealth health;
    char *last_error;   /* heap; NULL = none */
    char *last_failure; /* heap; the newest error of all, also after it went well again */
    bool is_text_fault; /* the evaluation was good, a template of it was not */
    Str generator_url;  /* of its alerts; heap */
    TimeMs last_evaluation;
    int64_t duration_ns;
    uint64_t result_count;
    uint64_t matched; /* series that the expression selected, if known */
    bool knows_matched;
    uint64_t *selector_series; /* series each selector of the expression found; heap */
    size_t selector_count;
    RuleHistory history;
    Counter evaluations, failures, text_failures, transitions;
} RuleState;

/* `copy` is the number of equal rules before it. */
void rule_key(const GroupDef *group, const RuleDef *rule, size_t copy,
              char ret_key[RULE_KEY_BYTES]);

RuleState *rule_state_new(const char *key);
void rule_state_free(RuleState *state); /* accepts NULL */

/* Where people look at the expression: `external_url` and Prometheus' path. */
void rule_state_set_url(RuleState *state, Str external_url, Str expr);

/* Gives an alert its state back, as the database had it. */
void rule_state_restore(RuleState *state, const Alert *alert);

/* What an evaluation works on. Lists and changes are appended to. */
typedef struct RuleApply {
    const GroupDef *group;
    const RuleDef *rule;
    const RuleWorld *world;
    const Hold *hold; /* NULL: holding is off */
    const DurationMs *windows;
    size_t window_count;
    uint64_t alerts_room; /* how many new alerts may come into being, over all rules */
    Arena *arena;         /* the tick's */
    RulesTick *tick;      /* changes go here */
    SeriesList *series;   /* ALERTS, ALERTS_FOR_STATE, recordings */
} RuleApply;

/* Expands the annotations of hits whose labels or value are others than last time. Only reads the
 * state, so no lock is needed by the thread that evaluates. */
void rule_state_prepare(const RuleState *state, RuleHits *hits, const RuleApply *apply);

/* Steps all alerts of the rule by the hits of this evaluation; the lock is taken by the caller.
 * Hits over the group's limit are left out and counted in the error text, which is a warning. */
void rule_state_apply_alerts(RuleState *state, const RuleHits *hits, const RuleApply *apply);

/* Adds samples of recorded series and stale markers of those that vanished. */
void rule_state_apply_record(RuleState *state, const RuleHits *hits, const RuleApply *apply);

/* The annotation that tells receivers why an alert ended where it was not the condition. */
#define RULE_RESOLVED_REASON STR("resolved_reason")

/* `annotations` and RULE_RESOLVED_REASON. */
LabelSet rule_resolved_annotations(Arena *arena, LabelSet annotations, Str reason);

/* The rule is gone: adds resolved changes for firing alerts and stale markers of all its open
 * series, and forgets them. */
void rule_state_remove(RuleState *state, const char *reason, TimeMs time, DurationMs interval,
                       Arena *arena, RulesTick *tick, SeriesList *series);

/* Takes a copy. */
void rule_state_set_series(RuleState *state, const QueryStats *stats);
void rule_state_set_health(RuleState *state, RuleHealth health, Str error);

/* The alert as a value; texts are shared with the state. */
Alert rule_state_alert(const RuleState *state, const ActiveAlert *active, DurationMs interval);

/* Adds a change with a deep copy in the tick's arena. */
void rule_tick_add(RulesTick *tick, AlertEvent event, const Alert *alert, const char *reason);
