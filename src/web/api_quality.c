/* GET /api/v1/quality: start, end (default the last 30 d), team_label; and POST
 * /api/v1/webhooks/pagerduty, from which acknowledgements come back. */

#include "notify/acknowledge.h"
#include "notify/quality.h"
#include "web/api.h"

static void put_span(JsonWriter *json, const char *key, DurationMs span) {
    json_key(json, str_of(key));
    if (span < 0) {
        json_null(json);
    } else {
        json_number(json, (double)span / 1000);
    }
}

static void put_counts(JsonWriter *json, const QualityCounts *counts) {
    json_put_int(json, "fired", (int64_t)counts->fired);
    json_put_int(json, "rang", (int64_t)counts->rang);
    json_put_int(json, "notifications", (int64_t)counts->notifications);
    json_put_int(json, "rang_at_night", (int64_t)counts->night);
    json_put_int(json, "auto_resolved_5m", (int64_t)counts->short_lived);
    json_put_int(json, "flapped", (int64_t)counts->flapped);
    json_put_int(json, "silenced", (int64_t)counts->silenced);
    json_put_int(json, "acknowledged", (int64_t)counts->acknowledged);
    json_put_int(json, "never_acknowledged", (int64_t)counts->unacknowledged);
    put_span(json, "median_seconds_to_resolve", counts->resolve_median);
    put_span(json, "median_seconds_to_acknowledge", counts->acknowledge_median);
}

static void put_rows(JsonWriter *json, const char *key, const QualityRow *rows, size_t count,
                     bool with_rule) {
    json_put_array(json, key);
    for (size_t i = 0; i < count; i++) {
        json_object(json);
        if (with_rule) {
            json_put_str(json, "rule", rows[i].rule);
        }
        json_put_str(json, "team", rows[i].team);
        put_counts(json, &rows[i].counts);
        json_end(json);
    }
    json_end(json);
}

void handle_quality(Web *web, Request *request) {
    Err err = {0};
    TimeMs from = 0, to = 0;
    Quality quality = {0};
    AUTO(arena_finish) Arena arena = {0};
    Str label = params_get(&request->params, STR("team_label"));
    if (!api_time(request, "end", clock_now(), &to, &err) ||
        !api_time(request, "start", to - 30 * DAY_MS, &from, &err) ||
        (from > to && !err_set(&err, ERR_INVALID, "end timestamp must not be before start time")) ||
        !notify_quality(web_doors(web)->notify, from, to, label, &arena, &quality, &err)) {
        respond_error(request, &err);
        return;
    }
    JsonWriter json = respond_success(request);
    json_object(&json);
    json_put_time(&json, "from", from);
    json_put_time(&json, "to", to);
    json_put_str(&json, "night", quality.night);
    json_put_bool(&json, "has_acknowledgements", quality.has_acknowledgements);
    put_rows(&json, "rules", quality.rules, quality.rule_count, true);
    put_rows(&json, "teams", quality.teams, quality.team_count, false);
    json_put_object(&json, "total");
    put_counts(&json, &quality.total);
    json_end(&json);
    json_end(&json);
    respond_success_end(&json);
}

/* PagerDuty sends again what is not answered by 2xx; so only what may succeed later is refused by
 * 5xx. */
void handle_pagerduty_webhook(Web *web, Request *request) {
    Err err = {0};
    WebhookOutcome outcome = WEBHOOK_IGNORED;
    Str header = request_header(request, STR("x-pagerduty-signature"));
    if (!notify_pagerduty_webhook(web_doors(web)->notify, header, buf_view(&request->body),
                                  clock_now(), &outcome, &err)) {
        respond_error(request, &err);
        return;
    }
    switch (outcome) {
    case WEBHOOK_TAKEN:
        respond_text(request, 200, STR("noted\n"));
        break;
    case WEBHOOK_IGNORED:
        respond_text(request, 200, STR("not about an incident of ours\n"));
        break;
    case WEBHOOK_UNCONFIGURED:
        respond_text(request, 404,
                     STR("no secret for it is configured: notify.pagerduty_webhook.secret\n"));
        break;
    case WEBHOOK_FORGED:
        respond_text(request, 401, STR("the signature does not fit the secret\n"));
        break;
    }
}
