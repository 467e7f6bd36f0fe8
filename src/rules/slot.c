/*
 * One slot: every rule that is due, stage by stage (plan.h), each stage as one program.
 */

#include "rules/for_state.h"
#include "rules/rules_internal.h"

#include <assert.h>

#include "base/mem.h"

/* How long what comes of an evaluation waits to hear of a remote engine that wrote it: most answer
 * at once, and a refusal is told with the evaluation it is about. */
static const DurationMs WRITE_WAIT = 250;

/* One evaluation of a slot. */
typedef struct SlotRun {
    Rules *rules;
    Slot *slot;
    TimeMs now;
    RuleWorld world;
    QueryOptions query; /* of the rules' expressions; what templates ask is not cut short */
    RulesTick *tick;
    SeriesList *alerts_series;
    bool is_impatient;    /* groups that take long are broken off */
    bool does_not_wait;   /* a remote engine takes long to write */
    uint64_t last_ticket; /* of what it was given */
    bool interrupted;
    Arena arena; /* values, hits and the labels of recordings not yet written */
} SlotRun;

static QueryOptions query_options(const RulesOptions *options) {
    QueryOptions query = {
        .lookback = options->lookback,
        .default_step = options->evaluation_interval,
        .closed_windows = options->closed_windows,
        .start_timestamps = true,
        .budget = options->budget,
    };
    return query;
}

/* A group that has come from the other side may have been evaluated there. */
static bool has_seen(const LiveGroup *group, TimeMs slot) {
    return group->iterations > 0 && group->last_evaluation >= slot;
}

/* Restored alerts may have seen a later slot already, where a group's interval was changed: it
 * waits for that. A group that was broken off has rules that are through. */
static bool is_behind(const LiveGroup *group, const LiveRule *rule, TimeMs slot) {
    TimeMs last = rule->state->last_evaluation; /* 0: never, which unit tests begin at */
    if (has_seen(group, slot) || (last != 0 && last >= slot)) {
        return true;
    }
    for (size_t i = 0; i < rule->state->alerts_count; i++) {
        if (rule->state->alerts[i]->updated_at > slot) {
            return true;
        }
    }
    return false;
}

static void note_write(RulesTick *tick, uint64_t lsn) {
    tick->lsn = lsn > tick->lsn ? lsn : tick->lsn;
}

/* Results that could not be stored are the fault of the rules that made them. Those that are not
 * stored yet do not count as failures. */
static void blame_group(Rules *rules, LiveGroup *group, Str reason, bool is_lost) {
    pthread_mutex_lock(&rules->lock);
    for (size_t i = 0; i < group->rule_count; i++) {
        if (!group->rules[i].def->is_alert) {
            rule_state_set_health(group->rules[i].state, RULE_ERR, reason);
            counter_add(&group->rules[i].state->failures, is_lost);
        }
    }
    pthread_mutex_unlock(&rules->lock);
}

static void write_group(SlotRun *run, LiveGroup *group) {
    Err err = {0};
    uint64_t lsn = 0, ticket = 0;
    if (!series_list_write(&group->unwritten, run->rules->engine, run->now, &lsn, &ticket, &err)) {
        blame_group(run->rules, group, str_of(err.text), true);
        return;
    }
    note_write(run->tick, lsn);
    if (ticket) {
        group->ticket = ticket;
        run->last_ticket = ticket;
    }
}

/* A remote engine writes on its own (engine_write_later()). Rules that read what their group has
 * recorded wait for it, but not long, and only once. */
static void wait_written(SlotRun *run, DurationMs wait) {
    Err err = {0};
    if (run->last_ticket && !run->does_not_wait) {
        run->does_not_wait =
            engine_written(run->rules->engine, run->last_ticket, wait, &err) == ENGINE_WAITING;
    }
}

