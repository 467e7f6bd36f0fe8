/* Block files: what is written is read back by label and time, and damage is refused or left out,
 * never believed. */

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "fleet.h"

static const TimeMs T0 = INT64_C(1700006400000); /* a multiple of two hours */

static const struct {
    const char *what;
    FleetShape shape;
} shapes[] = {
    {"aligned", {.targets = 4, .metrics = 6, .buckets = 6, .step = 15000, .samples = 480}},
    {"jitter",
     {.targets = 4, .metrics = 6, .buckets = 6, .step = 15000, .samples = 480, .jitter = true}},
    {"gaps",
     {.targets = 5,
      .metrics = 8,
      .buckets = 6,
      .step = 15000,
      .samples = 300,
      .gaps = true,
      .jitter = true}},
    {"fast",
     {.targets = 2, .metrics = 3, .buckets = 2, .step = 1000, .samples = 9000, .gaps = true}},
    {"bursts", {.targets = 2, .metrics = 3, .buckets = 2, .step = 1, .samples = 3000}},
    {"slow", {.targets = 3, .metrics = 4, .buckets = 3, .step = 3600000, .samples = 200}},
    {"single samples", {.targets = 9, .metrics = 4, .buckets = 3, .step = 15000, .samples = 1}},
    {"histograms",
     {.targets = 3, .metrics = 4, .buckets = 3, .step = 15000, .samples = 700, .histograms = true}},
    {"start times",
     {.targets = 3,
      .metrics = 4,
      .buckets = 3,
      .step = 15000,
      .samples = 500,
      .starts = true,
      .gaps = true}},
    {"everything",
     {.targets = 3,
      .metrics = 9,
      .buckets = 6,
      .step = 10000,
      .samples = 900,
      .starts = true,
      .gaps = true,
      .histograms = true,
      .jitter = true}},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void temp_dir(char path[64]) {
    snprintf(path, 64, "/tmp/belfry-block-XXXXXX");
    cr_assert(mkdtemp(path));
}

Test(block, gives_back_what_was_written) {
    char dir[64], path[96];
    temp_dir(dir);
    snprintf(path, sizeof path, "%s/b", dir);
    for (size_t i = 0; i < SHAPES; i++) {
        for (int windowed = 0; windowed < 2; windowed++) {
            FleetShape shape = shapes[i].shape;
            shape.from = T0 + 1000;
            shape.seed = i;
            Fleet fleet;
            fleet_make(&shape, &fleet);
            BlockInfo info;
            fleet_write(&fleet, path, windowed ? 2 * HOUR_MS : 0, 0, &info);
            Err err;
            Block *block;
            cr_assert(block_open(path, &block, &err), "%s: %s", shapes[i].what, err.text);
            cr_expect_eq(info.bytes, block_info(block)->bytes);
            cr_expect_eq(info.sample_count, block_info(block)->sample_count);
            fleet_assert_block(&fleet, block, TIME_MIN, TIME_MAX, shapes[i].what);
            TimeMs from = shape.from + (TimeMs)shape.samples * shape.step / 3;
            fleet_assert_block(&fleet, block, from, from + 20 * shape.step, shapes[i].what);
            cr_expect(block_verify(block, &err), "%s: %s", shapes[i].what, err.text);
            BlockSections sections;
            cr_assert(block_sections(block, &sections, &err), "%s", err.text);
            cr_expect_eq(sections.directory + sections.meta + sections.low + sections.wide +
                             sections.times + sections.headers + sections.index + sections.table,
                         info.bytes, "%s: sections are not all of the file", shapes[i].what);
            block_unref(block);
            arena_finish(&fleet.arena);
        }
    }
    Err err;
    cr_expect(dir_remove(dir, &err));
}

Test(block, of_nothing_is_no_file) {
    char dir[64], path[96];
    temp_dir(dir);
    snprintf(path, sizeof path, "%s/b", dir);
    FleetSeries series = {.labels = {0}};
    Fleet fleet = {.series = &series, .count = 1};
    BlockInfo info;
    fleet_write(&fleet, path, 0, 0, &info);
    cr_expect_eq(info.sample_count, 0);
    cr_expect_neq(access(path, F_OK), 0);
    strcat(path, ".tmp");
    cr_expect_neq(access(path, F_OK), 0);
    Err err;
    cr_expect(dir_remove(dir, &err));
}

/* ---- selecting ---- */

typedef struct Wanted {
    MatchType type;
    const char *name, *value;
} Wanted;

static const Wanted selections[][3] = {
    {{MATCH_EQ, "__name__", "metric_1_total"}},
    {{MATCH_EQ, "__name__", "metric_99_total"}},
    {{MATCH_RE, "__name__", "metric_[12]_.*"}},
    {{MATCH_NE, "__name__", "metric_1_total"}, {MATCH_EQ, "job", "node"}},
    {{MATCH_EQ, "cluster", "c1"}},
    {{MATCH_EQ, "cluster", ""}},
    {{MATCH_NE, "cluster", "c1"}},
    {{MATCH_EQ, "le", ""}},
    {{MATCH_NE, "le", ""}, {MATCH_RE, "instance", "10.0.0.[0-2]:.*"}},
    {{MATCH_EQ, "absent", ""}},
    {{MATCH_NE, "absent", "x"}},
    {{MATCH_EQ, "absent", "x"}},
    {{MATCH_RE, "absent", ".+"}},
    {{MATCH_RE, "pod", "pod-1|pod-2"}, {MATCH_NRE, "le", "0.*"}},
    {{MATCH_NRE, "pod", ".*1"}, {MATCH_EQ, "__name__", "metric_3_total"}, {MATCH_EQ, "le", "1"}},
    {{MATCH_EQ, "pod", "pod-1"}, {MATCH_EQ, "pod", "pod-2"}},
};
enum { SELECTIONS = sizeof selections / sizeof *selections };

static MatcherSet make_set(Arena *arena, const Wanted *wanted) {
    MatcherSet set = {.items = arena_array(arena, Matcher, 3)};
    Err err;
    for (; set.count < 3 && wanted[set.count].name; set.count++) {
        const Wanted *one = &wanted[set.count];
        cr_assert(matcher_init(arena, one->type, str_of(one->name), str_of(one->value),
                               &set.items[set.count], &err),
                  "%s", err.text);
    }
    return set;
}

static void assert_selection(const Fleet *fleet, const Block *block, const MatcherSet *sets,
                             size_t set_count, size_t which) {
    AUTO(arena_finish) Arena arena = {0};
    uint32_t *ordinals;
    size_t count, at = 0;
    Err err;
    cr_assert(
        block_select(block, sets, set_count, TIME_MIN, TIME_MAX, &arena, &ordinals, &count, &err));
    for (size_t i = 0; i < fleet->count; i++) {
        bool wanted = set_count == 0;
        for (size_t j = 0; j < set_count; j++) {
            wanted = wanted || matcher_set_matches(&sets[j], fleet->series[i].labels);
        }
        bool got = at < count && ordinals[at] == i;
        cr_expect_eq(got, wanted, "selection %zu, series %zu", which, i);
        at += got;
    }
    cr_expect_eq(at, count);
}

Test(block, selects_by_every_kind_of_matcher) {
    char dir[64], path[96];
    temp_dir(dir);
    snprintf(path, sizeof path, "%s/b", dir);
    Fleet fleet;
    FleetShape shape = {
        .targets = 7, .metrics = 5, .buckets = 6, .from = T0, .step = 15000, .samples = 3};
    fleet_make(&shape, &fleet);
    BlockInfo info;
    fleet_write(&fleet, path, 0, 0, &info);
    Block *block;
    Err err;
    cr_assert(block_open(path, &block, &err), "%s", err.text);
    assert_selection(&fleet, block, NULL, 0, SELECTIONS);
    for (size_t i = 0; i < SELECTIONS; i++) {
        AUTO(arena_finish) Arena arena = {0};
        MatcherSet sets[2] = {make_set(&arena, selections[i]),
                              make_set(&arena, selections[(i + 5) % SELECTIONS])};
        assert_selection(&fleet, block, sets, 1, i);
        assert_selection(&fleet, block, sets, 2, i);
        matcher_set_finish(&sets[0]);
        matcher_set_finish(&sets[1]);
    }
    block_unref(block);
    arena_finish(&fleet.arena);
    cr_expect(dir_remove(dir, &err));
}

static void assert_texts(const Str *got, size_t count, const char *want) {
    char line[512] = "";
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(line);
        snprintf(line + len, sizeof line - len, "%s%.*s", i ? " " : "", STR_ARG(got[i]));
    }
    cr_expect_str_eq(line, want);
}

