#include "web/rules_json.h"

#include "base/number.h"

static void put_time_ns(JsonWriter *json, const char *key, TimeMs time) {
    if (time) {
        json_put_time(json, key, time);
    } else {
        json_put_str(json, key, STR("0001-01-01T00:00:00Z"));
    }
}

static void put_labels(JsonWriter *json, const char *key, LabelSet labels) {
    json_key(json, str_of(key));
    labels_json(json, labels);
}

/* vmalert's ids are numbers in text. */
static void put_id(JsonWriter *json, const char *key, uint64_t id) {
    AUTO(buf_finish) Buf text = {0};
    buf_printf(&text, "%llu", (unsigned long long)id);
    json_put_str(json, key, buf_view(&text));
}

uint64_t rules_json_alert_id(const Alert *alert) {
    return labels_fingerprint(alert->labels);
}

static void put_alert_place(JsonWriter *json, const Alert *alert, AlertPlace place) {
    put_id(json, "id", rules_json_alert_id(alert));
    put_id(json, "rule_id", place.rule->id);
    put_id(json, "group_id", place.group->id);
    json_put_str(json, "name", place.rule->name);
    json_put_str(json, "expression", place.rule->query);
    json_put_str(json, "source", place.rule->generator_url);
    json_put_bool(json, "restored", alert->is_restored);
    json_put_bool(json, "stabilizing", alert->keep_firing_since != 0);
}

void rules_json_alert(JsonWriter *json, const Alert *alert, AlertPlace place) {
    AUTO(buf_finish) Buf value = {0};
    number_put_exp(&value, alert->value);
    json_object(json);
    put_labels(json, "labels", alert->labels);
    put_labels(json, "annotations", alert->annotations);
    json_put_str(json, "state", str_of(alert_phase_text(alert->phase)));
    json_put_time(json, "activeAt", alert->active_at);
    if (alert->keep_firing_since) {
        json_put_time(json, "keepFiringSince", alert->keep_firing_since);
    }
    json_put_str(json, "value", buf_view(&value));
    if (alert->stale) {
        json_put_bool(json, "stale", true); /* its source is late: held as it was */
    }
    put_alert_place(json, alert, place);
    json_end(json);
}

static const char *rule_state(const RuleView *rule) {
    AlertPhase state = ALERT_INACTIVE;
    if (rule->last_evaluation == 0 && rule->alert_count == 0) {
        return "unknown"; /* not evaluated yet */
    }
    for (size_t i = 0; i < rule->alert_count; i++) {
        state = rule->alerts[i].phase > state ? rule->alerts[i].phase : state;
    }
    return alert_phase_text(state);
}

static void put_alerts(JsonWriter *json, AlertPlace place, bool exclude) {
    const RuleView *rule = place.rule;
    if (exclude) {
        json_key(json, STR("alerts"));
        json_null(json);
        return;
    }
    json_put_array(json, "alerts");
    for (size_t i = 0; i < rule->alert_count; i++) {
        rules_json_alert(json, &rule->alerts[i], place);
    }
    json_end(json);
}

/* What vmalert tells besides, and what each selector found. */
static void put_rule_extras(JsonWriter *json, AlertPlace place) {
    const RuleView *rule = place.rule;
    json_put_str(json, "datasourceType", STR("prometheus"));
    json_put_int(json, "lastSamples", (int64_t)rule->samples);
    if (rule->knows_series) {
        json_put_int(json, "lastSeriesFetched", (int64_t)rule->series);
    }
    if (rule->is_alert) {
        json_put_number(json, "keep_firing_for", (double)rule->keep_firing / 1000);
    }
    put_id(json, "id", rule->id);
    put_id(json, "group_id", place.group->id);
    json_put_str(json, "group_name", place.group->name);
    json_put_str(json, "file", place.group->file);
    json_put_bool(json, "debug", rule->debug);
    json_put_int(json, "max_updates_entries", rule->updates_max);
    json_put_array(json, "selectors");
    for (size_t i = 0; i < rule->selector_count; i++) {
        json_object(json);
        json_put_str(json, "selector", rule->selectors[i].text);
        json_put_int(json, "series", (int64_t)rule->selectors[i].series);
        json_end(json);
    }
    json_end(json);
}

static bool matched_nothing(const RuleView *rule) {
    return rule->samples == 0 && rule->knows_series && rule->series == 0;
}

/* vmalert's `extended_states`: also what is wrong with the rule, and of recording rules. */
static const char *extended_state(const RuleView *rule) {
    if (rule->alert_count) {
        return rule_state(rule);
    }
    if (rule->health != RULE_OK) {
        return "unhealthy";
    }
    return matched_nothing(rule) ? "nomatch" : rule->is_alert ? rule_state(rule) : "ok";
}

static void put_rule_members(JsonWriter *json, AlertPlace place, RulesJson how) {
    const RuleView *rule = place.rule;
    static const char *const healths[] = {"unknown", "ok", "err"};
    if (rule->is_alert || how.extended_states) {
        json_put_str(json, "state",
                     str_of(how.extended_states ? extended_state(rule) : rule_state(rule)));
    }
    json_put_str(json, "name", rule->name);
    json_put_str(json, "query", rule->query);
    if (rule->is_alert) {
        json_put_number(json, "duration", (double)rule->hold / 1000);
        json_put_number(json, "keepFiringFor", (double)rule->keep_firing / 1000);
    }
    put_labels(json, "labels", rule->labels);
    if (rule->is_alert) {
        put_labels(json, "annotations", rule->annotations);
        put_alerts(json, place, how.exclude_alerts);
    }
    json_put_str(json, "health", str_of(healths[rule->health]));
    json_put_str(json, "lastError", rule->last_error);
    json_put_number(json, "evaluationTime", (double)rule->duration_ns / 1e9);
    put_time_ns(json, "lastEvaluation", rule->last_evaluation);
    json_put_str(json, "type", rule->is_alert ? STR("alerting") : STR("recording"));
    put_rule_extras(json, place);
}

