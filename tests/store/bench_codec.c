/*
 * How small and how fast blocks are, on recorded pages of real exporters
 * (../shared/bench/capture.jsonl.zst).
 *
 *     bench_codec [every [align_ms]]
 *
 * Takes every n-th scrape (3 by default: 15 s) and rounds times to `align_ms` (0 by default: as
 * recorded). Where
 * ../shared/prototypes/simple.c is there, it is compiled and run on the same samples, to compare
 * decoding with the codec of VictoriaMetrics rewritten in C. CPU time of one thread throughout.
 */

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/blockfile.h"
#include "store/parts.h"

enum { TARGETS_MAX = 16, TICKS_MAX = 4096, SERIES_SLOTS = 1 << 16, REPEATS = 5 };

typedef struct Target {
    char job[64];
    TimeMs times[TICKS_MAX];
    size_t ticks;
} Target;

typedef struct Series {
    Target *target;
    Str key; /* as on the page */
    LabelSet labels;
    uint64_t bits[TICKS_MAX];
    uint8_t present[TICKS_MAX];
    size_t count;
    bool constant;
} Series;

typedef struct Capture {
    Arena arena;
    Target targets[TARGETS_MAX];
    size_t target_count;
    Series *slots[SERIES_SLOTS]; /* by hash of job and key */
    Series **series;
    size_t series_count, series_cap;
    size_t sample_count;
    unsigned every;
    DurationMs align;
} Capture;

/* ---- reading the recorded pages ---- */

static Target *find_target(Capture *capture, const char *job) {
    for (size_t i = 0; i < capture->target_count; i++) {
        if (strcmp(capture->targets[i].job, job) == 0) {
            return &capture->targets[i];
        }
    }
    assert(capture->target_count < TARGETS_MAX);
    Target *target = &capture->targets[capture->target_count++];
    size_t len = strlen(job);
    assert(len < sizeof target->job);
    memcpy(target->job, job, len + 1);
    return target;
}

static size_t parse_labels(Str key, const Target *target, Arena *arena, Label *labels) {
    size_t brace = str_find(key, '{'), count = 0;
    Str job = {target->job, strlen(target->job)};
    labels[count++] = (Label){LABEL_METRIC_NAME, {key.ptr, brace}};
    labels[count++] = (Label){STR("job"), job};
    labels[count++] =
        (Label){STR("instance"), arena_printf(arena, "%.*s-0.example:9100", STR_ARG(job))};
    Str rest = brace < key.len ? str_skip(key, brace + 1) : STR("");
    while (rest.len && rest.ptr[0] != '}') {
        size_t equals = str_find(rest, '=');
        Str name = {rest.ptr, equals};
        rest = str_skip(rest, equals + 2);
        size_t end = 0;
        while (end < rest.len && rest.ptr[end] != '"') {
            end += rest.ptr[end] == '\\' ? 2 : 1;
        }
        if (!str_eq(name, STR("job")) && !str_eq(name, STR("instance"))) {
            labels[count++] = (Label){name, {rest.ptr, end}};
        }
        rest = str_skip(rest, end + 1);
        if (rest.len && rest.ptr[0] == ',') {
            rest = str_skip(rest, 1);
        }
    }
    return count;
}

