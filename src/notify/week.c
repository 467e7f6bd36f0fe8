#include "notify/week.h"

#include <stdio.h>
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
    VEC_PUSH(*week, sets, ((WeekSet){number, week->labels.len}));
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

static bool take_marks(Week *week, State *state, const HistoryMark *marks, size_t count, Err *err) {
    int64_t *numbers = mem_grow(NULL, (count + 1) * sizeof *numbers);
    for (size_t i = 0; i < count; i++) {
        numbers[i] = marks[i].labels;
    }
    bool ok = read_sets(week, state, numbers, count, err);
    free(numbers);
    for (size_t i = 0; i < count && ok; i++) {
        size_t place = place_of(week, marks[i].labels);
        if (place && marks[i].event == ALERT_BECAME_FIRING) {
            VEC_PUSH(*week, firings, ((WeekFiring){marks[i].at, place - 1}));
        }
        week->last_id = marks[i].id > week->last_id ? marks[i].id : week->last_id;
    }
    return ok;
}

/* Alerts that have been as they are for more than a week; later ones have history. */
static bool read_alerts(Week *week, State *state, Err *err) {
    int64_t *numbers;
    size_t count;
    if (!state_load_alert_numbers(state, &numbers, &count, err)) {
        return false;
    }
    bool ok = read_sets(week, state, numbers, count, err);
    free(numbers);
    return ok;
}

static bool read_history(Week *week, State *state, TimeMs now, Err *err) {
    HistoryMark *marks;
    size_t count;
    if (!state_load_marks(state, now - span, week->last_id, &marks, &count, err)) {
        return false;
    }
    bool ok = take_marks(week, state, marks, count, err);
    free(marks);
    return ok;
}

static bool read_new(Week *week, State *state, TimeMs now, Err *err) {
    if (week->built_at > now || week->built_at + keep < now) {
        clear(week);
    }
    if ((!week->built_at && !read_alerts(week, state, err)) ||
        !read_history(week, state, now, err)) {
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
    ByteReader reader = reader_of(str_skip(buf_view(&week->labels), week->sets[set].at));
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

/* ---- finding ---- */

/* Where a label set is an alert of that name, or has that fingerprint in hex. */
typedef struct Named {
    Str name;
    uint64_t number; /* of the label `alertname` */
    bool is_hex;
    Str *names; /* by number, for fingerprints */
} Named;

static bool is_fingerprint(Str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return text.len == 16;
}

static Named named_of(const Week *week, Str name, Arena *arena) {
    const WeekName *alertname = find_name(week, STR("alertname"));
    Named named = {.name = name,
                   .number = alertname ? alertname->number : UINT64_MAX,
                   .is_hex = is_fingerprint(name),
                   .names = arena_array(arena, Str, (size_t)week->names_count + 1)};
    for (size_t i = 0; i < week->names.cap; i++) {
        for (const WeekName *item = week->names.slots[i].value; item; item = item->next_of_key) {
            named.names[item->number] = item->name;
        }
    }
    return named;
}

static bool is_named(const Week *week, const Named *named, size_t set) {
    ByteReader reader = reader_of(str_skip(buf_view(&week->labels), week->sets[set].at));
    Label labels[LABELS_MAX];
    uint64_t count = reader_varint(&reader);
    for (uint64_t i = 0; i < count && i < LABELS_MAX; i++) {
        uint64_t name = reader_varint(&reader);
        labels[i] = (Label){named->names[name], reader_bytes(&reader, reader_varint(&reader))};
        if (name == named->number && str_eq(labels[i].value, named->name)) {
            return true;
        }
    }
    if (!named->is_hex || count > LABELS_MAX) {
        return false;
    }
    char hex[17];
    snprintf(hex, sizeof hex, "%016llx",
             (unsigned long long)labels_fingerprint((LabelSet){labels, (size_t)count}));
    return str_eq(str_of(hex), named->name);
}

static void find(const Week *week, const WeekSearch *search, Arena *arena, int64_t **ret_numbers,
                 size_t *ret_count) {
    Named named = named_of(week, search->name, arena);
    MatcherSet filter = search->filter ? *search->filter : (MatcherSet){0};
    Question question = {.week = week, .filter = &filter};
    size_t count = 0;
    ask(&question, arena);
    *ret_numbers = arena_array(arena, int64_t, week->sets_count + 1);
    for (size_t i = 0; i < week->sets_count; i++) {
        if ((!search->name.len || is_named(week, &named, i)) &&
            (!filter.count || covers(&question, i))) {
            (*ret_numbers)[count++] = week->sets[i].number;
        }
    }
    *ret_count = count;
}

bool week_find(Week *week, State *state, const WeekSearch *search, TimeMs from, TimeMs now,
               Arena *arena, int64_t **ret_numbers, size_t *ret_count, Err *err) {
    pthread_mutex_lock(&week->lock);
    bool ok = read_new(week, state, now, err);
    if (ok && from < week->built_at - span) {
        ok = err_set(err, ERR_NOT_FOUND, "more than a week ago");
    }
    if (ok) {
        find(week, search, arena, ret_numbers, ret_count);
    }
    pthread_mutex_unlock(&week->lock);
    return ok;
}
