/*
 * SEGMENT  log/<start>.log, <start> in 16 hexadecimal digits: the position of its first byte
 *
 *   records, one after the other:
 *     u32   0xB1F7C0DE, little-endian as all numbers
 *     u32   length of the payload
 *     u32   crc32c over type, length and payload
 *     u32   type
 *     payload
 *
 * The mark at the beginning of each record is what a search for the next good one looks for after
 * damage.
 */

#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

#define RECORD_MARK UINT32_C(0xB1F7C0DE)

enum { SEGMENT_BYTES = 64 << 20 };

typedef struct Segment {
    uint64_t start, end;
} Segment;

struct Journal {
    JournalOptions options;
    char *dir;
    pthread_t writer;
    pthread_mutex_t lock;
    pthread_cond_t work; /* something waits, or stop */
    pthread_cond_t done; /* `synced` or `failed` changed */
    Buf pending;         /* records up to `end` */
    uint64_t end;
    uint64_t written;
    uint64_t synced;
    int64_t synced_at_ns;
    bool failed, stop, writing;
    bool roll; /* a new segment is wanted */
    Err failure;
    Segment *segments; /* older ones and, last, the current */
    size_t segments_count, segments_cap;
    uint64_t segment_start; /* of the current; who writes may look at it without the lock */
    int fd;
    Counter syncs, bytes, records, failures;
    _Atomic int64_t sync_ns;
};

static void segment_path(const char *dir, uint64_t start, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%s/%016" PRIx64 ".log", dir, start);
}

/* ---- frames ---- */

uint32_t journal_crc(uint32_t type, Str payload) {
    uint32_t head[2] = {type, (uint32_t)payload.len};
    return crc32c(crc32c(0, head, sizeof head), payload.ptr, payload.len);
}

static void put_frame(Buf *buf, uint32_t type, Str payload, uint32_t crc) {
    buf_u32(buf, RECORD_MARK);
    buf_u32(buf, (uint32_t)payload.len);
    buf_u32(buf, crc);
    buf_u32(buf, type);
    buf_str(buf, payload);
}

void journal_frame(Buf *buf, uint32_t type, Str payload) {
    put_frame(buf, type, payload, journal_crc(type, payload));
}

bool journal_unframe(const uint8_t bytes[JOURNAL_FRAME], uint32_t *ret_type, uint32_t *ret_len,
                     uint32_t *ret_crc) {
    ByteReader reader = reader_of((Str){(const char *)bytes, JOURNAL_FRAME});
    bool marked = reader_u32(&reader) == RECORD_MARK;
    *ret_len = reader_u32(&reader);
    *ret_crc = reader_u32(&reader);
    *ret_type = reader_u32(&reader);
    return marked;
}

/* ---- writing ---- */

static bool begin_segment(Journal *journal, uint64_t start, Err *err) {
    const StoreFiles *files = journal->options.files;
    char path[PATH_MAX];
    segment_path(journal->dir, start, path);
    int fd = files->open(files->ctx, path, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0) {
        return err_errno(err, "%s: cannot create", path);
    }
    if (files->sync_dir(files->ctx, journal->dir) < 0) {
        err_errno(err, "%s: cannot sync the folder", journal->dir);
        files->close(files->ctx, fd);
        files->unlink(files->ctx, path);
        return false;
    }
    if (journal->fd >= 0) {
        files->close(files->ctx, journal->fd);
    }
    journal->fd = fd;
    journal->segment_start = start;
    pthread_mutex_lock(&journal->lock);
    VEC_PUSH(*journal, segments, ((Segment){start, start}));
    pthread_mutex_unlock(&journal->lock);
    return true;
}

static bool sync_segment(Journal *journal, Err *err) {
    int64_t before = clock_monotonic_ns();
    if (journal->options.files->sync(journal->options.files->ctx, journal->fd) < 0) {
        return err_errno(err, "%s: cannot sync", journal->dir);
    }
    counter_add(&journal->syncs, 1);
    atomic_fetch_add_explicit(&journal->sync_ns, clock_monotonic_ns() - before,
                              memory_order_relaxed);
    return true;
}