static Series *find_series(Capture *capture, Target *target, Str key) {
    size_t at = (hash64(key) + hash64(str_of(target->job))) % SERIES_SLOTS;
    while (capture->slots[at]) {
        if (capture->slots[at]->target == target && str_eq(capture->slots[at]->key, key)) {
            return capture->slots[at];
        }
        at = (at + 1) % SERIES_SLOTS;
    }
    Series *series = capture->slots[at] = arena_new(&capture->arena, Series);
    Label *labels = arena_array(&capture->arena, Label, LABELS_MAX);
    series->target = target;
    series->key = arena_str(&capture->arena, key);
    size_t count = parse_labels(series->key, target, &capture->arena, labels);
    Err err;
    if (!labels_build(labels, count, &series->labels, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(EXIT_FAILURE);
    }
    VEC_PUSH(*capture, series, series);
    return series;
}

static void add_line(Capture *capture, Target *target, Str line) {
    size_t space = line.len;
    while (space && line.ptr[space - 1] != ' ') {
        space--;
    }
    if (space == 0) {
        return;
    }
    Series *series = find_series(capture, target, (Str){line.ptr, space - 1});
    double value = strtod(line.ptr + space, NULL);
    series->bits[target->ticks] = value_bits(value);
    series->present[target->ticks] = 1;
}

/* A JSON string's escapes undone in place. */
static size_t unescape(char *text, size_t len) {
    size_t out = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\' && i + 1 < len) {
            i++;
            text[out++] = text[i] == 'n' ? '\n' : text[i];
        } else {
            text[out++] = text[i];
        }
    }
    return out;
}

/* ["job", time, "page"] */
static void add_page(Capture *capture, char *line, unsigned number) {
    char job[64];
    int64_t time;
    int at = 0;
    if (sscanf(line, "[\"%63[^\"]\", %" SCNd64 ", \"%n", job, &time, &at) != 2 || at == 0 ||
        number / 8 % capture->every) {
        return;
    }
    Target *target = find_target(capture, job);
    if (target->ticks == TICKS_MAX) {
        return;
    }
    char *page = line + at;
    size_t len = unescape(page, strlen(page) - 2);
    if (capture->align) {
        time = (time + capture->align / 2) / capture->align * capture->align;
    }
    if (target->ticks && time <= target->times[target->ticks - 1]) {
        return;
    }
    target->times[target->ticks] = time;
    for (size_t i = 0; i < len;) {
        size_t end = i + str_find((Str){page + i, len - i}, '\n');
        page[end] = '\0';
        add_line(capture, target, (Str){page + i, end - i});
        i = end + 1;
    }
    target->ticks++;
}

static bool read_capture(const char *path, Capture *capture) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        return false;
    }
    AUTO(buf_finish) Buf text = {0};
    static char in[1 << 17], out[1 << 20];
    ZSTD_DStream *zstd = ZSTD_createDStream();
    unsigned number = 0;
    for (size_t got; (got = fread(in, 1, sizeof in, file)) > 0;) {
        ZSTD_inBuffer input = {in, got, 0};
        while (input.pos < input.size) {
            ZSTD_outBuffer output = {out, sizeof out, 0};
            ZSTD_decompressStream(zstd, &output, &input);
            buf_put(&text, out, output.pos);
            size_t from = 0, end;
            while ((end = from + str_find((Str){text.ptr + from, text.len - from}, '\n')) <
                   text.len) {
                text.ptr[end] = '\0';
                add_page(capture, text.ptr + from, number++);
                from = end + 1;
            }
            memmove(text.ptr, text.ptr + from, text.len - from);
            text.len -= from;
        }
    }
    ZSTD_freeDStream(zstd);
    fclose(file);
    return true;
}

static int series_cmp(const void *a, const void *b) {
    return parts_order((*(Series *const *)a)->labels, (*(Series *const *)b)->labels);
}

static void describe(Capture *capture) {
    qsort(capture->series, capture->series_count, sizeof *capture->series, series_cmp);
    for (size_t i = 0; i < capture->series_count; i++) {
        Series *series = capture->series[i];
        uint64_t first = 0;
        series->constant = true;
        for (size_t tick = 0; tick < series->target->ticks; tick++) {
            if (series->present[tick]) {
                first = series->count ? first : series->bits[tick];
                series->constant = series->constant && series->bits[tick] == first;
                series->count++;
            }
        }
        capture->sample_count += series->count;
    }
}

/* ---- our blocks ---- */

/* The series a block is written from. */
typedef struct Choice {
    Series **series;
    size_t count;
    size_t samples;
} Choice;

static LabelSet choice_labels(void *ctx, size_t index, Arena *arena) {
    (void)arena;
    return ((Choice *)ctx)->series[index]->labels;
}

