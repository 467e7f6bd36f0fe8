#include "rules/rule_history.h"

#include <stdlib.h>

#include "base/mem.h"

static void moment_finish(RuleMoment *moment) {
    free(moment->error);
    *moment = (RuleMoment){0};
}

void rule_history_finish(RuleHistory *history) {
    for (size_t i = 0; i < history->count; i++) {
        moment_finish(&history->items[i]);
    }
    free(history->items);
    *history = (RuleHistory){0};
}

static uint32_t at_most_u32(int64_t value) {
    return value < 0 ? 0 : value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static RuleMoment make_moment(const RuleUpdate *update) {
    RuleMoment moment = {
        .time = update->time,
        .late_ms = at_most_u32(update->at - update->time),
        .duration_us = at_most_u32(update->duration_ns / 1000),
        .samples = at_most_u32((int64_t)update->samples),
        .series = update->knows_series ? at_most_u32((int64_t)update->series) : UINT32_MAX,
    };
    if (update->error.len) {
        moment.error = mem_grow(NULL, update->error.len + 1);
        memcpy(moment.error, update->error.ptr, update->error.len);
        moment.error[update->error.len] = '\0';
    }
    return moment;
}

static RuleUpdate read_moment(const RuleMoment *moment, Arena *arena) {
    RuleUpdate update = {
        .time = moment->time,
        .at = moment->time + moment->late_ms,
        .duration_ns = (int64_t)moment->duration_us * 1000,
        .samples = moment->samples,
        .knows_series = moment->series != UINT32_MAX,
        .error = arena_str(arena, str_of(moment->error)),
    };
    update.series = update.knows_series ? moment->series : 0;
    return update;
}

/* Puts the ring in order of time, oldest first, and forgets what is over `max`: the limit of a rule
 * changes rarely. */
static void resize(RuleHistory *history, size_t max) {
    RuleMoment *items = mem_zero(max, sizeof *items);
    size_t keep = history->count < max ? history->count : max;
    for (size_t i = 0; i < history->count; i++) {
        size_t at = (history->newest + history->count - i) % history->count;
        if (i < keep) {
            items[keep - 1 - i] = history->items[at];
        } else {
            moment_finish(&history->items[at]);
        }
    }
    free(history->items);
    *history = (RuleHistory){
        .items = items, .count = keep, .cap = max, .newest = keep ? keep - 1 : max - 1};
}

void rule_history_add(RuleHistory *history, const RuleUpdate *update, int64_t max) {
    max = max < 1 ? 1 : max > RULE_HISTORY_MAX ? RULE_HISTORY_MAX : max;
    if (history->cap != (size_t)max) {
        resize(history, (size_t)max);
    }
    history->newest = (history->newest + 1) % history->cap;
    if (history->count < history->cap) {
        history->count++;
    }
    moment_finish(&history->items[history->newest]);
    history->items[history->newest] = make_moment(update);
}

void rule_history_list(const RuleHistory *history, Arena *arena, RuleUpdate *ret_updates) {
    for (size_t i = 0; i < history->count; i++) {
        size_t at = (history->newest + history->cap - i) % history->cap;
        ret_updates[i] = read_moment(&history->items[at], arena);
    }
}
