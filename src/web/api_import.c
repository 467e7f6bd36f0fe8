/*
 * Imports in line formats: Prometheus text and OpenMetrics, VictoriaMetrics' JSON lines, Influx
 * line protocol, OpenTSDB's /api/put. See import.h for how the body comes in.
 */

#include <stdlib.h>

#include "base/mem.h"
#include "base/number.h"
#include "web/api.h"
#include "web/import.h"

struct Import {
    IngestStream *stream;
    IngestLabels labels;
    IngestUnpack *unpack; /* NULL: the body is not packed */
    Buf piece;            /* of it, unpacked */
    StoreOutcome sum;
    uint64_t lsn;
    Err err; /* the first failure of the store or the format; the rest of the body is thrown away */
};

static const struct {
    const char *path;
    IngestFormat format;
} formats[] = {
    {"/api/v1/import/prometheus", INGEST_TEXT},
    {"/api/v1/import", INGEST_JSONL},
    {"/write", INGEST_INFLUX},
    {"/api/v2/write", INGEST_INFLUX},
    {"/influx/write", INGEST_INFLUX},
    {"/influx/api/v2/write", INGEST_INFLUX},
    {"/api/put", INGEST_OPENTSDB_JSON},
    {"/opentsdb/api/put", INGEST_OPENTSDB_JSON},
};

static bool format_of(const Request *request, IngestFormat *ret_format) {
    Str type = request_header(request, STR("content-type"));
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (str_eq(request->path, str_of(formats[i].path))) {
            bool open_metrics = formats[i].format == INGEST_TEXT &&
                                str_starts(type, STR("application/openmetrics-text"));
            *ret_format = open_metrics ? INGEST_OPENMETRICS : formats[i].format;
            return true;
        }
    }
    return false;
}

/* Influx' `precision`: nanoseconds per unit. */
static DurationMs influx_unit_ns(Str precision) {
    static const struct {
        const char *word;
        int64_t ns;
    } units[] = {{"n", 1},        {"ns", 1},         {"u", 1000},        {"us", 1000},
                 {"ms", 1000000}, {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (str_eq(precision, str_of(units[i].word))) {
            return units[i].ns;
        }
    }
    return 0;
}

/* `timestamp` of the URL, in milliseconds, is that of samples without one. */
static bool default_time(const Request *request, TimeMs *ret_time, Err *err) {
    Str text = params_get(&request->params, STR("timestamp"));
    *ret_time = clock_now();
    return text.len == 0 || number_parse_int(text, ret_time) ||
           err_set(err, ERR_INVALID,
                   "invalid parameter \"timestamp\": expected milliseconds, got \"%.*s\"",
                   STR_ARG(text));
}

static Import *new_import(Web *web, Request *request, IngestFormat format) {
    Import *import = mem_zero(1, sizeof *import);
    TimeMs now = 0;
    if (!api_ingest_labels(web, request, &import->labels, &import->err) ||
        !default_time(request, &now, &import->err)) {
        import->labels = web_options(web)->ingest_labels;
    }
    IngestStreamOptions options = {
        .format = format,
        .labels = &import->labels,
        .default_time = now,
        .metadata = web_doors(web)->metadata,
        .influx_db = params_get(&request->params, STR("db")),
        .influx_separator = STR("_"),
        .influx_precision_ns = influx_unit_ns(params_get(&request->params, STR("precision"))),
        .skip_bad = true,
    };
    import->stream = ingest_stream_new(&options);
    return import;
}

Import *import_begin(Web *web, Request *request) {
    IngestFormat format;
    Str coding = request_header(request, STR("content-encoding"));
    bool posted = str_eq(request->method, STR("POST")) || str_eq(request->method, STR("PUT"));
    if (!posted || !web_is_ready(web) || !format_of(request, &format)) {
        return NULL;
    }
    IngestUnpack *unpack = ingest_unpack_new(coding);
    if (coding.len && !unpack && !str_eq(coding, STR("identity"))) {
        return NULL; /* snappy knows no pieces: unpacked whole; what we do not know is refused */
    }
    Import *import = new_import(web, request, format);
    import->unpack = unpack;
    return import;
}

void import_free(Import *import) {
    if (import) {
        ingest_stream_free(import->stream);
        ingest_unpack_free(import->unpack);
        buf_finish(&import->piece);
        free(import);
    }
}

static void add_outcome(StoreOutcome *sum, const StoreOutcome *more) {
    sum->stored += more->stored;
    sum->stored_histograms += more->stored_histograms;
    sum->duplicates += more->duplicates;
    sum->dropped += more->dropped;
    sum->too_old += more->too_old;
    sum->too_new += more->too_new;
    sum->over_limit += more->over_limit;
    sum->invalid += more->invalid;
    if (!sum->first_bad[0]) {
        memcpy(sum->first_bad, more->first_bad, sizeof sum->first_bad);
    }
}

/* Where too much waits to be synced, what this import added itself is waited for: it goes on at
 * the pace of the disk. */
static bool append(Web *web, Import *import, const SampleBatch *batch, StoreOutcome *outcome,
                   Err *err) {
    enum { TRIES_MAX = 100 };
    Store *store = web_doors(web)->store;
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        if (store_append(store, batch, clock_now(), &import->lsn, outcome, err)) {
            return true;
        }
        if (err->kind != ERR_BUSY || !import->lsn || !store_wait_synced(store, import->lsn, err)) {
            return false;
        }
    }
    return false;
}

