/*
 * THE BYTES OF AN INDEX
 *
 *     varint   symbols, series, name runs, then distinct targets, objects, rests
 *     6 x varint   bytes of each section when decompressed
 *     6 x varint   bytes as stored; the same number: not compressed, else zstd
 *     SYMBOLS  every label name and value, sorted, each once: varint bytes shared with the one
 * before, varint further bytes, these bytes NAMES    for each metric name, in order: varint symbol
 * - that of the name before, varint series with it PARTS    for each distinct target, then object,
 * then rest: varint labels; then of all of them the names' symbols (varint), then of all of them
 * the values' symbols (zigzag difference to the value before of the same label name, because they
 * count up) TARGETS  for each series: zigzag its target's number - that of the series before
 *     OBJECTS  likewise
 *     RESTS    likewise
 *
 * Series without a name have the name run of the symbol "" (which is always symbol 0).
 */

#include <assert.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/index_format.h"
#include "store/parts.h"

typedef struct SetEntry {
    uint64_t hash;
    uint32_t first; /* of its pairs */
    uint32_t count;
} SetEntry;

typedef struct NameRun {
    uint32_t symbol;
    uint32_t series;
} NameRun;

/* Open addressing over entries kept elsewhere; 0 marks a free slot. */
typedef struct IdTable {
    uint32_t *slots; /* id + 1 */
    size_t size, used;
} IdTable;

/* The distinct sets of one part. */
typedef struct PartWriter {
    SetEntry *sets;
    size_t sets_count, sets_cap;
    IdTable table;
    uint32_t *ids; /* of each series */
    size_t ids_count, ids_cap;
} PartWriter;

struct IndexWriter {
    Arena text;
    Str *symbols;
    size_t symbols_count, symbols_cap;
    IdTable symbol_table;
    IndexPair *pairs;
    size_t pairs_count, pairs_cap;
    PartWriter parts[INDEX_PARTS];
    NameRun *runs;
    size_t runs_count, runs_cap;
    size_t series_count;
};

IndexWriter *index_writer_new(void) {
    IndexWriter *writer = mem_zero(1, sizeof *writer);
    return writer;
}

void index_writer_free(IndexWriter *writer) {
    if (!writer) {
        return;
    }
    for (int part = 0; part < INDEX_PARTS; part++) {
        free(writer->parts[part].sets);
        free(writer->parts[part].table.slots);
        free(writer->parts[part].ids);
    }
    arena_finish(&writer->text);
    free(writer->symbols);
    free(writer->symbol_table.slots);
    free(writer->pairs);
    free(writer->runs);
    free(writer);
}

static uint64_t symbol_hash(const IndexWriter *writer, uint32_t id) {
    return hash64(writer->symbols[id]);
}

static void table_put(IdTable *table, uint64_t hash, uint32_t id) {
    size_t at = hash & (table->size - 1);
    while (table->slots[at]) {
        at = (at + 1) & (table->size - 1);
    }
    table->slots[at] = id + 1;
}

/* Makes room for one more: true if the caller has to put all ids in again. */
static bool table_grow(IdTable *table) {
    if (++table->used * 2 <= table->size) {
        return false;
    }
    table->size = table->size ? table->size * 2 : 256;
    free(table->slots);
    table->slots = mem_zero(table->size, sizeof *table->slots);
    return true;
}

static uint32_t intern(IndexWriter *writer, Str text) {
    uint64_t hash = hash64(text);
    IdTable *table = &writer->symbol_table;
    for (size_t at = hash; table->size; at++) {
        uint32_t id = table->slots[at & (table->size - 1)];
        if (!id) {
            break;
        }
        if (str_eq(writer->symbols[id - 1], text)) {
            return id - 1;
        }
    }
    Str copy = arena_str(&writer->text, text);
    uint32_t id = (uint32_t)writer->symbols_count;
    if (table_grow(table)) {
        for (uint32_t i = 0; i < id; i++) {
            table_put(table, symbol_hash(writer, i), i);
        }
    }
    VEC_PUSH(*writer, symbols, copy);
    table_put(table, hash, id);
    return id;
}

