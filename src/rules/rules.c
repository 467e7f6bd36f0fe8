#include "rules/rules.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "rules/heirs.h"
#include "rules/rewind.h"
#include "rules/rules_internal.h"

/* ---- opening ---- */

static void copy_options(Rules *rules, const RulesOptions *options) {
    Arena arena = {0};
    rules->options = *options;
    rules->options.external_labels = labels_copy(&arena, options->external_labels);
    rules->options.external_url = arena_str(&arena, options->external_url);
    Str source = options->source_label.len ? options->source_label : STR("cluster");
    rules->options.source_label = arena_str(&arena, source);
    if (rules->options.evaluation_interval <= 0) {
        rules->options.evaluation_interval = MINUTE_MS;
    }
    if (rules->options.lookback <= 0) {
        rules->options.lookback = 5 * MINUTE_MS;
    }
    if (rules->options.lost_after <= 0) {
        rules->options.lost_after = 5 * MINUTE_MS;
    }
    arena_finish(&rules->options_arena);
    rules->options_arena = arena;
}

static void load_builtin(Rules *rules) {
    rule_file_unref(rules->builtin);
    rules->builtin = NULL;
    if (rules->options.hold) {
        Err err = {0};
        bool ok = builtin_rules_load(&rules->options, &rules->builtin, &err);
        assert(ok);
        (void)ok;
    }
}

/* Who swaps goes before those who would tick next. */
static void init_aside(pthread_rwlock_t *lock) {
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(lock, &attr);
    pthread_rwlockattr_destroy(&attr);
}

Rules *rules_new(Engine *engine, const RulesOptions *options) {
    Rules *rules = mem_zero(1, sizeof *rules);
    pthread_mutex_init(&rules->work, NULL);
    init_aside(&rules->aside);
    pthread_mutex_init(&rules->lock, NULL);
    rules->engine = engine;
    copy_options(rules, options);
    load_builtin(rules);
    rules_rebuild(rules, rules->options.started_at);
    return rules;
}

void rules_free(Rules *rules) {
    if (!rules) {
        return;
    }
    rule_set_free(rules->set);
    for (size_t i = 0; i < rules->removed_count; i++) {
        rule_state_free(rules->removed[i].state);
    }
    free(rules->removed);
    for (size_t i = 0; i < rules->files_count; i++) {
        rule_file_unref(rules->files[i].live);
        free(rules->files[i].path);
        free(rules->files[i].error);
        free(rules->files[i].remembered);
    }
    free(rules->files);
    rule_file_unref(rules->builtin);
    hold_finish(&rules->hold);
    free(rules->restored);
    arena_finish(&rules->restored_arena);
    arena_finish(&rules->options_arena);
    pthread_mutex_destroy(&rules->work);
    pthread_rwlock_destroy(&rules->aside);
    pthread_mutex_destroy(&rules->lock);
    free(rules);
}

/* What is evaluated aside reads set and options: it is broken off, and waits until the lock is
 * given back. */
static void stop_aside(Rules *rules) {
    rules->aside_cancelled = true;
    pthread_rwlock_wrlock(&rules->aside);
    rules->aside_cancelled = rules->cancelled;
}

void rules_set_options(Rules *rules, const RulesOptions *options) {
    pthread_mutex_lock(&rules->work);
    stop_aside(rules);
    pthread_mutex_lock(&rules->lock);
    copy_options(rules, options);
    load_builtin(rules);
    pthread_mutex_unlock(&rules->lock);
    pthread_rwlock_unlock(&rules->aside);
    rules_rebuild(rules, rules->looked_at ? rules->looked_at : options->started_at);
    pthread_mutex_unlock(&rules->work);
}

/* ---- sets ---- */

void rules_take_set(Rules *rules, RuleSet *set) {
    for (size_t g = 0; rules->set && g < rules->set->group_count; g++) {
        LiveGroup *group = &rules->set->groups[g];
        for (size_t i = 0; i < group->rule_count; i++) {
            if (group->rules[i].state) {
                VEC_PUSH(*rules, removed, ((RemovedRule){group->rules[i].state, group->interval}));
                group->rules[i].state = NULL;
            }
        }
    }
    rule_set_free(rules->set);
    rules->set = set;
}

