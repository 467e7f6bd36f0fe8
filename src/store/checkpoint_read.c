/*
 * Reading a checkpoint, drawn in checkpoint.c. A restart waits for it, so it is spread over cores:
 *
 *     1  list     the frames, from one to the next, up to the END
 *     2  check    a section each: its checksum, and whose shard's series it holds. Before anything
 *                 is applied, so that a damaged file leaves nothing behind in the head
 *     3  apply    parts in order; then a shard each, its series and their chunks; then sources
 */

#include <fcntl.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/file.h"
#include "base/mem.h"
#include "store/checkpoint.h"

/* A series with the largest histograms can pass what is meant to be a section's size. */
enum { SECTION_BYTES_MAX = 64 << 20 };

typedef struct Section {
    uint64_t at; /* of its frame */
    uint32_t type, len, crc;
    unsigned shard; /* of SERIES and CHUNKS */
} Section;

/* Buffers of whoever reads a section: some megabytes, handed from one to the next. */
typedef struct Room {
    Buf payload, unpacked;
} Room;

typedef struct Loader {
    Head *head;
    const char *path;
    int fd;
    Section *sections;
    size_t sections_count, sections_cap;
    pthread_mutex_t lock; /* of what follows */
    Room *rooms;          /* nobody has them */
    size_t rooms_count, rooms_cap;
    Err trouble; /* the first */
} Loader;

static Room take_room(Loader *loader) {
    pthread_mutex_lock(&loader->lock);
    Room room = {0};
    if (loader->rooms_count > 0) {
        room = loader->rooms[--loader->rooms_count];
    }
    pthread_mutex_unlock(&loader->lock);
    return room;
}

static void give_room(Loader *loader, Room room) {
    pthread_mutex_lock(&loader->lock);
    VEC_PUSH(*loader, rooms, room);
    pthread_mutex_unlock(&loader->lock);
}

static void free_rooms(Loader *loader) {
    for (size_t i = 0; i < loader->rooms_count; i++) {
        buf_finish(&loader->rooms[i].payload);
        buf_finish(&loader->rooms[i].unpacked);
    }
    free(loader->rooms);
}

static bool bad_checkpoint(const Loader *loader, uint64_t at, Err *err) {
    return err_set(err, ERR_CORRUPT, "%s: damaged at byte %llu", loader->path,
                   (unsigned long long)at);
}

static void note_trouble(Loader *loader, const Err *err) {
    pthread_mutex_lock(&loader->lock);
    if (loader->trouble.kind == ERR_NONE) {
        loader->trouble = *err;
    }
    pthread_mutex_unlock(&loader->lock);
}

static bool no_trouble(const Loader *loader, Err *err) {
    if (loader->trouble.kind != ERR_NONE) {
        *err = loader->trouble;
        return false;
    }
    return true;
}

static uint32_t plain_type(const Section *section) {
    return section->type & ~CHECKPOINT_PACKED;
}

/* ---- 1 list ---- */

static bool read_frame(const Loader *loader, uint64_t at, Section *ret_section, Err *err) {
    uint8_t frame[JOURNAL_FRAME];
    *ret_section = (Section){.at = at};
    if (!fd_read_at(loader->fd, frame, sizeof frame, at, loader->path, err)) {
        return false;
    }
    if (!journal_unframe(frame, &ret_section->type, &ret_section->len, &ret_section->crc) ||
        ret_section->len > SECTION_BYTES_MAX) {
        return bad_checkpoint(loader, at, err);
    }
    return true;
}

static bool list_sections(Loader *loader, Err *err) {
    uint64_t at = 0;
    bool ended = false;
    while (!ended) {
        Section section;
        if (!read_frame(loader, at, &section, err)) {
            return false;
        }
        ended = plain_type(&section) == RECORD_END;
        VEC_PUSH(*loader, sections, section);
        at += JOURNAL_FRAME + section.len;
    }
    return true;
}

/* ---- 2 check ---- */

/* The section's payload, checked and unpacked; a view into `room`. */
static bool read_section(const Loader *loader, const Section *section, Room *room, Str *ret_payload,
                         Err *err) {
    room->payload.len = 0;
    buf_reserve(&room->payload, section->len);
    if (!fd_read_at(loader->fd, room->payload.ptr, section->len, section->at + JOURNAL_FRAME,
                    loader->path, err)) {
        return false;
    }
    room->payload.len = section->len;
    Str payload = buf_view(&room->payload);
    if (journal_crc(section->type, payload) != section->crc) {
        return bad_checkpoint(loader, section->at, err);
    }
    *ret_payload = payload;
    if (!(section->type & CHECKPOINT_PACKED)) {
        return true;
    }
    ByteReader reader = reader_of(payload);
    uint32_t len = reader_u32(&reader);
    if (reader.bad || len > SECTION_BYTES_MAX) {
        return bad_checkpoint(loader, section->at, err);
    }
    room->unpacked.len = 0;
    buf_reserve(&room->unpacked, len);
    size_t got = ZSTD_decompress(room->unpacked.ptr, len, reader.at, reader_left(&reader));
    if (ZSTD_isError(got) || got != len) {
        return bad_checkpoint(loader, section->at, err);
    }
    *ret_payload = (Str){room->unpacked.ptr, len};
    return true;
}

