/*
 * CHECKPOINT  head/<lsn>.head, <lsn> in 16 hexadecimal digits: where in the journal to go on
 *
 *   records in the frames of journal.c, each of at most some 4 MiB:
 *     PARTS, SERIES   as in the journal (record.c)
 *     CHUNKS          series with their chunks, see below
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
#include "store/headchunk.h"

#define TYPE_PACKED UINT32_C(0x80000000)

enum {
    SECTION_BYTES = 4 << 20,
    SECTION_BYTES_MAX = 64 << 20, /* a series with the largest histograms can pass SECTION_BYTES */
};

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
            type |= TYPE_PACKED;
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
    sources_list(&writer->head->sources, &arena, &sources, &count);
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

/* ---- loading ---- */

typedef struct Loader {
    Head *head;
    const char *path;
    int fd;
    uint64_t at;
    Buf payload, unpacked;
    bool ended;
    bool apply; /* else only check */
} Loader;

static bool bad_checkpoint(const Loader *loader, Err *err) {
    return err_set(err, ERR_CORRUPT, "%s: damaged at byte %llu", loader->path,
                   (unsigned long long)loader->at);
}

static bool read_record(Loader *loader, uint32_t *ret_type, Err *err) {
    uint8_t frame[JOURNAL_FRAME];
    uint32_t len, crc;
    if (!fd_read_at(loader->fd, frame, sizeof frame, loader->at, loader->path, err)) {
        return false;
    }
    if (!journal_unframe(frame, ret_type, &len, &crc) || len > SECTION_BYTES_MAX) {
        return bad_checkpoint(loader, err);
    }
    loader->payload.len = 0;
    buf_reserve(&loader->payload, len);
    if (!fd_read_at(loader->fd, loader->payload.ptr, len, loader->at + JOURNAL_FRAME, loader->path,
                    err)) {
        return false;
    }
    loader->payload.len = len;
    if (journal_crc(*ret_type, buf_view(&loader->payload)) != crc) {
        return bad_checkpoint(loader, err);
    }
    loader->at += JOURNAL_FRAME + len;
    return true;
}

static bool unpack(Loader *loader, uint32_t *type, Str *ret_payload, Err *err) {
    *ret_payload = buf_view(&loader->payload);
    if (!(*type & TYPE_PACKED)) {
        return true;
    }
    *type &= ~TYPE_PACKED;
    ByteReader reader = reader_of(*ret_payload);
    uint32_t len = reader_u32(&reader);
    if (reader.bad || len > SECTION_BYTES_MAX) {
        return bad_checkpoint(loader, err);
    }
    loader->unpacked.len = 0;
    buf_reserve(&loader->unpacked, len);
    size_t got = ZSTD_decompress(loader->unpacked.ptr, len, reader.at, reader_left(&reader));
    if (ZSTD_isError(got) || got != len) {
        return bad_checkpoint(loader, err);
    }
    *ret_payload = (Str){loader->unpacked.ptr, len};
    return true;
}

static bool load_parts(Loader *loader, Str payload) {
    AUTO(arena_finish) Arena arena = {0};
    ByteReader reader = reader_of(payload);
    uint32_t id;
    LabelPart kind;
    LabelSet part;
    while (record_get_part(&reader, &arena, &id, &kind, &part)) {
        if (!head_define_part(loader->head, id, kind, part)) {
            return false;
        }
        arena_reset(&arena);
    }
    return !reader.bad;
}

/* A series whose parts were made while the checkpoint was taken is left out: the journal defines it
 * again. */
static bool load_series(Loader *loader, Str payload) {
    ByteReader reader = reader_of(payload);
    uint32_t ref;
    uint32_t part[PART_COUNT];
    while (record_get_series(&reader, &ref, part)) {
        (void)head_define(loader->head, ref, part);
    }
    return !reader.bad;
}

static SlabRef load_bytes(ByteReader *reader, HeadShard *shard, uint64_t len, unsigned *ret_class) {
    Str bytes = reader_bytes(reader, len);
    if (reader->bad || len == 0 || len > SLAB_BYTES_MAX) {
        reader->bad = true;
        return 0;
    }
    *ret_class = slab_class(len);
    SlabRef ref = slab_alloc(&shard->slab, *ret_class);
    memcpy(slab_at(&shard->slab, ref), bytes.ptr, len);
    return ref;
}

static OpenChunk load_open(ByteReader *reader, HeadShard *shard) {
    OpenChunk chunk = {.last_time = unzigzag(reader_varint(reader))};
    uint64_t count = reader_varint(reader);
    if (count == 0 || reader->bad) {
        return chunk;
    }
    chunk.last_bits = reader_u64(reader);
    chunk.last_delta = (int32_t)unzigzag(reader_varint(reader));
    uint64_t run = reader_varint(reader);
    uint8_t form = reader_u8(reader);
    uint64_t len = reader_varint(reader);
    if (count > OPENCHUNK_SAMPLES_MAX || run >= count) {
        reader->bad = true;
        return chunk;
    }
    unsigned class = 0;
    chunk.bytes = load_bytes(reader, shard, len, &class);
    chunk.class = class & 63;
    chunk.len = len & 0x1fffff;
    chunk.count = count & 0x3ff;
    chunk.run = run & 0x3ff;
    chunk.exponent = (unsigned)form & 15;
    chunk.is_decimal = (unsigned)form >> 4 & 1;
    shard->chunks += !reader->bad;
    shard->samples += reader->bad ? 0 : count;
    return chunk;
}

