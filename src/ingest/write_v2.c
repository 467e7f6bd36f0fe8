/*
 * Remote write 2.0 (prometheus.io/docs/specs/prw/remote_write_spec_2_0;
 * prompb/io/prometheus/write/v2/types.proto):
 *
 *     Request    { repeated string symbols = 4; repeated TimeSeries timeseries = 5; }
 *     TimeSeries { repeated uint32 labels_refs = 1; repeated Sample samples = 2; repeated Histogram
 * histograms = 3; repeated Exemplar exemplars = 4; Metadata metadata = 5; int64 created_timestamp =
 * 6; } Sample     { double value = 1; int64 timestamp = 2; int64 start_timestamp = 3; }
 *
 * References only mean something within one request, so the bytes a series is remembered by cannot
 * be they: its labels are written out once in the form 1.0 has on the wire (copies of texts, no
 * look into them). The same series is then known whichever way it comes. The first editions of 2.0
 * have one start time per series, later ones one per sample; both are read.
 */

#include "ingest/build.h"
#include "ingest/proto.h"
#include "ingest/raw.h"
#include "ingest/wire_histogram.h"

enum {
    REFS_MAX = 2 * (LABELS_MAX + 1)
}; /* one label more than is allowed, so that decoding can refuse it */

typedef struct Symbols {
    Str *items;
    size_t count;
    uint32_t name;  /* which one is "__name__"; `count` if none */
    uint8_t *noted; /* metrics whose metadata was taken from this request */
} Symbols;

typedef struct SeriesReader {
    IngestBatch *batch;
    const Symbols *symbols;
    uint32_t refs[REFS_MAX];
    size_t ref_count;
    TimeMs created;
    Str metadata; /* the message, or empty */
} SeriesReader;

/* ---- labels ---- */

static void add_ref(SeriesReader *series, uint64_t ref) {
    if (series->ref_count < REFS_MAX) {
        series->refs[series->ref_count++] = ref > UINT32_MAX ? UINT32_MAX : (uint32_t)ref;
    }
}

static bool read_packed_refs(SeriesReader *series, Str packed) {
    ProtoReader reader = proto_reader(packed);
    uint64_t ref;
    while (reader.at < reader.end && proto_varint(&reader, &ref)) {
        add_ref(series, ref);
    }
    return !reader.bad;
}

static bool refs_valid(const SeriesReader *series, Err *err) {
    if (series->ref_count % 2) {
        return err_set(err, ERR_INVALID, "a series with an odd number of label references (%zu)",
                       series->ref_count);
    }
    for (size_t i = 0; i < series->ref_count; i++) {
        if (series->refs[i] >= series->symbols->count) {
            return err_set(err, ERR_INVALID,
                           "label reference %u of a series is beyond the %zu symbols",
                           series->refs[i], series->symbols->count);
        }
    }
    return true;
}

static Str write_labels(const SeriesReader *series) {
    const Symbols *symbols = series->symbols;
    size_t bytes = 0;
    for (size_t i = 0; i < series->ref_count; i += 2) {
        bytes +=
            raw_label_bytes(symbols->items[series->refs[i]], symbols->items[series->refs[i + 1]]);
    }
    char *raw = arena_raw(&series->batch->arena, bytes + 1), *at = raw;
    for (size_t i = 0; i < series->ref_count; i += 2) {
        at = raw_label_write(at, symbols->items[series->refs[i]],
                             symbols->items[series->refs[i + 1]]);
    }
    return (Str){raw, bytes};
}

/* ---- a series ---- */

static bool read_sample(SeriesReader *series, Str message) {
    ProtoReader reader = proto_reader(message);
    ProtoField field;
    double value = 0;
    TimeMs time = 0, start = 0;
    while (proto_next(&reader, &field)) {
        if (field.tag == PROTO_TAG(1, PROTO_FIXED64)) {
            value = proto_double(&field);
        } else if (field.tag == PROTO_TAG(2, PROTO_VARINT)) {
            time = (TimeMs)field.value;
        } else if (field.tag == PROTO_TAG(3, PROTO_VARINT)) {
            start = (TimeMs)field.value;
        }
    }
    build_row(series->batch, time, value);
    build_start(series->batch, start);
    return !reader.bad;
}

static bool read_field(SeriesReader *series, const ProtoField *field, Err *err) {
    switch (field->tag) {
    case PROTO_TAG(1, PROTO_BYTES):
        return read_packed_refs(series, field->bytes);
    case PROTO_TAG(1, PROTO_VARINT):
        add_ref(series, field->value);
        return true;
    case PROTO_TAG(2, PROTO_BYTES):
        return read_sample(series, field->bytes);
    case PROTO_TAG(3, PROTO_BYTES):
        return wire_histogram_read(series->batch, field->bytes, err);
    case PROTO_TAG(4, PROTO_BYTES):
        series->batch->exemplars++;
        return true;
    case PROTO_TAG(5, PROTO_BYTES):
        series->batch->metadata++;
        series->metadata = field->bytes;
        return true;
    case PROTO_TAG(6, PROTO_VARINT):
        series->created = (TimeMs)field->value;
        return true;
    default:
        return true;
    }
}

/* The series' start time for the rows that brought none of their own. */
static void spread_created(IngestBatch *batch, size_t row_first, TimeMs created) {
    if (created == 0 || row_first == batch->row_count) {
        return;
    }
    build_start_column(batch);
    for (size_t row = row_first; row < batch->row_count; row++) {
        batch->starts[row] = batch->starts[row] ? batch->starts[row] : created;
    }
}

