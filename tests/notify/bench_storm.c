/*
 * An alert storm: 50,000 alerts in one evaluation, 600 bytes of labels and annotations each, 10
 * routes, 100 silences, 20 inhibition rules; once as 50,000 incidents, once in 500 groups. Measured
 * are the time until all is decided and committed with synchronous=FULL, the memory on top of the
 * idle program, the CPU time of deciding alone, and how long a silence that is set meanwhile waits.
 *
 *     meson test --benchmark notify/bench_storm      (BELFRY_BENCH_DIR: where the database is)
 */

#include <assert.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "notify/live.h"
#include "state/state.h"

enum { ALERTS = 50000, ROUTES = 10, SILENCES = 100, INHIBIT_RULES = 20, GROUPS = 500 };

#define T0 INT64_C(1767225600000)

static void must(bool ok, const Err *err) {
    if (!ok) {
        fprintf(stderr, "bench_storm: %s\n", err->text);
        exit(1);
    }
}

static double seconds(void) {
    return (double)clock_monotonic_ns() / 1e9;
}

/* Of this process, all threads: what a busy machine does not change. */
static double cpu_seconds(void) {
    struct timespec at;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static double resident_mb(void) {
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    bool read = file && fscanf(file, "%ld %ld", &pages, &resident) == 2;
    if (file) {
        fclose(file);
    }
    return read ? (double)resident * (double)sysconf(_SC_PAGESIZE) / 1e6 : 0;
}

/* ---- the configuration ---- */

static NotifyConfig *make_config(bool grouped) {
    AUTO(buf_finish) Buf text = {0};
    AUTO(arena_finish) Arena arena = {0};
    Problems problems = {0};
    YamlDocs docs;
    buf_printf(&text, "route:\n  receiver: r0\n  group_wait: 0s\n  group_by: %s\n  routes:\n",
               grouped ? "[team]" : "[]");
    for (int i = 0; i < ROUTES; i++) {
        buf_printf(&text, "    - {matchers: ['team=~\"t[0-9]*%d\"'], receiver: r%d}\n", i, i);
    }
    buf_printf(&text, "receivers:\n");
    for (int i = 0; i < ROUTES; i++) {
        buf_printf(&text,
                   "  - {name: r%d, pagerduty_configs: [{routing_key: k%d, incident: %s}]}\n", i, i,
                   grouped ? "group" : "alert");
    }
    buf_printf(&text, "inhibit_rules:\n");
    for (int i = 0; i < INHIBIT_RULES; i++) {
        buf_printf(&text,
                   "  - {source_matchers: ['alertname=Cause%d'], target_matchers: "
                   "['severity=warning'], equal: [cluster, team]}\n",
                   i);
    }
    bool parsed = yaml_parse(&arena, buf_view(&text), STR("storm.yml"), &docs, &problems);
    assert(parsed);
    NotifyConfig *config = notify_config_load(
        &(NotifyConfigSource){.notify = docs.items[0], .file = STR("storm.yml")}, &problems);
    assert(config);
    problems_finish(&problems);
    return config;
}

static void set_silence(Notify *notify, const char *name, const char *value) {
    AUTO(arena_finish) Arena arena = {0};
    SilenceMatcher matchers[] = {{str_of(name), str_of(value), false, true},
                                 {STR("severity"), STR("warn.*"), true, true}};
    Silence silence = {.matchers = matchers,
                       .matcher_count = 2,
                       .starts_at = T0,
                       .ends_at = T0 + DAY_MS,
                       .created_by = STR("bench"),
                       .comment = STR("storm")};
    Str id;
    Err err = {0};
    must(
        notify_silence_set(notify, &silence, &(Actor){.name = STR("bench")}, T0, &arena, &id, &err),
        &err);
}

/* ---- the alerts ---- */

static Str text_of(Arena *arena, const char *fmt, int n) {
    char text[256];
    snprintf(text, sizeof text, fmt, n);
    return arena_str(arena, str_of(text));
}

static AlertChange make_change(Arena *arena, int n) {
    static const char filler[] =
        "The disk of this machine fills faster than the forecast allows, and whoever reads this at "
        "night wants to know which one, since when, and what was tried the last time it did; ";
    Label *labels = arena_array(arena, Label, 8), *annotations = arena_array(arena, Label, 3);
    labels[0] = (Label){STR("alertname"), STR("DiskFills")};
    labels[1] = (Label){STR("cluster"), text_of(arena, "cluster-%d", n % 30)};
    labels[2] = (Label){STR("instance"), text_of(arena, "node-%d.example.org:9100", n)};
    labels[3] = (Label){STR("job"), STR("node-exporter")};
    labels[4] = (Label){STR("namespace"), text_of(arena, "namespace-%d", n % 400)};
    labels[5] = (Label){STR("pod"), text_of(arena, "pod-of-something-longer-%d", n)};
    labels[6] = (Label){STR("severity"), n % 2 ? STR("warning") : STR("critical")};
    labels[7] = (Label){STR("team"), text_of(arena, "t%d", n % GROUPS)};
    annotations[0] = (Label){STR("description"), arena_printf(arena, "%s%s%d", filler, filler, n)};
    annotations[1] = (Label){STR("runbook_url"), text_of(arena, "https://runbooks/%d", n % 50)};
    annotations[2] = (Label){STR("summary"), text_of(arena, "Disk of node-%d fills", n)};
    return (AlertChange){.event = ALERT_BECAME_FIRING,
                         .alert = {.rule_key = STR("rule"),
                                   .labels = {labels, 8},
                                   .annotations = {annotations, 3},
                                   .generator_url = STR("http://belfry/graph?g0.expr=disk"),
                                   .phase = ALERT_FIRING,
                                   .active_at = T0,
                                   .fired_at = T0,
                                   .updated_at = T0,
                                   .interval = MINUTE_MS,
                                   .value = 1},
                         .reason = "condition"};
}

/* ---- silences meanwhile ---- */

typedef struct Impatience {
    Notify *notify;
    _Atomic bool done;
    double longest;
    int count;
} Impatience;

static void *run_silences(void *context) {
    Impatience *impatience = context;
    for (int i = 0; !impatience->done; i++) {
        char value[32];
        snprintf(value, sizeof value, "meanwhile-%d", i);
        double begin = seconds();
        set_silence(impatience->notify, "instance", value);
        double took = seconds() - begin;
        impatience->longest = took > impatience->longest ? took : impatience->longest;
        impatience->count++;
        usleep(20000);
    }
    return NULL;
}

/* ---- the storm ---- */

static void accept_all(State *state, Notify *notify, const AlertChange *changes) {
    int64_t *ids = mem_zero(STATE_TX_ALERTS_MAX, sizeof *ids);
    for (size_t from = 0; from < ALERTS; from += STATE_TX_ALERTS_MAX) {
        StateTx *tx;
        Err err = {0};
        size_t left = ALERTS - from,
               count = left < STATE_TX_ALERTS_MAX ? left : STATE_TX_ALERTS_MAX;
        must(state_begin(state, &tx, &err), &err);
        must(state_put_alerts(tx, changes + from, count, ids, &err) &&
                 notify_accept(notify, tx, changes + from, ids, count, T0, &err),
             &err);
        bool ok = state_commit(tx, &err);
        notify_accepted(notify, ok);
        must(ok, &err);
    }
    free(ids);
}

static void storm(const char *dir, bool grouped) {
    AUTO(arena_finish) Arena arena = {0};
    char path[PATH_MAX];
    State *state;
    Notify *notify;
    Err err = {0};
    NotifyConfig *config = make_config(grouped);
    snprintf(path, sizeof path, "%s/storm-%d.db", dir, grouped);
    must(state_open(&(StateOptions){.path = path}, &state, &err), &err);
    must(notify_open(&(NotifyOptions){.state = state, .config = config, .now = T0}, &notify, &err),
         &err);
    for (int i = 0; i < SILENCES; i++) {
        char value[32];
        snprintf(value, sizeof value, "namespace-%d", i);
        set_silence(notify, "namespace", value);
    }
    AlertChange *changes = mem_zero(ALERTS, sizeof *changes);
    for (int i = 0; i < ALERTS; i++) {
        changes[i] = make_change(&arena, i);
    }
    Impatience impatience = {.notify = notify};
    pthread_t thread;
    malloc_trim(0);
    double idle = resident_mb();
    must(pthread_create(&thread, NULL, run_silences, &impatience) == 0, &err);
    double begin = seconds(), begin_cpu = cpu_seconds();
    accept_all(state, notify, changes);
    double accepted = seconds(), accepted_cpu = cpu_seconds();
    (void)notify_flush(notify, T0);
    double end = seconds(), end_cpu = cpu_seconds(), most = resident_mb();
    impatience.done = true;
    pthread_join(thread, NULL);
    const NotifyCounters *counters = &notify->counters;
    printf("%-14s %d alerts, %zu groups, %zu notifications\n",
           grouped ? "in groups" : "as incidents", ALERTS, notify->group_list_count,
           notify->outbox.entries_count);
    printf("  decided and committed  %.2f s (taken in %.2f s, decided in %.2f s; wanted: 2 s)\n",
           end - begin, accepted - begin, end - accepted);
    printf("  CPU of that            %.2f s (taken in %.2f s, decided in %.2f s)\n",
           end_cpu - begin_cpu, accepted_cpu - begin_cpu, end_cpu - accepted_cpu);
    printf("  memory over idle       %.0f MB (wanted: 200 MB)\n", most - idle);
    printf("  deciding alone         %.2f us of CPU an alert (wanted: 5 us)\n",
           (double)counters->decide_ns / 1000 / (double)counters->decided);
    printf("  a silence meanwhile    %.0f ms at most of %d (wanted: 300 ms)\n",
           impatience.longest * 1000, impatience.count);
    free(changes);
    notify_close(notify);
    state_close(state);
    notify_config_unref(config);
}

int main(void) {
    const char *parent = getenv("BELFRY_BENCH_DIR");
    char dir[PATH_MAX];
    Err err = {0};
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(dir, sizeof dir, "%s/belfry-storm-XXXXXX", parent ? parent : "/tmp");
    must(mkdtemp(dir) != NULL, &err);
    storm(dir, false);
    storm(dir, true);
    must(dir_remove(dir, &err), &err);
    return 0;
}
