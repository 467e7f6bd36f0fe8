#pragma once

/*
 * In which order the rules of a slot are evaluated, so that as many as possible run as one program.
 *
 * A rule sees what earlier rules of its own group recorded in this slot, and of other groups what
 * was there when the slot began. Most rules read no recording of their own group: they have rank 0
 * and all run together in the first program, before anything is written. The others wait for their
 * group's recordings. A group whose later ranks read names that another group of the slot records
 * has to be through before that other group writes; groups are taken in waves accordingly. Where
 * groups wait for each other in a circle, the first by file and name goes first, so the order still
 * never depends on timing.
 *
 *     stage 0      all rules of rank 0
 *     wave 1       [write A, C] rank 1 of A and C, [write] rank 2 of A ...
 *     wave 2       [write B]    rank 1 of B ...
 *     at the end   everything that was not written yet
 */

#include "rules/rule_set.h"

/* Fills rank, rank_max and writes_alerts_inline of a group's rules. */
void plan_ranks(LiveGroup *group);

/* Fills the slot's stages, in `arena`. Rules are told apart quickest by the label that names the
 * cluster they are about. */
void plan_slot(Arena *arena, Slot *slot, Str source_label);
