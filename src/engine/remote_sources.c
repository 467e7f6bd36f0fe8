#include "engine/remote_sources.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

#define LOOKBACK_MS (5 * MINUTE_MS)
/* Samples are counted over these spans. The short one shows what sends often as soon as it does,
 * the long one what sends seldom. */
#define COUNT_SPAN_MS (10 * MINUTE_MS)
#define COUNT_SHORT_MS (2 * MINUTE_MS)
enum { COUNT_SHORT_LEAST = 3 };

static const DurationMs ASK_EVERY = SECOND_MS, PATIENCE = SECOND_MS, RETRY_AFTER = 30 * SECOND_MS;
/* At the start, so far back for sources that went dark while nobody asked. */
static const DurationMs FIRST_SPAN = HOUR_MS;
static const DurationMs COUNT_EVERY = MINUTE_MS / 2;
/* A store that is further behind is late itself. */
static const DurationMs LAG_MAX = MINUTE_MS;
/* After so long the shortest lag is that of the time since. */
static const DurationMs LAG_KEPT = COUNT_SPAN_MS;

typedef struct KnownSource {
    char *name;
    TimeMs newest, received_at;
    DurationMs lag, lag_before; /* shortest one of this span, and of the one before */
    TimeMs lag_since;
    DurationMs interval; /* 0 = not known */
    bool is_forgotten;
} KnownSource;

struct RemoteSources {
    pthread_mutex_t asking; /* one thread asks, the others wait for what it learns */
    pthread_mutex_t lock;
    KnownSource *items;
    size_t items_count, items_cap;
    TimeMs asked_at, counted_at, failed_at; /* 0 = never; of failures: not since it went well */
};

RemoteSources *remote_sources_new(void) {
    RemoteSources *sources = mem_zero(1, sizeof *sources);
    pthread_mutex_init(&sources->asking, NULL);
    pthread_mutex_init(&sources->lock, NULL);
    return sources;
}

void remote_sources_free(RemoteSources *sources) {
    if (!sources) {
        return;
    }
    for (size_t i = 0; i < sources->items_count; i++) {
        free(sources->items[i].name);
    }
    free(sources->items);
    pthread_mutex_destroy(&sources->asking);
    pthread_mutex_destroy(&sources->lock);
    free(sources);
}

static KnownSource *find(const RemoteSources *sources, Str name) {
    for (size_t i = 0; i < sources->items_count; i++) {
        if (str_eq(str_of(sources->items[i].name), name)) {
            return &sources->items[i];
        }
    }
    return NULL;
}

static KnownSource *find_or_add(RemoteSources *sources, Str name) {
    KnownSource *known = find(sources, name);
    if (known) {
        return known;
    }
    char *copy = mem_zero(name.len + 1, 1);
    memcpy(copy, name.ptr, name.len);
    KnownSource added = {.name = copy, .newest = TIME_MIN, .lag = LAG_MAX, .lag_before = LAG_MAX};
    VEC_PUSH(*sources, items, added);
    return &sources->items[sources->items_count - 1];
}

static DurationMs shorter(DurationMs a, DurationMs b) {
    return a < b ? a : b;
}

static void see_lag(KnownSource *known, TimeMs now) {
    DurationMs lag = now > known->newest ? now - known->newest : 0;
    if (known->lag_since == 0 || now - known->lag_since >= LAG_KEPT) {
        known->lag_before = known->lag_since ? known->lag : LAG_MAX;
        known->lag = LAG_MAX;
        known->lag_since = now;
    }
    known->lag = shorter(known->lag, lag);
}

void remote_sources_see(RemoteSources *sources, Str name, TimeMs newest, TimeMs now) {
    pthread_mutex_lock(&sources->lock);
    KnownSource *known = find_or_add(sources, name);
    if (newest > known->newest) {
        known->newest = newest;
        known->received_at = now;
        known->is_forgotten = false;
        see_lag(known, now);
    }
    pthread_mutex_unlock(&sources->lock);
}

void remote_sources_know(RemoteSources *sources, Str name, TimeMs newest) {
    pthread_mutex_lock(&sources->lock);
    KnownSource *known = find_or_add(sources, name);
    if (newest > known->newest) {
        known->newest = known->received_at = newest;
        known->lag = known->lag_before = 0; /* taken off already when it was written down */
    }
    pthread_mutex_unlock(&sources->lock);
}

bool remote_sources_forget(RemoteSources *sources, Str name) {
    pthread_mutex_lock(&sources->lock);
    KnownSource *known = find(sources, name);
    bool found = known && !known->is_forgotten;
    if (found) {
        known->is_forgotten = true;
    }
    pthread_mutex_unlock(&sources->lock);
    return found;
}

