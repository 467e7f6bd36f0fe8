/* Label names, values and series, in Prometheus' JSON. */

#include <stdlib.h>

#include "base/go_text.h"
#include "base/number.h"
#include "web/api.h"

void api_matches_finish(ApiMatches *matches) {
    for (size_t i = 0; i < matches->expr_count; i++) {
        expr_finish(matches->exprs[i]);
    }
}

/* Adds the sets of one selector: several where it says `or`. */
static bool add_match(Request *request, Str text, ApiMatches *matches, Err *err) {
    const MatcherSet *sets;
    size_t count;
    const Expr *expr;
    if (!promql_parse_selector(&request->arena, text, PROMQL_PROMETHEUS, &expr, &sets, &count,
                               err)) {
        bool empty = memmem(err->text, strlen(err->text), "at least one non-empty matcher", 30);
        return empty ? err_set(err, ERR_INVALID,
                               "match[] must contain at least one non-empty matcher")
                     : false;
    }
    matches->exprs[matches->expr_count++] = expr;
    MatcherSet *all = arena_array(&request->arena, MatcherSet, matches->count + count);
    for (size_t i = 0; i < matches->count; i++) {
        all[i] = matches->sets[i];
    }
    for (size_t i = 0; i < count; i++) {
        all[matches->count + i] = sets[i];
    }
    matches->sets = all;
    matches->count += count;
    return true;
}

bool api_matches(Request *request, ApiMatches *matches, Err *err) {
    size_t max = request->params.items_count;
    matches->exprs = arena_array(&request->arena, const Expr *, max);
    for (size_t i = 0; i < max; i++) {
        Param param = request->params.items[i];
        if (str_eq(param.name, STR("match[]")) && !add_match(request, param.value, matches, err)) {
            return false;
        }
    }
    return true;
}

/* What a request for labels or series asks for. */
typedef struct SeriesAsk {
    ApiMatches matches;
    TimeMs from, to;
    size_t limit;
} SeriesAsk;

static bool read_ask(Request *request, SeriesAsk *ask, Err *err) {
    return api_limit(request, &ask->limit, err) &&
           api_time(request, "start", TIME_MIN, &ask->from, err) &&
           api_time(request, "end", TIME_MAX, &ask->to, err) &&
           api_matches(request, &ask->matches, err);
}

static void end_with_warning(JsonWriter *json, bool cut) {
    if (cut) {
        json_put_array(json, "warnings");
        json_str(json, STR("results truncated due to limit"));
        json_end(json);
    }
    respond_success_end(json);
}

static void respond_list(Request *request, const Str *items, size_t count, bool cut) {
    JsonWriter json = respond_success(request);
    json_array(&json);
    for (size_t i = 0; i < count; i++) {
        json_str(&json, items[i]);
    }
    json_end(&json);
    end_with_warning(&json, cut);
}

static void list_labels(Web *web, Request *request, Str name) {
    Err err = {0};
    SeriesAsk ask = {0};
    AUTO(arena_finish) Arena arena = {0};
    Str *items = NULL;
    size_t count = 0;
    bool cut = false;
    bool good = read_ask(request, &ask, &err);
    if (good) {
        AUTO(snapshot_releasep) StoreSnapshot *snapshot = store_snapshot(web_doors(web)->store);
        good = name.len
                   ? snapshot_label_values(snapshot, name, ask.matches.sets, ask.matches.count,
                                           ask.from, ask.to, ask.limit, &arena, &items, &count,
                                           &cut, &err)
                   : snapshot_label_names(snapshot, ask.matches.sets, ask.matches.count, ask.from,
                                          ask.to, ask.limit, &arena, &items, &count, &cut, &err);
    }
    if (good) {
        respond_list(request, items, count, cut);
    } else {
        respond_error(request, &err);
    }
    api_matches_finish(&ask.matches);
}

void handle_labels(Web *web, Request *request) {
    list_labels(web, request, STR(""));
}

static bool refuse_name(Str name, Err *err) {
    AUTO(buf_finish) Buf quoted = {0};
    go_quote(&quoted, name, 0);
    return err_set(err, ERR_INVALID, "invalid label name: %.*s", STR_ARG(buf_view(&quoted)));
}

/* Names that are no plain words come as U__ with _XX_ for each odd character, besides percent
 * escapes. */
static bool decode_label_name(Request *request, Str *ret_name, Err *err) {
    Str name = request->path_args[0];
    bool good = path_unescape(&request->arena, name, &name, err);
    name = label_name_unescape(&request->arena, name);
    *ret_name = name;
    return (good && name.len && str_is_utf8(name)) || refuse_name(name, err);
}

void handle_label_values(Web *web, Request *request) {
    Err err = {0};
    Str name;
    if (!decode_label_name(request, &name, &err)) {
        respond_error(request, &err);
        return;
    }
    list_labels(web, request, name);
}

/* Blocks know the times of their series together only. */
static bool has_samples(const StoreSelection *selection, size_t index, const SeriesAsk *ask,
                        Arena *scratch) {
    SeriesData data;
    arena_reset(scratch);
    selection_read(selection, index, ask->from, ask->to, scratch, &data);
    return data.count > 0;
}

static void respond_selection(Request *request, const StoreSelection *selection,
                              const SeriesAsk *ask) {
    AUTO(arena_finish) Arena scratch = {0};
    size_t given = 0;
    bool always = ask->from == TIME_MIN && ask->to == TIME_MAX, cut = false;
    JsonWriter json = respond_success(request);
    json_array(&json);
    for (size_t i = 0; i < selection_count(selection) && !cut; i++) {
        if (!always && !has_samples(selection, i, ask, &scratch)) {
            continue;
        }
        cut = ask->limit > 0 && given == ask->limit;
        if (!cut) {
            labels_json(&json, selection_labels(selection, i));
            given++;
        }
    }
    json_end(&json);
    end_with_warning(&json, cut);
}

