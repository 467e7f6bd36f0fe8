#include "app/client.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/number.h"
#include "net/net.h"

enum { ANSWER_BYTES_MAX = 256 << 20, CALL_TIMEOUT_MS = 150 * 1000 };

Str client_url(const Args *args, Arena *arena) {
    const char *url = args_get(args, "url");
    if (!url) {
        url = getenv("BELFRY_URL");
    }
    Str text = str_of(url && *url ? url : "http://127.0.0.1:8119");
    while (text.len && text.ptr[text.len - 1] == '/') {
        text.len--;
    }
    return arena_str(arena, text);
}

/* What the server says of a refusal: Prometheus' {"error": ...}, a bare JSON string, {"message":
 * ...}, or the text as it is. */
static Str refusal_text(Str body, Arena *arena) {
    cJSON *json = cJSON_ParseWithLength(body.ptr, body.len);
    Str text = str_trim(body);
    if (cJSON_IsString(json)) {
        text = str_of(json->valuestring);
    } else if (*client_text(json, "error")) {
        text = str_of(client_text(json, "error"));
    } else if (*client_text(json, "message")) {
        text = str_of(client_text(json, "message"));
    }
    text = arena_str(arena, text);
    cJSON_Delete(json);
    return text;
}

static ErrKind kind_of_status(int status) {
    switch (status) {
    case 404:
        return ERR_NOT_FOUND;
    case 409:
    case 412:
        return ERR_CONFLICT;
    case 422:
        return ERR_LIMIT;
    default:
        return status >= 500 ? ERR_IO : ERR_INVALID;
    }
}

/* `header`: one more, or "". */
static bool call(Str url, const char *method, Str path, Str body, Str header, DurationMs timeout,
                 Arena *arena, Str *ret_answer, Err *err) {
    AUTO(net_closep) Net *net = NULL;
    if (!net_open(&net, err)) {
        return false;
    }
    bool json = body.len && (body.ptr[0] == '{' || body.ptr[0] == '[');
    NetRequest request = {
        .method = str_of(method),
        .url = arena_printf(arena, "%.*s%.*s", STR_ARG(url), STR_ARG(path)),
        .body = body,
        .content_type = body.len == 0 ? STR("")
                        : json        ? STR("application/json")
                                      : STR("application/x-www-form-urlencoded"),
        .headers = &header,
        .header_count = header.len > 0,
        .timeout = timeout,
        .answer_bytes_max = ANSWER_BYTES_MAX,
    };
    NetAnswer answer = {0};
    if (!net_call(net, &request, &answer, err)) {
        return false;
    }
    bool good = answer.ok && answer.status / 100 == 2;
    if (!answer.ok) {
        err_set(err, answer.err.kind, "%s (is the server running?)", answer.err.text);
    } else if (!good) {
        Str text = refusal_text(answer.body, arena);
        err_set(err, kind_of_status(answer.status), "%.*s (HTTP %d)", STR_ARG(text), answer.status);
    } else {
        *ret_answer = arena_str(arena, answer.body);
    }
    net_answer_finish(&answer);
    return good;
}

bool client_call(Str url, const char *method, Str path, Str body, Arena *arena, Str *ret_answer,
                 Err *err) {
    return call(url, method, path, body, STR(""), CALL_TIMEOUT_MS, arena, ret_answer, err);
}

bool client_call_patiently(Str url, const char *method, Str path, Str body, Arena *arena,
                           Str *ret_answer, Err *err) {
    return call(url, method, path, body, STR(""), DAY_MS, arena, ret_answer, err);
}

static bool parse_answer(Str url, Str text, cJSON **ret_answer, Err *err) {
    cJSON *json = cJSON_ParseWithLength(text.ptr, text.len);
    if (!json && str_trim(text).len) {
        return err_set(err, ERR_IO, "%.*s: the answer is not JSON; is this a Belfry?",
                       STR_ARG(url));
    }
    *ret_answer = json;
    return true;
}

bool client_json(Str url, const char *method, Str path, Str body, cJSON **ret_answer, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Str text = {0};
    return client_call(url, method, path, body, &arena, &text, err) &&
           parse_answer(url, text, ret_answer, err);
}

bool client_edit(Str url, Str path, Str body, Str header, cJSON **ret_answer, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Str text = {0};
    return call(url, "POST", path, body, header, CALL_TIMEOUT_MS, &arena, &text, err) &&
           parse_answer(url, text, ret_answer, err);
}

Str client_escape(Arena *arena, Str text) {
    static const char digits[] = "0123456789ABCDEF";
    char *out = arena_alloc(arena, text.len * 3 + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c && strchr("-._~", c));
        if (plain) {
            out[len++] = (char)c;
        } else {
            out[len++] = '%';
            out[len++] = digits[c >> 4];
            out[len++] = digits[c & 15];
        }
    }
    return (Str){out, len};
}

Str client_author(const Args *args) {
    const char *author = args_get(args, "author"), *user = getenv("USER");
    if (author || (user && *user)) {
        return str_of(author ? author : user);
    }
    const struct passwd *entry = getpwuid(geteuid()); /* jobs and containers have no $USER */
    return str_of(entry ? entry->pw_name : "unknown");
}

const char *client_text(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

bool client_last(const Args *args, DurationMs fallback, TimeMs now, Buf *path, Err *err) {
    const char *last = args_get(args, "last");
    DurationMs span = fallback;
    if (last && !duration_parse(str_of(last), &span, err)) {
        return err_context(err, "--last");
    }
    buf_printf(path, "start=%.3f&end=%.3f", (double)(now - span) / 1000, (double)now / 1000);
    return true;
}
