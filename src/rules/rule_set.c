#include "rules/rule_set.h"

#include <stdlib.h>

#include "base/mem.h"
#include "rules/plan.h"

enum {
    WINDOWS_MAX = 8,   /* distinct ranges kept per rule, the longest ones */
    WINDOW_PASSES = 4, /* how deep recordings of recordings are followed */
};

/* ---- states ---- */

typedef struct StateIndex {
    HashIndex index;
    LiveRule **rules;
    size_t rules_count, rules_cap;
} StateIndex;

static void index_states(StateIndex *states, const RuleSet *set) {
    for (size_t g = 0; set && g < set->group_count; g++) {
        for (size_t i = 0; i < set->groups[g].rule_count; i++) {
            LiveRule *rule = &set->groups[g].rules[i];
            if (rule->state) {
                Hash128 hash = hash128(str_of(rule->state->key));
                (void)hash_index_put(&states->index, hash, (uint32_t)states->rules_count);
                VEC_PUSH(*states, rules, rule);
            }
        }
    }
}

static void state_index_finish(StateIndex *states) {
    hash_index_finish(&states->index);
    free(states->rules);
}

/* Annotations are expanded anew, since their templates may have changed. */
static void forget_texts(RuleState *state) {
    for (size_t i = 0; i < state->alerts_count; i++) {
        state->alerts[i]->texts_of = (Hash128){0};
    }
}

/* The state of `rule`: the old one of its key, or a new one. `taken` knows the keys given out so
 * far. */
static RuleState *take_state(StateIndex *old, HashIndex *taken, const GroupDef *group,
                             const RuleDef *rule) {
    char key[RULE_KEY_BYTES];
    for (size_t copy = 0;; copy++) {
        rule_key(group, rule, copy, key);
        if (hash_index_put(taken, hash128(str_of(key)), 0)) {
            break;
        }
    }
    uint32_t at = hash_index_get(&old->index, hash128(str_of(key)));
    if (at == HASH_INDEX_NONE) {
        return rule_state_new(key);
    }
    RuleState *state = old->rules[at]->state;
    old->rules[at]->state = NULL;
    forget_texts(state);
    return state;
}

/* ---- windows ---- */

static void add_window(LiveRule *rule, DurationMs window) {
    size_t shortest = 0;
    for (size_t i = 0; i < rule->window_count; i++) {
        if (rule->windows[i] == window) {
            return;
        }
        shortest = rule->windows[i] < rule->windows[shortest] ? i : shortest;
    }
    if (rule->window_count < WINDOWS_MAX) {
        rule->windows[rule->window_count++] = window;
    } else if (rule->windows[shortest] < window) {
        rule->windows[shortest] = window;
    }
}

static int by_record(const void *a, const void *b) {
    LiveRule *const *x = a, *const *y = b;
    return str_cmp((*x)->def->name, (*y)->def->name);
}

static LiveRule **list_recordings(RuleSet *set, size_t *ret_count) {
    LiveRule **list = mem_zero(set->rule_count + 1, sizeof(LiveRule *));
    size_t count = 0;
    for (size_t g = 0; g < set->group_count; g++) {
        for (size_t i = 0; i < set->groups[g].rule_count; i++) {
            if (!set->groups[g].rules[i].def->is_alert) {
                list[count++] = &set->groups[g].rules[i];
            }
        }
    }
    qsort(list, count, sizeof *list, by_record);
    *ret_count = count;
    return list;
}

static size_t first_recording(LiveRule *const *list, size_t count, Str metric) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_cmp(list[middle]->def->name, metric) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void inherit_windows(LiveRule *rule, LiveRule *const *recordings, size_t count) {
    for (size_t k = 0; k < rule->def->selector_count; k++) {
        Str metric = rule->def->selectors[k].metric;
        for (size_t at = metric.len ? first_recording(recordings, count, metric) : count;
             at < count && str_eq(recordings[at]->def->name, metric); at++) {
            for (size_t w = 0; w < recordings[at]->window_count; w++) {
                add_window(rule, recordings[at]->windows[w]);
            }
        }
    }
}

static void fill_windows(RuleSet *set) {
    size_t count = 0;
    LiveRule **recordings = list_recordings(set, &count);
    for (int pass = 0; pass <= WINDOW_PASSES; pass++) {
        for (size_t g = 0; g < set->group_count; g++) {
            for (size_t i = 0; i < set->groups[g].rule_count; i++) {
                LiveRule *rule = &set->groups[g].rules[i];
                for (size_t k = 0; pass == 0 && k < rule->def->selector_count; k++) {
                    add_window(rule, rule->def->selectors[k].range);
                }
                if (pass > 0) {
                    inherit_windows(rule, recordings, count);
                }
            }
        }
    }
    free(recordings);
}

/* ---- groups and slots ---- */

static const LiveGroup *find_group(const RuleSet *set, const GroupDef *def) {
    for (size_t g = 0; set && g < set->group_count; g++) {
        if (str_eq(set->groups[g].def->name, def->name) &&
            str_eq(set->groups[g].def->file, def->file)) {
            return &set->groups[g];
        }
    }
    return NULL;
}

