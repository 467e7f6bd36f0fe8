/* /api/v1/query, query_range and what goes with them, in Prometheus' JSON. */

#include <math.h>
#include <stdio.h>

#include "base/go_text.h"
#include "base/number.h"
#include "web/api.h"
#include "web/server.h"

enum { POINTS_MAX = 11000 }; /* per series, as Prometheus bounds a range query */

/* Prometheus words it so where a time may be left out, and without `why` where it may not. */
static bool parse_time(const char *name, const char *why, Str text, TimeMs *ret_time, Err *err) {
    Err ignored = {0};
    if (time_parse(text, ret_time, &ignored)) {
        return true;
    }
    AUTO(buf_finish) Buf quoted = {0};
    go_quote(&quoted, text, 0);
    return err_set(err, ERR_INVALID,
                   "invalid parameter \"%s\": %scannot parse %.*s to a valid timestamp", name, why,
                   STR_ARG(buf_view(&quoted)));
}

bool api_time(const Request *request, const char *name, TimeMs fallback, TimeMs *ret_time,
              Err *err) {
    Str text = params_get(&request->params, str_of(name));
    char why[64];
    snprintf(why, sizeof why, "invalid time value for '%s': ", name);
    *ret_time = fallback;
    return text.len == 0 || parse_time(name, why, text, ret_time, err);
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
    AUTO(buf_finish) Buf quoted = {0};
    go_quote(&quoted, text, 0);
    if (number_parse(text, &seconds)) {
        if (isnan(seconds) || fabs(seconds) > 9.2e15) {
            return err_set(err, ERR_INVALID,
                           "invalid parameter \"%s\": cannot parse %.*s to a valid duration. It "
                           "overflows int64",
                           name, STR_ARG(buf_view(&quoted)));
        }
        *ret_span = (DurationMs)(seconds * 1000);
        return true;
    }
    return duration_parse(text, ret_span, &ignored) ||
           err_set(err, ERR_INVALID,
                   "invalid parameter \"%s\": cannot parse %.*s to a valid duration", name,
                   STR_ARG(buf_view(&quoted)));
}

/* Digits, maybe behind a sign. */
static bool is_whole(Str text) {
    text = str_skip(text, text.len > 1 && (text.ptr[0] == '-' || text.ptr[0] == '+'));
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
    }
    return text.len > 0;
}