void rules_rebuild(Rules *rules, TimeMs now) {
    RuleFile **files = mem_zero(rules->files_count + 1, sizeof *files);
    size_t count = 0;
    for (size_t i = 0; i < rules->files_count; i++) {
        if (rules->files[i].live) {
            files[count++] = rules->files[i].live;
        }
    }
    if (rules->builtin) {
        files[count++] = rules->builtin;
    }
    stop_aside(rules);
    /* States move from the old set to the new one while it is built, so readers wait. */
    pthread_mutex_lock(&rules->lock);
    rules->regroups = false;
    bool is_apart = rules->options.has_aside && !engine_is_local(rules->engine);
    RuleSet *set = rule_set_new(files, count, &rules->options, rules->set, is_apart, now);
    rules_take_set(rules, set);
    pthread_mutex_unlock(&rules->lock);
    pthread_rwlock_unlock(&rules->aside);
    free(files);
}

void rules_restore(Rules *rules, const Alert *alerts, size_t count) {
    pthread_mutex_lock(&rules->work);
    Arena *arena = &rules->restored_arena;
    for (size_t i = 0; i < count; i++) {
        Alert copy = alerts[i];
        copy.rule_key = arena_str(arena, copy.rule_key);
        copy.labels = labels_copy(arena, copy.labels);
        copy.annotations = labels_copy(arena, copy.annotations);
        copy.generator_url = arena_str(arena, copy.generator_url);
        VEC_PUSH(*rules, restored, copy);
    }
    rules->was_restored |= count > 0;
    pthread_mutex_unlock(&rules->work);
}

void rules_restore_gaps(Rules *rules, const RulesGap *gaps, size_t count) {
    pthread_mutex_lock(&rules->work);
    hold_restore(&rules->hold, gaps, count);
    for (size_t i = 0; i < count; i++) {
        if (gaps[i].to == TIME_MAX) {
            engine_know_source(rules->engine, gaps[i].source, gaps[i].from);
        }
    }
    pthread_mutex_unlock(&rules->work);
}

void rules_take_over(Rules *rules, bool on) {
    pthread_mutex_lock(&rules->work);
    rules->takes_over = on;
    pthread_mutex_unlock(&rules->work);
}

void rules_begin(Rules *rules, TimeMs now) {
    pthread_mutex_lock(&rules->work);
    rules->began_at = now;
    pthread_mutex_unlock(&rules->work);
}

/* ---- ticking ---- */

/* What has changed about gaps since a tick told of them last. */
static void tell_gaps(Rules *rules, RulesTick *tick) {
    const Hold *hold = &rules->hold;
    if (rules->gaps_told == hold->changes) {
        return;
    }
    rules->gaps_told = hold->changes;
    tick->gaps_changed = true;
    tick->gap_count = hold_gap_count(hold);
    tick->gaps = arena_array(&tick->arena, RulesGap, tick->gap_count + 1);
    hold_gaps(hold, tick->gaps);
    for (size_t i = 0; i < tick->gap_count; i++) {
        tick->gaps[i].source = arena_str(&tick->arena, tick->gaps[i].source);
    }
}

static void look_at_sources(Rules *rules, TimeMs now) {
    rules->looked_at = now;
    if (!rules->options.hold) {
        return;
    }
    AUTO(arena_finish) Arena arena = {0};
    StoreSource *sources = NULL;
    size_t count = 0;
    if (!engine_sources(rules->engine, rules->options.source_label, now, &arena, &sources,
                        &count)) {
        return; /* nobody knows: what was late stays so, and what was not becomes so in time */
    }
    HoldTiming timing = {
        .late_after = rules->options.late_after,
        .lost_after = rules->options.lost_after,
        .started_at = rules->options.started_at,
    };
    pthread_mutex_lock(&rules->lock);
    hold_update(&rules->hold, sources, count, &timing, now);
    pthread_mutex_unlock(&rules->lock);
}

/* An alert of the database whose rule is gone. */
static void resolve_orphan(Alert alert, TimeMs now, RulesTick *tick) {
    bool was_firing = alert.phase == ALERT_FIRING;
    alert.phase = ALERT_INACTIVE;
    alert.resolved_at = was_firing ? now : 0;
    alert.updated_at = now;
    alert.annotations =
        rule_resolved_annotations(&tick->arena, alert.annotations, STR("rule removed"));
    rule_tick_add(tick, was_firing ? ALERT_BECAME_RESOLVED : ALERT_BECAME_INACTIVE, &alert,
                  "rule removed");
}

static uint64_t count_active(const Rules *rules) {
    uint64_t count = 0;
    for (size_t g = 0; g < rules->set->group_count; g++) {
        for (size_t i = 0; i < rules->set->groups[g].rule_count; i++) {
            count += rules->set->groups[g].rules[i].state->alerts_count;
        }
    }
    return count;
}

