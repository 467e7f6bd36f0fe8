/*
 * The types of integrations: which settings each has. The order of fields is Alertmanager's, and
 * that of printing.
 *
 * Types without `build` are known so that files that use them load; what would go to them is parked
 * with a reason.
 */

#include "notify/integration.h"

#include <assert.h>

#include "base/number.h"
#include "notify/receivers.h"

/* ---- settings ---- */

static const FieldSpec *find_spec(const IntegrationType *type, const char *key) {
    for (const FieldSpec *spec = type->fields; spec->key; spec++) {
        if (strcmp(spec->key, key) == 0) {
            return spec;
        }
    }
    return NULL;
}

bool integration_has(const Integration *integration, const char *key) {
    const YamlNode *node = yaml_get(integration->settings, key);
    return node && node->kind != YAML_NULL && !(node->kind == YAML_SCALAR && node->text.len == 0);
}

static const YamlNode *setting(const Integration *integration, const FieldSpec *spec) {
    const YamlNode *node = yaml_get(integration->settings, spec->key);
    if ((!node || node->kind == YAML_NULL || (node->kind == YAML_SCALAR && !node->text.len)) &&
        spec->global) {
        node = yaml_get(integration->global, spec->global);
    }
    return node && node->kind != YAML_NULL ? node : NULL;
}

Str integration_text(const Integration *integration, const char *key) {
    const FieldSpec *spec = find_spec(integration->type, key);
    assert(spec);
    const YamlNode *node = setting(integration, spec);
    bool is_set = yaml_get(integration->settings, key) != NULL;
    if (node && node->kind == YAML_SCALAR && (node->text.len || is_set)) {
        return node->text;
    }
    return str_of(spec->preset);
}

bool integration_bool(const Integration *integration, const char *key) {
    Str text = integration_text(integration, key);
    return str_eq(text, STR("true")) || str_eq(text, STR("yes")) || str_eq(text, STR("on")) ||
           str_eq(text, STR("True"));
}

DurationMs integration_duration(const Integration *integration, const char *key) {
    DurationMs span = 0;
    Err err;
    return duration_parse(integration_text(integration, key), &span, &err) ? span : 0;
}

const YamlNode *integration_tree(const Integration *integration, const char *key) {
    const FieldSpec *spec = find_spec(integration->type, key);
    assert(spec);
    return setting(integration, spec);
}

bool integration_forwards_all(const Integration *integration) {
    return find_spec(integration->type, "forward") &&
           str_eq(integration_text(integration, "forward"), STR("all"));
}

/* ---- checks ---- */

static bool at_most_one(ConfigLoader *loader, const Integration *integration, const char *a,
                        const char *b) {
    return !(integration_has(integration, a) && integration_has(integration, b)) ||
           config_problem(loader, integration->settings,
                          "at most one of %s & %s must be configured", a, b);
}

static bool require(ConfigLoader *loader, const Integration *integration, const char *key,
                    const char *complaint) {
    return integration_text(integration, key).len || integration_tree(integration, key) ||
           config_problem(loader, integration->settings, "%s", complaint);
}

static bool has_global(const Integration *integration, const char *key) {
    const YamlNode *node = yaml_get(integration->global, key);
    return node && node->kind == YAML_SCALAR && node->text.len;
}

static bool check_email(ConfigLoader *loader, const Integration *integration) {
    const YamlNode *threading = integration_tree(integration, "threading");
    const YamlNode *by_date = yaml_get(threading, "thread_by_date");
    if (!require(loader, integration, "to", "missing to address in email config")) {
        return false;
    }
    if (by_date && !str_eq(by_date->text, STR("none")) && !str_eq(by_date->text, STR("daily"))) {
        return config_problem(loader, by_date,
                              "threading.thread_by_date must be either 'none' or 'daily'");
    }
    return require(loader, integration, "smarthost", "no global SMTP smarthost set") &&
           require(loader, integration, "from", "no global SMTP from set") &&
           at_most_one(loader, integration, "auth_password", "auth_password_file");
}

static bool check_pagerduty(ConfigLoader *loader, const Integration *integration) {
    if (!integration_has(integration, "routing_key") &&
        !integration_has(integration, "routing_key_file") &&
        !integration_has(integration, "service_key") &&
        !integration_has(integration, "service_key_file")) {
        return config_problem(loader, integration->settings,
                              "missing service or routing key in PagerDuty config");
    }
    Str incident = integration_text(integration, "incident");
    if (incident.len && !str_eq(incident, STR("alert")) && !str_eq(incident, STR("group"))) {
        return config_problem(loader, integration->settings, "incident: either alert or group");
    }
    return at_most_one(loader, integration, "routing_key", "routing_key_file") &&
           at_most_one(loader, integration, "service_key", "service_key_file");
}

