/* Requests to a Prometheus-compatible API. */

#include "engine/engine_remote.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/remote_sources.h"
#include "engine/remote_writer.h"
#include "promql/ast.h"

enum {
    IN_FLIGHT_MAX = 32,
    ANSWER_BYTES_MAX = 256 << 20,
};
static const DurationMs TIMEOUT_DEFAULT = 30 * SECOND_MS;

struct RemoteEngine {
    Arena arena; /* owns the texts */
    Net *net;
    Str query_url, range_url, write_url;
    Str *params; /* "key=value", both encoded */
    size_t param_count;
    NetOptions options;
    RemoteWriter *writer;
    RemoteSources *sources;
};

/* ---- making ---- */

/* Bytes that stand for themselves in a form (RFC 3986, unreserved). */
static bool is_unreserved(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte && strchr("-._~", byte));
}

static void put_encoded(Buf *buf, Str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (is_unreserved(text.ptr[i])) {
            buf_byte(buf, text.ptr[i]);
        } else {
            buf_printf(buf, "%%%02X", (unsigned)(uint8_t)text.ptr[i]);
        }
    }
}

static Str *make_params(Arena *arena, const EngineRemoteOptions *options) {
    Str *params = arena_array(arena, Str, options->param_count + 1);
    for (size_t i = 0; i < options->param_count; i++) {
        AUTO(buf_finish) Buf buf = {0};
        Str param = options->params[i];
        size_t equals = str_find(param, '=');
        put_encoded(&buf, (Str){param.ptr, equals});
        buf_byte(&buf, '=');
        put_encoded(&buf, str_skip(param, equals < param.len ? equals + 1 : equals));
        params[i] = arena_str(arena, buf_view(&buf));
    }
    return params;
}

/* Deep copy: what configuration gave may be reloaded. */
static NetOptions copy_options(Arena *arena, const NetOptions *from) {
    NetOptions to = *from;
    Str *const texts[] = {&to.proxy_url,   &to.ca_file,     &to.cert_file, &to.key_file,
                          &to.server_name, &to.username,    &to.password,  &to.password_file,
                          &to.bearer,      &to.bearer_file, &to.auth_type, &to.no_proxy,
                          &to.ca,          &to.cert,        &to.key,       &to.username_file};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i]->ptr) {
            *texts[i] = arena_str(arena, *texts[i]);
        }
    }
    Str *headers = arena_array(arena, Str, from->header_count);
    for (size_t i = 0; i < from->header_count; i++) {
        headers[i] = arena_str(arena, from->headers[i]);
    }
    to.headers = headers;
    NetHeaderFile *files = arena_array(arena, NetHeaderFile, from->header_file_count);
    for (size_t i = 0; i < from->header_file_count; i++) {
        files[i] = (NetHeaderFile){arena_str(arena, from->header_files[i].name),
                                   arena_str(arena, from->header_files[i].path)};
    }
    to.header_files = files;
    Str *proxy_headers = arena_array(arena, Str, from->proxy_header_count);
    for (size_t i = 0; i < from->proxy_header_count; i++) {
        proxy_headers[i] = arena_str(arena, from->proxy_headers[i]);
    }
    to.proxy_headers = proxy_headers;
    if (from->oauth2) {
        NetOauth2 *oauth2 = arena_new(arena, NetOauth2);
        NetOptions *transport = arena_new(arena, NetOptions);
        *transport = copy_options(arena, from->oauth2->options);
        *oauth2 =
            (NetOauth2){.client_id = arena_str(arena, from->oauth2->client_id),
                        .client_secret = arena_str(arena, from->oauth2->client_secret),
                        .client_secret_file = arena_str(arena, from->oauth2->client_secret_file),
                        .token_url = arena_str(arena, from->oauth2->token_url),
                        .form = arena_str(arena, from->oauth2->form),
                        .options = transport};
        to.oauth2 = oauth2;
    }
    return to;
}

RemoteEngine *remote_engine_new(Net *net, const EngineRemoteOptions *options) {
    RemoteEngine *engine = mem_zero(1, sizeof *engine);
    Arena *arena = &engine->arena;
    engine->net = net;
    size_t length = strlen(options->url);
    while (length && options->url[length - 1] == '/') {
        length--;
    }
    int shown = (int)length;
    engine->query_url = arena_printf(arena, "%.*s/api/v1/query", shown, options->url);
    engine->range_url = arena_printf(arena, "%.*s/api/v1/query_range", shown, options->url);
    engine->write_url = options->write_url
                            ? arena_str(arena, str_of(options->write_url))
                            : arena_printf(arena, "%.*s/api/v1/write", shown, options->url);
    engine->params = make_params(arena, options);
    engine->param_count = options->param_count;
    if (options->net) {
        engine->options = copy_options(arena, options->net);
    }
    engine->sources = remote_sources_new();
    engine->writer = remote_writer_new(net, engine->write_url, &engine->options);
    return engine;
}

void remote_engine_free(RemoteEngine *engine) {
    if (engine) {
        remote_writer_free(engine->writer);
        remote_sources_free(engine->sources);
        arena_finish(&engine->arena);
        free(engine);
    }
}