static void settle_restored(Rules *rules, TimeMs now, RulesTick *tick) {
    if (rules->restored_count == 0) {
        return;
    }
    size_t *left = arena_array(&tick->arena, size_t, rules->restored_count);
    size_t left_count = 0;
    for (size_t i = 0; i < rules->restored_count; i++) {
        rewind_alert(&rules->restored[i], now);
    }
    pthread_mutex_lock(&rules->lock);
    heirs_restore(rules->set, rules->restored, rules->restored_count, &rules->options, left,
                  &left_count);
    rules->active_count = count_active(rules);
    pthread_mutex_unlock(&rules->lock);
    for (size_t i = 0; i < left_count; i++) {
        resolve_orphan(rules->restored[left[i]], now, tick);
    }
    rules->restored_count = 0;
    arena_finish(&rules->restored_arena);
}

static void settle_removed(Rules *rules, TimeMs now, RulesTick *tick) {
    if (rules->removed_count == 0) {
        return;
    }
    pthread_mutex_lock(&rules->lock);
    SeriesList *series = &((TickSeries *)tick->series)->list;
    for (size_t i = 0; i < rules->removed_count; i++) {
        RemovedRule *removed = &rules->removed[i];
        rule_state_remove(removed->state, "rule removed", now, removed->interval, &tick->arena,
                          tick, series);
        rule_state_free(removed->state);
    }
    rules->removed_count = 0;
    rules->active_count = count_active(rules);
    pthread_mutex_unlock(&rules->lock);
}

static bool some_source_is_late(const Rules *rules) {
    for (size_t i = 0; i < rules->hold.items_count; i++) {
        if (rules->hold.items[i].is_late) {
            return true;
        }
    }
    return false;
}

/* The very first evaluation: at once, for the newest slot that has begun, unless something says
 * that data are still on their way. After an outage senders need some seconds to send again, and
 * absent() would ring in between; so then it waits for the next slot. That is the next after the
 * program began to serve: a busy machine may give this thread its first turn only after it. */
static void begin(Rules *rules, TimeMs now) {
    bool at_once = !rules->was_restored && !some_source_is_late(rules);
    TimeMs from = rules->began_at && rules->began_at < now ? rules->began_at : now;
    for (size_t i = 0; i < rules->set->slot_count; i++) {
        Slot *slot = &rules->set->slots[i];
        slot->last = slot_before(slot->timing, from) - (at_once ? slot->timing.interval : 0);
    }
    rules->has_ticked = true;
}

/* The slot that has been due for longest, and the newest of its times. */
static Slot *find_due(const Rules *rules, bool is_aside, TimeMs now, TimeMs *ret_time) {
    Slot *oldest = NULL;
    TimeMs oldest_due = 0;
    for (size_t i = 0; i < rules->set->slot_count; i++) {
        Slot *slot = &rules->set->slots[i];
        if (slot->is_aside != is_aside || slot->is_running) {
            continue; /* another thread's */
        }
        TimeMs due = slot->last + slot->timing.interval;
        if (due <= now && (!oldest || due < oldest_due)) {
            oldest = slot;
            oldest_due = due;
        }
    }
    if (oldest) {
        *ret_time = slot_before(oldest->timing, now);
    }
    return oldest;
}

static bool clock_was_set_back(const Rules *rules, TimeMs now) {
    for (size_t i = 0; i < rules->set->slot_count; i++) {
        const Slot *slot = &rules->set->slots[i];
        if (!slot->is_running && rewind_is_due(slot, now)) {
            return true;
        }
    }
    return false;
}

/* Slots under way wait for a tick after. */
static void go_back(Rules *rules, TimeMs now) {
    pthread_mutex_lock(&rules->lock);
    for (size_t i = 0; i < rules->set->slot_count; i++) {
        Slot *slot = &rules->set->slots[i];
        if (!slot->is_running && rewind_is_due(slot, now)) {
            rewind_slot(slot, now);
            counter_add(&rules->rewinds, 1);
        }
    }
    pthread_mutex_unlock(&rules->lock);
}

