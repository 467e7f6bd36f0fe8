#include "net/oauth2.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

enum { TOKEN_BYTES_MAX = 64 << 10 };

/* A token is not used in its last seconds, nor for longer where nobody says how long it holds. */
static const DurationMs margin = 10 * SECOND_MS, lives_default = HOUR_MS;

struct Token {
    uint64_t key;
    char *text;
    int64_t until_ns;
    Token *next;
};

uint64_t oauth2_key(const NetOauth2 *oauth2) {
    const Str parts[] = {oauth2->client_id, oauth2->client_secret, oauth2->client_secret_file,
                         oauth2->token_url, oauth2->form};
    uint64_t key = 1;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        key = key * UINT64_C(0x9E3779B97F4A7C15) + hash64(parts[i]);
    }
    return key ? key : 1;
}

const char *tokens_find(const Tokens *tokens, uint64_t key, int64_t now_ns) {
    for (const Token *token = tokens->first; token; token = token->next) {
        if (token->key == key && token->until_ns > now_ns) {
            return token->text;
        }
    }
    return NULL;
}

void tokens_drop(Tokens *tokens, uint64_t key) {
    for (Token **at = &tokens->first; *at;) {
        Token *token = *at;
        if (token->key == key) {
            *at = token->next;
            free(token->text);
            free(token);
        } else {
            at = &token->next;
        }
    }
}

void tokens_put(Tokens *tokens, uint64_t key, const char *text, int64_t until_ns) {
    tokens_drop(tokens, key);
    Token *token = mem_zero(1, sizeof *token);
    *token =
        (Token){.key = key, .text = mem_strdup(text), .until_ns = until_ns, .next = tokens->first};
    tokens->first = token;
}

void tokens_finish(Tokens *tokens) {
    while (tokens->first) {
        tokens_drop(tokens, tokens->first->key);
    }
}

void oauth2_encode(Buf *buf, Str text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c && strchr("-_.~", c));
        if (plain) {
            buf_byte(buf, (char)c);
        } else if (c == ' ') {
            buf_byte(buf, '+');
        } else {
            buf_printf(buf, "%%%02X", c);
        }
    }
}

static Str encoded(Arena *arena, Str text) {
    AUTO(buf_finish) Buf buf = {0};
    oauth2_encode(&buf, text);
    return arena_str(arena, buf_view(&buf));
}

bool oauth2_request(const NetOauth2 *oauth2, Arena *arena, NetOptions *ret_options,
                    NetRequest *ret_request, Err *err) {
    static const Str accept[] = {{"Accept: application/json", 24}};
    Str secret = oauth2->client_secret;
    if (oauth2->client_secret_file.len) {
        if (!file_read(arena, arena_cstr(arena, oauth2->client_secret_file), TOKEN_BYTES_MAX,
                       &secret, err)) {
            err->kind = ERR_IO; /* it may be back when the request is tried again */
            return false;
        }
        secret = str_trim(secret);
    }
    *ret_options = *oauth2->options;
    ret_options->username = encoded(arena, oauth2->client_id);
    ret_options->password = encoded(arena, secret);
    *ret_request = (NetRequest){
        .method = STR("POST"),
        .url = oauth2->token_url,
        .body = arena_printf(arena, "grant_type=client_credentials%.*s", STR_ARG(oauth2->form)),
        .content_type = STR("application/x-www-form-urlencoded"),
        .options = ret_options,
        .headers = accept,
        .header_count = 1,
        .answer_bytes_max = TOKEN_BYTES_MAX};
    return true;
}

bool oauth2_answer(const NetAnswer *answer, Arena *arena, Str *ret_token, DurationMs *ret_lives,
                   Err *err) {
    if (!answer->ok) {
        *err = answer->err;
        return err_context(err, "oauth2");
    }
    if (answer->status != 200) {
        return err_set(err, ERR_IO, "oauth2: token_url answered %d", answer->status);
    }
    cJSON *json = cJSON_ParseWithLength(answer->body.ptr, answer->body.len);
    const cJSON *token = cJSON_GetObjectItemCaseSensitive(json, "access_token");
    const cJSON *lives = cJSON_GetObjectItemCaseSensitive(json, "expires_in");
    bool ok = cJSON_IsString(token) && token->valuestring[0];
    if (ok) {
        double seconds = cJSON_IsNumber(lives) ? lives->valuedouble : 0;
        *ret_token = arena_str(arena, str_of(token->valuestring));
        *ret_lives =
            seconds > 0 && seconds < 1e9 ? (DurationMs)(seconds * 1000) - margin : lives_default;
    }
    cJSON_Delete(json);
    return ok || err_set(err, ERR_IO, "oauth2: no access_token in what token_url answered");
}
