/*
 * A configuration to be shown: what is secret in it is not to be read.
 *
 * What a key means is known by its name, in Prometheus', Alertmanager's, vmalert's and our own
 * sections alike, so a receiver written in belfry.yml and one in its own file are hidden alike.
 */

#include "base/yaml.h"

#define SECRET "<secret>"

static bool is_one_of(Str key, const char *const *names) {
    for (; *names; names++) {
        if (str_eq(key, str_of(*names))) {
            return true;
        }
    }
    return false;
}

/* Whatever is below these keys. Paths to files with secrets end otherwise: _file. */
static bool is_secret_key(Str key) {
    static const char *const names[] = {"credentials",
                                        "secrets",
                                        "proxy_connect_header",
                                        "routing_key",
                                        "service_key",
                                        "api_key",
                                        "api_url",
                                        "user_key",
                                        "secret_key",
                                        "access_key",
                                        "webhook_url",
                                        "slack_api_url",
                                        "token_id",
                                        "opsgenie_api_key",
                                        "mattermost_webhook_url",
                                        "rocketchat_token_id",
                                        "victorops_api_key",
                                        NULL};
    static const char *const ends[] = {"password", "secret", "token", NULL};
    for (size_t i = 0; ends[i]; i++) {
        if (str_ends(key, str_of(ends[i]))) {
            return true;
        }
    }
    return is_one_of(key, names);
}

static const YamlNode *text_node(Arena *arena, Str text) {
    YamlNode *node = arena_new(arena, YamlNode);
    *node = (YamlNode){.kind = YAML_SCALAR, .text = text};
    return node;
}

/* ---- URLs ---- */

typedef struct Url {
    Str scheme; /* with "://" */
    Str user;   /* with '@'; "" = none */
    Str host;   /* with its port */
    Str rest;   /* from the first '/' on */
} Url;

static bool split_url(Str text, Url *ret_url) {
    size_t at = 0;
    while (at + 3 <= text.len && memcmp(text.ptr + at, "://", 3) != 0) {
        at++;
    }
    if (at + 3 > text.len) {
        return false;
    }
    Str behind = str_skip(text, at + 3);
    Str authority = {behind.ptr, str_find(behind, '/')};
    const char *sign = authority.len ? memrchr(authority.ptr, '@', authority.len) : NULL;
    size_t user = sign ? (size_t)(sign + 1 - authority.ptr) : 0;
    *ret_url = (Url){.scheme = {text.ptr, at + 3},
                     .user = {authority.ptr, user},
                     .host = str_skip(authority, user),
                     .rest = str_skip(behind, authority.len)};
    return true;
}

const YamlNode *yaml_hide_url(Arena *arena, Str text) {
    Url url;
    bool is_url = split_url(text, &url);
    bool http =
        is_url && (str_eq(url.scheme, STR("http://")) || str_eq(url.scheme, STR("https://")));
    if (!http || !url.host.len || memchr(url.host.ptr, '{', url.host.len)) {
        return text_node(arena, STR("http://secret.invalid/" SECRET));
    }
    return text_node(arena,
                     arena_printf(arena, "%.*s%.*s%s", STR_ARG(url.scheme), STR_ARG(url.host),
                                  url.rest.len > 1 || url.user.len ? "/" SECRET : ""));
}

/* http://user:password@host/ without the password, as Go prints it; others as they are. */
static const YamlNode *without_password(Arena *arena, const YamlNode *node) {
    Url url;
    if (!split_url(node->text, &url) || str_find(url.user, ':') == url.user.len) {
        return node;
    }
    Str name = {url.user.ptr, str_find(url.user, ':')};
    return text_node(arena, arena_printf(arena, "%.*s%.*s:xxxxx@%.*s%.*s", STR_ARG(url.scheme),
                                         STR_ARG(name), STR_ARG(url.host), STR_ARG(url.rest)));
}

/* ---- trees ---- */

typedef enum Hiding {
    HIDE_SECRETS, /* by their keys */
    HIDE_URLS,    /* and `url`: of webhooks, whose address is what lets one in */
    HIDE_HEADERS, /* "Name: value" */
    HIDE_ALL,
} Hiding;

static const YamlNode *hide_text(Arena *arena, const YamlNode *node, Hiding hiding) {
    if (!node->text.len) {
        return node;
    }
    if (hiding == HIDE_ALL || memmem(node->text.ptr, node->text.len, "PRIVATE KEY-", 12)) {
        return text_node(arena, STR(SECRET));
    }
    size_t colon = str_find(node->text, ':');
    if (hiding == HIDE_HEADERS && colon < node->text.len) {
        return text_node(arena, arena_printf(arena, "%.*s: " SECRET, (int)colon, node->text.ptr));
    }
    return without_password(arena, node);
}

/* How what is below `pair` of a map is hidden. */
static Hiding below(const YamlPair *pair, Hiding hiding) {
    static const char *const headers[] = {"headers", "notifier_headers", NULL};
    if (hiding == HIDE_ALL || is_secret_key(pair->key->text)) {
        return HIDE_ALL;
    }
    if (is_one_of(pair->key->text, headers) && pair->value->kind == YAML_LIST) {
        return HIDE_HEADERS;
    }
    return str_eq(pair->key->text, STR("webhook_configs")) ? HIDE_URLS
           : pair->value->kind == YAML_MAP                 ? HIDE_SECRETS
                                                           : hiding;
}

static const YamlNode *hide(Arena *arena, const YamlNode *node, Hiding hiding);

static YamlPair hide_pair(Arena *arena, const YamlPair *pair, Hiding hiding) {
    bool address = hiding == HIDE_URLS && str_eq(pair->key->text, STR("url")) &&
                   pair->value->kind == YAML_SCALAR && pair->value->text.len;
    YamlPair hidden = *pair;
    hidden.value = address ? yaml_hide_url(arena, pair->value->text)
                           : hide(arena, pair->value, below(pair, hiding));
    return hidden;
}

/* Nesting is bounded by the parser. */
static const YamlNode *hide(Arena *arena, const YamlNode *node, Hiding hiding) {
    YamlNode *copy = arena_new(arena, YamlNode);
    *copy = *node;
    if (node->kind == YAML_LIST) {
        copy->items = arena_array(arena, const YamlNode *, node->count);
        for (size_t i = 0; i < node->count; i++) {
            copy->items[i] = hide(arena, node->items[i], hiding);
        }
    } else if (node->kind == YAML_MAP) {
        copy->pairs = arena_array(arena, YamlPair, node->count);
        for (size_t i = 0; i < node->count; i++) {
            copy->pairs[i] = hide_pair(arena, &node->pairs[i], hiding);
        }
    } else if (node->kind == YAML_SCALAR) {
        return hide_text(arena, node, hiding);
    }
    return copy;
}

const YamlNode *yaml_hide(Arena *arena, const YamlNode *node) {
    return hide(arena, node, HIDE_SECRETS);
}