void rules_tick(Rules *rules, TimeMs now, RulesTick *ret_tick) {
    *ret_tick = (RulesTick){.series = mem_zero(1, sizeof(TickSeries))};
    pthread_mutex_lock(&rules->work);
    look_at_sources(rules, now);
    tell_gaps(rules, ret_tick);
    settle_restored(rules, now, ret_tick);
    settle_removed(rules, now, ret_tick);
    if (!rules->has_ticked) {
        begin(rules, now);
    }
    go_back(rules, now);
    TimeMs time = 0;
    if (rules->regroups) {
        rules_rebuild(rules, now);
    }
    Slot *slot = find_due(rules, false, now, &time);
    if (slot) {
        slot_evaluate(rules, slot, time, now, ret_tick);
        ret_tick->did_evaluate = true;
    }
    pthread_mutex_unlock(&rules->work);
}

static Slot *claim_aside(Rules *rules, TimeMs now, TimeMs *ret_time) {
    pthread_mutex_lock(&rules->lock);
    Slot *slot = rules->aside_cancelled ? NULL : find_due(rules, true, now, ret_time);
    if (slot) {
        slot->is_running = true;
    }
    pthread_mutex_unlock(&rules->lock);
    return slot;
}

void rules_tick_aside(Rules *rules, TimeMs now, RulesTick *ret_tick) {
    *ret_tick = (RulesTick){.series = mem_zero(1, sizeof(TickSeries))};
    pthread_rwlock_rdlock(&rules->aside);
    TimeMs time = 0;
    Slot *slot = claim_aside(rules, now, &time);
    if (slot) {
        slot_evaluate(rules, slot, time, now, ret_tick);
        pthread_mutex_lock(&rules->lock);
        slot->is_running = false;
        pthread_mutex_unlock(&rules->lock);
        ret_tick->did_evaluate = true;
    }
    pthread_rwlock_unlock(&rules->aside);
}

void rules_interrupt(Rules *rules) {
    rules->cancelled = true;
    rules->aside_cancelled = true;
}

void rules_tick_finish(RulesTick *tick) {
    TickSeries *series = tick->series;
    if (series) {
        series_list_finish(&series->list);
        free(series);
    }
    free(tick->changes);
    arena_finish(&tick->arena);
    *tick = (RulesTick){0};
}

bool rules_write_alerts(Rules *rules, RulesTick *tick, TimeMs now, Err *err) {
    TickSeries *series = tick->series;
    uint64_t lsn = tick->lsn, ticket = 0;
    if (!series_list_write(&series->list, rules->engine, now, &lsn, &ticket, err)) {
        return err_context(err, "ALERTS series");
    }
    tick->lsn = lsn > tick->lsn ? lsn : tick->lsn;
    return true;
}

static TimeMs next_slot(const Rules *rules, bool is_aside) {
    TimeMs due = TIME_MAX;
    for (size_t i = 0; i < rules->set->slot_count; i++) {
        const Slot *slot = &rules->set->slots[i];
        if (slot->is_aside != is_aside || slot->is_running) {
            continue; /* another thread's */
        }
        TimeMs next = slot->last + slot->timing.interval;
        due = next < due ? next : due;
    }
    return due;
}

TimeMs rules_aside_due(Rules *rules, TimeMs now) {
    pthread_rwlock_rdlock(&rules->aside);
    pthread_mutex_lock(&rules->lock);
    TimeMs due = next_slot(rules, true);
    pthread_mutex_unlock(&rules->lock);
    pthread_rwlock_unlock(&rules->aside);
    return rules->aside_cancelled && due <= now ? now + SECOND_MS : due;
}

/* A replay looks at each evaluation and never else. */
static TimeMs next_look(const Rules *rules) {
    if (!rules->options.hold || engine_is_remote(rules->engine) == engine_is_local(rules->engine)) {
        return TIME_MAX;
    }
    return rules->looked_at +
           (engine_is_local(rules->engine) ? SOURCES_LOOK_MS : SOURCES_LOOK_FAR_MS);
}

TimeMs rules_next_due(const Rules *rules, TimeMs now) {
    Rules *locked = (Rules *)rules;
    pthread_mutex_lock(&locked->work);
    TimeMs due = TIME_MAX;
    if (rules->removed_count || rules->restored_count || !rules->has_ticked || rules->regroups) {
        due = now;
    }
    pthread_mutex_lock(&locked->lock);
    bool is_back = clock_was_set_back(rules, now);
    pthread_mutex_unlock(&locked->lock);
    due = is_back ? now : due;
    TimeMs next = next_slot(rules, false);
    due = next < due ? next : due;
    TimeMs look = next_look(rules);
    due = look < due ? look : due;
    pthread_mutex_unlock(&locked->work);
    return due;
}
