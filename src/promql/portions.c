#include "promql/portions.h"

#include <string.h>

/* ---- what belongs together: disjoint sets with path halving (Tarjan and van Leeuwen, "Worst-case
 * analysis of set union algorithms", JACM 1984) ---- */

static uint32_t find(uint32_t *parents, uint32_t id) {
    while (parents[id] != id) {
        parents[id] = parents[parents[id]];
        id = parents[id];
    }
    return id;
}

static void unite(uint32_t *parents, uint32_t a, uint32_t b) {
    a = find(parents, a);
    b = find(parents, b);
    parents[a > b ? a : b] = a < b ? a : b;
}

static void unite_node(uint32_t *parents, PlanNode *node) {
    for (size_t i = 0; i < node->arg_count; i++) {
        if (node->args[i] && node->args[i]->op != PLAN_NUMBER) {
            unite(parents, node->id, node->args[i]->id);
        }
    }
    if (node->subquery) {
        unite(parents, node->id, node->subquery->id);
    }
    if (node->selector && node->selector->reader) {
        unite(parents, node->id, node->selector->reader->id);
    } else if (node->selector) {
        node->selector->reader = node;
    }
}

static uint32_t *unite_all(const Plan *plan, Arena *arena) {
    uint32_t *parents = arena_array(arena, uint32_t, plan->nodes_count + 1);
    for (uint32_t i = 0; i < plan->nodes_count; i++) {
        parents[i] = i;
    }
    for (size_t i = 0; i < plan->nodes_count; i++) {
        unite_node(parents, plan->nodes[i]);
    }
    return parents;
}

/* ---- dividing ---- */

/* Counts the roots of each component; those without a node are on their own. */
static size_t *count_roots(const Plan *plan, const PlanRoot *roots, size_t root_count,
                           uint32_t *parents, Arena *arena) {
    size_t *counts = arena_array(arena, size_t, plan->nodes_count + 1);
    for (size_t i = 0; i < root_count; i++) {
        if (roots[i].node) {
            counts[find(parents, roots[i].node->id)]++;
        }
    }
    return counts;
}

typedef struct Dividing {
    uint32_t *parents;
    size_t *counts;    /* of roots, by component */
    size_t *places;    /* portion + 1, by component; 0: not yet */
    size_t *of_root;   /* portion, by root */
    size_t fill, goal; /* of the portion that is being filled, in roots */
    size_t last;       /* that portion */
} Dividing;

static size_t place_of(Dividing *dividing, size_t root_count) {
    if (dividing->fill >= dividing->goal) {
        dividing->last++;
        dividing->fill = 0;
    }
    dividing->fill += root_count;
    return dividing->last;
}

/* In the order of each component's first root. */
static void place_roots(Dividing *dividing, const PlanRoot *roots, size_t root_count) {
    for (size_t i = 0; i < root_count; i++) {
        if (!roots[i].node) {
            dividing->of_root[i] = place_of(dividing, 1);
            continue;
        }
        uint32_t component = find(dividing->parents, roots[i].node->id);
        if (!dividing->places[component]) {
            dividing->places[component] = place_of(dividing, dividing->counts[component]) + 1;
        }
        dividing->of_root[i] = dividing->places[component] - 1;
    }
}

static void fill_portions(const Dividing *dividing, size_t root_count, Arena *arena,
                          Portion *portions) {
    for (size_t i = 0; i < root_count; i++) {
        portions[dividing->of_root[i]].count++;
    }
    for (size_t p = 0; p <= dividing->last; p++) {
        portions[p].roots = arena_array(arena, size_t, portions[p].count + 1);
        portions[p].count = 0;
    }
    for (size_t i = 0; i < root_count; i++) {
        Portion *portion = &portions[dividing->of_root[i]];
        portion->roots[portion->count++] = i;
    }
}

/* What operators note while they run goes to memory of their own portion. */
static void give_arenas(const Plan *plan, const Dividing *dividing, Portion *portions) {
    for (size_t i = 0; i < plan->nodes_count; i++) {
        size_t place = dividing->places[find(dividing->parents, plan->nodes[i]->id)];
        if (place) {
            plan->nodes[i]->notes.arena = &portions[place - 1].arena;
        }
    }
}

void plan_portions(Plan *plan, const PlanRoot *roots, size_t root_count, size_t most, Arena *arena,
                   Portion **ret_portions, size_t *ret_count) {
    most = most ? most : 1;
    Dividing dividing = {.parents = unite_all(plan, arena),
                         .places = arena_array(arena, size_t, plan->nodes_count + 1),
                         .of_root = arena_array(arena, size_t, root_count + 1),
                         .goal = (root_count + most - 1) / most};
    dividing.counts = count_roots(plan, roots, root_count, dividing.parents, arena);
    place_roots(&dividing, roots, root_count);
    Portion *portions = arena_array(arena, Portion, dividing.last + 1);
    fill_portions(&dividing, root_count, arena, portions);
    give_arenas(plan, &dividing, portions);
    *ret_portions = portions;
    *ret_count = dividing.last + 1;
}

void portions_finish(Portion *portions, size_t count) {
    for (size_t i = 0; i < count; i++) {
        arena_finish(&portions[i].arena);
    }
}
