/*
 * The annotation feed, in the shapes Grafana's data sources ask for.
 *
 *     GET  /api/v1/annotations   from, to, match[], tags, severity, limit: a plain list, as
 * Infinity and scripts read it POST /annotations          SimpleJSON; /search, /query, /tag-keys
 * and /tag-values are what it POST /query                and the JSON data source (which asks by
 * /query, and lists by POST /metrics              /metrics) call besides
 *
 * A query text, where a data source has one, is matchers and tags: {cluster="a"} #silence
 */

#include <cjson/cJSON.h>

#include "base/mem.h"
#include "base/number.h"
#include "notify/feed.h"
#include "web/api.h"

enum { ANNOTATIONS_DEFAULT = 1000, ANNOTATIONS_MAX = 10000, TAGS_MAX = 32 };

static const char *const targets[] = {"annotations", "alert",   "silence",
                                      "maintenance", "restart", "reload"};
enum { TARGET_COUNT = sizeof targets / sizeof *targets };

/* ---- what is asked for ---- */

/* Milliseconds, as Grafana's ${__from}; seconds with or without fraction, or RFC 3339. */
static bool parse_time(Str text, TimeMs *ret_time, Err *err) {
    int64_t number;
    if (number_parse_int(text, &number) && (number >= 100000000000 || number <= -100000000000)) {
        *ret_time = number;
        return true;
    }
    return time_parse(text, ret_time, err);
}

static bool param_time(const Request *request, const char *name, const char *other, TimeMs fallback,
                       TimeMs *ret_time, Err *err) {
    Str text = params_get(&request->params, str_of(name));
    if (!text.len) {
        name = other;
        text = params_get(&request->params, str_of(name));
    }
    *ret_time = fallback;
    return !text.len || parse_time(text, ret_time, err) ||
           err_set(err, ERR_INVALID,
                   "invalid parameter \"%s\": cannot parse \"%.*s\" to a valid timestamp", name,
                   STR_ARG(text));
}

static void add_tags(Arena *arena, Str list, FeedQuery *query) {
    Str *tags = arena_array(arena, Str, TAGS_MAX);
    size_t count = query->tag_count;
    for (size_t i = 0; i < count; i++) {
        tags[i] = query->tags[i];
    }
    while (list.len && count < TAGS_MAX) {
        size_t comma = str_find(list, ',');
        Str tag = str_trim((Str){list.ptr, comma});
        if (tag.len) {
            tags[count++] = arena_str(arena, tag);
        }
        list = str_skip(list, comma < list.len ? comma + 1 : comma);
    }
    query->tags = tags;
    query->tag_count = count;
}

static bool check_query(FeedQuery *query, Err *err) {
    query->limit = query->limit ? query->limit : ANNOTATIONS_DEFAULT;
    query->limit = query->limit < ANNOTATIONS_MAX ? query->limit : ANNOTATIONS_MAX;
    return query->from <= query->to ||
           err_set(err, ERR_INVALID, "the end of the time range is before its start");
}

static bool is_true(Str text) {
    return str_eq(text, STR("true")) || str_eq(text, STR("1"));
}

static bool read_params(Request *request, TimeMs now, ApiMatches *matches, FeedQuery *query,
                        Err *err) {
    if (!api_matches(request, matches, err) ||
        !param_time(request, "to", "end", now, &query->to, err) ||
        !param_time(request, "from", "start", query->to - DAY_MS, &query->from, err) ||
        !api_limit(request, &query->limit, err)) {
        return false;
    }
    query->sets = matches->sets;
    query->set_count = matches->count;
    query->severities = params_get(&request->params, STR("severity"));
    query->any_tag = is_true(params_get(&request->params, STR("matchAny")));
    for (size_t i = 0; i < request->params.items_count; i++) { /* tags=a,b and tags=a&tags=b */
        if (str_eq(request->params.items[i].name, STR("tags"))) {
            add_tags(&request->arena, request->params.items[i].value, query);
        }
    }
    return check_query(query, err);
}

static bool find(Web *web, const FeedQuery *query, TimeMs now, Arena *arena,
                 Annotation **ret_annotations, size_t *ret_count, Err *err) {
    /* The label of sources is in the rules' options; every shipped rule and writer uses this one.
     */
    return notify_annotations(web_doors(web)->notify, query, STR("cluster"), now, arena,
                              ret_annotations, ret_count, err);
}

