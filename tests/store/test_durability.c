/*
 * What was acknowledged is there after whatever happens: kill -9, a cut or damaged log, failing
 * disk operations, loss of power.
 *
 * The writer appends samples of a few series, number n at time n, and notes the last one that was
 * acknowledged. What is read after opening again has to be every number up to it, each with its
 * value.
 */

#include "testing.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "faults.h"

enum { SERIES = 5, STEP_MS = 1000 };

/* One batch: sample `number` of each series. A series is new every so often, so that definitions
 * are spread over the log. */
static bool append_number(Store *store, Arena *arena, int64_t number, Err *err) {
    BatchSeries series[SERIES + 1];
    TimeMs times[SERIES + 1];
    double values[SERIES + 1];
    for (size_t i = 0; i <= SERIES; i++) {
        char words[64];
        if (i < SERIES) {
            snprintf(words, sizeof words, "m cluster=a i=%zu", i);
        } else {
            snprintf(words, sizeof words, "fresh cluster=b generation=%d", (int)(number / 16));
        }
        times[i] = number * STEP_MS;
        values[i] = (double)number + (double)i / 8;
        series[i] = (BatchSeries){
            .labels = test_labels(arena, words), .row_first = (uint32_t)i, .row_count = 1};
    }
    SampleBatch batch = {.series = series,
                         .series_count = SERIES + 1,
                         .times = times,
                         .values = values,
                         .row_count = SERIES + 1};
    StoreOutcome outcome;
    uint64_t lsn;
    return store_append(store, &batch, number * STEP_MS, &lsn, &outcome, err) &&
           store_wait_synced(store, lsn, err);
}

typedef struct Found {
    int64_t whole; /* numbers 0 .. whole - 1 are there in each series */
    int64_t samples;
} Found;

/* Checks every value that is there, and up to which number nothing is missing. */
static Found look(Store *store, bool gaps_allowed) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(selection_freep) StoreSelection *selection = NULL;
    AUTO(snapshot_releasep) StoreSnapshot *snapshot = store_snapshot(store);
    Err err = {0};
    Found found = {.whole = INT64_MAX};
    cr_assert(snapshot_select(snapshot, NULL, 0, 0, TIME_MAX, 0, &selection, &err), "%s", err.text);
    for (size_t i = 0; i < selection_count(selection); i++) {
        LabelSet labels = selection_labels(selection, i);
        bool fresh = !labels_has(labels, STR("i"));
        size_t index = fresh ? SERIES : (size_t)(labels_get(labels, STR("i")).ptr[0] - '0');
        SeriesData data;
        selection_read(selection, i, 0, TIME_MAX, &arena, &data);
        int64_t next = data.count > 0 && fresh ? data.times[0] / STEP_MS : 0;
        for (size_t j = 0; j < data.count; j++) {
            int64_t number = data.times[j] / STEP_MS;
            cr_assert(data.values[j] == (double)number + (double)index / 8);
            cr_assert(gaps_allowed || number == next, "series %zu: %lld, want %lld", index,
                      (long long)number, (long long)next);
            next = number + 1;
        }
        found.samples += (int64_t)data.count;
        found.whole = !fresh && next < found.whole ? next : found.whole;
    }
    found.whole = found.whole == INT64_MAX ? 0 : found.whole;
    return found;
}

/* ---- kill -9 ---- */

static _Noreturn void write_until_killed(const StoreOptions *options,
                                         _Atomic int64_t *acknowledged) {
    Store *store;
    Err err = {0};
    if (!store_open(options, &store, &err)) {
        fprintf(stderr, "%s\n", err.text);
        _exit(1);
    }
    for (int64_t number = *acknowledged;; number++) {
        Arena arena = {0};
        if (!append_number(store, &arena, number, &err)) {
            fprintf(stderr, "%s\n", err.text);
            _exit(2);
        }
        *acknowledged = number + 1;
        if (number % 97 == 50 && !store_flush(store, &err)) {
            _exit(3);
        }
        if (number % 501 == 500 && !store_compact(store, &err)) {
            _exit(4);
        }
        arena_finish(&arena);
    }
}

/* A busy machine may not get as far as a first acknowledgement before the kill: now and then it is
 * waited for. */
static void wait_for_more(const _Atomic int64_t *acknowledged, int64_t before) {
    for (int i = 0; i < 30000 && *acknowledged == before; i++) {
        usleep(1000);
    }
}

/* Kills the writer at random moments; after each the next one goes on from what was acknowledged.
 */
