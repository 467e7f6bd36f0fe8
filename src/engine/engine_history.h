#pragma once

/*
 * Stored history as rules would have seen it: for replay.
 *
 * A replay asks the same expressions at every slot of a month. Asked one by one that is tens of
 * thousands of instant queries each; so expressions that are known beforehand (history_expect())
 * are evaluated ahead, over many steps in one range query, all that are due at the same times as
 * one program, and the answer of a step is taken from it. A step of a range query is what an
 * instant query at its time answers, so nothing differs but the cost. Where that does not hold (`@
 * end()`, durations that ask for the step, MetricsQL's implicit windows, an error at some step of
 * the range) the question is asked as it stands.
 *
 * It also knows, for any time of the past, the newest sample there was per source, which is what
 * holding goes by (rules/hold.h).
 *
 * Threads: one at a time.
 */

#include "engine/engine.h"

typedef struct History {
    Engine *base;
    Store *store; /* what `base` reads, where it is local; NULL: a remote API */
    Str source_label;
    TimeMs until; /* nothing is asked beyond */
    DurationMs step;
    Arena arena; /* of entries */
    struct HistoryEntry **entries;
    size_t entries_count, entries_cap;
    bool is_sorted;
    size_t steps_ahead; /* of the next range; follows the size of the answers */

    EngineExpr newest, counted; /* newest sample time and samples per 10 m, by source */
    struct HistorySource *sources;
    size_t sources_count, sources_cap;
} History;

typedef struct HistoryOptions {
    Engine *base; /* outlives the history */
    Store *store;
    Str source_label; /* "cluster"; "" = do not look at sources */
    TimeMs from, until;
    DurationMs step;    /* of looks at sources: the shortest interval of the rules */
    const Str *metrics; /* names the rules read: sources are looked for there if `up` has none */
    size_t metric_count;
} HistoryOptions;

bool history_init(History *history, const HistoryOptions *options, Err *err) MUST_CHECK;
void history_finish(History *history);

/* `expr` is going to be asked at every `step` from the time it is asked first, together with the
 * others of the same `timing`, any number. It has to outlive the history. False where it cannot be
 * evaluated ahead; it may be asked all the same. */
bool history_expect(History *history, const EngineExpr *expr, DurationMs step, uint64_t timing);

/* As engine_instant() on `base`. */
void history_instant(History *history, const EngineExpr *exprs, size_t count, TimeMs time,
                     const QueryOptions *options, Arena *arena, Value *ret_values, bool *ret_ok,
                     Err *errs);

/* Looks at the sources as they were at `now`; times only grow. */
void history_look(History *history, TimeMs now, const QueryOptions *options);
void history_sources(const History *history, Arena *arena, StoreSource **ret_sources,
                     size_t *ret_count);

/* How far back from its time of evaluation an expression can look: windows, offsets, subqueries and
 * `lookback`. */
DurationMs expr_reach(const Expr *expr, DurationMs lookback);
