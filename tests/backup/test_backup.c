/* Backups to a folder: everything comes back, nothing is overwritten, half a one is never listed.
 */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/backup.h"
#include "base/file.h"

typedef struct TestBackup {
    char dir[64];
    Arena arena;
    Store *store;
    State *state;
    Backups *backups;
    BackupTarget target;
    TimeMs now;
} TestBackup;

static const char *in(TestBackup *test, const char *name) {
    return arena_printf(&test->arena, "%s/%s", test->dir, name).ptr;
}

static Store *open_store(const char *dir) {
    Store *store;
    Err err = {0};
    StoreOptions options = {.dir = dir,
                            .future_max = DAY_MS,
                            .block_span = 2 * HOUR_MS,
                            .source_label = STR("cluster")};
    cr_assert(store_open(&options, &store, &err), "%s", err.text);
    return store;
}

static void start(TestBackup *test) {
    *test = (TestBackup){.dir = "/tmp/belfry-backup-XXXXXX", .now = 1795826292000};
    Err err = {0};
    cr_assert(mkdtemp(test->dir));
    test->store = open_store(in(test, "data"));
    cr_assert(state_open(&(StateOptions){.path = in(test, "data/state.db")}, &test->state, &err),
              "%s", err.text);
    test->backups = backups_new(test->store, test->state, NULL, in(test, "data"));
    test->target = (BackupTarget){.to = str_of(in(test, "to"))};
}

static void finish(TestBackup *test) {
    Err err;
    backups_free(test->backups);
    state_close(test->state);
    store_close(test->store);
    cr_assert(dir_remove(test->dir, &err));
    arena_finish(&test->arena);
}

static void append(Store *store, TimeMs time, double value) {
    Label label = {LABEL_METRIC_NAME, STR("up")};
    LabelSet labels;
    Err err = {0};
    cr_assert(labels_build(&label, 1, &labels, &err));
    BatchSeries series = {.labels = labels, .row_count = 1};
    SampleBatch batch = {&series, 1, &time, &value, .row_count = 1};
    StoreOutcome outcome;
    uint64_t lsn;
    cr_assert(store_append(store, &batch, time, &lsn, &outcome, &err), "%s", err.text);
    cr_assert(store_wait_synced(store, lsn, &err), "%s", err.text);
}

static size_t count_samples(const char *dir) {
    Store *store = open_store(dir);
    StoreSnapshot *snapshot = store_snapshot(store);
    StoreSelection *selection;
    Arena arena = {0};
    Err err = {0};
    size_t count = 0;
    cr_assert(snapshot_select(snapshot, NULL, 0, 0, TIME_MAX, 0, &selection, &err));
    for (size_t i = 0; i < selection_count(selection); i++) {
        SeriesData data;
        selection_read(selection, i, 0, TIME_MAX, &arena, &data);
        count += data.count;
    }
    selection_free(selection);
    snapshot_release(snapshot);
    store_close(store);
    arena_finish(&arena);
    return count;
}

static BackupInfo create(TestBackup *test) {
    BackupInfo info;
    Err err = {0};
    test->now += 1000;
    cr_assert(
        backups_create(test->backups, &test->target, test->now, NULL, &test->arena, &info, &err),
        "%s", err.text);
    return info;
}

static size_t list(TestBackup *test, BackupInfo **ret_infos) {
    size_t count;
    Err err = {0};
    cr_assert(backup_list(NULL, &test->target, &test->arena, ret_infos, &count, &err), "%s",
              err.text);
    return count;
}

static bool restore(TestBackup *test, const char *name, const char *dir, Err *err) {
    BackupInfo info;
    return backup_restore(NULL, &test->target, str_of(name), in(test, dir), &test->arena, &info,
                          err);
}

Test(backup, each_holds_what_was_there_at_its_moment) {
    TestBackup test;
    start(&test);
    append(test.store, test.now, 1);
    BackupInfo first = create(&test);
    append(test.store, test.now + 1, 2);
    append(test.store, test.now + 2, 3);
    BackupInfo second = create(&test);
    cr_expect_eq(first.samples, 1);
    cr_expect_eq(second.samples, 3);
    cr_expect_eq(second.max, test.now - 1000 + 2);
    BackupInfo *infos;
    cr_assert_eq(list(&test, &infos), 2);
    cr_expect(str_eq(infos[0].name, first.name) && str_eq(infos[1].name, second.name));
    cr_expect(infos[1].bytes > 0 && infos[1].problem.len == 0);
    Err err = {0};
    cr_assert(restore(&test, "", "newest", &err), "%s", err.text);
    cr_assert(restore(&test, arena_cstr(&test.arena, first.name), "first", &err), "%s", err.text);
    cr_expect_eq(count_samples(in(&test, "newest")), 3);
    cr_expect_eq(count_samples(in(&test, "first")), 1);
    State *state;
    cr_expect(state_open(&(StateOptions){.path = in(&test, "newest/state.db")}, &state, &err), "%s",
              err.text);
    state_close(state);
    finish(&test);
}

Test(backup, an_empty_store_can_be_kept_as_well) {
    TestBackup test;
    start(&test);
    Err err = {0};
    cr_expect_eq(create(&test).samples, 0);
    cr_assert(restore(&test, "latest", "back", &err), "%s", err.text);
    cr_expect_eq(count_samples(in(&test, "back")), 0);
    finish(&test);
}

