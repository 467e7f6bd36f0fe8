/*
 * Cost of taking in a fleet: SERIES series of 400-series targets, one sample each per 30 s tick, in
 * requests of 5000 samples named by raw bytes as a remote write has them. Prints CPU time per
 * sample (all threads), memory, flush and restart.
 *
 *     bench_ingest [series] [ticks] [dir]
 */

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "store/storeimpl.h"

enum { TARGET_SERIES = 400, REQUEST_SERIES = 5000, RAW_MAX = 400 };

typedef struct Fleet {
    char (*raw)[RAW_MAX]; /* name, value, name, value, ... each ended by a zero byte */
    uint16_t *raw_len;
    double *values;
    size_t count;
} Fleet;

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double memory_mb(const char *field) {
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    double kb = 0;
    while (status && fgets(line, sizeof line, status)) {
        if (strncmp(line, field, strlen(field)) == 0) {
            kb = strtod(line + strlen(field) + 1, NULL);
        }
    }
    if (status) {
        fclose(status);
    }
    return kb / 1024;
}

static void put_pair(Fleet *fleet, size_t i, const char *name, const char *value) {
    char *at = fleet->raw[i] + fleet->raw_len[i];
    int len = snprintf(at, RAW_MAX - fleet->raw_len[i] - 1, "%s%c%s", name, 0, value) + 1;
    fleet->raw_len[i] = (uint16_t)(fleet->raw_len[i] + len);
}

static void name_series(Fleet *fleet, size_t i) {
    char text[128];
    size_t target = i / TARGET_SERIES, index = i % TARGET_SERIES;
    snprintf(text, sizeof text, "container_metric_%zu_total", index % 100);
    put_pair(fleet, i, "__name__", text);
    snprintf(text, sizeof text, "cluster-%02zu", target % 30);
    put_pair(fleet, i, "cluster", text);
    snprintf(text, sizeof text, "c%zu", index / 100);
    put_pair(fleet, i, "container", text);
    put_pair(fleet, i, "endpoint", "https-metrics");
    snprintf(text, sizeof text, "/kubepods.slice/pod%08zx%08zx.slice/cri-%08zx%08zx.scope",
             target * 7919, target, index / 100 * 104729 + target, target);
    put_pair(fleet, i, "id", text);
    snprintf(text, sizeof text, "10.0.%zu.%zu:10250", target / 250, target % 250);
    put_pair(fleet, i, "instance", text);
    put_pair(fleet, i, "job", "kubelet");
    snprintf(text, sizeof text, "ns-%zu", target % 40);
    put_pair(fleet, i, "namespace", text);
    snprintf(text, sizeof text, "app-%zu-7f9c6b5d4-%05zx", target % 90, target);
    put_pair(fleet, i, "pod", text);
}

static Fleet make_fleet(size_t count) {
    Fleet fleet = {malloc(count * RAW_MAX), calloc(count, sizeof(uint16_t)),
                   calloc(count, sizeof(double)), count};
    for (size_t i = 0; i < count; i++) {
        name_series(&fleet, i);
        fleet.values[i] = (double)(i % 1000);
    }
    return fleet;
}

static double next_value(Fleet *fleet, size_t i, size_t tick) {
    uint64_t noise = (i * 2654435761U + tick * 40503) * UINT64_C(0x9E3779B97F4A7C15) >> 40;
    switch (i % 8) {
    case 0:
    case 1:
        fleet->values[i] += (double)(noise % 500); /* counter */
        break;
    case 2:
        fleet->values[i] += (double)(noise % 100000) * 1e-9; /* seconds */
        break;
    case 3:
        fleet->values[i] = (double)(noise % 5000000) * 4096;
        break;
    default:
        break; /* half of all series do not change */
    }
    return fleet->values[i];
}

static SeriesDecode decode_raw(void *ctx, Str raw, Arena *arena, LabelSet *ret_labels, Err *err) {
    (void)ctx;
    Label *labels = arena_array(arena, Label, 16);
    size_t count = 0;
    while (raw.len > 0) {
        Str name = {raw.ptr, str_find(raw, '\0')};
        raw = str_skip(raw, name.len + 1);
        Str value = {raw.ptr, str_find(raw, '\0')};
        raw = str_skip(raw, value.len + 1);
        labels[count++] = (Label){name, value};
    }
    return labels_build(labels, count, ret_labels, err) ? SERIES_USE : SERIES_INVALID;
}

