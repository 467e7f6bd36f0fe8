/*
 * Text of any length in pieces of any size.
 *
 * Pushed bytes go to the end of the window; what is complete in it is parsed, and stays where it is
 * until the next push, so that the batch may point into it. The next push first throws away what
 * was taken. So memory is bounded by the largest piece plus one line.
 *
 *     window:  | taken: lines, dealt with | an unfinished line | <- new bytes
 */

#include "ingest/stream.h"

#include <stdlib.h>

#include "base/mem.h"
#include "ingest/raw.h"
#include "ingest/text.h"

enum {
    BAD_LINES_MAX = 100,
    BAD_TEXT_BYTES = 200,
    LINE_BYTES = 1 << 20,
    JSON_LINE_BYTES = 64 << 20,
};

static const LineFormat formats[] = {
    [INGEST_TEXT] = {"line", LINE_BYTES, false, false, text_decode, stream_text_line},
    [INGEST_OPENMETRICS] = {"line", LINE_BYTES, false, true, text_decode, stream_openmetrics_line},
    [INGEST_JSONL] = {"line", JSON_LINE_BYTES, false, false, raw_decode_proto, stream_json_line},
    [INGEST_INFLUX] = {"line", LINE_BYTES, false, false, raw_decode_proto, stream_influx_line},
    [INGEST_OPENTSDB_TELNET] = {"line", LINE_BYTES, false, false, raw_decode_proto,
                                stream_opentsdb_line},
    [INGEST_OPENTSDB_JSON] = {"object", LINE_BYTES, true, false, raw_decode_proto,
                              stream_opentsdb_object},
};

void stream_series(IngestStream *stream) {
    build_series(&stream->batch, arena_str(&stream->batch.arena, buf_view(&stream->scratch)));
}

/* ---- the two text formats ---- */

static LineResult text_result(IngestStream *stream, Str line, bool open_metrics, Err *err) {
    TextSample sample;
    switch (text_line(line, open_metrics, &sample, err)) {
    case TEXT_BAD:
        return LINE_BAD;
    case TEXT_EOF:
        return LINE_LAST;
    case TEXT_META:
        text_meta(&stream->batch, &sample);
        return LINE_TAKEN;
    case TEXT_COMMENT:
        return LINE_TAKEN;
    case TEXT_SAMPLE:
        break;
    }
    build_series(&stream->batch, sample.series);
    build_row(&stream->batch, sample.has_time ? sample.time : stream->options.default_time,
              sample.value);
    build_series_end(&stream->batch);
    stream->batch.exemplars += sample.has_exemplar;
    return LINE_TAKEN;
}

LineResult stream_text_line(IngestStream *stream, Str line, Err *err) {
    return text_result(stream, line, false, err);
}

LineResult stream_openmetrics_line(IngestStream *stream, Str line, Err *err) {
    return text_result(stream, line, true, err);
}

/* ---- bad lines ---- */

static Str printable(Arena *arena, Str text) {
    text.len = text.len < BAD_TEXT_BYTES ? text.len : BAD_TEXT_BYTES;
    char *copy = arena_cstr(arena, text);
    for (size_t i = 0; i < text.len; i++) {
        copy[i] = (unsigned char)text.ptr[i] < 0x20 ? ' ' : text.ptr[i];
    }
    return (Str){copy, text.len};
}

/* Remembers the line and goes on, or ends the stream. */
static bool bad_line(IngestStream *stream, Str line, Err *err) {
    stream->bad_total++;
    if (!stream->options.skip_bad) {
        stream->failed = true;
        return err_context(err, "%s %llu", stream->format->unit,
                           (unsigned long long)stream->line_number);
    }
    if (stream->bad_count < BAD_LINES_MAX) {
        stream->bad[stream->bad_count++] = (IngestBadLine){
            .line = stream->line_number,
            .text = printable(&stream->arena, line),
            .reason = arena_str(&stream->arena, str_of(err->text)),
        };
    }
    return true;
}

/* What of the batch a line that turns out bad has to give back. */
typedef struct Mark {
    size_t series_count, row_count;
    uint64_t samples;
} Mark;

static void take_back(IngestBatch *batch, Mark mark) {
    batch->series_count = mark.series_count;
    batch->row_count = mark.row_count;
    batch->samples = mark.samples;
}

/* False only where the stream ends with an error. `*ret_open`: the line goes on after its newline.
 */
