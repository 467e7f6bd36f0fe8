/*
 * Taking samples in. The status decides whether a sender keeps its data (Prometheus drops on 4xx):
 *
 *   204   stored and synced; also where samples were duplicates, dropped by relabelling or before
 *         the retention
 *   400   some were bad or over a limit: the good ones are stored and synced, the answer names the
 *         first bad one and counts
 *   415   another content type or coding than the specification has
 *   503   nothing was stored: over capacity, disk full, read-only, log not synced
 */

#include <stdio.h>

#include "base/mem.h"
#include "web/api.h"
#include "web/scratch.h"

enum { UNPACK_FACTOR = 8 }; /* a body may grow to this many times the largest body allowed */

static size_t unpacked_bytes_max(const Web *web) {
    size_t max = web_options(web)->limits.body_bytes_max;
    return (max ? max : (size_t)64 << 20) * UNPACK_FACTOR;
}

/* Body by its Content-Encoding; `fallback` is used where the header is missing. */
bool api_unpack_body(Web *web, Request *request, Str fallback, Buf *unpacked, Str *ret_body,
                     Err *err) {
    Str coding = request_header(request, STR("content-encoding"));
    Str body = buf_view(&request->body);
    size_t max = unpacked_bytes_max(web);
    coding = coding.len ? coding : fallback;
    *ret_body = body;
    if (coding.len == 0 || str_eq(coding, STR("identity"))) {
        return true;
    }
    bool good = str_eq(coding, STR("snappy")) ? ingest_unsnappy(body, max, unpacked, err)
                : str_eq(coding, STR("zstd")) ? ingest_unzstd(body, max, unpacked, err)
                : str_eq(coding, STR("gzip"))
                    ? ingest_gunzip(body, max, unpacked, err)
                    : err_set(err, ERR_UNSUPPORTED, "Content-Encoding \"%.*s\" is not supported",
                              STR_ARG(coding));
    *ret_body = buf_view(unpacked);
    return good;
}

/* The status of what the store made of a batch; the answer waits for the log where something was
 * stored. */
static void respond_outcome(Request *request, const StoreOutcome *outcome, uint64_t lsn) {
    uint64_t refused = outcome->too_new + outcome->over_limit + outcome->invalid;
    request->lsn = lsn;
    if (refused == 0) {
        request->response.status = 204;
        return;
    }
    Str text =
        arena_printf(&request->arena,
                     "%s (%llu samples refused: %llu over a limit, %llu invalid, %llu in the "
                     "future; %llu stored)\n",
                     outcome->first_bad, (unsigned long long)refused,
                     (unsigned long long)outcome->over_limit, (unsigned long long)outcome->invalid,
                     (unsigned long long)outcome->too_new, (unsigned long long)outcome->stored);
    respond_text(request, 400, text);
}

/* Rows that were left out before the store saw them: references into nowhere, histograms of a shape
 * that cannot be. */
static void add_refused(StoreOutcome *outcome, const IngestBatch *batch) {
    outcome->invalid += batch->refused;
    if (batch->refused && !outcome->first_bad[0]) {
        snprintf(outcome->first_bad, sizeof outcome->first_bad, "%.511s",
                 batch->first_refused.text);
    }
}

static void respond_written(Request *request, const StoreOutcome *outcome) {
    uint64_t floats = outcome->stored - outcome->stored_histograms;
    Arena *arena = &request->arena;
    respond_header(request, "X-Prometheus-Remote-Write-Samples-Written",
                   arena_printf(arena, "%llu", (unsigned long long)floats));
    respond_header(request, "X-Prometheus-Remote-Write-Histograms-Written",
                   arena_printf(arena, "%llu", (unsigned long long)outcome->stored_histograms));
    respond_header(request, "X-Prometheus-Remote-Write-Exemplars-Written", STR("0"));
}