void remote_sources_list(RemoteSources *sources, Arena *arena, StoreSource **ret_sources,
                         size_t *ret_count) {
    pthread_mutex_lock(&sources->lock);
    StoreSource *list = arena_array(arena, StoreSource, sources->items_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < sources->items_count; i++) {
        const KnownSource *known = &sources->items[i];
        if (!known->is_forgotten) {
            list[count++] = (StoreSource){
                .source = arena_str(arena, str_of(known->name)),
                .newest = known->newest + shorter(known->lag, known->lag_before),
                .received_at = known->received_at,
                .interval = known->interval,
            };
        }
    }
    pthread_mutex_unlock(&sources->lock);
    *ret_sources = list;
    *ret_count = count;
}

/* ---- asking ---- */

static void take_newest(RemoteSources *sources, Str label, const Value *value, TimeMs now) {
    for (size_t i = 0; i < value->series_count; i++) {
        const ValueSeries *series = &value->series[i];
        Str name = labels_get(series->labels, label);
        for (size_t k = 0; name.len && k < series->count; k++) {
            remote_sources_see(sources, name, (TimeMs)(series->values[k] * 1000 + 0.5), now);
        }
    }
}

/* How often a source sends is what its most regular series shows, at its best. */
static void take_counts(RemoteSources *sources, Str label, const Value *value, DurationMs span,
                        double least) {
    pthread_mutex_lock(&sources->lock);
    for (size_t i = 0; i < value->series_count; i++) {
        const ValueSeries *series = &value->series[i];
        KnownSource *known = find(sources, labels_get(series->labels, label));
        if (known && series->count && series->values[0] >= least) {
            DurationMs interval = (DurationMs)((double)span / series->values[0]);
            known->interval = known->interval ? shorter(known->interval, interval) : interval;
        }
    }
    pthread_mutex_unlock(&sources->lock);
}

static bool ask(const RemoteEngine *engine, Str text, QueryRange range, Arena *arena,
                Value *ret_value) {
    QueryOptions options = {.lookback = LOOKBACK_MS, .budget = {.timeout_ns = PATIENCE * 1000000}};
    EngineExpr expr = {.text = text};
    bool ok = false;
    Err err = {0};
    remote_query(engine, &expr, 1, range, &options, arena, ret_value, &ok, &err);
    return ok;
}

static void count_samples(RemoteSources *sources, const RemoteEngine *engine, Str label, TimeMs now,
                          Arena *arena) {
    static const struct {
        DurationMs span;
        double least;
    } counts[] = {{COUNT_SPAN_MS, 1}, {COUNT_SHORT_MS, COUNT_SHORT_LEAST}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        Str text = arena_printf(arena, "max by (%.*s) (count_over_time(up[%ds]))", STR_ARG(label),
                                (int)(counts[i].span / SECOND_MS));
        Value value = {0};
        if (!ask(engine, text, (QueryRange){.from = now, .to = now}, arena, &value)) {
            return;
        }
        take_counts(sources, label, &value, counts[i].span, counts[i].least);
    }
    sources->counted_at = now;
}

static bool ask_now(RemoteSources *sources, const RemoteEngine *engine, Str label, TimeMs now) {
    AUTO(arena_finish) Arena arena = {0};
    Str newest = arena_printf(&arena, "max by (%.*s) (timestamp(up))", STR_ARG(label));
    bool is_first = sources->asked_at == 0;
    QueryRange range = {
        .from = is_first ? now - FIRST_SPAN : now, .to = now, .step = is_first ? LOOKBACK_MS : 0};
    Value value = {0};
    if (!ask(engine, newest, range, &arena, &value)) {
        return false;
    }
    take_newest(sources, label, &value, now);
    if (sources->counted_at == 0 || now - sources->counted_at >= COUNT_EVERY) {
        count_samples(sources, engine, label, now, &arena);
    }
    return true;
}

bool remote_sources_ask(RemoteSources *sources, const RemoteEngine *engine, Str label, TimeMs now) {
    pthread_mutex_lock(&sources->asking);
    bool is_known =
        sources->asked_at && now - sources->asked_at < ASK_EVERY && now >= sources->asked_at;
    bool may_ask = sources->failed_at == 0 || now - sources->failed_at >= RETRY_AFTER ||
                   now < sources->failed_at;
    if (!is_known && may_ask) {
        is_known = ask_now(sources, engine, label, now);
        sources->asked_at = is_known ? now : sources->asked_at;
        sources->failed_at = is_known ? 0 : now;
    }
    pthread_mutex_unlock(&sources->asking);
    return is_known;
}
