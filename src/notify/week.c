#include "notify/week.h"

#include <stdlib.h>

#include "base/mem.h"

static const DurationMs span = 7 * DAY_MS;
/* Read anew after that, without what is older than a week by then. */
static const DurationMs keep = DAY_MS;
static const DurationMs keep_unasked = 15 * MINUTE_MS;

typedef struct WeekName {
    Str name;
    uint64_t number;
    struct WeekName *next_of_key;
} WeekName;

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

static WeekName *find_name(const Week *week, Str name) {
    WeekName *found = idmap_get(&week->names, hash64(name) | 1);
    while (found && !str_eq(found->name, name)) {
        found = found->next_of_key;
    }
    return found;
}

static uint64_t name_number(Week *week, Str name) {
    WeekName *found = find_name(week, name);
    if (!found) {
        void **first = idmap_at(&week->names, hash64(name) | 1);
        found = arena_new(&week->arena, WeekName);
        *found = (WeekName){arena_str(&week->arena, name), week->names.count, *first};
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
    VEC_PUSH(*week, sets, week->labels.len);
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

static bool read_sets(Week *week, State *state, const Firing *rows, size_t count, Err *err) {
    int64_t *numbers = mem_grow(NULL, (count + 1) * sizeof *numbers);
    size_t unknown = 0, kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!place_of(week, rows[i].labels)) {
            numbers[unknown++] = rows[i].labels;
        }
    }
    qsort(numbers, unknown, sizeof *numbers, compare_numbers);
    for (size_t i = 0; i < unknown; i++) {
        if (i == 0 || numbers[i] != numbers[i - 1]) {
            numbers[kept++] = numbers[i];
        }
    }
    Reading reading = {.week = week};
    bool ok = state_each_label_set(state, numbers, kept, add_set, &reading, err);
    if (ok && reading.err.kind != ERR_NONE) {
        *err = reading.err;
        ok = false;
    }
    arena_finish(&reading.arena);
    free(numbers);
    return ok;
}

static bool read_new(Week *week, State *state, TimeMs now, Err *err) {
    Firing *rows;
    size_t count;
    if (week->built_at > now || week->built_at + keep < now) {
        clear(week);
    }
    if (!state_load_firings(state, now - span, week->last_id, &rows, &count, err)) {
        return false;
    }
    bool ok = read_sets(week, state, rows, count, err);
    for (size_t i = 0; i < count && ok; i++) {
        size_t place = place_of(week, rows[i].labels);
        if (place) {
            VEC_PUSH(*week, firings, ((WeekFiring){rows[i].at, place - 1}));
        }
        week->last_id = rows[i].id > week->last_id ? rows[i].id : week->last_id;
    }
    free(rows);
    if (!ok) {
        clear(week);
        return false;
    }
    week->built_at = week->built_at ? week->built_at : now;
    week->asked_at = now;
    return true;
}

/* ---- the question ---- */

typedef struct Question {
    const Week *week;
    const MatcherSet *filter;
    uint64_t *names; /* numbers, one a matcher */
    Str *values;
} Question;

static void ask(Question *question, Arena *arena) {
    size_t count = question->filter->count;
    question->names = arena_array(arena, uint64_t, count + 1);
    question->values = arena_array(arena, Str, count + 1);
    for (size_t i = 0; i < count; i++) {
        const WeekName *name = find_name(question->week, question->filter->items[i].name);
        question->names[i] = name ? name->number : UINT64_MAX;
    }
}

static bool covers(const Question *question, size_t set) {
    const Week *week = question->week;
    const MatcherSet *filter = question->filter;
    size_t at = week->sets[set];
    ByteReader reader = reader_of(str_skip(buf_view(&week->labels), at));
    for (size_t i = 0; i < filter->count; i++) {
        question->values[i] = STR("");
    }
    for (uint64_t left = reader_varint(&reader); left > 0; left--) {
        uint64_t name = reader_varint(&reader);
        Str value = reader_bytes(&reader, reader_varint(&reader));
        for (size_t i = 0; i < filter->count; i++) {
            if (question->names[i] == name) {
                question->values[i] = value;
            }
        }
    }
    for (size_t i = 0; i < filter->count; i++) {
        if (!matcher_matches(&filter->items[i], question->values[i])) {
            return false;
        }
    }
    return true;
}

/* What is known of a label set while firings are counted. */
enum { UNKNOWN, UNCOVERED, COVERED };

static void count(const Question *question, TimeMs now, uint64_t *ret_firings,
                  uint64_t *ret_alerts) {
    const Week *week = question->week;
    uint8_t *known = mem_zero(week->sets_count + 1, 1);
    uint64_t firings = 0, alerts = 0;
    for (size_t i = 0; i < week->firings_count; i++) {
        const WeekFiring *firing = &week->firings[i];
        if (firing->at < now - span || firing->at > now) {
            continue;
        }
        uint8_t *set = &known[firing->set];
        if (*set == UNKNOWN) {
            *set = covers(question, firing->set) ? COVERED : UNCOVERED;
            alerts += *set == COVERED;
        }
        firings += *set == COVERED;
    }
    free(known);
    *ret_firings = firings;
    *ret_alerts = alerts;
}

bool week_count(Week *week, State *state, const MatcherSet *filter, TimeMs now,
                uint64_t *ret_firings, uint64_t *ret_alerts, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Question question = {.week = week, .filter = filter};
    pthread_mutex_lock(&week->lock);
    bool ok = read_new(week, state, now, err);
    if (ok) {
        ask(&question, &arena);
        count(&question, now, ret_firings, ret_alerts);
    }
    pthread_mutex_unlock(&week->lock);
    return ok;
}
