/* /api/v1/features: what clients may count on, by Prometheus' categories and names. */

#include "promql/ast.h"
#include "web/api.h"

typedef struct Feature {
    const char *name;
    bool enabled;
} Feature;

static const Feature api[] = {
    {"admin", true},
    {"exclude_alerts", true},
    {"label_values_match", true},
    {"lifecycle", true},
    {"openapi_3.1", false},
    {"openapi_3.2", false},
    {"otlp_write_receiver", false},
    {"query_stats", true},
    {"query_warnings", true},
    {"remote_write_receiver", true},
    {"search", false},
    {"time_range_labels", true},
    {"time_range_series", true},
};

static const Feature language[] = {
    {"anchored", true},
    {"at_modifier", true},
    {"bool", true},
    {"by", true},
    {"delayed_name_removal", true},
    {"duration_expr", true},
    {"fill", true},
    {"fill_left", true},
    {"fill_right", true},
    {"group_left", true},
    {"group_right", true},
    {"ignoring", true},
    {"negative_offset", true},
    {"offset", true},
    {"on", true},
    {"per_query_lookback_delta", true},
    {"per_step_stats", true},
    {"smoothed", true},
    {"subqueries", true},
    {"type_and_unit_labels", false},
    {"without", true},
};

static const Feature program[] = {
    {"agent_mode", false},
    {"auto_reload_config", false},
    {"belfry", true},
    {"server_mode", true},
};

static const Feature rules[] = {
    {"concurrent_rule_eval", true},
    {"keep_firing_for", true},
    {"query_offset", true},
};

static const Feature store[] = {
    {"exemplar_storage", false},
    {"isolation", true},
    {"native_histograms", true},
};

static void put_features(JsonWriter *json, const char *category, const Feature *features,
                         size_t count) {
    json_put_object(json, category);
    for (size_t i = 0; i < count; i++) {
        json_put_bool(json, features[i].name, features[i].enabled);
    }
    json_end(json);
}

static void put_name(void *ctx, const char *name) {
    json_put_bool(ctx, name, true);
}

#define PUT_FEATURES(json, category, features)                                                     \
    put_features(json, category, features, sizeof(features) / sizeof *(features))

void handle_features(Web *web, Request *request) {
    (void)web;
    JsonWriter json = respond_success(request);
    json_object(&json);
    PUT_FEATURES(&json, "api", api);
    PUT_FEATURES(&json, "prometheus", program);
    PUT_FEATURES(&json, "promql", language);
    json_put_object(&json, "promql_functions");
    promql_function_names(PROMQL_PROMETHEUS, put_name, &json);
    json_end(&json);
    json_put_object(&json, "promql_operators");
    promql_operator_names(PROMQL_PROMETHEUS, put_name, &json);
    json_end(&json);
    PUT_FEATURES(&json, "rules", rules);
    PUT_FEATURES(&json, "tsdb", store);
    json_end(&json);
    respond_success_end(&json);
}