void respond_refusal(Request *request, const Err *err) {
    respond_text(request, status_of_err(err->kind), str_of(err->text));
    buf_byte(&request->response.body, '\n');
    if (request->response.status == 422) {
        request->response.status = 400; /* a sender must not send it again as it is */
    }
    if (err->kind == ERR_UNSUPPORTED) {
        request->response.status = 415;
    }
    if (request->response.status == 503) {
        respond_header(request, "Retry-After", STR("5"));
    }
}

typedef enum WriteVersion { WRITE_UNKNOWN, WRITE_V1, WRITE_V2 } WriteVersion;

static Str trim(Str text) {
    while (text.len && (text.ptr[0] == ' ' || text.ptr[0] == '"')) {
        text = str_skip(text, 1);
    }
    while (text.len && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '"')) {
        text.len--;
    }
    return text;
}

/* Up to the next ';', which is stepped over. */
static Str next_parameter(Str *rest) {
    Str one = {rest->ptr, str_find(*rest, ';')};
    *rest = str_skip(*rest, one.len < rest->len ? one.len + 1 : one.len);
    return trim(one);
}

/* 1.0 by default; 2.0 by the Content-Type's parameter `proto`, as the specification negotiates. */
static WriteVersion version_of(const Request *request) {
    Str rest = request_header(request, STR("content-type"));
    WriteVersion version = WRITE_V1;
    if (rest.len && !str_eq(next_parameter(&rest), STR("application/x-protobuf"))) {
        return WRITE_UNKNOWN;
    }
    while (rest.len) {
        Str parameter = next_parameter(&rest);
        if (str_starts(parameter, STR("proto="))) {
            Str proto = trim(str_skip(parameter, 6));
            version = str_eq(proto, STR("prometheus.WriteRequest"))          ? WRITE_V1
                      : str_eq(proto, STR("io.prometheus.write.v2.Request")) ? WRITE_V2
                                                                             : WRITE_UNKNOWN;
        }
    }
    return version;
}

/* Decodes and appends; false where nothing was stored. */
static bool write_body(Web *web, Request *request, WriteScratch *scratch, StoreOutcome *ret_outcome,
                       uint64_t *ret_lsn, Err *err) {
    const IngestLabels *labels = &web_options(web)->ingest_labels;
    IngestBatch *batch = &scratch->batch;
    Str message;
    if (!api_unpack_body(web, request, STR("snappy"), &scratch->unpacked, &message, err)) {
        return false;
    }
    return (version_of(request) == WRITE_V2
                ? ingest_remote_write_v2(message, labels, batch, err)
                : ingest_remote_write_v1(message, labels, batch, err)) &&
           store_append(web_doors(web)->store, &batch->batch, clock_now(), ret_lsn, ret_outcome,
                        err);
}

static void respond_write(Web *web, Request *request, WriteScratch *scratch) {
    Err err = {0};
    StoreOutcome outcome = {0};
    uint64_t lsn = 0;
    const IngestBatch *batch = &scratch->batch;
    if (!write_body(web, request, scratch, &outcome, &lsn, &err)) {
        respond_refusal(request, &err);
        return;
    }
    counter_add(&web_counters(web)->samples, outcome.stored);
    counter_add(&web_counters(web)->metadata_skipped, batch->metadata);
    counter_add(&web_counters(web)->exemplars_skipped, batch->exemplars);
    add_refused(&outcome, batch);
    respond_outcome(request, &outcome, lsn);
    respond_written(request, &outcome);
}

void handle_write(Web *web, Request *request) {
    if (version_of(request) == WRITE_UNKNOWN) {
        respond_text(request, 415,
                     STR("expected Content-Type application/x-protobuf, with proto="
                         "prometheus.WriteRequest or io.prometheus.write.v2.Request\n"));
        return;
    }
    WriteScratch *scratch = scratch_take(web_scratch(web));
    respond_write(web, request, scratch);
    scratch_give(web_scratch(web), scratch);
}