Test(backup, blocks_are_linked_where_that_can_be_done) {
    TestBackup test;
    start(&test);
    append(test.store, test.now, 1);
    BackupInfo info = create(&test);
    Str blocks =
        arena_printf(&test.arena, "%.*s/%.*s/blocks", STR_ARG(test.target.to), STR_ARG(info.name));
    Str *names;
    size_t count;
    Err err = {0};
    cr_assert(dir_list(&test.arena, blocks.ptr, &names, &count, &err));
    struct stat file;
    cr_assert(
        stat(arena_printf(&test.arena, "%s/%.*s", blocks.ptr, STR_ARG(names[0])).ptr, &file) == 0);
    cr_expect_eq(file.st_nlink, 2, "one link of the store, one of the backup, none staged");
    finish(&test);
}

Test(backup, a_restore_overwrites_nothing) {
    TestBackup test;
    start(&test);
    append(test.store, test.now, 1);
    create(&test);
    Err err = {0};
    cr_expect_not(restore(&test, "", "data", &err));
    cr_expect_eq(err.kind, ERR_CONFLICT);
    cr_expect(strstr(err.text, "not empty"), "%s", err.text);
    cr_assert(dir_make(in(&test, "used"), &err));
    cr_assert(file_replace(in(&test, "used/notes.txt"), STR("mine"), &err));
    cr_expect_not(restore(&test, "", "used", &err));
    cr_expect_eq(access(in(&test, "used/FORMAT"), F_OK), -1);
    cr_assert(dir_make(in(&test, "empty"), &err));
    cr_expect(restore(&test, "", "empty", &err), "%s", err.text);
    finish(&test);
}

Test(backup, a_damaged_backup_is_refused_and_leaves_no_store) {
    TestBackup test;
    start(&test);
    append(test.store, test.now, 1);
    BackupInfo info = create(&test);
    Str path = arena_printf(&test.arena, "%.*s/%.*s/state.db", STR_ARG(test.target.to),
                            STR_ARG(info.name));
    FILE *file = fopen(path.ptr, "r+");
    cr_assert(file && fseek(file, 100, SEEK_SET) == 0 && fputc(0xAA, file) != EOF);
    fclose(file);
    Err err = {0};
    cr_expect_not(restore(&test, "", "back", &err));
    cr_expect_eq(err.kind, ERR_CORRUPT);
    cr_expect(strstr(err.text, "state.db"), "%s", err.text);
    Store *store;
    StoreOptions options = {.dir = in(&test, "back"), .source_label = STR("cluster")};
    cr_expect_not(store_open(&options, &store, &err));
    cr_expect(strstr(err.text, "not finished"), "%s", err.text);
    finish(&test);
}

Test(backup, what_was_never_finished_is_not_listed_and_is_cleared_away) {
    TestBackup test;
    start(&test);
    Err err = {0};
    BackupInfo *infos;
    cr_assert(dir_make(in(&test, "to/.partial-dead/blocks"), &err));
    cr_assert(dir_make(in(&test, "to/.partial-alive"), &err));
    cr_assert(dir_make(in(&test, "to/no-manifest/blocks"), &err));
    int fd = open(in(&test, "to/.partial-alive/lock"), O_RDWR | O_CREAT, 0600);
    cr_assert(fd >= 0 && flock(fd, LOCK_EX) == 0);
    cr_expect_eq(list(&test, &infos), 0);
    cr_expect_not(restore(&test, "no-manifest", "back", &err));
    cr_expect_not(restore(&test, "../data", "back", &err));
    cr_expect_not(restore(&test, "", "back", &err));
    cr_expect_eq(err.kind, ERR_NOT_FOUND);
    create(&test);
    cr_expect_eq(list(&test, &infos), 1);
    cr_expect_eq(access(in(&test, "to/.partial-dead"), F_OK), -1);
    cr_expect_eq(access(in(&test, "to/.partial-alive"), F_OK), 0, "somebody is at work there");
    close(fd);
    finish(&test);
}

Test(backup, a_cancelled_one_leaves_nothing) {
    TestBackup test;
    start(&test);
    append(test.store, test.now, 1);
    _Atomic bool cancelled = true;
    BackupInfo info;
    BackupInfo *infos;
    Err err = {0};
    cr_expect_not(
        backups_create(test.backups, &test.target, test.now, &cancelled, &test.arena, &info, &err));
    cr_expect_eq(err.kind, ERR_CANCELLED);
    cr_expect_eq(list(&test, &infos), 0);
    Str *names;
    size_t count;
    cr_assert(dir_list(&test.arena, in(&test, "to"), &names, &count, &err));
    cr_expect_eq(count, 0);
    cr_assert(dir_list(&test.arena, in(&test, "data/snapshots"), &names, &count, &err));
    cr_expect_eq(count, 0);
    finish(&test);
}

Test(backup, a_configured_place_cannot_be_changed_by_who_asks) {
    TestBackup test;
    start(&test);
    BackupTarget configured = {.to = str_of(in(&test, "configured"))};
    backups_set_target(test.backups, &configured);
    BackupInfo info;
    Err err = {0};
    cr_expect_not(
        backups_create(test.backups, &test.target, test.now, NULL, &test.arena, &info, &err));
    cr_expect_eq(err.kind, ERR_INVALID);
    cr_expect(
        backups_create(test.backups, &(BackupTarget){0}, test.now, NULL, &test.arena, &info, &err),
        "%s", err.text);
    test.target = configured;
    BackupInfo *infos;
    cr_expect_eq(list(&test, &infos), 1);
    finish(&test);
}