static void load_closed(ByteReader *reader, HeadShard *shard, HeadSeries *series) {
    ClosedChunk chunk = {.late = reader_u8(reader) != 0};
    chunk.first = unzigzag(reader_varint(reader));
    chunk.last = unzigzag(reader_varint(reader));
    uint64_t count = reader_varint(reader);
    uint64_t len = reader_varint(reader);
    if (count == 0 || count > OPENCHUNK_SAMPLES_MAX) {
        reader->bad = true;
        return;
    }
    unsigned class = 0;
    chunk.bytes = load_bytes(reader, shard, len, &class);
    if (reader->bad) {
        return;
    }
    chunk.class = (uint8_t) class;
    chunk.len = (uint32_t)len;
    chunk.count = (uint16_t)count;
    chunk.next = series->closed;
    series->closed = slab_alloc(&shard->slab, slab_class(sizeof chunk));
    memcpy(slab_at(&shard->slab, series->closed), &chunk, sizeof chunk);
    shard->chunks++;
    shard->samples += count;
}

static void load_chunks_of(ByteReader *reader, HeadShard *shard, HeadSeries *series) {
    bool has_extra = reader_u8(reader) != 0;
    OpenChunk open = load_open(reader, shard);
    if (has_extra) {
        HeadExtra extra = {.start = unzigzag(reader_varint(reader))};
        extra.late_start = unzigzag(reader_varint(reader));
        extra.late = load_open(reader, shard);
        open.extra = slab_alloc(&shard->slab, slab_class(sizeof extra));
        memcpy(slab_at(&shard->slab, open.extra), &extra, sizeof extra);
    }
    series->open = open;
    uint64_t count = reader_varint(reader);
    for (uint64_t i = 0; i < count && !reader->bad; i++) {
        load_closed(reader, shard, series);
    }
}

static bool load_chunks(Loader *loader, Str payload) {
    ByteReader reader = reader_of(payload);
    while (reader_left(&reader) > 0 && !reader.bad) {
        uint64_t ref = reader_varint(&reader);
        if (ref >= HEAD_REF_DROPPED) {
            return false;
        }
        HeadShard *shard = head_shard(loader->head, (HeadRef)ref);
        HeadSeries unknown = {0}; /* read over it; its few bytes in the slab are lost */
        bool defined = head_defined(loader->head, (HeadRef)ref);
        load_chunks_of(&reader, shard,
                       defined ? shard_series(shard, head_slot((HeadRef)ref)) : &unknown);
    }
    return !reader.bad;
}

static bool load_sources(Loader *loader, Str payload) {
    ByteReader reader = reader_of(payload);
    while (reader_left(&reader) > 0 && !reader.bad) {
        uint64_t len = reader_varint(&reader);
        Str name = reader_bytes(&reader, len);
        StoreSource source = {.newest = unzigzag(reader_varint(&reader))};
        source.received_at = unzigzag(reader_varint(&reader));
        source.interval = (DurationMs)reader_varint(&reader);
        if (!reader.bad) {
            sources_restore(&loader->head->sources, name, &source);
        }
    }
    return !reader.bad;
}

static bool load_record(Loader *loader, uint32_t type, Str payload) {
    switch (type) {
    case RECORD_PARTS:
        return load_parts(loader, payload);
    case RECORD_SERIES:
        return load_series(loader, payload);
    case RECORD_CHUNKS:
        return load_chunks(loader, payload);
    case RECORD_SOURCES:
        return load_sources(loader, payload);
    default:
        return true;
    }
}

/* Two passes: the first only checks, so that a damaged file leaves nothing behind in the head. */
static bool pass(Loader *loader, bool apply, Err *err) {
    loader->at = 0;
    loader->ended = false;
    for (uint64_t records = 0; !loader->ended; records++) {
        uint32_t type;
        Str payload;
        if (!read_record(loader, &type, err)) {
            return false;
        }
        if ((type & ~TYPE_PACKED) == RECORD_END) {
            ByteReader reader = reader_of(buf_view(&loader->payload));
            loader->ended = true;
            if (reader_varint(&reader) != records) {
                return bad_checkpoint(loader, err);
            }
        } else if (apply &&
                   (!unpack(loader, &type, &payload, err) || !load_record(loader, type, payload))) {
            return bad_checkpoint(loader, err);
        }
    }
    return true;
}

static bool load_file(Head *head, const char *path, Err *err) {
    Loader loader = {.head = head, .path = path};
    loader.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (loader.fd < 0) {
        return err_errno(err, "%s: cannot open", path);
    }
    bool good = pass(&loader, false, err) && pass(&loader, true, err);
    fd_close(&loader.fd);
    buf_finish(&loader.payload);
    buf_finish(&loader.unpacked);
    return good;
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

bool checkpoint_load(Head *head, const StoreFiles *files, const char *dir, uint64_t *ret_lsn,
                     uint64_t *ret_damaged, Err *err) {
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
        if (load_file(head, path, &bad)) {
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
