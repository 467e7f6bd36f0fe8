/* /api/v1/query, query_range and what goes with them, in Prometheus' JSON. */

#include <math.h>

#include "base/number.h"
#include "web/api.h"

enum { POINTS_MAX = 11000 }; /* per series, as Prometheus bounds a range query */

bool api_time(const Request *request, const char *name, TimeMs fallback, TimeMs *ret_time,
              Err *err) {
    Str text = params_get(&request->params, str_of(name));
    *ret_time = fallback;
    if (text.len == 0) {
        return true;
    }
    return time_parse(text, ret_time, err) ||
           err_set(err, ERR_INVALID,
                   "invalid parameter \"%s\": cannot parse \"%.*s\" to a valid timestamp", name,
                   STR_ARG(text));
}

bool api_duration(const Request *request, const char *name, DurationMs fallback,
                  DurationMs *ret_span, Err *err) {
    Str text = params_get(&request->params, str_of(name));
    double seconds;
    Err ignored = {0};
    *ret_span = fallback;
    if (text.len == 0) {
        return true;
    }
    if (number_parse(text, &seconds)) {
        if (isnan(seconds) || fabs(seconds) > 9.2e15) {
            return err_set(
                err, ERR_INVALID,
                "invalid parameter \"%s\": cannot parse \"%.*s\" to a valid duration. It "
                "overflows int64",
                name, STR_ARG(text));
        }
        *ret_span = (DurationMs)(seconds * 1000);
        return true;
    }
    return duration_parse(text, ret_span, &ignored) ||
           err_set(err, ERR_INVALID,
                   "invalid parameter \"%s\": cannot parse \"%.*s\" to a valid duration", name,
                   STR_ARG(text));
}

bool api_limit(const Request *request, size_t *ret_limit, Err *err) {
    Str text = params_get(&request->params, STR("limit"));
    int64_t limit = 0;
    if (text.len && (!number_parse_int(text, &limit) || limit < 0)) {
        return err_set(err, ERR_INVALID, "invalid parameter \"limit\": %s",
                       limit < 0 ? "limit must be non-negative" : "not a number");
    }
    *ret_limit = (size_t)limit;
    return true;
}

/* What one query asks for besides its expression. */
static bool query_options(const Web *web, Request *request, QueryOptions *options, Err *err) {
    const WebLimits *limits = &web_options(web)->limits;
    DurationMs timeout;
    DurationMs lookback;
    DurationMs default_timeout = limits->query_timeout ? limits->query_timeout : 2 * MINUTE_MS;
    if (!api_duration(request, "timeout", default_timeout, &timeout, err) ||
        !api_duration(request, "lookback_delta",
                      limits->lookback ? limits->lookback : 5 * MINUTE_MS, &lookback, err)) {
        return false;
    }
    timeout = timeout < default_timeout ? timeout : default_timeout;
    *options = (QueryOptions){
        .lookback = lookback,
        .default_step = MINUTE_MS,
        .budget = limits->budget,
        .explain = params_has(&request->params, STR("explain")),
        .start_timestamps = true,
    };
    options->budget.deadline_ns = request->started_ns + timeout * 1000000;
    options->budget.cancelled = &request->cancelled;
    return true;
}

static PromqlFlavour flavour_of(const Request *request) {
    return str_eq(params_get(&request->params, STR("flavour")), STR("metricsql"))
               ? PROMQL_METRICSQL
               : PROMQL_PROMETHEUS;
}

static bool parse_param(Request *request, const char *name, const Expr **ret_expr, Err *err) {
    Str text = params_get(&request->params, str_of(name));
    return promql_parse(&request->arena, text, flavour_of(request), ret_expr, err) ||
           err_set(err, ERR_INVALID, "invalid parameter \"%s\": %s", name,
                   arena_cstr(&request->arena, str_of(err->text)));
}

static void put_texts(JsonWriter *json, const char *key, const Str *texts, size_t count) {
    if (count == 0) {
        return;
    }
    json_put_array(json, key);
    for (size_t i = 0; i < count; i++) {
        json_str(json, texts[i]);
    }
    json_end(json);
}

static void put_stats(JsonWriter *json, const QueryStats *stats) {
    json_put_object(json, "stats");
    json_put_object(json, "timings");
    json_put_number(json, "evalTotalTime", (double)stats->eval_ns / 1e9);
    json_put_number(json, "execQueueTime", (double)stats->queue_ns / 1e9);
    json_put_number(json, "execTotalTime", (double)(stats->eval_ns + stats->queue_ns) / 1e9);
    json_end(json);
    json_put_object(json, "samples");
    json_put_int(json, "totalQueryableSamples", (int64_t)stats->samples);
    json_put_int(json, "peakSamples", (int64_t)stats->samples_peak);
    json_end(json);
    json_end(json);
}

/* `data` is an object already opened by value_json(); stats go into it, so it is written piece by
 * piece. */
static void respond_value(Request *request, const Value *value, bool instant, size_t limit,
                          Str explain) {
    JsonWriter json = respond_success(request);
    json_object(&json);
    value_json_members(&json, value, instant, limit);
    if (params_get(&request->params, STR("stats")).len) {
        put_stats(&json, &value->stats);
    }
    if (explain.len) {
        json_key(&json, STR("explain"));
        json_raw(&json, explain);
    }
    json_end(&json);
    put_texts(&json, "warnings", value->warnings, value->warning_count);
    put_texts(&json, "infos", value->infos, value->info_count);
    respond_success_end(&json);
}

