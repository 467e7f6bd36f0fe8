/* Rules from all sides, for ThreadSanitizer: one thread ticks, others tick the groups that are
 * put aside because their datasource is slow, files are loaded anew, and readers look at
 * everything. Goes on until the slow group was evaluated aside some times, so that there was
 * something to race.
 */

#include <limits.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "rules/rules.h"

enum { ASIDE_WANTED = 3, SLOW_US = 1200000, PAUSE_US = 20000, PATIENCE_S = 90 };

typedef struct Race {
    Rules *rules;
    char dir[PATH_MAX];
    _Atomic TimeMs now;
    _Atomic int running, aside;
} Race;

static void must(bool ok, const char *what) {
    if (!ok) {
        fprintf(stderr, "race_rules: %s\n", what);
        abort();
    }
}

/* ---- the datasource: one series, late if the query says so ---- */

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **ctx) {
    static int begun, slow;
    static char text[] = "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["
                         "{\"metric\":{\"a\":\"b\"},\"value\":[1700000040,\"1\"]}]}}";
    (void)cls, (void)url, (void)method, (void)version;
    if (!*ctx) {
        *ctx = &begun;
        return MHD_YES;
    }
    if (*size) {
        if (memmem(data, *size, "slow", 4)) {
            *ctx = &slow;
        }
        *size = 0;
        return MHD_YES;
    }
    if (*ctx == &slow) {
        usleep(SLOW_US);
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(sizeof text - 1, text, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Content-Type", "application/json");
    enum MHD_Result queued = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return queued;
}

/* ---- the threads ---- */

static void *tick(void *context) {
    Race *race = context;
    while (race->running) {
        RulesTick ticked = {0};
        TimeMs now = atomic_fetch_add(&race->now, SECOND_MS);
        if (rules_next_due(race->rules, now) <= now) {
            rules_tick(race->rules, now, &ticked);
            rules_tick_finish(&ticked);
        }
        usleep(PAUSE_US);
    }
    return NULL;
}

static void *tick_aside(void *context) {
    Race *race = context;
    while (race->running) {
        RulesTick ticked = {0};
        TimeMs now = race->now;
        if (rules_aside_due(race->rules, now) <= now) {
            rules_tick_aside(race->rules, now, &ticked);
            race->aside += ticked.did_evaluate;
            rules_tick_finish(&ticked);
        }
        usleep(PAUSE_US);
    }
    return NULL;
}

static void *look(void *context) {
    Race *race = context;
    while (race->running) {
        AUTO(arena_finish) Arena arena = {0};
        AUTO(buf_finish) Buf problems = {0};
        GroupView *groups, group;
        size_t count, update_count;
        RuleUpdate *updates;
        rules_view(race->rules, &arena, &groups, &count);
        for (size_t i = 0; i < count; i++) {
            (void)rules_view_group(race->rules, groups[i].id, &arena, &group);
            for (size_t j = 0; j < groups[i].rule_count; j++) {
                (void)rules_updates(race->rules, groups[i].id, groups[i].rules[j].id, &arena,
                                    &updates, &update_count);
            }
        }
        rules_problems(race->rules, &problems);
        usleep(PAUSE_US);
    }
    return NULL;
}

static void load(Race *race, int version) {
    AUTO(problems_finish) Problems problems = {0};
    AUTO(buf_finish) Buf text = {0};
    char path[PATH_MAX + 16];
    Err err = {0};
    snprintf(path, sizeof path, "%s/rules.yml", race->dir);
    buf_printf(&text,
               "groups:\n"
               "  - {name: quick, interval: 2s, rules: [{alert: A, expr: m > %d, for: 4s}]}\n"
               "  - {name: slow, interval: 3s, rules: [{alert: B, expr: slow > 0}]}\n"
               "  - {name: slower, interval: 3s, rules: [{record: r, expr: slow}]}\n",
               version);
    must(file_replace(path, buf_view(&text), &err), err.text);
    RulesSource source = {.pattern = str_of(path)};
    must(rules_load(race->rules, &source, 1, race->now, &problems), "the rules do not load");
}

static void *reload(void *context) {
    Race *race = context;
    for (int version = 1; race->running; version++) {
        usleep(3 * SLOW_US);
        load(race, version % 2);
    }
    return NULL;
}

static void run(Race *race) {
    static void *(*const threads[])(void *) = {tick, tick_aside, tick_aside, look, reload};
    enum { THREADS = sizeof threads / sizeof *threads };
    pthread_t started[THREADS];
    race->running = 1;
    for (int i = 0; i < THREADS; i++) {
        must(pthread_create(&started[i], NULL, threads[i], race) == 0, "no thread");
    }
    for (int i = 0; i < PATIENCE_S * 10 && race->aside < ASIDE_WANTED; i++) {
        usleep(100000);
    }
    race->running = 0;
    rules_interrupt(race->rules);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(started[i], NULL);
    }
    must(race->aside >= ASIDE_WANTED, "the slow group was not put aside");
}

int main(void) {
    Race race = {.now = INT64_C(1700000040000)};
    Err err = {0};
    Net *net = NULL;
    char url[64];
    log_setup(LOG_ERROR + 1, LOG_LOGFMT);
    snprintf(race.dir, sizeof race.dir, "/tmp/belfry-race-XXXXXX");
    must(mkdtemp(race.dir) != NULL, "no folder");
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0, NULL,
                         NULL, answer, NULL, MHD_OPTION_END);
    must(daemon != NULL, "no datasource");
    snprintf(url, sizeof url, "http://127.0.0.1:%d",
             MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    must(net_open(&net, &err), err.text);
    NetOptions options = {0};
    Engine *engine = engine_remote_new(net, &(EngineRemoteOptions){.url = url, .net = &options});
    race.rules = rules_new(engine, &(RulesOptions){.evaluation_interval = 2 * SECOND_MS,
                                                   .lookback = 5 * MINUTE_MS,
                                                   .started_at = race.now,
                                                   .has_aside = true});
    load(&race, 0);
    run(&race);
    rules_free(race.rules);
    engine_free(engine);
    net_close(net);
    MHD_stop_daemon(daemon);
    must(dir_remove(race.dir, &err), err.text);
    return 0;
}