static bool check_webhook(ConfigLoader *loader, const Integration *integration) {
    if (!integration_has(integration, "url") && !integration_has(integration, "url_file")) {
        return config_problem(loader, integration->settings,
                              "one of url or url_file must be configured");
    }
    return at_most_one(loader, integration, "url", "url_file");
}

static bool check_slack_fields(ConfigLoader *loader, const YamlNode *fields) {
    for (size_t i = 0; fields && i < fields->count; i++) {
        const YamlNode *title = yaml_get(fields->items[i], "title");
        const YamlNode *value = yaml_get(fields->items[i], "value");
        if (!title || !title->text.len) {
            return config_problem(loader, fields->items[i],
                                  "missing title in Slack field configuration");
        }
        if (!value || !value->text.len) {
            return config_problem(loader, fields->items[i],
                                  "missing value in Slack field configuration");
        }
    }
    return true;
}

static bool check_slack(ConfigLoader *loader, const Integration *integration) {
    bool own =
        integration_has(integration, "api_url") || integration_has(integration, "api_url_file") ||
        integration_has(integration, "app_token") || integration_has(integration, "app_token_file");
    bool global = has_global(integration, "slack_api_url") ||
                  has_global(integration, "slack_api_url_file") ||
                  has_global(integration, "slack_app_token") ||
                  has_global(integration, "slack_app_token_file");
    if (!own && !global) {
        return config_problem(loader, integration->settings,
                              "no global Slack API URL set either inline or in a file");
    }
    Str url = integration_text(integration, "api_url");
    if (integration_bool(integration, "update_message") &&
        !str_eq(url, STR("https://slack.com/api/chat.postMessage")) &&
        !(integration_has(integration, "app_token") && !integration_has(integration, "api_url"))) {
        return config_problem(
            loader, integration->settings,
            "update_message can only be used with bot tokens. api_url must be set "
            "to https://slack.com/api/chat.postMessage");
    }
    return check_slack_fields(loader, integration_tree(integration, "fields"));
}

static bool check_opsgenie(ConfigLoader *loader, const Integration *integration) {
    if (!integration_has(integration, "api_key") && !integration_has(integration, "api_key_file") &&
        !has_global(integration, "opsgenie_api_key") &&
        !has_global(integration, "opsgenie_api_key_file")) {
        return config_problem(loader, integration->settings,
                              "no global OpsGenie API Key set either inline or in a file");
    }
    return at_most_one(loader, integration, "api_key", "api_key_file");
}

static bool check_victorops(ConfigLoader *loader, const Integration *integration) {
    if (!require(loader, integration, "routing_key", "missing Routing key in VictorOps config") ||
        !at_most_one(loader, integration, "api_key", "api_key_file")) {
        return false;
    }
    return integration_has(integration, "api_key") ||
           integration_has(integration, "api_key_file") ||
           has_global(integration, "victorops_api_key") ||
           has_global(integration, "victorops_api_key_file") ||
           config_problem(loader, integration->settings, "no global VictorOps API Key set");
}

static bool check_telegram(ConfigLoader *loader, const Integration *integration) {
    if (!integration_has(integration, "bot_token") &&
        !integration_has(integration, "bot_token_file") &&
        !has_global(integration, "telegram_bot_token") &&
        !has_global(integration, "telegram_bot_token_file")) {
        return config_problem(loader, integration->settings,
                              "missing bot_token or bot_token_file on telegram_config");
    }
    return at_most_one(loader, integration, "bot_token", "bot_token_file");
}

static bool check_sns(ConfigLoader *loader, const Integration *integration) {
    int targets = integration_has(integration, "topic_arn") +
                  integration_has(integration, "phone_number") +
                  integration_has(integration, "target_arn");
    return targets == 1 ||
           config_problem(
               loader, integration->settings,
               "must provide either a Target ARN, Topic ARN, or Phone Number for SNS config");
}

static bool check_webex(ConfigLoader *loader, const Integration *integration) {
    return require(loader, integration, "room_id", "missing room_id on webex_config");
}

static bool check_wechat(ConfigLoader *loader, const Integration *integration) {
    return at_most_one(loader, integration, "api_secret", "api_secret_file");
}