/* The number of a part; a new one if it was not seen before. */
static uint32_t intern_part(IndexWriter *writer, PartWriter *part, LabelSet labels) {
    IndexPair pairs[LABELS_MAX];
    for (size_t i = 0; i < labels.count; i++) {
        pairs[i] = (IndexPair){intern(writer, labels.items[i].name),
                               intern(writer, labels.items[i].value)};
    }
    size_t bytes = labels.count * sizeof *pairs;
    uint64_t hash = hash64((Str){(const char *)pairs, bytes});
    for (size_t at = hash; part->table.size; at++) {
        uint32_t id = part->table.slots[at & (part->table.size - 1)];
        if (!id) {
            break;
        }
        const SetEntry *set = &part->sets[id - 1];
        if (set->hash == hash && set->count == labels.count &&
            (bytes == 0 || memcmp(writer->pairs + set->first, pairs, bytes) == 0)) {
            return id - 1;
        }
    }
    uint32_t id = (uint32_t)part->sets_count;
    if (table_grow(&part->table)) {
        for (uint32_t i = 0; i < id; i++) {
            table_put(&part->table, part->sets[i].hash, i);
        }
    }
    SetEntry set = {hash, (uint32_t)writer->pairs_count, (uint32_t)labels.count};
    VEC_PUSH(*part, sets, set);
    for (size_t i = 0; i < labels.count; i++) {
        VEC_PUSH(*writer, pairs, pairs[i]);
    }
    table_put(&part->table, hash, id);
    return id;
}

uint32_t index_writer_add(IndexWriter *writer, LabelSet labels) {
    Label room[LABELS_MAX];
    LabelSet parts[PART_COUNT];
    parts_split(labels, room, parts);
    uint32_t name = intern(writer, labels_get(labels, LABEL_METRIC_NAME));
    if (!writer->runs_count || writer->runs[writer->runs_count - 1].symbol != name) {
        VEC_PUSH(*writer, runs, ((NameRun){.symbol = name}));
    }
    writer->runs[writer->runs_count - 1].series++;
    for (int i = 0; i < INDEX_PARTS; i++) {
        PartWriter *part = &writer->parts[i];
        uint32_t id = intern_part(writer, part, parts[PART_TARGET + i]);
        VEC_PUSH(*part, ids, id);
    }
    return (uint32_t)writer->series_count++;
}

size_t index_writer_count(const IndexWriter *writer) {
    return writer->series_count;
}

uint32_t index_writer_target(const IndexWriter *writer, uint32_t ordinal) {
    assert(ordinal < writer->series_count);
    return writer->parts[0].ids[ordinal];
}

/* ---- finishing ---- */

typedef struct SortedSymbol {
    Str text;
    uint32_t id;
} SortedSymbol;

static int symbol_cmp(const void *a, const void *b) {
    return str_cmp(((const SortedSymbol *)a)->text, ((const SortedSymbol *)b)->text);
}

/* Writes the symbols in order; ret_ranks[id] is the place of a symbol. */
static void put_symbols(const IndexWriter *writer, Buf *out, uint32_t *ret_ranks) {
    size_t count = writer->symbols_count;
    SortedSymbol *sorted = mem_grow(NULL, (count + 1) * sizeof *sorted);
    for (uint32_t i = 0; i < count; i++) {
        sorted[i] = (SortedSymbol){writer->symbols[i], i};
    }
    qsort(sorted, count, sizeof *sorted, symbol_cmp);
    Str before = STR("");
    for (uint32_t i = 0; i < count; i++) {
        Str text = sorted[i].text;
        size_t shared = 0;
        while (shared < text.len && shared < before.len && text.ptr[shared] == before.ptr[shared]) {
            shared++;
        }
        buf_varint(out, shared);
        buf_varint(out, text.len - shared);
        buf_str(out, str_skip(text, shared));
        ret_ranks[sorted[i].id] = i;
        before = text;
    }
    free(sorted);
}

