/* Everybody at once, for ThreadSanitizer: alerts come and go, groups are decided for and delivered,
 * silences and flags are set, configurations swapped, the outbox looked at and retried by hand. The
 * receiver is the log: what is raced is ours, not the network's. */

#include <assert.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "notify/notify.h"

enum { ROUNDS = 60, ALERTS = 40 };

static const char *const configurations[] = {
    "route: {receiver: a, group_by: [n], group_wait: 0s, group_interval: 1s}\n"
    "receivers: [{name: a, log_configs: [{}]}, {name: b, log_configs: [{}]}]\n"
    "inhibit_rules: [{source_matchers: [n=1], target_matchers: [n=2], equal: [alertname]}]\n"
    "heartbeat: {receiver: b, interval: 1s}\n",
    "route: {receiver: b, group_wait: 0s, group_interval: 1s, routes: [{matchers: [n=3], receiver: "
    "a}]}\n"
    "receivers: [{name: a, log_configs: [{}]}, {name: b, log_configs: [{}]}]\n",
};

typedef struct Race {
    State *state;
    Net *net, *watch_net;
    Notify *notify;
    NotifyConfig *configs[2];
    _Atomic TimeMs now;
    _Atomic int running;
} Race;

static NotifyConfig *load(const char *text) {
    AUTO(arena_finish) Arena arena = {0};
    Problems problems = {0};
    YamlDocs docs;
    bool parsed = yaml_parse(&arena, str_of(text), STR("race.yml"), &docs, &problems);
    assert(parsed);
    NotifyConfig *config = notify_config_load(
        &(NotifyConfigSource){.notify = docs.items[0], .file = STR("race.yml")}, &problems);
    assert(config);
    problems_finish(&problems);
    return config;
}

static void must(bool ok, const Err *err) {
    if (!ok) {
        fprintf(stderr, "race_notify: %s\n", err->text);
        abort();
    }
}

static void change(Race *race, int n, bool fires) {
    char text[16];
    snprintf(text, sizeof text, "%d", n % 5);
    char instance[16];
    snprintf(instance, sizeof instance, "i%d", n);
    TimeMs now = atomic_fetch_add(&race->now, 50);
    Label labels[] = {{STR("alertname"), STR("Race")},
                      {STR("instance"), str_of(instance)},
                      {STR("n"), str_of(text)}};
    AlertChange row = {.event = fires ? ALERT_BECAME_FIRING : ALERT_BECAME_RESOLVED,
                       .alert = {.rule_key = STR("rule"),
                                 .labels = {labels, 3},
                                 .generator_url = STR(""),
                                 .phase = fires ? ALERT_FIRING : ALERT_INACTIVE,
                                 .active_at = now,
                                 .fired_at = now,
                                 .resolved_at = fires ? 0 : now,
                                 .updated_at = now},
                       .reason = "race"};
    StateTx *tx;
    Err err = {0};
    int64_t id;
    must(state_begin(race->state, &tx, &err), &err);
    bool ok = state_put_alerts(tx, &row, 1, &id, &err) &&
              notify_accept(race->notify, tx, &row, &id, 1, now, &err);
    must(ok, &err);
    ok = state_commit(tx, &err);
    notify_accepted(race->notify, ok);
    must(ok, &err);
}

static void *run_rules(void *context) {
    Race *race = context;
    for (int i = 0; i < ROUNDS * 5; i++) {
        change(race, i % ALERTS, i / ALERTS % 2 == 0);
        notify_evaluated(race->notify, race->now);
    }
    atomic_fetch_sub(&race->running, 1);
    return NULL;
}

static void *run_loop(void *context) {
    Race *race = context;
    while (race->running > 0) {
        (void)notify_flush(race->notify, race->now);
        (void)notify_deliver(race->notify, race->now, 1);
    }
    return NULL;
}