static bool check_rocketchat(ConfigLoader *loader, const Integration *integration) {
    if (!integration_has(integration, "token") && !integration_has(integration, "token_file") &&
        !has_global(integration, "rocketchat_token") &&
        !has_global(integration, "rocketchat_token_file")) {
        return config_problem(loader, integration->settings,
                              "no global Rocketchat Token set either inline or in a file");
    }
    return at_most_one(loader, integration, "token", "token_file") &&
           at_most_one(loader, integration, "token_id", "token_id_file");
}

static bool check_teams(ConfigLoader *loader, const Integration *integration) {
    if (!integration_has(integration, "webhook_url") &&
        !integration_has(integration, "webhook_url_file")) {
        return config_problem(loader, integration->settings,
                              "one of webhook_url or webhook_url_file must be configured");
    }
    return at_most_one(loader, integration, "webhook_url", "webhook_url_file");
}

static bool check_alertmanager(ConfigLoader *loader, const Integration *integration) {
    Str forward = integration_text(integration, "forward");
    if (!str_eq(forward, STR("all")) && !str_eq(forward, STR("active"))) {
        return config_problem(loader, integration->settings, "forward: either active or all");
    }
    return integration_has(integration, "url") || integration_has(integration, "static_configs") ||
           integration_has(integration, "file_sd_configs") ||
           integration_has(integration, "dns_sd_configs") ||
           config_problem(loader, integration->settings,
                          "one of url, static_configs, file_sd_configs or dns_sd_configs must be "
                          "configured");
}

static bool check_grafana(ConfigLoader *loader, const Integration *integration) {
    return require(loader, integration, "url", "missing url in Grafana config");
}

/* ---- scopes ---- */

static IntegrationScope scope_group(const Integration *integration, const Route *route) {
    (void)integration, (void)route;
    return SCOPE_GROUP;
}

static IntegrationScope scope_alert(const Integration *integration, const Route *route) {
    (void)integration, (void)route;
    return SCOPE_ALERT;
}

static IntegrationScope scope_direct(const Integration *integration, const Route *route) {
    (void)integration, (void)route;
    return SCOPE_DIRECT;
}

/* A route that groups by nothing would make one incident of everything, open for ever: there each
 * alert is an incident of its own, unless the configuration says otherwise. */
static IntegrationScope scope_pagerduty(const Integration *integration, const Route *route) {
    Str incident = integration_text(integration, "incident");
    if (incident.len) {
        return str_eq(incident, STR("alert")) ? SCOPE_ALERT : SCOPE_GROUP;
    }
    return route->group_by_count == 0 ? SCOPE_ALERT : SCOPE_GROUP;
}

/* ---- the table ---- */

#define COMMON_FIELDS                                                                              \
    {"send_resolved", FIELD_BOOL, NULL, NULL}, {                                                   \
        "http_config", FIELD_HTTP, NULL, "http_config"                                             \
    }

static const FieldSpec log_fields_spec[] = {
    {"send_resolved", FIELD_BOOL, NULL, NULL}, {"text", FIELD_TEMPLATE, NULL, NULL}, {0}};

static const FieldSpec pagerduty_fields[] = {
    COMMON_FIELDS,
    {"service_key", FIELD_SECRET, NULL, NULL},
    {"service_key_file", FIELD_TEXT, NULL, NULL},
    {"routing_key", FIELD_SECRET, NULL, NULL},
    {"routing_key_file", FIELD_TEXT, NULL, NULL},
    {"url", FIELD_URL, "https://events.pagerduty.com/v2/enqueue", "pagerduty_url"},
    {"client", FIELD_TEMPLATE, "{{ template \"pagerduty.default.client\" . }}", NULL},
    {"client_url", FIELD_TEMPLATE, "{{ template \"pagerduty.default.clientURL\" . }}", NULL},
    {"description", FIELD_TEMPLATE, NULL, NULL},
    {"details", FIELD_TREE, NULL, NULL},
    {"images", FIELD_TREE, NULL, NULL},
    {"links", FIELD_TREE, NULL, NULL},
    {"source", FIELD_TEMPLATE, NULL, NULL},
    {"severity", FIELD_TEMPLATE, NULL, NULL},
    {"class", FIELD_TEMPLATE, NULL, NULL},
    {"component", FIELD_TEMPLATE, NULL, NULL},
    {"group", FIELD_TEMPLATE, NULL, NULL},
    {"timeout", FIELD_DURATION, NULL, NULL},
    {"incident", FIELD_TEXT, NULL, NULL}, /* ours: alert or group */
    {0}};

