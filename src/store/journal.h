#pragma once

/*
 * The journal makes what was appended durable: records of bytes, in order, in files of some 64 MiB
 * ("segments") in `log/`.
 *
 *     journal_append()  copies a record behind those that wait and returns at once
 *     writer thread     writes all that waits, one fdatasync() for it, wakes everyone
 *     journal_wait()    until the record is durable: many writers share one sync
 *
 * A position (lsn) is the offset of a byte in the whole journal since its beginning; a record is
 * durable when its end is.
 *
 * After a failed write or sync nothing that waited is durable: waiting fails,
 * appending fails, until journal_restart(). (A failed fsync leaves no way to tell what of the file
 * reached the disk: Rebello and others, "Can Applications Recover from fsync Failures?", 2020. So a
 * segment is never written again after one.)
 *
 * Replay takes a damaged place for what it is: it is reported and skipped to the next record whose
 * checksum fits. The end of the last segment may be torn by a crash: nobody was told that it is
 * durable.
 *
 * Threads: every function may be called from any thread, except replay, which comes before opening.
 */

#include "base/buf.h"
#include "store/files.h"
#include "store/store.h"

typedef struct Journal Journal;

typedef struct JournalOptions {
    const char *dir;
    const StoreFiles *files;
    StoreSync sync;
    DurationMs sync_interval;
    uint64_t start; /* where replay ended */
} JournalOptions;

enum {
    JOURNAL_RECORD_MAX = 64 << 20,
};

/* Begins a new segment at `start`. */
bool journal_open(const JournalOptions *options, Journal **ret_journal, Err *err) MUST_CHECK;
/* Writes and syncs what waits, as far as that can be done. Accepts NULL. */
void journal_close(Journal *journal);

/* The record's end is what to wait for. False only after a failure (ERR_IO). */
bool journal_append(Journal *journal, uint32_t type, Str payload, uint64_t *ret_lsn,
                    Err *err) MUST_CHECK;
bool journal_wait(Journal *journal, uint64_t lsn, Err *err) MUST_CHECK;
uint64_t journal_synced(Journal *journal);
/* End of what was appended. */
uint64_t journal_end(Journal *journal);
/* Bytes that wait to be written. */
uint64_t journal_backlog(Journal *journal);

/* Why nothing can be appended; false if all is well. */
bool journal_failure(Journal *journal, Err *ret_reason);
/* Begins anew in a fresh segment, after the caller has made everything appended so far durable by
 * other means (a checkpoint): it counts as synced then. */
bool journal_restart(Journal *journal, Err *err) MUST_CHECK;

/* Begins a new segment, so that a checkpoint taken now makes the ones before superfluous. Does
 * nothing after a failure. */
void journal_roll(Journal *journal);
/* Removes the segments that end at or before `lsn`. */
void journal_drop_before(Journal *journal, uint64_t lsn);
uint64_t journal_bytes(const Journal *journal);

typedef struct JournalStats {
    uint64_t syncs, bytes, records, failures;
    int64_t sync_ns;
} JournalStats;
JournalStats journal_stats(const Journal *journal);

typedef struct JournalReplay {
    uint64_t end; /* where to go on */
    uint64_t records;
    uint64_t damaged; /* places that were skipped */
    uint64_t skipped_bytes;
} JournalReplay;

/* The frame around a record, which checkpoints use as well. */
enum { JOURNAL_FRAME = 16 };
void journal_frame(Buf *buf, uint32_t type, Str payload);
/* What a frame's first 16 bytes announce; false if they are none. The checksum is that of
 * journal_crc(). */
bool journal_unframe(const uint8_t bytes[JOURNAL_FRAME], uint32_t *ret_type, uint32_t *ret_len,
                     uint32_t *ret_crc);
uint32_t journal_crc(uint32_t type, Str payload);

typedef struct JournalRecord {
    uint32_t type;
    Str payload;
    uint64_t lsn;
} JournalRecord;

/* Calls `visit` with the records that begin at or after `from`, in order, some at a time; they
 * are valid until it returns. Damage is no error; not being able to read is. */
bool journal_replay(const char *dir, uint64_t from,
                    void (*visit)(void *ctx, const JournalRecord *records, size_t count), void *ctx,
                    JournalReplay *ret_replay, Err *err) MUST_CHECK;
