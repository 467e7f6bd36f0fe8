#include "ingest/raw.h"

#include "ingest/proto.h"

static bool read_label(Str message, Label *ret_label) {
    ProtoReader reader = proto_reader(message);
    ProtoField field;
    Label label = {STR(""), STR("")};
    while (proto_next(&reader, &field)) {
        switch (field.tag) {
        case PROTO_TAG(1, PROTO_BYTES):
            label.name = field.bytes;
            break;
        case PROTO_TAG(2, PROTO_BYTES):
            label.value = field.bytes;
            break;
        default:
            break;
        }
    }
    *ret_label = label;
    return !reader.bad;
}

/* Puts `extra` over what is there: a sender must not be able to claim another source. */
static LabelSet add_extra(const IngestLabels *labels, LabelSet set, Arena *arena) {
    for (size_t i = 0; labels && i < labels->extra.count; i++) {
        set = labels_with(arena, set, labels->extra.items[i].name, labels->extra.items[i].value);
    }
    return set;
}

/* The rules of the series' source, or those for all. */
static const Relabel *rules_for(const IngestLabels *labels, LabelSet set) {
    Str source = labels->source_count ? labels_get(set, labels->source_label) : STR("");
    for (size_t i = 0; i < labels->source_count; i++) {
        if (str_eq(labels->sources[i].source, source)) {
            return labels->sources[i].relabel;
        }
    }
    return labels->relabel;
}

SeriesDecode raw_finish(const IngestLabels *labels, Label *items, size_t count, Arena *arena,
                        LabelSet *ret_labels, Err *err) {
    LabelSet set = {items, count};
    *ret_labels = set;
    if (!labels_build(items, count, &set, err)) {
        return SERIES_INVALID;
    }
    set = add_extra(labels, set, arena);
    const Relabel *rules = labels ? rules_for(labels, set) : NULL;
    if (rules && !relabel_apply(rules, set, arena, &set)) {
        return SERIES_DROP;
    }
    *ret_labels = set;
    if (!labels_valid(set, err)) {
        return SERIES_INVALID;
    }
    if (!labels_has(set, LABEL_METRIC_NAME)) {
        err_set(err, ERR_INVALID, "a series without a metric name");
        return SERIES_INVALID;
    }
    return SERIES_USE;
}

SeriesDecode raw_decode_proto(void *ctx, Str raw, Arena *arena, LabelSet *ret_labels, Err *err) {
    Label items[LABELS_MAX];
    size_t count = 0;
    ProtoReader reader = proto_reader(raw);
    ProtoField field;
    while (proto_next(&reader, &field)) {
        if (count == LABELS_MAX) {
            err_set(err, ERR_INVALID, "a series with more than %d labels", LABELS_MAX);
            return SERIES_INVALID;
        }
        if (field.tag != PROTO_TAG(1, PROTO_BYTES) || !read_label(field.bytes, &items[count])) {
            err_set(err, ERR_INVALID, "label %zu of a series is malformed", count + 1);
            return SERIES_INVALID;
        }
        count++;
    }
    if (reader.bad) {
        err_set(err, ERR_INVALID, "label %zu of a series breaks off", count + 1);
        return SERIES_INVALID;
    }
    Label *kept = arena_raw(arena, (count + 1) * sizeof *kept);
    memcpy(kept, items, count * sizeof *kept);
    return raw_finish(ctx, kept, count, arena, ret_labels, err);
}

static size_t varint_bytes(uint64_t value) {
    size_t count = 1;
    for (; value >= 0x80; value >>= 7) {
        count++;
    }
    return count;
}

static char *write_varint(char *at, uint64_t value) {
    for (; value >= 0x80; value >>= 7) {
        *at++ = (char)(value | 0x80);
    }
    *at++ = (char)value;
    return at;
}

static char *write_text(char *at, uint32_t number, Str text) {
    *at++ = (char)PROTO_TAG(number, PROTO_BYTES);
    at = write_varint(at, text.len);
    if (text.len) {
        memcpy(at, text.ptr, text.len);
    }
    return at + text.len;
}

/* The Label message alone. */
static size_t inner_bytes(Str name, Str value) {
    return 2 + varint_bytes(name.len) + name.len + varint_bytes(value.len) + value.len;
}

size_t raw_label_bytes(Str name, Str value) {
    size_t inner = inner_bytes(name, value);
    return 1 + varint_bytes(inner) + inner;
}

char *raw_label_write(char *at, Str name, Str value) {
    *at++ = (char)PROTO_TAG(1, PROTO_BYTES);
    at = write_varint(at, inner_bytes(name, value));
    return write_text(write_text(at, 1, name), 2, value);
}

void raw_put(Buf *buf, Str name, Str value) {
    size_t bytes = raw_label_bytes(name, value);
    buf_reserve(buf, bytes);
    raw_label_write(buf->ptr + buf->len, name, value);
    buf->len += bytes;
}

uint64_t raw_epoch(const IngestLabels *labels) {
    if (!labels) {
        return 0;
    }
    Hash128 extra = labels_hash(labels->extra);
    uint64_t rules = labels->relabel ? relabel_epoch(labels->relabel) : 0;
    for (size_t i = 0; i < labels->source_count; i++) {
        const Relabel *own = labels->sources[i].relabel;
        rules = rules * 31 + (own ? relabel_epoch(own) : 1);
    }
    return (labels->extra.count ? extra.lo : 0) ^ rules;
}