static const FieldSpec alertmanager_fields[] = {COMMON_FIELDS,
                                                {"url", FIELD_URL, NULL, NULL},
                                                {"static_configs", FIELD_TREE, NULL, NULL},
                                                {"file_sd_configs", FIELD_TREE, NULL, NULL},
                                                {"dns_sd_configs", FIELD_TREE, NULL, NULL},
                                                {"scheme", FIELD_TEXT, "http", NULL},
                                                {"path_prefix", FIELD_TEXT, NULL, NULL},
                                                {"api_version", FIELD_TEXT, "v2", NULL},
                                                {"timeout", FIELD_DURATION, "10s", NULL},
                                                {"forward", FIELD_TEXT, "active", NULL},
                                                {0}};

static const FieldSpec webhook_fields[] = {COMMON_FIELDS,
                                           {"url", FIELD_SECRET_URL, NULL, NULL},
                                           {"url_file", FIELD_TEXT, NULL, NULL},
                                           {"max_alerts", FIELD_INT, "0", NULL},
                                           {"timeout", FIELD_DURATION, NULL, NULL},
                                           {"payload", FIELD_TREE, NULL, NULL},
                                           {0}};

static const FieldSpec slack_fields[] = {
    COMMON_FIELDS,
    {"api_url", FIELD_SECRET_URL, NULL, "slack_api_url"},
    {"api_url_file", FIELD_TEXT, NULL, "slack_api_url_file"},
    {"app_token", FIELD_SECRET, NULL, "slack_app_token"},
    {"app_token_file", FIELD_TEXT, NULL, "slack_app_token_file"},
    {"app_url", FIELD_URL, "https://slack.com/api/chat.postMessage", "slack_app_url"},
    {"channel", FIELD_TEMPLATE, NULL, NULL},
    {"username", FIELD_TEMPLATE, "{{ template \"slack.default.username\" . }}", NULL},
    {"color", FIELD_TEMPLATE, "{{ if eq .Status \"firing\" }}danger{{ else }}good{{ end }}", NULL},
    {"title", FIELD_TEMPLATE, "{{ template \"slack.default.title\" . }}", NULL},
    {"title_link", FIELD_TEMPLATE, "{{ template \"slack.default.titlelink\" . }}", NULL},
    {"pretext", FIELD_TEMPLATE, "{{ template \"slack.default.pretext\" . }}", NULL},
    {"text", FIELD_TEMPLATE, "{{ template \"slack.default.text\" . }}", NULL},
    {"fields", FIELD_TREE, NULL, NULL},
    {"short_fields", FIELD_BOOL, NULL, NULL},
    {"footer", FIELD_TEMPLATE, "{{ template \"slack.default.footer\" . }}", NULL},
    {"fallback", FIELD_TEMPLATE, "{{ template \"slack.default.fallback\" . }}", NULL},
    {"callback_id", FIELD_TEMPLATE, "{{ template \"slack.default.callbackid\" . }}", NULL},
    {"icon_emoji", FIELD_TEMPLATE, "{{ template \"slack.default.iconemoji\" . }}", NULL},
    {"icon_url", FIELD_TEMPLATE, "{{ template \"slack.default.iconurl\" . }}", NULL},
    {"image_url", FIELD_TEMPLATE, NULL, NULL},
    {"thumb_url", FIELD_TEMPLATE, NULL, NULL},
    {"link_names", FIELD_BOOL, NULL, NULL},
    {"mrkdwn_in", FIELD_TREE, NULL, NULL},
    {"message_text", FIELD_TEMPLATE, NULL, NULL},
    {"actions", FIELD_TREE, NULL, NULL},
    {"timeout", FIELD_DURATION, NULL, NULL},
    {"update_message", FIELD_BOOL, NULL, NULL},
    {0}};

