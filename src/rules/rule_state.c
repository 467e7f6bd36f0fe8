#include "rules/rule_state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "rules/label_overlay.h"
#include "tmpl/tmpl.h"

static const char REASON_CONDITION[] = "condition";

void rule_key(const GroupDef *group, const RuleDef *rule, size_t copy,
              char ret_key[RULE_KEY_BYTES]) {
    AUTO(buf_finish) Buf text = {0};
    buf_str(&text, rule->is_alert ? STR("alert") : STR("record"));
    buf_byte(&text, (char)0xFF);
    buf_str(&text, rule->name);
    for (size_t i = 0; i < rule->label_set.count; i++) {
        buf_byte(&text, (char)0xFF);
        buf_str(&text, rule->label_set.items[i].name);
        buf_byte(&text, (char)0xFF);
        buf_str(&text, rule->label_set.items[i].value);
    }
    Hash128 itself = hash128(buf_view(&text));
    buf_byte(&text, (char)0xFF);
    buf_str(&text, group->name);
    Hash128 placed = hash128(buf_view(&text));
    int len = snprintf(ret_key, RULE_KEY_BYTES, "%016llx%016llx", (unsigned long long)itself.hi,
                       (unsigned long long)placed.lo);
    if (copy) {
        snprintf(ret_key + len, RULE_KEY_BYTES - (size_t)len, "#%zu", copy + 1);
    }
}

RuleState *rule_state_new(const char *key) {
    RuleState *state = mem_zero(1, sizeof *state);
    snprintf(state->key, sizeof state->key, "%s", key);
    return state;
}

static void active_free(ActiveAlert *active) {
    label_block_free(active->labels);
    label_block_free(active->annotations);
    free(active);
}

static void drop_alerts(RuleState *state) {
    for (size_t i = 0; i < state->alerts_count; i++) {
        active_free(state->alerts[i]);
    }
    state->alerts_count = 0;
    hash_index_clear(&state->alert_index);
}

static void drop_series(RuleState *state) {
    for (size_t i = 0; i < state->series_count; i++) {
        label_block_free(state->series[i].labels);
    }
    state->series_count = 0;
    hash_index_clear(&state->series_index);
}

void rule_state_free(RuleState *state) {
    if (!state) {
        return;
    }
    drop_alerts(state);
    drop_series(state);
    free(state->alerts);
    free(state->series);
    free(state->last_error);
    free(state->last_failure);
    free(state->selector_series);
    rule_history_finish(&state->history);
    free((char *)state->generator_url.ptr);
    hash_index_finish(&state->alert_index);
    hash_index_finish(&state->series_index);
    free(state);
}

void rule_state_set_health(RuleState *state, RuleHealth health, Str error) {
    state->health = health;
    state->is_text_fault = false;
    free(state->last_error);
    state->last_error = NULL;
    if (error.len) {
        char *copy = mem_grow(NULL, error.len + 1);
        memcpy(copy, error.ptr, error.len);
        copy[error.len] = '\0';
        state->last_error = copy;
        if (health == RULE_ERR) {
            free(state->last_failure);
            state->last_failure = mem_strdup(copy);
        }
    }
}

void rule_state_set_series(RuleState *state, const QueryStats *stats) {
    size_t count = stats->selector_count;
    state->matched = stats->series;
    state->knows_matched = stats->knows_series;
    if (count > state->selector_count) {
        state->selector_series =
            mem_grow(state->selector_series, count * sizeof *state->selector_series);
    }
    state->selector_count = count;
    if (count) {
        memcpy(state->selector_series, stats->selector_series,
               count * sizeof *stats->selector_series);
    }
}

void rule_state_set_url(RuleState *state, Str external_url, Str expr) {
    AUTO(buf_finish) Buf url = {0};
    buf_str(&url, external_url);
    while (url.len && url.ptr[url.len - 1] == '/') {
        url.len--;
    }
    buf_str(&url, STR("/graph?g0.expr="));
    url_query_escape(&url, expr);
    buf_str(&url, STR("&g0.tab=1"));
    free((char *)state->generator_url.ptr);
    char *copy = mem_grow(NULL, url.len);
    memcpy(copy, url.ptr, url.len);
    state->generator_url = (Str){copy, url.len};
}

static ActiveAlert *add_active(RuleState *state, Hash128 id, LabelSet labels) {
    ActiveAlert *active = mem_zero(1, sizeof *active);
    active->id = id;
    active->labels = label_block_copy(labels);
    bool is_new = hash_index_put(&state->alert_index, id, (uint32_t)state->alerts_count);
    assert(is_new);
    (void)is_new;
    VEC_PUSH(*state, alerts, active);
    return active;
}

static ActiveAlert *find_active(const RuleState *state, Hash128 id) {
    uint32_t at = hash_index_get(&state->alert_index, id);
    return at == HASH_INDEX_NONE ? NULL : state->alerts[at];
}