static bool choice_read(void *ctx, size_t index, Arena *arena, SeriesData *ret_data, Err *err) {
    (void)err;
    const Series *series = ((Choice *)ctx)->series[index];
    TimeMs *times = arena_array(arena, TimeMs, series->count);
    double *values = arena_array(arena, double, series->count);
    size_t count = 0;
    for (size_t tick = 0; tick < series->target->ticks; tick++) {
        if (series->present[tick]) {
            times[count] = series->target->times[tick];
            values[count++] = value_of_bits(series->bits[tick]);
        }
    }
    *ret_data = (SeriesData){.times = times, .values = values, .count = count};
    return true;
}

static double cpu_seconds(void) {
    return (double)clock_thread_cpu_ns() * 1e-9;
}

/* Opens all frames from memory and decodes every lane, as a query over everything would; seconds.
 */
static double decode_frames(const Block *block, const Str *frames) {
    static FrameMemo memo;
    static uint64_t bits[CHUNK_SAMPLES_MAX];
    Err err;
    double start = cpu_seconds();
    for (uint32_t i = 0; i < block->frame_count; i++) {
        if (block->frames[i].kind != FRAME_VALUES) {
            continue;
        }
        Frame *frame;
        if (!frame_open(frames[i], &frame, &err)) {
            fprintf(stderr, "%s\n", err.text);
            exit(EXIT_FAILURE);
        }
        size_t count;
        const FrameChunk *chunks = frame_chunks(frame, &count);
        for (size_t c = 0; c < count; c++) {
            frame_scan_lane(frame, &memo, chunks[c].lane_first, bits);
        }
        frame_free(frame);
    }
    return cpu_seconds() - start;
}

static double read_series(const Block *block) {
    double start = cpu_seconds();
    for (uint32_t i = 0; i < block_info(block)->series_count; i++) {
        AUTO(arena_finish) Arena arena = {0};
        SeriesData data;
        block_read(block, i, TIME_MIN, TIME_MAX, &arena, &data);
    }
    return cpu_seconds() - start;
}

static void report_sections(const Block *block, const Str *frames, size_t samples) {
    uint64_t sections[2][5] = {0};
    Err err;
    for (uint32_t i = 0; i < block->frame_count; i++) {
        FrameHeader header;
        if (!frame_header_read(frames[i], &header, &err)) {
            exit(EXIT_FAILURE);
        }
        int kind = block->frames[i].kind == FRAME_TIMES;
        for (int s = 0; s < 4; s++) {
            sections[kind][s] += header.stored_bytes[s];
        }
        sections[kind][4] += FRAME_HEADER_BYTES;
    }
    for (int kind = 0; kind < 2; kind++) {
        printf("    %s B/sample: dir %.4f meta %.4f low %.4f wide %.4f headers %.4f\n",
               kind ? "times " : "values", (double)sections[kind][0] / (double)samples,
               (double)sections[kind][1] / (double)samples,
               (double)sections[kind][2] / (double)samples,
               (double)sections[kind][3] / (double)samples,
               (double)sections[kind][4] / (double)samples);
    }
}

static void measure(const char *what, Choice *choice, int level) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/belfry-bench-%d", (int)getpid());
    BlockSource source = {choice, choice->count, choice_labels, choice_read};
    BlockWriteOptions options = {
        .path = path, .window = 2 * HOUR_MS, .level = level, .files = &store_files_real};
    BlockInfo info;
    Err err;
    Block *block;
    double start = cpu_seconds();
    if (!block_write(&options, &source, &info, &err) || !block_open(path, &block, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(EXIT_FAILURE);
    }
    double encode = cpu_seconds() - start, decode = INFINITY, read = INFINITY;
    unlink(path);
    AUTO(arena_finish) Arena arena = {0};
    Str *frames = arena_array(&arena, Str, block->frame_count);
    for (uint32_t i = 0; i < block->frame_count; i++) {
        if (!block_frame_bytes(block, i, &arena, &frames[i], &err)) {
            exit(EXIT_FAILURE);
        }
    }
    for (int i = 0; i < REPEATS; i++) {
        decode = fmin(decode, decode_frames(block, frames));
        read = fmin(read, read_series(block));
    }
    double samples = (double)info.sample_count;
    printf("%s, level %d: %" PRIu64 " series, %.0f samples, %" PRIu64
           " bytes, %.4f B/sample, index "
           "%.2f B/series; encode %.1f M/s, decode %.0f M/s, block_read %.0f M/s\n",
           what, level, info.series_count, samples, info.bytes, (double)info.bytes / samples,
           (double)info.index_bytes / (double)info.series_count, samples / encode / 1e6,
           samples / decode / 1e6, samples / read / 1e6);
    report_sections(block, frames, info.sample_count);
    block_unref(block);
}