static void allow_browsers(Request *request) {
    respond_header(request, "Access-Control-Allow-Origin", STR("*"));
    respond_header(request, "Cache-Control", STR("no-store"));
}

/* ---- the plain list ---- */

static void put_tags(JsonWriter *json, const Annotation *annotation) {
    json_put_array(json, "tags");
    for (size_t i = 0; i < annotation->tag_count; i++) {
        json_str(json, annotation->tags[i]);
    }
    json_end(json);
}

static void put_common(JsonWriter *json, const Annotation *annotation) {
    json_put_int(json, "time", annotation->from);
    if (annotation->is_region) {
        json_put_int(json, "timeEnd", annotation->to);
    }
    json_put_bool(json, "isRegion", annotation->is_region);
    json_put_str(json, "title", annotation->title);
    json_put_str(json, "text", annotation->text);
    put_tags(json, annotation);
}

void handle_annotations(Web *web, Request *request) {
    Err err = {0};
    ApiMatches matches = {0};
    FeedQuery query = {0};
    Annotation *annotations = NULL;
    size_t count = 0;
    AUTO(arena_finish) Arena arena = {0};
    TimeMs now = clock_now();
    if (!read_params(request, now, &matches, &query, &err) ||
        !find(web, &query, now, &arena, &annotations, &count, &err)) {
        respond_error(request, &err);
        api_matches_finish(&matches);
        return;
    }
    JsonWriter json = respond_json(request, 200);
    json_array(&json);
    for (size_t i = 0; i < count; i++) {
        json_object(&json);
        put_common(&json, &annotations[i]);
        json_put_str(&json, "id", annotations[i].id);
        json_put_str(&json, "kind", str_of(annotation_kind_text(annotations[i].kind)));
        json_put_bool(&json, "open", annotations[i].is_open);
        if (annotations[i].kind == ANNOTATION_ALERT) {
            json_key(&json, STR("labels"));
            labels_json(&json, annotations[i].labels);
        }
        json_end(&json);
    }
    json_end(&json);
    allow_browsers(request);
    api_matches_finish(&matches);
}

/* ---- bodies of data sources ---- */

typedef struct Asked {
    cJSON *body;
    FeedQuery query;
    MatcherSet set;
} Asked;

static void asked_finish(Asked *asked) {
    cJSON_Delete(asked->body);
    matcher_set_finish(&asked->set);
}

/* "{a=\"b\", c=~\"d\"} #silence #prod" */
static bool read_text(Arena *arena, Str text, Asked *asked, Err *err) {
    size_t end = text.len;
    while (end && text.ptr[end - 1] != '}') {
        end--;
    }
    bool braces = end && str_starts(str_trim(text), STR("{"));
    if (braces && !matcher_list_parse(arena, (Str){text.ptr, end}, &asked->set, err)) {
        return false;
    }
    AUTO(buf_finish) Buf loose = {0}; /* matchers without braces */
    Str rest = braces ? str_skip(text, end) : text;
    while ((rest = str_trim(rest)).len) {
        size_t space = str_find(rest, ' ');
        Str word = {rest.ptr, space};
        if (str_starts(word, STR("#"))) {
            add_tags(arena, str_skip(word, 1), &asked->query);
        } else {
            buf_str(&loose, word);
            buf_byte(&loose, ' ');
        }
        rest = str_skip(rest, space);
    }
    if (loose.len && braces) {
        return err_set(err, ERR_INVALID, "expected #tags after the matchers, not \"%.*s\"",
                       STR_ARG(buf_view(&loose)));
    }
    if (loose.len && !matcher_list_parse(arena, arena_str(arena, str_trim(buf_view(&loose))),
                                         &asked->set, err)) {
        return false;
    }
    if (asked->set.count) {
        asked->query.sets = &asked->set;
        asked->query.set_count = 1;
    }
    return true;
}

static bool range_time(const cJSON *range, const char *key, TimeMs fallback, TimeMs *ret_time,
                       Err *err) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(range, key);
    *ret_time = fallback;
    if (cJSON_IsNumber(item)) {
        *ret_time = (TimeMs)item->valuedouble;
        return true;
    }
    return !cJSON_IsString(item) || parse_time(str_of(item->valuestring), ret_time, err) ||
           err_context(err, "range.%s", key);
}

