/*
 * OPEN CHUNK
 *
 *   first sample    varint zigzag(time), then a value token
 *   next samples    tokens, each a varint t followed by what it says:
 *
 *     t even          t/2 samples repeat value and spacing of the one before
 *     t odd, t/2 = 0  a decimal of another scale: byte e, varint zigzag(X); the value is X / 10^e
 *                = 1  bits: byte zeros*16 + count, `count` bytes: XORed into the last float's bits
 * after `zeros` zero bytes from the top = 2  time: varint zigzag(change of the spacing). Another
 * token follows and gives the value of this sample; an even one (of 1 sample) repeats the value
 * only = 3  start: varint zigzag(start time) in force from the next sample on. Another token
 * follows = 4  a histogram, see histogram_put()
 *                >= 8 a decimal of the same scale: X grows by unzigzag(t/2 - 8)
 *
 * A time token stands before a start token. Spacing is 0 before the second sample; it is never told
 * for the first. The first value token is coded against last bits 0 and no scale.
 *
 * "X / 10^e" is one IEEE division, checked when it is written: what is read is bit for bit what
 * came.
 */

#include "store/openchunk.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "store/histcode.h"

enum {
    TOKEN_RESCALE = 0,
    TOKEN_BITS = 1,
    TOKEN_TIME = 2,
    TOKEN_START = 3,
    TOKEN_HISTOGRAM = 4,
    TOKEN_DELTA = 8,
    EXPONENT_MAX = 12,
    TOKEN_BYTES_MAX = 64, /* all tokens of a float sample together */
};

static const double power_of_10[EXPONENT_MAX + 1] = {1e0, 1e1, 1e2, 1e3,  1e4,  1e5, 1e6,
                                                     1e7, 1e8, 1e9, 1e10, 1e11, 1e12};

/* X with X / 10^e == value, bit for bit. */
static bool decimal_of(double value, unsigned e, int64_t *ret_x) {
    double scaled = value * power_of_10[e];
    if (!(fabs(scaled) < 0x1p53)) {
        return false;
    }
    double whole = rint(scaled);
    if (whole == 0) {
        *ret_x = 0;
        return value_bits(value) == 0; /* not -0 and nothing too small for the scale */
    }
    if (whole / power_of_10[e] != value) {
        return false;
    }
    *ret_x = (int64_t)whole;
    return true;
}

