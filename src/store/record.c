/*
 * RECORDS (payloads; journal.c draws what is around them). All numbers are varints unless said
 * otherwise; text is its length and bytes.
 *
 *   PARTS     {number, kind, label count, {name, value}} repeated
 *
 *   SERIES    {ref, 4 part numbers: name, target, object, rest} repeated
 *
 *   SAMPLES   zigzag(now), byte flags: 1 own, 2 histograms, 4 starts; row count
 *             refs     zigzag(ref - ref before) per row
 *             times    runs: zigzag(time - time before), how many further rows have this same time
 *             values   a whole number up to 2^53: 2 * zigzag(value); else byte 1 and 8 bytes
 *             if 2:    count, then {rows skipped, histogram (histcode.c)}
 *             if 4:    runs as for times
 *
 *   DELETE    zigzag(from), zigzag(to), set count, {matcher count, {type, name, value}}
 *
 * Rows come sorted by shard and, within a shard, mostly in the order in which the series were made:
 * a ref costs one byte. Series of one target share their time: a run of a hundred rows costs a few
 * bytes.
 */

#include "store/record.h"

#include <math.h>

#include "base/mem.h"
#include "store/histcode.h"

static void put_text(Buf *buf, Str text) {
    buf_varint(buf, text.len);
    buf_str(buf, text);
}

static Str get_text(ByteReader *reader) {
    uint64_t len = reader_varint(reader);
    return reader_bytes(reader, len);
}

/* ---- definitions ---- */

void record_put_part(Buf *buf, uint32_t id, LabelPart kind, LabelSet part) {
    buf_varint(buf, id);
    buf_varint(buf, kind);
    buf_varint(buf, part.count);
    for (size_t i = 0; i < part.count; i++) {
        put_text(buf, part.items[i].name);
        put_text(buf, part.items[i].value);
    }
}

bool record_get_part(ByteReader *reader, Arena *arena, uint32_t *ret_id, LabelPart *ret_kind,
                     LabelSet *ret_part) {
    if (reader_left(reader) == 0) {
        return false;
    }
    uint64_t id = reader_varint(reader);
    uint64_t kind = reader_varint(reader);
    uint64_t count = reader_varint(reader);
    if (count > LABELS_MAX || kind >= PART_COUNT || id >= UINT32_MAX) {
        reader->bad = true;
        return false;
    }
    Label *labels = arena_array(arena, Label, count);
    for (uint64_t i = 0; i < count; i++) {
        labels[i].name = get_text(reader);
        labels[i].value = get_text(reader);
    }
    *ret_id = (uint32_t)id;
    *ret_kind = (LabelPart)kind;
    *ret_part = (LabelSet){labels, count};
    return !reader->bad;
}

void record_put_series(Buf *buf, uint32_t ref, const uint32_t part[PART_COUNT]) {
    buf_varint(buf, ref);
    for (int i = 0; i < PART_COUNT; i++) {
        buf_varint(buf, part[i]);
    }
}

bool record_get_series(ByteReader *reader, uint32_t *ret_ref, uint32_t ret_part[PART_COUNT]) {
    if (reader_left(reader) == 0) {
        return false;
    }
    uint64_t ref = reader_varint(reader);
    uint64_t part[PART_COUNT];
    bool fits = ref < UINT32_MAX;
    for (int i = 0; i < PART_COUNT; i++) {
        part[i] = reader_varint(reader);
        fits = fits && part[i] < UINT32_MAX;
    }
    if (!fits || reader->bad) {
        reader->bad = true;
        return false;
    }
    *ret_ref = (uint32_t)ref;
    for (int i = 0; i < PART_COUNT; i++) {
        ret_part[i] = (uint32_t)part[i];
    }
    return true;
}

/* ---- samples ---- */

/* The columns of a batch are written byte by byte; room for the worst case is made once per column.
 */
