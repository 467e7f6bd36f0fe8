#include "net/net.h"

const char *const net_options_keys[] = {
    "basic_auth",   "authorization", "bearer_token", "bearer_token_file",
    "tls_config",   "proxy_url",     "no_proxy",     "proxy_from_environment",
    "enable_http2", "http_headers",  "oauth2",       "follow_redirects",
    NULL,
};

static const char *const basic_keys[] = {"username", "password", "password_file", NULL};
static const char *const authorization_keys[] = {"type", "credentials", "credentials_file", NULL};
static const char *const tls_keys[] = {
    "ca_file", "cert_file", "key_file", "server_name", "insecure_skip_verify", NULL,
};
static const char *const header_keys[] = {"values", "secrets", NULL};

static bool there(const YamlNode *map, const char *key) {
    const YamlNode *node = yaml_get(map, key);
    return node && node->kind != YAML_NULL;
}

/* A text that may be missing, but not of another kind. */
static bool read_text(const YamlReader *reader, const YamlNode *map, const char *key, Arena *arena,
                      Str *ret) {
    if (!there(map, key)) {
        return true;
    }
    Str text;
    if (!yaml_str(reader, map, key, &text)) {
        return false;
    }
    *ret = arena_str(arena, text);
    return true;
}

static bool read_flag(const YamlReader *reader, const YamlNode *map, const char *key, bool *ret) {
    return !there(map, key) || yaml_bool(reader, map, key, ret);
}

static bool read_basic(const YamlReader *reader, const YamlNode *map, Arena *arena,
                       NetOptions *options) {
    const YamlNode *basic;
    if (!there(map, "basic_auth")) {
        return true;
    }
    if (!yaml_map(reader, map, "basic_auth", &basic) ||
        !yaml_check_keys(reader, basic, basic_keys) ||
        !read_text(reader, basic, "username", arena, &options->username) ||
        !read_text(reader, basic, "password", arena, &options->password) ||
        !read_text(reader, basic, "password_file", arena, &options->password_file)) {
        return false;
    }
    if (options->password.len && options->password_file.len) {
        return yaml_problem(
            reader, basic, "at most one of basic_auth password & password_file must be configured");
    }
    return true;
}

static bool read_bearer(const YamlReader *reader, const YamlNode *map, Arena *arena,
                        NetOptions *options) {
    const YamlNode *node = map;
    if (!read_text(reader, map, "bearer_token", arena, &options->bearer) ||
        !read_text(reader, map, "bearer_token_file", arena, &options->bearer_file)) {
        return false;
    }
    if (there(map, "authorization")) {
        if (options->bearer.len || options->bearer_file.len) {
            return yaml_problem(reader, map,
                                "at most one of authorization, bearer_token & "
                                "bearer_token_file must be configured");
        }
        if (!yaml_map(reader, map, "authorization", &node) ||
            !yaml_check_keys(reader, node, authorization_keys) ||
            !read_text(reader, node, "type", arena, &options->auth_type) ||
            !read_text(reader, node, "credentials", arena, &options->bearer) ||
            !read_text(reader, node, "credentials_file", arena, &options->bearer_file)) {
            return false;
        }
    }
    if (options->bearer.len && options->bearer_file.len) {
        return yaml_problem(reader, node, "a token and a file with it must not both be configured");
    }
    if (options->username.len && (options->bearer.len || options->bearer_file.len)) {
        return yaml_problem(reader, node,
                            "at most one of basic_auth & authorization must be configured");
    }
    return true;
}

static bool read_tls(const YamlReader *reader, const YamlNode *map, Arena *arena,
                     NetOptions *options) {
    const YamlNode *tls;
    if (!there(map, "tls_config")) {
        return true;
    }
    return yaml_map(reader, map, "tls_config", &tls) && yaml_check_keys(reader, tls, tls_keys) &&
           read_text(reader, tls, "ca_file", arena, &options->ca_file) &&
           read_text(reader, tls, "cert_file", arena, &options->cert_file) &&
           read_text(reader, tls, "key_file", arena, &options->key_file) &&
           read_text(reader, tls, "server_name", arena, &options->server_name) &&
           read_flag(reader, tls, "insecure_skip_verify", &options->insecure_skip_verify);
}

/* http_headers: {Name: {values: [...], secrets: [...]}} */
static bool read_header(const YamlReader *reader, const YamlPair *pair, Arena *arena, Str *items,
                        size_t *count) {
    if (!yaml_check_keys(reader, pair->value, header_keys)) {
        return false;
    }
    for (size_t k = 0; header_keys[k]; k++) {
        const YamlNode *list;
        if (!there(pair->value, header_keys[k])) {
            continue;
        }
        if (!yaml_list(reader, pair->value, header_keys[k], &list)) {
            return false;
        }
        for (size_t i = 0; i < list->count; i++) {
            items[(*count)++] = arena_printf(arena, "%.*s: %.*s", STR_ARG(pair->key->text),
                                             STR_ARG(list->items[i]->text));
        }
    }
    return true;
}

static size_t count_headers(const YamlNode *map) {
    size_t count = 0;
    for (size_t i = 0; i < map->count; i++) {
        for (size_t k = 0; header_keys[k]; k++) {
            const YamlNode *list = yaml_get(map->pairs[i].value, header_keys[k]);
            count += list && list->kind == YAML_LIST ? list->count : 0;
        }
    }
    return count;
}

static bool read_headers(const YamlReader *reader, const YamlNode *map, Arena *arena,
                         NetOptions *options) {
    const YamlNode *headers;
    if (!there(map, "http_headers")) {
        return true;
    }
    if (!yaml_map(reader, map, "http_headers", &headers)) {
        return false;
    }
    Str *items = arena_array(arena, Str, count_headers(headers) + 1);
    options->headers = items;
    for (size_t i = 0; i < headers->count; i++) {
        if (!read_header(reader, &headers->pairs[i], arena, items, &options->header_count)) {
            return false;
        }
    }
    return true;
}

bool net_options_read(const YamlReader *reader, const YamlNode *map, Arena *arena,
                      NetOptions *ret_options) {
    NetOptions options = {0};
    bool follow = true, http2 = true;
    if (there(map, "oauth2")) {
        return yaml_problem(reader, yaml_get(map, "oauth2"), "oauth2 is not supported");
    }
    if (!read_basic(reader, map, arena, &options) || !read_bearer(reader, map, arena, &options) ||
        !read_tls(reader, map, arena, &options) || !read_headers(reader, map, arena, &options) ||
        !read_text(reader, map, "proxy_url", arena, &options.proxy_url) ||
        !read_text(reader, map, "no_proxy", arena, &options.no_proxy) ||
        !read_flag(reader, map, "proxy_from_environment", &options.proxy_from_environment) ||
        !read_flag(reader, map, "follow_redirects", &follow) ||
        !read_flag(reader, map, "enable_http2", &http2)) {
        return false;
    }
    options.no_redirects = !follow;
    *ret_options = options;
    return true;
}
