/*
 * CHECKPOINT  head/<lsn>.head, <lsn> in 16 hexadecimal digits: where in the journal to go on
 *
 *   records in the frames of journal.c, each of at most some 4 MiB:
 *     PARTS, SERIES   as in the journal (record.c); the series of one shard
 *     CHUNKS          series of one shard with their chunks, see below
 *     SOURCES         {name, zigzag(newest), zigzag(received at), interval} repeated
 *     END             number of records before it: a checkpoint without it is not whole
 *
 *   The highest bit of a type says that the payload is u32 length and zstd. Text shrinks tenfold;
 * chunks are left as they are, they would not shrink enough to be worth the time.
 *
 *   CHUNKS    {ref, byte 1 = has extra, open, [zigzag(start), zigzag(late start), late], count of
 * closed ones, {closed}} repeated open, late   zigzag(last time), count; if count > 0 also: last
 * bits (8 bytes), zigzag(last delta), run, byte exponent + 16 * is decimal, length, bytes closed
 * oldest first: byte late, zigzag(first), zigzag(last), count, length, bytes
 *
 *   A last time of TIME_MIN (nothing came yet) is written like any other.
 */

#include "store/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

enum { SECTION_BYTES = 4 << 20 };

static void checkpoint_path(const char *dir, uint64_t lsn, const char *suffix,
                            char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%s/%016" PRIx64 ".head%s", dir, lsn, suffix);
}

/* ---- writing ---- */

typedef struct Writer {
    Head *head;
    const StoreFiles *files;
    const char *path;
    int fd;
    Buf section, packed, frame;
    uint64_t records;
} Writer;

static bool write_record(Writer *writer, uint32_t type, Str payload, Err *err) {
    writer->frame.len = 0;
    journal_frame(&writer->frame, type, payload);
    writer->records++;
    return files_write_all(writer->files, writer->fd, writer->frame.ptr, writer->frame.len,
                           writer->path, err);
}

static bool end_section(Writer *writer, uint32_t type, bool pack, Err *err) {
    Str payload = buf_view(&writer->section);
    if (payload.len == 0) {
        return true;
    }
    if (pack) {
        writer->packed.len = 0;
        buf_u32(&writer->packed, (uint32_t)payload.len);
        size_t bound = ZSTD_compressBound(payload.len);
        buf_reserve(&writer->packed, bound);
        size_t len = ZSTD_compress(writer->packed.ptr + writer->packed.len, bound, payload.ptr,
                                   payload.len, 1);
        if (!ZSTD_isError(len) && len + 4 < payload.len) {
            writer->packed.len += len;
            type |= CHECKPOINT_PACKED;
            payload = buf_view(&writer->packed);
        }
    }
    bool good = write_record(writer, type, payload, err);
    writer->section.len = 0;
    return good;
}

static bool write_parts(Writer *writer, Err *err) {
    const PartTable *parts = &writer->head->parts;
    uint32_t count = parttable_count(parts);
    for (uint32_t id = 1; id < count; id++) {
        Label room[LABELS_MAX];
        LabelSet labels = parttable_labels(parts, id, room);
        if (labels.count > 0) {
            record_put_part(&writer->section, id, (LabelPart)parttable_entry(parts, id)->kind,
                            labels);
        }
        if (writer->section.len > SECTION_BYTES && !end_section(writer, RECORD_PARTS, true, err)) {
            return false;
        }
    }
    return end_section(writer, RECORD_PARTS, true, err);
}

static void put_open(Buf *buf, const HeadShard *shard, const OpenChunk *chunk) {
    buf_varint(buf, zigzag(chunk->last_time));
    buf_varint(buf, chunk->count);
    if (chunk->count > 0) {
        buf_u64(buf, chunk->last_bits);
        buf_varint(buf, zigzag(chunk->last_delta));
        buf_varint(buf, chunk->run);
        buf_byte(buf, (char)(chunk->exponent | chunk->is_decimal << 4));
        buf_varint(buf, chunk->len);
        buf_put(buf, slab_at(&shard->slab, chunk->bytes), chunk->len);
    }
}

