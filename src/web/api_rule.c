/*
 * What vmalert's pages and tools ask about one thing: /api/v1/group, /api/v1/rule with its last
 * evaluations, /api/v1/alert. As with vmalert the answer is the thing itself, with no `data` around
 * it.
 */

#include "web/rules_json.h"

/* Ids are numbers of 64 bits in text. */
static bool read_id(const Request *request, const char *name, uint64_t *ret_id, Err *err) {
    Str text = params_get(&request->params, str_of(name));
    uint64_t id = 0;
    bool good = text.len > 0;
    for (size_t i = 0; good && i < text.len; i++) {
        uint64_t digit = (uint64_t)(text.ptr[i] - '0');
        good = digit <= 9 && id <= (UINT64_MAX - digit) / 10;
        id = id * 10 + digit;
    }
    if (!good) {
        return err_set(err, ERR_INVALID, "invalid parameter \"%s\": \"%.*s\" is not an id", name,
                       STR_ARG(text));
    }
    *ret_id = id;
    return true;
}

static bool find_group(Web *web, Request *request, GroupView *ret_group, Err *err) {
    uint64_t id;
    if (!read_id(request, "group_id", &id, err)) {
        return false;
    }
    return rules_view_group(web_doors(web)->rules, id, &request->arena, ret_group) ||
           err_set(err, ERR_NOT_FOUND, "there is no group with the id %llu",
                   (unsigned long long)id);
}

void handle_rule_group(Web *web, Request *request) {
    Err err = {0};
    GroupView group;
    if (!find_group(web, request, &group, &err)) {
        respond_error(request, &err);
        return;
    }
    JsonWriter json = respond_json(request, 200);
    rules_json_group(&json, &group, (RulesJson){0});
}

static bool find_rule(Web *web, Request *request, GroupView *group, const RuleView **ret_rule,
                      Err *err) {
    uint64_t id;
    if (!find_group(web, request, group, err) || !read_id(request, "rule_id", &id, err)) {
        return false;
    }
    for (size_t i = 0; i < group->rule_count; i++) {
        if (group->rules[i].id == id) {
            *ret_rule = &group->rules[i];
            return true;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "group \"%.*s\" has no rule with the id %llu",
                   STR_ARG(group->name), (unsigned long long)id);
}

void handle_rule(Web *web, Request *request) {
    Err err = {0};
    GroupView group;
    const RuleView *rule = NULL;
    RuleUpdate *updates = NULL;
    size_t count = 0;
    if (!find_rule(web, request, &group, &rule, &err)) {
        respond_error(request, &err);
        return;
    }
    /* A reload between the two looks may take the rule away: then it has no evaluations. */
    (void)rules_updates(web_doors(web)->rules, group.id, rule->id, &request->arena, &updates,
                        &count);
    JsonWriter json = respond_json(request, 200);
    rules_json_rule(&json, (AlertPlace){&group, rule}, updates, count);
}

static bool find_alert(Web *web, Request *request, GroupView *group, AlertPlace *ret_place,
                       const Alert **ret_alert, Err *err) {
    uint64_t id;
    if (!find_group(web, request, group, err) || !read_id(request, "alert_id", &id, err)) {
        return false;
    }
    for (size_t i = 0; i < group->rule_count; i++) {
        const RuleView *rule = &group->rules[i];
        for (size_t k = 0; k < rule->alert_count; k++) {
            if (rules_json_alert_id(&rule->alerts[k]) == id) {
                *ret_place = (AlertPlace){group, rule};
                *ret_alert = &rule->alerts[k];
                return true;
            }
        }
    }
    return err_set(err, ERR_NOT_FOUND, "group \"%.*s\" has no active alert with the id %llu",
                   STR_ARG(group->name), (unsigned long long)id);
}

void handle_rule_alert(Web *web, Request *request) {
    Err err = {0};
    GroupView group;
    AlertPlace place;
    const Alert *alert = NULL;
    if (!find_alert(web, request, &group, &place, &alert, &err)) {
        respond_error(request, &err);
        return;
    }
    JsonWriter json = respond_json(request, 200);
    rules_json_alert(&json, alert, place);
}
