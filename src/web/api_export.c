/* /api/v1/export: series as JSON lines, the form VictoriaMetrics writes and reads:
 * {"metric":{...},"values":[...],"timestamps":[...]}. Native histograms have no place in it. The
 * answer streams: exports may be larger than memory. */

#include <stdlib.h>

#include "base/mem.h"
#include "base/number.h"
#include "web/api.h"

enum { PIECE_BYTES = 1 << 20, ROWS_PER_LINE = 100 * 1000 };

typedef struct Export {
    ApiMatches matches;
    StoreSnapshot *snapshot;
    StoreSelection *selection;
    TimeMs from, to;
    size_t rows_per_line;
    size_t next; /* series */
    Arena arena;
} Export;

static void export_free(void *ctx) {
    Export *export = ctx;
    selection_free(export->selection);
    if (export->snapshot) {
        snapshot_release(export->snapshot);
    }
    api_matches_finish(&export->matches);
    arena_finish(&export->arena);
    free(export);
}

/* Long series take several lines, so that a reader needs not have a whole one in memory. */
static void put_series(Export *export, Buf *out) {
    SeriesData data;
    selection_read(export->selection, export->next, export->from, export->to, &export->arena,
                   &data);
    for (size_t row = 0; row < data.count; row += export->rows_per_line) {
        size_t left = data.count - row;
        IngestSeries line = {.labels = selection_labels(export->selection, export->next),
                             .times = data.times + row,
                             .values = data.values + row,
                             .histograms = data.histograms ? data.histograms + row : NULL,
                             .count = left < export->rows_per_line ? left : export->rows_per_line};
        ingest_encode_json_line(&line, out);
    }
    arena_reset(&export->arena);
    export->next++;
}

static bool fill(void *ctx, Request *request, Buf *body, Err *err) {
    Export *export = ctx;
    size_t count = selection_count(export->selection);
    while (export->next < count && body->len < PIECE_BYTES) {
        put_series(export, body);
        if (request->cancelled) {
            return err_set(err, ERR_CANCELLED, "the client went away");
        }
    }
    return export->next < count;
}

static bool rows_per_line(const Request *request, size_t *ret_rows, Err *err) {
    Str text = params_get(&request->params, STR("max_rows_per_line"));
    int64_t rows = ROWS_PER_LINE;
    if (text.len && (!number_parse_int(text, &rows) || rows < 1)) {
        return err_set(err, ERR_INVALID,
                       "invalid parameter \"max_rows_per_line\": expected a number of samples");
    }
    *ret_rows = (size_t)rows;
    return true;
}

static bool begin(Web *web, Request *request, Export *export, Err *err) {
    if (!api_matches(request, &export->matches, err)) {
        return err_context(err, "invalid parameter \"match[]\"");
    }
    if (!api_time(request, "start", TIME_MIN, &export->from, err) ||
        !api_time(request, "end", TIME_MAX, &export->to, err) ||
        !rows_per_line(request, &export->rows_per_line, err)) {
        return false;
    }
    if (export->matches.count == 0) {
        return err_set(err, ERR_INVALID, "no match[] parameter provided");
    }
    export->snapshot = store_snapshot(web_doors(web)->store);
    return snapshot_select(export->snapshot, export->matches.sets, export->matches.count,
                           export->from, export->to, 0, &export->selection, err);
}

void handle_export(Web *web, Request *request) {
    Err err = {0};
    Export *export = mem_zero(1, sizeof *export);
    request->response.stream = (ResponseStream){.fill = fill, .free = export_free, .ctx = export};
    respond_text(request, 200, STR(""));
    request->response.content_type = "application/stream+json";
    bool good = begin(web, request, export, &err);
    if (good) {
        request->response.stream.done = !fill(export, request, &request->response.body, &err);
        good = err.kind == ERR_NONE;
    }
    if (!good) {
        request->response.stream.fill = NULL;
        respond_error(request, &err);
    }
}