/* What became of results of the evaluation before. */
static void recall_written(SlotRun *run, LiveGroup *group) {
    Err err = {0};
    group->not_written = STR("");
    if (group->ticket &&
        engine_written(run->rules->engine, group->ticket, 0, &err) == ENGINE_NOT_WRITTEN) {
        group->not_written =
            arena_printf(&run->arena, "results of the evaluation before are lost: %s", err.text);
        group->ticket = 0;
    }
}

static void tell_written(SlotRun *run, LiveGroup *group) {
    Err err = {0};
    EngineWritten written = engine_written(run->rules->engine, group->ticket, 0, &err);
    if (group->not_written.len) {
        blame_group(run->rules, group, group->not_written, true);
        group->not_written = STR("");
    }
    if (written == ENGINE_WRITTEN) {
        group->ticket = 0;
    } else if (written == ENGINE_NOT_WRITTEN) {
        blame_group(run->rules, group, str_of(err.text), true);
        group->ticket = 0;
    } else if (err.kind) {
        Str reason =
            arena_printf(&run->arena, "not written yet, will be tried again: %s", err.text);
        blame_group(run->rules, group, reason, false);
    }
}

static uint64_t alerts_room(const Rules *rules) {
    uint64_t most = rules->options.alerts_max;
    if (most == 0) {
        return UINT64_MAX;
    }
    return most > rules->active_count ? most - rules->active_count : 0;
}

static void fail_rule(SlotRun *run, RuleState *state, const Err *err) {
    pthread_mutex_lock(&run->rules->lock);
    rule_state_set_health(state, RULE_ERR, str_of(err->text));
    counter_add(&state->failures, 1);
    pthread_mutex_unlock(&run->rules->lock);
}

static void apply_hits(SlotRun *run, const PlanItem *item, RuleHits *hits) {
    Rules *rules = run->rules;
    RuleState *state = item->rule->state;
    bool is_inline = !item->rule->def->is_alert || item->rule->writes_alerts_inline;
    RuleApply apply = {
        .group = item->group->def,
        .rule = item->rule->def,
        .world = &run->world,
        .hold = rules->options.hold && !item->rule->is_builtin ? &rules->hold : NULL,
        .windows = item->rule->windows,
        .window_count = item->rule->window_count,
        .arena = is_inline ? &run->arena : &run->tick->arena,
        .tick = run->tick,
        .series = is_inline ? &item->group->unwritten : run->alerts_series,
    };
    if (item->rule->def->is_alert) {
        if (rules->takes_over && counter_get(&state->evaluations) == 0) {
            for_state_fill(item->group->def, item->rule->def, &run->world, &run->arena, hits);
        }
        rule_state_prepare(state, hits, &apply);
    }
    pthread_mutex_lock(&rules->lock);
    apply.alerts_room = alerts_room(rules);
    size_t before = state->alerts_count;
    if (item->rule->def->is_alert) {
        rule_state_apply_alerts(state, hits, &apply);
    } else {
        rule_state_apply_record(state, hits, &apply);
    }
    rules->active_count += state->alerts_count - before;
    state->result_count = hits->count;
    pthread_mutex_unlock(&rules->lock);
}

/* Under the lock. */
static void note_update(const SlotRun *run, const LiveRule *rule) {
    RuleState *state = rule->state;
    RuleUpdate update = {
        .time = run->world.slot,
        .at = run->now,
        .duration_ns = state->duration_ns,
        .samples = state->result_count,
        .series = state->matched,
        .knows_series = state->knows_matched,
        .error = str_of(state->last_error),
    };
    rule_history_add(&state->history, &update, rule->def->updates_max);
}

static void note_evaluation(SlotRun *run, const PlanItem *item, const QueryStats *stats,
                            int64_t duration_ns) {
    RuleState *state = item->rule->state;
    pthread_mutex_lock(&run->rules->lock);
    state->last_evaluation = run->world.slot;
    state->duration_ns = duration_ns;
    rule_state_set_series(state, stats);
    counter_add(&state->evaluations, 1);
    note_update(run, item->rule);
    item->group->duration_ns += duration_ns;
    if (item->group->slowest_ns < duration_ns) {
        item->group->slowest_ns = duration_ns;
    }
    pthread_mutex_unlock(&run->rules->lock);
}