/* Sections of series begin with the number of the first. */
static bool note_shard(Section *section, Str payload) {
    ByteReader reader = reader_of(payload);
    uint64_t ref = reader_varint(&reader);
    section->shard = (unsigned)(ref >> HEAD_SLOT_BITS);
    return !reader.bad && ref < HEAD_REF_DROPPED;
}

static bool end_fits(const Loader *loader, Str payload) {
    ByteReader reader = reader_of(payload);
    return reader_varint(&reader) == loader->sections_count - 1;
}

static void check_section(void *ctx, size_t index) {
    Loader *loader = ctx;
    Section *section = &loader->sections[index];
    Room room = take_room(loader);
    Str payload;
    Err err;
    uint32_t type = plain_type(section);
    bool good = read_section(loader, section, &room, &payload, &err);
    if (good &&
        (((type == RECORD_SERIES || type == RECORD_CHUNKS) && !note_shard(section, payload)) ||
         (type == RECORD_END && !end_fits(loader, payload)))) {
        good = bad_checkpoint(loader, section->at, &err);
    }
    if (!good) {
        note_trouble(loader, &err);
    }
    give_room(loader, room);
}

/* ---- 3 apply ---- */

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
static bool load_series(Loader *loader, unsigned shard, Str payload) {
    ByteReader reader = reader_of(payload);
    uint32_t ref;
    uint32_t part[PART_COUNT];
    while (record_get_series(&reader, &ref, part)) {
        if (ref >> HEAD_SLOT_BITS != shard) {
            return false;
        }
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

static bool load_chunks(Loader *loader, unsigned shard_index, Str payload) {
    ByteReader reader = reader_of(payload);
    HeadShard *shard = &loader->head->shards[shard_index];
    while (reader_left(&reader) > 0 && !reader.bad) {
        uint64_t ref = reader_varint(&reader);
        if (ref >= HEAD_REF_DROPPED || ref >> HEAD_SLOT_BITS != shard_index) {
            return false;
        }
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

static bool apply_section(Loader *loader, const Section *section, Str payload) {
    switch (plain_type(section)) {
    case RECORD_PARTS:
        return load_parts(loader, payload);
    case RECORD_SERIES:
        return load_series(loader, section->shard, payload);
    case RECORD_CHUNKS:
        return load_chunks(loader, section->shard, payload);
    case RECORD_SOURCES:
        return load_sources(loader, payload);
    default:
        return true;
    }
}

/* All sections of a type, in order; of one shard where the type has such. */
static void apply_type(Loader *loader, RecordType type, unsigned shard) {
    Room room = take_room(loader);
    bool good = true;
    for (size_t i = 0; i < loader->sections_count && good; i++) {
        const Section *section = &loader->sections[i];
        Str payload;
        Err err;
        if (plain_type(section) != (uint32_t)type || section->shard != shard) {
            continue;
        }
        good =
            read_section(loader, section, &room, &payload, &err) &&
            (apply_section(loader, section, payload) || bad_checkpoint(loader, section->at, &err));
        if (!good) {
            note_trouble(loader, &err);
        }
    }
    give_room(loader, room);
}

static void apply_shard(void *ctx, size_t shard) {
    apply_type(ctx, RECORD_SERIES, (unsigned)shard);
    apply_type(ctx, RECORD_CHUNKS, (unsigned)shard);
}

static bool load(Loader *loader, Pool *pool, Err *err) {
    if (!list_sections(loader, err)) {
        return false;
    }
    pool_for(pool, loader->sections_count, check_section, loader);
    if (!no_trouble(loader, err)) {
        return false;
    }
    apply_type(loader, RECORD_PARTS, 0);
    pool_for(pool, HEAD_SHARDS, apply_shard, loader);
    apply_type(loader, RECORD_SOURCES, 0);
    return no_trouble(loader, err);
}

bool checkpoint_read(Head *head, Pool *pool, const char *path, Err *err) {
    Loader loader = {.head = head, .path = path};
    loader.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (loader.fd < 0) {
        return err_errno(err, "%s: cannot open", path);
    }
    pthread_mutex_init(&loader.lock, NULL);
    bool good = load(&loader, pool, err);
    pthread_mutex_destroy(&loader.lock);
    free_rooms(&loader);
    free(loader.sections);
    fd_close(&loader.fd);
    return good;
}
