#include <strings.h>

#include "net/net.h"
#include "net/oauth2.h"

const char *const net_options_keys[] = {
    "basic_auth",
    "authorization",
    "bearer_token",
    "bearer_token_file",
    "tls_config",
    "proxy_url",
    "no_proxy",
    "proxy_from_environment",
    "proxy_connect_header",
    "enable_http2",
    "http_headers",
    "oauth2",
    "follow_redirects",
    NULL,
};

static const char *const basic_keys[] = {"username", "username_file", "password", "password_file",
                                         NULL};
static const char *const authorization_keys[] = {"type", "credentials", "credentials_file", NULL};
static const char *const tls_keys[] = {
    "ca_file", "cert_file",   "key_file",    "server_name", "insecure_skip_verify", "ca", "cert",
    "key",     "min_version", "max_version", NULL,
};
static const char *const header_keys[] = {"values", "secrets", "files", NULL};

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
        !read_text(reader, basic, "username_file", arena, &options->username_file) ||
        !read_text(reader, basic, "password", arena, &options->password) ||
        !read_text(reader, basic, "password_file", arena, &options->password_file)) {
        return false;
    }
    if (options->username.len && options->username_file.len) {
        return yaml_problem(
            reader, basic, "at most one of basic_auth username & username_file must be configured");
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
    if (options->auth_type.len == 5 && strncasecmp(options->auth_type.ptr, "basic", 5) == 0) {
        return yaml_problem(
            reader, node,
            "authorization type cannot be set to \"basic\", use \"basic_auth\" instead");
    }
    if ((options->username.len || options->username_file.len) &&
        (options->bearer.len || options->bearer_file.len)) {
        return yaml_problem(reader, node,
                            "at most one of basic_auth & authorization must be configured");
    }
    return true;
}

static bool read_tls_version(const YamlReader *reader, const YamlNode *tls, const char *key,
                             NetTls *ret_version) {
    static const char *const names[] = {[NET_TLS_1_0] = "TLS10",
                                        [NET_TLS_1_1] = "TLS11",
                                        [NET_TLS_1_2] = "TLS12",
                                        [NET_TLS_1_3] = "TLS13"};
    Str name;
    if (!there(tls, key)) {
        return true;
    }
    if (!yaml_str(reader, tls, key, &name)) {
        return false;
    }
    for (int version = NET_TLS_1_0; version <= NET_TLS_1_3; version++) {
        if (str_eq(name, str_of(names[version]))) {
            *ret_version = (NetTls)version;
            return true;
        }
    }
    return yaml_problem(reader, yaml_get(tls, key),
                        "unknown TLS version \"%.*s\": TLS10, TLS11, TLS12 or TLS13",
                        STR_ARG(name));
}

static bool check_tls(const YamlReader *reader, const YamlNode *tls, const NetOptions *options) {
    const char *wrong =
        options->ca.len && options->ca_file.len ? "at most one of ca & ca_file must be configured"
        : options->cert.len && options->cert_file.len
            ? "at most one of cert & cert_file must be configured"
        : options->key.len && options->key_file.len
            ? "at most one of key & key_file must be configured"
        : (options->cert.len || options->cert_file.len) &&
                !(options->key.len || options->key_file.len)
            ? "a client certificate needs a key: exactly one of key & key_file must be configured"
        : (options->key.len || options->key_file.len) &&
                !(options->cert.len || options->cert_file.len)
            ? "a client key needs a certificate: exactly one of cert & cert_file must be configured"
        : options->tls_min && options->tls_max && options->tls_min > options->tls_max
            ? "tls_config.max_version must be greater than or equal to tls_config.min_version if "
              "both are specified"
            : NULL;
    return !wrong || yaml_problem(reader, tls, "%s", wrong);
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
           read_text(reader, tls, "ca", arena, &options->ca) &&
           read_text(reader, tls, "cert", arena, &options->cert) &&
           read_text(reader, tls, "key", arena, &options->key) &&
           read_tls_version(reader, tls, "min_version", &options->tls_min) &&
           read_tls_version(reader, tls, "max_version", &options->tls_max) &&
           read_flag(reader, tls, "insecure_skip_verify", &options->insecure_skip_verify) &&
           check_tls(reader, tls, options);
}

