#include "backup/s3.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"

enum {
    TRIES_MAX = 5,
    CALL_TIMEOUT_MS = 10 * 60 * 1000,
    LISTING_BYTES_MAX = 16 << 20,
    REFUSAL_BYTES_MAX = 64 << 10,
    FOLDERS_MAX = 100 * 1000,
};

/* ---- addresses ---- */

/* Percent-encodes as AWS signs it: all but A-Z a-z 0-9 - . _ ~, and '/' where `path`. */
static Str escape(Arena *arena, Str text, bool path) {
    static const char digits[] = "0123456789ABCDEF";
    char *out = arena_alloc(arena, text.len * 3 + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c && strchr("-._~", c)) || (path && c == '/');
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

static Str without_slashes(Str text) {
    while (text.len && text.ptr[0] == '/') {
        text = str_skip(text, 1);
    }
    while (text.len && text.ptr[text.len - 1] == '/') {
        text.len--;
    }
    return text;
}

bool s3_open(Net *net, const BackupTarget *target, Arena *arena, S3 *ret_s3, Err *err) {
    Str place = str_skip(target->to, strlen("s3://"));
    size_t slash = str_find(place, '/');
    Str bucket = {place.ptr, slash};
    Str prefix = without_slashes(str_skip(place, slash));
    Str region = target->region.len ? target->region : STR("us-east-1");
    Str endpoint = target->endpoint;
    while (endpoint.len && endpoint.ptr[endpoint.len - 1] == '/') {
        endpoint.len--;
    }
    if (endpoint.len == 0) {
        endpoint = arena_printf(arena, "https://s3.%.*s.amazonaws.com", STR_ARG(region));
    }
    if (bucket.len == 0) {
        return err_set(err, ERR_INVALID, "%.*s: names no bucket", STR_ARG(target->to));
    }
    Str escaped = escape(arena, bucket, false);
    *ret_s3 = (S3){.net = net,
                   .base = arena_printf(arena, "%.*s/%.*s", STR_ARG(endpoint), STR_ARG(escaped)),
                   .prefix = prefix.len ? arena_printf(arena, "%.*s/", STR_ARG(prefix)) : STR(""),
                   .signature = arena_printf(arena, "aws:amz:%.*s:s3", STR_ARG(region)),
                   .target = target};
    return true;
}

/* ---- one exchange ---- */

static bool is_passing(const NetAnswer *answer) {
    return !answer->ok || answer->status == 429 || answer->status >= 500;
}

/* "SignatureDoesNotMatch: The request ..." out of S3's XML, or the beginning of what came. */
static Str refusal(Str body, Arena *arena) {
    Str parts[2] = {STR(""), STR("")};
    static const char *const tags[2][2] = {{"<Code>", "</Code>"}, {"<Message>", "</Message>"}};
    for (int i = 0; i < 2; i++) {
        const char *from = memmem(body.ptr, body.len, tags[i][0], strlen(tags[i][0]));
        if (from) {
            Str rest = str_skip(body, (size_t)(from - body.ptr) + strlen(tags[i][0]));
            const char *to = memmem(rest.ptr, rest.len, tags[i][1], strlen(tags[i][1]));
            parts[i] = (Str){rest.ptr, to ? (size_t)(to - rest.ptr) : 0};
        }
    }
    if (parts[0].len) {
        return arena_printf(arena, "%.*s: %.*s", STR_ARG(parts[0]), STR_ARG(parts[1]));
    }
    body = str_trim(body);
    return arena_str(arena, (Str){body.ptr, body.len < 200 ? body.len : 200});
}

static ErrKind kind_of(int status) {
    return status == 404 ? ERR_NOT_FOUND : status == 401 || status == 403 ? ERR_INVALID : ERR_IO;
}

static bool call_once(const S3 *s3, const NetRequest *request, NetAnswer *answer, Err *err) {
    if (s3->cancelled && *s3->cancelled) {
        return err_set(err, ERR_CANCELLED, "cancelled");
    }
    return net_call(s3->net, request, answer, err);
}

static bool call(const S3 *s3, NetRequest *request, Str what, Arena *arena, Str *ret_body,
                 Err *err) {
    const BackupTarget *target = s3->target;
    /* S3 wants the hash as a header, which this libcurl signs but does not add. */
    char hash[65];
    sha256_hex(request->body, hash);
    Str headers[] = {
        arena_printf(arena, "X-Amz-Content-Sha256: %s", hash),
        arena_printf(arena, "X-Amz-Security-Token: %.*s", STR_ARG(target->session_token)),
    };
    NetOptions options = {.aws_sigv4 = s3->signature,
                          .username = target->access_key,
                          .password = target->secret_key,
                          .headers = headers,
                          .header_count = target->session_token.len ? 2 : 1,
                          .no_redirects = true};
    request->options = &options;
    request->timeout = CALL_TIMEOUT_MS;
    for (unsigned tries = 1;; tries++) {
        NetAnswer answer = {0};
        if (!call_once(s3, request, &answer, err)) {
            return false;
        }
        bool good = answer.ok && answer.status / 100 == 2;
        if (good) {
            *ret_body = arena_str(arena, answer.body);
        } else if (!answer.ok) {
            err_set(err, answer.err.kind, "%.*s: %s", STR_ARG(what), answer.err.text);
        } else {
            Str text = refusal(answer.body, arena);
            err_set(err, kind_of(answer.status), "%.*s: HTTP %d: %.*s", STR_ARG(what),
                    answer.status, STR_ARG(text));
        }
        bool again = !good && is_passing(&answer) && tries < TRIES_MAX;
        net_answer_finish(&answer);
        if (!again) {
            return good;
        }
        usleep((useconds_t)100000 << tries); /* 0.2, 0.4, 0.8, 1.6 s */
    }
}

static Str url_of(const S3 *s3, Str key, Arena *arena) {
    Str whole = arena_printf(arena, "%.*s%.*s", STR_ARG(s3->prefix), STR_ARG(key));
    Str escaped = escape(arena, whole, true);
    return arena_printf(arena, "%.*s/%.*s", STR_ARG(s3->base), STR_ARG(escaped));
}

bool s3_put(const S3 *s3, Str key, Str bytes, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Str ignored;
    NetRequest request = {.method = STR("PUT"),
                          .url = url_of(s3, key, &arena),
                          .body = bytes,
                          .content_type = STR("application/octet-stream"),
                          .answer_bytes_max = REFUSAL_BYTES_MAX};
    return call(s3, &request, arena_printf(&arena, "put %.*s", STR_ARG(key)), &arena, &ignored,
                err);
}

bool s3_get(const S3 *s3, Str key, size_t bytes_max, Arena *arena, Str *ret_bytes, Err *err) {
    NetRequest request = {.method = STR("GET"),
                          .url = url_of(s3, key, arena),
                          .answer_bytes_max = bytes_max + REFUSAL_BYTES_MAX};
    return call(s3, &request, arena_printf(arena, "get %.*s", STR_ARG(key)), arena, ret_bytes, err);
}

/* ---- listing ---- */

/* The text of the next `<tag>` in `*xml`, which moves behind it. False if there is none. */
static bool next_element(Str *xml, const char *open, const char *close, Str *ret_text) {
    const char *from = memmem(xml->ptr, xml->len, open, strlen(open));
    if (!from) {
        return false;
    }
    Str rest = str_skip(*xml, (size_t)(from - xml->ptr) + strlen(open));
    const char *to = memmem(rest.ptr, rest.len, close, strlen(close));
    if (!to) {
        return false;
    }
    *ret_text = (Str){rest.ptr, (size_t)(to - rest.ptr)};
    *xml = str_skip(rest, ret_text->len + strlen(close));
    return true;
}

/* The five entities XML knows by itself; whatever else is written with '&' stays. */
static Str unescape_xml(Str text, Arena *arena) {
    static const struct {
        const char *entity;
        char byte;
    } entities[] = {
        {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    char *out = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    while (text.len) {
        size_t taken = 1;
        char byte = text.ptr[0];
        for (size_t i = 0; byte == '&' && i < sizeof entities / sizeof *entities; i++) {
            if (str_starts(text, str_of(entities[i].entity))) {
                byte = entities[i].byte;
                taken = strlen(entities[i].entity);
                break;
            }
        }
        out[len++] = byte;
        text = str_skip(text, taken);
    }
    return (Str){out, len};
}

bool s3_read_listing(Str xml, Str prefix, Arena *arena, S3Names *names, Str *ret_token, Err *err) {
    Str rest = xml;
    Str group;
    Str token;
    if (!memmem(xml.ptr, xml.len, "<ListBucketResult", 17)) {
        return err_set(err, ERR_INVALID, "the answer is no listing of a bucket");
    }
    while (next_element(&rest, "<CommonPrefixes>", "</CommonPrefixes>", &group)) {
        Str folder;
        if (!next_element(&group, "<Prefix>", "</Prefix>", &folder)) {
            continue;
        }
        folder = unescape_xml(folder, arena);
        if (!str_starts(folder, prefix) || !str_ends(folder, STR("/"))) {
            continue;
        }
        Str name = str_skip(folder, prefix.len);
        name.len -= name.len > 0;
        if (names->items_count == FOLDERS_MAX) {
            return err_set(err, ERR_LIMIT, "more than %d folders in the bucket", FOLDERS_MAX);
        }
        VEC_PUSH(*names, items, name);
    }
    rest = xml;
    *ret_token = next_element(&rest, "<NextContinuationToken>", "</NextContinuationToken>", &token)
                     ? unescape_xml(token, arena)
                     : STR("");
    return true;
}

static bool list_page(const S3 *s3, Str token, Arena *arena, S3Names *names, Str *ret_token,
                      Err *err) {
    Str prefix = escape(arena, s3->prefix, false);
    Str more = escape(arena, token, false);
    /* In the order the signature wants. */
    Str url = arena_printf(arena, "%.*s?%s%.*s%sdelimiter=%%2F&list-type=2&prefix=%.*s",
                           STR_ARG(s3->base), token.len ? "continuation-token=" : "", STR_ARG(more),
                           token.len ? "&" : "", STR_ARG(prefix));
    NetRequest request = {.method = STR("GET"), .url = url, .answer_bytes_max = LISTING_BYTES_MAX};
    Str xml;
    return call(s3, &request, STR("list"), arena, &xml, err) &&
           s3_read_listing(xml, s3->prefix, arena, names, ret_token, err);
}

bool s3_list_folders(const S3 *s3, Arena *arena, Str **ret_names, size_t *ret_count, Err *err) {
    S3Names names = {0};
    Str token = STR("");
    bool good;
    do {
        Str before = token;
        good = list_page(s3, before, arena, &names, &token, err);
        if (good && token.len && str_eq(before, token)) {
            good = err_set(err, ERR_INVALID, "the listing of the bucket does not end");
        }
    } while (good && token.len);
    if (good) {
        *ret_names = arena_array(arena, Str, names.items_count + 1);
        *ret_count = names.items_count;
        if (names.items_count) {
            memcpy(*ret_names, names.items, names.items_count * sizeof *names.items);
        }
    }
    free(names.items);
    return good;
}