static uint8_t *put_varint(uint8_t *at, uint64_t value) {
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *column_begin(Buf *buf, size_t bytes_max) {
    buf_reserve(buf, bytes_max);
    return (uint8_t *)buf->ptr + buf->len;
}

static void column_end(Buf *buf, const uint8_t *end) {
    buf->len = (size_t)(end - (uint8_t *)buf->ptr);
}

static void put_refs(Buf *buf, const RecordSamples *samples) {
    uint8_t *at = column_begin(buf, samples->row_count * 10);
    int64_t before = 0;
    for (size_t i = 0; i < samples->row_count; i++) {
        int64_t ref = samples->rows[i].ref;
        at = put_varint(at, zigzag(ref - before));
        before = ref;
    }
    column_end(buf, at);
}

static uint8_t *put_value(uint8_t *at, double value) {
    uint64_t bits = value_bits(value);
    if (fabs(value) < 0x1p53 && (double)(int64_t)value == value && bits != value_bits(-0.0)) {
        return put_varint(at, zigzag((int64_t)value) << 1);
    }
    *at++ = 1;
    memcpy(at, &bits, sizeof bits);
    return at + sizeof bits;
}

static void put_values(Buf *buf, const RecordSamples *samples) {
    uint8_t *at = column_begin(buf, samples->row_count * 10);
    for (size_t i = 0; i < samples->row_count; i++) {
        const OpenSample *sample = &samples->rows[i].sample;
        at = put_value(at, sample->histogram ? 0 : sample->value);
    }
    column_end(buf, at);
}

static TimeMs row_time(const RecordRow *row) {
    return row->sample.time;
}

static TimeMs row_start(const RecordRow *row) {
    return row->sample.start;
}

static void put_runs(Buf *buf, const RecordSamples *samples, TimeMs (*column)(const RecordRow *)) {
    uint8_t *at = column_begin(buf, samples->row_count * 20);
    TimeMs before = 0;
    for (size_t i = 0; i < samples->row_count;) {
        TimeMs value = column(&samples->rows[i]);
        size_t next = i + 1;
        while (next < samples->row_count && column(&samples->rows[next]) == value) {
            next++;
        }
        at = put_varint(at, zigzag((int64_t)((uint64_t)value - (uint64_t)before)));
        at = put_varint(at, next - i - 1);
        before = value;
        i = next;
    }
    column_end(buf, at);
}

static void put_histograms(Buf *buf, const RecordSamples *samples, size_t count) {
    buf_varint(buf, count);
    size_t skipped = 0;
    for (size_t i = 0; i < samples->row_count; i++) {
        const Histogram *histogram = samples->rows[i].sample.histogram;
        if (histogram) {
            buf_varint(buf, skipped);
            histogram_put(buf, histogram);
            skipped = 0;
        } else {
            skipped++;
        }
    }
}

enum { FLAG_OWN = 1, FLAG_HISTOGRAMS = 2, FLAG_STARTS = 4 };

void record_put_samples(Buf *buf, const RecordSamples *samples) {
    size_t histograms = 0, starts = 0;
    for (size_t i = 0; i < samples->row_count; i++) {
        histograms += samples->rows[i].sample.histogram != NULL;
        starts += samples->rows[i].sample.start != 0;
    }
    buf_varint(buf, zigzag(samples->now));
    buf_byte(buf, (char)((samples->own ? FLAG_OWN : 0) | (histograms ? FLAG_HISTOGRAMS : 0) |
                         (starts ? FLAG_STARTS : 0)));
    buf_varint(buf, samples->row_count);
    put_refs(buf, samples);
    put_runs(buf, samples, row_time);
    put_values(buf, samples);
    if (histograms) {
        put_histograms(buf, samples, histograms);
    }
    if (starts) {
        put_runs(buf, samples, row_start);
    }
}

static void get_refs(ByteReader *reader, RecordRow *rows, size_t count) {
    uint64_t ref = 0;
    for (size_t i = 0; i < count; i++) {
        ref += (uint64_t)unzigzag(reader_varint(reader));
        if (ref >= UINT32_MAX) {
            reader->bad = true;
            return;
        }
        rows[i].ref = (uint32_t)ref;
    }
}

static void get_runs(ByteReader *reader, RecordRow *rows, size_t count,
                     void (*put)(RecordRow *, TimeMs)) {
    uint64_t value = 0;
    for (size_t i = 0; i < count && !reader->bad;) {
        value += (uint64_t)unzigzag(reader_varint(reader));
        uint64_t further = reader_varint(reader);
        if (further >= count - i) {
            reader->bad = true;
            return;
        }
        for (uint64_t end = i + further + 1; i < end; i++) {
            put(&rows[i], (TimeMs)value);
        }
    }
}

static void set_time(RecordRow *row, TimeMs value) {
    row->sample.time = value;
}

static void set_start(RecordRow *row, TimeMs value) {
    row->sample.start = value;
}

static void get_values(ByteReader *reader, RecordRow *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint64_t first = reader_varint(reader);
        rows[i].sample.value =
            first & 1 ? value_of_bits(reader_u64(reader)) : (double)unzigzag(first >> 1);
    }
}