void rule_state_restore(RuleState *state, const Alert *alert) {
    Hash128 id = labels_hash(alert->labels);
    ActiveAlert *active = find_active(state, id);
    if (!active) {
        active = add_active(state, id, alert->labels);
    }
    label_block_free(active->annotations);
    active->annotations = label_block_copy(alert->annotations);
    active->value = alert->value;
    active->updated_at = alert->updated_at;
    active->was_restored = true;
    active->open_series = alert->phase;
    active->life = (AlertLife){
        .phase = alert->phase,
        .active_at = alert->active_at,
        .fired_at = alert->fired_at,
        .keep_firing_since = alert->keep_firing_since,
        .stale = alert->stale,
    };
}

Alert rule_state_alert(const RuleState *state, const ActiveAlert *active, DurationMs interval) {
    return (Alert){
        .rule_key = str_of(state->key),
        .labels = active->labels,
        .annotations = active->annotations,
        .generator_url = state->generator_url,
        .phase = active->life.phase,
        .active_at = active->life.active_at,
        .fired_at = active->life.fired_at,
        .keep_firing_since = active->life.keep_firing_since,
        .resolved_at = active->life.resolved_at,
        .updated_at = active->updated_at,
        .interval = interval,
        .value = active->value,
        .stale = active->life.stale,
        .is_restored = active->was_restored,
    };
}

void rule_tick_add(RulesTick *tick, AlertEvent event, const Alert *alert, const char *reason) {
    Alert copy = *alert;
    copy.rule_key = arena_str(&tick->arena, alert->rule_key);
    copy.labels = labels_copy(&tick->arena, alert->labels);
    copy.annotations = labels_copy(&tick->arena, alert->annotations);
    copy.generator_url = arena_str(&tick->arena, alert->generator_url);
    VEC_PUSH(*tick, changes, ((AlertChange){.event = event, .alert = copy, .reason = reason}));
}

/* ---- series ---- */

static LabelSet alerts_series(Arena *arena, LabelSet labels, AlertPhase phase) {
    Label over[] = {
        {LABEL_METRIC_NAME, STR("ALERTS")},
        {STR("alertstate"), phase == ALERT_FIRING ? STR("firing") : STR("pending")},
    };
    return label_overlay(arena, labels, over, 2);
}

static LabelSet for_state_series(Arena *arena, LabelSet labels) {
    Label over[] = {{LABEL_METRIC_NAME, STR("ALERTS_FOR_STATE")}};
    return label_overlay(arena, labels, over, 1);
}

/* Brings the store's series of an alert in line with its phase: a marker on what is no longer true,
 * a sample on what is. Labels are copied, because they are written after the alerts were stored,
 * and the alert may be gone by then. */
static void write_alert_series(ActiveAlert *active, const RuleApply *apply) {
    TimeMs time = apply->world->time;
    AlertPhase phase = active->life.phase;
    LabelSet labels = labels_copy(apply->arena, active->labels);
    if (active->open_series != ALERT_INACTIVE && active->open_series != phase) {
        series_list_add_stale(apply->series,
                              alerts_series(apply->arena, labels, active->open_series), time);
    }
    if (phase == ALERT_INACTIVE) {
        if (active->open_series != ALERT_INACTIVE) {
            series_list_add_stale(apply->series, for_state_series(apply->arena, labels), time);
        }
    } else {
        series_list_add(apply->series, alerts_series(apply->arena, labels, phase), time, 1);
        series_list_add(apply->series, for_state_series(apply->arena, labels), time,
                        (double)(active->life.active_at / SECOND_MS));
    }
    active->open_series = phase;
}

/* ---- alerts ---- */

static DurationMs interval_of(const RuleApply *apply) {
    return apply->group->interval ? apply->group->interval
                                  : apply->world->options->evaluation_interval;
}

static Hash128 texts_source(const RuleHit *hit) {
    Hash128 hash = labels_hash(hit->sample);
    hash.lo ^= value_bits(hit->value) * UINT64_C(0x9E3779B97F4A7C15);
    return hash;
}

void rule_state_prepare(const RuleState *state, RuleHits *hits, const RuleApply *apply) {
    if (apply->rule->annotations.count == 0) {
        return;
    }
    for (size_t i = 0; i < hits->count; i++) {
        RuleHit *hit = &hits->items[i];
        const ActiveAlert *active = find_active(state, hit->id);
        hit->texts_of = texts_source(hit);
        if (active && hash_eq(hit->texts_of, active->texts_of) && !apply->rule->has_volatile_text) {
            continue;
        }
        Str error = {0};
        TimeMs active_at = active ? active->life.active_at : apply->world->slot;
        hit->annotations = rule_annotations(apply->group, apply->rule, hit, active_at, apply->world,
                                            apply->arena, &error);
        hit->has_texts = true;
        if (error.len) {
            hits->text_failures++;
            hits->text_error = error;
        }
    }
}