Test(block, lists_label_names_and_values) {
    char dir[64], path[96];
    temp_dir(dir);
    snprintf(path, sizeof path, "%s/b", dir);
    Fleet fleet;
    FleetShape shape = {
        .targets = 3, .metrics = 2, .buckets = 3, .from = T0, .step = 15000, .samples = 2};
    fleet_make(&shape, &fleet);
    BlockInfo info;
    fleet_write(&fleet, path, 0, 0, &info);
    Block *block;
    Err err;
    cr_assert(block_open(path, &block, &err), "%s", err.text);
    AUTO(arena_finish) Arena arena = {0};
    Str *texts;
    size_t count;
    block_label_names(block, NULL, 0, &arena, &texts, &count);
    assert_texts(texts, count, "__name__ cluster instance job le pod");
    uint32_t first = 0;
    block_label_names(block, &first, 1, &arena, &texts, &count);
    assert_texts(texts, count, "__name__ cluster instance job pod");
    block_label_values(block, STR("le"), NULL, 0, &arena, &texts, &count);
    assert_texts(texts, count, "0.1 0.5 1");
    block_label_values(block, STR("le"), &first, 1, &arena, &texts, &count);
    assert_texts(texts, count, "");
    block_label_values(block, LABEL_METRIC_NAME, NULL, 0, &arena, &texts, &count);
    assert_texts(texts, count, "metric_0_total metric_1_total");
    block_label_values(block, STR("cluster"), NULL, 0, &arena, &texts, &count);
    assert_texts(texts, count, "c0 c1 c2");
    block_label_values(block, STR("nobody"), NULL, 0, &arena, &texts, &count);
    assert_texts(texts, count, "");
    block_unref(block);
    arena_finish(&fleet.arena);
    cr_expect(dir_remove(dir, &err));
}