static void put_closed(Buf *buf, const HeadShard *shard, const ClosedChunk *chunk) {
    buf_byte(buf, chunk->late);
    buf_varint(buf, zigzag(chunk->first));
    buf_varint(buf, zigzag(chunk->last));
    buf_varint(buf, chunk->count);
    buf_varint(buf, chunk->len);
    buf_put(buf, slab_at(&shard->slab, chunk->bytes), chunk->len);
}

/* Closed chunks that no block has yet, oldest first. */
static size_t list_closed(const Head *head, const HeadShard *shard, const HeadSeries *series,
                          const ClosedChunk ***list, size_t *cap) {
    size_t count = 0;
    for (SlabRef ref = series->closed; ref;) {
        const ClosedChunk *chunk = slab_at(&shard->slab, ref);
        if (chunk->batch == 0 || head->flush_epoch[chunk->batch % HEAD_FLUSHES] == 0) {
            *list = mem_reserve(*list, cap, count + 1, sizeof **list);
            (*list)[count++] = chunk;
        }
        ref = chunk->next;
    }
    for (size_t i = 0; i < count / 2; i++) {
        const ClosedChunk *swap = (*list)[i];
        (*list)[i] = (*list)[count - 1 - i];
        (*list)[count - 1 - i] = swap;
    }
    return count;
}

static void put_series_chunks(Writer *writer, const HeadShard *shard, HeadRef ref,
                              const ClosedChunk ***list, size_t *cap) {
    const HeadSeries *series = shard_series(shard, head_slot(ref));
    Buf *buf = &writer->section;
    buf_varint(buf, ref);
    buf_byte(buf, series->open.extra != 0);
    put_open(buf, shard, &series->open);
    if (series->open.extra) {
        const HeadExtra *extra = slab_at(&shard->slab, series->open.extra);
        buf_varint(buf, zigzag(extra->start));
        buf_varint(buf, zigzag(extra->late_start));
        put_open(buf, shard, &extra->late);
    }
    size_t count = list_closed(writer->head, shard, series, list, cap);
    buf_varint(buf, count);
    for (size_t i = 0; i < count; i++) {
        put_closed(buf, shard, (*list)[i]);
    }
}

/* The series of a shard from slot `*slot` on, as many as one section takes. The lock is not held
 * while writing. */
static void put_shard_part(Writer *writer, unsigned shard_index, bool chunks, uint32_t *slot) {
    HeadShard *shard = &writer->head->shards[shard_index];
    const ClosedChunk **list = NULL;
    size_t cap = 0;
    pthread_mutex_lock(&shard->lock);
    while (*slot < shard->slot_count && writer->section.len < SECTION_BYTES) {
        const HeadSeries *series = shard_series(shard, *slot);
        HeadRef ref = (HeadRef)shard_index << HEAD_SLOT_BITS | *slot;
        if (series->part[0] != UINT32_MAX && chunks) {
            put_series_chunks(writer, shard, ref, &list, &cap);
        } else if (series->part[0] != UINT32_MAX) {
            record_put_series(&writer->section, ref, series->part);
        }
        (*slot)++;
    }
    pthread_mutex_unlock(&shard->lock);
    free(list);
}

static bool write_shards(Writer *writer, bool chunks, Err *err) {
    for (unsigned shard = 0; shard < HEAD_SHARDS; shard++) {
        uint32_t slot = 0, before;
        do {
            before = slot;
            put_shard_part(writer, shard, chunks, &slot);
            if (!end_section(writer, chunks ? RECORD_CHUNKS : RECORD_SERIES, !chunks, err)) {
                return false;
            }
        } while (slot > before);
    }
    return true;
}

static bool write_sources(Writer *writer, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    StoreSource *sources;
    size_t count;
    sources_list(&writer->head->sources, 0, &arena, &sources, &count);
    for (size_t i = 0; i < count; i++) {
        buf_varint(&writer->section, sources[i].source.len);
        buf_str(&writer->section, sources[i].source);
        buf_varint(&writer->section, zigzag(sources[i].newest));
        buf_varint(&writer->section, zigzag(sources[i].received_at));
        buf_varint(&writer->section, (uint64_t)sources[i].interval);
    }
    return end_section(writer, RECORD_SOURCES, true, err);
}