static bool take_line(IngestStream *stream, Str line, bool last, bool *ret_open, Err *err) {
    Mark mark = {stream->batch.series_count, stream->batch.row_count, stream->batch.samples};
    stream->scratch.len = 0;
    arena_reset(&stream->line_arena);
    switch (stream->format->line(stream, line, err)) {
    case LINE_LAST:
        stream->ended = true;
        return true;
    case LINE_TAKEN:
        return true;
    case LINE_OPEN:
        take_back(&stream->batch, mark);
        if (!last) {
            *ret_open = true;
            return true;
        }
        err_set(err, ERR_INVALID, "a quoted text has no end");
        return bad_line(stream, line, err);
    case LINE_BAD:
        take_back(&stream->batch, mark);
        return bad_line(stream, line, err);
    }
    return true;
}

static bool too_long(IngestStream *stream, Str line, Err *err) {
    stream->line_number++;
    err_set(err, ERR_LIMIT, "longer than the %zu bytes allowed", stream->options.line_bytes_max);
    return bad_line(stream, line, err);
}

/* ---- cutting into lines ---- */

static Str window_from(const IngestStream *stream, size_t from) {
    return str_skip(buf_view(&stream->window), from);
}

/* After the end only white space is fine. */
static bool refuse_rest(IngestStream *stream, Err *err) {
    Str rest = window_from(stream, stream->taken);
    stream->taken = stream->scanned = stream->window.len;
    if (rest.len == 0) {
        return true;
    }
    stream->line_number++;
    err_set(err, ERR_INVALID, "unexpected data after # EOF");
    return bad_line(stream, rest, err);
}

/* Up to the newline at `end`, or to the end of everything. */
static bool cut_line(IngestStream *stream, size_t end, bool last, Err *err) {
    Str line = {stream->window.ptr + stream->taken, end - stream->taken};
    bool at_newline = end < stream->window.len;
    if (stream->skipping) {
        stream->skipping = false;
    } else if (line.len > stream->options.line_bytes_max) {
        if (!too_long(stream, line, err)) {
            return false;
        }
    } else {
        bool open = false;
        stream->line_number++;
        if (!take_line(stream, line, last && !at_newline, &open, err)) {
            return false;
        }
        if (open && at_newline) {
            stream->line_number--;
            stream->scanned = end + 1;
            return true;
        }
    }
    stream->taken = stream->scanned = end + at_newline;
    return true;
}

static bool cut_lines(IngestStream *stream, bool last, Err *err) {
    while (!stream->ended) {
        Str rest = window_from(stream, stream->scanned);
        size_t end = stream->scanned + str_find(rest, '\n');
        bool at_newline = end < stream->window.len;
        if (!at_newline && !(last && end > stream->taken)) {
            stream->scanned = end;
            break;
        }
        if (!cut_line(stream, end, last, err)) {
            return false;
        }
        if (!at_newline) {
            break;
        }
    }
    if (stream->ended) {
        return refuse_rest(stream, err);
    }
    Str rest = window_from(stream, stream->taken);
    if (rest.len > stream->options.line_bytes_max) {
        bool ok = stream->skipping || too_long(stream, rest, err);
        stream->skipping = true;
        stream->taken = stream->scanned = stream->window.len;
        return ok;
    }
    if (last && stream->format->needs_last) {
        err_set(err, ERR_INVALID, "data does not end with # EOF");
        stream->line_number++;
        return bad_line(stream, STR(""), err);
    }
    return true;
}

/* ---- cutting into JSON objects: one, or an array of them ---- */

static bool bad_structure(IngestStream *stream, size_t at, const char *wanted, Err *err) {
    Str rest = window_from(stream, at);
    stream->failed = true;
    stream->bad_total++;
    return err_set(err, ERR_INVALID, "after %llu objects: expected %s, got \"%.*s\"",
                   (unsigned long long)stream->line_number, wanted,
                   (int)(rest.len < 20 ? rest.len : 20), rest.ptr);
}

