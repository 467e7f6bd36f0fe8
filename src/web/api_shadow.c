/* Shadow mode: POST /api/v1/shadow/alertmanager takes what the real Alertmanager tells (point a
 * webhook of each receiver here), GET /api/v1/shadow/diff compares. */

#include "notify/compare.h"
#include "web/api.h"

enum { IGNORED_MAX = 64 };

void handle_shadow_take(Web *web, Request *request) {
    Err err = {0};
    size_t count = 0;
    if (!notify_shadow_take(web_doors(web)->notify, buf_view(&request->body), clock_now(), &count,
                            &err)) {
        respond_error(request, &err);
        return;
    }
    JsonWriter json = respond_success(request);
    json_object(&json);
    json_put_int(&json, "alerts", (int64_t)count);
    json_end(&json);
    respond_success_end(&json);
}

static void put_row(JsonWriter *json, const CompareRow *row) {
    static const char *const sides[] = {[COMPARE_BOTH] = "both",
                                        [COMPARE_ONLY_ALERTMANAGER] = "only_alertmanager",
                                        [COMPARE_ONLY_BELFRY] = "only_belfry"};
    json_object(json);
    json_put_str(json, "side", str_of(sides[row->side]));
    json_put_str(json, "receiver", row->receiver);
    json_put_str(json, "status", row->is_firing ? STR("firing") : STR("resolved"));
    json_key(json, STR("labels"));
    labels_json(json, row->labels);
    if (row->theirs_at) {
        json_put_time(json, "alertmanager_at", row->theirs_at);
    }
    if (row->ours_at) {
        json_put_time(json, "belfry_at", row->ours_at);
    }
    json_put_str(json, "why", row->why);
    json_end(json);
}

static void respond(Request *request, const Compare *compare, TimeMs from, TimeMs to, bool all) {
    JsonWriter json = respond_success(request);
    json_object(&json);
    json_put_time(&json, "from", from);
    json_put_time(&json, "to", to);
    json_put_int(&json, "both", (int64_t)compare->both);
    json_put_int(&json, "only_alertmanager", (int64_t)compare->only_theirs);
    json_put_int(&json, "only_belfry", (int64_t)compare->only_ours);
    json_put_int(&json, "undecided", (int64_t)compare->undecided);
    if (compare->both) {
        json_put_number(&json, "median_seconds_later", (double)compare->lag_median / 1000);
        json_put_number(&json, "most_seconds_later", (double)compare->lag_max / 1000);
    }
    json_put_array(&json, "unheard_receivers");
    for (size_t i = 0; i < compare->unheard_count; i++) {
        json_str(&json, compare->unheard[i]);
    }
    json_end(&json);
    json_put_array(&json, "rows");
    for (size_t i = 0; i < compare->row_count; i++) {
        if (all || compare->rows[i].side != COMPARE_BOTH) {
            put_row(&json, &compare->rows[i]);
        }
    }
    json_end(&json);
    json_end(&json);
    respond_success_end(&json);
}

/* start, end (default the last day), within (10m), ignore=LABEL (repeatable), all=true */
void handle_shadow_diff(Web *web, Request *request) {
    Err err = {0};
    TimeMs now = clock_now(), from = 0, to = 0;
    DurationMs within = 0;
    Str ignored[IGNORED_MAX];
    size_t ignored_count = 0;
    Compare compare = {0};
    AUTO(arena_finish) Arena arena = {0};
    for (size_t i = 0; i < request->params.items_count && ignored_count < IGNORED_MAX; i++) {
        if (str_eq(request->params.items[i].name, STR("ignore"))) {
            ignored[ignored_count++] = request->params.items[i].value;
        }
    }
    if (api_time(request, "end", now, &to, &err) &&
        api_time(request, "start", to - DAY_MS, &from, &err) &&
        api_duration(request, "within", 10 * MINUTE_MS, &within, &err) &&
        (from <= to || err_set(&err, ERR_INVALID, "end timestamp must not be before start time")) &&
        (within >= 0 || err_set(&err, ERR_INVALID, "within must not be negative")) &&
        notify_shadow_compare(web_doors(web)->notify, from, to, within, ignored, ignored_count, now,
                              &arena, &compare, &err)) {
        respond(request, &compare, from, to,
                str_eq(params_get(&request->params, STR("all")), STR("true")));
    } else {
        respond_error(request, &err);
    }
}