static void put_names(const IndexWriter *writer, const uint32_t *ranks, Buf *out) {
    uint32_t before = 0;
    for (size_t i = 0; i < writer->runs_count; i++) {
        uint32_t rank = ranks[writer->runs[i].symbol];
        assert(i == 0 || rank > before);
        buf_varint(out, rank - before);
        buf_varint(out, writer->runs[i].series);
        before = rank;
    }
}

static void put_part_sets(const IndexWriter *writer, const PartWriter *part, const uint32_t *ranks,
                          uint32_t *values_before, Buf *out) {
    for (size_t i = 0; i < part->sets_count; i++) {
        buf_varint(out, part->sets[i].count);
    }
    for (size_t i = 0; i < part->sets_count; i++) {
        for (uint32_t j = 0; j < part->sets[i].count; j++) {
            buf_varint(out, ranks[writer->pairs[part->sets[i].first + j].name]);
        }
    }
    for (size_t i = 0; i < part->sets_count; i++) {
        for (uint32_t j = 0; j < part->sets[i].count; j++) {
            IndexPair pair = writer->pairs[part->sets[i].first + j];
            uint32_t *before = &values_before[ranks[pair.name]];
            buf_varint(out, zigzag((int64_t)ranks[pair.value] - *before));
            *before = ranks[pair.value];
        }
    }
}

static void put_ids(const PartWriter *part, Buf *out) {
    int64_t before = 0;
    for (size_t i = 0; i < part->ids_count; i++) {
        buf_varint(out, zigzag(part->ids[i] - before));
        before = part->ids[i];
    }
}

static void put_sections(Buf sections[INDEX_SECTIONS], int zstd_level, Buf *out) {
    AUTO(buf_finish) Buf body = {0};
    size_t stored[INDEX_SECTIONS];
    for (int i = 0; i < INDEX_SECTIONS; i++) {
        Str raw = buf_view(&sections[i]);
        buf_reserve(&body, ZSTD_compressBound(raw.len));
        size_t len =
            ZSTD_compress(body.ptr + body.len, body.cap - body.len, raw.ptr, raw.len, zstd_level);
        assert(!ZSTD_isError(len));
        if (len < raw.len) {
            body.len += len;
            stored[i] = len;
        } else {
            buf_str(&body, raw);
            stored[i] = raw.len;
        }
    }
    for (int i = 0; i < INDEX_SECTIONS; i++) {
        buf_varint(out, sections[i].len);
    }
    for (int i = 0; i < INDEX_SECTIONS; i++) {
        buf_varint(out, stored[i]);
    }
    buf_str(out, buf_view(&body));
}

void index_writer_finish(IndexWriter *writer, int zstd_level, Buf *out) {
    uint32_t empty = intern(writer, STR(""));
    uint32_t *ranks = mem_grow(NULL, writer->symbols_count * sizeof *ranks);
    uint32_t *before = mem_zero(writer->symbols_count, sizeof *before);
    Buf sections[INDEX_SECTIONS] = {0};
    put_symbols(writer, &sections[INDEX_SYMBOLS], ranks);
    assert(ranks[empty] == 0);
    (void)empty;
    put_names(writer, ranks, &sections[INDEX_NAMES]);
    buf_varint(out, writer->symbols_count);
    buf_varint(out, writer->series_count);
    buf_varint(out, writer->runs_count);
    for (int i = 0; i < INDEX_PARTS; i++) {
        buf_varint(out, writer->parts[i].sets_count);
        put_part_sets(writer, &writer->parts[i], ranks, before, &sections[INDEX_SETS]);
        put_ids(&writer->parts[i], &sections[INDEX_TARGETS + i]);
    }
    put_sections(sections, zstd_level, out);
    for (int i = 0; i < INDEX_SECTIONS; i++) {
        buf_finish(&sections[i]);
    }
    free(ranks);
    free(before);
}
