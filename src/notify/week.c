#include "notify/week.h"

#include <stdlib.h>

#include "base/mem.h"

const DurationMs week_span = 7 * DAY_MS;
/* Read anew after that, without what is older than a week by then. */
static const DurationMs keep = DAY_MS;
static const DurationMs keep_unasked = 15 * MINUTE_MS;

void week_init(Week *week) {
    *week = (Week){0};
    pthread_mutex_init(&week->lock, NULL);
}

static void clear(Week *week) {
    arena_finish(&week->arena);
    idmap_finish(&week->names);
    buf_finish(&week->labels);
    idmap_finish(&week->by_number);
    free(week->sets);
    free(week->firings);
    week->sets = NULL;
    week->firings = NULL;
    week->sets_count = week->sets_cap = week->firings_count = week->firings_cap = 0;
    week->built_at = week->last_id = 0;
    week->names_count = 0;
}

void week_finish(Week *week) {
    clear(week);
    pthread_mutex_destroy(&week->lock);
}

void week_tidy(Week *week, TimeMs now) {
    pthread_mutex_lock(&week->lock);
    if (week->built_at && week->asked_at + keep_unasked < now) {
        clear(week);
    }
    pthread_mutex_unlock(&week->lock);
}

/* ---- label sets ---- */

WeekName *week_name(const Week *week, Str name) {
    WeekName *found = idmap_get(&week->names, hash64(name) | 1);
    while (found && !str_eq(found->name, name)) {
        found = found->next_of_key;
    }
    return found;
}

static uint64_t name_number(Week *week, Str name) {
    WeekName *found = week_name(week, name);
    if (!found) {
        void **first = idmap_at(&week->names, hash64(name) | 1);
        found = arena_new(&week->arena, WeekName);
        *found = (WeekName){arena_str(&week->arena, name), week->names_count++, *first};
        *first = found;
    }
    return found->number;
}

static size_t place_of(const Week *week, int64_t number) { /* + 1; 0 = unknown */
    return (size_t)(uintptr_t)idmap_get(&week->by_number, (uint64_t)number);
}

typedef struct Reading {
    Week *week;
    Arena arena;
    Err err;
} Reading;

static void add_set(int64_t number, Str json, void *context) {
    Reading *reading = context;
    Week *week = reading->week;
    LabelSet labels;
    arena_reset(&reading->arena);
    if (reading->err.kind != ERR_NONE ||
        !state_labels_decode(&reading->arena, json, &labels, &reading->err)) {
        return;
    }
    VEC_PUSH(*week, sets, ((WeekSet){.number = number, .at = week->labels.len}));
    idmap_put(&week->by_number, (uint64_t)number, (void *)(uintptr_t)week->sets_count);
    buf_varint(&week->labels, labels.count);
    for (size_t i = 0; i < labels.count; i++) {
        buf_varint(&week->labels, name_number(week, labels.items[i].name));
        buf_varint(&week->labels, labels.items[i].value.len);
        buf_str(&week->labels, labels.items[i].value);
    }
}

