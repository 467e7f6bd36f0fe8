/* How long it takes to find what keeps an alert quiet: 10,000 active silences and 1,000 flags
 * against 100,000 alerts. Six silences of ten name an alert and a cluster, two a beginning of an
 * instance, one a choice of clusters, one a namespace and what it is not; twenty have an expression
 * that no index helps with. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "notify/flag.h"
#include "notify/silence.h"

enum { SILENCES = 10000, FLAGS = 1000, ALERTS = 100000, HARD = 20 };

static const TimeMs now = INT64_C(1767225600000);

static _Noreturn void give_up(const Err *err) {
    fprintf(stderr, "bench_quiet: %s\n", err->text);
    exit(1);
}

static Str format(Arena *arena, const char *fmt, int number) {
    char text[64];
    snprintf(text, sizeof text, fmt, number); /* NOLINT: formats are literals below */
    return arena_str(arena, str_of(text));
}

static size_t silence_matchers(Arena *arena, int i, MatcherRow *rows) {
    if (i < HARD) {
        rows[0] = (MatcherRow){STR("pod"), format(arena, ".*-db-%d-.*", i), true, true};
        return 1;
    }
    switch (i % 10) {
    case 0:
    case 1:
        rows[0] = (MatcherRow){STR("instance"), format(arena, "node-%d:.*", i), true, true};
        return 1;
    case 2:
        rows[0] = (MatcherRow){STR("cluster"), format(arena, "prod-%d|prod-x|prod-y", i % 300),
                               true, true};
        rows[1] = (MatcherRow){STR("alertname"), format(arena, "Alert%d", i % 400), false, true};
        return 2;
    case 3:
        rows[0] = (MatcherRow){STR("namespace"), format(arena, "team-%d", i), false, true};
        rows[1] = (MatcherRow){STR("severity"), STR("critical"), false, false};
        return 2;
    default:
        rows[0] = (MatcherRow){STR("alertname"), format(arena, "Alert%d", i % 400), false, true};
        rows[1] = (MatcherRow){STR("cluster"), format(arena, "prod-%d", i % 300), false, true};
        return 2;
    }
}

static bool fill(StateTx *tx, Err *err) {
    for (int i = 0; i < SILENCES; i++) {
        AUTO(arena_finish) Arena arena = {0};
        MatcherRow rows[2];
        SilenceRow silence = {.id = format(&arena, "00000000-0000-4000-8000-%012d", i),
                              .matchers = rows,
                              .matcher_count = silence_matchers(&arena, i, rows),
                              .starts_at = now - HOUR_MS,
                              .ends_at = now + HOUR_MS,
                              .updated_at = now,
                              .created_by = STR("bench"),
                              .comment = STR("bench")};
        if (!state_put_silence(tx, &silence, err)) {
            return false;
        }
    }
    for (int i = 0; i < FLAGS; i++) {
        AUTO(arena_finish) Arena arena = {0};
        MatcherRow row = {STR("cluster"), format(&arena, "staging-%d", i), false, true};
        FlagRow flag = {.id = format(&arena, "00000000-0000-4000-9000-%012d", i),
                        .matchers = &row,
                        .matcher_count = 1,
                        .reason = STR("bench"),
                        .owner = STR("bench"),
                        .origin = STR("api"),
                        .starts_at = now - HOUR_MS,
                        .ends_at = now + HOUR_MS};
        if (!state_put_flag(tx, &flag, err)) {
            return false;
        }
    }
    return true;
}

static LabelSet alert_labels(Arena *arena, int i) {
    Label labels[] = {
        {STR("alertname"), format(arena, "Alert%d", i % 500)},
        {STR("cluster"), format(arena, i % 10 ? "prod-%d" : "staging-%d", i % 1200)},
        {STR("instance"), format(arena, "node-%d:9100", i % 20000)},
        {STR("namespace"), format(arena, "team-%d", i % 3000)},
        {STR("pod"), format(arena, "checkout-6b8f5c7d9-%05d", i)},
        {STR("severity"), i % 3 ? STR("warning") : STR("critical")},
        {STR("job"), STR("kubelet")},
        {STR("container"), STR("app")},
    };
    Label *copy = arena_array(arena, Label, 8);
    memcpy(copy, labels, sizeof labels);
    LabelSet set;
    Err err = {0};
    if (!labels_build(copy, 8, &set, &err)) {
        give_up(&err);
    }
    return set;
}

static int compare_ns(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void measure(const Notify *notify) {
    static int64_t ns[ALERTS];
    AUTO(arena_finish) Arena arena = {0};
    LabelSet *alerts = arena_array(&arena, LabelSet, ALERTS);
    size_t quiet = 0;
    for (int i = 0; i < ALERTS; i++) {
        alerts[i] = alert_labels(&arena, i);
    }
    int64_t cpu_start = clock_thread_cpu_ns();
    for (int i = 0; i < ALERTS; i++) {
        FlagEntry *flag;
        SilenceEntry *silence;
        MatchKeys keys;
        int64_t start = clock_monotonic_ns();
        match_keys_of(alerts[i], &keys);
        quiet += flags_find(notify, &keys, now, &flag, 1) ||
                 silences_find(notify, &keys, now, &silence, 1);
        ns[i] = clock_monotonic_ns() - start;
    }
    double cpu = (double)(clock_thread_cpu_ns() - cpu_start) / 1e3 / ALERTS;
    qsort(ns, ALERTS, sizeof *ns, compare_ns);
    printf("%d silences, %d flags, %d alerts (%zu kept quiet): median %.2f us, 99 %% %.2f us,"
           " mean of CPU time %.2f us\n",
           SILENCES, FLAGS, ALERTS, quiet, (double)ns[ALERTS / 2] / 1e3,
           (double)ns[ALERTS * 99 / 100] / 1e3, cpu);
}

static NotifyConfig *plain_config(void) {
    Problems problems = {0};
    NotifyConfig *config =
        notify_config_load(&(NotifyConfigSource){.file = STR("bench.yml")}, &problems);
    problems_finish(&problems);
    return config;
}

int main(void) {
    char dir[] = "/tmp/belfry-bench-quiet-XXXXXX", path[64];
    State *state;
    StateTx *tx;
    Notify *notify;
    Err err = {0};
    NotifyConfig *config = plain_config();
    if (!mkdtemp(dir)) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/state.db", dir);
    if (!state_open(&(StateOptions){.path = path}, &state, &err) ||
        !state_begin(state, &tx, &err) || !fill(tx, &err) || !state_commit(tx, &err) ||
        !notify_open(&(NotifyOptions){.state = state, .config = config, .now = now}, &notify,
                     &err)) {
        give_up(&err);
    }
    measure(notify);
    notify_close(notify);
    notify_config_unref(config);
    state_close(state);
    return dir_remove(dir, &err) ? 0 : 1;
}
