/*
 * Taking samples in. The status decides whether a sender keeps its data (Prometheus drops on 4xx):
 *
 *   204  stored and synced; also where samples were duplicates, dropped by relabelling or before
 *        the retention
 *   400  some were bad or over a limit: the good ones are stored and synced, the answer names the
 *        first bad one and counts
 *   415  a type or an encoding we do not know
 *   503  nothing was stored: over capacity, disk full, read-only, log not synced
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

static bool known_coding(Str coding) {
    return str_eq(coding, STR("snappy")) || str_eq(coding, STR("zstd")) ||
           str_eq(coding, STR("gzip"));
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
    if (!known_coding(coding)) {
        return err_set(err, ERR_UNSUPPORTED, "Content-Encoding \"%.*s\" is not supported",
                       STR_ARG(coding));
    }
    bool good = str_eq(coding, STR("snappy")) ? ingest_unsnappy(body, max, unpacked, err)
                : str_eq(coding, STR("zstd")) ? ingest_unzstd(body, max, unpacked, err)
                                              : ingest_gunzip(body, max, unpacked, err);
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

/* What was written, as remote write 2.0 wants it told, also where it was not all or nothing. A
 * duplicate is written: it is there. */
static void respond_written(Request *request, const StoreOutcome *outcome) {
    uint64_t floats = outcome->stored - outcome->stored_histograms + outcome->duplicates;
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

bool api_ingest_labels(Web *web, Request *request, IngestLabels *ret_labels, Err *err) {
    IngestLabels labels = web_options(web)->ingest_labels;
    const Params *params = &request->params;
    Label *items = arena_array(&request->arena, Label, params->items_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < params->items_count; i++) {
        Str text = params->items[i].value;
        if (!str_eq(params->items[i].name, STR("extra_label"))) {
            continue;
        }
        size_t at = str_find(text, '=');
        Str name = {text.ptr, at};
        if (at == 0 || at == text.len) {
            return err_set(err, ERR_INVALID,
                           "invalid parameter \"extra_label\": expected name=value, got \"%.*s\"",
                           STR_ARG(text));
        }
        items[count++] = (Label){name, str_skip(text, at + 1)};
    }
    if (!labels_build(items, count, &labels.extra, err)) {
        return err_context(err, "invalid parameter \"extra_label\"");
    }
    *ret_labels = labels;
    return true;
}

/* ---- remote write ---- */

#define MESSAGE_1 "prometheus.WriteRequest"
#define MESSAGE_2 "io.prometheus.write.v2.Request"

/* 1.0 by default; 2.0 by the Content-Type's parameter `proto`, as the specification negotiates.
 * False: neither. */
static bool read_type(const Request *request, bool *ret_version_2) {
    Str type = request_header(request, STR("content-type"));
    size_t end = str_find(type, ';');
    Str proto = STR("");
    *ret_version_2 = false;
    if (type.len && !str_eq(str_trim((Str){type.ptr, end}), STR("application/x-protobuf"))) {
        return false;
    }
    while (end < type.len) {
        type = str_trim(str_skip(type, end + 1));
        end = str_find(type, ';');
        Str param = str_trim((Str){type.ptr, end});
        if (str_starts(param, STR("proto="))) {
            proto = str_skip(param, 6);
            if (proto.len > 1 && proto.ptr[0] == '"' && str_ends(proto, STR("\""))) {
                proto = (Str){proto.ptr + 1, proto.len - 2};
            }
        }
    }
    *ret_version_2 = str_eq(proto, STR(MESSAGE_2));
    return *ret_version_2 || proto.len == 0 || str_eq(proto, STR(MESSAGE_1));
}

static void refuse_write(Request *request, const Err *err) {
    StoreOutcome nothing = {0};
    respond_refusal(request, err);
    if (err->kind == ERR_UNSUPPORTED) {
        request->response.status = 415;
    }
    respond_written(request, &nothing);
}

/* After the handler answered: the log could not be synced, and nothing of the request is certain to
 * be there. The same form as if it had been refused at once. */
void respond_unsynced(Request *request, const Err *err) {
    request->response.headers.items_count = 0;
    if (str_eq(request->path, STR("/api/v1/write"))) {
        refuse_write(request, err);
        return;
    }
    respond_refusal(request, err);
    if (str_ends(request->path, STR("/api/put"))) {
        respond_put_error(request, str_of(err->text));
    }
}

/* Decodes and appends; false where nothing was stored. */
static bool write_body(Web *web, Request *request, bool version_2, WriteScratch *scratch,
                       StoreOutcome *ret_outcome, uint64_t *ret_lsn, Err *err) {
    IngestLabels labels = {0};
    IngestBatch *batch = &scratch->batch;
    Str message;
    batch->table = web_doors(web)->metadata;
    return api_ingest_labels(web, request, &labels, err) &&
           api_unpack_body(web, request, STR("snappy"), &scratch->unpacked, &message, err) &&
           (version_2 ? ingest_remote_write_v2(message, &labels, batch, err)
                      : ingest_remote_write_v1(message, &labels, batch, err)) &&
           store_append(web_doors(web)->store, &batch->batch, clock_now(), ret_lsn, ret_outcome,
                        err);
}

static void respond_write(Web *web, Request *request, bool version_2, WriteScratch *scratch) {
    Err err = {0};
    StoreOutcome outcome = {0};
    uint64_t lsn = 0;
    const IngestBatch *batch = &scratch->batch;
    if (!write_body(web, request, version_2, scratch, &outcome, &lsn, &err)) {
        refuse_write(request, &err);
        return;
    }
    counter_add(&web_counters(web)->samples, outcome.stored);
    counter_add(&web_counters(web)->metadata, batch->metadata);
    counter_add(&web_counters(web)->exemplars_skipped, batch->exemplars);
    add_refused(&outcome, batch);
    respond_outcome(request, &outcome, lsn);
    respond_written(request, &outcome);
}

void handle_write(Web *web, Request *request) {
    Err err = {0};
    bool version_2;
    if (!read_type(request, &version_2)) {
        err_set(&err, ERR_UNSUPPORTED,
                "expected Content-Type application/x-protobuf, with proto=" MESSAGE_1
                " or proto=" MESSAGE_2);
        refuse_write(request, &err);
        return;
    }
    WriteScratch *scratch = scratch_take(web_scratch(web));
    respond_write(web, request, version_2, scratch);
    scratch_give(web_scratch(web), scratch);
}
