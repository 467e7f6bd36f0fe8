/*
 * Answers of the query API:
 *
 *   {"status":"success","data":{"resultType":"vector","result":[{"metric":{...},"value":[1435781451.781,"1"]}]},
 *    "warnings":[...],"infos":[...]}
 *   {"status":"error","errorType":"bad_data","error":"..."}
 */

#include <assert.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>

#include "base/number.h"
#include "engine/engine_remote.h"

static void json_free(cJSON **json) {
    cJSON_Delete(*json);
}

static bool misshapen(Err *err, const char *what) {
    return err_set(err, ERR_IO, "answer of the remote engine is misshapen: %s", what);
}

static Str text_of(const cJSON *item) {
    return cJSON_IsString(item) ? str_of(item->valuestring) : (Str){"", 0};
}

/* ---- errors ---- */

/* Statuses as Prometheus, VictoriaMetrics and proxies before them use them. */
static ErrKind kind_of_status(int status) {
    switch (status) {
    case 400:
    case 422:
        return ERR_INVALID;
    case 404:
        return ERR_NOT_FOUND;
    case 429:
        return ERR_BUSY;
    case 503:
    case 504:
        return ERR_TIMEOUT;
    default:
        return ERR_IO;
    }
}

static bool read_error(const cJSON *root, int status, Str body, Err *err) {
    Str text = text_of(cJSON_GetObjectItem(root, "error"));
    if (text.len == 0) {
        text = (Str){body.ptr, body.len < 300 ? body.len : 300};
    }
    return err_set(err, kind_of_status(status), "remote engine answers %d: %.*s", status,
                   STR_ARG(text));
}

/* ---- labels and points ---- */

static bool read_labels(Arena *arena, const cJSON *metric, LabelSet *ret_labels, Err *err) {
    int count = cJSON_GetArraySize(metric);
    if (!cJSON_IsObject(metric) || count > LABELS_MAX) {
        return misshapen(err, "metric");
    }
    Label *items = arena_array(arena, Label, (size_t)count);
    size_t used = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, metric) {
        if (!cJSON_IsString(item)) {
            return misshapen(err, "label");
        }
        items[used++] = (Label){.name = arena_str(arena, str_of(item->string)),
                                .value = arena_str(arena, str_of(item->valuestring))};
    }
    return labels_build(items, used, ret_labels, err);
}

/* [1435781451.781,"1"] */
static bool read_point(const cJSON *point, TimeMs *ret_time, double *ret_value, Err *err) {
    const cJSON *time = cJSON_GetArrayItem(point, 0);
    const cJSON *value = cJSON_GetArrayItem(point, 1);
    if (!cJSON_IsNumber(time) || !(fabs(time->valuedouble) < 9e15) || !cJSON_IsString(value) ||
        !number_parse(str_of(value->valuestring), ret_value)) {
        return misshapen(err, "point");
    }
    *ret_time = (TimeMs)llround(time->valuedouble * 1000);
    return true;
}

static bool read_points(Arena *arena, const cJSON *points, size_t count, ValueSeries *series,
                        Err *err) {
    TimeMs *times = arena_array(arena, TimeMs, count);
    double *values = arena_array(arena, double, count);
    const cJSON *point;
    cJSON_ArrayForEach(point, points) {
        if (!read_point(point, &times[series->count], &values[series->count], err)) {
            return false;
        }
        series->count++;
    }
    series->times = times;
    series->values = values;
    return true;
}

static bool read_series(Arena *arena, const cJSON *item, bool matrix, ValueSeries *ret_series,
                        Err *err) {
    if (cJSON_GetObjectItem(item, "histogram") || cJSON_GetObjectItem(item, "histograms")) {
        return err_set(err, ERR_UNSUPPORTED,
                       "native histograms in answers of a remote engine are not supported");
    }
    if (!read_labels(arena, cJSON_GetObjectItem(item, "metric"), &ret_series->labels, err)) {
        return false;
    }
    if (matrix) {
        const cJSON *points = cJSON_GetObjectItem(item, "values");
        return cJSON_IsArray(points)
                   ? read_points(arena, points, (size_t)cJSON_GetArraySize(points), ret_series, err)
                   : misshapen(err, "values");
    }
    TimeMs *time = arena_array(arena, TimeMs, 1);
    double *value = arena_array(arena, double, 1);
    ret_series->times = time;
    ret_series->values = value;
    ret_series->count = 1;
    return read_point(cJSON_GetObjectItem(item, "value"), time, value, err);
}