static void get_histograms(ByteReader *reader, RecordRow *rows, size_t count, Arena *arena) {
    uint64_t histograms = reader_varint(reader);
    uint64_t row = 0;
    for (uint64_t i = 0; i < histograms && !reader->bad; i++) {
        uint64_t skipped = reader_varint(reader);
        if (skipped >= count || row + skipped >= count) {
            reader->bad = true;
            return;
        }
        row += skipped;
        rows[row].sample.histogram = histogram_get(reader, arena);
        row++;
    }
}

bool record_get_samples(Str payload, Arena *arena, RecordSamples *ret_samples) {
    ByteReader reader = reader_of(payload);
    TimeMs now = unzigzag(reader_varint(&reader));
    uint8_t flags = reader_u8(&reader);
    uint64_t count = reader_varint(&reader);
    if (reader.bad || count > reader_left(&reader)) { /* a row takes a byte at least */
        return false;
    }
    RecordRow *rows = arena_array(arena, RecordRow, count);
    get_refs(&reader, rows, count);
    get_runs(&reader, rows, count, set_time);
    get_values(&reader, rows, count);
    if (flags & FLAG_HISTOGRAMS) {
        get_histograms(&reader, rows, count, arena);
    }
    if (flags & FLAG_STARTS) {
        get_runs(&reader, rows, count, set_start);
    }
    *ret_samples = (RecordSamples){now, (flags & FLAG_OWN) != 0, rows, count};
    return !reader.bad;
}

/* ---- deletions ---- */

void record_put_delete(Buf *buf, const RecordDelete *deletion) {
    buf_varint(buf, zigzag(deletion->from));
    buf_varint(buf, zigzag(deletion->to));
    buf_varint(buf, deletion->set_count);
    for (size_t i = 0; i < deletion->set_count; i++) {
        const MatcherSet *set = &deletion->sets[i];
        buf_varint(buf, set->count);
        for (size_t j = 0; j < set->count; j++) {
            buf_varint(buf, set->items[j].type);
            put_text(buf, set->items[j].name);
            put_text(buf, set->items[j].value);
        }
    }
}

static bool get_set(ByteReader *reader, Arena *arena, MatcherSet *ret_set, Err *err) {
    uint64_t count = reader_varint(reader);
    if (count > reader_left(reader)) {
        return err_set(err, ERR_CORRUPT, "a deletion's matchers break off");
    }
    MatcherSet set = {arena_array(arena, Matcher, count), 0};
    for (uint64_t i = 0; i < count; i++) {
        uint64_t type = reader_varint(reader);
        Str name = get_text(reader);
        Str value = get_text(reader);
        bool shaped = (!reader->bad && type <= MATCH_NRE) ||
                      err_set(err, ERR_CORRUPT, "a deletion's matcher makes no sense");
        if (!shaped || !matcher_init(arena, (MatchType)type, name, value, &set.items[i], err)) {
            matcher_set_finish(&set);
            return false;
        }
        set.count++;
    }
    *ret_set = set;
    return true;
}

bool record_get_delete(Str payload, Arena *arena, MatcherSet **ret_sets, RecordDelete *ret_deletion,
                       Err *err) {
    ByteReader reader = reader_of(payload);
    TimeMs from = unzigzag(reader_varint(&reader));
    TimeMs to = unzigzag(reader_varint(&reader));
    uint64_t count = reader_varint(&reader);
    if (reader.bad || count > reader_left(&reader)) {
        return err_set(err, ERR_CORRUPT, "a deletion breaks off");
    }
    MatcherSet *sets = arena_array(arena, MatcherSet, count);
    for (uint64_t i = 0; i < count; i++) {
        if (!get_set(&reader, arena, &sets[i], err)) {
            while (i-- > 0) {
                matcher_set_finish(&sets[i]);
            }
            return false;
        }
    }
    *ret_sets = sets;
    *ret_deletion = (RecordDelete){sets, count, from, to};
    return true;
}