/* True if the annotations are others than before. */
static bool take_texts(ActiveAlert *active, const RuleHit *hit) {
    active->value = hit->value;
    if (!hit->has_texts) {
        return false;
    }
    active->texts_of = hit->texts_of;
    if (labels_eq(hit->annotations, active->annotations)) {
        return false;
    }
    label_block_free(active->annotations);
    active->annotations = label_block_copy(hit->annotations);
    return true;
}

/* Does it decide anything that `labels` are not among the results? */
static bool absence_decides(LabelSet labels, const RuleApply *apply) {
    if (!apply->hold || !apply->rule->hold_telemetry || apply->rule->is_absence) {
        return true;
    }
    Str source = labels_get(labels, apply->world->options->source_label);
    return hold_decides(apply->hold, source, apply->windows, apply->window_count,
                        apply->world->time);
}

/* An alert that is new here but not to another evaluator has waited for a while already. */
static void take_over(ActiveAlert *active, TimeMs since) {
    if (since && active->life.phase == ALERT_PENDING) {
        active->life.active_at = since;
        active->was_restored = true;
    }
}

static void step_active(RuleState *state, ActiveAlert *active, AlertSight sight, bool texts_changed,
                        TimeMs since, const RuleApply *apply) {
    AlertTiming timing = {apply->rule->hold, apply->rule->keep_firing};
    AlertLife before = active->life;
    active->life = alert_step(before, timing, sight, apply->world->slot);
    active->updated_at = apply->world->slot;
    take_over(active, since);

    AlertEvent event;
    Alert alert = rule_state_alert(state, active, interval_of(apply));
    if (alert_transition(before, active->life, &event)) {
        counter_add(&state->transitions, 1);
        rule_tick_add(apply->tick, event, &alert, REASON_CONDITION);
    } else if (active->life.phase == ALERT_FIRING) {
        bool is_hold = (before.keep_firing_since != 0) != (active->life.keep_firing_since != 0);
        bool is_stale = before.stale != active->life.stale;
        if (is_hold || is_stale || texts_changed) {
            rule_tick_add(apply->tick, ALERT_CHANGED, &alert,
                          is_hold    ? "keep_firing_for"
                          : is_stale ? "telemetry"
                                     : "annotations");
        }
    }
    write_alert_series(active, apply);
}

/* Frees those that became inactive and makes the index fit again. */
static void sweep_inactive(RuleState *state) {
    size_t kept = 0;
    for (size_t i = 0; i < state->alerts_count; i++) {
        if (state->alerts[i]->life.phase == ALERT_INACTIVE) {
            active_free(state->alerts[i]);
        } else {
            state->alerts[kept++] = state->alerts[i];
        }
    }
    if (kept == state->alerts_count) {
        return;
    }
    state->alerts_count = kept;
    hash_index_clear(&state->alert_index);
    for (size_t i = 0; i < kept; i++) {
        (void)hash_index_put(&state->alert_index, state->alerts[i]->id, (uint32_t)i);
    }
}

/* How many hits may make new alerts. */
static uint64_t room_for_new(const RuleState *state, const RuleHits *hits, const RuleApply *apply) {
    int64_t limit = apply->group->limit;
    if (limit <= 0) {
        return apply->alerts_room;
    }
    uint64_t known = 0;
    for (size_t i = 0; i < hits->count; i++) {
        known += find_active(state, hits->items[i].id) != NULL;
    }
    uint64_t room = (uint64_t)limit > known ? (uint64_t)limit - known : 0;
    return room < apply->alerts_room ? room : apply->alerts_room;
}

static void note_left_out(RuleState *state, uint64_t left_out, const RuleHits *hits,
                          const RuleApply *apply) {
    int64_t limit = apply->group->limit;
    bool is_limit = limit > 0 && hits->count > (size_t)limit;
    Str text =
        is_limit
            ? arena_printf(apply->arena,
                           "exceeded limit of %lld with %zu alerts: %llu new ones are left out",
                           (long long)limit, hits->count, (unsigned long long)left_out)
            : arena_printf(apply->arena, "exceeded limits.alerts_max: %llu new alerts are left out",
                           (unsigned long long)left_out);
    rule_state_set_health(state, RULE_ERR, text);
}

