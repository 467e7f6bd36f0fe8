/* The loops of the server, a thread each; see serve.h. */

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "app/app.h"
#include "app/observe.h"
#include "app/opentsdb.h"
#include "base/mem.h"
#include "state/rows_source_gap.h"

/* ---- scheduler ---- */

struct PendingTick {
    PendingTick *next;
    RulesTick tick;
    TimeMs at;
    size_t done; /* changes that are committed */
};

enum { PENDING_TICKS_MAX = 1000 };

/* A thread with nothing to do looks again after this long. */
static const DurationMs idle_interval = 5 * SECOND_MS;

/* One transaction: alert rows and what makes them ring. */
static bool commit_changes(App *app, const AlertChange *changes, size_t count, TimeMs now,
                           Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(state_rollbackp) StateTx *tx = NULL;
    int64_t *ids = arena_array(&arena, int64_t, count);
    if (!state_begin(app->state, &tx, err)) {
        return false;
    }
    bool good = state_put_alerts(tx, changes, count, ids, err) &&
                notify_accept(app->notify, tx, changes, ids, count, now, err);
    if (good) {
        good = state_commit(TAKE(tx), err);
    }
    notify_accepted(app->notify, good);
    return good;
}

/* Before the changes: what holds an alert after a restart is known no later than the alert. */
static bool commit_gaps(App *app, RulesTick *tick, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(state_rollbackp) StateTx *tx = NULL;
    if (!tick->gaps_changed) {
        return true;
    }
    SourceGapRow *rows = arena_array(&arena, SourceGapRow, tick->gap_count + 1);
    for (size_t i = 0; i < tick->gap_count; i++) {
        rows[i] = (SourceGapRow){tick->gaps[i].source, tick->gaps[i].from, tick->gaps[i].to};
    }
    bool good = state_begin(app->state, &tx, err) &&
                state_put_source_gaps(tx, rows, tick->gap_count, err) &&
                state_commit(TAKE(tx), err);
    tick->gaps_changed = !good;
    return good;
}

static bool commit_tick(App *app, PendingTick *pending, Err *err) {
    RulesTick *tick = &pending->tick;
    if (!commit_gaps(app, tick, err)) {
        return false;
    }
    while (pending->done < tick->changes_count) {
        size_t left = tick->changes_count - pending->done;
        size_t count = left < STATE_TX_ALERTS_MAX ? left : STATE_TX_ALERTS_MAX;
        if (!commit_changes(app, tick->changes + pending->done, count, pending->at, err)) {
            return false;
        }
        pending->done += count;
    }
    return true;
}

static void drop_first(Backlog *backlog) {
    PendingTick *first = backlog->first;
    backlog->first = first->next;
    backlog->last = backlog->first ? backlog->last : NULL;
    backlog->count--;
    rules_tick_finish(&first->tick);
    free(first);
}

/* Brings ticks to rest in order: the truth first, then its shadow in the store, then one sync for
 * both. Under the backlog's lock. */
static void settle(App *app) {
    Backlog *backlog = &app->backlog;
    while (backlog->first) {
        PendingTick *pending = backlog->first;
        Err err = {0};
        if (!commit_tick(app, pending, &err)) {
            log_event(LOG_ERROR, "alert changes not stored, will retry",
                      LOG_STR("reason", str_of(err.text)),
                      LOG_INT("evaluations_waiting", (int64_t)backlog->count));
            return;
        }
        if (pending->tick.changes_count) {
            notify_wake(app->notify); /* which needs nothing of what follows */
        }
        if (!rules_write_alerts(app->rules, &pending->tick, pending->at, &err) ||
            !engine_sync(app->engine, pending->tick.lsn, &err)) {
            log_event(LOG_ERROR, "ALERTS series not written", LOG_STR("reason", str_of(err.text)));
        }
        drop_first(backlog);
    }
}

static bool backlog_has_room(Backlog *backlog) {
    pthread_mutex_lock(&backlog->lock);
    bool has_room = backlog->count < PENDING_TICKS_MAX;
    pthread_mutex_unlock(&backlog->lock);
    return has_room;
}

static void backlog_add(Backlog *backlog, PendingTick *pending) {
    pthread_mutex_lock(&backlog->lock);
    if (backlog->last) {
        backlog->last->next = pending;
    } else {
        backlog->first = pending;
    }
    backlog->last = pending;
    backlog->count++;
    pthread_mutex_unlock(&backlog->lock);
}

static bool begins(const RulesTick *tick) {
    for (size_t i = 0; i < tick->changes_count; i++) {
        if (tick->changes[i].event == ALERT_BECAME_FIRING) {
            return true;
        }
    }
    return false;
}