static const FieldSpec email_fields[] = {
    {"send_resolved", FIELD_BOOL, NULL, NULL},
    {"to", FIELD_TEMPLATE, NULL, NULL},
    {"from", FIELD_TEMPLATE, NULL, "smtp_from"},
    {"hello", FIELD_TEXT, "localhost", "smtp_hello"},
    {"smarthost", FIELD_TEXT, NULL, "smtp_smarthost"},
    {"auth_username", FIELD_TEXT, NULL, "smtp_auth_username"},
    {"auth_password", FIELD_SECRET, NULL, "smtp_auth_password"},
    {"auth_password_file", FIELD_TEXT, NULL, "smtp_auth_password_file"},
    {"auth_secret", FIELD_SECRET, NULL, "smtp_auth_secret"},
    {"auth_secret_file", FIELD_TEXT, NULL, "smtp_auth_secret_file"},
    {"auth_identity", FIELD_TEXT, NULL, "smtp_auth_identity"},
    {"headers", FIELD_TREE, NULL, NULL},
    {"html", FIELD_TEMPLATE, "{{ template \"email.default.html\" . }}", NULL},
    {"text", FIELD_TEMPLATE, NULL, NULL},
    {"require_tls", FIELD_BOOL, "true", "smtp_require_tls"},
    {"tls_config", FIELD_TLS, NULL, "smtp_tls_config"},
    {"force_implicit_tls", FIELD_BOOL, NULL, "smtp_force_implicit_tls"},
    {"threading", FIELD_TREE, NULL, NULL},
    {"attachments", FIELD_TREE, NULL, NULL},
    {0}};

static const FieldSpec msteams_fields[] = {
    COMMON_FIELDS,
    {"webhook_url", FIELD_SECRET_URL, NULL, NULL},
    {"webhook_url_file", FIELD_TEXT, NULL, NULL},
    {"title", FIELD_TEMPLATE, "{{ template \"msteams.default.title\" . }}", NULL},
    {"summary", FIELD_TEMPLATE, "{{ template \"msteams.default.summary\" . }}", NULL},
    {"text", FIELD_TEMPLATE, "{{ template \"msteams.default.text\" . }}", NULL},
    {"timeout", FIELD_DURATION, NULL, NULL},
    {0}};

static const FieldSpec msteamsv2_fields[] = {
    COMMON_FIELDS,
    {"webhook_url", FIELD_SECRET_URL, NULL, NULL},
    {"webhook_url_file", FIELD_TEXT, NULL, NULL},
    {"title", FIELD_TEMPLATE, "{{ template \"msteamsv2.default.title\" . }}", NULL},
    {"text", FIELD_TEMPLATE, "{{ template \"msteamsv2.default.text\" . }}", NULL},
    {"timeout", FIELD_DURATION, NULL, NULL},
    {0}};

static const FieldSpec grafana_fields[] = {COMMON_FIELDS,
                                           {"url", FIELD_URL, NULL, NULL},
                                           {"token", FIELD_SECRET, NULL, NULL},
                                           {"token_file", FIELD_TEXT, NULL, NULL},
                                           {"dashboard_uid", FIELD_TEXT, NULL, NULL},
                                           {"panel_id", FIELD_INT, NULL, NULL},
                                           {"tags", FIELD_TREE, NULL, NULL},
                                           {"text", FIELD_TEMPLATE, NULL, NULL},
                                           {"timeout", FIELD_DURATION, NULL, NULL},
                                           {0}};

static const FieldSpec opsgenie_fields[] = {
    COMMON_FIELDS,
    {"api_key", FIELD_SECRET, NULL, "opsgenie_api_key"},
    {"api_key_file", FIELD_TEXT, NULL, "opsgenie_api_key_file"},
    {"api_url", FIELD_URL, "https://api.opsgenie.com/", "opsgenie_api_url"},
    {"message", FIELD_TEMPLATE, "{{ template \"opsgenie.default.message\" . }}", NULL},
    {"description", FIELD_TEMPLATE, "{{ template \"opsgenie.default.description\" . }}", NULL},
    {"source", FIELD_TEMPLATE, "{{ template \"opsgenie.default.source\" . }}", NULL},
    {"details", FIELD_TREE, NULL, NULL},
    {"entity", FIELD_TEMPLATE, NULL, NULL},
    {"responders", FIELD_TREE, NULL, NULL},
    {"actions", FIELD_TEMPLATE, NULL, NULL},
    {"tags", FIELD_TEMPLATE, NULL, NULL},
    {"note", FIELD_TEMPLATE, NULL, NULL},
    {"priority", FIELD_TEMPLATE, NULL, NULL},
    {"update_alerts", FIELD_BOOL, NULL, NULL},
    {"timeout", FIELD_DURATION, NULL, NULL},
    {0}};

static const FieldSpec victorops_fields[] = {
    COMMON_FIELDS,
    {"api_key", FIELD_SECRET, NULL, "victorops_api_key"},
    {"api_key_file", FIELD_TEXT, NULL, "victorops_api_key_file"},
    {"api_url", FIELD_URL, NULL, "victorops_api_url"},
    {"routing_key", FIELD_TEMPLATE, NULL, NULL},
    {"message_type", FIELD_TEMPLATE, NULL, NULL},
    {"state_message", FIELD_TEMPLATE, NULL, NULL},
    {"entity_display_name", FIELD_TEMPLATE, NULL, NULL},
    {"monitoring_tool", FIELD_TEMPLATE, NULL, NULL},
    {"custom_fields", FIELD_TREE, NULL, NULL},
    {0}};