static void put_updates(JsonWriter *json, const RuleUpdate *updates, size_t count) {
    json_put_array(json, "updates");
    for (size_t i = 0; i < count; i++) {
        json_object(json);
        json_put_time(json, "time", updates[i].at);
        json_put_time(json, "at", updates[i].time);
        json_put_int(json, "duration", updates[i].duration_ns);
        json_put_str(json, "error", updates[i].error);
        json_put_int(json, "samples", (int64_t)updates[i].samples);
        if (updates[i].knows_series) {
            json_put_int(json, "series_fetched", (int64_t)updates[i].series);
        }
        json_end(json);
    }
    json_end(json);
}

void rules_json_rule(JsonWriter *json, AlertPlace place, const RuleUpdate *updates, size_t count) {
    json_object(json);
    put_rule_members(json, place, (RulesJson){0});
    put_updates(json, updates, count);
    json_end(json);
}

/* ---- states ---- */

const char *const rules_json_states[RULES_JSON_STATES] = {
    "inactive", "pending", "firing", "unknown", "unhealthy", "nomatch", "ok"};

/* Grafana's words for states. */
Str rules_json_state_by_alias(Str state) {
    static const char *const aliases[][2] = {
        {"noData", "nomatch"}, {"normal", "inactive"}, {"error", "unhealthy"}};
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        state = str_eq(state, str_of(aliases[i][0])) ? str_of(aliases[i][1]) : state;
    }
    return state;
}

bool rules_json_in_state(const RuleView *rule, Str state) {
    state = rules_json_state_by_alias(state);
    if (str_eq(state, STR("unhealthy"))) {
        return rule->health == RULE_ERR;
    }
    if (str_eq(state, STR("nomatch"))) {
        return rule->health == RULE_OK && matched_nothing(rule);
    }
    if (str_eq(state, STR("ok"))) {
        return rule->health == RULE_OK;
    }
    return rule->is_alert && str_eq(state, str_of(rule_state(rule)));
}

/* ---- groups ---- */

static void put_texts(JsonWriter *json, const char *key, const Str *texts, size_t count) {
    json_put_array(json, key);
    for (size_t i = 0; i < count; i++) {
        json_str(json, texts[i]);
    }
    json_end(json);
}

static void put_params(JsonWriter *json, const GroupView *group) {
    json_put_array(json, "params");
    for (size_t i = 0; i < group->param_count; i++) {
        AUTO(buf_finish) Buf pair = {0};
        buf_str(&pair, group->params[i].name);
        buf_byte(&pair, '=');
        buf_str(&pair, group->params[i].value);
        json_str(json, buf_view(&pair));
    }
    json_end(json);
}

static void put_states(JsonWriter *json, const GroupView *group) {
    json_put_object(json, "states");
    for (size_t n = 0; n < RULES_JSON_STATES; n++) {
        int64_t count = 0;
        for (size_t i = 0; i < group->rule_count; i++) {
            const RuleView *rule = &group->rules[i];
            bool is_ok = str_eq(str_of(rules_json_states[n]), STR("ok"));
            count += is_ok ? !rule->is_alert && rule->health == RULE_OK
                           : rules_json_in_state(rule, str_of(rules_json_states[n]));
        }
        if (count) {
            json_put_int(json, rules_json_states[n], count);
        }
    }
    json_end(json);
}

/* What vmalert tells besides. */
static void put_group_extras(JsonWriter *json, const GroupView *group) {
    put_id(json, "id", group->id);
    json_put_int(json, "concurrency", group->concurrency);
    put_params(json, group);
    put_texts(json, "headers", group->headers, group->header_count);
    put_texts(json, "notifier_headers", group->notifier_headers, group->notifier_header_count);
    put_labels(json, "labels", group->labels);
    json_put_number(json, "query_offset", (double)group->query_offset / 1000);
    json_put_number(json, "eval_offset", (double)group->eval_offset / 1000);
    json_put_number(json, "eval_delay", (double)group->eval_delay / 1000);
    json_put_bool(json, "aside", group->is_aside);
    put_states(json, group);
}

void rules_json_group(JsonWriter *json, const GroupView *group, RulesJson how) {
    json_object(json);
    json_put_str(json, "name", group->name);
    json_put_str(json, "file", group->file);
    json_put_array(json, "rules");
    for (size_t i = 0; i < group->rule_count; i++) {
        json_object(json);
        put_rule_members(json, (AlertPlace){group, &group->rules[i]}, how);
        json_end(json);
    }
    json_end(json);
    json_put_number(json, "interval", (double)group->interval / 1000);
    json_put_int(json, "limit", group->limit);
    json_put_number(json, "evaluationTime", (double)group->duration_ns / 1e9);
    put_time_ns(json, "lastEvaluation", group->last_evaluation);
    json_put_str(json, "type", group->type);
    put_group_extras(json, group);
    if (group->file_error.len) {
        json_put_str(json, "fileError", group->file_error);
    }
    json_end(json);
}
