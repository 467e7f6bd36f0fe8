/*
 * GET /api/v1/explain: why somebody was paged for an alert, or was not.
 *
 *     alert=NAME|FINGERPRINT|KEY, match[]=SELECTOR, start, end (default the last 24 h), limit (20)
 *
 * Where no such alert was pending or fired, the rules of that name say why.
 */

#include "base/number.h"
#include "notify/explain.h"
#include "web/api.h"

enum { ALERTS_MAX = 20 };

static void put_event(JsonWriter *json, const ExplainEvent *event) {
    json_object(json);
    json_put_time(json, "at", event->at);
    json_put_str(json, "event", event->event);
    json_put_str(json, "reason", event->reason);
    json_put_str(json, "subject", event->subject);
    json_put_str(json, "detail", event->detail);
    if (event->until) {
        json_put_time(json, "until", event->until);
    }
    json_put_str(json, "text", event->text);
    json_end(json);
}

static void put_explanation(JsonWriter *json, const Explanation *explanation) {
    const Alert *alert = &explanation->alert;
    json_object(json);
    json_key(json, STR("labels"));
    labels_json(json, alert->labels);
    json_key(json, STR("annotations"));
    labels_json(json, alert->annotations);
    json_put_str(json, "fingerprint", str_of(explanation->fingerprint));
    json_put_str(json, "dedup_key", str_of(explanation->dedup_key));
    json_put_str(json, "generatorURL", alert->generator_url);
    json_put_str(json, "state", str_of(alert_phase_text(alert->phase)));
    if (explanation->since) {
        json_put_time(json, "since", explanation->since);
    }
    json_put_bool(json, "paged", explanation->paged);
    json_put_str(json, "verdict", explanation->verdict);
    json_put_array(json, "timeline");
    for (size_t i = 0; i < explanation->event_count; i++) {
        put_event(json, &explanation->events[i]);
    }
    json_end(json);
    json_end(json);
}

/* ---- nothing happened: what the rules say ---- */

static void put_rule_note(JsonWriter *json, const GroupView *group, const RuleView *rule) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf time = {0};
    time_put(&time, rule->last_evaluation);
    Str text;
    if (rule->health == RULE_ERR) {
        text = arena_printf(&arena, "rule %.*s (%.*s) cannot be evaluated: %.*s",
                            STR_ARG(rule->name), STR_ARG(group->file), STR_ARG(rule->last_error));
    } else if (!rule->last_evaluation) {
        text = arena_printf(&arena, "rule %.*s (%.*s) has not been evaluated yet",
                            STR_ARG(rule->name), STR_ARG(group->file));
    } else {
        text = arena_printf(&arena,
                            "rule %.*s (%.*s) was evaluated last at %.*s; its condition has no "
                            "result that would fire: %.*s",
                            STR_ARG(rule->name), STR_ARG(group->file), STR_ARG(buf_view(&time)),
                            STR_ARG(rule->query));
    }
    json_str(json, text);
}

/* The rule nearest to a name nobody has. */
static const char *suggest_rule(Str name, const GroupView *groups, size_t count, Arena *arena) {
    size_t total = 0, used = 0;
    for (size_t i = 0; i < count; i++) {
        total += groups[i].rule_count;
    }
    const char **names = arena_array(arena, const char *, total + 1);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < groups[i].rule_count; j++) {
            if (groups[i].rules[j].is_alert) {
                names[used++] = arena_cstr(arena, groups[i].rules[j].name);
            }
        }
    }
    return str_suggest(name, names);
}

static void put_notes(Web *web, JsonWriter *json, Str name) {
    AUTO(arena_finish) Arena arena = {0};
    GroupView *groups;
    size_t count, found = 0;
    if (!name.len) {
        json_str(json, STR("nothing that matches was pending or fired in this time"));
        return;
    }
    json_str(json, arena_printf(&arena, "no alert %.*s was pending or fired in this time",
                                STR_ARG(name)));
    rules_view(web_doors(web)->rules, &arena, &groups, &count);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < groups[i].rule_count; j++) {
            const RuleView *rule = &groups[i].rules[j];
            if (rule->is_alert && str_eq(rule->name, name)) {
                put_rule_note(json, &groups[i], rule);
                found++;
            }
        }
    }
    const char *near = found ? NULL : suggest_rule(name, groups, count, &arena);
    if (!found) {
        json_str(json,
                 arena_printf(&arena, "no rule has that name%s%s%s", near ? "; did you mean " : "",
                              near ? near : "", near ? "?" : ""));
    }
}

/* ---- asking ---- */

static bool read_query(Request *request, ApiMatches *matches, TimeMs now, ExplainQuery *query,
                       Err *err) {
    *query = (ExplainQuery){.alert = params_get(&request->params, STR("alert"))};
    if (!query->alert.len) {
        query->alert = params_get(&request->params, STR("fingerprint"));
    }
    if (!api_matches(request, matches, err) || !api_time(request, "end", now, &query->to, err) ||
        !api_time(request, "start", query->to - DAY_MS, &query->from, err) ||
        !api_limit(request, &query->limit, err)) {
        return false;
    }
    if (matches->count > 1) {
        return err_set(err, ERR_INVALID, "one match[] at most, without `or`");
    }
    query->matchers = matches->count ? &matches->sets[0] : NULL;
    query->limit = query->limit ? query->limit : ALERTS_MAX;
    return query->from <= query->to ||
           err_set(err, ERR_INVALID, "end timestamp must not be before start time");
}

static void respond(Web *web, Request *request, const ExplainQuery *query,
                    const Explanation *explanations, size_t count, size_t matched) {
    JsonWriter json = respond_success(request);
    json_object(&json);
    json_put_time(&json, "from", query->from);
    json_put_time(&json, "to", query->to);
    json_put_int(&json, "matched", (int64_t)matched);
    json_put_array(&json, "alerts");
    for (size_t i = 0; i < count; i++) {
        put_explanation(&json, &explanations[i]);
    }
    json_end(&json);
    json_put_array(&json, "notes");
    if (!count) {
        put_notes(web, &json, query->alert);
    }
    json_end(&json);
    json_end(&json);
    respond_success_end(&json);
}

void handle_explain(Web *web, Request *request) {
    Err err = {0};
    ApiMatches matches = {0};
    ExplainQuery query = {0};
    Explanation *explanations = NULL;
    size_t count = 0, matched = 0;
    AUTO(arena_finish) Arena arena = {0};
    TimeMs now = clock_now();
    if (read_query(request, &matches, now, &query, &err) &&
        notify_explain(web_doors(web)->notify, &query, now, &arena, &explanations, &count, &matched,
                       &err)) {
        respond(web, request, &query, explanations, count, matched);
    } else {
        respond_error(request, &err);
    }
    api_matches_finish(&matches);
}
