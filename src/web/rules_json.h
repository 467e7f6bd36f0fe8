#pragma once

/*
 * Groups, rules and alerts as JSON: Prometheus' keys, and vmalert's as further ones, so that
 * clients of both read the same answer.
 */

#include "web/api.h"

typedef struct RulesJson {
    bool exclude_alerts;
    bool extended_states; /* vmalert's: also what is wrong with a rule, and of recording rules */
} RulesJson;

/* A rule or one of its alerts, and the group it is in. */
typedef struct AlertPlace {
    const GroupView *group;
    const RuleView *rule;
} AlertPlace;

void rules_json_group(JsonWriter *json, const GroupView *group, RulesJson how);
/* A rule with its last evaluations. */
void rules_json_rule(JsonWriter *json, AlertPlace place, const RuleUpdate *updates, size_t count);
void rules_json_alert(JsonWriter *json, const Alert *alert, AlertPlace place);
/* vmalert's number of an alert, as `id` has it. */
uint64_t rules_json_alert_id(const Alert *alert);

/* The states that a rule may be asked for by; Grafana has words of its own for some. */
enum { RULES_JSON_STATES = 7 };
extern const char *const rules_json_states[RULES_JSON_STATES];
Str rules_json_state_by_alias(Str state);
bool rules_json_in_state(const RuleView *rule, Str state);
