/*
 * What readers see: copies of groups, rules and alerts, and the metrics.
 */

#include <stdlib.h>

#include "rules/rules_internal.h"

static uint64_t group_id(const GroupDef *group) {
    uint64_t id = fnv1a(FNV1A_START, group->file);
    id = fnv1a(id, STR(";"));
    return fnv1a(id, group->name);
}

static uint64_t rule_id(const LiveRule *rule) {
    return fnv1a(FNV1A_START, str_of(rule->state->key));
}

static void view_alerts(const LiveGroup *group, const RuleState *state, Arena *arena,
                        RuleView *view) {
    view->alerts = arena_array(arena, Alert, state->alerts_count + 1);
    for (size_t i = 0; i < state->alerts_count; i++) {
        Alert alert = rule_state_alert(state, state->alerts[i], group->interval);
        alert.rule_key = arena_str(arena, alert.rule_key);
        alert.labels = labels_copy(arena, alert.labels);
        alert.annotations = labels_copy(arena, alert.annotations);
        view->alerts[view->alert_count++] = alert;
    }
}

static Str print_selector(Arena *arena, const MatcherSet *matchers) {
    AUTO(buf_finish) Buf text = {0};
    matchers_print(&text, matchers);
    return arena_str(arena, buf_view(&text));
}

/* Selectors count as the engine told them; a remote one does not. */
static void view_selectors(const RuleDef *def, const RuleState *state, Arena *arena,
                           RuleView *view) {
    bool is_known = state->selector_count == def->selector_count;
    view->selectors = arena_array(arena, SelectorView, def->selector_count + 1);
    for (size_t i = 0; is_known && i < def->selector_count; i++) {
        view->selectors[view->selector_count++] =
            (SelectorView){.text = print_selector(arena, def->selectors[i].matchers),
                           .series = state->selector_series[i]};
    }
    view->series = state->matched;
    view->knows_series = state->knows_matched;
}

/* As written, empty ones included. */
static LabelSet view_texts(Arena *arena, RuleTexts texts) {
    Label *labels = arena_array(arena, Label, texts.count + 1);
    for (size_t i = 0; i < texts.count; i++) {
        labels[i] =
            (Label){arena_str(arena, texts.items[i].name), arena_str(arena, texts.items[i].text)};
    }
    return (LabelSet){labels, texts.count};
}

static RuleView view_rule(const LiveGroup *group, const LiveRule *rule, Arena *arena) {
    const RuleDef *def = rule->def;
    const RuleState *state = rule->state;
    RuleView view = {
        .is_alert = def->is_alert,
        .name = arena_str(arena, def->name),
        .query = arena_str(arena, def->expr_shown),
        .labels = view_texts(arena, def->labels),
        .annotations = view_texts(arena, def->annotations),
        .hold = def->hold,
        .keep_firing = def->keep_firing,
        .health = state->health,
        .last_error = arena_str(arena, str_of(state->last_error)),
        .last_evaluation = state->last_evaluation,
        .duration_ns = state->duration_ns,
        .samples = state->result_count,
        .debug = def->debug,
        .updates_max = def->updates_max,
        .generator_url = arena_str(arena, state->generator_url),
        .id = rule_id(rule),
    };
    view_selectors(def, state, arena, &view);
    view_alerts(group, state, arena, &view);
    return view;
}

static const Str *copy_texts(Arena *arena, const Str *texts, size_t count) {
    Str *copy = arena_array(arena, Str, count + 1);
    for (size_t i = 0; i < count; i++) {
        copy[i] = arena_str(arena, texts[i]);
    }
    return copy;
}

static void view_vmalert_fields(const GroupDef *def, Arena *arena, GroupView *view) {
    Label *params = arena_array(arena, Label, def->param_count + 1);
    for (size_t i = 0; i < def->param_count; i++) {
        params[i] =
            (Label){arena_str(arena, def->params[i].name), arena_str(arena, def->params[i].value)};
    }
    view->params = params;
    view->param_count = def->param_count;
    view->headers = copy_texts(arena, def->headers, def->header_count);
    view->header_count = def->header_count;
    view->notifier_headers = copy_texts(arena, def->notifier_headers, def->notifier_header_count);
    view->notifier_header_count = def->notifier_header_count;
}

static Str error_of_file(const Rules *rules, Str path) {
    for (size_t i = 0; i < rules->files_count; i++) {
        if (str_eq(str_of(rules->files[i].path), path)) {
            return str_of(rules->files[i].error);
        }
    }
    return STR("");
}

/* By file and name, as clients that take them page by page expect; what Belfry brings along itself
 * comes last. */
static int by_file_and_name(const void *a, const void *b) {
    const GroupView *x = a, *y = b;
    int built_in =
        (int)str_eq(x->file, RULE_BUILTIN_FILE) - (int)str_eq(y->file, RULE_BUILTIN_FILE);
    int order = built_in ? built_in : str_cmp(x->file, y->file);
    return order ? order : str_cmp(x->name, y->name);
}

