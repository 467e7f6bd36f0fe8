/* How fast requests are read, in samples a second on one core. Without an argument over requests
 * made here, 5,000 series each with labels like a node exporter's behind Kubernetes; with one, over
 * a file of the benchmark kit's `gen` (header of 16 bytes, then frames of length, shard, samples,
 * stale markers, request). */

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/number.h"
#include "ingest/ingest.h"
#include "wire.h"

enum { SERIES = 5000, FILE_HEADER = 16, FRAME_HEADER = 16, REQUESTS_MAX = 4000 };

typedef struct Requests {
    Arena arena;
    Str packed[REQUESTS_MAX];
    size_t count;
} Requests;

static LabelSet make_labels(Arena *arena, int i) {
    const struct {
        const char *name;
        Str value;
    } pairs[] = {
        {"__name__", arena_printf(arena, "node_filesystem_avail_%d_bytes", i % 50)},
        {"cluster", STR("prod-eu-1")},
        {"device", arena_printf(arena, "/dev/nvme%dn1", i % 8)},
        {"endpoint", STR("https-metrics")},
        {"fstype", STR("ext4")},
        {"instance", arena_printf(arena, "10.0.%d.%d:9100", i / 250 % 250, i % 250)},
        {"job", STR("node-exporter")},
        {"mountpoint", arena_printf(arena, "/var/lib/kubelet/pods/%d/volumes", i)},
        {"namespace", STR("monitoring")},
        {"pod", arena_printf(arena, "node-exporter-%05d", i % 200)},
    };
    size_t count = sizeof pairs / sizeof *pairs;
    Label *items = arena_array(arena, Label, count);
    for (size_t k = 0; k < count; k++) {
        items[k] = (Label){str_of(pairs[k].name), pairs[k].value};
    }
    return (LabelSet){items, count};
}

static void make_requests(Requests *requests) {
    Arena arena = {0};
    BatchSeries series[SERIES];
    TimeMs times[SERIES];
    double values[SERIES];
    for (uint32_t i = 0; i < SERIES; i++) {
        series[i] =
            (BatchSeries){.labels = make_labels(&arena, (int)i), .row_first = i, .row_count = 1};
        times[i] = INT64_C(1764000000000) + i % 7;
        values[i] = i * 1.5;
    }
    Buf packed = {0};
    SampleBatch batch = {.series = series,
                         .series_count = SERIES,
                         .times = times,
                         .values = values,
                         .row_count = SERIES};
    ingest_encode_remote_write(&batch, &packed);
    requests->packed[requests->count++] = arena_str(&requests->arena, buf_view(&packed));
    buf_finish(&packed);
    arena_finish(&arena);
}

