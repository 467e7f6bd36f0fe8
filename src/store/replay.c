#include "store/replay.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/headflush.h"

typedef struct Definition {
    HeadRef ref;
    uint32_t part[PART_COUNT];
} Definition;

/* A record of the run, decoded. */
typedef struct Decoded {
    const JournalRecord *record;
    Arena arena; /* kept from run to run */
    RecordSamples samples;
    size_t first[HEAD_SHARDS + 1]; /* shard s has the rows first[s] .. first[s + 1] - 1 */
    Definition *series;
    size_t series_count;
    uint32_t shards; /* bit s: some of `series` are of shard s */
    atomic_bool incomplete;
} Decoded;

typedef struct Replaying {
    Head *head;
    Pool *pool;
    Decoded *decoded;
    size_t decoded_count, decoded_cap;
    _Atomic uint64_t unknown;
} Replaying;

static void report(const JournalRecord *record) {
    log_event(LOG_WARN, "log record cannot be applied in full",
              LOG_INT("type", (int64_t)record->type), LOG_INT("lsn", (int64_t)record->lsn));
}

/* ---- definitions of parts ---- */

static bool apply_parts(Head *head, Str payload) {
    AUTO(arena_finish) Arena arena = {0};
    ByteReader reader = reader_of(payload);
    uint32_t id;
    LabelPart kind;
    LabelSet part;
    bool good = true;
    while (record_get_part(&reader, &arena, &id, &kind, &part)) {
        good = head_define_part(head, id, kind, part) && good;
        arena_reset(&arena);
    }
    return good && !reader.bad;
}

/* Definitions are written twice, one copy behind the other: the second is nothing new. */
static void define_parts(Replaying *replaying, const JournalRecord *records, size_t count) {
    Str before = {0};
    for (size_t i = 0; i < count; i++) {
        if (records[i].type != RECORD_PARTS || str_eq(records[i].payload, before)) {
            continue;
        }
        before = records[i].payload;
        if (!apply_parts(replaying->head, before)) {
            report(&records[i]);
        }
    }
}

/* ---- decoding ---- */

static unsigned shard_of(HeadRef ref) {
    return ref >> HEAD_SLOT_BITS;
}

static void decode_series(Decoded *decoded) {
    enum { SERIES_BYTES_MIN = 1 + PART_COUNT };
    ByteReader reader = reader_of(decoded->record->payload);
    size_t max = decoded->record->payload.len / SERIES_BYTES_MIN;
    decoded->series = arena_raw(&decoded->arena, (max + 1) * sizeof *decoded->series);
    Definition *next = decoded->series;
    while (record_get_series(&reader, &next->ref, next->part)) {
        decoded->shards |= 1U << shard_of(next->ref);
        next++;
    }
    decoded->series_count = (size_t)(next - decoded->series);
    decoded->incomplete = reader.bad;
}

/* Rows come in order of their shards; where they do not, they are put so, each shard's in the
 * order they had. */
static void order_rows(Decoded *decoded) {
    const RecordSamples *samples = &decoded->samples;
    size_t at[HEAD_SHARDS + 1] = {0};
    bool in_order = true;
    for (size_t i = 0; i < samples->row_count; i++) {
        unsigned shard = shard_of(samples->rows[i].ref);
        in_order = in_order && (i == 0 || shard >= shard_of(samples->rows[i - 1].ref));
        at[shard + 1]++;
    }
    for (int shard = 0; shard < HEAD_SHARDS; shard++) {
        at[shard + 1] += at[shard];
    }
    memcpy(decoded->first, at, sizeof at);
    if (in_order) {
        return;
    }
    RecordRow *ordered = arena_raw(&decoded->arena, samples->row_count * sizeof *ordered);
    for (size_t i = 0; i < samples->row_count; i++) {
        ordered[at[shard_of(samples->rows[i].ref)]++] = samples->rows[i];
    }
    decoded->samples.rows = ordered;
}

static void decode_samples(Decoded *decoded) {
    if (record_get_samples(decoded->record->payload, &decoded->arena, &decoded->samples)) {
        order_rows(decoded);
    } else {
        decoded->samples.row_count = 0;
        decoded->incomplete = true;
    }
}