static void kill_loop(int rounds) {
    TestStore test;
    test_store_open(&test);
    store_close(test.store);
    test.store = NULL;
    test.options.block_span = 60 * SECOND_MS;
    _Atomic int64_t *acknowledged =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(acknowledged != MAP_FAILED);
    srand(7);
    for (int round = 0; round < rounds; round++) {
        int64_t before = *acknowledged;
        pid_t writer = fork();
        if (writer == 0) {
            write_until_killed(&test.options, acknowledged);
        }
        if (round % 5 == 0) {
            wait_for_more(acknowledged, before);
        }
        usleep((useconds_t)(rand() % 60000));
        kill(writer, SIGKILL);
        int status;
        cr_assert_eq(waitpid(writer, &status, 0), writer);
        cr_assert(WIFSIGNALED(status), "the writer ended by itself: %d", WEXITSTATUS(status));
        if (round % 5 == 4 || round + 1 == rounds) {
            test_store_reopen(&test);
            int64_t want = *acknowledged;
            Found found = look(test.store, false);
            cr_assert_geq(found.whole, want, "round %d: %lld of %lld", round,
                          (long long)found.whole, (long long)want);
            store_close(test.store);
            test.store = NULL;
        }
    }
    cr_assert_gt(*acknowledged, 0);
    munmap((void *)acknowledged, 4096);
    test_store_close(&test);
}

Test(durability, survives_kill_9_at_random_moments) {
    const char *rounds = getenv("BELFRY_KILLS");
    kill_loop(rounds ? atoi(rounds) : 30);
}

/* ---- a damaged log ---- */

/* Every few bytes; more of them where time does not matter. */
static size_t stride(size_t usual, size_t thorough) {
    return getenv("BELFRY_LONG") ? thorough : usual;
}

/* A store whose log holds numbers 0 .. count - 1 and that was not closed: the bytes of its only
 * segment. */
static Str make_log(TestStore *test, int64_t count, char path[PATH_MAX]) {
    pid_t writer = fork();
    if (writer == 0) {
        Store *store;
        Err err = {0};
        bool good = store_open(&test->options, &store, &err);
        for (int64_t number = 0; good && number < count; number++) {
            good = append_number(store, &test->arena, number, &err);
        }
        _exit(good ? 0 : 1);
    }
    int status;
    waitpid(writer, &status, 0);
    cr_assert_eq(status, 0);
    snprintf(path, PATH_MAX, "%s/log/0000000000000000.log", test->dir);
    Str bytes;
    Err err = {0};
    cr_assert(file_read(&test->arena, path, SIZE_MAX / 2, &bytes, &err), "%s", err.text);
    return bytes;
}

static void put_log(const TestStore *test, const char *path, Str bytes) {
    char folder[PATH_MAX];
    Err err = {0};
    static const char *const folders[] = {"log", "head", "blocks"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(folder, sizeof folder, "%s/%s", test->dir, folders[i]);
        cr_assert(dir_remove(folder, &err) && dir_make(folder, &err));
    }
    FILE *file = fopen(path, "w");
    cr_assert(file && fwrite(bytes.ptr, 1, bytes.len, file) == bytes.len);
    fclose(file);
}

static void fresh_dir(TestStore *test) {
    *test = (TestStore){.dir = "/tmp/belfry-store-XXXXXX", .files = &store_files_real};
    cr_assert(mkdtemp(test->dir));
    test->options = (StoreOptions){.dir = test->dir,
                                   .sync = STORE_SYNC_NEVER,
                                   .future_max = 100 * 365 * DAY_MS,
                                   .source_label = STR("cluster")};
}

Test(durability, a_log_cut_anywhere_keeps_what_is_before_the_cut) {
    enum { NUMBERS = 40 };
    TestStore test;
    char path[PATH_MAX];
    fresh_dir(&test);
    Str log = make_log(&test, NUMBERS, path);
    int64_t before = 0;
    for (size_t len = 0; len <= log.len; len += 1 + len / stride(100, 400)) {
        put_log(&test, path, (Str){log.ptr, len});
        test_store_reopen(&test);
        Found found = look(test.store, false);
        cr_assert(found.whole >= before && found.whole <= NUMBERS, "cut at %zu", len);
        before = found.whole;
        /* And it takes more. */
        Err err = {0};
        cr_assert(append_number(test.store, &test.arena, found.whole, &err), "%s", err.text);
        store_close(test.store);
        test.store = NULL;
    }
    put_log(&test, path, log);
    test_store_reopen(&test);
    cr_assert_eq(look(test.store, false).whole, NUMBERS);
    test_store_close(&test);
}