static void make_group(RuleSet *set, LiveGroup *group, const GroupDef *def,
                       const RulesOptions *options, const RuleSet *old, StateIndex *states,
                       HashIndex *taken) {
    const LiveGroup *before = find_group(old, def);
    if (before) {
        group->last_evaluation = before->last_evaluation;
        group->duration_ns = before->duration_ns;
        group->duration_total_ns = before->duration_total_ns;
        group->iterations = before->iterations;
        group->missed = before->missed;
        group->late = before->late;
        group->is_aside = before->is_aside;
    }
    group->def = def;
    group->interval = def->interval ? def->interval : options->evaluation_interval;
    group->rule_count = def->rule_count;
    group->rules = arena_array(&set->arena, LiveRule, def->rule_count + 1);
    for (size_t i = 0; i < def->rule_count; i++) {
        RuleState *state = take_state(states, taken, def, &def->rules[i]);
        rule_state_set_url(state, options->external_url, def->rules[i].expr_text);
        group->rules[i] = (LiveRule){
            .def = &def->rules[i],
            .state = state,
            .windows = arena_array(&set->arena, DurationMs, WINDOWS_MAX),
            .is_builtin = str_eq(def->file, RULE_BUILTIN_FILE),
        };
    }
    set->rule_count += def->rule_count;
    plan_ranks(group);
}

static const Slot *find_slot(const RuleSet *set, SlotTiming timing, bool is_aside) {
    for (size_t i = 0; set && i < set->slot_count; i++) {
        if (slot_timing_eq(set->slots[i].timing, timing) && set->slots[i].is_aside == is_aside) {
            return &set->slots[i];
        }
    }
    return NULL;
}

static Slot *slot_for(RuleSet *set, SlotTiming timing, bool is_aside, const RuleSet *old,
                      TimeMs now) {
    Slot *known = (Slot *)find_slot(set, timing, is_aside);
    if (known) {
        return known;
    }
    const Slot *before = find_slot(old, timing, is_aside);
    before = before ? before : find_slot(old, timing, !is_aside);
    Slot *slot = &set->slots[set->slot_count++];
    *slot = (Slot){.timing = timing,
                   .is_aside = is_aside,
                   .last = before ? before->last : slot_before(timing, now)};
    slot->groups = arena_array(&set->arena, LiveGroup *, set->group_count + 1);
    return slot;
}

RuleSet *rule_set_new(RuleFile **files, size_t file_count, const RulesOptions *options,
                      RuleSet *old, TimeMs now) {
    RuleSet *set = mem_zero(1, sizeof *set);
    set->files = arena_array(&set->arena, RuleFile *, file_count + 1);
    size_t groups = 0;
    for (size_t f = 0; f < file_count; f++) {
        set->files[set->file_count++] = rule_file_ref(files[f]);
        groups += files[f]->group_count;
    }
    set->groups = arena_array(&set->arena, LiveGroup, groups + 1);
    set->slots = arena_array(&set->arena, Slot, groups + 1);

    AUTO(state_index_finish) StateIndex states = {0};
    AUTO(hash_index_finish) HashIndex taken = {0};
    index_states(&states, old);
    for (size_t f = 0; f < file_count; f++) {
        for (size_t g = 0; g < files[f]->group_count; g++) {
            make_group(set, &set->groups[set->group_count++], &files[f]->groups[g], options, old,
                       &states, &taken);
        }
    }
    fill_windows(set);
    for (size_t g = 0; g < set->group_count; g++) {
        LiveGroup *group = &set->groups[g];
        Slot *slot = slot_for(set, slot_timing(group->def, options), group->is_aside, old, now);
        slot->groups[slot->group_count++] = group;
    }
    for (size_t i = 0; i < set->slot_count; i++) {
        plan_slot(&set->arena, &set->slots[i]);
    }
    return set;
}

void rule_set_free(RuleSet *set) {
    if (!set) {
        return;
    }
    for (size_t g = 0; g < set->group_count; g++) {
        series_list_finish(&set->groups[g].unwritten);
        for (size_t i = 0; i < set->groups[g].rule_count; i++) {
            rule_state_free(set->groups[g].rules[i].state);
        }
    }
    for (size_t f = 0; f < set->file_count; f++) {
        rule_file_unref(set->files[f]);
    }
    arena_finish(&set->arena);
    free(set);
}

void rule_set_restore(RuleSet *set, const Alert *alerts, size_t count, size_t *ret_left,
                      size_t *ret_left_count) {
    AUTO(state_index_finish) StateIndex states = {0};
    index_states(&states, set);
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t at = hash_index_get(&states.index, hash128(alerts[i].rule_key));
        if (at == HASH_INDEX_NONE) {
            ret_left[left++] = i;
        } else {
            rule_state_restore(states.rules[at]->state, &alerts[i]);
        }
    }
    *ret_left_count = left;
}
