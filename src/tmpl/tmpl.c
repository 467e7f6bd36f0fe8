/*
 * Sets of templates.
 *
 * What of https://pkg.go.dev/text/template is here:
 *
 *   delimiters, trim markers, comments                     all
 *   if, else if, range (lists, maps, ints), with, else with, break, continue, define, template,
 * block variables, assignment, pipelines, parentheses, chains, methods with arguments literals
 * integers, floats, characters, strings, raw strings, true, false, nil; complex numbers parse and
 * are refused when used builtins          and or not len index slice print printf println html js
 * urlquery eq ne lt le gt ge not here          `call` (data hold no function values), iterator
 * functions, channels
 *
 * Functions by set: funcs_rules.c (Prometheus, vmalert), funcs_notify.c (Alertmanager), funcs_go.c
 * (builtins).
 */

#include "tmpl/tmpl.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "tmpl/node.h"

static const TmplFunc *find_in_set(const TmplFunc *set, Str name) {
    for (; set && set->name; set++) {
        if (str_eq(str_of(set->name), name)) {
            return set;
        }
    }
    return NULL;
}

const TmplFunc *tmpl_find_func(const Tmpl *tmpl, Str name) {
    for (size_t i = 0; tmpl->funcs && tmpl->funcs[i]; i++) {
        const TmplFunc *func = find_in_set(tmpl->funcs[i], name);
        if (func) {
            return func;
        }
    }
    return find_in_set(tmpl_funcs_go, name);
}

/* The slot of the name, or the free one where it belongs. */
static uint32_t *find_slot(const Tmpl *tmpl, Str name) {
    size_t mask = tmpl->tree_slot_count - 1;
    for (size_t at = fnv1a(FNV1A_START, name) & mask;; at = (at + 1) & mask) {
        uint32_t *slot = &tmpl->tree_slots[at];
        if (*slot == 0 || str_eq(tmpl->trees[*slot - 1].name, name)) {
            return slot;
        }
    }
}

NamedTree *tmpl_own_tree(const Tmpl *tmpl, Str name) {
    uint32_t at = tmpl->tree_slot_count ? *find_slot(tmpl, name) : 0;
    return at ? &tmpl->trees[at - 1] : NULL;
}

static void grow_slots(Tmpl *tmpl) {
    free(tmpl->tree_slots);
    tmpl->tree_slot_count = tmpl->tree_slot_count ? tmpl->tree_slot_count * 2 : 4;
    tmpl->tree_slots = mem_zero(tmpl->tree_slot_count, sizeof *tmpl->tree_slots);
    for (size_t i = 0; i < tmpl->trees_count; i++) {
        *find_slot(tmpl, tmpl->trees[i].name) = (uint32_t)i + 1;
    }
}

void tmpl_add_tree(Tmpl *tmpl, NamedTree tree) {
    if (tmpl->tree_slot_count < 2 * (tmpl->trees_count + 1)) {
        grow_slots(tmpl);
    }
    uint32_t *slot = find_slot(tmpl, tree.name);
    VEC_PUSH(*tmpl, trees, tree);
    *slot = (uint32_t)tmpl->trees_count;
}

const NamedTree *tmpl_find(const Tmpl *tmpl, Str name) {
    const NamedTree *tree = NULL;
    for (; tmpl && !tree; tmpl = tmpl->base) {
        tree = tmpl_own_tree(tmpl, name);
    }
    return tree;
}

static const TmplFunc *const *copy_sets(Arena *arena, const TmplFunc *const *funcs) {
    size_t count = 0;
    while (funcs && funcs[count]) {
        count++;
    }
    const TmplFunc **copy = arena_array(arena, const TmplFunc *, count + 1);
    for (size_t i = 0; i < count; i++) {
        copy[i] = funcs[i];
    }
    return copy;
}

bool tmpl_parse(Str name, Str text, const TmplOptions *options, Tmpl **ret_tmpl, Err *err) {
    AUTO(tmpl_freep) Tmpl *tmpl = mem_zero(1, sizeof *tmpl);
    tmpl->name = arena_str(&tmpl->arena, name);
    tmpl->funcs = copy_sets(&tmpl->arena, options->funcs);
    tmpl->missing_zero = options->missing_zero;
    tmpl->missing_error = options->missing_error;
    tmpl->html = options->html;
    tmpl->left = arena_str(&tmpl->arena, options->left.len ? options->left : STR("{{"));
    tmpl->right = arena_str(&tmpl->arena, options->right.len ? options->right : STR("}}"));
    if (!tmpl_parse_text(tmpl, tmpl->name, text, err)) {
        return false;
    }
    *ret_tmpl = TAKE(tmpl);
    return true;
}

bool tmpl_add(Tmpl *tmpl, Str name, Str text, Err *err) {
    return tmpl_parse_text(tmpl, name, text, err);
}

