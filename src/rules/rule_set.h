#pragma once

/*
 * The rules that are live: groups of all good files, each rule joined with its state, and the slots
 * they are due in.
 *
 * A set never changes but for the states in it. A reload builds the next one, which takes the
 * states over by key.
 */

#include "rules/rule_state.h"
#include "rules/schedule.h"

/* The "file" of rules that Belfry brings along itself. */
#define RULE_BUILTIN_FILE STR("built in")

typedef struct LiveRule {
    const RuleDef *def;
    RuleState *state;
    DurationMs
        *windows; /* ranges the result depends on, those of the recordings it reads included */
    size_t window_count;
    uint32_t
        rank; /* 1 + the highest rank of the earlier rules of its group that it reads; 0 = none */
    bool writes_alerts_inline; /* a later rule of the group reads its ALERTS */
    bool is_builtin;           /* its results come from `hold`, not from a query */
} LiveRule;

typedef struct LiveGroup {
    const GroupDef *def;
    DurationMs interval;
    LiveRule *rules;
    size_t rule_count;
    uint32_t rank_max;
    TimeMs last_evaluation;
    int64_t duration_ns, duration_total_ns;
    int64_t slowest_ns;                /* of its rules at the last evaluation */
    bool is_aside;                     /* see Slot */
    bool is_cut;                       /* broken off, to be evaluated aside for the same slot */
    uint64_t iterations, missed, late; /* late: evaluated, but well after its time */
    SeriesList unwritten;              /* of the evaluation under way */
    uint64_t ticket; /* of what a remote engine has to take; see engine_written(). 0: nothing */
    Str not_written; /* why results of the evaluation before got lost; "" = they did not */
} LiveGroup;

/* A group and one of its rules. */
typedef struct PlanItem {
    LiveGroup *group;
    LiveRule *rule;
} PlanItem;

/* What is evaluated as one program. Before it runs, the groups in `flush` write what they recorded
 * in this slot. */
typedef struct PlanStage {
    PlanItem *items;
    size_t count;
    LiveGroup **flush;
    size_t flush_count;
} PlanStage;

/* Groups of one timing. Those that hold up others (slot_holds_up()) have a slot beside the common
 * one, evaluated by another thread: together where they share what they compute, each its own where
 * they only wait for somebody else. */
typedef struct Slot {
    SlotTiming timing;
    bool is_aside;
    bool is_running; /* of those aside: some thread has it. Under the lock of Rules, as `last` is */
    TimeMs last;     /* the slot time evaluated last */
    LiveGroup **groups;
    size_t group_count;
    PlanStage *stages;
    size_t stage_count;
} Slot;

typedef struct RuleSet {
    Arena arena;
    RuleFile **files;
    size_t file_count;
    LiveGroup *groups; /* ordered by file, then place in it */
    size_t group_count;
    size_t rule_count;
    Slot *slots;
    size_t slot_count;
} RuleSet;

/* Builds the set of `files` (a reference to each is taken), taking over states and counters of
 * `old` (may be NULL) by key. What `old` still has afterwards belongs to rules that are gone. `now`
 * is when slots of new timing count from; `is_apart` gives each group aside a slot of its own. */
RuleSet *rule_set_new(RuleFile **files, size_t file_count, const RulesOptions *options,
                      RuleSet *old, bool is_apart, TimeMs now);
void rule_set_free(RuleSet *set); /* accepts NULL */