static uint64_t push_tick(Store *store, Fleet *fleet, size_t tick, TimeMs base) {
    static BatchSeries series[REQUEST_SERIES];
    static TimeMs times[REQUEST_SERIES];
    static double values[REQUEST_SERIES];
    uint64_t lsn = 0;
    for (size_t i = 0; i < fleet->count;) {
        size_t rows = 0;
        for (; rows < REQUEST_SERIES && i < fleet->count; rows++, i++) {
            series[rows] = (BatchSeries){.raw = {fleet->raw[i], fleet->raw_len[i]},
                                         .row_first = (uint32_t)rows,
                                         .row_count = 1};
            size_t target = i / TARGET_SERIES;
            bool late = (target * 31 + tick * 17) % 50 == 0;
            times[rows] =
                base + (TimeMs)tick * 30000 + (TimeMs)(target * 97 % 30000) + (late ? 7 : 0);
            values[rows] = next_value(fleet, i, tick);
        }
        SampleBatch batch = {.series = series,
                             .series_count = rows,
                             .times = times,
                             .values = values,
                             .row_count = rows,
                             .decode = decode_raw};
        StoreOutcome outcome;
        Err err;
        if (!store_append(store, &batch, times[0], &lsn, &outcome, &err) ||
            outcome.stored != rows || !store_wait_synced(store, lsn, &err)) {
            fprintf(stderr, "append: %s %s\n", err.text, outcome.first_bad);
            exit(1);
        }
    }
    return lsn;
}

static Store *open_store(const char *dir) {
    Store *store;
    Err err;
    StoreOptions options = {.dir = dir,
                            .future_max = 100 * 365 * DAY_MS,
                            .source_label = STR("cluster"),
                            .block_span = 2 * HOUR_MS};
    if (!store_open(&options, &store, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return store;
}

static void generate_only(Fleet *fleet, size_t ticks, double *ret_cpu) {
    double before = cpu_seconds(), sum = 0;
    for (size_t tick = 0; tick < ticks; tick++) {
        for (size_t i = 0; i < fleet->count; i++) {
            sum += next_value(fleet, i, tick);
        }
    }
    *ret_cpu = cpu_seconds() - before + (sum == 0.5 ? 1 : 0);
}

static void measure_restart(const char *dir) {
    int64_t before = clock_monotonic_ns();
    double cpu = cpu_seconds();
    Store *store = open_store(dir);
    printf("restart: %.3f s, CPU %.3f s, memory %.0f MB\n",
           (double)(clock_monotonic_ns() - before) / 1e9, cpu_seconds() - cpu, memory_mb("VmRSS"));
    double opened = cpu_seconds();
    Err err;
    if (!store_flush(store, &err)) {
        fprintf(stderr, "%s\n", err.text);
    }
    printf("flush: CPU %.3f s, memory %.0f MB, peak %.0f MB\n", cpu_seconds() - opened,
           memory_mb("VmRSS"), memory_mb("VmHWM"));
    store_close(store);
}

int main(int argc, char **argv) {
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    size_t ticks = argc > 2 ? strtoul(argv[2], NULL, 10) : 20;
    char dir[64] = "/tmp/belfry-bench-XXXXXX";
    if (argc > 3) {
        measure_restart(argv[3]);
        return 0;
    }
    if (!mkdtemp(dir)) {
        return 1;
    }
    Fleet fleet = make_fleet(count);
    double generating;
    generate_only(&fleet, ticks, &generating);
    double base_mb = memory_mb("VmRSS");
    Store *store = open_store(dir);
    double start = cpu_seconds();
    TimeMs base = INT64_C(1700006400000);
    push_tick(store, &fleet, 0, base);
    printf("first tick: CPU %.0f ns/series, memory %.0f bytes/series\n",
           (cpu_seconds() - start) * 1e9 / (double)count,
           (memory_mb("VmRSS") - base_mb) * 1048576 / (double)count);
    double first = cpu_seconds();
    for (size_t tick = 1; tick < ticks; tick++) {
        push_tick(store, &fleet, tick, base);
    }
    double cpu = cpu_seconds() - first - generating;
    printf("ticks: CPU %.1f ns/sample; memory %.0f bytes/series, peak %.0f\n",
           cpu * 1e9 / (double)(count * (ticks - 1)),
           (memory_mb("VmRSS") - base_mb) * 1048576 / (double)count,
           (memory_mb("VmHWM") - base_mb) * 1048576 / (double)count);
    printf("head %.0f bytes/series, log %.2f bytes/sample\n",
           (double)head_bytes(&store->head) / (double)count,
           (double)journal_stats(store->journal).bytes / (double)(count * ticks));
    fflush(stdout);
    char command[256];
    /* As after kill -9: the new process has nothing but the files. */
    snprintf(command, sizeof command, "%s/lock", dir);
    store->lock_fd = (close(store->lock_fd), -1);
    snprintf(command, sizeof command, "%s 0 0 %s", argv[0], dir);
    int status = system(command);
    Err err;
    _exit(!dir_remove(dir, &err) || status != 0);
}
