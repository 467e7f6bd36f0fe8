#include "rules/heirs.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

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

/* How many rules have each key, to number equal ones. */
typedef struct KeyCounts {
    HashIndex index;
    size_t *counts;
    size_t counts_count, counts_cap;
} KeyCounts;

static void key_counts_finish(KeyCounts *keys) {
    hash_index_finish(&keys->index);
    free(keys->counts);
}

/* How many of this key there were before. */
static size_t count_key(KeyCounts *keys, const char *key) {
    Hash128 hash = hash128(str_of(key));
    uint32_t at = hash_index_get(&keys->index, hash);
    if (at == HASH_INDEX_NONE) {
        (void)hash_index_put(&keys->index, hash, (uint32_t)keys->counts_count);
        VEC_PUSH(*keys, counts, (size_t)1);
        return 0;
    }
    return keys->counts[at]++;
}

static RuleState *take_from(LiveRule *old) {
    RuleState *state = old->state;
    old->state = NULL;
    forget_texts(state);
    return state;
}

/* The old state of this key, if there is one. */
static RuleState *take_state(StateIndex *old, const char *key) {
    uint32_t at = hash_index_get(&old->index, hash128(str_of(key)));
    return at == HASH_INDEX_NONE ? NULL : take_from(old->rules[at]);
}

static void unique_key(KeyCounts *taken, const GroupDef *group, const RuleDef *rule,
                       char ret_key[RULE_KEY_BYTES]) {
    rule_key(group, rule, 0, ret_key);
    size_t copy = count_key(taken, ret_key);
    if (copy) {
        rule_key(group, rule, copy, ret_key);
    }
}

/* ---- rules that were moved ---- */

/* vmalert's alerts have the name of the group among their labels: moved, they are others. */
static bool can_move(const GroupDef *group, const RulesOptions *options) {
    return !group->vmalert || options->no_alertgroup;
}

static int by_itself(const char *a, const char *b) {
    return memcmp(a, b, RULE_KEY_ITSELF);
}

/* A rule that is gone from its group, and its place in the old set. */
typedef struct Leaver {
    LiveRule *rule;
    size_t place;
    char key[RULE_KEY_BYTES]; /* its state may be taken */
} Leaver;

