/* The report as JSON, for scripts: all that is known, spans in seconds. */

#include "base/json.h"
#include "rules/replay_internal.h"

static void put_seconds(JsonWriter *json, const char *key, DurationMs span) {
    json_put_number(json, key, (double)span / 1000);
}

static void put_ring(JsonWriter *json, const ReplayRing *ring) {
    json_object(json);
    json_key(json, STR("labels")), labels_json(json, ring->labels);
    json_put_time(json, "pendingAt", ring->pending_at);
    json_put_time(json, "firedAt", ring->fired_at);
    json_key(json, STR("endedAt"));
    if (ring->is_open) {
        json_null(json);
    } else {
        json_time(json, ring->ended_at);
    }
    put_seconds(json, "seconds", ring->ended_at - ring->fired_at);
    json_put_bool(json, "beganBefore", ring->began_before);
    json_put_bool(json, "stillFiring", ring->is_open);
    json_put_bool(json, "night", ring->by_night);
    json_put_bool(json, "flap", ring->is_flap);
    json_put_number(json, "value", ring->value);
    json_end(json);
}

static void put_alert(JsonWriter *json, const ReplayAlert *alert) {
    json_object(json);
    json_put_str(json, "alert", alert->name);
    json_put_str(json, "group", alert->group);
    json_put_str(json, "file", alert->file);
    json_put_str(json, "severity", alert->severity);
    json_put_str(json, "expr", alert->expr);
    put_seconds(json, "for", alert->hold);
    put_seconds(json, "keepFiringFor", alert->keep_firing);
    put_seconds(json, "interval", alert->interval);
    json_put_int(json, "rang", (int64_t)alert->rang);
    json_put_int(json, "night", (int64_t)alert->by_night);
    json_put_int(json, "flapped", (int64_t)alert->flapped);
    json_put_int(json, "instances", (int64_t)alert->instances);
    json_put_int(json, "pendingOnly", (int64_t)alert->pending_only);
    json_put_int(json, "pendingAtEnd", (int64_t)alert->pending_at_end);
    json_put_number(json, "perWeek", alert->per_week);
    put_seconds(json, "firingSeconds", alert->firing);
    put_seconds(json, "longestSeconds", alert->longest);
    put_seconds(json, "medianSeconds", alert->median);
    json_put_int(json, "evaluations", (int64_t)alert->evaluations);
    json_put_int(json, "failures", (int64_t)alert->failures);
    json_put_str(json, "lastError", alert->last_error);
    json_put_str(json, "unmatched", alert->unmatched);
    json_put_array(json, "rings");
    for (size_t i = 0; i < alert->ring_count; i++) {
        put_ring(json, &alert->rings[i]);
    }
    json_end(json);
    json_end(json);
}

static void put_records(JsonWriter *json, const ReplayReport *report) {
    json_put_array(json, "recordings");
    for (size_t i = 0; i < report->record_count; i++) {
        const ReplayRecord *record = &report->records[i];
        json_object(json);
        json_put_str(json, "record", record->name);
        json_put_str(json, "group", record->group);
        json_put_str(json, "file", record->file);
        json_put_int(json, "evaluations", (int64_t)record->evaluations);
        json_put_int(json, "failures", (int64_t)record->failures);
        json_put_str(json, "lastError", record->last_error);
        json_end(json);
    }
    json_end(json);
    if (report->writes) {
        json_put_int(json, "samplesWritten", (int64_t)report->written);
    }
}

void replay_report_json(const ReplayReport *report, Buf *out) {
    JsonWriter json = json_writer(out);
    json_object(&json);
    json_put_time(&json, "from", report->from);
    json_put_time(&json, "to", report->to);
    json_put_time(&json, "warmFrom", report->warm_from);
    json_put_str(&json, "timezone", zone_name(report->policy.zone));
    json_put_int(&json, "evaluations", (int64_t)report->slots);
    json_put_number(&json, "wallSeconds", (double)report->wall_ns / 1e9);
    json_put_array(&json, "runs");
    for (size_t r = 0; r < report->run_count; r++) {
        json_object(&json);
        json_put_str(&json, "name", report->runs[r].name);
        json_put_array(&json, "alerts");
        for (size_t i = 0; i < report->runs[r].alert_count; i++) {
            put_alert(&json, &report->runs[r].alerts[i]);
        }
        json_end(&json);
        json_end(&json);
    }
    json_end(&json);
    put_records(&json, report);
    json_end(&json);
    buf_byte(out, '\n');
}