static bool due_for_sync(const Journal *journal, int64_t now_ns) {
    return journal->options.sync == STORE_SYNC_ALWAYS || journal->stop ||
           (journal->options.sync == STORE_SYNC_INTERVAL &&
            now_ns - journal->synced_at_ns >= journal->options.sync_interval * 1000000);
}

/* The last bit of a file system is not for samples: alert state and notifications, which tell of
 * the full disk, are written there too. */
static bool has_room(const Journal *journal, size_t more, Err *err) {
    uint64_t avail, reserve;
    if (!files_room(journal->dir, &avail, &reserve) || avail >= reserve + more) {
        return true;
    }
    return err_set(err, ERR_IO,
                   "%s: cannot write: the file system is full but for %llu KiB, which are kept for "
                   "alerts",
                   journal->dir, (unsigned long long)avail / 1024);
}

/* Writes what was pending, without the lock. A full segment is synced before the next one begins,
 * whatever the mode. */
static bool write_group(Journal *journal, const Buf *group, uint64_t start, bool roll, Err *err) {
    if (!has_room(journal, group->len, err)) {
        return false;
    }
    if (roll || start - journal->segment_start >= SEGMENT_BYTES) {
        if ((journal->options.sync != STORE_SYNC_NEVER && !sync_segment(journal, err)) ||
            !begin_segment(journal, start, err)) {
            return false;
        }
    }
    return files_write_all(journal->options.files, journal->fd, group->ptr, group->len,
                           journal->dir, err);
}

static void fail(Journal *journal, const Err *err) {
    journal->failed = true;
    journal->failure = *err;
    journal->pending.len = 0;
    counter_add(&journal->failures, 1);
    log_event(LOG_ERROR, "log cannot be written", LOG_STR("reason", str_of(err->text)));
}

/* One round: whatever waits is written, and synced if that is due. Called and left with the lock
 * held. */
static void run_group(Journal *journal, Buf *group) {
    Buf taken = journal->pending;
    journal->pending = *group;
    journal->pending.len = 0;
    *group = taken;
    uint64_t end = journal->end;
    journal->writing = true;
    bool sync_due = due_for_sync(journal, clock_monotonic_ns());
    bool asked = journal->roll; /* a segment without records will do as a new one */
    bool roll = asked && end - group->len > journal->segment_start;
    pthread_mutex_unlock(&journal->lock);

    Err err = {0};
    bool good =
        (group->len == 0 && !roll) || write_group(journal, group, end - group->len, roll, &err);
    if (good && sync_due) {
        good = sync_segment(journal, &err);
    }

    pthread_mutex_lock(&journal->lock);
    journal->writing = false;
    journal->roll = journal->roll && !asked;
    if (good) {
        journal->written = end;
        journal->segments[journal->segments_count - 1].end = end;
        if (sync_due || journal->options.sync == STORE_SYNC_NEVER) {
            journal->synced = end;
            journal->synced_at_ns = clock_monotonic_ns();
        }
    } else {
        fail(journal, &err);
    }
    pthread_cond_broadcast(&journal->done);
}

static bool has_work(const Journal *journal) {
    if (journal->failed) {
        return false;
    }
    return journal->pending.len > 0 || journal->roll ||
           (journal->written > journal->synced && due_for_sync(journal, clock_monotonic_ns()));
}

/* Until something is to be done; with an interval, until the next sync is due. */
static void wait_for_work(Journal *journal) {
    if (journal->options.sync != STORE_SYNC_INTERVAL || journal->written == journal->synced) {
        pthread_cond_wait(&journal->work, &journal->lock);
        return;
    }
    (void)clock_wait(&journal->work, &journal->lock,
                     clock_monotonic_ns() + journal->options.sync_interval * 1000000);
}