/* ---- the rewritten codec of VictoriaMetrics ---- */

static void dump(const Capture *capture, const char *path) {
    FILE *file = fopen(path, "wb");
    assert(file);
    uint32_t head[3] = {0, (uint32_t)capture->target_count, (uint32_t)capture->series_count};
    fwrite(head, sizeof head, 1, file);
    for (size_t i = 0; i < capture->target_count; i++) {
        uint32_t ticks = (uint32_t)capture->targets[i].ticks;
        fwrite(&ticks, sizeof ticks, 1, file);
        fwrite(capture->targets[i].times, sizeof(TimeMs), ticks, file);
    }
    for (size_t i = 0; i < capture->series_count; i++) {
        const Series *series = capture->series[i];
        uint32_t ids[2] = {(uint32_t)(series->target - capture->targets), !series->constant};
        uint16_t len = (uint16_t)series->key.len;
        fwrite(ids, sizeof ids, 1, file);
        fwrite(&len, sizeof len, 1, file);
        fwrite(series->key.ptr, 1, len, file);
        fwrite(series->bits, sizeof(uint64_t), series->target->ticks, file);
        fwrite(series->present, 1, series->target->ticks, file);
    }
    fclose(file);
}

static void compare(const Capture *capture, const char *shared) {
    char source[256], command[1024], base[64];
    snprintf(source, sizeof source, "%s/prototypes/simple.c", shared);
    snprintf(base, sizeof base, "/tmp/belfry-simple-%d", (int)getpid());
    if (access(source, R_OK) != 0) {
        printf("no comparison: %s is not there\n", source);
        return;
    }
    char data[80];
    snprintf(data, sizeof data, "%s.bin", base);
    dump(capture, data);
    snprintf(command, sizeof command,
             "cc -O2 -w -o %s %s -lzstd -lm && KIND=-2 %s %s | grep -E 'targets|VM-like val '; rm "
             "-f %s %s",
             base, source, base, data, base, data);
    printf("the codec of VictoriaMetrics in C, non-constant series:\n");
    fflush(stdout);
    if (system(command) != 0) {
        printf("no comparison: it did not compile or run\n");
    }
}

int main(int argc, char **argv) {
    static Capture capture;
    const char *shared = getenv("BELFRY_SHARED") ? getenv("BELFRY_SHARED") : "../shared";
    char path[256];
    snprintf(path, sizeof path, "%s/bench/capture.jsonl.zst", shared);
    capture.every = argc > 1 ? (unsigned)atoi(argv[1]) : 3;
    capture.align = argc > 2 ? atoi(argv[2]) : 0;
    if (capture.every == 0 || !read_capture(path, &capture)) {
        printf("skipped: cannot read %s\n", path);
        return 77;
    }
    describe(&capture);
    Choice all = {capture.series, capture.series_count, capture.sample_count};
    Choice moving = {mem_zero(all.count, sizeof *all.series), 0, 0};
    for (size_t i = 0; i < all.count; i++) {
        if (!all.series[i]->constant) {
            moving.series[moving.count++] = all.series[i];
        }
    }
    measure("all series", &all, 0);
    measure("all series", &all, 2);
    measure("non-constant series", &moving, 0);
    compare(&capture, shared);
    free(moving.series);
    return EXIT_SUCCESS;
}
