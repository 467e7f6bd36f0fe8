#pragma once

/*
 * The last evaluations of a rule, for people who ask what it did: when, how long it took, what it
 * found, what went wrong. A ring in memory, as vmalert keeps it; it ends with the process.
 *
 * Threads: plain data; the lock of Rules covers it.
 */

#include "rules/rules.h"

/* Of `update_entries_limit` at most as many: a typing error should cost no gigabytes. */
enum { RULE_HISTORY_MAX = 1000 };

/* A RuleUpdate in half its size: there are twenty of each rule, and rules in thousands. */
typedef struct RuleMoment {
    TimeMs time;
    char *error; /* heap; NULL = none */
    uint32_t late_ms, duration_us;
    uint32_t samples, series; /* UINT32_MAX: that many or more, or of series: not known */
} RuleMoment;

typedef struct RuleHistory {
    RuleMoment *items;
    size_t count, cap;
    size_t newest;
} RuleHistory;

void rule_history_finish(RuleHistory *history);

/* Adds a copy; the oldest goes where there are `max` already. A `max` under 1 counts as 1. */
void rule_history_add(RuleHistory *history, const RuleUpdate *update, int64_t max);

/* Copies, newest first; `ret_updates` has room for `history->count`. */
void rule_history_list(const RuleHistory *history, Arena *arena, RuleUpdate *ret_updates);
