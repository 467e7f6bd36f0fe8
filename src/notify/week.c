#include "notify/week.h"

#include <stdlib.h>

#include "base/mem.h"

const DurationMs week_span = 7 * DAY_MS;
/* Read anew after that, without what is older than a week by then. */
static const DurationMs keep = DAY_MS;
static const DurationMs keep_unasked = 15 * MINUTE_MS; /* if it is too big */
/* In the background a little before, so that no question waits for it. */
static const DurationMs renew_after = 23 * HOUR_MS;
static const size_t kept_bytes_max = (size_t)64 << 20; /* some 200,000 alerts a week */

void week_init(Week *week) {
    *week = (Week){.book = {.ending = &week->ending}};
    pthread_mutex_init(&week->lock, NULL);
}

static void clear(WeekBook *book) {
    arena_finish(&book->arena);
    idmap_finish(&book->names);
    buf_finish(&book->labels);
    idmap_finish(&book->by_number);
    free(book->sets);
    free(book->firings);
    *book = (WeekBook){.ending = book->ending};
}

void week_finish(Week *week) {
    clear(&week->book);
    pthread_mutex_destroy(&week->lock);
}

void week_interrupt(Week *week) {
    week->ending = true;
}

static size_t bytes_of(const WeekBook *book) {
    return book->labels.cap + book->sets_cap * sizeof *book->sets +
           book->by_number.cap * sizeof *book->by_number.slots +
           book->firings_cap * sizeof *book->firings;
}

/* ---- label sets ---- */

WeekName *week_name(const WeekBook *book, Str name) {
    WeekName *found = idmap_get(&book->names, hash64(name) | 1);
    while (found && !str_eq(found->name, name)) {
        found = found->next_of_key;
    }
    return found;
}

static uint64_t name_number(WeekBook *book, Str name) {
    WeekName *found = week_name(book, name);
    if (!found) {
        void **first = idmap_at(&book->names, hash64(name) | 1);
        found = arena_new(&book->arena, WeekName);
        *found = (WeekName){arena_str(&book->arena, name), book->names_count++, *first};
        *first = found;
    }
    return found->number;
}

static size_t place_of(const WeekBook *book, int64_t number) { /* + 1; 0 = unknown */
    return (size_t)(uintptr_t)idmap_get(&book->by_number, (uint64_t)number);
}

typedef struct Reading {
    WeekBook *book;
    Arena arena;
    Err err;
} Reading;

static void add_set(int64_t number, Str json, void *context) {
    Reading *reading = context;
    WeekBook *book = reading->book;
    LabelSet labels;
    arena_reset(&reading->arena);
    if (*reading->book->ending && reading->err.kind == ERR_NONE) {
        err_set(&reading->err, ERR_CANCELLED, "the server is ending");
    }
    if (reading->err.kind != ERR_NONE ||
        !state_labels_decode(&reading->arena, json, &labels, &reading->err)) {
        return;
    }
    VEC_PUSH(*book, sets, ((WeekSet){.number = number, .at = book->labels.len}));
    idmap_put(&book->by_number, (uint64_t)number, (void *)(uintptr_t)book->sets_count);
    buf_varint(&book->labels, labels.count);
    for (size_t i = 0; i < labels.count; i++) {
        buf_varint(&book->labels, name_number(book, labels.items[i].name));
        buf_varint(&book->labels, labels.items[i].value.len);
        buf_str(&book->labels, labels.items[i].value);
    }
}