void rule_state_apply_alerts(RuleState *state, const RuleHits *hits, const RuleApply *apply) {
    state->round++;
    uint64_t room = room_for_new(state, hits, apply);
    uint64_t left_out = 0;
    for (size_t i = 0; i < hits->count; i++) {
        const RuleHit *hit = &hits->items[i];
        ActiveAlert *active = find_active(state, hit->id);
        if (!active && room == 0) {
            left_out++;
            continue;
        }
        if (!active) {
            active = add_active(state, hit->id, hit->labels);
            room--;
        }
        active->round = state->round;
        step_active(state, active, ALERT_SEEN, take_texts(active, hit), hit->active_since, apply);
    }
    for (size_t i = 0; i < state->alerts_count; i++) {
        if (state->alerts[i]->round != state->round) {
            AlertSight sight =
                absence_decides(state->alerts[i]->labels, apply) ? ALERT_ABSENT : ALERT_UNDECIDED;
            step_active(state, state->alerts[i], sight, false, 0, apply);
        }
    }
    sweep_inactive(state);
    /* A template that fails is a fault of the rule in vmalert's books only; Prometheus shows it in
     * the text alone. */
    bool is_fault = hits->text_error.len && apply->group->vmalert;
    counter_add(&state->text_failures, hits->text_failures);
    rule_state_set_health(state, is_fault ? RULE_ERR : RULE_OK, hits->text_error);
    state->is_text_fault = is_fault;
    if (left_out) {
        note_left_out(state, left_out, hits, apply);
    }
}

/* ---- recordings ---- */

static void add_recorded(RuleState *state, const RuleHit *hit) {
    RecordedSeries series = {
        .id = hit->id, .labels = label_block_copy(hit->labels), .round = state->round};
    (void)hash_index_put(&state->series_index, hit->id, (uint32_t)state->series_count);
    VEC_PUSH(*state, series, series);
}

/* Markers for what was written last time and not now, unless its source is late. */
static void end_vanished(RuleState *state, const RuleApply *apply) {
    size_t kept = 0;
    for (size_t i = 0; i < state->series_count; i++) {
        RecordedSeries *series = &state->series[i];
        bool is_held = !absence_decides(series->labels, apply);
        if (series->round == state->round || is_held) {
            state->series[kept++] = *series;
            continue;
        }
        series_list_add_stale(apply->series, labels_copy(apply->arena, series->labels),
                              apply->world->time);
        label_block_free(series->labels);
    }
    if (kept == state->series_count) {
        return;
    }
    state->series_count = kept;
    hash_index_clear(&state->series_index);
    for (size_t i = 0; i < kept; i++) {
        (void)hash_index_put(&state->series_index, state->series[i].id, (uint32_t)i);
    }
}

void rule_state_apply_record(RuleState *state, const RuleHits *hits, const RuleApply *apply) {
    state->round++;
    size_t count = hits->count;
    int64_t limit = apply->group->limit;
    bool is_over = limit > 0 && count > (size_t)limit;
    if (is_over) {
        count = (size_t)limit;
    }
    for (size_t i = 0; i < count; i++) {
        const RuleHit *hit = &hits->items[i];
        RulePoint point = {hit->labels, apply->world->time, hit->value, hit->histogram};
        VEC_PUSH(*apply->series, items, point);
        uint32_t at = hash_index_get(&state->series_index, hit->id);
        if (at == HASH_INDEX_NONE) {
            add_recorded(state, hit);
        } else {
            state->series[at].round = state->round;
        }
    }
    end_vanished(state, apply);
    rule_state_set_health(state, RULE_OK, STR(""));
    if (is_over) {
        Str text = arena_printf(apply->arena,
                                "exceeded limit of %lld with %zu series: the first %zu are kept",
                                (long long)limit, hits->count, count);
        rule_state_set_health(state, RULE_ERR, text);
    }
}

LabelSet rule_resolved_annotations(Arena *arena, LabelSet annotations, Str reason) {
    Label over[] = {{RULE_RESOLVED_REASON, reason}};
    return label_overlay(arena, annotations, over, 1);
}

void rule_state_remove(RuleState *state, const char *reason, TimeMs time, DurationMs interval,
                       Arena *arena, RulesTick *tick, SeriesList *series) {
    RuleWorld world = {.slot = time, .time = time};
    RuleApply apply = {.world = &world, .arena = arena, .tick = tick, .series = series};
    for (size_t i = 0; i < state->alerts_count; i++) {
        ActiveAlert *active = state->alerts[i];
        AlertLife before = active->life;
        active->life.phase = ALERT_INACTIVE;
        active->life.resolved_at = before.phase == ALERT_FIRING ? time : 0;
        active->updated_at = time;
        AlertEvent event;
        Alert alert = rule_state_alert(state, active, interval);
        alert.annotations = rule_resolved_annotations(arena, alert.annotations, str_of(reason));
        if (alert_transition(before, active->life, &event)) {
            rule_tick_add(tick, event, &alert, reason);
        }
        write_alert_series(active, &apply);
    }
    drop_alerts(state);
    for (size_t i = 0; i < state->series_count; i++) {
        series_list_add_stale(series, labels_copy(arena, state->series[i].labels), time);
    }
    drop_series(state);
}
