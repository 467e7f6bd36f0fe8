#pragma once

/*
 * Taking over from another evaluator: since when its alerts are active stands in the series
 * ALERTS_FOR_STATE, which Prometheus and vmalert write and whose history was imported.
 *
 * Asked once for each rule with a `for`, at its first evaluation, and only until Belfry has
 * evaluated for the first time in its life: from then on its own database knows better.
 */

#include "rules/rule_result.h"

/* Fills `active_since` of the hits whose alert was active already, in another's books. */
void for_state_fill(const GroupDef *group, const RuleDef *rule, const RuleWorld *world,
                    Arena *arena, RuleHits *hits);