static void take(Web *web, Import *import, Str bytes, bool last) {
    if (import->err.kind != ERR_NONE) {
        return;
    }
    bool good = ingest_stream_push(import->stream, bytes, last, &import->err);
    const SampleBatch *batch = ingest_stream_batch(import->stream);
    StoreOutcome outcome = {0};
    Err err = {0};
    if (batch && !append(web, import, batch, &outcome, &err)) {
        import->err = err;
    } else {
        add_outcome(&import->sum, &outcome);
        if (good) {
            import->err.kind = ERR_NONE;
        }
    }
}

static void take_packed(Web *web, Import *import, Str bytes) {
    do {
        if (!ingest_unpack(import->unpack, &bytes, &import->piece, &import->err)) {
            return;
        }
        take(web, import, buf_view(&import->piece), false);
    } while (import->err.kind == ERR_NONE && import->piece.len);
}

void import_take(Web *web, Import *import, Str bytes) {
    if (import->unpack && import->err.kind == ERR_NONE) {
        take_packed(web, import, bytes);
    } else {
        take(web, import, bytes, false);
    }
}

/* The whole body where it was not taken in pieces. */
static Import *take_whole(Web *web, Request *request) {
    IngestFormat format = INGEST_TEXT;
    if (!format_of(request, &format)) {
        return NULL;
    }
    Import *import = new_import(web, request, format);
    AUTO(buf_finish) Buf unpacked = {0};
    Str body;
    if (api_unpack_body(web, request, STR(""), &unpacked, &body, &import->err)) {
        take(web, import, body, false);
    }
    return import;
}

/* ---- answers ---- */

static uint64_t refused(const StoreOutcome *sum) {
    return sum->too_new + sum->over_limit + sum->invalid;
}

static void respond_import(Request *request, const Import *import) {
    const IngestBadLine *bad;
    uint64_t bad_total;
    size_t kept = ingest_stream_bad(import->stream, &bad, &bad_total);
    const StoreOutcome *sum = &import->sum;
    if (bad_total == 0 && refused(sum) == 0) {
        request->response.status = 204;
        return;
    }
    respond_text(request, 400, STR(""));
    Buf *out = &request->response.body;
    if (kept) {
        buf_printf(out, "line %llu: %.*s: %.*s\n", (unsigned long long)bad[0].line,
                   STR_ARG(bad[0].reason), STR_ARG(bad[0].text));
    } else {
        buf_printf(out, "%s\n", sum->first_bad);
    }
    buf_printf(out, "%llu bad lines, %llu samples refused, %llu stored\n",
               (unsigned long long)bad_total, (unsigned long long)refused(sum),
               (unsigned long long)sum->stored);
}

/* OpenTSDB's errors are JSON. */
void respond_put_error(Request *request, Str message) {
    int status = request->response.status;
    JsonWriter json = respond_json(request, status);
    json_object(&json);
    json_put_object(&json, "error");
    json_put_int(&json, "code", status);
    json_put_str(&json, "message", message);
    json_end(&json);
    json_end(&json);
}

/* The first thing that was wrong. */
static Str first_reason(const Import *import) {
    const IngestBadLine *bad;
    uint64_t bad_total;
    size_t kept = ingest_stream_bad(import->stream, &bad, &bad_total);
    return kept ? bad[0].reason : str_of(import->sum.first_bad);
}

