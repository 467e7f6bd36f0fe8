/*
 * The replay itself: rules, engines and clock brought together, and what changes noted down.
 */

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/engine_replay.h"
#include "rules/replay_internal.h"
#include "rules/sandbox.h"

/* Recordings through windows of weeks would need weeks of evaluations before the first that counts;
 * beyond this the windows are filled as time goes on. */
#define WARM_MAX (2 * DAY_MS)

/* A ring being noted. Labels are on the report's arena. */
typedef struct Rings {
    ReplayRing *rings;
    size_t rings_count, rings_cap;
    size_t *open; /* indexes of those that have not ended */
    size_t open_count, open_cap;
} Rings;

typedef struct Run {
    Rules *rules;
    Sandbox sandbox;
    Engine *engine;
    ReplayRun *report;
    Rings *rings;          /* per alert of the report */
    const LiveRule **live; /* per alert of the report */
} Run;

typedef struct Names {
    Str *items;
    size_t items_count, items_cap;
} Names;

typedef struct Replay {
    const ReplayOptions *options;
    ReplayReport *report;
    Arena arena;
    Names recorded, alerts, metrics;
    History history;
    Run *runs;
    size_t run_count;
} Replay;

/* ---- what the rules are ---- */

static int by_text(const void *a, const void *b) {
    return str_cmp(*(const Str *)a, *(const Str *)b);
}

static void sort_names(Names *names) {
    size_t kept = 0;
    if (names->items_count) {
        qsort(names->items, names->items_count, sizeof *names->items, by_text);
    }
    for (size_t i = 0; i < names->items_count; i++) {
        if (kept == 0 || !str_eq(names->items[kept - 1], names->items[i])) {
            names->items[kept++] = names->items[i];
        }
    }
    names->items_count = kept;
}

static void name_rules(Replay *replay, const RuleSet *set) {
    for (size_t g = 0; g < set->group_count; g++) {
        for (size_t r = 0; r < set->groups[g].rule_count; r++) {
            const RuleDef *def = set->groups[g].rules[r].def;
            if (def->is_alert) {
                VEC_PUSH(replay->alerts, items, def->name);
            } else {
                VEC_PUSH(replay->recorded, items, def->name);
            }
            for (size_t i = 0; i < def->selector_count; i++) {
                if (def->selectors[i].metric.len) {
                    VEC_PUSH(replay->metrics, items, def->selectors[i].metric);
                }
            }
        }
    }
    sort_names(&replay->recorded);
    sort_names(&replay->alerts);
    sort_names(&replay->metrics);
}

static bool is_recorded(const Replay *replay, Str name) {
    return name.len == 0 || (replay->recorded.items_count &&
                             bsearch(&name, replay->recorded.items, replay->recorded.items_count,
                                     sizeof name, by_text));
}

/* How long before the report the rules have to run, so that nothing in it shows that they did not
 * always. */
static DurationMs warm_span(const Replay *replay, const RuleSet *set) {
    DurationMs alerts = 0, recordings = 0, interval = 0;
    for (size_t g = 0; g < set->group_count; g++) {
        const LiveGroup *group = &set->groups[g];
        interval = group->interval > interval ? group->interval : interval;
        for (size_t r = 0; r < group->rule_count; r++) {
            const RuleDef *def = group->rules[r].def;
            DurationMs span = def->hold + def->keep_firing;
            alerts = def->is_alert && span > alerts ? span : alerts;
            for (size_t i = 0; i < def->selector_count; i++) {
                if (is_recorded(replay, def->selectors[i].metric)) {
                    DurationMs reach = expr_reach(def->expr, 5 * MINUTE_MS);
                    recordings = reach > recordings ? reach : recordings;
                }
            }
        }
    }
    DurationMs warm = alerts + recordings + 2 * interval;
    return warm < WARM_MAX ? warm : WARM_MAX;
}

static DurationMs shortest_interval(const RuleSet *set) {
    DurationMs shortest = MINUTE_MS;
    for (size_t g = 0; g < set->group_count; g++) {
        DurationMs interval = set->groups[g].interval;
        shortest = interval < shortest ? interval : shortest;
    }
    return shortest;
}

/* ---- opening ---- */