static GroupView view_group(const Rules *rules, const LiveGroup *group, Arena *arena) {
    GroupView view = {
        .name = arena_str(arena, group->def->name),
        .file = arena_str(arena, group->def->file),
        .interval = group->interval,
        .limit = group->def->limit,
        .last_evaluation = group->last_evaluation,
        .duration_ns = group->duration_ns,
        .is_aside = group->is_aside,
        .type = arena_str(arena, group->def->type),
        .labels = labels_copy(arena, group->def->labels),
        .query_offset = group->def->query_offset,
        .eval_offset = group->def->eval_offset,
        .eval_delay = group->def->eval_delay,
        .concurrency = group->def->concurrency,
        .file_error = arena_str(arena, error_of_file(rules, group->def->file)),
        .rules = arena_array(arena, RuleView, group->rule_count + 1),
        .rule_count = group->rule_count,
        .id = group_id(group->def),
    };
    view_vmalert_fields(group->def, arena, &view);
    for (size_t i = 0; i < group->rule_count; i++) {
        view.rules[i] = view_rule(group, &group->rules[i], arena);
    }
    return view;
}

void rules_view(Rules *rules, Arena *arena, GroupView **ret_groups, size_t *ret_count) {
    pthread_mutex_lock(&rules->lock);
    const RuleSet *set = rules->set;
    GroupView *groups = arena_array(arena, GroupView, set->group_count + 1);
    for (size_t g = 0; g < set->group_count; g++) {
        groups[g] = view_group(rules, &set->groups[g], arena);
    }
    *ret_groups = groups;
    *ret_count = set->group_count;
    qsort(groups, set->group_count, sizeof *groups, by_file_and_name);
    pthread_mutex_unlock(&rules->lock);
}

static Str headers_of(Arena *arena, const GroupDef *def) {
    AUTO(buf_finish) Buf text = {0};
    for (size_t i = 0; i < def->notifier_header_count; i++) {
        buf_str(&text, def->notifier_headers[i]);
        buf_byte(&text, '\n');
    }
    return arena_str(arena, buf_view(&text));
}

void rules_notifier_headers(Rules *rules, Arena *arena, AlertHeaders **ret_list,
                            size_t *ret_count) {
    pthread_mutex_lock(&rules->lock);
    const RuleSet *set = rules->set;
    size_t room = 1, count = 0;
    for (size_t g = 0; g < set->group_count; g++) {
        room += set->groups[g].rule_count;
    }
    AlertHeaders *list = arena_array(arena, AlertHeaders, room);
    for (size_t g = 0; g < set->group_count; g++) {
        const LiveGroup *group = &set->groups[g];
        Str headers = headers_of(arena, group->def);
        for (size_t i = 0; i < group->rule_count; i++) {
            if (group->rules[i].def->is_alert) {
                Str key = arena_str(arena, str_of(group->rules[i].state->key));
                list[count++] = (AlertHeaders){key, headers};
            }
        }
    }
    pthread_mutex_unlock(&rules->lock);
    *ret_list = list;
    *ret_count = count;
}

static const LiveGroup *find_group(const RuleSet *set, uint64_t id) {
    for (size_t g = 0; g < set->group_count; g++) {
        if (group_id(set->groups[g].def) == id) {
            return &set->groups[g];
        }
    }
    return NULL;
}

bool rules_view_group(Rules *rules, uint64_t id, Arena *arena, GroupView *ret_group) {
    pthread_mutex_lock(&rules->lock);
    const LiveGroup *group = find_group(rules->set, id);
    if (group) {
        *ret_group = view_group(rules, group, arena);
    }
    pthread_mutex_unlock(&rules->lock);
    return group != NULL;
}

bool rules_updates(Rules *rules, uint64_t group, uint64_t rule, Arena *arena,
                   RuleUpdate **ret_updates, size_t *ret_count) {
    pthread_mutex_lock(&rules->lock);
    const LiveGroup *live = find_group(rules->set, group);
    const RuleHistory *history = NULL;
    for (size_t i = 0; live && i < live->rule_count && !history; i++) {
        if (rule_id(&live->rules[i]) == rule) {
            history = &live->rules[i].state->history;
        }
    }
    if (history) {
        *ret_updates = arena_array(arena, RuleUpdate, history->count + 1);
        *ret_count = history->count;
        rule_history_list(history, arena, *ret_updates);
    }
    pthread_mutex_unlock(&rules->lock);
    return history != NULL;
}

size_t rules_count(Rules *rules) {
    pthread_mutex_lock(&rules->lock);
    size_t count = rules->set->rule_count;
    pthread_mutex_unlock(&rules->lock);
    return count;
}
