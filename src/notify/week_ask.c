/* Questions to the week: week.c keeps it. */

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "notify/week.h"

/* ---- the question ---- */

typedef struct Question {
    const WeekBook *book;
    const MatcherSet *filter;
    uint64_t *names; /* numbers, one a matcher */
    bool *met;       /* the label set has it */
} Question;

static void ask(Question *question, Arena *arena) {
    size_t count = question->filter->count;
    question->names = arena_array(arena, uint64_t, count + 1);
    question->met = arena_array(arena, bool, count + 1);
    for (size_t i = 0; i < count; i++) {
        const WeekName *name = week_name(question->book, question->filter->items[i].name);
        question->names[i] = name ? name->number : UINT64_MAX;
    }
}

/* Ends at the first label that does not match: most sets do not. Or at the last that is asked for.
 */
static bool covers(const Question *question, size_t set) {
    const WeekBook *book = question->book;
    const MatcherSet *filter = question->filter;
    ByteReader reader = reader_of(str_skip(buf_view(&book->labels), book->sets[set].at));
    size_t unmet = filter->count;
    memset(question->met, 0, filter->count);
    for (uint64_t left = reader_varint(&reader); left > 0 && unmet > 0; left--) {
        uint64_t name = reader_varint(&reader);
        Str value = reader_bytes(&reader, reader_varint(&reader));
        for (size_t i = 0; i < filter->count; i++) {
            if (question->names[i] == name) {
                question->met[i] = true;
                unmet--;
                if (!matcher_matches(&filter->items[i], value)) {
                    return false;
                }
            }
        }
    }
    for (size_t i = 0; i < filter->count; i++) {
        if (!question->met[i] && !filter->items[i].matches_empty) {
            return false;
        }
    }
    return true;
}

/* What is known of a label set while firings are counted. */
enum { UNKNOWN, UNCOVERED, COVERED };