bool tmpl_derive(const Tmpl *base, Str name, Str text, Tmpl **ret_tmpl, Err *err) {
    TmplOptions options = {
        .funcs = base->funcs,
        .missing_zero = base->missing_zero,
        .missing_error = base->missing_error,
        .html = base->html,
        .left = base->left,
        .right = base->right,
    };
    if (!tmpl_parse(name, text, &options, ret_tmpl, err)) {
        return false;
    }
    (*ret_tmpl)->base = base;
    return true;
}

void tmpl_free(Tmpl *tmpl) {
    if (!tmpl) {
        return;
    }
    free(tmpl->trees);
    free(tmpl->tree_slots);
    arena_finish(&tmpl->arena);
    free(tmpl);
}

bool tmpl_has(const Tmpl *tmpl, Str name) {
    return tmpl_find(tmpl, name) != NULL;
}

/* ---- lint ---- */

typedef struct FieldVisitor {
    void (*visit)(void *ctx, Str chain);
    void *ctx;
    Buf text;
} FieldVisitor;

static void visit_chain(FieldVisitor *visitor, const Node *node, Str key) {
    visitor->text.len = 0;
    tmpl_node_print(&visitor->text, node, false);
    if (key.len) {
        buf_printf(&visitor->text, ".%.*s", STR_ARG(key));
    }
    visitor->visit(visitor->ctx, buf_view(&visitor->text));
}

/* {{ index $labels "job" }} is {{ $labels.job }}; empty for other commands. */
static Str indexed_key(const Node *command) {
    bool is_index = command->type == NODE_COMMAND && command->child_count == 3 &&
                    command->children[0]->type == NODE_IDENTIFIER &&
                    str_eq(command->children[0]->text, STR("index")) &&
                    command->children[2]->type == NODE_STRING;
    return is_index ? command->children[2]->value.string : STR("");
}

/* `dot_is_data`: the dot is what the template was given, not what `range` or `with` made of it. */
static void visit_node(FieldVisitor *visitor, const Node *node, bool dot_is_data) {
    if (!node) {
        return;
    }
    if ((node->type == NODE_FIELD && dot_is_data) || node->type == NODE_VARIABLE) {
        visit_chain(visitor, node, STR(""));
    }
    Str key = indexed_key(node);
    if (key.len) {
        const Node *map = node->children[1];
        bool is_chain = map->type == NODE_VARIABLE || (map->type == NODE_FIELD && dot_is_data);
        if (is_chain) {
            visit_chain(visitor, map, key);
        }
    }
    bool moves_dot = node->type == NODE_RANGE || node->type == NODE_WITH;
    visit_node(visitor, node->pipe, dot_is_data);
    visit_node(visitor, node->list, dot_is_data && !moves_dot);
    visit_node(visitor, node->else_list, dot_is_data);
    for (size_t i = 0; i < node->child_count; i++) {
        visit_node(visitor, node->children[i], dot_is_data);
    }
}

void tmpl_fields(const Tmpl *tmpl, void (*visit)(void *ctx, Str chain), void *ctx) {
    FieldVisitor visitor = {.visit = visit, .ctx = ctx};
    for (size_t i = 0; i < tmpl->trees_count; i++) {
        visit_node(&visitor, tmpl->trees[i].root, str_eq(tmpl->trees[i].name, tmpl->name));
    }
    buf_finish(&visitor.text);
}

static Str undefined_in(const Tmpl *tmpl, const Node *node) {
    if (!node) {
        return STR("");
    }
    if (node->type == NODE_TEMPLATE && !tmpl_has(tmpl, node->text)) {
        return node->text;
    }
    Str name = undefined_in(tmpl, node->list);
    name = name.len ? name : undefined_in(tmpl, node->else_list);
    for (size_t i = 0; name.len == 0 && i < node->child_count; i++) {
        name = undefined_in(tmpl, node->children[i]);
    }
    return name;
}

Str tmpl_undefined(const Tmpl *tmpl) {
    Str name = STR("");
    for (size_t i = 0; name.len == 0 && i < tmpl->trees_count; i++) {
        name = undefined_in(tmpl, tmpl->trees[i].root);
    }
    return name;
}

enum { SUGGESTIONS_MAX = 256 };

static size_t add_names(const char **names, size_t count, const TmplFunc *set) {
    for (; set->name && count + 1 < SUGGESTIONS_MAX; set++) {
        names[count++] = set->name;
    }
    return count;
}

const char *tmpl_suggest_func(const TmplFunc *const *funcs, Str name) {
    const char *names[SUGGESTIONS_MAX];
    size_t count = add_names(names, 0, tmpl_funcs_go);
    for (; *funcs; funcs++) {
        count = add_names(names, count, *funcs);
    }
    names[count] = NULL;
    return str_suggest(name, names);
}