static void run_query(Web *web, Request *request, const Expr *expr, QueryRange range,
                      bool instant) {
    Err err = {0};
    QueryOptions options;
    Value value = {0};
    size_t limit;
    AUTO(arena_finish) Arena arena = {0};
    EngineExpr ask = {expr, params_get(&request->params, STR("query"))};
    if (!query_options(web, request, &options, &err) || !api_limit(request, &limit, &err)) {
        respond_error(request, &err);
        return;
    }
    AUTO(buf_finish) Buf explain = {0};
    bool good = true;
    if (instant) {
        engine_instant(web_doors(web)->engine, &ask, 1, range.from, &options, &arena, &value, &good,
                       &err);
    } else {
        good = engine_range(web_doors(web)->engine, &ask, range, &options, &arena, &value, &err);
    }
    if (good && options.explain && engine_is_local(web_doors(web)->engine)) {
        AUTO(snapshot_releasep) StoreSnapshot *snapshot = store_snapshot(web_doors(web)->store);
        JsonWriter json = json_writer(&explain);
        good = promql_explain(expr, snapshot, range, &options, NULL, &arena, &json, &err);
    }
    if (good) {
        respond_value(request, &value, instant, limit, buf_view(&explain));
    } else {
        respond_query_error(request, &err);
    }
}

/* Prometheus answers an execution error with 422, a timeout and a cancelled query with 503. */
void respond_query_error(Request *request, const Err *err) {
    respond_error(request, err);
    if (err->kind == ERR_INVALID) {
        JsonWriter json = respond_json(request, 422);
        json_object(&json);
        json_put_str(&json, "status", STR("error"));
        json_put_str(&json, "errorType", STR("execution"));
        json_put_str(&json, "error", str_of(err->text));
        json_end(&json);
    }
}

void handle_query(Web *web, Request *request) {
    Err err = {0};
    const Expr *expr = NULL;
    TimeMs time;
    if (!api_time(request, "time", clock_now(), &time, &err) ||
        !parse_param(request, "query", &expr, &err)) {
        respond_error(request, &err);
        return;
    }
    run_query(web, request, expr, (QueryRange){time, time, 0}, true);
    expr_finish(expr);
}

static bool read_range(const Request *request, QueryRange *ret_range, Err *err) {
    static const char *const needed[] = {"start", "end", "step"};
    for (size_t i = 0; i < 3; i++) {
        if (params_get(&request->params, str_of(needed[i])).len == 0) {
            return err_set(err, ERR_INVALID,
                           i < 2
                               ? "invalid parameter \"%s\": cannot parse \"\" to a valid timestamp"
                               : "invalid parameter \"%s\": cannot parse \"\" to a valid duration",
                           needed[i]);
        }
    }
    QueryRange range;
    if (!api_time(request, "start", 0, &range.from, err) ||
        !api_time(request, "end", 0, &range.to, err) ||
        !api_duration(request, "step", 0, &range.step, err)) {
        return false;
    }
    if (range.to < range.from) {
        return err_set(err, ERR_INVALID,
                       "invalid parameter \"end\": end timestamp must not be before start time");
    }
    if (range.step <= 0) {
        return err_set(err, ERR_INVALID,
                       "invalid parameter \"step\": zero or negative query resolution step widths "
                       "are not accepted. Try a positive integer");
    }
    if ((uint64_t)(range.to - range.from) / (uint64_t)range.step > POINTS_MAX) {
        return err_set(
            err, ERR_INVALID,
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing "
            "the query resolution (?step=XX)");
    }
    *ret_range = range;
    return true;
}

void handle_query_range(Web *web, Request *request) {
    Err err = {0};
    const Expr *expr = NULL;
    QueryRange range;
    if (!read_range(request, &range, &err) || !parse_param(request, "query", &expr, &err)) {
        respond_error(request, &err);
        return;
    }
    ValueType type = expr_type(expr);
    if (type == VALUE_MATRIX || type == VALUE_STRING) {
        err_set(
            &err, ERR_INVALID,
            "invalid parameter \"query\": invalid expression type \"%s\" for range query, must be "
            "Scalar or instant Vector",
            type == VALUE_MATRIX ? "range vector" : "string");
        respond_error(request, &err);
    } else {
        run_query(web, request, expr, range, false);
    }
    expr_finish(expr);
}

void handle_format_query(Web *web, Request *request) {
    (void)web;
    Err err = {0};
    const Expr *expr = NULL;
    if (!parse_param(request, "query", &expr, &err)) {
        respond_error(request, &err);
        return;
    }
    AUTO(buf_finish) Buf text = {0};
    expr_print(&text, expr, true);
    JsonWriter json = respond_success(request);
    json_str(&json, buf_view(&text));
    respond_success_end(&json);
    expr_finish(expr);
}

void handle_parse_query(Web *web, Request *request) {
    (void)web;
    Err err = {0};
    const Expr *expr = NULL;
    if (!parse_param(request, "query", &expr, &err)) {
        respond_error(request, &err);
        return;
    }
    JsonWriter json = respond_success(request);
    expr_json(&json, expr);
    respond_success_end(&json);
    expr_finish(expr);
}

void handle_query_exemplars(Web *web, Request *request) {
    (void)web;
    JsonWriter json = respond_success(request);
    json_array(&json);
    json_end(&json);
    respond_success_end(&json);
}