/* The body, and the range in it. */
static bool read_body(const Request *request, TimeMs now, Asked *asked, Err *err) {
    Str body = buf_view(&request->body);
    asked->body = cJSON_ParseWithLength(body.ptr, body.len);
    if (!cJSON_IsObject(asked->body)) {
        return err_set(err, ERR_INVALID, "expected a JSON object with `range`");
    }
    const cJSON *range = cJSON_GetObjectItemCaseSensitive(asked->body, "range");
    return range_time(range, "to", now, &asked->query.to, err) &&
           range_time(range, "from", asked->query.to - DAY_MS, &asked->query.from, err) &&
           check_query(&asked->query, err);
}

static Str text_member(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? str_of(item->valuestring) : STR("");
}

void handle_simple_annotations(Web *web, Request *request) {
    Err err = {0};
    Asked asked = {0};
    Annotation *annotations = NULL;
    size_t count = 0;
    AUTO(arena_finish) Arena arena = {0};
    TimeMs now = clock_now();
    bool good = read_body(request, now, &asked, &err);
    const cJSON *annotation = cJSON_GetObjectItemCaseSensitive(asked.body, "annotation");
    if (!good || !read_text(&arena, text_member(annotation, "query"), &asked, &err) ||
        !find(web, &asked.query, now, &arena, &annotations, &count, &err)) {
        respond_error(request, &err);
        asked_finish(&asked);
        return;
    }
    char *echo = annotation ? cJSON_PrintUnformatted(annotation) : NULL;
    JsonWriter json = respond_json(request, 200);
    json_array(&json);
    for (size_t i = 0; i < count; i++) {
        json_object(&json);
        if (echo) {
            json_key(&json, STR("annotation"));
            json_raw(&json, str_of(echo));
        }
        put_common(&json, &annotations[i]);
        json_end(&json);
    }
    json_end(&json);
    allow_browsers(request);
    cJSON_free(echo);
    asked_finish(&asked);
}

/* ---- /query: tables ---- */

static void put_columns(JsonWriter *json) {
    static const char *const columns[][2] = {{"time", "time"},    {"timeEnd", "time"},
                                             {"title", "string"}, {"text", "string"},
                                             {"tags", "string"},  {"id", "string"}};
    json_put_array(json, "columns");
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        json_object(json);
        json_put_str(json, "text", str_of(columns[i][0]));
        json_put_str(json, "type", str_of(columns[i][1]));
        json_end(json);
    }
    json_end(json);
}

static void put_table_row(JsonWriter *json, const Annotation *annotation) {
    AUTO(buf_finish) Buf tags = {0};
    for (size_t i = 0; i < annotation->tag_count; i++) {
        buf_str(&tags, i ? STR(",") : STR(""));
        buf_str(&tags, annotation->tags[i]);
    }
    json_array(json);
    json_int(json, annotation->from);
    json_int(json, annotation->to);
    json_str(json, annotation->title);
    json_str(json, annotation->text);
    json_str(json, buf_view(&tags));
    json_str(json, annotation->id);
    json_end(json);
}

/* A target is one of our kinds; its payload (a text, or an object with `query`) narrows it. */
static bool answer_target(Web *web, const cJSON *target, const FeedQuery *range, TimeMs now,
                          JsonWriter *json, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Asked asked = {.query = *range};
    Str name = text_member(target, "target");
    const cJSON *payload = cJSON_GetObjectItemCaseSensitive(target, "payload");
    Str text =
        cJSON_IsString(payload) ? str_of(payload->valuestring) : text_member(payload, "query");
    bool known = !name.len || str_eq(name, STR("annotations"));
    for (size_t i = 1; i < TARGET_COUNT && !known; i++) {
        known = str_eq(name, str_of(targets[i]));
        if (known) {
            add_tags(&arena, name, &asked.query);
        }
    }
    Annotation *annotations = NULL;
    size_t count = 0;
    bool good = (known || err_set(err, ERR_INVALID, "unknown target \"%.*s\"", STR_ARG(name))) &&
                read_text(&arena, text, &asked, err) &&
                find(web, &asked.query, now, &arena, &annotations, &count, err);
    if (good) {
        json_object(json);
        json_put_str(json, "refId", text_member(target, "refId"));
        json_put_str(json, "target", name);
        json_put_str(json, "type", STR("table"));
        put_columns(json);
        json_put_array(json, "rows");
        for (size_t i = 0; i < count; i++) {
            put_table_row(json, &annotations[i]);
        }
        json_end(json);
        json_end(json);
    }
    asked_finish(&asked);
    return good;
}

