#include "rules/rule_set.h"

#include <stdlib.h>

#include "base/mem.h"
#include "rules/heirs.h"
#include "rules/plan.h"

enum {
    WINDOWS_MAX = 8,    /* distinct ranges kept per rule, the longest ones */
    WINDOW_PASSES = 16, /* how deep recordings of recordings are followed */
};

/* ---- windows ---- */

/* Room of WINDOWS_MAX. */
typedef struct Windows {
    DurationMs *items;
    size_t count;
} Windows;

static bool add_window(Windows *windows, DurationMs window) {
    size_t shortest = 0;
    for (size_t i = 0; i < windows->count; i++) {
        if (windows->items[i] == window) {
            return false;
        }
        shortest = windows->items[i] < windows->items[shortest] ? i : shortest;
    }
    if (windows->count < WINDOWS_MAX) {
        windows->items[windows->count++] = window;
    } else if (windows->items[shortest] < window) {
        windows->items[shortest] = window;
    } else {
        return false;
    }
    return true;
}

static bool add_windows(LiveRule *rule, const DurationMs *more, size_t count) {
    Windows windows = {rule->windows, rule->window_count};
    bool is_new = false;
    for (size_t i = 0; i < count; i++) {
        is_new |= add_window(&windows, more[i]);
    }
    rule->window_count = windows.count;
    return is_new;
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

/* All recordings of one name, and the windows of any of them. */
typedef struct Recording {
    Str metric;
    LiveRule **rules;
    size_t rule_count;
    Windows windows;
} Recording;

static Recording *group_recordings(Arena *arena, LiveRule **rules, size_t count,
                                   size_t *ret_count) {
    Recording *list = arena_array(arena, Recording, count + 1);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        Str metric = rules[i]->def->name;
        if (at == 0 || !str_eq(list[at - 1].metric, metric)) {
            list[at++] = (Recording){
                .metric = metric,
                .rules = &rules[i],
                .windows.items = arena_array(arena, DurationMs, WINDOWS_MAX),
            };
        }
        list[at - 1].rule_count++;
    }
    *ret_count = at;
    return list;
}