/* References that lead nowhere make the series' rows unusable, not the request. */
static void refuse_rows(IngestBatch *batch, size_t row_first, const Err *reason) {
    if (batch->refused == 0) {
        batch->first_refused = *reason;
    }
    batch->refused += batch->row_count - row_first;
    batch->row_count = row_first;
}

/* ---- metadata ---- */

/* Histograms and summaries are several series of one metric. */
static Str family_of(Str name, Str type) {
    static const char *const suffixes[] = {"_bucket", "_count", "_sum"};
    bool family = str_eq(type, STR("histogram")) || str_eq(type, STR("summary")) ||
                  str_eq(type, STR("gaugehistogram"));
    for (size_t i = 0; family && i < sizeof suffixes / sizeof *suffixes; i++) {
        if (str_ends(name, str_of(suffixes[i]))) {
            return (Str){name.ptr, name.len - strlen(suffixes[i])};
        }
    }
    return name;
}

static Str symbol_at(const Symbols *symbols, uint64_t ref) {
    return ref < symbols->count ? symbols->items[ref] : STR("");
}

/* Metadata { MetricType type = 1; uint32 help_ref = 3; uint32 unit_ref = 4; } */
static void note_metadata(const SeriesReader *series, Str name) {
    ProtoReader reader = proto_reader(series->metadata);
    ProtoField field;
    MetricMeta meta = {0};
    while (proto_next(&reader, &field)) {
        if (field.tag == PROTO_TAG(1, PROTO_VARINT)) {
            meta.type = metadata_type(field.value);
        } else if (field.tag == PROTO_TAG(3, PROTO_VARINT)) {
            meta.help = symbol_at(series->symbols, field.value);
        } else if (field.tag == PROTO_TAG(4, PROTO_VARINT)) {
            meta.unit = symbol_at(series->symbols, field.value);
        }
    }
    if (!reader.bad) {
        metadata_note(series->batch->table, family_of(name, meta.type), meta);
    }
}

/* Every series of a metric says the same: the first is listened to. */
static void take_metadata(const SeriesReader *series) {
    const Symbols *symbols = series->symbols;
    for (size_t i = 0; series->batch->table && i < series->ref_count; i += 2) {
        uint32_t name = series->refs[i + 1];
        if (series->refs[i] == symbols->name && !symbols->noted[name]) {
            symbols->noted[name] = 1;
            note_metadata(series, symbols->items[name]);
        }
    }
}

static bool read_series(SeriesReader *series, Str message, Err *err) {
    IngestBatch *batch = series->batch;
    size_t row_first = batch->row_count;
    series->ref_count = 0;
    series->created = 0;
    series->metadata = (Str){0};
    build_series(batch, STR(""));
    ProtoReader reader = proto_reader(message);
    ProtoField field;
    while (proto_next(&reader, &field)) {
        if (!read_field(series, &field, err)) {
            return false;
        }
    }
    if (reader.bad) {
        return false;
    }
    Err reason;
    if (refs_valid(series, &reason)) {
        batch->series[batch->series_count - 1].raw = write_labels(series);
        spread_created(batch, row_first, series->created);
        if (series->metadata.len) {
            take_metadata(series);
        }
    } else {
        refuse_rows(batch, row_first, &reason);
    }
    build_series_end(batch);
    return true;
}

/* ---- the request ---- */

static bool read_symbols(Str message, Arena *arena, Symbols *ret_symbols, Err *err) {
    ProtoReader reader = proto_reader(message);
    ProtoField field;
    size_t count = 0;
    while (proto_next(&reader, &field)) {
        count += field.tag == PROTO_TAG(4, PROTO_BYTES);
    }
    if (reader.bad) {
        return err_set(err, ERR_INVALID,
                       "remote write: the request breaks off or is malformed at byte %zu",
                       (size_t)(reader.at - (const uint8_t *)message.ptr));
    }
    Symbols symbols = {.items = arena_raw(arena, (count + 1) * sizeof(Str))};
    reader = proto_reader(message);
    while (proto_next(&reader, &field)) {
        if (field.tag == PROTO_TAG(4, PROTO_BYTES)) {
            symbols.items[symbols.count++] = field.bytes;
        }
    }
    symbols.noted = arena_alloc(arena, symbols.count + 1);
    symbols.name = 0;
    while (symbols.name < symbols.count &&
           !str_eq(symbols.items[symbols.name], LABEL_METRIC_NAME)) {
        symbols.name++;
    }
    *ret_symbols = symbols;
    return true;
}

bool ingest_remote_write_v2(Str message, const IngestLabels *labels, IngestBatch *ret_batch,
                            Err *err) {
    build_reset(ret_batch);
    if (message.len >= UINT32_MAX) {
        return err_set(err, ERR_LIMIT, "remote write: request of %zu bytes", message.len);
    }
    Symbols symbols = {0};
    if (!read_symbols(message, &ret_batch->arena, &symbols, err)) {
        return false;
    }
    SeriesReader series = {.batch = ret_batch, .symbols = &symbols};
    ProtoReader reader = proto_reader(message);
    ProtoField field;
    Err reason; /* a kilobyte: cleared by its kind, not whole for each series */
    for (size_t number = 0; proto_next(&reader, &field);) {
        reason.kind = ERR_NONE;
        if (field.tag == PROTO_TAG(5, PROTO_BYTES) && ++number &&
            !read_series(&series, field.bytes, &reason)) {
            return err_set(err, ERR_INVALID, "remote write: series %zu at byte %zu: %s", number,
                           (size_t)(field.bytes.ptr - message.ptr),
                           reason.kind ? reason.text : "a field breaks off or is malformed");
        }
    }
    build_seal(ret_batch, raw_decode_proto, labels);
    return true;
}
