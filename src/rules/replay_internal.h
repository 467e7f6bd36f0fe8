#pragma once

/* The parts of a replay, for the files that make it up and their tests. */

#include "rules/replay.h"
#include "rules/rules_internal.h"

/* replay_change.c: changes the alerts of `only` (all, where none is named) in rules that nobody
 * evaluated yet. ERR_INVALID where nothing is there to change, or a threshold is asked for and it
 * is not clear whose. */
bool replay_apply(Rules *rules, const ReplayVariant *variant, const Str *only, size_t only_count,
                  Err *err) MUST_CHECK;
bool replay_is_asked_for(Str name, const Str *only, size_t only_count);

/* The number an expression compares with: where it stands in the text. False if there is none. */
bool replay_threshold_find(const Expr *expr, uint32_t *ret_start, uint32_t *ret_end) MUST_CHECK;

/* replay_judge.c: fills what is counted from the rings, which are in the order they began. */
void replay_judge(ReplayAlert *alert, const ReplayPolicy *policy, TimeMs from, TimeMs to,
                  Arena *arena);

/* replay_doubt.c: the selectors of a rule that matched nothing when looked at, many times between
 * `from` and `to`; not those of `recorded` (sorted) names. In `arena`. */
Str replay_unmatched(const RuleDef *rule, Engine *base, TimeMs from, TimeMs to, const Str *recorded,
                     size_t recorded_count, Arena *arena);

/* "2h 5m": two units at most. */
void replay_span_put(Buf *buf, DurationMs span);
/* "2026-11-28 00:38" in the policy's zone. */
void replay_time_put(Buf *buf, const ReplayPolicy *policy, TimeMs time);