static void apply_answer(SlotRun *run, const PlanItem *item, const Value *value, bool ok,
                         Err *err) {
    RuleHits hits = {0};
    if (ok &&
        rule_hits(item->group->def, item->rule->def, value, &run->world, &run->arena, &hits, err)) {
        apply_hits(run, item, &hits);
    } else {
        fail_rule(run, item->rule->state, err);
    }
}

/* The queries of a stage, as one program. */
typedef struct StageProgram {
    PlanItem **items;
    EngineExpr *exprs;
    Value *values;
    bool *ok;
    Err *errs;
    size_t count;
} StageProgram;

static StageProgram build_program(SlotRun *run, const PlanStage *stage) {
    Arena *arena = &run->arena;
    StageProgram program = {.items = arena_array(arena, PlanItem *, stage->count + 1),
                            .exprs = arena_array(arena, EngineExpr, stage->count + 1),
                            .values = arena_array(arena, Value, stage->count + 1),
                            .ok = arena_array(arena, bool, stage->count + 1),
                            .errs = arena_raw(arena, (stage->count + 1) * sizeof(Err))};
    for (size_t i = 0; i < stage->count; i++) {
        PlanItem *item = &stage->items[i];
        if (!item->rule->is_builtin && !item->group->is_cut &&
            !is_behind(item->group, item->rule, run->world.slot)) {
            program.items[program.count] = item;
            program.exprs[program.count++] = (EngineExpr){.expr = item->rule->def->expr,
                                                          .text = item->rule->def->expr_text,
                                                          .extra = &item->group->def->extra};
        }
    }
    return program;
}

static void run_builtin(SlotRun *run, const PlanStage *stage) {
    for (size_t i = 0; i < stage->count; i++) {
        const PlanItem *item = &stage->items[i];
        if (item->rule->is_builtin) {
            RuleHits hits =
                builtin_hits(run->rules, item->group, item->rule, &run->world, &run->arena);
            apply_hits(run, item, &hits);
            note_evaluation(run, item, &(QueryStats){0}, 0);
        }
    }
}

/* Groups that others would have to wait for are not decided here, but put aside. */
static void cut_groups(SlotRun *run, const StageProgram *program) {
    if (!run->is_impatient) {
        return;
    }
    for (size_t i = 0; i < program->count; i++) {
        program->items[i]->group->is_cut |= !program->ok[i] && program->errs[i].kind == ERR_TIMEOUT;
    }
}

static void run_stage(SlotRun *run, const PlanStage *stage) {
    for (size_t i = 0; i < stage->flush_count; i++) {
        write_group(run, stage->flush[i]);
    }
    if (stage->flush_count) {
        wait_written(run, SECOND_MS);
    }
    StageProgram program = build_program(run, stage);
    if (program.count) {
        engine_instant(run->rules->engine, program.exprs, program.count, run->world.time,
                       &run->query, &run->arena, program.values, program.ok, program.errs);
        const _Atomic bool *cancelled = run->world.query.budget.cancelled;
        if (cancelled && *cancelled) {
            run->interrupted = true;
            return;
        }
    }
    cut_groups(run, &program);
    for (size_t i = 0; i < program.count; i++) {
        if (program.items[i]->group->is_cut) {
            continue;
        }
        int64_t from_ns = clock_monotonic_ns();
        apply_answer(run, program.items[i], &program.values[i], program.ok[i], &program.errs[i]);
        note_evaluation(run, program.items[i], &program.values[i].stats,
                        program.values[i].stats.eval_ns + clock_monotonic_ns() - from_ns);
    }
    run_builtin(run, stage);
}

