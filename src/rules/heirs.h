#pragma once

/*
 * Which rule of a new set goes on with which state of before.
 *
 * A rule goes on with the state of its key (rule_state.h). One that is new to its group was, most
 * likely, moved there: it goes on with the state of a rule of the same name and labels that is no
 * longer where it was; of several, with the one of the same expression, else with the first.
 *
 * Threads: as RuleSet.
 */

#include "rules/rule_set.h"

/* Every rule of `set` gets its state: one taken from `old` (may be NULL), or a new one. */
void heirs_take(RuleSet *set, const RuleSet *old, const RulesOptions *options);

/* Gives each alert to the rule of its key, or to the one it was moved to. `ret_left` (room for all)
 * gets the indexes of those whose rule is not in the set. */
void heirs_restore(RuleSet *set, const Alert *alerts, size_t count, const RulesOptions *options,
                   size_t *ret_left, size_t *ret_left_count);
