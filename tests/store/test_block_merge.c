/* Merging blocks: the result holds what the inputs held, later inputs win, deletions and retention
 * leave no trace. */

#include <criterion/criterion.h>
#include <unistd.h>

#include "base/file.h"
#include "fleet.h"
#include "store/seriesdata.h"

static const TimeMs T0 = INT64_C(1700006400000); /* a multiple of two hours */

enum { PIECES_MAX = 8 };

/* A fleet cut into blocks by time. */
typedef struct Pieces {
    char dir[64];
    Block *blocks[PIECES_MAX];
    BlockInput inputs[PIECES_MAX];
    size_t count;
} Pieces;

static void cut_fleet(const Fleet *fleet, TimeMs from, TimeMs to, Fleet *ret_part) {
    *ret_part = (Fleet){0};
    ret_part->series = arena_array(&ret_part->arena, FleetSeries, fleet->count);
    for (size_t i = 0; i < fleet->count; i++) {
        SeriesData data = series_data_cut(&fleet->series[i].data, from, to);
        if (data.count) {
            ret_part->series[ret_part->count++] = (FleetSeries){fleet->series[i].labels, data};
        }
    }
}

static void pieces_add(Pieces *pieces, const Fleet *fleet, TimeMs from, TimeMs to,
                       DurationMs window) {
    char path[96];
    Fleet part;
    Err err;
    BlockInfo info;
    if (!pieces->count) {
        snprintf(pieces->dir, sizeof pieces->dir, "/tmp/belfry-merge-XXXXXX");
        cr_assert(mkdtemp(pieces->dir));
    }
    snprintf(path, sizeof path, "%s/%zu", pieces->dir, pieces->count);
    cut_fleet(fleet, from, to, &part);
    fleet_write(&part, path, window, 0, &info);
    arena_finish(&part.arena);
    Block **slot = &pieces->blocks[pieces->count];
    cr_assert(block_open(path, slot, &err), "%s", err.text);
    pieces->inputs[pieces->count++] = (BlockInput){.block = *slot};
}

static Block *merge(Pieces *pieces, TimeMs keep_from) {
    char path[96];
    snprintf(path, sizeof path, "%s/merged", pieces->dir);
    BlockWriteOptions options = {
        .path = path, .window = 2 * HOUR_MS, .level = 1, .files = &store_files_real};
    BlockInfo info;
    Err err;
    cr_assert(block_merge(&options, pieces->inputs, pieces->count, keep_from, &info, &err), "%s",
              err.text);
    Block *block;
    cr_assert(block_open(path, &block, &err), "%s", err.text);
    cr_expect_eq(block_info(block)->bytes, info.bytes);
    cr_expect(block_verify(block, &err), "%s", err.text);
    return block;
}

static void pieces_finish(Pieces *pieces) {
    Err err;
    for (size_t i = 0; i < pieces->count; i++) {
        block_unref(pieces->blocks[i]);
    }
    cr_expect(dir_remove(pieces->dir, &err));
}

static const FleetShape everything = {.targets = 4,
                                      .metrics = 7,
                                      .buckets = 4,
                                      .from = INT64_C(1700006400000) + 5000,
                                      .step = 30000,
                                      .samples = 900,
                                      .jitter = true,
                                      .gaps = true,
                                      .histograms = true,
                                      .starts = true};

Test(block_merge, joins_windows_of_neighbouring_blocks) {
    Fleet fleet;
    fleet_make(&everything, &fleet);
    Pieces pieces = {0};
    pieces_add(&pieces, &fleet, T0, T0 + 2 * HOUR_MS - 1, 2 * HOUR_MS);
    pieces_add(&pieces, &fleet, T0 + 2 * HOUR_MS, T0 + 4 * HOUR_MS - 1, 2 * HOUR_MS);
    pieces_add(&pieces, &fleet, T0 + 4 * HOUR_MS, TIME_MAX, 2 * HOUR_MS);
    Block *merged = merge(&pieces, TIME_MIN);
    fleet_assert_block(&fleet, merged, TIME_MIN, TIME_MAX, "joined");
    fleet_assert_block(&fleet, merged, T0 + HOUR_MS, T0 + 3 * HOUR_MS, "joined, middle");
    block_unref(merged);
    pieces_finish(&pieces);
    arena_finish(&fleet.arena);
}