/* Numbers grow as label sets come, and firings are read in that order. */
static int compare_numbers(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Those that are not known yet. Sorts `numbers`. */
static bool read_sets(Week *week, State *state, int64_t *numbers, size_t count, Err *err) {
    size_t unknown = 0;
    if (count) {
        qsort(numbers, count, sizeof *numbers, compare_numbers);
    }
    for (size_t i = 0; i < count; i++) {
        bool again = unknown && numbers[i] == numbers[unknown - 1];
        if (!again && numbers[i] && !place_of(week, numbers[i])) {
            numbers[unknown++] = numbers[i];
        }
    }
    Reading reading = {.week = week};
    bool ok = state_each_label_set(state, numbers, unknown, add_set, &reading, err);
    if (ok && reading.err.kind != ERR_NONE) {
        *err = reading.err;
        ok = false;
    }
    arena_finish(&reading.arena);
    return ok;
}

/* ---- when they fired ---- */

static void add_firing(Week *week, WeekFiring firing) {
    firing.before = week->sets[firing.set].newest;
    VEC_PUSH(*week, firings, firing);
    week->sets[firing.set].newest = week->firings_count;
}

/* That began at `from`, or NULL. The newest come first. */
static WeekFiring *firing_from(Week *week, size_t set, TimeMs from) {
    for (size_t place = week->sets[set].newest; place; place = week->firings[place - 1].before) {
        WeekFiring *firing = &week->firings[place - 1];
        if (firing->from <= from) {
            return firing->from == from ? firing : NULL;
        }
    }
    return NULL;
}

static WeekFiring *newest_firing(Week *week, size_t set) {
    size_t place = week->sets[set].newest;
    return place ? &week->firings[place - 1] : NULL;
}

/* A sender may have told an earlier beginning meanwhile: then the newest ends. */
static void end_firing(Week *week, size_t set, const HistoryMark *mark) {
    WeekFiring *firing = firing_from(week, set, mark->fired_at);
    firing = firing ? firing : newest_firing(week, set);
    if (firing && !firing->to) {
        firing->to = mark->ended_at > firing->from ? mark->ended_at : firing->from;
    } else if (!firing) {
        add_firing(week, (WeekFiring){.from = mark->fired_at, .to = mark->ended_at, .set = set});
    }
}

/* Of an alert that fires: its beginning is in the history, unless that is more than a week ago. */
static void go_on_firing(Week *week, size_t set, TimeMs from) {
    const WeekFiring *newest = newest_firing(week, set);
    if ((!newest || newest->to) && !firing_from(week, set, from)) {
        add_firing(week, (WeekFiring){.from = from, .set = set});
    }
}

static bool read_marked_sets(Week *week, State *state, const HistoryMark *marks, size_t count,
                             Err *err) {
    int64_t *numbers = mem_grow(NULL, (count + 1) * sizeof *numbers);
    for (size_t i = 0; i < count; i++) {
        numbers[i] = marks[i].labels;
    }
    bool ok = read_sets(week, state, numbers, count, err);
    free(numbers);
    return ok;
}

static bool read_history(Week *week, State *state, TimeMs now, Err *err) {
    HistoryMark *marks;
    size_t count;
    if (!state_load_marks(state, now - week_span, week->last_id, &marks, &count, err)) {
        return false;
    }
    bool ok = read_marked_sets(week, state, marks, count, err);
    for (size_t i = 0; i < count && ok; i++) {
        const HistoryMark *mark = &marks[i];
        size_t place = place_of(week, mark->labels);
        if (place && mark->event == ALERT_BECAME_FIRING) {
            add_firing(week,
                       (WeekFiring){.at = mark->at, .from = mark->fired_at, .set = place - 1});
        } else if (place && mark->event == ALERT_BECAME_RESOLVED) {
            end_firing(week, place - 1, mark);
        }
        week->last_id = mark->id > week->last_id ? mark->id : week->last_id;
    }
    free(marks);
    return ok;
}

/* Alerts are read before their history: one that ends in between has its end there. */
static bool read_all(Week *week, State *state, TimeMs now, Err *err) {
    HistoryMark *marks;
    size_t count;
    if (!state_load_alert_marks(state, &marks, &count, err)) {
        return false;
    }
    bool ok =
        read_marked_sets(week, state, marks, count, err) && read_history(week, state, now, err);
    for (size_t i = 0; i < count && ok; i++) {
        size_t place = place_of(week, marks[i].labels);
        if (place && marks[i].event == ALERT_BECAME_FIRING) {
            go_on_firing(week, place - 1, marks[i].fired_at);
        }
    }
    free(marks);
    return ok;
}

bool week_read_new(Week *week, State *state, TimeMs now, Err *err) {
    if (week->built_at > now || week->built_at + keep < now) {
        clear(week);
    }
    if (!(week->built_at ? read_history : read_all)(week, state, now, err)) {
        clear(week);
        return false;
    }
    week->built_at = week->built_at ? week->built_at : now;
    week->asked_at = now;
    return true;
}