/* Evaluates the oldest due slot, one of those put aside or not. False if none was due. */
static bool evaluate(App *app, bool is_aside) {
    TimeMs now = clock_now();
    TimeMs due = is_aside ? rules_aside_due(app->rules, now) : rules_next_due(app->rules, now);
    if (due > now || !backlog_has_room(&app->backlog)) {
        return false;
    }
    PendingTick *pending = mem_zero(1, sizeof *pending);
    pending->at = now;
    if (is_aside) {
        rules_tick_aside(app->rules, now, &pending->tick);
    } else {
        rules_tick(app->rules, now, &pending->tick);
    }
    bool did_evaluate = pending->tick.did_evaluate;
    if (begins(&pending->tick)) {
        observe_flags(app, clock_now()); /* of a source that came since it was looked up, too */
    }
    backlog_add(&app->backlog, pending);
    return did_evaluate;
}

/* For as long as it is from now: a wall clock that is set back meanwhile does not make it longer.
 */
static void sleep_until(App *app, TimeMs until) {
    DurationMs wait = until - clock_now();
    int64_t until_ns = clock_monotonic_ns() + (wait > 0 ? wait * 1000000 : 0);
    pthread_mutex_lock(&app->wake_lock);
    if (!app->stopping) {
        (void)clock_wait(&app->wake, &app->wake_lock, until_ns);
    }
    pthread_mutex_unlock(&app->wake_lock);
}

/* A group that was put aside just now has an evaluation to catch up with. */
static void wake_aside(App *app) {
    TimeMs now = clock_now();
    if (rules_aside_due(app->rules, now) <= now) {
        pthread_mutex_lock(&app->wake_lock);
        pthread_cond_broadcast(&app->wake);
        pthread_mutex_unlock(&app->wake_lock);
    }
}

/* Flags that sources set themselves: before each evaluation, and for alerts from outside also
 * without one. */
static void observe(App *app, TimeMs *due) {
    static const DurationMs interval = 15 * SECOND_MS;
    TimeMs now = clock_now();
    if (now >= *due || *due > now + interval || rules_next_due(app->rules, now) <= now) {
        observe_flags(app, now);
        *due = now + interval;
    }
}

static void *run_scheduler(void *context) {
    App *app = context;
    Backlog *backlog = &app->backlog;
    TimeMs observation_due = 0;
    while (!app->stopping) {
        observe(app, &observation_due);
        bool evaluated = evaluate(app, false);
        wake_aside(app);
        pthread_mutex_lock(&backlog->lock);
        settle(app);
        bool is_settled = !backlog->first;
        pthread_mutex_unlock(&backlog->lock);
        if (is_settled) {
            notify_evaluated(app->notify, clock_now());
        }
        if (!evaluated) {
            TimeMs now = clock_now();
            TimeMs due = rules_next_due(app->rules, now);
            TimeMs later = now + SECOND_MS; /* new rules, a retry, a clock that was set */
            if (due <= now && is_settled) {
                continue; /* became due since evaluate() looked */
            }
            sleep_until(app, due > now && due < later ? due : later);
        }
    }
    return NULL;
}

/* Groups that would hold up the others, and would each other: one on each thread. What they change
 * is settled in the order it came. */
static void run_aside_job(void *context) {
    App *app = context;
    if (!app->stopping && evaluate(app, true)) {
        pthread_mutex_lock(&app->backlog.lock);
        settle(app);
        pthread_mutex_unlock(&app->backlog.lock);
    }
    app->aside_busy--;
}

static bool hand_out_aside(App *app) {
    if (app->aside_busy >= pool_threads(app->aside_pool)) {
        return false;
    }
    app->aside_busy++;
    if (!pool_submit(app->aside_pool, run_aside_job, app)) {
        app->aside_busy--;
        return false;
    }
    return true;
}

static void *run_aside(void *context) {
    static const DurationMs taking = 10; /* until a thread has taken what is due */
    App *app = context;
    while (!app->stopping) {
        TimeMs now = clock_now();
        TimeMs due = rules_aside_due(app->rules, now);
        TimeMs later = now + (due == TIME_MAX ? idle_interval : SECOND_MS);
        if (due <= now && hand_out_aside(app)) {
            later = now + taking;
        }
        sleep_until(app, due > now && due < later ? due : later);
    }
    return NULL;
}

/* ---- delivery ---- */

static void *run_delivery(void *context) {
    App *app = context;
    TimeMs due = 0;
    while (!app->stopping) {
        TimeMs flush_due = notify_flush(app->notify, clock_now());
        TimeMs now = clock_now();
        due = due < flush_due ? due : flush_due;
        DurationMs wait = due <= now ? 0 : due - now;
        due = notify_deliver(app->notify, now, wait < SECOND_MS ? wait : SECOND_MS);
    }
    return NULL;
}