/* ---- damage ---- */

static void put_file(const char *path, const char *bytes, size_t len) {
    FILE *file = fopen(path, "wb");
    cr_assert(file && fwrite(bytes, 1, len, file) == len);
    fclose(file);
}

/* Opens a damaged block and reads all of it, if it opens. True if the damage was noticed. */
static bool damage_noticed(const char *path) {
    Err err;
    AUTO(block_unrefp) Block *block = NULL;
    if (!block_open(path, &block, &err)) {
        return true;
    }
    return !block_verify(block, &err) && block_damaged(block) <= 100;
}

Test(block, notices_every_cut_and_every_flipped_bit) {
    char dir[64], path[96];
    temp_dir(dir);
    snprintf(path, sizeof path, "%s/b", dir);
    Fleet fleet;
    FleetShape shape = {.targets = 2,
                        .metrics = 3,
                        .buckets = 2,
                        .from = T0,
                        .step = 15000,
                        .samples = 12,
                        .histograms = true,
                        .starts = true};
    fleet_make(&shape, &fleet);
    BlockInfo info;
    fleet_write(&fleet, path, 0, 0, &info);
    AUTO(arena_finish) Arena arena = {0};
    Str whole;
    Err err;
    cr_assert(file_read(&arena, path, 1 << 20, &whole, &err));
    char *bytes = (char *)whole.ptr;
    log_setup(LOG_ERROR + 1, LOG_LOGFMT);
    for (size_t len = 0; len < whole.len; len++) {
        put_file(path, bytes, len);
        cr_expect(damage_noticed(path), "cut to %zu bytes", len);
    }
    for (size_t bit = 0; bit < whole.len * 8; bit += 1 + bit % 13) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        put_file(path, bytes, whole.len);
        cr_expect(damage_noticed(path), "bit %zu flipped", bit);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    arena_finish(&fleet.arena);
    cr_expect(dir_remove(dir, &err));
}

Test(block, serves_the_rest_of_a_file_with_one_damaged_frame) {
    char dir[64], path[96];
    temp_dir(dir);
    snprintf(path, sizeof path, "%s/b", dir);
    Fleet fleet;
    FleetShape shape = {
        .targets = 3, .metrics = 4, .buckets = 3, .from = T0, .step = 60000, .samples = 400};
    fleet_make(&shape, &fleet);
    BlockInfo info;
    fleet_write(&fleet, path, 2 * HOUR_MS, 0, &info); /* four windows */
    AUTO(arena_finish) Arena arena = {0};
    Str whole;
    Err err;
    cr_assert(file_read(&arena, path, 1 << 20, &whole, &err));
    ((char *)whole.ptr)[100] ^= 1; /* in the first frame */
    put_file(path, whole.ptr, whole.len);
    log_setup(LOG_ERROR + 1, LOG_LOGFMT);
    Block *block;
    cr_assert(block_open(path, &block, &err), "%s", err.text);
    for (uint32_t i = 0; i < fleet.count; i++) {
        SeriesData data;
        block_read(block, i, TIME_MIN, TIME_MAX, &arena, &data);
        fleet_assert_data(&data, &fleet.series[i].data, T0 + 2 * HOUR_MS, TIME_MAX, "rest");
    }
    cr_expect_eq(block_damaged(block), 1);
    cr_expect(!block_verify(block, &err));
    block_unref(block);
    arena_finish(&fleet.arena);
    cr_expect(dir_remove(dir, &err));
}
