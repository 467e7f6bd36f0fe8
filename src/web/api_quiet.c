/* What silences and flags share: matchers, schedules, preview, and the audit trail of both. */

#include "web/am.h"

#include "base/number.h"

/* ---- reading ---- */

Str json_text(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? str_of(item->valuestring) : STR("");
}

static bool matcher_of_text(Arena *arena, Str text, SilenceMatcher *ret_matcher, Err *err) {
    Matcher matcher;
    if (!matcher_parse(arena, text, &matcher, err)) {
        return false;
    }
    *ret_matcher = (SilenceMatcher){
        .name = matcher.name,
        .value = matcher.value,
        .is_regex = matcher.type == MATCH_RE || matcher.type == MATCH_NRE,
        .is_equal = matcher.type == MATCH_EQ || matcher.type == MATCH_RE,
    };
    matcher_finish(&matcher);
    return true;
}

/* A string, Alertmanager's object, or (in a map) a plain value under its label's name. */
static bool read_matcher(Arena *arena, const cJSON *item, bool in_map, SilenceMatcher *ret_matcher,
                         Err *err) {
    if (in_map && cJSON_IsString(item)) {
        *ret_matcher = (SilenceMatcher){
            .name = str_of(item->string), .value = str_of(item->valuestring), .is_equal = true};
        return true;
    }
    if (cJSON_IsString(item)) {
        return matcher_of_text(arena, str_of(item->valuestring), ret_matcher, err);
    }
    if (!in_map && cJSON_IsString(cJSON_GetObjectItem(item, "name"))) {
        *ret_matcher = (SilenceMatcher){
            .name = json_text(item, "name"),
            .value = json_text(item, "value"),
            .is_regex = cJSON_IsTrue(cJSON_GetObjectItem(item, "isRegex")),
            .is_equal = !cJSON_IsFalse(cJSON_GetObjectItem(item, "isEqual")),
        };
        return true;
    }
    return err_set(
        err, ERR_INVALID,
        "matchers: expected strings like cluster=\"x\", or objects {name, value, isRegex, "
        "isEqual}");
}

bool api_read_matchers(Arena *arena, const cJSON *list, SilenceMatcher **ret_matchers,
                       size_t *ret_count, Err *err) {
    SilenceMatcher *matchers =
        arena_array(arena, SilenceMatcher, (size_t)cJSON_GetArraySize(list) + 1);
    size_t count = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list) {
        if (!read_matcher(arena, item, cJSON_IsObject(list), &matchers[count++], err)) {
            return false;
        }
    }
    *ret_matchers = matchers;
    *ret_count = count;
    return count > 0 ||
           err_set(err, ERR_INVALID, "matchers are missing, e.g. [\"cluster=\\\"staging-1\\\"\"]");
}

void api_put_schedule(JsonWriter *json, Str schedule) {
    if (schedule.len) {
        json_key(json, STR("schedule"));
        json_raw(json, schedule);
    }
}

bool api_read_schedule(Arena *arena, const cJSON *object, Str *ret_schedule, Err *err) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, "schedule");
    if (!item) {
        *ret_schedule = (Str){0};
        return true;
    }
    if (cJSON_IsNull(item) || (cJSON_IsArray(item) && !item->child)) {
        *ret_schedule = STR("");
        return true;
    }
    if (!cJSON_IsArray(item)) {
        return err_set(err, ERR_INVALID,
                       "schedule: expected a list in the shape of time_intervals");
    }
    char *text = cJSON_PrintUnformatted(item);
    *ret_schedule = arena_str(arena, str_of(text));
    cJSON_free(text);
    return true;
}

TimeMs api_if_match(const Request *request) {
    const TimeMs never = -1; /* a version that there is not: 412 */
    Str text = str_trim(request_header(request, STR("if-match")));
    if (!text.len || str_eq(text, STR("*"))) {
        return 0;
    }
    if (str_starts(text, STR("W/"))) { /* proxies that pack answers weaken tags, or add how */
        text = str_skip(text, 2);
    }
    if (text.len > 2 && text.ptr[0] == '"') {
        text = (Str){text.ptr + 1, text.len - 2};
    }
    if (str_ends(text, STR("-gzip"))) {
        text.len -= 5;
    }
    TimeMs time = 0;
    Err ignored;
    return time_parse_rfc3339(text, &time, &ignored) && time ? time : never;
}

void api_put_etag(Request *request, TimeMs updated_at) {
    AUTO(buf_finish) Buf buf = {0};
    buf_byte(&buf, '"');
    time_put(&buf, updated_at);
    buf_byte(&buf, '"');
    respond_header(request, "ETag", arena_str(&request->arena, buf_view(&buf)));
}

/* ---- preview ---- */

