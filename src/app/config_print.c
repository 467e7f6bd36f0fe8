/* The configuration as YAML: what the file says, secrets hidden. Without a file there is nothing
 * that differs from the defaults, which belfry.example.yml documents. */

#include "app/config.h"

#include "base/mem.h"

/* Keys whose value is a secret, in Prometheus', Alertmanager's and our own sections. */
static bool is_secret(Str key) {
    static const char *const names[] = {"password",
                                        "bearer_token",
                                        "credentials",
                                        "routing_key",
                                        "service_key",
                                        "api_key",
                                        "api_url",
                                        "slack_api_url",
                                        "webhook_url",
                                        "token",
                                        "client_secret",
                                        "smtp_auth_password",
                                        "smtp_auth_secret",
                                        "auth_password",
                                        "auth_secret",
                                        "opsgenie_api_key",
                                        "victorops_api_key",
                                        "bot_token",
                                        "user_key",
                                        "secret_key",
                                        "access_key",
                                        "secret",
                                        NULL};
    for (size_t i = 0; names[i]; i++) {
        if (str_eq(key, str_of(names[i]))) {
            return true;
        }
    }
    return false;
}

/* A copy of the tree with each secret replaced. */
static const YamlNode *hide(Arena *arena, const YamlNode *node) {
    static const YamlNode hidden = {.kind = YAML_SCALAR, .text = {"<secret>", 8}};
    YamlNode *copy = arena_new(arena, YamlNode);
    *copy = *node;
    if (node->kind == YAML_LIST) {
        copy->items = arena_array(arena, const YamlNode *, node->count);
        for (size_t i = 0; i < node->count; i++) {
            copy->items[i] = hide(arena, node->items[i]);
        }
    } else if (node->kind == YAML_MAP) {
        copy->pairs = arena_array(arena, YamlPair, node->count);
        for (size_t i = 0; i < node->count; i++) {
            bool secret =
                is_secret(node->pairs[i].key->text) && node->pairs[i].value->kind == YAML_SCALAR;
            copy->pairs[i] = node->pairs[i];
            copy->pairs[i].value = secret ? &hidden : hide(arena, node->pairs[i].value);
        }
    }
    return copy;
}

void app_config_print(const Config *config, Buf *out) {
    if (!config->root) {
        buf_str(out, STR("{}\n"));
        return;
    }
    AUTO(arena_finish) Arena arena = {0};
    yaml_print(out, hide(&arena, config->root), 0);
}