/* ---- asking ---- */

static void put_seconds(Buf *buf, const char *key, int64_t ms) {
    const char *sign = ms < 0 ? "-" : "";
    uint64_t size = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    buf_printf(buf, "&%s=%s%llu.%03u", key, sign, (unsigned long long)(size / 1000),
               (unsigned)(size % 1000));
}

/* Arguments of the group, and of the engine those the group has none of. */
static void put_params(Buf *buf, const RemoteEngine *engine, const EngineExtra *extra) {
    AUTO(buf_finish) Buf own = {0};
    for (size_t i = 0; i < extra->param_count; i++) {
        buf_byte(&own, '&');
        put_encoded(&own, extra->params[i].name);
        buf_byte(&own, '=');
        put_encoded(&own, extra->params[i].value);
    }
    buf_str(buf, buf_view(&own));
    for (size_t i = 0; i < engine->param_count; i++) {
        Str param = engine->params[i];
        size_t name_len = str_find(param, '=') + 1;
        bool is_set = false;
        for (size_t at = 0; at + 1 + name_len <= own.len && !is_set; at++) {
            is_set = own.ptr[at] == '&' && memcmp(own.ptr + at + 1, param.ptr, name_len) == 0;
        }
        if (!is_set) {
            buf_byte(buf, '&');
            buf_str(buf, param);
        }
    }
}

static Str query_body(Arena *arena, const RemoteEngine *engine, const EngineExpr *expr,
                      QueryRange range, const QueryOptions *options) {
    static const EngineExtra nothing = {0};
    AUTO(buf_finish) Buf buf = {0};
    buf_str(&buf, STR("query="));
    put_encoded(&buf, expr->text);
    if (range.step) {
        put_seconds(&buf, "start", range.from);
        put_seconds(&buf, "end", range.to);
        put_seconds(&buf, "step", range.step);
    } else {
        put_seconds(&buf, "time", range.to);
        DurationMs step = options->lookback ? options->lookback : options->default_step;
        if (step) {
            /* Prometheus ignores it. VictoriaMetrics looks back so far for the newest sample and
             * takes its implicit windows from it: vmalert's -datasource.queryStep. */
            put_seconds(&buf, "step", step);
        }
    }
    if (expr->expr && expr->expr->flavour == PROMQL_METRICSQL) {
        buf_str(&buf, STR("&flavour=metricsql")); /* a Belfry would read it as PromQL */
    }
    put_params(&buf, engine, expr->extra ? expr->extra : &nothing);
    return arena_str(arena, buf_view(&buf));
}

/* What is left until the deadline. */
static DurationMs time_left(const QueryOptions *options) {
    const QueryBudget *budget = &options->budget;
    DurationMs most = budget->timeout_ns ? budget->timeout_ns / 1000000 : TIMEOUT_DEFAULT;
    if (budget->deadline_ns == 0) {
        return most > 1 ? most : 1;
    }
    int64_t left = (budget->deadline_ns - clock_monotonic_ns()) / 1000000;
    left = budget->timeout_ns && most < left ? most : left;
    return left > 1 ? left : 1;
}

static bool is_cancelled(const QueryOptions *options) {
    return options->budget.cancelled && *options->budget.cancelled;
}

static void send_query(const RemoteEngine *engine, NetBox *box, const EngineExpr *expr,
                       QueryRange range, const QueryOptions *options, size_t index) {
    AUTO(arena_finish) Arena arena = {0};
    NetRequest request = {
        .method = STR("POST"),
        .url = range.step ? engine->range_url : engine->query_url,
        .body = query_body(&arena, engine, expr, range, options),
        .content_type = STR("application/x-www-form-urlencoded"),
        .options = &engine->options,
        .headers = expr->extra ? expr->extra->headers : NULL,
        .header_count = expr->extra ? expr->extra->header_count : 0,
        .timeout = time_left(options),
        .answer_bytes_max = ANSWER_BYTES_MAX,
        .tag = index,
    };
    net_send(box, &request);
}

static bool read_answer(const NetAnswer *answer, Arena *arena, Value *ret_value, Err *err) {
    bool ok = answer->ok;
    if (ok) {
        ok = remote_answer_read(arena, answer->status, answer->body, ret_value, err);
    } else {
        *err = answer->err;
    }
    ret_value->stats.eval_ns = answer->took * 1000000;
    return ok;
}

/* Expressions that follow each other with the same extra: the rules of a group. */
typedef struct Turn {
    size_t next, end; /* to be sent */
    int64_t flying, flying_max;
} Turn;

/* One for each run of expressions; `turn_of` tells each expression's. */
static Turn *list_turns(Arena *arena, const EngineExpr *exprs, size_t count, uint32_t *turn_of,
                        size_t *ret_count) {
    Turn *turns = arena_array(arena, Turn, count + 1);
    size_t turn_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || exprs[i].extra != exprs[i - 1].extra) {
            int64_t most = exprs[i].extra ? exprs[i].extra->in_flight_max : 0;
            turns[turn_count++] = (Turn){.next = i, .flying_max = most > 0 ? most : INT64_MAX};
        }
        turns[turn_count - 1].end = i + 1;
        turn_of[i] = (uint32_t)(turn_count - 1);
    }
    *ret_count = turn_count;
    return turns;
}