/* Rules of a group run one after the other in our own engine, and at once in a remote one. */
static bool holds_up(const SlotRun *run, const LiveGroup *group) {
    bool is_local = engine_is_local(run->rules->engine);
    int64_t took_ns = is_local ? group->duration_ns : group->slowest_ns;
    DurationMs patience = slot_patience(run->slot->timing, is_local);
    return run->rules->options.has_aside &&
           slot_holds_up(patience, took_ns / 1000000, group->is_aside);
}

static void set_aside(SlotRun *run, LiveGroup *group, bool is_aside) {
    if (is_aside != group->is_aside) {
        group->is_aside = is_aside;
        run->rules->regroups = true;
    }
}

static void note_groups(SlotRun *run) {
    Slot *slot = run->slot;
    uint64_t missed = (uint64_t)((run->world.slot - slot->last) / slot->timing.interval - 1);
    pthread_mutex_lock(&run->rules->lock);
    slot->last = run->world.slot;
    for (size_t g = 0; g < run->slot->group_count; g++) {
        LiveGroup *group = run->slot->groups[g];
        if (has_seen(group, run->world.slot)) {
            continue;
        }
        group->missed += missed;
        if (group->is_cut) {
            set_aside(run, group, true);
            continue;
        }
        group->last_evaluation = run->world.slot;
        set_aside(run, group, holds_up(run, group));
        group->duration_total_ns += group->duration_ns;
        group->iterations++;
        group->late += slot_is_late(run->slot->timing, run->world.slot, run->now);
    }
    pthread_mutex_unlock(&run->rules->lock);
}

static void begin_groups(SlotRun *run) {
    pthread_mutex_lock(&run->rules->lock);
    for (size_t g = 0; g < run->slot->group_count; g++) {
        run->slot->groups[g]->duration_ns = 0;
        run->slot->groups[g]->slowest_ns = 0;
        run->slot->groups[g]->is_cut = false;
    }
    pthread_mutex_unlock(&run->rules->lock);
}

/* A group that takes longer than the others should wait is broken off, and begun anew aside. */
static void limit_patience(SlotRun *run) {
    QueryBudget *budget = &run->query.budget;
    DurationMs patience = slot_patience(run->slot->timing, engine_is_local(run->rules->engine));
    if (budget->timeout_ns == 0 || budget->timeout_ns > patience * 1000000) {
        budget->timeout_ns = patience * 1000000;
        run->query.group_timeout = true;
        run->is_impatient = true;
    }
}

void slot_evaluate(Rules *rules, Slot *slot, TimeMs time, TimeMs now, RulesTick *tick) {
    SlotRun run = {
        .rules = rules,
        .slot = slot,
        .now = now,
        .tick = tick,
        .alerts_series = &((TickSeries *)tick->series)->list,
        .world = {.engine = rules->engine,
                  .options = &rules->options,
                  .query = query_options(&rules->options),
                  .slot = time,
                  .time = slot_query_time(slot->timing, time)},
    };
    if (rules->options.has_aside) {
        run.world.query.budget.cancelled =
            slot->is_aside ? &rules->aside_cancelled : &rules->cancelled;
    }
    run.query = run.world.query;
    if (rules->options.has_aside && !slot->is_aside) {
        limit_patience(&run);
    }
    begin_groups(&run);
    for (size_t g = 0; g < slot->group_count; g++) {
        recall_written(&run, slot->groups[g]);
    }
    for (size_t i = 0; i < slot->stage_count && !run.interrupted; i++) {
        run_stage(&run, &slot->stages[i]);
    }
    for (size_t g = 0; g < slot->group_count; g++) {
        write_group(&run, slot->groups[g]);
    }
    wait_written(&run, WRITE_WAIT);
    for (size_t g = 0; g < slot->group_count; g++) {
        tell_written(&run, slot->groups[g]);
    }
    if (!run.interrupted) {
        note_groups(&run);
    }
    arena_finish(&run.arena);
}