static const Recording *find_recording(const Recording *list, size_t count, Str metric) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(list[middle].metric, metric);
        if (order == 0) {
            return &list[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

static void unite_windows(Recording *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        Recording *recording = &list[i];
        for (size_t k = 0; k < recording->rule_count; k++) {
            const LiveRule *rule = recording->rules[k];
            for (size_t w = 0; w < rule->window_count; w++) {
                (void)add_window(&recording->windows, rule->windows[w]);
            }
        }
    }
}

/* One level of recordings of recordings. False if nothing was new. */
static bool inherit_windows(RuleSet *set, Recording *recordings, size_t count) {
    bool is_new = false;
    unite_windows(recordings, count);
    for (size_t g = 0; g < set->group_count; g++) {
        for (size_t i = 0; i < set->groups[g].rule_count; i++) {
            LiveRule *rule = &set->groups[g].rules[i];
            for (size_t k = 0; k < rule->def->selector_count; k++) {
                Str metric = rule->def->selectors[k].metric;
                const Recording *read =
                    metric.len ? find_recording(recordings, count, metric) : NULL;
                is_new |= read && add_windows(rule, read->windows.items, read->windows.count);
            }
        }
    }
    return is_new;
}

static void fill_windows(RuleSet *set) {
    AUTO(arena_finish) Arena arena = {0};
    size_t rule_count = 0, count = 0;
    LiveRule **rules = list_recordings(set, &rule_count);
    Recording *recordings = group_recordings(&arena, rules, rule_count, &count);
    for (size_t g = 0; g < set->group_count; g++) {
        for (size_t i = 0; i < set->groups[g].rule_count; i++) {
            LiveRule *rule = &set->groups[g].rules[i];
            for (size_t k = 0; k < rule->def->selector_count; k++) {
                (void)add_windows(rule, &rule->def->selectors[k].range, 1);
            }
        }
    }
    for (int pass = 0; pass < WINDOW_PASSES && inherit_windows(set, recordings, count); pass++) {
    }
    free(rules);
}

/* ---- groups and slots ---- */

static Hash128 group_hash(const GroupDef *def) {
    AUTO(buf_finish) Buf text = {0};
    buf_str(&text, def->file);
    buf_byte(&text, (char)0xFF);
    buf_str(&text, def->name);
    return hash128(buf_view(&text));
}

static void index_groups(HashIndex *index, const RuleSet *set) {
    for (size_t g = 0; set && g < set->group_count; g++) {
        (void)hash_index_put(index, group_hash(set->groups[g].def), (uint32_t)g);
    }
}

/* What a set is made from. */
typedef struct Making {
    const RulesOptions *options;
    const RuleSet *old;
    HashIndex old_groups;
} Making;

static void making_finish(Making *making) {
    hash_index_finish(&making->old_groups);
}

static const LiveGroup *find_group(const Making *making, const GroupDef *def) {
    uint32_t at = hash_index_get(&making->old_groups, group_hash(def));
    return at == HASH_INDEX_NONE ? NULL : &making->old->groups[at];
}

static void make_group(RuleSet *set, LiveGroup *group, const GroupDef *def, Making *making) {
    const LiveGroup *before = find_group(making, def);
    const RulesOptions *options = making->options;
    if (before) {
        group->last_evaluation = before->last_evaluation;
        group->duration_ns = before->duration_ns;
        group->duration_total_ns = before->duration_total_ns;
        group->iterations = before->iterations;
        group->missed = before->missed;
        group->late = before->late;
        group->is_aside = before->is_aside;
        group->is_cut = before->is_cut;
        group->ticket = before->ticket;
    }
    group->def = def;
    group->interval = def->interval ? def->interval : options->evaluation_interval;
    group->rule_count = def->rule_count;
    group->rules = arena_array(&set->arena, LiveRule, def->rule_count + 1);
    for (size_t i = 0; i < def->rule_count; i++) {
        group->rules[i] = (LiveRule){
            .def = &def->rules[i],
            .windows = arena_array(&set->arena, DurationMs, WINDOWS_MAX),
            .is_builtin = str_eq(def->file, RULE_BUILTIN_FILE),
        };
    }
    set->rule_count += def->rule_count;
    plan_ranks(group);
}

/* Where a group belongs. */
typedef struct SlotPlace {
    SlotTiming timing;
    bool is_aside;
    const GroupDef *only; /* NULL: with all others of its kind */
} SlotPlace;

static bool is_same_group(const GroupDef *a, const GroupDef *b) {
    return str_eq(a->name, b->name) && str_eq(a->file, b->file);
}

static const Slot *find_slot(const RuleSet *set, SlotPlace place) {
    for (size_t i = 0; set && i < set->slot_count; i++) {
        const Slot *slot = &set->slots[i];
        if (slot_timing_eq(slot->timing, place.timing) && slot->is_aside == place.is_aside &&
            (!place.only || is_same_group(slot->groups[0]->def, place.only))) {
            return slot;
        }
    }
    return NULL;
}

/* What the group has seen: its slot of before, or the one it was with before it changed sides. */
static TimeMs last_seen(const RuleSet *old, SlotPlace place, bool is_cut, TimeMs now) {
    const Slot *before = find_slot(old, place);
    if (!before) {
        before = find_slot(old, (SlotPlace){.timing = place.timing, .is_aside = !place.is_aside});
    }
    TimeMs last = before ? before->last : slot_before(place.timing, now);
    return is_cut ? last - place.timing.interval : last;
}

static Slot *slot_for(RuleSet *set, SlotPlace place, const LiveGroup *group, const RuleSet *old,
                      TimeMs now) {
    Slot *slot = (Slot *)find_slot(set, place);
    TimeMs last = last_seen(old, place, group->is_cut, now);
    if (slot) {
        slot->last = last < slot->last ? last : slot->last;
        return slot;
    }
    slot = &set->slots[set->slot_count++];
    *slot = (Slot){.timing = place.timing, .is_aside = place.is_aside, .last = last};
    slot->groups = arena_array(&set->arena, LiveGroup *, place.only ? 1 : set->group_count + 1);
    return slot;
}

RuleSet *rule_set_new(RuleFile **files, size_t file_count, const RulesOptions *options,
                      RuleSet *old, bool is_apart, TimeMs now) {
    RuleSet *set = mem_zero(1, sizeof *set);
    set->files = arena_array(&set->arena, RuleFile *, file_count + 1);
    size_t groups = 0;
    for (size_t f = 0; f < file_count; f++) {
        set->files[set->file_count++] = rule_file_ref(files[f]);
        groups += files[f]->group_count;
    }
    set->groups = arena_array(&set->arena, LiveGroup, groups + 1);
    set->slots = arena_array(&set->arena, Slot, groups + 1);

    AUTO(making_finish) Making making = {.options = options, .old = old};
    index_groups(&making.old_groups, old);
    for (size_t f = 0; f < file_count; f++) {
        for (size_t g = 0; g < files[f]->group_count; g++) {
            make_group(set, &set->groups[set->group_count++], &files[f]->groups[g], &making);
        }
    }
    heirs_take(set, old, options);
    fill_windows(set);
    for (size_t g = 0; g < set->group_count; g++) {
        LiveGroup *group = &set->groups[g];
        SlotPlace place = {.timing = slot_timing(group->def, options),
                           .is_aside = group->is_aside,
                           .only = group->is_aside && is_apart ? group->def : NULL};
        Slot *slot = slot_for(set, place, group, old, now);
        group->is_cut = false;
        slot->groups[slot->group_count++] = group;
    }
    for (size_t i = 0; i < set->slot_count; i++) {
        plan_slot(&set->arena, &set->slots[i], options->source_label);
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