static uint8_t *put_varint(uint8_t *at, uint64_t value) {
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

/* Makes room for `more` bytes and returns the end of those there are. A full block is replaced by
 * one half as large again: a size is a step of a quarter, and copying at each of them is what
 * appending would mostly do. */
static uint8_t *room(OpenChunk *chunk, Slab *slab, size_t more) {
    size_t need = chunk->len + more;
    if (!chunk->bytes) {
        chunk->class = slab_class(need) & 63;
        chunk->bytes = slab_alloc(slab, chunk->class);
    } else if (need > slab_class_bytes(chunk->class)) {
        size_t ample = need + chunk->len / 2;
        unsigned class = slab_class(ample < SLAB_BYTES_MAX ? ample : need);
        SlabRef bytes = slab_alloc(slab, class);
        memcpy(slab_at(slab, bytes), slab_at(slab, chunk->bytes), chunk->len);
        slab_free(slab, chunk->bytes, chunk->class);
        chunk->bytes = bytes;
        chunk->class = class & 63;
    }
    return (uint8_t *)slab_at(slab, chunk->bytes) + chunk->len;
}

static void put_bytes(OpenChunk *chunk, Slab *slab, const void *bytes, size_t len) {
    memcpy(room(chunk, slab, len), bytes, len);
    chunk->len = (chunk->len + len) & 0x1fffff;
}

static uint8_t *put_bits(uint8_t *at, uint64_t change) {
    assert(change != 0);
    unsigned zeros = 0, count = 8;
    while (!(change >> (56 - 8 * zeros) & 0xff)) {
        zeros++;
    }
    count -= zeros;
    while (!(change & 0xff)) {
        change >>= 8;
        count--;
    }
    *at++ = (uint8_t)(zeros << 4 | count);
    for (unsigned i = 0; i < count; i++) {
        *at++ = (uint8_t)(change >> 8 * i);
    }
    return at;
}

static bool put_scaled(OpenChunk *chunk, double value, uint8_t **at) {
    unsigned first = chunk->is_decimal ? chunk->exponent : 0;
    int64_t x;
    for (unsigned e = first; e <= EXPONENT_MAX; e++) {
        if (decimal_of(value, e, &x)) {
            *at = put_varint(*at, TOKEN_RESCALE << 1 | 1);
            *(*at)++ = (uint8_t)e;
            *at = put_varint(*at, zigzag(x));
            chunk->exponent = e & 15;
            chunk->is_decimal = 1;
            return true;
        }
    }
    return false;
}

static uint8_t *put_value(OpenChunk *chunk, double value, uint8_t *at) {
    uint64_t bits = value_bits(value);
    int64_t x = 0, before = 0;
    if (chunk->is_decimal && decimal_of(value, chunk->exponent, &x) &&
        decimal_of(value_of_bits(chunk->last_bits), chunk->exponent, &before)) {
        at = put_varint(at, (zigzag(x - before) + TOKEN_DELTA) << 1 | 1);
    } else if (bits == chunk->last_bits) {
        at = put_varint(at, 1 << 1);
    } else if (!put_scaled(chunk, value, &at)) {
        at = put_varint(at, TOKEN_BITS << 1 | 1);
        at = put_bits(at, bits ^ chunk->last_bits);
        chunk->is_decimal = 0;
    }
    chunk->last_bits = bits;
    return at;
}

static uint8_t *end_run(OpenChunk *chunk, uint8_t *at) {
    if (chunk->run) {
        at = put_varint(at, (uint64_t)chunk->run << 1);
        chunk->run = 0;
    }
    return at;
}

bool openchunk_has_room(const OpenChunk *chunk, TimeMs time) {
    if (chunk->count == 0 || chunk->count >= OPENCHUNK_SAMPLES_MAX ||
        chunk->len > OPENCHUNK_BYTES_FULL) {
        return false;
    }
    uint64_t delta = (uint64_t)time - (uint64_t)chunk->last_time;
    return delta <= INT32_MAX;
}

void openchunk_append(OpenChunk *chunk, Slab *slab, const OpenSample *sample, TimeMs *start_state) {
    bool first = chunk->count == 0;
    int32_t delta = first ? 0 : (int32_t)(sample->time - chunk->last_time);
    bool new_start = start_state ? *start_state != sample->start : false;
    assert(start_state || sample->start == 0);
    assert(first || sample->time > chunk->last_time);

    bool repeats = !first && !sample->histogram && delta == chunk->last_delta && !new_start &&
                   value_bits(sample->value) == chunk->last_bits;
    if (repeats) {
        chunk->run++;
    } else {
        uint8_t tokens[TOKEN_BYTES_MAX];
        uint8_t *at = end_run(chunk, tokens);
        if (first) {
            at = put_varint(at, zigzag(sample->time));
            chunk->last_bits = 0;
            chunk->is_decimal = 0;
        } else if (delta != chunk->last_delta) {
            at = put_varint(at, TOKEN_TIME << 1 | 1);
            at = put_varint(at, zigzag((int64_t)delta - chunk->last_delta));
        }
        if (new_start) {
            at = put_varint(at, TOKEN_START << 1 | 1);
            at = put_varint(at, zigzag(sample->start));
            *start_state = sample->start;
        }
        if (sample->histogram) {
            at = put_varint(at, TOKEN_HISTOGRAM << 1 | 1);
        } else {
            at = put_value(chunk, sample->value, at);
        }
        put_bytes(chunk, slab, tokens, (size_t)(at - tokens));
        if (sample->histogram) {
            AUTO(buf_finish) Buf coded = {0};
            histogram_put(&coded, sample->histogram);
            put_bytes(chunk, slab, coded.ptr, coded.len);
        }
    }
    chunk->last_time = sample->time;
    chunk->last_delta = delta;
    chunk->count++;
}

void openchunk_seal(OpenChunk *chunk, Slab *slab) {
    uint8_t token[10];
    put_bytes(chunk, slab, token, (size_t)(end_run(chunk, token) - token));
}

bool openchunk_histogram_fits(const Histogram *histogram) {
    return histogram_bytes_bound(histogram) + OPENCHUNK_BYTES_FULL + 1024 < SLAB_BYTES_MAX;
}

TimeMs openchunk_first(const uint8_t *bytes, size_t len) {
    ByteReader reader = reader_of((Str){(const char *)bytes, len});
    return unzigzag(reader_varint(&reader));
}

/* ---- decoding ---- */

typedef struct Decoder {
    ByteReader reader;
    Arena *arena;
    TimeMs *times;
    double *values;
    const Histogram **histograms;
    TimeMs *starts;
    size_t count, max;
    TimeMs time, start;
    int64_t delta, x;
    uint64_t bits;
    unsigned exponent;
} Decoder;

static void emit(Decoder *d, const Histogram *histogram) {
    if (histogram && !d->histograms) {
        d->histograms = arena_array(d->arena, const Histogram *, d->max);
    }
    if (d->start && !d->starts) {
        d->starts = arena_array(d->arena, TimeMs, d->max);
    }
    d->times[d->count] = d->time;
    d->values[d->count] = histogram ? histogram->sum : value_of_bits(d->bits);
    if (d->histograms) {
        d->histograms[d->count] = histogram;
    }
    if (d->starts) {
        d->starts[d->count] = d->start;
    }
    d->count++;
}

static void repeat(Decoder *d, uint64_t times) {
    for (uint64_t i = 0; i < times && d->count < d->max; i++) {
        d->time = (TimeMs)((uint64_t)d->time + (uint64_t)d->delta);
        emit(d, NULL);
    }
}

static void take_decimal(Decoder *d) {
    d->bits = value_bits((double)d->x / power_of_10[d->exponent]);
}

static void take_bits(Decoder *d) {
    uint8_t form = reader_u8(&d->reader);
    unsigned zeros = form >> 4, count = form & 15;
    if (zeros + count > 8 || count == 0) {
        d->reader.bad = true;
        return;
    }
    uint64_t change = 0;
    for (unsigned i = 0; i < count; i++) {
        change |= (uint64_t)reader_u8(&d->reader) << 8 * i;
    }
    d->bits ^= change << 8 * (8 - zeros - count);
}

/* The value token `kind` of one sample; `*ret_histogram` stays NULL for a float. */
static void take_value(Decoder *d, uint64_t kind, const Histogram **ret_histogram) {
    if (kind == TOKEN_RESCALE) {
        d->exponent = reader_u8(&d->reader);
        d->x = unzigzag(reader_varint(&d->reader));
        if (d->exponent > EXPONENT_MAX) {
            d->reader.bad = true;
            return;
        }
        take_decimal(d);
    } else if (kind == TOKEN_BITS) {
        take_bits(d);
    } else if (kind == TOKEN_HISTOGRAM) {
        *ret_histogram = histogram_get(&d->reader, d->arena);
    } else if (kind >= TOKEN_DELTA) {
        d->x = (int64_t)((uint64_t)d->x + (uint64_t)unzigzag(kind - TOKEN_DELTA));
        take_decimal(d);
    } else {
        d->reader.bad = true;
    }
}

/* One sample that is told by tokens, or a run of repeats. */
static void take_tokens(Decoder *d, bool first) {
    uint64_t token = reader_varint(&d->reader);
    bool time_told = first;
    if (token == (TOKEN_TIME << 1 | 1) && !first) {
        d->delta = (int64_t)((uint64_t)d->delta + (uint64_t)unzigzag(reader_varint(&d->reader)));
        time_told = true;
        token = reader_varint(&d->reader);
    }
    if (token == (TOKEN_START << 1 | 1)) {
        d->start = unzigzag(reader_varint(&d->reader));
        time_told = true;
        token = reader_varint(&d->reader);
    }
    const Histogram *histogram = NULL;
    if (!(token & 1)) {
        if (!time_told) {
            repeat(d, token >> 1);
            return;
        }
    } else {
        take_value(d, token >> 1, &histogram);
    }
    if (d->reader.bad) {
        return;
    }
    if (!first) {
        d->time = (TimeMs)((uint64_t)d->time + (uint64_t)d->delta);
    }
    emit(d, histogram);
}

void openchunk_decode(const uint8_t *bytes, size_t len, size_t run, size_t count, Arena *arena,
                      SeriesData *ret_data) {
    Decoder d = {.reader = reader_of((Str){(const char *)bytes, len}),
                 .arena = arena,
                 .times = arena_raw(arena, count * sizeof(TimeMs)),
                 .values = arena_raw(arena, count * sizeof(double)),
                 .max = count};
    if (count > 0 && len > 0) {
        d.time = unzigzag(reader_varint(&d.reader));
        take_tokens(&d, true);
    }
    while (d.count < d.max && !d.reader.bad && reader_left(&d.reader) > 0) {
        take_tokens(&d, false);
    }
    if (!d.reader.bad && d.count > 0) {
        repeat(&d, run);
    }
    *ret_data = (SeriesData){d.times, d.values, d.histograms, d.starts, d.count};
}
