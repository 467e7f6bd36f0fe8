/* /api/v1/export: series as JSON lines, the form VictoriaMetrics writes and reads:
 * {"metric":{...},"values":[...],"timestamps":[...]}.
 *
 * Stale markers are left out, as there; native histograms have no place in the form and are left
 * out, too. */

#include <math.h>

#include "base/number.h"
#include "web/api.h"

enum { EXPORT_BYTES_MAX = 1 << 30 };

static void put_value(Buf *out, double value) {
    if (isnan(value)) {
        buf_str(out, STR("null"));
    } else if (isinf(value)) {
        buf_str(out, value > 0 ? STR("\"Infinity\"") : STR("\"-Infinity\""));
    } else {
        number_put(out, value);
    }
}

static bool is_exported(const SeriesData *data, size_t row) {
    bool histogram = data->histograms && data->histograms[row];
    return !histogram && !value_is_stale(data->values[row]);
}

static void put_series(Buf *out, LabelSet labels, const SeriesData *data) {
    size_t before = out->len;
    size_t count = 0;
    buf_str(out, STR("{\"metric\":"));
    JsonWriter json = json_writer(out);
    labels_json(&json, labels);
    buf_str(out, STR(",\"values\":["));
    for (size_t i = 0; i < data->count; i++) {
        if (is_exported(data, i)) {
            buf_str(out, count++ ? STR(",") : STR(""));
            put_value(out, data->values[i]);
        }
    }
    buf_str(out, STR("],\"timestamps\":["));
    size_t times = 0;
    for (size_t i = 0; i < data->count; i++) {
        if (is_exported(data, i)) {
            buf_str(out, times++ ? STR(",") : STR(""));
            number_put_int(out, data->times[i]);
        }
    }
    buf_str(out, STR("]}\n"));
    if (count == 0) {
        out->len = before;
    }
}

static bool export_series(Request *request, const StoreSelection *selection, TimeMs from, TimeMs to,
                          Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Buf *out = &request->response.body;
    for (size_t i = 0; i < selection_count(selection); i++) {
        SeriesData data;
        selection_read(selection, i, from, to, &arena, &data);
        put_series(out, selection_labels(selection, i), &data);
        arena_reset(&arena);
        if (request->cancelled) {
            return err_set(err, ERR_CANCELLED, "the client went away");
        }
        if (out->len > EXPORT_BYTES_MAX) {
            return err_set(err, ERR_LIMIT,
                           "more than %d bytes: export fewer series or a shorter time at once",
                           EXPORT_BYTES_MAX);
        }
    }
    return true;
}

void handle_export(Web *web, Request *request) {
    Err err = {0};
    ApiMatches matches = {0};
    TimeMs from;
    TimeMs to;
    bool good = (api_matches(request, &matches, &err) ||
                 err_context(&err, "invalid parameter \"match[]\"")) &&
                api_time(request, "start", 0, &from, &err) &&
                api_time(request, "end", TIME_MAX, &to, &err);
    if (good && matches.count == 0) {
        good = err_set(&err, ERR_INVALID, "no match[] parameter provided");
    }
    if (good) {
        AUTO(snapshot_releasep) StoreSnapshot *snapshot = store_snapshot(web_doors(web)->store);
        AUTO(selection_freep) StoreSelection *selection = NULL;
        respond_text(request, 200, STR(""));
        request->response.content_type = "application/stream+json";
        good =
            snapshot_select(snapshot, matches.sets, matches.count, from, to, 0, &selection, &err) &&
            export_series(request, selection, from, to, &err);
    }
    api_matches_finish(&matches);
    if (!good) {
        respond_error(request, &err);
    }
}