/* http_headers: {Name: {values: [...], secrets: [...], files: [...]}} */
static bool read_header(const YamlReader *reader, const YamlPair *pair, Arena *arena, Str *items,
                        NetHeaderFile *files, NetOptions *options) {
    if (!yaml_check_keys(reader, pair->value, header_keys)) {
        return false;
    }
    Str name = arena_str(arena, pair->key->text);
    for (size_t k = 0; header_keys[k]; k++) {
        const YamlNode *list;
        if (!there(pair->value, header_keys[k])) {
            continue;
        }
        if (!yaml_list(reader, pair->value, header_keys[k], &list)) {
            return false;
        }
        for (size_t i = 0; i < list->count; i++) {
            Str text = list->items[i]->text;
            if (strcmp(header_keys[k], "files") == 0) {
                files[options->header_file_count++] =
                    (NetHeaderFile){.name = name, .path = arena_str(arena, text)};
            } else {
                items[options->header_count++] =
                    arena_printf(arena, "%.*s: %.*s", STR_ARG(name), STR_ARG(text));
            }
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
    size_t count = count_headers(headers);
    Str *items = arena_array(arena, Str, count + 1);
    NetHeaderFile *files = arena_array(arena, NetHeaderFile, count + 1);
    options->headers = items;
    options->header_files = files;
    for (size_t i = 0; i < headers->count; i++) {
        if (!read_header(reader, &headers->pairs[i], arena, items, files, options)) {
            return false;
        }
    }
    return true;
}

/* proxy_connect_header: {Name: [value, ...]} */
static bool read_proxy_headers(const YamlReader *reader, const YamlNode *map, Arena *arena,
                               NetOptions *options) {
    const YamlNode *headers, *list;
    size_t count = 0;
    if (!there(map, "proxy_connect_header")) {
        return true;
    }
    if (!yaml_map(reader, map, "proxy_connect_header", &headers)) {
        return false;
    }
    for (size_t i = 0; i < headers->count; i++) {
        count += headers->pairs[i].value->count;
    }
    Str *items = arena_array(arena, Str, count + 1);
    for (size_t i = 0; i < headers->count; i++) {
        const YamlPair *pair = &headers->pairs[i];
        if (!yaml_list(reader, headers, arena_cstr(arena, pair->key->text), &list)) {
            return false;
        }
        for (size_t j = 0; j < list->count; j++) {
            items[options->proxy_header_count++] = arena_printf(
                arena, "%.*s: %.*s", STR_ARG(pair->key->text), STR_ARG(list->items[j]->text));
        }
    }
    options->proxy_headers = items;
    return true;
}

static const char *const oauth2_keys[] = {
    "client_id", "client_secret",          "client_secret_file",   "scopes",
    "token_url", "endpoint_params",        "tls_config",           "proxy_url",
    "no_proxy",  "proxy_from_environment", "proxy_connect_header", NULL};

static void put_field(Buf *form, Str name, Str value) {
    buf_byte(form, '&');
    oauth2_encode(form, name);
    buf_byte(form, '=');
    oauth2_encode(form, value);
}

static bool read_form(const YamlReader *reader, const YamlNode *map, Arena *arena, Str *ret_form) {
    AUTO(buf_finish) Buf form = {0};
    AUTO(buf_finish) Buf scopes = {0};
    const YamlNode *list, *params;
    if (there(map, "scopes")) {
        if (!yaml_list(reader, map, "scopes", &list)) {
            return false;
        }
        for (size_t i = 0; i < list->count; i++) {
            buf_str(&scopes, i ? STR(" ") : STR(""));
            buf_str(&scopes, list->items[i]->text);
        }
        put_field(&form, STR("scope"), buf_view(&scopes));
    }
    if (there(map, "endpoint_params")) {
        if (!yaml_map(reader, map, "endpoint_params", &params)) {
            return false;
        }
        for (size_t i = 0; i < params->count; i++) {
            put_field(&form, params->pairs[i].key->text, params->pairs[i].value->text);
        }
    }
    *ret_form = arena_str(arena, buf_view(&form));
    return true;
}

static bool read_oauth2(const YamlReader *reader, const YamlNode *map, Arena *arena,
                        NetOptions *options) {
    const YamlNode *node;
    if (!there(map, "oauth2")) {
        return true;
    }
    NetOauth2 *oauth2 = arena_new(arena, NetOauth2);
    NetOptions *transport = arena_new(arena, NetOptions);
    *transport = (NetOptions){0};
    *oauth2 = (NetOauth2){.options = transport};
    if (!yaml_map(reader, map, "oauth2", &node) || !yaml_check_keys(reader, node, oauth2_keys) ||
        !read_text(reader, node, "client_id", arena, &oauth2->client_id) ||
        !read_text(reader, node, "client_secret", arena, &oauth2->client_secret) ||
        !read_text(reader, node, "client_secret_file", arena, &oauth2->client_secret_file) ||
        !read_text(reader, node, "token_url", arena, &oauth2->token_url) ||
        !read_form(reader, node, arena, &oauth2->form) ||
        !read_tls(reader, node, arena, transport) ||
        !read_text(reader, node, "proxy_url", arena, &transport->proxy_url) ||
        !read_text(reader, node, "no_proxy", arena, &transport->no_proxy) ||
        !read_flag(reader, node, "proxy_from_environment", &transport->proxy_from_environment) ||
        !read_proxy_headers(reader, node, arena, transport)) {
        return false;
    }
    bool logs_in = options->username.len || options->username_file.len || options->bearer.len ||
                   options->bearer_file.len;
    const char *wrong = logs_in
                            ? "at most one of basic_auth, oauth2 & authorization must be configured"
                        : !oauth2->client_id.len ? "oauth2 client_id must be configured"
                        : !oauth2->client_secret.len == !oauth2->client_secret_file.len
                            ? "one of oauth2 client_secret & client_secret_file must be configured"
                        : !oauth2->token_url.len ? "oauth2 token_url must be configured"
                                                 : NULL;
    options->oauth2 = oauth2;
    return !wrong || yaml_problem(reader, node, "%s", wrong);
}

bool net_options_read(const YamlReader *reader, const YamlNode *map, Arena *arena,
                      NetOptions *ret_options) {
    NetOptions options = {0};
    bool follow = true, http2 = true;
    if (!read_basic(reader, map, arena, &options) || !read_bearer(reader, map, arena, &options) ||
        !read_tls(reader, map, arena, &options) || !read_headers(reader, map, arena, &options) ||
        !read_proxy_headers(reader, map, arena, &options) ||
        !read_oauth2(reader, map, arena, &options) ||
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