static void *run_writer(void *ctx) {
    Journal *journal = ctx;
    AUTO(buf_finish) Buf group = {0};
    pthread_mutex_lock(&journal->lock);
    for (;;) {
        while (!has_work(journal) && !journal->stop) {
            wait_for_work(journal);
        }
        if (has_work(journal)) {
            run_group(journal, &group);
        } else if (journal->stop) {
            break;
        }
    }
    pthread_mutex_unlock(&journal->lock);
    return NULL;
}

bool journal_append(Journal *journal, uint32_t type, Str payload, uint64_t *ret_lsn, Err *err) {
    if (payload.len > JOURNAL_RECORD_MAX) {
        return err_set(err, ERR_LIMIT, "a log record of %zu bytes, more than the %d allowed",
                       payload.len, JOURNAL_RECORD_MAX);
    }
    uint32_t crc = journal_crc(type, payload);
    pthread_mutex_lock(&journal->lock);
    bool good = !journal->failed;
    if (!good) {
        *err = journal->failure;
    } else {
        put_frame(&journal->pending, type, payload, crc);
        journal->end += JOURNAL_FRAME + payload.len;
        *ret_lsn = journal->end;
        counter_add(&journal->bytes, JOURNAL_FRAME + payload.len);
        counter_add(&journal->records, 1);
        if (!journal->writing) {
            pthread_cond_signal(&journal->work);
        }
    }
    pthread_mutex_unlock(&journal->lock);
    return good;
}

bool journal_wait(Journal *journal, uint64_t lsn, Err *err) {
    pthread_mutex_lock(&journal->lock);
    while (journal->synced < lsn && !journal->failed) {
        pthread_cond_wait(&journal->done, &journal->lock);
    }
    bool good = journal->synced >= lsn;
    if (!good) {
        *err = journal->failure;
        err->kind = ERR_IO;
    }
    pthread_mutex_unlock(&journal->lock);
    return good;
}

uint64_t journal_synced(Journal *journal) {
    pthread_mutex_lock(&journal->lock);
    uint64_t synced = journal->synced;
    pthread_mutex_unlock(&journal->lock);
    return synced;
}

uint64_t journal_end(Journal *journal) {
    pthread_mutex_lock(&journal->lock);
    uint64_t end = journal->end;
    pthread_mutex_unlock(&journal->lock);
    return end;
}

uint64_t journal_backlog(Journal *journal) {
    pthread_mutex_lock(&journal->lock);
    uint64_t backlog = journal->end - journal->written;
    pthread_mutex_unlock(&journal->lock);
    return backlog;
}

bool journal_failure(Journal *journal, Err *ret_reason) {
    pthread_mutex_lock(&journal->lock);
    bool failed = journal->failed;
    if (failed) {
        *ret_reason = journal->failure;
    }
    pthread_mutex_unlock(&journal->lock);
    return failed;
}

bool journal_restart(Journal *journal, Err *err) {
    uint64_t end = journal_end(journal);
    if (!begin_segment(journal, end, err)) {
        return false;
    }
    pthread_mutex_lock(&journal->lock);
    journal->failed = false;
    journal->segments[journal->segments_count - 1].end = end;
    journal->written = journal->synced = end;
    pthread_mutex_unlock(&journal->lock);
    return true;
}

void journal_roll(Journal *journal) {
    pthread_mutex_lock(&journal->lock);
    journal->roll = true;
    pthread_cond_signal(&journal->work);
    while (journal->roll && !journal->failed) {
        pthread_cond_wait(&journal->done, &journal->lock);
    }
    journal->roll = false;
    pthread_mutex_unlock(&journal->lock);
}

void journal_drop_before(Journal *journal, uint64_t lsn) {
    pthread_mutex_lock(&journal->lock);
    while (journal->segments_count > 1 && journal->segments[1].start <= lsn) {
        char path[PATH_MAX];
        segment_path(journal->dir, journal->segments[0].start, path);
        if (journal->options.files->unlink(journal->options.files->ctx, path) < 0 &&
            errno != ENOENT) {
            break; /* tried again next time */
        }
        journal->segments_count--;
        memmove(journal->segments, journal->segments + 1,
                journal->segments_count * sizeof *journal->segments);
    }
    pthread_mutex_unlock(&journal->lock);
}