static int by_leaver(const void *a, const void *b) {
    const Leaver *x = a, *y = b;
    int order = by_itself(x->key, y->key);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

typedef struct Leavers {
    Leaver *items;
    size_t count;
} Leavers;

static Leavers list_leavers(Arena *arena, const StateIndex *old) {
    Leavers leavers = {.items = arena_array(arena, Leaver, old->rules_count + 1)};
    for (size_t i = 0; i < old->rules_count; i++) {
        if (old->rules[i]->state) {
            Leaver *leaver = &leavers.items[leavers.count++];
            *leaver = (Leaver){.rule = old->rules[i], .place = i};
            memcpy(leaver->key, old->rules[i]->state->key, sizeof leaver->key);
        }
    }
    qsort(leavers.items, leavers.count, sizeof *leavers.items, by_leaver);
    return leavers;
}

/* The leaver that `rule` most likely is: of the same name, labels and expression, else of the same
 * name and labels; the first of several. NULL if there is none. */
static LiveRule *find_leaver(const Leavers *leavers, const char *key, const RuleDef *rule) {
    size_t low = 0, high = leavers->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_itself(leavers->items[middle].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    LiveRule *first = NULL;
    for (; low < leavers->count && by_itself(leavers->items[low].key, key) == 0; low++) {
        LiveRule *old = leavers->items[low].rule;
        if (old->state && str_eq(old->def->expr_text, rule->expr_text)) {
            return old;
        }
        first = first || !old->state ? first : old;
    }
    return first;
}

/* ---- taking ---- */

/* Rules that are where they were. */
static void take_by_key(RuleSet *set, StateIndex *old) {
    AUTO(key_counts_finish) KeyCounts taken = {0};
    for (size_t g = 0; g < set->group_count; g++) {
        LiveGroup *group = &set->groups[g];
        for (size_t i = 0; i < group->rule_count; i++) {
            char key[RULE_KEY_BYTES];
            unique_key(&taken, group->def, group->rules[i].def, key);
            group->rules[i].state = take_state(old, key);
        }
    }
}

void heirs_take(RuleSet *set, const RuleSet *old, const RulesOptions *options) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(state_index_finish) StateIndex states = {0};
    AUTO(key_counts_finish) KeyCounts taken = {0};
    index_states(&states, old);
    take_by_key(set, &states);
    Leavers leavers = list_leavers(&arena, &states);
    for (size_t g = 0; g < set->group_count; g++) {
        LiveGroup *group = &set->groups[g];
        for (size_t i = 0; i < group->rule_count; i++) {
            LiveRule *rule = &group->rules[i];
            char key[RULE_KEY_BYTES];
            unique_key(&taken, group->def, rule->def, key);
            if (!rule->state) {
                LiveRule *leaver =
                    can_move(group->def, options) ? find_leaver(&leavers, key, rule->def) : NULL;
                rule->state = leaver ? take_from(leaver) : rule_state_new(key);
            }
            rule_state_set_url(rule->state, options->external_url, rule->def->expr_shown);
        }
    }
}

/* ---- restoring ---- */

/* The rule that an alert most likely belongs to: of the same name and labels, in another group, and
 * without alerts of its own; of several the one of the same expression, which the alert's URL
 * shows, else the first. */
static RuleState *find_moved(const RuleSet *set, const Alert *alert, const RulesOptions *options) {
    RuleState *first = NULL;
    for (size_t g = 0; g < set->group_count; g++) {
        const LiveGroup *group = &set->groups[g];
        for (size_t i = 0; i < group->rule_count && can_move(group->def, options); i++) {
            RuleState *state = group->rules[i].state;
            if (state->alerts_count || by_itself(state->key, alert->rule_key.ptr) != 0) {
                continue;
            }
            if (str_eq(state->generator_url, alert->generator_url)) {
                return state;
            }
            first = first ? first : state;
        }
    }
    return first;
}

/* The state that alerts of this key found, if any; from then on it has their key. */
static RuleState *adopt(const RuleSet *set, const Alert *alert, const RulesOptions *options) {
    Str key = alert->rule_key;
    if (key.len < RULE_KEY_ITSELF || key.len >= RULE_KEY_BYTES) {
        return NULL;
    }
    RuleState *state = find_moved(set, alert, options);
    if (state) {
        snprintf(state->key, sizeof state->key, "%.*s", STR_ARG(key));
    }
    return state;
}

/* Alerts whose rule is not in its group any more; those of one rule stay together. `left` is
 * shortened to what found nothing. */
static size_t restore_moved(RuleSet *set, const Alert *alerts, const RulesOptions *options,
                            size_t *left, size_t count) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(hash_index_finish) HashIndex known = {0};
    RuleState **states = arena_array(&arena, RuleState *, count + 1);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const Alert *alert = &alerts[left[i]];
        Hash128 hash = hash128(alert->rule_key);
        uint32_t first = hash_index_get(&known, hash);
        if (first == HASH_INDEX_NONE) {
            states[i] = adopt(set, alert, options);
            (void)hash_index_put(&known, hash, (uint32_t)i);
        } else {
            states[i] = states[first];
        }
        if (states[i]) {
            rule_state_restore(states[i], alert);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!states[i]) {
            left[kept++] = left[i];
        }
    }
    return kept;
}

void heirs_restore(RuleSet *set, const Alert *alerts, size_t count, const RulesOptions *options,
                   size_t *ret_left, size_t *ret_left_count) {
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
    *ret_left_count = restore_moved(set, alerts, options, ret_left, left);
}