/* ---- watch ---- */

static const DurationMs watch_interval = 5 * SECOND_MS;

/* Needs nothing of what it watches. */
static void *run_watch(void *context) {
    App *app = context;
    while (!app->stopping) {
        notify_watch(app->notify, app->watch_net, clock_now());
        sleep_until(app, clock_now() + watch_interval);
    }
    return NULL;
}

/* ---- the last week ---- */

static const DurationMs week_interval = MINUTE_MS;

static void *run_week(void *context) {
    App *app = context;
    while (!app->stopping) {
        Err err = {0};
        if (!notify_keep_week(app->notify, clock_now(), &err) && err.kind != ERR_CANCELLED) {
            log_event(LOG_WARN, "alerts of the last week not read",
                      LOG_STR("reason", str_of(err.text)));
        }
        sleep_until(app, clock_now() + week_interval);
    }
    return NULL;
}

/* ---- scraper ---- */

static void store_scrape(App *app, const SampleBatch *batch) {
    uint64_t lsn;
    StoreOutcome outcome;
    Err err = {0};
    /* Nobody waits for a scrape to be durable: the next sync of anyone takes it along. */
    if (!store_append(app->store, batch, clock_now(), &lsn, &outcome, &err)) {
        log_event(LOG_WARN, "scrape not stored", LOG_STR("reason", str_of(err.text)));
    } else if (outcome.first_bad[0]) {
        log_event(LOG_WARN, "samples of a scrape refused",
                  LOG_STR("first", str_of(outcome.first_bad)));
    }
}

static void *run_scraper(void *context) {
    App *app = context;
    while (!app->stopping) {
        Scraper *scraper = app_generation(app)->scraper;
        if (!scraper) {
            sleep_until(app, clock_now() + idle_interval);
            continue;
        }
        const SampleBatch *batch = scraper_next(scraper, clock_now(), SECOND_MS);
        if (batch) {
            store_scrape(app, batch);
        }
    }
    return NULL;
}

/* ---- orders ---- */

static void *run_orders(void *context) {
    App *app = context;
    while (!app->stopping) {
        WebOrder order;
        if (!web_take_order(app->web, idle_interval, &order)) {
            continue;
        }
        AUTO(buf_finish) Buf report = {0};
        AppActor actor = {str_of(order.actor), str_of(order.address)};
        bool good = app_reload(app, &actor, &report);
        web_answer_order(app->web, &order, good, buf_view(&report));
    }
    return NULL;
}

static void *run_opentsdb(void *context) {
    App *app = context;
    opentsdb_listen(app_generation(app)->config->ingest.opentsdb_listen, app);
    return NULL;
}

static bool start(App *app, void *(*run)(void *), const char *name, Err *err) {
    pthread_t *thread = &app->threads[app->thread_count];
    int result = pthread_create(thread, NULL, run, app);
    if (result != 0) {
        errno = result;
        return err_errno(err, "cannot start the %s thread", name);
    }
    pthread_setname_np(*thread, name);
    app->thread_count++;
    return true;
}

/* Of a remote engine they only wait. */
static int aside_threads(const App *app) {
    enum { REMOTE_THREADS = 32 };
    return engine_is_local(app->engine) ? pool_threads(app->pool) : REMOTE_THREADS;
}

bool app_start_loops(App *app, Err *err) {
    app->aside_pool = pool_new("slow rules", aside_threads(app), 64);
    bool opentsdb = app_generation(app)->config->ingest.opentsdb_listen.len > 0;
    return start(app, run_scheduler, "scheduler", err) &&
           start(app, run_aside, "slow rules", err) && start(app, run_delivery, "delivery", err) &&
           start(app, run_scraper, "scraper", err) && start(app, run_orders, "orders", err) &&
           start(app, run_watch, "watch", err) && start(app, run_week, "week", err) &&
           (!opentsdb || start(app, run_opentsdb, "opentsdb", err));
}

void app_stop_loops(App *app) {
    app->stopping = true;
    pthread_mutex_lock(&app->wake_lock);
    pthread_cond_broadcast(&app->wake);
    pthread_mutex_unlock(&app->wake_lock);
    rules_interrupt(app->rules);
    notify_wake(app->notify);
    notify_end_week(app->notify);
    web_wake_orders(app->web);
    Generation *generation = app_generation(app);
    if (generation->scraper) {
        scraper_wake(generation->scraper);
    }
    for (int i = 0; i < app->thread_count; i++) {
        pthread_join(app->threads[i], NULL);
    }
    pool_free(app->aside_pool);
    settle(app);
    while (app->backlog.first) {
        drop_first(&app->backlog);
    }
}