static const FieldSpec pushover_fields[] = {COMMON_FIELDS,
                                            {"user_key", FIELD_SECRET, NULL, NULL},
                                            {"user_key_file", FIELD_TEXT, NULL, NULL},
                                            {"token", FIELD_SECRET, NULL, NULL},
                                            {"token_file", FIELD_TEXT, NULL, NULL},
                                            {"title", FIELD_TEMPLATE, NULL, NULL},
                                            {"message", FIELD_TEMPLATE, NULL, NULL},
                                            {"url", FIELD_TEMPLATE, NULL, NULL},
                                            {"url_title", FIELD_TEMPLATE, NULL, NULL},
                                            {"device", FIELD_TEXT, NULL, NULL},
                                            {"sound", FIELD_TEXT, NULL, NULL},
                                            {"priority", FIELD_TEMPLATE, NULL, NULL},
                                            {"retry", FIELD_DURATION, NULL, NULL},
                                            {"expire", FIELD_DURATION, NULL, NULL},
                                            {"ttl", FIELD_DURATION, NULL, NULL},
                                            {"html", FIELD_BOOL, NULL, NULL},
                                            {"monospace", FIELD_BOOL, NULL, NULL},
                                            {0}};

static const FieldSpec wechat_fields[] = {
    COMMON_FIELDS,
    {"api_secret", FIELD_SECRET, NULL, "wechat_api_secret"},
    {"api_secret_file", FIELD_TEXT, NULL, "wechat_api_secret_file"},
    {"corp_id", FIELD_TEXT, NULL, "wechat_api_corp_id"},
    {"message", FIELD_TEMPLATE, NULL, NULL},
    {"api_url", FIELD_URL, NULL, "wechat_api_url"},
    {"to_user", FIELD_TEMPLATE, NULL, NULL},
    {"to_party", FIELD_TEMPLATE, NULL, NULL},
    {"to_tag", FIELD_TEMPLATE, NULL, NULL},
    {"agent_id", FIELD_TEMPLATE, NULL, NULL},
    {"message_type", FIELD_TEXT, NULL, NULL},
    {0}};

static const FieldSpec telegram_fields[] = {
    COMMON_FIELDS,
    {"api_url", FIELD_URL, "https://api.telegram.org", "telegram_api_url"},
    {"bot_token", FIELD_SECRET, NULL, "telegram_bot_token"},
    {"bot_token_file", FIELD_TEXT, NULL, "telegram_bot_token_file"},
    {"chat_id", FIELD_TEXT, NULL, NULL},
    {"chat_id_file", FIELD_TEXT, NULL, NULL},
    {"message_thread_id", FIELD_INT, NULL, NULL},
    {"message", FIELD_TEMPLATE, "{{ template \"telegram.default.message\" . }}", NULL},
    {"disable_notifications", FIELD_BOOL, NULL, NULL},
    {"parse_mode", FIELD_TEXT, "HTML", NULL},
    {0}};

static const FieldSpec discord_fields[] = {
    COMMON_FIELDS,
    {"webhook_url", FIELD_SECRET_URL, NULL, NULL},
    {"webhook_url_file", FIELD_TEXT, NULL, NULL},
    {"content", FIELD_TEMPLATE, NULL, NULL},
    {"title", FIELD_TEMPLATE, "{{ template \"discord.default.title\" . }}", NULL},
    {"message", FIELD_TEMPLATE, "{{ template \"discord.default.message\" . }}", NULL},
    {"username", FIELD_TEXT, NULL, NULL},
    {"avatar_url", FIELD_URL, NULL, NULL},
    {0}};

static const FieldSpec sns_fields[] = {COMMON_FIELDS,
                                       {"api_url", FIELD_TEMPLATE, NULL, NULL},
                                       {"sigv4", FIELD_TREE, NULL, NULL},
                                       {"topic_arn", FIELD_TEMPLATE, NULL, NULL},
                                       {"use_aws_http_client", FIELD_BOOL, NULL, NULL},
                                       {"phone_number", FIELD_TEMPLATE, NULL, NULL},
                                       {"target_arn", FIELD_TEMPLATE, NULL, NULL},
                                       {"subject", FIELD_TEMPLATE, NULL, NULL},
                                       {"message", FIELD_TEMPLATE, NULL, NULL},
                                       {"attributes", FIELD_TREE, NULL, NULL},
                                       {0}};