uint64_t journal_bytes(const Journal *journal) {
    Journal *self = (Journal *)journal;
    pthread_mutex_lock(&self->lock);
    uint64_t bytes = journal->written - journal->segments[0].start;
    pthread_mutex_unlock(&self->lock);
    return bytes;
}

JournalStats journal_stats(const Journal *journal) {
    return (JournalStats){.syncs = counter_get(&journal->syncs),
                          .bytes = counter_get(&journal->bytes),
                          .records = counter_get(&journal->records),
                          .failures = counter_get(&journal->failures),
                          .sync_ns = atomic_load(&((Journal *)journal)->sync_ns)};
}

/* ---- opening ---- */

/* Start positions of the segments there are, ascending. */
static bool list_segments(Arena *arena, const char *dir, uint64_t **ret_starts, size_t *ret_count,
                          Err *err) {
    Str *names = NULL;
    size_t name_count = 0;
    if (!dir_list(arena, dir, &names, &name_count, err)) {
        return false;
    }
    uint64_t *starts = arena_array(arena, uint64_t, name_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < name_count; i++) {
        if (names[i].len == 20 && str_ends(names[i], STR(".log"))) {
            starts[count++] = strtoull(arena_cstr(arena, (Str){names[i].ptr, 16}), NULL, 16);
        }
    }
    *ret_starts = starts;
    *ret_count = count;
    return true;
}