/* What is not asked any more fails as what took too long. */
static size_t end_turn(Turn *turn, Err *errs) {
    size_t left = turn->end - turn->next;
    for (; turn->next < turn->end; turn->next++) {
        err_set(&errs[turn->next], ERR_TIMEOUT,
                "not asked, as another query of the group took too long");
    }
    return left;
}

void remote_query(const RemoteEngine *engine, const EngineExpr *exprs, size_t count,
                  QueryRange range, const QueryOptions *options, Arena *arena, Value *ret_values,
                  bool *ret_ok, Err *errs) {
    AUTO(arena_finish) Arena scratch = {0};
    NetBox *box = net_box_new(engine->net);
    size_t flying = 0, done = 0, first = 0, turn_count = 0;
    uint32_t *turn_of = arena_array(&scratch, uint32_t, count + 1);
    Turn *turns = list_turns(&scratch, exprs, count, turn_of, &turn_count);
    for (size_t i = 0; i < count; i++) {
        ret_ok[i] = false;
        err_set(&errs[i], ERR_CANCELLED, "query was cancelled");
    }
    while (done < count && !is_cancelled(options)) {
        for (size_t t = first; t < turn_count && flying < IN_FLIGHT_MAX; t++) {
            Turn *turn = &turns[t];
            for (; turn->next < turn->end && turn->flying < turn->flying_max &&
                   flying < IN_FLIGHT_MAX;
                 turn->flying++, flying++) {
                send_query(engine, box, &exprs[turn->next], range, options, turn->next);
                turn->next++;
            }
            first += t == first && turn->next >= turn->end;
        }
        NetAnswer answer;
        if (!net_take(box, 100, &answer)) {
            continue;
        }
        size_t i = (size_t)answer.tag;
        assert(i < count);
        ret_ok[i] = read_answer(&answer, arena, &ret_values[i], &errs[i]);
        net_answer_finish(&answer);
        turns[turn_of[i]].flying--;
        flying--;
        done++;
        if (options->group_timeout && !ret_ok[i] && errs[i].kind == ERR_TIMEOUT) {
            done += end_turn(&turns[turn_of[i]], errs);
        }
    }
    net_box_free(box);
}

/* ---- writing ---- */

void remote_write_send(NetBox *box, Str url, const NetOptions *options, Str body) {
    const Str headers[] = {STR("Content-Encoding: snappy"),
                           STR("X-Prometheus-Remote-Write-Version: 0.1.0")};
    net_send(box, &(NetRequest){
                      .method = STR("POST"),
                      .url = url,
                      .body = body,
                      .content_type = STR("application/x-protobuf"),
                      .options = options,
                      .headers = headers,
                      .header_count = sizeof headers / sizeof headers[0],
                      .timeout = TIMEOUT_DEFAULT,
                      .answer_bytes_max = 64 << 10,
                  });
}

bool remote_write_judge(const NetAnswer *answer, Err *err) {
    if (!answer->ok) {
        *err = answer->err;
        return false;
    }
    if (answer->status / 100 == 2) {
        return true;
    }
    bool is_final = answer->status / 100 == 4 && answer->status != 429;
    return err_set(err, is_final ? ERR_INVALID : ERR_IO,
                   "remote write was refused with status %d: %.*s", answer->status,
                   answer->body.len < 300 ? (int)answer->body.len : 300, answer->body.ptr);
}

bool remote_write(const RemoteEngine *engine, const SampleBatch *batch, uint64_t *ret_lsn,
                  Err *err) {
    AUTO(buf_finish) Buf plain = {0};
    AUTO(buf_finish) Buf body = {0};
    if (!remote_write_encode(batch, &plain, err) ||
        !remote_write_compress(buf_view(&plain), &body, err)) {
        return false;
    }
    NetBox *box = net_box_new(engine->net);
    NetAnswer answer;
    remote_write_send(box, engine->write_url, &engine->options, buf_view(&body));
    while (!net_take(box, SECOND_MS, &answer)) {
    }
    bool ok = remote_write_judge(&answer, err);
    net_answer_finish(&answer);
    net_box_free(box);
    *ret_lsn = 0;
    return ok;
}

bool remote_write_later(const RemoteEngine *engine, const SampleBatch *batch, uint64_t *ret_ticket,
                        Err *err) {
    AUTO(buf_finish) Buf plain = {0};
    return remote_write_encode(batch, &plain, err) &&
           remote_writer_add(engine->writer, &plain, batch->row_count, ret_ticket, err);
}

EngineWritten remote_written(const RemoteEngine *engine, uint64_t ticket, DurationMs wait,
                             Err *err) {
    return remote_writer_wait(engine->writer, ticket, wait, err);
}

RemoteSources *remote_engine_sources(const RemoteEngine *engine) {
    return engine->sources;
}

void remote_metrics(const RemoteEngine *engine, MetricWriter *out) {
    remote_writer_metrics(engine->writer, out);
}