static RulesOptions run_options(const Replay *replay, TimeMs started_at) {
    RulesOptions options = replay->options->rules;
    options.started_at = started_at;
    return options;
}

static bool load_run(Replay *replay, Run *run, const ReplayVariant *variant, Problems *problems,
                     Err *err) {
    const ReplayOptions *options = replay->options;
    RulesOptions rules = run_options(replay, options->from);
    run->rules = rules_new(NULL, &rules);
    if (!rules_load(run->rules, options->sources, options->source_count, options->from, problems)) {
        return err_set(err, ERR_INVALID, "the rules do not load");
    }
    if (variant && !replay_apply(run->rules, variant, options->only, options->only_count, err)) {
        return err_context(err, "%.*s", STR_ARG(variant->name));
    }
    return true;
}

static uint64_t timing_key(const SlotTiming *timing) {
    uint64_t key = fnv1a(FNV1A_START, (Str){(const char *)&timing->offset, sizeof timing->offset});
    key = fnv1a(key, (Str){(const char *)&timing->query_offset, sizeof timing->query_offset});
    key = fnv1a(key, (Str){(const char *)&timing->delay, sizeof timing->delay});
    return fnv1a(key, timing->align ? STR("aligned") : STR(""));
}

static void expect_rules(Run *run) {
    const RuleSet *set = run->rules->set;
    for (size_t g = 0; g < set->group_count; g++) {
        const LiveGroup *group = &set->groups[g];
        SlotTiming timing = slot_timing(group->def, &run->rules->options);
        for (size_t r = 0; r < group->rule_count; r++) {
            const LiveRule *rule = &group->rules[r];
            if (!rule->is_builtin) {
                EngineExpr expr = {.expr = rule->def->expr, .text = rule->def->expr_text};
                engine_replay_expect(run->engine, &expr, group->interval, timing_key(&timing));
            }
        }
    }
}

static bool open_run(Replay *replay, Run *run, TimeMs warm_from, Err *err) {
    if (!sandbox_open(&run->sandbox, replay->options->pool, 0, err)) {
        return false;
    }
    run->engine = engine_replay_new(&(EngineReplayOptions){
        .history = &replay->history,
        .own = run->sandbox.engine,
        .recorded = replay->recorded.items,
        .recorded_count = replay->recorded.items_count,
        .alerts = replay->alerts.items,
        .alert_count = replay->alerts.items_count,
        .from = warm_from,
        .write_to = run == replay->runs ? replay->options->write_to : NULL,
        .write_from = replay->options->from,
        .cancelled = replay->options->cancelled,
    });
    run->rules->engine = run->engine;
    RulesOptions options = run_options(replay, warm_from);
    rules_set_options(run->rules, &options);
    expect_rules(run);
    return true;
}

/* ---- the report's shape ---- */

static size_t count_alerts(const Replay *replay, const RuleSet *set) {
    size_t count = 0;
    for (size_t g = 0; g < set->group_count; g++) {
        for (size_t r = 0; r < set->groups[g].rule_count; r++) {
            const RuleDef *def = set->groups[g].rules[r].def;
            count += def->is_alert && replay_is_asked_for(def->name, replay->options->only,
                                                          replay->options->only_count);
        }
    }
    return count;
}

static ReplayAlert describe_alert(Arena *arena, const LiveGroup *group, const RuleDef *def) {
    return (ReplayAlert){
        .group = arena_str(arena, group->def->name),
        .file = arena_str(arena, group->def->file),
        .name = arena_str(arena, def->name),
        .severity = arena_str(arena, labels_get(def->label_set, STR("severity"))),
        .expr = arena_str(arena, str_trim(def->expr_text)),
        .hold = def->hold,
        .keep_firing = def->keep_firing,
        .interval = group->interval,
    };
}

