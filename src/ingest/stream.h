#pragma once

/*
 * What the line formats share: the growing batch of the stream, the scratch space for one series,
 * the options. Each format has one function that takes a whole line (or, where the format has no
 * lines, a whole JSON object) and adds rows to the batch.
 */

#include "ingest/build.h"

typedef enum LineResult {
    LINE_TAKEN,
    LINE_BAD,  /* `err` says why; rows it added before are taken back */
    LINE_OPEN, /* a quoted text goes on after the newline (Influx) */
    LINE_LAST, /* nothing may follow */
} LineResult;

typedef LineResult LineFn(IngestStream *stream, Str line, Err *err);

/* How a format is cut and read. */
typedef struct LineFormat {
    const char *unit;      /* what messages count: "line", "object" */
    size_t line_bytes_max; /* default */
    bool objects;          /* cut at the ends of JSON objects instead of newlines */
    bool needs_last;       /* without LINE_LAST something is missing */
    DecodeFn *decode;      /* of the raw bytes it makes */
    LineFn *line;
} LineFormat;

/* Between the objects of a JSON text. */
typedef enum CutState { CUT_START, CUT_OBJECT_NEXT, CUT_AFTER_OBJECT, CUT_END } CutState;

struct IngestStream {
    IngestStreamOptions options;
    const LineFormat *format;
    IngestBatch batch;
    Arena arena;      /* texts of the options and of bad lines */
    Buf scratch;      /* one series in raw form */
    Arena line_arena; /* unescaped texts of one line */

    Buf window; /* bytes pushed: up to `taken` they are dealt with, the rest is an unfinished line
                 */
    size_t taken;
    size_t scanned; /* up to here there is no end of line, or object */
    struct {
        CutState state;
        bool is_array, in_string, escaped;
        int depth;
    } cut;
    bool skipping; /* the rest of a line that was too long */
    bool ended;    /* after LINE_LAST */
    bool failed;   /* after a bad line without skip_bad, or where the text cannot be cut */
    uint64_t line_number;
    IngestBadLine *bad;
    size_t bad_count;
    uint64_t bad_total;
};

/* Opens the series whose labels were put into the scratch buffer with raw_put(). */
void stream_series(IngestStream *stream);

LineFn stream_text_line, stream_openmetrics_line, stream_json_line, stream_influx_line,
    stream_opentsdb_line, stream_opentsdb_object;