/* Numbers grow as label sets come, and firings are read in that order. */
static int compare_numbers(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Those that are not known yet. Sorts `numbers`. */
static bool read_sets(WeekBook *book, State *state, int64_t *numbers, size_t count, Err *err) {
    size_t unknown = 0;
    if (count) {
        qsort(numbers, count, sizeof *numbers, compare_numbers);
    }
    for (size_t i = 0; i < count; i++) {
        bool again = unknown && numbers[i] == numbers[unknown - 1];
        if (!again && numbers[i] && !place_of(book, numbers[i])) {
            numbers[unknown++] = numbers[i];
        }
    }
    Reading reading = {.book = book};
    bool ok = state_each_label_set(state, numbers, unknown, add_set, &reading, err);
    if (ok && reading.err.kind != ERR_NONE) {
        *err = reading.err;
        ok = false;
    }
    arena_finish(&reading.arena);
    return ok;
}

/* ---- when they fired ---- */

static void add_firing(WeekBook *book, WeekFiring firing) {
    firing.before = book->sets[firing.set].newest;
    VEC_PUSH(*book, firings, firing);
    book->sets[firing.set].newest = book->firings_count;
}

/* That began at `from`, or NULL. The newest come first. */
static WeekFiring *firing_from(WeekBook *book, size_t set, TimeMs from) {
    for (size_t place = book->sets[set].newest; place; place = book->firings[place - 1].before) {
        WeekFiring *firing = &book->firings[place - 1];
        if (firing->from <= from) {
            return firing->from == from ? firing : NULL;
        }
    }
    return NULL;
}

static WeekFiring *newest_firing(WeekBook *book, size_t set) {
    size_t place = book->sets[set].newest;
    return place ? &book->firings[place - 1] : NULL;
}

/* A sender may have told an earlier beginning meanwhile: then the newest ends. */
static void end_firing(WeekBook *book, size_t set, const HistoryMark *mark) {
    WeekFiring *firing = firing_from(book, set, mark->fired_at);
    firing = firing ? firing : newest_firing(book, set);
    if (firing && !firing->to) {
        firing->to = mark->ended_at > firing->from ? mark->ended_at : firing->from;
    } else if (!firing) {
        add_firing(book, (WeekFiring){.from = mark->fired_at, .to = mark->ended_at, .set = set});
    }
}

/* Of an alert that fires: its beginning is in the history, unless that is more than a week ago. */
static void go_on_firing(WeekBook *book, size_t set, TimeMs from) {
    const WeekFiring *newest = newest_firing(book, set);
    if ((!newest || newest->to) && !firing_from(book, set, from)) {
        add_firing(book, (WeekFiring){.from = from, .set = set});
    }
}

static bool read_marked_sets(WeekBook *book, State *state, const HistoryMark *marks, size_t count,
                             Err *err) {
    int64_t *numbers = mem_grow(NULL, (count + 1) * sizeof *numbers);
    for (size_t i = 0; i < count; i++) {
        numbers[i] = marks[i].labels;
    }
    bool ok = read_sets(book, state, numbers, count, err);
    free(numbers);
    return ok;
}

static bool read_history(WeekBook *book, State *state, TimeMs now, Err *err) {
    HistoryMark *marks;
    size_t count;
    if (!state_load_marks(state, now - week_span, book->last_id, &marks, &count, err)) {
        return false;
    }
    bool ok = read_marked_sets(book, state, marks, count, err);
    for (size_t i = 0; i < count && ok; i++) {
        const HistoryMark *mark = &marks[i];
        size_t place = place_of(book, mark->labels);
        if (place && mark->event == ALERT_BECAME_FIRING) {
            add_firing(book,
                       (WeekFiring){.at = mark->at, .from = mark->fired_at, .set = place - 1});
        } else if (place && mark->event == ALERT_BECAME_RESOLVED) {
            end_firing(book, place - 1, mark);
        }
        book->last_id = mark->id > book->last_id ? mark->id : book->last_id;
    }
    free(marks);
    return ok;
}

/* Alerts are read before their history: one that ends in between has its end there. */
static bool read_all(WeekBook *book, State *state, TimeMs now, Err *err) {
    HistoryMark *marks;
    size_t count;
    if (!state_load_alert_marks(state, &marks, &count, err)) {
        return false;
    }
    bool ok =
        read_marked_sets(book, state, marks, count, err) && read_history(book, state, now, err);
    for (size_t i = 0; i < count && ok; i++) {
        size_t place = place_of(book, marks[i].labels);
        if (place && marks[i].event == ALERT_BECAME_FIRING) {
            go_on_firing(book, place - 1, marks[i].fired_at);
        }
    }
    free(marks);
    return ok;
}

static bool read_new(WeekBook *book, State *state, TimeMs now, Err *err) {
    if (book->built_at > now || book->built_at + keep < now) {
        clear(book);
    }
    if (!(book->built_at ? read_history : read_all)(book, state, now, err)) {
        clear(book);
        return false;
    }
    book->built_at = book->built_at ? book->built_at : now;
    return true;
}

bool week_read_new(Week *week, State *state, TimeMs now, Err *err) {
    week->asked_at = now;
    return read_new(&week->book, state, now, err);
}

/* ---- in the background ---- */

/* Questions go on meanwhile, with the book there is. */
static bool renew(Week *week, State *state, TimeMs now, Err *err) {
    WeekBook book = {.ending = &week->ending};
    if (!read_new(&book, state, now, err)) {
        return false;
    }
    pthread_mutex_lock(&week->lock);
    WeekBook old = week->book;
    week->book = book;
    pthread_mutex_unlock(&week->lock);
    clear(&old);
    return true;
}

static void forget_too_big(Week *week, TimeMs now) {
    bool is_big = bytes_of(&week->book) > kept_bytes_max;
    if (is_big) {
        week->too_big_at = now;
    }
    if (is_big && week->asked_at + keep_unasked < now) {
        clear(&week->book);
    }
}

bool week_keep(Week *week, State *state, TimeMs now, Err *err) {
    pthread_mutex_lock(&week->lock);
    TimeMs built_at = week->book.built_at;
    bool too_big = week->too_big_at && week->too_big_at + keep > now;
    bool is_old = built_at && (built_at > now || built_at + renew_after < now);
    bool ok = too_big || is_old || read_new(&week->book, state, now, err);
    forget_too_big(week, now);
    pthread_mutex_unlock(&week->lock);
    return ok && (too_big || !is_old || renew(week, state, now, err));
}