static void describe_run(Replay *replay, Run *run, Str name) {
    const RuleSet *set = run->rules->set;
    Arena *arena = &replay->report->arena;
    size_t count = count_alerts(replay, set);
    run->report->name = arena_str(arena, name);
    run->report->alerts = arena_array(arena, ReplayAlert, count + 1);
    run->rings = arena_array(&replay->arena, Rings, count + 1);
    run->live = arena_array(&replay->arena, const LiveRule *, count + 1);
    for (size_t g = 0; g < set->group_count; g++) {
        for (size_t r = 0; r < set->groups[g].rule_count; r++) {
            const LiveRule *rule = &set->groups[g].rules[r];
            if (rule->def->is_alert && replay_is_asked_for(rule->def->name, replay->options->only,
                                                           replay->options->only_count)) {
                run->live[run->report->alert_count] = rule;
                run->report->alerts[run->report->alert_count++] =
                    describe_alert(arena, &set->groups[g], rule->def);
            }
        }
    }
}

/* ---- noting what happens ---- */

static size_t find_alert(const Run *run, Str rule_key) {
    for (size_t i = 0; i < run->report->alert_count; i++) {
        if (str_eq(str_of(run->live[i]->state->key), rule_key)) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void begin_ring(Replay *replay, Rings *rings, const Alert *alert) {
    ReplayRing ring = {
        .labels = labels_copy(&replay->report->arena, alert->labels),
        .pending_at = alert->active_at,
        .fired_at = alert->fired_at,
        .began_before = alert->fired_at < replay->report->from,
        .value = alert->value,
    };
    VEC_PUSH(*rings, open, rings->rings_count);
    VEC_PUSH(*rings, rings, ring);
}

static void end_ring(Rings *rings, const Alert *alert) {
    for (size_t i = 0; i < rings->open_count; i++) {
        ReplayRing *ring = &rings->rings[rings->open[i]];
        if (labels_eq(ring->labels, alert->labels)) {
            ring->ended_at = alert->resolved_at;
            rings->open[i] = rings->open[--rings->open_count];
            return;
        }
    }
}

static void note_change(Replay *replay, Run *run, const AlertChange *change) {
    size_t index = find_alert(run, change->alert.rule_key);
    if (index == SIZE_MAX) {
        return;
    }
    if (change->event == ALERT_BECAME_FIRING) {
        begin_ring(replay, &run->rings[index], &change->alert);
    } else if (change->event == ALERT_BECAME_RESOLVED) {
        end_ring(&run->rings[index], &change->alert);
    } else if (change->event == ALERT_BECAME_INACTIVE &&
               change->alert.updated_at >= replay->report->from) {
        run->report->alerts[index].pending_only++;
    }
}

static bool tick(Replay *replay, Run *run, TimeMs now, Err *err) {
    bool did_evaluate = true;
    while (did_evaluate && rules_next_due(run->rules, now) <= now) {
        RulesTick done;
        rules_tick(run->rules, now, &done);
        for (size_t i = 0; i < done.changes_count; i++) {
            note_change(replay, run, &done.changes[i]);
        }
        did_evaluate = done.did_evaluate;
        replay->report->slots += did_evaluate;
        bool ok = rules_write_alerts(run->rules, &done, now, err);
        rules_tick_finish(&done);
        if (!ok) {
            return false;
        }
    }
    return true;
}

static TimeMs next_due(const Replay *replay, TimeMs now) {
    TimeMs due = TIME_MAX;
    for (size_t i = 0; i < replay->run_count; i++) {
        TimeMs next = rules_next_due(replay->runs[i].rules, now);
        due = next < due ? next : due;
    }
    return due;
}

static bool write_recordings(Replay *replay, bool all, TimeMs now, Err *err) {
    return engine_replay_backfill(replay->runs[0].engine, all, now, &replay->report->written, err);
}

static bool run_clock(Replay *replay, Err *err) {
    const ReplayOptions *options = replay->options;
    QueryOptions query = {.lookback = 5 * MINUTE_MS, .default_step = MINUTE_MS};
    TimeMs now = replay->report->warm_from;
    while (now <= options->to) {
        if (options->cancelled && *options->cancelled) {
            return err_set(err, ERR_CANCELLED, "interrupted");
        }
        if (replay->options->rules.hold) {
            history_look(&replay->history, now, &query);
        }
        for (size_t i = 0; i < replay->run_count; i++) {
            if (!tick(replay, &replay->runs[i], now, err)) {
                return false;
            }
        }
        if (!write_recordings(replay, false, now, err)) {
            return false;
        }
        if (options->progress) {
            options->progress(options->progress_ctx, now, replay->report->warm_from, options->to);
        }
        TimeMs due = next_due(replay, now);
        now = due > now ? due : now + 1;
    }
    return write_recordings(replay, true, options->to, err);
}

/* ---- the end ---- */

/* The rings that belong into the report: not those over before it begins. */
static void take_rings(Replay *replay, ReplayAlert *alert, Rings *rings) {
    ReplayReport *report = replay->report;
    alert->rings = arena_array(&report->arena, ReplayRing, rings->rings_count + 1);
    for (size_t i = 0; i < rings->open_count; i++) {
        ReplayRing *ring = &rings->rings[rings->open[i]];
        ring->ended_at = report->to;
        ring->is_open = true;
    }
    for (size_t i = 0; i < rings->rings_count; i++) {
        if (rings->rings[i].is_open || rings->rings[i].ended_at > report->from) {
            alert->rings[alert->ring_count++] = rings->rings[i];
        }
    }
}

static size_t count_pending(const RuleState *state) {
    size_t count = 0;
    for (size_t i = 0; i < state->alerts_count; i++) {
        count += state->alerts[i]->life.phase == ALERT_PENDING;
    }
    return count;
}

static void list_records(Replay *replay) {
    ReplayReport *report = replay->report;
    Arena *arena = &report->arena;
    const RuleSet *set = replay->runs[0].rules->set;
    report->writes = replay->options->write_to != NULL;
    report->records = arena_array(arena, ReplayRecord, set->rule_count + 1);
    for (size_t g = 0; g < set->group_count; g++) {
        for (size_t r = 0; r < set->groups[g].rule_count; r++) {
            const LiveRule *rule = &set->groups[g].rules[r];
            if (!rule->def->is_alert) {
                report->records[report->record_count++] = (ReplayRecord){
                    .group = arena_str(arena, set->groups[g].def->name),
                    .file = arena_str(arena, set->groups[g].def->file),
                    .name = arena_str(arena, rule->def->name),
                    .evaluations = counter_get(&rule->state->evaluations),
                    .failures = counter_get(&rule->state->failures),
                    .last_error = arena_str(arena, str_of(rule->state->last_failure)),
                };
            }
        }
    }
}

static void finish_report(Replay *replay, Run *run) {
    ReplayReport *report = replay->report;
    for (size_t i = 0; i < run->report->alert_count; i++) {
        ReplayAlert *alert = &run->report->alerts[i];
        const RuleState *state = run->live[i]->state;
        take_rings(replay, alert, &run->rings[i]);
        replay_judge(alert, &report->policy, report->from, report->to, &report->arena);
        alert->pending_at_end = count_pending(state);
        alert->evaluations = counter_get(&state->evaluations);
        alert->failures = counter_get(&state->failures);
        alert->last_error = arena_str(&report->arena, str_of(state->last_failure));
        if (run == replay->runs && !run->live[i]->is_builtin &&
            alert->ring_count + alert->pending_only + alert->pending_at_end + alert->failures ==
                0) {
            alert->unmatched = replay_unmatched(run->live[i]->def, replay->options->base,
                                                report->from, report->to, replay->recorded.items,
                                                replay->recorded.items_count, &report->arena);
        }
    }
}

/* A history nobody answers for would make every evaluation fail, one by one. */
static bool reach_history(Replay *replay, Err *err) {
    EngineExpr expr = {.text = STR("vector(1)")};
    QueryOptions query = {.lookback = 5 * MINUTE_MS, .default_step = MINUTE_MS};
    Value value = {0};
    bool ok = false;
    if (promql_parse(&replay->arena, expr.text, PROMQL_PROMETHEUS, &expr.expr, err)) {
        engine_instant(replay->options->base, &expr, 1, replay->options->to, &query, &replay->arena,
                       &value, &ok, err);
        expr_finish(expr.expr);
    }
    return ok;
}

/* Every name that was asked for has to be an alert's: a misspelt one would look like one that never
 * rings. */
static bool check_asked_for(Replay *replay, const RuleSet *set, Err *err) {
    const char **names = arena_array(&replay->arena, const char *, set->rule_count + 1);
    size_t count = 0;
    for (size_t g = 0; g < set->group_count; g++) {
        for (size_t r = 0; r < set->groups[g].rule_count; r++) {
            const RuleDef *def = set->groups[g].rules[r].def;
            if (def->is_alert) {
                names[count++] = arena_cstr(&replay->arena, def->name);
            }
        }
    }
    for (size_t i = 0; i < replay->options->only_count; i++) {
        Str asked = replay->options->only[i];
        bool found = false;
        for (size_t k = 0; k < count && !found; k++) {
            found = str_eq(str_of(names[k]), asked);
        }
        const char *near = found ? NULL : str_suggest(asked, names);
        if (!found) {
            return err_set(err, ERR_NOT_FOUND, "no alert is called \"%.*s\"%s%s%s", STR_ARG(asked),
                           near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
        }
    }
    return true;
}

static bool load_runs(Replay *replay, Problems *problems, Err *err) {
    const ReplayOptions *options = replay->options;
    replay->run_count = options->variant_count + 1;
    replay->runs = arena_array(&replay->arena, Run, replay->run_count);
    for (size_t i = 0; i < replay->run_count; i++) {
        if (!load_run(replay, &replay->runs[i], i ? &options->variants[i - 1] : NULL, problems,
                      err)) {
            return false;
        }
    }
    const RuleSet *set = replay->runs[0].rules->set;
    name_rules(replay, set);
    return check_asked_for(replay, set, err);
}

static bool open_runs(Replay *replay, Err *err) {
    const ReplayOptions *options = replay->options;
    ReplayReport *report = replay->report;
    DurationMs warm = 0;
    for (size_t i = 0; i < replay->run_count; i++) {
        DurationMs span = warm_span(replay, replay->runs[i].rules->set);
        warm = span > warm ? span : warm;
    }
    report->warm_from = options->from - warm;
    HistoryOptions history = {
        .base = options->base,
        .store = options->store,
        .source_label = options->rules.hold ? options->rules.source_label : STR(""),
        .from = report->warm_from,
        .until = options->to,
        .step = shortest_interval(replay->runs[0].rules->set),
        .metrics = replay->metrics.items,
        .metric_count = replay->metrics.items_count,
    };
    if (!history_init(&replay->history, &history, err)) {
        return false;
    }
    report->runs = arena_array(&report->arena, ReplayRun, replay->run_count);
    report->run_count = replay->run_count;
    for (size_t i = 0; i < replay->run_count; i++) {
        Run *run = &replay->runs[i];
        run->report = &report->runs[i];
        if (!open_run(replay, run, report->warm_from, err)) {
            return false;
        }
        describe_run(replay, run, i ? options->variants[i - 1].name : STR("as written"));
    }
    return true;
}

static void close_run(Run *run) {
    for (size_t i = 0; run->report && i < run->report->alert_count; i++) {
        free(run->rings[i].rings);
        free(run->rings[i].open);
    }
    rules_free(run->rules);
    engine_free(run->engine);
    sandbox_close(&run->sandbox);
}

static void replay_close(Replay *replay) {
    for (size_t i = 0; i < replay->run_count; i++) {
        close_run(&replay->runs[i]);
    }
    history_finish(&replay->history);
    free(replay->recorded.items);
    free(replay->alerts.items);
    free(replay->metrics.items);
    arena_finish(&replay->arena);
}

bool rules_replay(const ReplayOptions *options, ReplayReport *ret_report, Problems *problems,
                  Err *err) {
    int64_t started_ns = clock_monotonic_ns();
    *ret_report =
        (ReplayReport){.from = options->from, .to = options->to, .policy = options->policy};
    Replay replay = {.options = options, .report = ret_report};
    bool ok = load_runs(&replay, problems, err) && reach_history(&replay, err) &&
              open_runs(&replay, err) && run_clock(&replay, err);
    for (size_t i = 0; ok && i < replay.run_count; i++) {
        finish_report(&replay, &replay.runs[i]);
    }
    if (ok) {
        list_records(&replay);
    }
    replay_close(&replay);
    ret_report->wall_ns = clock_monotonic_ns() - started_ns;
    if (!ok) {
        replay_report_finish(ret_report);
    }
    return ok;
}

void replay_report_finish(ReplayReport *report) {
    arena_finish(&report->arena);
    *report = (ReplayReport){0};
}