static void *run_watch(void *context) {
    Race *race = context;
    while (race->running > 0) {
        notify_watch(race->notify, race->watch_net, race->now);
        usleep(1000);
    }
    return NULL;
}

static void *run_people(void *context) {
    Race *race = context;
    for (int i = 0; i < ROUNDS; i++) {
        AUTO(arena_finish) Arena arena = {0};
        Err err = {0};
        Str id;
        TimeMs now = race->now;
        SilenceMatcher matcher = {STR("n"), STR("4"), false, true};
        Silence silence = {.matchers = &matcher,
                           .matcher_count = 1,
                           .starts_at = now,
                           .ends_at = now + 500,
                           .created_by = STR("ann"),
                           .comment = STR("race")};
        Actor actor = {.name = STR("ann")};
        must(notify_silence_set(race->notify, &silence, &actor, now, &arena, &id, &err), &err);
        TestTarget *targets;
        size_t count;
        NotifyTest test = {.receiver = STR("a")};
        must(notify_test(race->notify, &test, &actor, now, &arena, &targets, &count, &err), &err);
        must(notify_retry(race->notify, NULL, 0, &actor, now, &count, &err), &err);
        must(notify_silence_expire(race->notify, id, &actor, now + 1, &err), &err);
    }
    atomic_fetch_sub(&race->running, 1);
    return NULL;
}

static void *run_readers(void *context) {
    Race *race = context;
    while (race->running > 0) {
        AUTO(arena_finish) Arena arena = {0};
        AUTO(buf_finish) Buf text = {0};
        AlertView *alerts;
        AlertGroupView *groups;
        NotificationView *views;
        size_t count;
        notify_alerts(race->notify, &(MatcherSet){0}, race->now, &arena, &alerts, &count);
        notify_groups(race->notify, &(MatcherSet){0}, race->now, &arena, &groups, &count);
        notify_notifications(race->notify, &(NotificationFilter){0}, &arena, &views, &count);
        notify_route_print(race->notify, false, &text);
        MetricWriter metrics = {.buf = &text};
        notify_metrics(race->notify, &metrics);
        usleep(500);
    }
    return NULL;
}

static void *run_reloads(void *context) {
    Race *race = context;
    for (int i = 0; i < ROUNDS; i++) {
        Err err = {0};
        must(notify_reload(race->notify, race->configs[i % 2], race->now, &err), &err);
        usleep(1000);
    }
    atomic_fetch_sub(&race->running, 1);
    return NULL;
}

int main(void) {
    static void *(*const runs[])(void *) = {run_rules,   run_people,  run_reloads, run_loop,
                                            run_readers, run_readers, run_watch};
    enum { THREADS = sizeof runs / sizeof *runs };
    char dir[] = "/tmp/belfry-race-XXXXXX", path[64];
    Race race = {.now = INT64_C(1767225600000), .running = 3};
    pthread_t threads[THREADS];
    Err err = {0};
    log_setup(LOG_ERROR, LOG_LOGFMT);
    must(mkdtemp(dir) != NULL, &err);
    snprintf(path, sizeof path, "%s/state.db", dir);
    race.configs[0] = load(configurations[0]);
    race.configs[1] = load(configurations[1]);
    must(state_open(&(StateOptions){.path = path}, &race.state, &err), &err);
    must(net_open(&race.net, &err) && net_open(&race.watch_net, &err), &err);
    must(notify_open(
             &(NotifyOptions){
                 .state = race.state, .net = race.net, .config = race.configs[0], .now = race.now},
             &race.notify, &err),
         &err);
    for (int i = 0; i < THREADS; i++) {
        must(pthread_create(&threads[i], NULL, runs[i], &race) == 0, &err);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    notify_close(race.notify);
    net_close(race.net);
    net_close(race.watch_net);
    state_close(race.state);
    notify_config_unref(race.configs[0]);
    notify_config_unref(race.configs[1]);
    must(dir_remove(dir, &err), &err);
    return 0;
}