Test(durability, a_flipped_byte_in_the_log_takes_one_batch_at_most) {
    enum { NUMBERS = 40 };
    TestStore test;
    char path[PATH_MAX];
    fresh_dir(&test);
    Str log = make_log(&test, NUMBERS, path);
    char *damaged = arena_raw(&test.arena, log.len);
    for (size_t at = 0; at < log.len; at += stride(41, 3)) {
        memcpy(damaged, log.ptr, log.len);
        damaged[at] = (char)(damaged[at] ^ (1 << at % 8));
        put_log(&test, path, (Str){damaged, log.len});
        test_store_reopen(&test);
        Found found = look(test.store, true);
        cr_assert_geq(found.samples, (NUMBERS - 1) * (SERIES + 1), "flipped at %zu of %zu", at,
                      log.len);
        cr_assert_geq(counter_get(&test.store->damaged), 1);
        store_close(test.store);
        test.store = NULL;
    }
    test_store_close(&test);
}

Test(durability, a_damaged_checkpoint_is_set_aside_for_the_one_before) {
    TestStore test;
    fresh_dir(&test);
    Err err = {0};
    test_store_reopen(&test);
    int64_t number = 0;
    for (int life = 0; life < 3; life++) {
        for (int i = 0; i < 20; i++) {
            cr_assert(append_number(test.store, &test.arena, number++, &err), "%s", err.text);
        }
        test_store_reopen(&test); /* closing writes a checkpoint */
    }
    store_close(test.store);
    test.store = NULL;
    char folder[PATH_MAX], path[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/head", test.dir);
    Str *names;
    size_t count;
    cr_assert(dir_list(&test.arena, folder, &names, &count, &err));
    cr_assert_eq(count, 2);
    snprintf(path, sizeof path, "%.999s/%.99s", folder, names[1].ptr);
    FILE *file = fopen(path, "r+");
    cr_assert(file && fseek(file, 100, SEEK_SET) == 0 && fputc(0xAA, file) != EOF);
    fclose(file);
    test_store_reopen(&test);
    cr_assert_eq(look(test.store, false).whole, number);
    test_store_close(&test);
}

/* ---- failing operations ---- */

/* Work that uses every kind of operation. Returns how many numbers were acknowledged; errors are
 * allowed. */
static int64_t work(Store *store, int64_t number, int64_t count) {
    AUTO(arena_finish) Arena arena = {0};
    Err err = {0};
    int64_t acknowledged = number;
    for (int64_t end = number + count; number < end; number++) {
        bool good = append_number(store, &arena, number, &err);
        if (good && acknowledged == number) {
            acknowledged = number + 1;
        }
        if (!good) {
            break;
        }
        if (number % 8 == 5) {
            (void)!store_flush(store, &err);
        }
        if (number % 16 == 13) {
            (void)!store_compact(store, &err);
        }
    }
    return acknowledged;
}

static Store *try_open(const StoreOptions *options, const StoreFiles *files) {
    Store *store = NULL;
    Err err = {0};
    return store_open_with(options, files, &store, &err) ? store : NULL;
}

static long count_operations(void) {
    TestStore test;
    Faults faults;
    fresh_dir(&test);
    test.options.sync = STORE_SYNC_ALWAYS;
    test.options.block_span = 10 * SECOND_MS;
    faults_init(&faults);
    test.files = &faults.files;
    test_store_reopen(&test);
    cr_assert_eq(work(test.store, 0, 24), 24);
    test_store_close(&test);
    free(faults.list);
    return faults.operations;
}

/* Operation number `at` fails, alone or with all after it; then the process dies and the disk is
 * well again. */
static void fail_at(long at, int error, bool sticky) {
    TestStore test;
    Faults faults;
    fresh_dir(&test);
    test.options.sync = STORE_SYNC_ALWAYS;
    test.options.block_span = 10 * SECOND_MS;
    faults_init(&faults);
    faults_arm(&faults, at, error, sticky);
    Store *store = try_open(&test.options, &faults.files);
    int64_t acknowledged = store ? work(store, 0, 24) : 0;
    store_close(store);
    test_store_reopen(&test);
    Found found = look(test.store, false);
    cr_assert_geq(found.whole, acknowledged, "operation %ld: %s", at, strerror(error));
    test_store_close(&test);
    free(faults.list);
}

Test(durability, keeps_its_word_whichever_operation_fails) {
    long operations = count_operations();
    cr_assert_gt(operations, 100);
    for (long at = 0; at < operations; at++) {
        fail_at(at, at % 2 ? ENOSPC : EIO, at % 3 == 0);
    }
}

/* Of a series that the program itself writes, `value` times 1 s. */
static bool append_own(Store *store, Arena *arena, const char *words, double value, Err *err) {
    TimeMs time = (TimeMs)value * STEP_MS;
    BatchSeries series = {.labels = test_labels(arena, words), .row_count = 1};
    SampleBatch batch = {.series = &series,
                         .series_count = 1,
                         .times = &time,
                         .values = &value,
                         .row_count = 1,
                         .own = true};
    StoreOutcome outcome;
    uint64_t lsn;
    return store_append(store, &batch, time, &lsn, &outcome, err) &&
           store_wait_synced(store, lsn, err);
}

static size_t count_of(TestStore *test, const char *name) {
    AUTO(selection_freep) StoreSelection *selection = NULL;
    AUTO(snapshot_releasep) StoreSnapshot *snapshot = store_snapshot(test->store);
    Matcher matcher;
    Err err = {0};
    SeriesData data;
    cr_assert(
        matcher_init(&test->arena, MATCH_EQ, LABEL_METRIC_NAME, str_of(name), &matcher, &err));
    MatcherSet set = {&matcher, 1};
    cr_assert(snapshot_select(snapshot, &set, 1, 0, TIME_MAX, 0, &selection, &err), "%s", err.text);
    size_t count = 0;
    for (size_t i = 0; i < selection_count(selection); i++) {
        selection_read(selection, i, 0, TIME_MAX, &test->arena, &data);
        count += data.count;
    }
    return count;
}

/* The rule about the full disk reads what the program writes about itself. */
Test(durability, takes_its_own_samples_into_memory_while_the_disk_is_full) {
    TestStore test;
    Faults faults;
    fresh_dir(&test);
    test.options.sync = STORE_SYNC_ALWAYS;
    faults_init(&faults);
    test.files = &faults.files;
    test_store_reopen(&test);
    Err err = {0};
    cr_assert(append_own(test.store, &test.arena, "known", 1, &err), "%s", err.text);
    faults_arm(&faults, 0, ENOSPC, true);
    cr_assert_not(append_number(test.store, &test.arena, 0, &err));
    cr_assert(append_own(test.store, &test.arena, "known", 2, &err), "%s", err.text);
    cr_assert(append_own(test.store, &test.arena, "newborn", 3, &err), "%s", err.text);
    cr_assert_not(append_number(test.store, &test.arena, 0, &err), "senders are refused");
    cr_assert_eq(count_of(&test, "known"), 2);
    cr_assert_eq(count_of(&test, "newborn"), 1);
    faults_arm(&faults, -1, 0, false);
    bool good = false;
    for (int i = 0; i < 300 && !good; i++) {
        usleep(100000);
        good = append_number(test.store, &test.arena, 0, &err);
    }
    cr_assert(good, "%s", err.text);
    cr_assert(append_own(test.store, &test.arena, "newborn", 4, &err), "%s", err.text);
    test_store_reopen(&test);
    cr_assert_eq(count_of(&test, "known"), 2);
    cr_assert_eq(count_of(&test, "newborn"), 2);
    test_store_close(&test);
    free(faults.list);
}

Test(durability, goes_on_when_the_disk_has_room_again) {
    TestStore test;
    Faults faults;
    fresh_dir(&test);
    test.options.sync = STORE_SYNC_ALWAYS;
    faults_init(&faults);
    test.files = &faults.files;
    test_store_reopen(&test);
    Err err = {0};
    cr_assert(append_number(test.store, &test.arena, 0, &err));
    faults_arm(&faults, 0, ENOSPC, true);
    cr_assert_not(append_number(test.store, &test.arena, 1, &err));
    cr_assert_eq(err.kind, ERR_IO, "%s", err.text);
    cr_assert_not(append_number(test.store, &test.arena, 1, &err), "still full");
    faults_arm(&faults, -1, 0, false);
    bool good = false;
    for (int i = 0; i < 300 && !good; i++) {
        usleep(100000);
        good = append_number(test.store, &test.arena, 1, &err);
    }
    cr_assert(good, "%s", err.text);
    cr_assert(append_number(test.store, &test.arena, 2, &err), "%s", err.text);
    test_store_reopen(&test);
    cr_assert_eq(look(test.store, false).whole, 3);
    test_store_close(&test);
    free(faults.list);
}

/* ---- loss of power ---- */

Test(durability, what_was_acknowledged_survives_loss_of_power) {
    for (int64_t count = 1; count < 60; count += 3) {
        TestStore test;
        Faults faults;
        fresh_dir(&test);
        test.options.sync = STORE_SYNC_ALWAYS;
        test.options.block_span = 10 * SECOND_MS;
        faults_init(&faults);
        int64_t acknowledged = 0;
        for (int life = 0; life < 3; life++) {
            faults_power(&faults, false);
            Store *store = try_open(&test.options, &faults.files);
            cr_assert(store);
            cr_assert_geq(look(store, false).whole, acknowledged, "after %lld, life %d",
                          (long long)count, life);
            acknowledged = work(store, acknowledged, count);
            faults_power(&faults, true);
            store_close(store);
            faults_cut(&faults);
        }
        test_store_reopen(&test);
        cr_assert_geq(look(test.store, false).whole, acknowledged);
        test_store_close(&test);
        free(faults.list);
    }
}