static bool write_all(Writer *writer, Err *err) {
    if (!write_parts(writer, err) || !write_shards(writer, false, err) ||
        !write_shards(writer, true, err) || !write_sources(writer, err)) {
        return false;
    }
    buf_varint(&writer->section, writer->records);
    return end_section(writer, RECORD_END, false, err);
}

bool checkpoint_write(Head *head, const StoreFiles *files, const char *dir, uint64_t lsn,
                      Err *err) {
    char path[PATH_MAX], temporary[PATH_MAX];
    checkpoint_path(dir, lsn, "", path);
    checkpoint_path(dir, lsn, ".tmp", temporary);
    Writer writer = {.head = head, .files = files, .path = temporary};
    writer.fd = files->open(files->ctx, temporary, O_WRONLY | O_CREAT | O_TRUNC);
    if (writer.fd < 0) {
        return err_errno(err, "%s: cannot create", temporary);
    }
    bool good = write_all(&writer, err);
    buf_finish(&writer.section);
    buf_finish(&writer.packed);
    buf_finish(&writer.frame);
    if (!good) {
        files->close(files->ctx, writer.fd);
        files->unlink(files->ctx, temporary);
        return false;
    }
    return files_publish(files, writer.fd, temporary, path, err);
}

/* ---- which ones there are ---- */

/* Positions, ascending. Unfinished ones of an earlier life are removed. */
static bool list_checkpoints(const StoreFiles *files, const char *dir, Arena *arena,
                             uint64_t **ret_lsns, size_t *ret_count, Err *err) {
    Str *names;
    size_t name_count;
    if (!dir_list(arena, dir, &names, &name_count, err)) {
        return false;
    }
    uint64_t *lsns = arena_array(arena, uint64_t, name_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < name_count; i++) {
        if (str_ends(names[i], STR(".tmp"))) {
            files->unlink(files->ctx, arena_printf(arena, "%s/%.*s", dir, STR_ARG(names[i])).ptr);
        } else if (names[i].len == 21 && str_ends(names[i], STR(".head"))) {
            lsns[count++] = strtoull(arena_cstr(arena, (Str){names[i].ptr, 16}), NULL, 16);
        }
    }
    *ret_lsns = lsns;
    *ret_count = count;
    return true;
}

bool checkpoint_load(Head *head, Pool *pool, const StoreFiles *files, const char *dir,
                     uint64_t *ret_lsn, uint64_t *ret_damaged, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    uint64_t *lsns;
    size_t count;
    if (!list_checkpoints(files, dir, &arena, &lsns, &count, err)) {
        return false;
    }
    uint64_t damaged = 0, lsn = 0;
    while (count-- > 0 && lsn == 0) {
        char path[PATH_MAX], aside[PATH_MAX];
        checkpoint_path(dir, lsns[count], "", path);
        Err bad = {0};
        if (checkpoint_read(head, pool, path, &bad)) {
            lsn = lsns[count];
            break;
        }
        if (bad.kind != ERR_CORRUPT) {
            *err = bad;
            return false;
        }
        damaged++;
        log_event(LOG_ERROR, "checkpoint damaged, an older one is taken",
                  LOG_STR("reason", str_of(bad.text)));
        checkpoint_path(dir, lsns[count], ".bad", aside);
        files->rename(files->ctx, path, aside);
    }
    *ret_lsn = lsn;
    *ret_damaged = damaged;
    return true;
}

void checkpoint_clean(const StoreFiles *files, const char *dir, size_t keep, uint64_t *ret_oldest) {
    AUTO(arena_finish) Arena arena = {0};
    uint64_t *lsns;
    size_t count;
    Err err;
    *ret_oldest = 0;
    if (!list_checkpoints(files, dir, &arena, &lsns, &count, &err)) {
        return;
    }
    for (size_t i = 0; i + keep < count; i++) {
        char path[PATH_MAX];
        checkpoint_path(dir, lsns[i], "", path);
        files->unlink(files->ctx, path);
    }
    *ret_oldest = count > keep ? lsns[count - keep] : count > 0 ? lsns[0] : 0;
    if (count < keep) {
        *ret_oldest = 0; /* a damaged one then needs the journal from its beginning */
    }
}
