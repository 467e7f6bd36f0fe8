#pragma once

/*
 * What is behind `Rules`, for the files of this folder.
 *
 * Three locks, taken in this order. `work` makes ticks, loads and restores take turns; it is held
 * while queries run. `aside` is shared by the ticks for groups put aside, and held alone by who
 * swaps the set or the options under them. `lock` guards what readers see (set, states,
 * file errors) and is held only to copy or to swap. Who changes something holds `lock` and, of the
 * other two, the one of its groups.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "rules/rule_set.h"

/* A file of the last load. */
typedef struct LoadedFile {
    char *path;
    RulesFlavour flavour; /* as asked for */
    RuleFile *live;       /* the last good version; NULL = there never was one */
    char *remembered;     /* bytes of the last good version, from an earlier run; NULL = none */
    size_t remembered_len;
    char *error; /* problems of the newest version, a line each; NULL = it is the live one */
} LoadedFile;

/* A rule that is gone; its alerts come from the next tick as resolved. */
typedef struct RemovedRule {
    RuleState *state;
    DurationMs interval;
} RemovedRule;

struct Rules {
    pthread_mutex_t work;
    pthread_rwlock_t aside;
    pthread_mutex_t lock;
    Engine *engine;
    Arena options_arena;
    RulesOptions options;
    RuleFile *builtin;

    LoadedFile *files;
    size_t files_count, files_cap;
    RuleSet *set;
    Hold hold;
    TimeMs looked_at;   /* when sources were looked at last */
    uint64_t gaps_told; /* hold.changes that the last tick told about */

    RemovedRule *removed;
    size_t removed_count, removed_cap;
    Arena restored_arena;
    Alert *restored;
    size_t restored_count, restored_cap;
    TimeMs began_at; /* see rules_begin(); 0 = not said */
    bool has_ticked;
    bool was_restored;
    bool takes_over; /* see rules_take_over() */

    /* Break off what is being evaluated: aside for a swap, everything at the end. */
    _Atomic bool aside_cancelled, cancelled;
    _Atomic bool regroups; /* some group is to change sides */

    uint64_t active_count; /* pending and firing, after the last tick */
    Counter loads, load_failures, rewinds;
    bool last_load_ok;
    TimeMs last_load_at;
};

/* What rules_tick() keeps for rules_write_alerts(). */
typedef struct TickSeries {
    SeriesList list;
} TickSeries;

/* How long sources may go unwatched: a gap has to be noticed between two evaluations too. */
enum { SOURCES_LOOK_MS = 5000, SOURCES_LOOK_FAR_MS = 15000 }; /* far: of a remote engine */

/* hold_rule.c: the alert about lost sources. */
bool builtin_rules_load(const RulesOptions *options, RuleFile **ret_file, Err *err) MUST_CHECK;
RuleHits builtin_hits(const Rules *rules, const LiveGroup *group, const LiveRule *rule,
                      const RuleWorld *world, Arena *arena);

/* slot.c: evaluates one slot. One that was interrupted is due again, at the same time. */
void slot_evaluate(Rules *rules, Slot *slot, TimeMs time, TimeMs now, RulesTick *tick);

/* Takes a new set; the states it did not take over are listed as removed. Both locks are held. */
void rules_take_set(Rules *rules, RuleSet *set);
/* Builds and takes the set of all live files. `work` is held and `aside` is not. */
void rules_rebuild(Rules *rules, TimeMs now);