Test(block_merge, joins_blocks_that_share_windows_or_have_other_ones) {
    Fleet fleet;
    fleet_make(&everything, &fleet);
    Pieces pieces = {0};
    pieces_add(&pieces, &fleet, T0, T0 + HOUR_MS, 2 * HOUR_MS);
    pieces_add(&pieces, &fleet, T0 + HOUR_MS + 1, T0 + 3 * HOUR_MS, 2 * HOUR_MS);
    pieces_add(&pieces, &fleet, T0 + 3 * HOUR_MS + 1, T0 + 5 * HOUR_MS, HOUR_MS);
    pieces_add(&pieces, &fleet, T0 + 5 * HOUR_MS + 1, TIME_MAX, 0);
    Block *merged = merge(&pieces, TIME_MIN);
    fleet_assert_block(&fleet, merged, TIME_MIN, TIME_MAX, "joined");
    block_unref(merged);
    pieces_finish(&pieces);
    arena_finish(&fleet.arena);
}

Test(block_merge, lets_later_blocks_win) {
    FleetShape shape = {.targets = 2,
                        .metrics = 3,
                        .buckets = 2,
                        .from = T0,
                        .step = 15000,
                        .samples = 200,
                        .seed = 1};
    Fleet older, newer;
    fleet_make(&shape, &older);
    shape.seed = 2;
    fleet_make(&shape, &newer);
    Pieces pieces = {0};
    pieces_add(&pieces, &older, TIME_MIN, TIME_MAX, 2 * HOUR_MS);
    pieces_add(&pieces, &newer, T0 + 1000000, TIME_MAX, 2 * HOUR_MS);
    Block *merged = merge(&pieces, TIME_MIN);
    fleet_assert_block(&older, merged, TIME_MIN, T0 + 999999, "before");
    fleet_assert_block(&newer, merged, T0 + 1000000, TIME_MAX, "after");
    block_unref(merged);
    pieces_finish(&pieces);
    arena_finish(&older.arena);
    arena_finish(&newer.arena);
}

Test(block_merge, leaves_out_what_retention_and_deletions_took) {
    Fleet fleet;
    FleetShape shape = everything;
    shape.gaps = false;
    fleet_make(&shape, &fleet);
    Pieces pieces = {0};
    pieces_add(&pieces, &fleet, T0, T0 + 4 * HOUR_MS - 1, 2 * HOUR_MS);
    pieces_add(&pieces, &fleet, T0 + 4 * HOUR_MS, TIME_MAX, 2 * HOUR_MS);
    /* Series 3 loses all of it, series 5 an hour. */
    HiddenRange first[] = {{3, TIME_MIN, TIME_MAX}, {5, T0 + 2 * HOUR_MS, T0 + 3 * HOUR_MS}};
    HiddenRange second[] = {{3, TIME_MIN, TIME_MAX}};
    pieces.inputs[0].hidden = first;
    pieces.inputs[0].hidden_count = 2;
    pieces.inputs[1].hidden = second;
    pieces.inputs[1].hidden_count = 1;
    TimeMs keep_from = T0 + HOUR_MS;
    Block *merged = merge(&pieces, keep_from);

    series_data_hide(&fleet.series[5].data, T0 + 2 * HOUR_MS, T0 + 3 * HOUR_MS, &fleet.arena);
    memmove(&fleet.series[3], &fleet.series[4], (fleet.count - 4) * sizeof *fleet.series);
    fleet.count--;
    for (size_t i = 0; i < fleet.count; i++) {
        fleet.series[i].data = series_data_cut(&fleet.series[i].data, keep_from, TIME_MAX);
    }
    fleet_assert_block(&fleet, merged, TIME_MIN, TIME_MAX, "what is left");
    cr_expect_geq(block_info(merged)->min, keep_from);
    block_unref(merged);
    pieces_finish(&pieces);
    arena_finish(&fleet.arena);
}

Test(block_merge, of_what_is_all_gone_writes_no_file) {
    Fleet fleet;
    fleet_make(&everything, &fleet);
    Pieces pieces = {0};
    pieces_add(&pieces, &fleet, TIME_MIN, TIME_MAX, 2 * HOUR_MS);
    char path[96];
    snprintf(path, sizeof path, "%s/merged", pieces.dir);
    BlockWriteOptions options = {.path = path, .window = 2 * HOUR_MS, .files = &store_files_real};
    BlockInfo info;
    Err err;
    cr_assert(block_merge(&options, pieces.inputs, 1, T0 + 1000 * HOUR_MS, &info, &err));
    cr_expect_eq(info.sample_count, 0);
    cr_expect_neq(access(path, F_OK), 0);
    pieces_finish(&pieces);
    arena_finish(&fleet.arena);
}