static void count(const Question *question, TimeMs now, uint64_t *ret_firings,
                  uint64_t *ret_alerts) {
    const WeekBook *book = question->book;
    uint8_t *known = mem_zero(book->sets_count + 1, 1);
    uint64_t firings = 0, alerts = 0;
    for (size_t i = 0; i < book->firings_count; i++) {
        const WeekFiring *firing = &book->firings[i];
        if (firing->at < now - week_span || firing->at > now) {
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
    Question question = {.book = &week->book, .filter = filter};
    pthread_mutex_lock(&week->lock);
    bool ok = week_read_new(week, state, now, err);
    if (ok) {
        ask(&question, &arena);
        count(&question, now, ret_firings, ret_alerts);
    }
    pthread_mutex_unlock(&week->lock);
    return ok;
}

/* ---- finding ---- */

/* By number. */
static Str *names_of(const WeekBook *book, Arena *arena) {
    Str *names = arena_array(arena, Str, (size_t)book->names_count + 1);
    for (size_t i = 0; i < book->names.cap; i++) {
        for (const WeekName *item = book->names.slots[i].value; item; item = item->next_of_key) {
            names[item->number] = item->name;
        }
    }
    return names;
}

/* Where a label set is an alert of that name, or has that fingerprint in hex. */
typedef struct Named {
    Str name;
    uint64_t number; /* of the label `alertname` */
    bool is_hex;
    const Str *names; /* for fingerprints */
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

static Named named_of(const WeekBook *book, Str name, Arena *arena) {
    const WeekName *alertname = week_name(book, STR("alertname"));
    return (Named){.name = name,
                   .number = alertname ? alertname->number : UINT64_MAX,
                   .is_hex = is_fingerprint(name),
                   .names = names_of(book, arena)};
}

static bool is_named(const WeekBook *book, const Named *named, size_t set) {
    ByteReader reader = reader_of(str_skip(buf_view(&book->labels), book->sets[set].at));
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

static void find(const WeekBook *book, const WeekSearch *search, Arena *arena,
                 int64_t **ret_numbers, size_t *ret_count) {
    Named named = named_of(book, search->name, arena);
    MatcherSet filter = search->filter ? *search->filter : (MatcherSet){0};
    Question question = {.book = book, .filter = &filter};
    size_t count = 0;
    ask(&question, arena);
    *ret_numbers = arena_array(arena, int64_t, book->sets_count + 1);
    for (size_t i = 0; i < book->sets_count; i++) {
        if ((!search->name.len || is_named(book, &named, i)) &&
            (!filter.count || covers(&question, i))) {
            (*ret_numbers)[count++] = book->sets[i].number;
        }
    }
    *ret_count = count;
}

bool week_find(Week *week, State *state, const WeekSearch *search, TimeMs from, TimeMs now,
               Arena *arena, int64_t **ret_numbers, size_t *ret_count, Err *err) {
    pthread_mutex_lock(&week->lock);
    bool ok = week_read_new(week, state, now, err);
    if (ok && from < week->book.built_at - week_span) {
        ok = err_set(err, ERR_NOT_FOUND, "more than a week ago");
    }
    if (ok) {
        find(&week->book, search, arena, ret_numbers, ret_count);
    }
    pthread_mutex_unlock(&week->lock);
    return ok;
}

/* ---- the newest ---- */

typedef struct Dated {
    TimeMs from;
    size_t set;
} Dated;

static int compare_dated(const void *a, const void *b) {
    TimeMs x = ((const Dated *)a)->from, y = ((const Dated *)b)->from;
    return (x < y) - (x > y);
}

/* Those that fired in the time asked for, the newest first. They came nearly in order. */
static Dated *dated_of(const WeekBook *book, const WeekLast *last, size_t *ret_count) {
    Dated *list = mem_grow(NULL, (book->firings_count + 1) * sizeof *list);
    size_t count = 0;
    bool in_order = true;
    for (size_t i = book->firings_count; i-- > 0;) {
        const WeekFiring *firing = &book->firings[i];
        if (firing->from <= last->to && (!firing->to || firing->to >= last->from)) {
            in_order = in_order && (!count || list[count - 1].from >= firing->from);
            list[count++] = (Dated){firing->from, firing->set};
        }
    }
    if (!in_order) {
        qsort(list, count, sizeof *list, compare_dated);
    }
    *ret_count = count;
    return list;
}

static bool passes(const WeekBook *book, const WeekLast *last, const Str *names, size_t set) {
    if (!last->passes) {
        return true;
    }
    ByteReader reader = reader_of(str_skip(buf_view(&book->labels), book->sets[set].at));
    Label labels[LABELS_MAX];
    size_t count = 0;
    for (uint64_t left = reader_varint(&reader); left > 0 && count < LABELS_MAX; left--) {
        Str name = names[reader_varint(&reader)];
        labels[count++] = (Label){name, reader_bytes(&reader, reader_varint(&reader))};
    }
    return last->passes(last->context, (LabelSet){labels, count});
}

/* Returns where the last one taken began. */
static TimeMs take_last(const WeekBook *book, const WeekLast *last, Arena *arena,
                        int64_t **ret_numbers, size_t *ret_count) {
    uint8_t *known = mem_zero(book->sets_count + 1, 1);
    const Str *names = names_of(book, arena);
    size_t dated_count, count = 0;
    Dated *dated = dated_of(book, last, &dated_count);
    TimeMs oldest = TIME_MAX;
    size_t most = last->max < dated_count ? last->max : dated_count;
    int64_t *numbers = arena_array(arena, int64_t, most + 1);
    for (size_t i = 0; i < dated_count && count < last->max; i++) {
        if (!known[dated[i].set] && passes(book, last, names, dated[i].set)) {
            numbers[count++] = book->sets[dated[i].set].number;
            oldest = dated[i].from;
        }
        known[dated[i].set] = 1;
    }
    free(dated);
    free(known);
    *ret_numbers = numbers;
    *ret_count = count;
    return oldest;
}

bool week_last(Week *week, State *state, const WeekLast *last, TimeMs now, Arena *arena,
               int64_t **ret_numbers, size_t *ret_count, Err *err) {
    pthread_mutex_lock(&week->lock);
    bool ok = week_read_new(week, state, now, err);
    if (ok) {
        TimeMs begin = week->book.built_at - week_span;
        TimeMs oldest = take_last(&week->book, last, arena, ret_numbers, ret_count);
        if (last->from < begin && (*ret_count < last->max || oldest < begin)) {
            ok = err_set(err, ERR_NOT_FOUND, "more than a week ago");
        }
    }
    pthread_mutex_unlock(&week->lock);
    return ok;
}