void handle_series(Web *web, Request *request) {
    Err err = {0};
    SeriesAsk ask = {0};
    bool good = params_has(&request->params, STR("match[]")) ||
                err_set(&err, ERR_INVALID, "no match[] parameter provided");
    good = good && read_ask(request, &ask, &err);
    if (!good && ask.matches.exprs) { /* it was the selectors */
        err_context(&err, "invalid parameter \"match[]\"");
    }
    if (good) {
        AUTO(snapshot_releasep) StoreSnapshot *snapshot = store_snapshot(web_doors(web)->store);
        AUTO(selection_freep) StoreSelection *selection = NULL;
        uint64_t series_max = web_options(web)->limits.budget.series_max;
        good = snapshot_select(snapshot, ask.matches.sets, ask.matches.count, ask.from, ask.to,
                               series_max, &selection, &err);
        if (good) {
            respond_selection(request, selection, &ask);
        } else if (err.kind == ERR_LIMIT) {
            Err found = err;
            err_set(&err, ERR_LIMIT, "%.900s: narrow the selectors or raise query.series_max",
                    found.text);
        }
    }
    if (!good) {
        respond_error(request, &err);
    }
    api_matches_finish(&ask.matches);
}

/* ---- metadata ---- */

/* As strconv.Atoi; nothing given is -1, which is no limit. */
static bool metadata_limit(const Request *request, const char *name, int64_t *ret_limit, Err *err) {
    Str text = params_get(&request->params, str_of(name));
    *ret_limit = -1;
    return text.len == 0 || number_parse_int(text, ret_limit) ||
           err_set(err, ERR_INVALID, "%s must be a number", name);
}

/* What nothing was said about is unknown. */
static Str meta_type(const MetricMeta *meta) {
    return meta->type.len ? meta->type : STR("unknown");
}

static void put_metadata(JsonWriter *json, const MetadataRow *row, int64_t per_metric) {
    json_key(json, row->metric);
    json_array(json);
    for (size_t i = 0; i < row->count && (per_metric <= 0 || (int64_t)i < per_metric); i++) {
        json_object(json);
        json_put_str(json, "type", meta_type(&row->items[i]));
        json_put_str(json, "help", row->items[i].help);
        json_put_str(json, "unit", row->items[i].unit);
        json_end(json);
    }
    json_end(json);
}

void handle_metadata(Web *web, Request *request) {
    Err err = {0};
    int64_t limit, per_metric;
    if (!metadata_limit(request, "limit", &limit, &err) ||
        !metadata_limit(request, "limit_per_metric", &per_metric, &err)) {
        respond_error(request, &err);
        return;
    }
    AUTO(arena_finish) Arena arena = {0};
    MetadataRow *rows = NULL;
    size_t count = 0;
    metadata_list(web_doors(web)->metadata, params_get(&request->params, STR("metric")),
                  limit < 0 ? SIZE_MAX : (size_t)limit, &arena, &rows, &count);
    JsonWriter json = respond_success(request);
    json_object(&json);
    for (size_t i = 0; i < count; i++) {
        put_metadata(&json, &rows[i], per_metric);
    }
    json_end(&json);
    respond_success_end(&json);
}

/* Nobody says whose they are, so targets have no labels here. */
static bool wants_no_target(Request *request, bool *ret_wants, Err *err) {
    Str text = params_get(&request->params, STR("match_target"));
    *ret_wants = true;
    if (text.len == 0) {
        return true;
    }
    const MatcherSet *sets;
    size_t count;
    const Expr *expr = NULL;
    if (!promql_parse_selector(&request->arena, text, PROMQL_PROMETHEUS, &expr, &sets, &count,
                               err)) {
        return err_context(err, "invalid parameter \"match_target\"");
    }
    *ret_wants = false;
    for (size_t i = 0; i < count; i++) {
        bool all = true;
        for (size_t j = 0; j < sets[i].count; j++) {
            all = all && matcher_matches(&sets[i].items[j], STR(""));
        }
        *ret_wants = *ret_wants || all;
    }
    expr_finish(expr);
    return true;
}

static void put_target_metadata(JsonWriter *json, const MetadataRow *row, bool named) {
    for (size_t i = 0; i < row->count; i++) {
        json_object(json);
        json_put_object(json, "target");
        json_end(json);
        if (named) {
            json_put_str(json, "metric", row->metric);
        }
        json_put_str(json, "type", meta_type(&row->items[i]));
        json_put_str(json, "help", row->items[i].help);
        json_put_str(json, "unit", row->items[i].unit);
        json_end(json);
    }
}

void handle_target_metadata(Web *web, Request *request) {
    Err err = {0};
    int64_t limit;
    bool wanted;
    if (!metadata_limit(request, "limit", &limit, &err) ||
        !wants_no_target(request, &wanted, &err)) {
        respond_error(request, &err);
        return;
    }
    AUTO(arena_finish) Arena arena = {0};
    MetadataRow *rows = NULL;
    size_t count = 0;
    Str metric = params_get(&request->params, STR("metric"));
    if (wanted) {
        metadata_list(web_doors(web)->metadata, metric, limit < 0 ? SIZE_MAX : (size_t)limit,
                      &arena, &rows, &count);
    }
    JsonWriter json = respond_success(request);
    json_array(&json);
    for (size_t i = 0; i < count; i++) {
        put_target_metadata(&json, &rows[i], metric.len == 0);
    }
    json_end(&json);
    respond_success_end(&json);
}