static bool note_old_segments(Journal *journal, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    uint64_t *starts = NULL;
    size_t count = 0;
    if (!list_segments(&arena, journal->dir, &starts, &count, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (starts[i] < journal->options.start) {
            uint64_t end = i + 1 < count ? starts[i + 1] : journal->options.start;
            VEC_PUSH(*journal, segments, ((Segment){starts[i], end}));
        }
    }
    return true;
}

static void init_locks(Journal *journal) {
    pthread_mutex_init(&journal->lock, NULL);
    pthread_cond_init(&journal->work, NULL);
    pthread_cond_init(&journal->done, NULL);
}

static void journal_free(Journal *journal) {
    if (journal->fd >= 0) {
        journal->options.files->close(journal->options.files->ctx, journal->fd);
    }
    buf_finish(&journal->pending);
    pthread_mutex_destroy(&journal->lock);
    pthread_cond_destroy(&journal->work);
    pthread_cond_destroy(&journal->done);
    free(journal->segments);
    free(journal->dir);
    free(journal);
}

bool journal_open(const JournalOptions *options, Journal **ret_journal, Err *err) {
    Journal *journal = mem_zero(1, sizeof *journal);
    journal->options = *options;
    journal->dir = mem_strdup(options->dir);
    journal->fd = -1;
    journal->end = journal->written = journal->synced = options->start;
    init_locks(journal);
    if (!note_old_segments(journal, err) || !begin_segment(journal, options->start, err)) {
        journal_free(journal);
        return false;
    }
    if (pthread_create(&journal->writer, NULL, run_writer, journal) != 0) {
        journal_free(journal);
        return err_set(err, ERR_IO, "%s: cannot start the log's thread", options->dir);
    }
    *ret_journal = journal;
    return true;
}

void journal_close(Journal *journal) {
    if (!journal) {
        return;
    }
    pthread_mutex_lock(&journal->lock);
    journal->stop = true;
    pthread_cond_broadcast(&journal->work);
    pthread_mutex_unlock(&journal->lock);
    pthread_join(journal->writer, NULL);
    journal_free(journal);
}

/* ---- replay ---- */

/* The record at `at`, if there is a whole and good one. */
static bool record_at(Str bytes, size_t at, uint32_t *ret_type, Str *ret_payload) {
    if (bytes.len - at < JOURNAL_FRAME) {
        return false;
    }
    uint32_t type, len, crc;
    if (!journal_unframe((const uint8_t *)bytes.ptr + at, &type, &len, &crc) ||
        len > bytes.len - at - JOURNAL_FRAME) {
        return false;
    }
    Str payload = {bytes.ptr + at + JOURNAL_FRAME, len};
    if (journal_crc(type, payload) != crc) {
        return false;
    }
    *ret_type = type;
    *ret_payload = payload;
    return true;
}

/* The beginning of the next good record after `at`, or the end. */
static size_t find_record(Str bytes, size_t at) {
    static const unsigned char mark[4] = {0xDE, 0xC0, 0xF7, 0xB1};
    uint32_t type;
    Str payload;
    while (at < bytes.len) {
        const char *found = memmem(bytes.ptr + at, bytes.len - at, mark, sizeof mark);
        if (!found) {
            return bytes.len;
        }
        at = (size_t)(found - bytes.ptr);
        if (record_at(bytes, at, &type, &payload)) {
            return at;
        }
        at++;
    }
    return bytes.len;
}

/* Records that are visited together: enough of them to be spread over several cores. */
enum { RUN_BYTES = 256 << 10, RUN_RECORDS = 256 };

typedef struct Visit {
    uint64_t from;
    void (*visit)(void *ctx, const JournalRecord *records, size_t count);
    void *ctx;
    JournalReplay replay;
    JournalRecord run[RUN_RECORDS];
    size_t run_count, run_bytes;
} Visit;

static void end_run(Visit *visit) {
    if (visit->run_count > 0) {
        visit->visit(visit->ctx, visit->run, visit->run_count);
    }
    visit->replay.records += visit->run_count;
    visit->run_count = 0;
    visit->run_bytes = 0;
}

static void replay_segment(Visit *visit, Str bytes, uint64_t start) {
    for (size_t at = 0; at < bytes.len;) {
        uint32_t type;
        Str payload;
        if (!record_at(bytes, at, &type, &payload)) {
            size_t next = find_record(bytes, at + 1);
            visit->replay.damaged++;
            visit->replay.skipped_bytes += next - at;
            at = next;
            continue;
        }
        if (start + at >= visit->from) {
            visit->run[visit->run_count++] = (JournalRecord){type, payload, start + at};
            visit->run_bytes += payload.len;
        }
        if (visit->run_count == RUN_RECORDS || visit->run_bytes >= RUN_BYTES) {
            end_run(visit);
        }
        at += JOURNAL_FRAME + payload.len;
    }
    end_run(visit);
}

static bool replay_file(Visit *visit, const char *dir, uint64_t start, Err *err) {
    char path[PATH_MAX];
    segment_path(dir, start, path);
    AUTO(arena_finish) Arena arena = {0};
    Str bytes;
    if (!file_read(&arena, path, SIZE_MAX / 2, &bytes, err)) {
        return false;
    }
    JournalReplay *replay = &visit->replay;
    uint64_t damaged = replay->damaged, skipped = replay->skipped_bytes;
    replay_segment(visit, bytes, start);
    if (replay->damaged > damaged) {
        log_event(LOG_WARN, "log damaged, the rest is kept", LOG_STR("path", str_of(path)),
                  LOG_INT("places", (int64_t)(replay->damaged - damaged)),
                  LOG_INT("skipped_bytes", (int64_t)(replay->skipped_bytes - skipped)));
    }
    if (start + bytes.len > replay->end) {
        replay->end = start + bytes.len;
    }
    return true;
}

bool journal_replay(const char *dir, uint64_t from,
                    void (*visit)(void *ctx, const JournalRecord *records, size_t count), void *ctx,
                    JournalReplay *ret_replay, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    uint64_t *starts = NULL;
    size_t count = 0;
    if (!list_segments(&arena, dir, &starts, &count, err)) {
        return false;
    }
    Visit visiting = {.from = from, .visit = visit, .ctx = ctx, .replay.end = from};
    for (size_t i = 0; i < count; i++) {
        bool before = i + 1 < count && starts[i + 1] <= from;
        if (!before && !replay_file(&visiting, dir, starts[i], err)) {
            return false;
        }
    }
    *ret_replay = visiting.replay;
    return true;
}