bool api_limit(const Request *request, size_t *ret_limit, Err *err) {
    Str text = params_get(&request->params, STR("limit"));
    int64_t limit = 0;
    if (text.len && !number_parse_int(text, &limit)) {
        AUTO(buf_finish) Buf quoted = {0};
        go_quote(&quoted, text, 0);
        return err_set(
            err, ERR_INVALID, "invalid parameter \"limit\": strconv.Atoi: parsing %.*s: %s",
            STR_ARG(buf_view(&quoted)), is_whole(text) ? "value out of range" : "invalid syntax");
    }
    if (limit < 0) {
        return err_set(err, ERR_INVALID, "invalid parameter \"limit\": limit must be non-negative");
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
    DurationMs default_lookback = limits->lookback ? limits->lookback : 5 * MINUTE_MS;
    if (!api_duration(request, "timeout", default_timeout, &timeout, err)) {
        return false;
    }
    if (!api_duration(request, "lookback_delta", default_lookback, &lookback, err)) {
        /* Prometheus words it without the parameter. */
        Str text = str_of(err->text);
        text = str_skip(text, strlen("invalid parameter \"lookback_delta\": "));
        char why[sizeof err->text];
        snprintf(why, sizeof why, "%.*s", STR_ARG(text));
        return err_set(err, ERR_INVALID, "error parsing lookback delta duration: %s", why);
    }
    lookback = lookback > 0 ? lookback : default_lookback;
    timeout = timeout < default_timeout ? timeout : default_timeout;
    *options = (QueryOptions){
        .lookback = lookback,
        .default_step = MINUTE_MS,
        .budget = limits->budget,
        .explain = params_has(&request->params, STR("explain")),
        .count_samples = params_get(&request->params, STR("stats")).len > 0,
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
    Str flavour = params_get(&request->params, STR("flavour"));
    if (flavour.len && !str_eq(flavour, STR("metricsql")) && !str_eq(flavour, STR("prometheus"))) {
        return err_set(
            err, ERR_INVALID,
            "invalid parameter \"flavour\": \"%.*s\" is neither prometheus nor metricsql",
            STR_ARG(flavour));
    }
    return promql_parse(&request->arena, text, flavour_of(request), ret_expr, err) ||
           err_set(err, ERR_INVALID, "invalid parameter \"%s\": %s", name,
                   arena_cstr(&request->arena, str_of(err->text)));
}

/* At most ten, as in Prometheus, and how many were left out. */
static void put_texts(JsonWriter *json, const char *key, const Str *texts, size_t count,
                      const Str *more) {
    enum { TEXTS_MAX = 10 };
    size_t others = (more[0].len > 0) + (more[1].len > 0);
    if (count + others == 0) {
        return;
    }
    size_t given = count + others > TEXTS_MAX ? TEXTS_MAX - others : count;
    json_put_array(json, key);
    for (size_t i = 0; i < given; i++) {
        json_str(json, texts[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        if (more[i].len) {
            json_str(json, more[i]);
        }
    }
    if (given < count) {
        char left_out[64];
        snprintf(left_out, sizeof left_out, "%zu more %.*s annotations omitted", count - given,
                 (int)strlen(key) - 1, key);
        json_str(json, str_of(left_out));
    }
    json_end(json);
}

/* What the answer's form gives reason to say: it was cut, or `stats` is none of its two values. */
static void form_warnings(Request *request, const Value *value, size_t limit, Str ret_texts[2]) {
    Str stats = params_get(&request->params, STR("stats"));
    bool list = value->type == VALUE_VECTOR || value->type == VALUE_MATRIX;
    if (limit && list && value->series_count > limit) {
        ret_texts[0] = STR("results truncated due to limit");
    }
    if (stats.len && !str_eq(stats, STR("true")) && !str_eq(stats, STR("all"))) {
        ret_texts[1] =
            arena_printf(&request->arena,
                         "value \"%.*s\" for parameter \"stats\" is deprecated and will "
                         "be rejected in the next major release, use \"true\" or \"all\"",
                         STR_ARG(stats));
    }
}

/* [[1435781451.781, 12], ...] */
static void put_steps(JsonWriter *json, const char *key, const QueryStats *stats, bool read) {
    json_put_array(json, key);
    for (size_t i = 0; i < stats->step_count; i++) {
        json_array(json);
        json_number(json, (double)stats->steps[i].time / 1000);
        json_int(json, (int64_t)(read ? stats->steps[i].read : stats->steps[i].samples));
        json_end(json);
    }
    json_end(json);
}

static void put_stats(JsonWriter *json, const QueryStats *stats, bool by_step) {
    json_put_object(json, "stats");
    json_put_object(json, "timings");
    json_put_number(json, "evalTotalTime", (double)stats->eval_ns / 1e9);
    json_put_number(json, "resultSortTime", 0);
    json_put_number(json, "queryPreparationTime", 0);
    json_put_number(json, "innerEvalTime", (double)stats->eval_ns / 1e9);
    json_put_number(json, "execQueueTime", (double)stats->queue_ns / 1e9);
    json_put_number(json, "execTotalTime", (double)(stats->eval_ns + stats->queue_ns) / 1e9);
    json_end(json);
    json_put_object(json, "samples");
    if (by_step) {
        put_steps(json, "totalQueryableSamplesPerStep", stats, false);
    }
    json_put_int(json, "totalQueryableSamples", (int64_t)stats->samples);
    if (by_step) {
        put_steps(json, "samplesReadPerStep", stats, true);
    }
    json_put_int(json, "samplesRead", (int64_t)stats->samples_read);
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
    Str stats = params_get(&request->params, STR("stats"));
    if (stats.len) {
        put_stats(&json, &value->stats, value->stats.steps && str_eq(stats, STR("all")));
    }
    if (explain.len) {
        json_key(&json, STR("explain"));
        json_raw(&json, explain);
    }
    json_end(&json);
    Str more[2] = {{0}}, none[2] = {{0}};
    form_warnings(request, value, limit, more);
    put_texts(&json, "warnings", value->warnings, value->warning_count, more);
    put_texts(&json, "infos", value->infos, value->info_count, none);
    respond_success_end(&json);
}

/* One query, checked in the order in which Prometheus finds fault with it. */
typedef struct QueryAsk {
    size_t limit;
    QueryRange range;
    QueryOptions options;
    const Expr *expr;
} QueryAsk;

static void run_query(Web *web, Request *request, const QueryAsk *asked, bool instant) {
    Err err = {0};
    QueryOptions options = asked->options;
    QueryRange range = asked->range;
    const Expr *expr = asked->expr;
    size_t limit = asked->limit;
    Value value = {0};
    AUTO(arena_finish) Arena arena = {0};
    EngineExpr ask = {.expr = expr, .text = params_get(&request->params, STR("query"))};
    usage_note(web->usage, expr, ask.text, clock_now());
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
    QueryAsk ask = {0};
    if (!api_limit(request, &ask.limit, &err) ||
        !api_time(request, "time", clock_now(), &ask.range.from, &err) ||
        !query_options(web, request, &ask.options, &err) ||
        !parse_param(request, "query", &ask.expr, &err)) {
        respond_error(request, &err);
        return;
    }
    ask.range.to = ask.range.from;
    run_query(web, request, &ask, true);
    expr_finish(ask.expr);
}

static bool read_range(const Request *request, QueryRange *ret_range, Err *err) {
    QueryRange range;
    if (!parse_time("start", "", params_get(&request->params, STR("start")), &range.from, err) ||
        !parse_time("end", "", params_get(&request->params, STR("end")), &range.to, err)) {
        return false;
    }
    if (range.to < range.from) {
        return err_set(err, ERR_INVALID,
                       "invalid parameter \"end\": end timestamp must not be before start time");
    }
    if (params_get(&request->params, STR("step")).len == 0) {
        return err_set(err, ERR_INVALID,
                       "invalid parameter \"step\": cannot parse \"\" to a valid duration");
    }
    if (!api_duration(request, "step", 0, &range.step, err)) {
        return false;
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
    QueryAsk ask = {0};
    if (!api_limit(request, &ask.limit, &err) || !read_range(request, &ask.range, &err) ||
        !query_options(web, request, &ask.options, &err) ||
        !parse_param(request, "query", &ask.expr, &err)) {
        respond_error(request, &err);
        return;
    }
    ValueType type = expr_type(ask.expr);
    /* In MetricsQL a window is default_rollup() of it. */
    bool prometheus = flavour_of(request) == PROMQL_PROMETHEUS;
    if (prometheus && (type == VALUE_MATRIX || type == VALUE_STRING)) {
        err_set(
            &err, ERR_INVALID,
            "invalid parameter \"query\": invalid expression type \"%s\" for range query, must be "
            "Scalar or instant Vector",
            type == VALUE_MATRIX ? "range vector" : "string");
        respond_error(request, &err);
    } else {
        run_query(web, request, &ask, false);
    }
    expr_finish(ask.expr);
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

static void note_selector(void *ctx, const MatcherSet *matchers, DurationMs range) {
    (void)matchers, (void)range;
    *(bool *)ctx = true;
}

/* None are kept, so none are found; what is asked is checked all the same. */
void handle_query_exemplars(Web *web, Request *request) {
    (void)web;
    Err err = {0};
    TimeMs from, to;
    const Expr *expr = NULL;
    Str query = params_get(&request->params, STR("query"));
    bool good = api_time(request, "start", TIME_MIN, &from, &err) &&
                api_time(request, "end", TIME_MAX, &to, &err);
    if (good && to < from) {
        good = err_set(&err, ERR_INVALID, "end timestamp must not be before start timestamp");
    }
    good = good && promql_parse(&request->arena, query, flavour_of(request), &expr, &err);
    bool selects = false;
    if (good) {
        expr_selectors(expr, note_selector, &selects);
    }
    expr_finish(expr);
    if (!good) {
        respond_error(request, &err);
        return;
    }
    JsonWriter json = respond_json(request, 200);
    json_object(&json);
    json_put_str(&json, "status", STR("success"));
    if (selects) { /* or there is nothing to have exemplars */
        json_put_array(&json, "data");
        json_end(&json);
    }
    json_end(&json);
}