static const FieldSpec webex_fields[] = {COMMON_FIELDS,
                                         {"api_url", FIELD_URL, NULL, "webex_api_url"},
                                         {"message", FIELD_TEMPLATE, NULL, NULL},
                                         {"room_id", FIELD_TEMPLATE, NULL, NULL},
                                         {0}};

static const FieldSpec jira_fields[] = {COMMON_FIELDS,
                                        {"api_url", FIELD_URL, NULL, "jira_api_url"},
                                        {"api_type", FIELD_TEXT, NULL, NULL},
                                        {"project", FIELD_TEMPLATE, NULL, NULL},
                                        {"summary", FIELD_TREE, NULL, NULL},
                                        {"description", FIELD_TREE, NULL, NULL},
                                        {"labels", FIELD_TREE, NULL, NULL},
                                        {"priority", FIELD_TEMPLATE, NULL, NULL},
                                        {"issue_type", FIELD_TEMPLATE, NULL, NULL},
                                        {"reopen_transition", FIELD_TEXT, NULL, NULL},
                                        {"resolve_transition", FIELD_TEXT, NULL, NULL},
                                        {"wont_fix_resolution", FIELD_TEXT, NULL, NULL},
                                        {"reopen_duration", FIELD_DURATION, NULL, NULL},
                                        {"fields", FIELD_TREE, NULL, NULL},
                                        {0}};

static const FieldSpec rocketchat_fields[] = {
    COMMON_FIELDS,
    {"api_url", FIELD_URL, NULL, "rocketchat_api_url"},
    {"token", FIELD_SECRET, NULL, "rocketchat_token"},
    {"token_file", FIELD_TEXT, NULL, "rocketchat_token_file"},
    {"token_id", FIELD_SECRET, NULL, "rocketchat_token_id"},
    {"token_id_file", FIELD_TEXT, NULL, "rocketchat_token_id_file"},
    {"channel", FIELD_TEMPLATE, NULL, NULL},
    {"color", FIELD_TEMPLATE, NULL, NULL},
    {"title", FIELD_TEMPLATE, NULL, NULL},
    {"title_link", FIELD_TEMPLATE, NULL, NULL},
    {"text", FIELD_TEMPLATE, NULL, NULL},
    {"fields", FIELD_TREE, NULL, NULL},
    {"short_fields", FIELD_BOOL, NULL, NULL},
    {"emoji", FIELD_TEMPLATE, NULL, NULL},
    {"icon_url", FIELD_TEMPLATE, NULL, NULL},
    {"image_url", FIELD_TEMPLATE, NULL, NULL},
    {"thumb_url", FIELD_TEMPLATE, NULL, NULL},
    {"link_names", FIELD_BOOL, NULL, NULL},
    {"actions", FIELD_TREE, NULL, NULL},
    {0}};

static const FieldSpec mattermost_fields[] = {
    COMMON_FIELDS,
    {"webhook_url", FIELD_SECRET_URL, NULL, "mattermost_webhook_url"},
    {"webhook_url_file", FIELD_TEXT, NULL, "mattermost_webhook_url_file"},
    {"channel", FIELD_TEMPLATE, NULL, NULL},
    {"username", FIELD_TEMPLATE, NULL, NULL},
    {"text", FIELD_TEMPLATE, NULL, NULL},
    {"icon_url", FIELD_TEMPLATE, NULL, NULL},
    {"icon_emoji", FIELD_TEMPLATE, NULL, NULL},
    {"attachments", FIELD_TREE, NULL, NULL},
    {"type", FIELD_TEXT, NULL, NULL},
    {"props", FIELD_TREE, NULL, NULL},
    {"priority", FIELD_TREE, NULL, NULL},
    {0}};

static const FieldSpec incidentio_fields[] = {COMMON_FIELDS,
                                              {"url", FIELD_URL, NULL, NULL},
                                              {"url_file", FIELD_TEXT, NULL, NULL},
                                              {"alert_source_token", FIELD_SECRET, NULL, NULL},
                                              {"alert_source_token_file", FIELD_TEXT, NULL, NULL},
                                              {"max_alerts", FIELD_INT, NULL, NULL},
                                              {"timeout", FIELD_DURATION, NULL, NULL},
                                              {"metadata", FIELD_TREE, NULL, NULL},
                                              {0}};