static void put_caught(JsonWriter *json, const AlertView *view) {
    json_object(json);
    json_key(json, STR("labels"));
    labels_json(json, view->alert.labels);
    json_put_str(json, "summary", labels_get(view->alert.annotations, STR("summary")));
    json_put_time(json, "startsAt", view->alert.fired_at);
    json_put_bool(json, "suppressed", view->suppressed);
    json_end(json);
}

static void put_preview(JsonWriter *json, const QuietPreview *preview) {
    json_object(json);
    json_put_array(json, "alerts");
    for (size_t i = 0; i < preview->shown_count; i++) {
        put_caught(json, &preview->shown[i]);
    }
    json_end(json);
    json_put_int(json, "alertCount", (int64_t)preview->now_count);
    json_put_object(json, "lastWeek");
    json_put_int(json, "firings", (int64_t)preview->week_firings);
    json_put_int(json, "alerts", (int64_t)preview->week_alerts);
    json_end(json);
    json_end(json);
}

/* A number of alerts; 0 where it is missing. */
static bool read_limit(const cJSON *body, size_t *ret_limit, Err *err) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(body, "limit");
    double limit = item ? cJSON_GetNumberValue(item) : 0;
    if (!(limit >= 0 && limit <= 1e9)) {
        return err_set(err, ERR_INVALID, "limit: expected a number of alerts");
    }
    *ret_limit = (size_t)limit;
    return true;
}

/* POST /api/v1/silences/preview {"matchers": [...], "limit": N}: what a silence or flag would
 * catch. The limit is on the alerts that are listed; all are counted. */
void handle_quiet_preview(Web *web, Request *request) {
    Err err = {0};
    Str text = buf_view(&request->body);
    cJSON *body = cJSON_ParseWithLength(text.ptr, text.len);
    SilenceMatcher *matchers;
    size_t count, limit = 0;
    QuietPreview preview;
    bool good = cJSON_IsObject(body) ||
                err_set(&err, ERR_INVALID, "expected a JSON object {\"matchers\": [...]}");
    good = good &&
           api_read_matchers(&request->arena, cJSON_GetObjectItemCaseSensitive(body, "matchers"),
                             &matchers, &count, &err) &&
           read_limit(body, &limit, &err) &&
           notify_quiet_preview(web_doors(web)->notify, matchers, count, limit, clock_now(),
                                &request->arena, &preview, &err);
    if (good) {
        JsonWriter json = respond_success(request);
        put_preview(&json, &preview);
        respond_success_end(&json);
    } else {
        respond_error(request, &err);
    }
    cJSON_Delete(body);
}

/* ---- audit ---- */

#define CLAIMED "claimed:"

/* `before` and `after` are JSON of our own; what is not there is null. */
static void put_state(JsonWriter *json, const char *key, Str state) {
    json_key(json, str_of(key));
    json_raw(json, state.len ? state : STR("null"));
}

static void put_audit_row(JsonWriter *json, const AuditRow *row) {
    bool claimed = str_starts(row->actor, STR(CLAIMED));
    json_object(json);
    json_put_time(json, "at", row->at);
    json_put_str(json, "actor", claimed ? str_skip(row->actor, sizeof CLAIMED - 1) : row->actor);
    json_put_bool(json, "claimed", claimed);
    json_put_str(json, "address", row->address);
    json_put_str(json, "action", row->action);
    json_put_str(json, "subject", row->subject);
    json_put_str(json, "reason", row->reason);
    put_state(json, "before", row->before);
    put_state(json, "after", row->after);
    json_end(json);
}

static bool read_audit_query(const Request *request, AuditQuery *query, Err *err) {
    query->subject = params_get(&request->params, STR("subject"));
    query->action = params_get(&request->params, STR("action"));
    query->oldest_first = true;
    return api_time(request, "from", 0, &query->from, err) &&
           api_time(request, "to", INT64_MAX, &query->to, err) &&
           api_limit(request, &query->limit, err);
}

/* GET /api/v1/audit: JSON lines, oldest first. `limit` keeps the newest. */
void handle_audit(Web *web, Request *request) {
    AUTO(arena_finish) Arena arena = {0};
    Err err = {0};
    AuditQuery query = {0};
    AuditRow *rows;
    size_t count;
    if (!read_audit_query(request, &query, &err) ||
        !state_find_audit(web_doors(web)->state, &query, &arena, &rows, &count, &err)) {
        respond_error(request, &err);
        return;
    }
    JsonWriter json = respond_json(request, 200);
    request->response.content_type = "application/x-ndjson";
    for (size_t i = 0; i < count; i++) {
        put_audit_row(&json, &rows[i]);
        json = json_writer(&request->response.body);
        buf_byte(&request->response.body, '\n');
    }
}
