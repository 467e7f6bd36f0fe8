#pragma once

/*
 * The label sets of the last seven days, and when they fired: for the question what a silence would
 * have caught, to find those that somebody names among many, and to know the newest of them for the
 * annotation feed.
 *
 * Label sets are packed one behind the other, so that going over a hundred thousand of them takes
 * milliseconds, where the database takes half a second to give them. week_keep() reads them before
 * anybody asks, and anew each day; each question adds what has been stored since. Where that takes
 * too much memory, they are read at a question and forgotten when nobody has asked for a while.
 * week.c keeps them, week_ask.c answers.
 *
 * Threads: any; it locks inside.
 */

#include <pthread.h>

#include "model/matcher.h"
#include "notify/idmap.h"
#include "state/state.h"

/* Once that a label set fired. */
typedef struct WeekFiring {
    TimeMs at;     /* when we learnt that it began; 0 = more than a week ago */
    TimeMs from;   /* when it began */
    TimeMs to;     /* 0 = it goes on */
    size_t set;    /* its place in `sets` */
    size_t before; /* the one before of this set: its place + 1; 0 = none */
} WeekFiring;

typedef struct WeekName {
    Str name;
    uint64_t number;
    struct WeekName *next_of_key;
} WeekName;

typedef struct WeekSet {
    int64_t number; /* the database's */
    size_t at;      /* where it begins in `labels` */
    size_t newest;  /* of its firings: the place + 1; 0 = none */
} WeekSet;

typedef struct WeekBook {
    const _Atomic bool *ending; /* reading is to be given up */
    TimeMs built_at;            /* 0 = nothing is kept */
    int64_t last_id;            /* of the history read */
    Arena arena;                /* of names */
    IdMap names;                /* by hash: WeekName */
    uint64_t names_count;
    Buf labels; /* sets: how many labels, then number of the name, value */
    WeekSet *sets;
    size_t sets_count, sets_cap;
    IdMap by_number; /* by the database's number of a set: its place + 1 */
    WeekFiring *firings;
    size_t firings_count, firings_cap;
} WeekBook;

typedef struct Week {
    pthread_mutex_t lock; /* of all but `ending` */
    WeekBook book;
    TimeMs asked_at;
    TimeMs too_big_at;   /* when it was found to be; 0 = it is not */
    _Atomic bool ending; /* week_interrupt() */
} Week;

void week_init(Week *week);
void week_finish(Week *week);

/* How often alerts with such labels began to fire in the seven days before `now`, and how many
 * different ones. */
bool week_count(Week *week, State *state, const MatcherSet *filter, TimeMs now,
                uint64_t *ret_firings, uint64_t *ret_alerts, Err *err) MUST_CHECK;

/* The numbers of the label sets that match, of alerts that are stored now and of all that something
 * happened to since `from`; false with ERR_NOT_FOUND if that is more than a week ago. */
typedef struct WeekSearch {
    const MatcherSet *filter; /* NULL = all */
    Str name;                 /* of the alert, or its fingerprint in hex; "" = any */
} WeekSearch;
bool week_find(Week *week, State *state, const WeekSearch *search, TimeMs from, TimeMs now,
               Arena *arena, int64_t **ret_numbers, size_t *ret_count, Err *err) MUST_CHECK;

/* The numbers of the label sets that fired last among those that fired in [from, to] and pass: at
 * most `max` (above 0), each once. False with ERR_NOT_FOUND if that is not known, since some of
 * them would have begun to fire more than a week ago. `passes` is asked once a label set at most,
 * under the lock, with labels that are valid during the call; NULL = all do. */
typedef bool WeekPassesFn(const void *context, LabelSet labels);
typedef struct WeekLast {
    TimeMs from, to;
    WeekPassesFn *passes;
    const void *context;
    size_t max;
} WeekLast;
bool week_last(Week *week, State *state, const WeekLast *last, TimeMs now, Arena *arena,
               int64_t **ret_numbers, size_t *ret_count, Err *err) MUST_CHECK;

/* Of a thread in the background, each minute or so. */
bool week_keep(Week *week, State *state, TimeMs now, Err *err) MUST_CHECK;
/* Makes what reads now fail soon (ERR_CANCELLED), and all later reading. */
void week_interrupt(Week *week);

/* ---- for week_ask.c ---- */

extern const DurationMs week_span;

/* Reads what is new, because somebody asks; `lock` is held. */
bool week_read_new(Week *week, State *state, TimeMs now, Err *err) MUST_CHECK;
WeekName *week_name(const WeekBook *book, Str name); /* NULL = no label is called so */