const IntegrationType integration_types[] = {
    {.name = "log",
     .key = "log_configs",
     .fields = log_fields_spec,
     .send_resolved = true,
     .is_ours = true,
     .has_keys = true,
     .scope = scope_alert,
     .build = log_build,
     .judge = http_judge},
    {.name = "pagerduty",
     .key = "pagerduty_configs",
     .fields = pagerduty_fields,
     .send_resolved = true,
     .has_keys = true,
     .check = check_pagerduty,
     .scope = scope_pagerduty,
     .target_key = "routing_key",
     .build = pagerduty_build,
     .judge = pagerduty_judge},
    {.name = "alertmanager",
     .key = "alertmanager_configs",
     .fields = alertmanager_fields,
     .send_resolved = true,
     .has_keys = true,
     .is_ours = true,
     .batch_max = 64,
     .check = check_alertmanager,
     .scope = scope_direct,
     .target_key = "url",
     .build = alertmanager_build,
     .judge = http_judge},
    {.name = "webhook",
     .key = "webhook_configs",
     .fields = webhook_fields,
     .send_resolved = true,
     .check = check_webhook,
     .scope = scope_group,
     .target_key = "url",
     .build = webhook_build,
     .judge = http_judge},
    {.name = "slack",
     .key = "slack_configs",
     .fields = slack_fields,
     .check = check_slack,
     .scope = scope_group,
     .target_key = "channel",
     .build = slack_build,
     .judge = slack_judge},
    {.name = "email",
     .key = "email_configs",
     .fields = email_fields,
     .check = check_email,
     .scope = scope_group,
     .target_key = "to",
     .build = email_build,
     .judge = email_judge},
    {.name = "msteams",
     .key = "msteams_configs",
     .fields = msteams_fields,
     .send_resolved = true,
     .check = check_teams,
     .scope = scope_group,
     .target_key = "webhook_url",
     .build = msteams_build,
     .judge = http_judge},
    {.name = "msteamsv2",
     .key = "msteamsv2_configs",
     .fields = msteamsv2_fields,
     .send_resolved = true,
     .check = check_teams,
     .scope = scope_group,
     .target_key = "webhook_url",
     .build = msteamsv2_build,
     .judge = http_judge},
    {.name = "grafana",
     .key = "grafana_configs",
     .fields = grafana_fields,
     .send_resolved = true,
     .is_ours = true,
     .check = check_grafana,
     .scope = scope_alert,
     .target_key = "url",
     .build = grafana_build,
     .judge = grafana_judge},
    {.name = "opsgenie",
     .key = "opsgenie_configs",
     .fields = opsgenie_fields,
     .send_resolved = true,
     .has_keys = true,
     .check = check_opsgenie,
     .scope = scope_group},
    {.name = "victorops",
     .key = "victorops_configs",
     .fields = victorops_fields,
     .send_resolved = true,
     .check = check_victorops,
     .scope = scope_group},
    {.name = "pushover",
     .key = "pushover_configs",
     .fields = pushover_fields,
     .send_resolved = true,
     .scope = scope_group},
    {.name = "wechat",
     .key = "wechat_configs",
     .fields = wechat_fields,
     .check = check_wechat,
     .scope = scope_group},
    {.name = "telegram",
     .key = "telegram_configs",
     .fields = telegram_fields,
     .send_resolved = true,
     .check = check_telegram,
     .scope = scope_group},
    {.name = "discord",
     .key = "discord_configs",
     .fields = discord_fields,
     .send_resolved = true,
     .scope = scope_group},
    {.name = "sns",
     .key = "sns_configs",
     .fields = sns_fields,
     .send_resolved = true,
     .check = check_sns,
     .scope = scope_group},
    {.name = "webex",
     .key = "webex_configs",
     .fields = webex_fields,
     .send_resolved = true,
     .check = check_webex,
     .scope = scope_group},
    {.name = "jira",
     .key = "jira_configs",
     .fields = jira_fields,
     .send_resolved = true,
     .scope = scope_group},
    {.name = "rocketchat",
     .key = "rocketchat_configs",
     .fields = rocketchat_fields,
     .check = check_rocketchat,
     .scope = scope_group},
    {.name = "mattermost",
     .key = "mattermost_configs",
     .fields = mattermost_fields,
     .send_resolved = true,
     .scope = scope_group},
    {.name = "incidentio",
     .key = "incidentio_configs",
     .fields = incidentio_fields,
     .send_resolved = true,
     .scope = scope_group},
    {0},
};