static void decode(void *ctx, size_t index) {
    Decoded *decoded = &((Replaying *)ctx)->decoded[index];
    if (decoded->record->type == RECORD_SERIES) {
        decode_series(decoded);
    } else {
        decode_samples(decoded);
    }
}

/* ---- applying ---- */

static void apply_shard(void *ctx, size_t shard) {
    Replaying *replaying = ctx;
    Head *head = replaying->head;
    for (size_t i = 0; i < replaying->decoded_count; i++) {
        Decoded *decoded = &replaying->decoded[i];
        bool good = true;
        for (size_t j = 0; (decoded->shards >> shard & 1) && j < decoded->series_count; j++) {
            const Definition *series = &decoded->series[j];
            good =
                (shard_of(series->ref) != shard || head_define(head, series->ref, series->part)) &&
                good;
        }
        size_t first = decoded->first[shard];
        uint64_t unknown = head_replay(head, &decoded->samples, (unsigned)shard, first,
                                       decoded->first[shard + 1] - first);
        if (!good || unknown > 0) {
            atomic_fetch_add(&replaying->unknown, unknown);
            decoded->incomplete = true;
        }
    }
}

/* Series and samples of `count` records without a deletion among them. */
static void apply_run(Replaying *replaying, const JournalRecord *records, size_t count) {
    if (replaying->decoded_cap < count) {
        size_t before = replaying->decoded_cap;
        replaying->decoded = mem_reserve(replaying->decoded, &replaying->decoded_cap, count,
                                         sizeof *replaying->decoded);
        memset(replaying->decoded + before, 0,
               (replaying->decoded_cap - before) * sizeof *replaying->decoded);
    }
    replaying->decoded_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (records[i].type == RECORD_SERIES || records[i].type == RECORD_SAMPLES) {
            Decoded *decoded = &replaying->decoded[replaying->decoded_count++];
            arena_reset(&decoded->arena);
            *decoded = (Decoded){.record = &records[i], .arena = decoded->arena};
        } else if (records[i].type != RECORD_PARTS) {
            report(&records[i]); /* nothing we know */
        }
    }
    pool_for(replaying->pool, replaying->decoded_count, decode, replaying);
    pool_for(replaying->pool, HEAD_SHARDS, apply_shard, replaying);
    for (size_t i = 0; i < replaying->decoded_count; i++) {
        if (replaying->decoded[i].incomplete) {
            report(replaying->decoded[i].record);
        }
    }
}

static bool apply_delete(Head *head, Str payload) {
    AUTO(arena_finish) Arena arena = {0};
    MatcherSet *sets;
    RecordDelete deletion;
    Err err;
    if (!record_get_delete(payload, &arena, &sets, &deletion, &err)) {
        return false;
    }
    bool good = headflush_delete(head, sets, deletion.set_count, deletion.from, deletion.to, &err);
    for (size_t i = 0; i < deletion.set_count; i++) {
        matcher_set_finish(&sets[i]);
    }
    headflush_collect(head);
    return good;
}

static void visit(void *ctx, const JournalRecord *records, size_t count) {
    Replaying *replaying = ctx;
    for (size_t i = 0; i < count;) {
        size_t end = i;
        while (end < count && records[end].type != RECORD_DELETE) {
            end++;
        }
        define_parts(replaying, records + i, end - i);
        apply_run(replaying, records + i, end - i);
        if (end < count && !apply_delete(replaying->head, records[end].payload)) {
            report(&records[end]);
        }
        i = end + 1;
    }
}

bool replay_journal(Head *head, Pool *pool, const char *dir, uint64_t from,
                    ReplayResult *ret_result, Err *err) {
    Replaying replaying = {.head = head, .pool = pool};
    JournalReplay journal = {0};
    bool good = journal_replay(dir, from, visit, &replaying, &journal, err);
    for (size_t i = 0; i < replaying.decoded_cap; i++) {
        arena_finish(&replaying.decoded[i].arena);
    }
    free(replaying.decoded);
    *ret_result = (ReplayResult){journal, replaying.unknown};
    return good;
}