static bool read_requests(Requests *requests, const char *path) {
    Str bytes;
    Err err;
    if (!file_read(&requests->arena, path, (size_t)4 << 30, &bytes, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return false;
    }
    bytes = str_skip(bytes, FILE_HEADER);
    while (bytes.len > FRAME_HEADER && requests->count < REQUESTS_MAX) {
        uint32_t len;
        memcpy(&len, bytes.ptr, sizeof len);
        bytes = str_skip(bytes, FRAME_HEADER);
        if (len > bytes.len) {
            break;
        }
        requests->packed[requests->count++] = (Str){bytes.ptr, len};
        bytes = str_skip(bytes, len);
    }
    return true;
}

/* The same series as text lines. */
static void put_text(const IngestBatch *batch, Buf *out) {
    Arena arena = {0};
    Err err;
    for (size_t i = 0; i < batch->batch.series_count; i++) {
        const BatchSeries *series = &batch->batch.series[i];
        LabelSet labels;
        if (batch->batch.decode(NULL, series->raw, &arena, &labels, &err) != SERIES_USE) {
            continue;
        }
        buf_printf(out, "%.*s{", STR_ARG(labels.items[0].value));
        for (size_t k = 1; k < labels.count; k++) {
            buf_printf(out, "%.*s=\"%.*s\",", STR_ARG(labels.items[k].name),
                       STR_ARG(labels.items[k].value));
        }
        buf_printf(out, "} ");
        number_put(out, batch->values[series->row_first]);
        buf_printf(out, " %lld\n", (long long)batch->times[series->row_first]);
        arena_reset(&arena);
    }
    arena_finish(&arena);
}

static void print_rate(const char *what, uint64_t samples, int64_t ns, uint64_t bytes) {
    printf("%-26s %8.1f M samples/s %8.0f MB/s\n", what, (double)samples / (double)ns * 1e3,
           (double)bytes / (double)ns * 1e3);
}

typedef struct Totals {
    uint64_t samples, bytes, text_bytes, text_samples;
    int64_t unpack_ns, read_ns, hash_ns, decode_ns, text_ns;
} Totals;

static uint64_t sink;

static void measure(Str packed, Totals *totals, Buf *plain, IngestBatch *batch) {
    Err err;
    int64_t start = clock_thread_cpu_ns();
    if (!ingest_unsnappy(packed, (size_t)1 << 30, plain, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    int64_t unpacked = clock_thread_cpu_ns();
    if (!ingest_remote_write_v1(buf_view(plain), NULL, batch, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    int64_t read = clock_thread_cpu_ns();
    for (size_t i = 0; i < batch->batch.series_count; i++) {
        sink += hash128(batch->batch.series[i].raw).lo;
    }
    int64_t hashed = clock_thread_cpu_ns();
    totals->samples += batch->samples;
    totals->bytes += plain->len;
    totals->unpack_ns += unpacked - start;
    totals->read_ns += read - unpacked;
    totals->hash_ns += hashed - read;
}

static void measure_labels_and_text(Str packed, Totals *totals, Buf *plain, IngestBatch *batch) {
    measure(packed, &(Totals){0}, plain, batch);
    Arena arena = {0};
    Err err;
    LabelSet labels;
    int64_t start = clock_thread_cpu_ns();
    for (size_t i = 0; i < batch->batch.series_count; i++) {
        sink +=
            (uint64_t)batch->batch.decode(NULL, batch->batch.series[i].raw, &arena, &labels, &err);
        arena_reset(&arena);
    }
    totals->decode_ns += clock_thread_cpu_ns() - start;
    arena_finish(&arena);

    Buf text = {0};
    put_text(batch, &text);
    IngestStream *stream = ingest_stream_new(&(IngestStreamOptions){.format = INGEST_TEXT});
    start = clock_thread_cpu_ns();
    if (!ingest_stream_push(stream, buf_view(&text), true, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    totals->text_ns += clock_thread_cpu_ns() - start;
    totals->text_bytes += text.len;
    totals->text_samples += batch->batch.series_count;
    ingest_stream_free(stream);
    buf_finish(&text);
}

int main(int argc, char **argv) {
    static Requests requests;
    if (argc > 1 ? !read_requests(&requests, argv[1]) : (make_requests(&requests), false)) {
        return EXIT_FAILURE;
    }
    Totals totals = {0};
    Buf plain = {0};
    IngestBatch batch = {0};
    size_t rounds = 2000 / requests.count + 1;
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < requests.count; i++) {
            measure(requests.packed[i], &totals, &plain, &batch);
        }
    }
    size_t some = requests.count < 100 ? 100 : requests.count / 10;
    for (size_t i = 0; i < some; i++) {
        measure_labels_and_text(requests.packed[i % requests.count], &totals, &plain, &batch);
    }
    print_rate("snappy", totals.samples, totals.unpack_ns, totals.bytes);
    print_rate("remote write 1.0", totals.samples, totals.read_ns, totals.bytes);
    print_rate("hash of raw labels", totals.samples, totals.hash_ns, totals.bytes);
    print_rate("labels of new series", totals.text_samples, totals.decode_ns, 0);
    print_rate("text lines", totals.text_samples, totals.text_ns, totals.text_bytes);
    ingest_batch_finish(&batch);
    buf_finish(&plain);
    arena_finish(&requests.arena);
    return sink == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