static void put_errors(JsonWriter *json, const Import *import) {
    const IngestBadLine *bad;
    uint64_t bad_total;
    size_t kept = ingest_stream_bad(import->stream, &bad, &bad_total);
    json_put_array(json, "errors");
    for (size_t i = 0; i < kept; i++) {
        json_object(json);
        json_put_str(json, "datapoint", bad[i].text);
        json_put_str(json, "error", bad[i].reason);
        json_end(json);
    }
    if (refused(&import->sum)) {
        json_object(json);
        json_put_str(json, "datapoint", STR(""));
        json_put_str(json, "error", str_of(import->sum.first_bad));
        json_end(json);
    }
    json_end(json);
}

/* OpenTSDB's answer to /api/put, /api/put?details and ?summary. */
static void respond_put(Request *request, const Import *import) {
    const IngestBadLine *bad;
    uint64_t bad_total;
    ingest_stream_bad(import->stream, &bad, &bad_total);
    const StoreOutcome *sum = &import->sum;
    uint64_t failed = bad_total + refused(sum);
    bool details = params_has(&request->params, STR("details"));
    request->response.status = failed ? 400 : 204;
    if (!details && !params_has(&request->params, STR("summary"))) {
        if (failed) {
            Str reason = first_reason(import);
            respond_put_error(request, arena_printf(&request->arena,
                                                    "%llu data points were not stored: %.*s",
                                                    (unsigned long long)failed, STR_ARG(reason)));
        }
        return;
    }
    JsonWriter json = respond_json(request, failed ? 400 : 200);
    json_object(&json);
    json_put_int(&json, "success",
                 (int64_t)(sum->stored + sum->duplicates + sum->dropped + sum->too_old));
    json_put_int(&json, "failed", (int64_t)failed);
    if (details) {
        put_errors(&json, import);
    }
    json_end(&json);
}

/* Whoever sent a gigabyte wants to know how much of it is there. */
static void add_progress(Request *request, const Import *import) {
    if (import->sum.stored) {
        buf_printf(&request->response.body, "%llu samples before that were stored\n",
                   (unsigned long long)import->sum.stored);
    }
}

/* Answers of InfluxDB that its clients want before they write. */
void handle_influx_query(Web *web, Request *request) {
    (void)web;
    JsonWriter json = respond_json(request, 200);
    json_raw(&json, STR("{\"results\":[{\"statement_id\":0}]}"));
}

/* The release whose API is spoken: clients choose between 1 and 2 by it. */
#define SPEAKS_INFLUX "1.8.0"

/* `verbose` asks for an answer with a body, which some proxies want. */
void handle_influx_ping(Web *web, Request *request) {
    (void)web;
    Str verbose = params_get(&request->params, STR("verbose"));
    request->response.status = 204;
    if (verbose.len && !str_eq(verbose, STR("0")) && !str_eq(verbose, STR("false"))) {
        JsonWriter json = respond_json(request, 200);
        json_object(&json);
        json_put_str(&json, "version", STR(SPEAKS_INFLUX));
        json_end(&json);
    }
    respond_header(request, "X-Influxdb-Version", STR(SPEAKS_INFLUX));
}

void handle_influx_health(Web *web, Request *request) {
    (void)web;
    JsonWriter json = respond_json(request, 200);
    json_object(&json);
    json_put_str(&json, "name", STR("influxdb"));
    json_put_str(&json, "message", STR("ready for queries and writes"));
    json_put_str(&json, "status", STR("pass"));
    json_put_str(&json, "version", STR(SPEAKS_INFLUX));
    json_end(&json);
}

/* What collectors ask for before they put. */
void handle_opentsdb_version(Web *web, Request *request) {
    (void)web;
    JsonWriter json = respond_json(request, 200);
    json_object(&json);
    json_put_str(&json, "short_revision", STR("belfry"));
    json_put_str(&json, "repo", STR("belfry"));
    json_put_str(&json, "host", STR("belfry"));
    json_put_str(&json, "version", STR("2.4.0"));
    json_end(&json);
}

void handle_import(Web *web, Request *request) {
    Import *import = request->import ? request->import : take_whole(web, request);
    bool is_put = str_ends(request->path, STR("/api/put"));
    request->import = import;
    if (import->err.kind == ERR_NONE && import->unpack) {
        (void)!ingest_unpack_end(import->unpack, &import->err);
    }
    take(web, import, STR(""), true);
    if (import->err.kind != ERR_NONE) {
        respond_refusal(request, &import->err);
        add_progress(request, import);
        if (is_put) {
            respond_put_error(request, str_of(import->err.text));
        }
    } else if (is_put) {
        respond_put(request, import);
    } else {
        respond_import(request, import);
    }
    counter_add(&web_counters(web)->samples, import->sum.stored);
    request->lsn = import->lsn;
}
