#pragma once

/*
 * What the line formats share: the growing batch of the stream, the scratch space for one line, the
 * options. Each format has one function that takes a whole line (or, where the format is no line
 * format, a whole JSON object).
 */

#include "ingest/build.h"

typedef enum LineResult {
    LINE_TAKEN,
    LINE_BAD,  /* `err` says why; nothing of it was kept */
    LINE_LAST, /* nothing may follow */
} LineResult;

typedef LineResult LineFn(IngestStream *stream, Str line, Err *err);

/* How a format is cut and read. */
typedef struct LineFormat {
    size_t line_bytes_max; /* default */
    bool objects;          /* cut at the ends of JSON objects instead of newlines */
    DecodeFn *decode;      /* of the raw bytes it makes */
    LineFn *line;
} LineFormat;

struct IngestStream {
    IngestStreamOptions options;
    const LineFormat *format;
    IngestBatch batch;
    Arena arena;     /* texts of the options, bad lines */
    Buf scratch;     /* one series in raw form */
    Buf carry, tail; /* the line that a push broke off in; see stream.c */
    struct {
        bool started, in_string, escaped;
        int depth;
        size_t scanned; /* bytes of the carry looked at already */
    } cut;              /* where in a JSON text we are */
    uint64_t line_number;
    bool ended; /* after LINE_LAST or a bad line without skip_bad */
    bool saw_last;
    IngestBadLine *bad;
    size_t bad_count;
    uint64_t bad_total;
};

/* Starts a series of PROTO bytes in the scratch buffer; add labels with raw_put(&stream->scratch),
 * then stream_series(). */
static inline void stream_labels(IngestStream *stream) {
    stream->scratch.len = 0;
}

/* Opens the series whose labels are in the scratch buffer. */
void stream_series(IngestStream *stream);

LineFn stream_text_line, stream_openmetrics_line, stream_json_line, stream_influx_line,
    stream_opentsdb_line, stream_opentsdb_object;