/* InfluxDB's clients ask by the same path, with a form or parameters; Grafana's send JSON. */
void handle_simple_query(Web *web, Request *request) {
    if (!str_starts(str_trim(buf_view(&request->body)), STR("{"))) {
        handle_influx_query(web, request);
        return;
    }
    Err err = {0};
    Asked asked = {0};
    TimeMs now = clock_now();
    bool good = read_body(request, now, &asked, &err);
    JsonWriter json = respond_json(request, 200);
    json_array(&json);
    const cJSON *target;
    cJSON_ArrayForEach(target, cJSON_GetObjectItemCaseSensitive(asked.body, "targets")) {
        good = good && answer_target(web, target, &asked.query, now, &json, &err);
    }
    if (good) {
        json_end(&json);
        allow_browsers(request);
    } else {
        respond_error(request, &err);
    }
    asked_finish(&asked);
}

/* ---- what there is to choose ---- */

void handle_simple_search(Web *web, Request *request) {
    (void)web;
    JsonWriter json = respond_json(request, 200);
    json_array(&json);
    for (size_t i = 0; i < TARGET_COUNT; i++) {
        json_str(&json, str_of(targets[i]));
    }
    json_end(&json);
    allow_browsers(request);
}

/* The JSON data source's list of metrics, each with a field for a query text. */
void handle_json_metrics(Web *web, Request *request) {
    (void)web;
    JsonWriter json = respond_json(request, 200);
    json_array(&json);
    for (size_t i = 0; i < TARGET_COUNT; i++) {
        json_object(&json);
        json_put_str(&json, "label", str_of(targets[i]));
        json_put_str(&json, "value", str_of(targets[i]));
        json_put_array(&json, "payloads");
        json_object(&json);
        json_put_str(&json, "name", STR("query"));
        json_put_str(&json, "label", STR("Query"));
        json_put_str(&json, "type", STR("input"));
        json_put_str(&json, "placeholder", STR("{cluster=\"a\"} #tag"));
        json_end(&json);
        json_end(&json);
        json_end(&json);
    }
    json_end(&json);
    allow_browsers(request);
}

void handle_empty_list(Web *web, Request *request) {
    (void)web;
    JsonWriter json = respond_json(request, 200);
    json_array(&json);
    json_end(&json);
    allow_browsers(request);
}

enum { LABELS_FROM = 2000 }; /* the newest so many: a list to choose from has to come at once */

/* Label names of the last week's alerts, or with a `key` the values of that label. */
static void list_labels(Web *web, Request *request, Str key, bool values) {
    Err err = {0};
    AUTO(arena_finish) Arena arena = {0};
    const Str alert_tag = STR("alert");
    TimeMs now = clock_now();
    FeedQuery query = {.from = now - 7 * DAY_MS, .to = now, .tags = &alert_tag, .tag_count = 1};
    query.limit = LABELS_FROM;
    Annotation *annotations = NULL;
    size_t count = 0;
    if (!find(web, &query, now, &arena, &annotations, &count, &err)) {
        respond_error(request, &err);
        return;
    }
    Str known[1000];
    size_t known_count = 0;
    JsonWriter json = respond_json(request, 200);
    json_array(&json);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < annotations[i].labels.count && known_count < 1000; j++) {
            Label label = annotations[i].labels.items[j];
            Str word = values ? label.value : label.name;
            bool skip = values && !str_eq(label.name, key);
            for (size_t k = 0; k < known_count && !skip; k++) {
                skip = str_eq(known[k], word);
            }
            if (!skip) {
                known[known_count++] = word;
                json_object(&json);
                if (!values) {
                    json_put_str(&json, "type", STR("string"));
                }
                json_put_str(&json, "text", word);
                json_end(&json);
            }
        }
    }
    json_end(&json);
    allow_browsers(request);
}

void handle_tag_keys(Web *web, Request *request) {
    list_labels(web, request, STR(""), false);
}

void handle_tag_values(Web *web, Request *request) {
    Str text = buf_view(&request->body);
    cJSON *body = cJSON_ParseWithLength(text.ptr, text.len);
    list_labels(web, request, text_member(body, "key"), true);
    cJSON_Delete(body);
}