/* ---- values ---- */

static bool read_list(Arena *arena, const cJSON *result, bool matrix, Value *value, Err *err) {
    if (!cJSON_IsArray(result)) {
        return misshapen(err, "result");
    }
    value->series = arena_array(arena, ValueSeries, (size_t)cJSON_GetArraySize(result));
    const cJSON *item;
    cJSON_ArrayForEach(item, result) {
        if (!read_series(arena, item, matrix, &value->series[value->series_count++], err)) {
            return false;
        }
    }
    return true;
}

static bool read_result(Arena *arena, const cJSON *data, Value *value, Err *err) {
    Str type = text_of(cJSON_GetObjectItem(data, "resultType"));
    const cJSON *result = cJSON_GetObjectItem(data, "result");
    if (str_eq(type, STR("vector")) || str_eq(type, STR("matrix"))) {
        value->type = str_eq(type, STR("matrix")) ? VALUE_MATRIX : VALUE_VECTOR;
        return read_list(arena, result, value->type == VALUE_MATRIX, value, err);
    }
    if (str_eq(type, STR("scalar"))) {
        value->type = VALUE_SCALAR;
        return read_point(result, &value->time, &value->scalar, err);
    }
    if (str_eq(type, STR("string"))) {
        value->type = VALUE_STRING;
        value->string = arena_str(arena, text_of(cJSON_GetArrayItem(result, 1)));
        return true;
    }
    return misshapen(err, "resultType");
}

static void read_notes(Arena *arena, const cJSON *list, const Str **ret_notes, size_t *ret_count) {
    size_t count = cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 0;
    Str *notes = arena_array(arena, Str, count);
    for (size_t i = 0; i < count; i++) {
        notes[i] = arena_str(arena, text_of(cJSON_GetArrayItem(list, (int)i)));
    }
    *ret_notes = notes;
    *ret_count = count;
}

/* VictoriaMetrics cluster: some of its nodes did not answer. */
static void note_partial(Arena *arena, const cJSON *root, Value *value) {
    if (!cJSON_IsTrue(cJSON_GetObjectItem(root, "isPartial"))) {
        return;
    }
    Str *notes = arena_array(arena, Str, value->warning_count + 1);
    for (size_t i = 0; i < value->warning_count; i++) {
        notes[i] = value->warnings[i];
    }
    notes[value->warning_count++] = STR("the remote engine's answer is partial");
    value->warnings = notes;
}

/* VictoriaMetrics tells how many series it went through: "stats":{"seriesFetched":"2"}. */
static void read_stats(const cJSON *root, QueryStats *stats) {
    const cJSON *fetched = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "stats"), "seriesFetched");
    int64_t series = -1;
    if (cJSON_IsNumber(fetched) && fetched->valuedouble >= 0 && fetched->valuedouble < 9e15) {
        series = (int64_t)fetched->valuedouble;
    } else if (!number_parse_int(text_of(fetched), &series)) {
        series = -1;
    }
    stats->knows_series = series >= 0;
    stats->series = series >= 0 ? (uint64_t)series : 0;
}

bool remote_answer_read(Arena *arena, int status, Str body, Value *ret_value, Err *err) {
    AUTO(json_free) cJSON *root = cJSON_ParseWithLength(body.ptr, body.len);
    bool success = str_eq(text_of(cJSON_GetObjectItem(root, "status")), STR("success"));
    if (status != 200 || (root && !success)) {
        return read_error(root, status, body, err);
    }
    if (!root) {
        return misshapen(err, "no JSON");
    }
    Value value = {0};
    if (!read_result(arena, cJSON_GetObjectItem(root, "data"), &value, err)) {
        return false;
    }
    read_notes(arena, cJSON_GetObjectItem(root, "warnings"), &value.warnings, &value.warning_count);
    read_notes(arena, cJSON_GetObjectItem(root, "infos"), &value.infos, &value.info_count);
    note_partial(arena, root, &value);
    read_stats(root, &value.stats);
    *ret_value = value;
    return true;
}