static bool is_white(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A byte outside of any object. False where it may not be there. */
static bool step_between(IngestStream *stream, char c) {
    CutState state = stream->cut.state;
    if (c == '{' && (state == CUT_START || state == CUT_OBJECT_NEXT)) {
        stream->cut.depth = 1;
    } else if (c == '[' && state == CUT_START && !stream->cut.is_array) {
        stream->cut.is_array = true;
    } else if (c == ',' && state == CUT_AFTER_OBJECT) {
        stream->cut.state = CUT_OBJECT_NEXT;
    } else if (c == ']' && stream->cut.is_array &&
               (state == CUT_AFTER_OBJECT || state == CUT_START)) {
        stream->cut.state = CUT_END;
    } else {
        return false;
    }
    return true;
}

/* A byte inside of an object. True where it ends it. */
static bool step_inside(IngestStream *stream, char c) {
    if (stream->cut.in_string) {
        if (stream->cut.escaped) {
            stream->cut.escaped = false;
        } else if (c == '\\') {
            stream->cut.escaped = true;
        } else {
            stream->cut.in_string = c != '"';
        }
        return false;
    }
    stream->cut.in_string = c == '"';
    stream->cut.depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    return stream->cut.depth == 0;
}

static bool take_object(IngestStream *stream, Err *err) {
    Str object = {stream->window.ptr + stream->taken, stream->scanned - stream->taken};
    bool open = false;
    stream->line_number++;
    stream->taken = stream->scanned;
    stream->cut.state = stream->cut.is_array ? CUT_AFTER_OBJECT : CUT_END;
    return take_line(stream, object, true, &open, err);
}

static bool cut_objects(IngestStream *stream, bool last, Err *err) {
    while (stream->scanned < stream->window.len) {
        char c = stream->window.ptr[stream->scanned++];
        if (stream->cut.depth) {
            if (step_inside(stream, c) && !take_object(stream, err)) {
                return false;
            }
        } else if (is_white(c)) {
            stream->taken = stream->scanned;
        } else if (step_between(stream, c)) {
            stream->taken = stream->cut.depth ? stream->scanned - 1 : stream->scanned;
        } else {
            return bad_structure(stream, stream->scanned - 1, "a JSON object or an array of them",
                                 err);
        }
    }
    if (stream->window.len - stream->taken > stream->options.line_bytes_max) {
        stream->failed = true;
        return too_long(stream, window_from(stream, stream->taken), err) &&
               err_set(err, ERR_LIMIT, "object %llu: longer than the %zu bytes allowed",
                       (unsigned long long)stream->line_number, stream->options.line_bytes_max);
    }
    if (last && stream->cut.state != CUT_END) {
        return bad_structure(stream, stream->window.len, "the end of the JSON text", err);
    }
    return true;
}

/* ---- the door ---- */

IngestStream *ingest_stream_new(const IngestStreamOptions *options) {
    IngestStream *stream = mem_zero(1, sizeof *stream);
    stream->options = *options;
    stream->format = &formats[options->format];
    stream->batch.table = options->metadata;
    stream->options.influx_db = arena_str(&stream->arena, options->influx_db);
    stream->options.influx_separator = options->influx_separator.len
                                           ? arena_str(&stream->arena, options->influx_separator)
                                           : STR("_");
    if (stream->options.influx_precision_ns <= 0) {
        stream->options.influx_precision_ns = 1;
    }
    if (stream->options.line_bytes_max == 0) {
        stream->options.line_bytes_max = stream->format->line_bytes_max;
    }
    stream->bad = arena_array(&stream->arena, IngestBadLine, BAD_LINES_MAX);
    return stream;
}

void ingest_stream_free(IngestStream *stream) {
    if (!stream) {
        return;
    }
    ingest_batch_finish(&stream->batch);
    arena_finish(&stream->arena);
    arena_finish(&stream->line_arena);
    buf_finish(&stream->scratch);
    buf_finish(&stream->window);
    free(stream);
}

static void slide_window(IngestStream *stream) {
    Buf *window = &stream->window;
    window->len -= stream->taken;
    memmove(window->ptr, window->ptr + stream->taken, window->len);
    stream->scanned -= stream->taken;
    stream->taken = 0;
}

bool ingest_stream_push(IngestStream *stream, Str bytes, bool last, Err *err) {
    build_reset(&stream->batch);
    if (stream->window.len) {
        slide_window(stream);
    }
    if (stream->failed) {
        return err_set(err, ERR_INVALID, "the text ended at a bad %s", stream->format->unit);
    }
    if (bytes.len) {
        buf_str(&stream->window, bytes);
    }
    bool ok = true;
    if (stream->window.len || last) {
        ok =
            stream->format->objects ? cut_objects(stream, last, err) : cut_lines(stream, last, err);
    }
    build_seal(&stream->batch, stream->format->decode, stream->options.labels);
    return ok;
}

const SampleBatch *ingest_stream_batch(IngestStream *stream) {
    return stream->batch.row_count ? &stream->batch.batch : NULL;
}

size_t ingest_stream_bad(IngestStream *stream, const IngestBadLine **ret_bad, uint64_t *ret_total) {
    *ret_bad = stream->bad;
    *ret_total = stream->bad_total;
    return stream->bad_count;
}
