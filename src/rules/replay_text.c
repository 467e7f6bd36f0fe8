/*
 * The report as text for a terminal: one table of alerts, then when each rang; with variants, the
 * same numbers of each beside those as written.
 */

#include <stdio.h>

#include "rules/replay_internal.h"

/* Rings listed per alert; the page and the JSON have them all. */
enum { RINGS_LISTED_MAX = 10, NAME_WIDTH = 44 };

static void put_padded(Buf *out, Str text, int width) {
    buf_str(out, text);
    int shown = 0;
    for (size_t i = 0; i < text.len; i++) {
        shown += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    }
    for (; shown < width; shown++) {
        buf_byte(out, ' ');
    }
}

static void put_span(Buf *out, DurationMs span, int width) {
    AUTO(buf_finish) Buf text = {0};
    replay_span_put(&text, span);
    buf_printf(out, "%*.*s", width, STR_ARG(buf_view(&text)));
}

static void put_heading(Buf *out, const char *first) {
    put_padded(out, str_of(first), NAME_WIDTH);
    buf_str(out, STR("  rang  night  flapped  per week     firing    longest     median\n"));
}

static void put_row(Buf *out, Str name, const ReplayAlert *alert) {
    put_padded(out, name, NAME_WIDTH);
    buf_printf(out, " %5zu  %5zu    %5zu  %8.1f", alert->rang, alert->by_night, alert->flapped,
               alert->per_week);
    put_span(out, alert->firing, 11);
    put_span(out, alert->longest, 11);
    put_span(out, alert->median, 11);
    buf_byte(out, '\n');
}

static void put_ring(Buf *out, const ReplayReport *report, const ReplayRing *ring) {
    buf_str(out, STR("    "));
    replay_time_put(out, &report->policy, ring->fired_at);
    buf_str(out, STR("  "));
    AUTO(buf_finish) Buf span = {0};
    replay_span_put(&span, ring->ended_at - ring->fired_at);
    put_padded(out, buf_view(&span), 8);
    buf_str(out, STR("  "));
    labels_print(out, ring->labels);
    buf_str(out, ring->began_before ? STR("  since before") : STR(""));
    buf_str(out, ring->is_open ? STR("  still firing") : STR(""));
    buf_str(out, ring->by_night ? STR("  night") : STR(""));
    buf_str(out, ring->is_flap ? STR("  flap") : STR(""));
    buf_byte(out, '\n');
}

static void put_rings(Buf *out, const ReplayReport *report, const ReplayAlert *alert) {
    size_t count = alert->ring_count;
    for (size_t i = 0; i < count && i < RINGS_LISTED_MAX; i++) {
        put_ring(out, report, &alert->rings[i]);
    }
    if (count > RINGS_LISTED_MAX) {
        buf_printf(out, "    ... and %zu more (--format json or html has all)\n",
                   count - RINGS_LISTED_MAX);
    }
}

static Str title(Arena *arena, const ReplayAlert *alert) {
    return alert->severity.len
               ? arena_printf(arena, "%.*s (%.*s)", STR_ARG(alert->name), STR_ARG(alert->severity))
               : alert->name;
}

static void put_period(Buf *out, const ReplayReport *report) {
    buf_str(out, STR("Replayed "));
    replay_time_put(out, &report->policy, report->from);
    buf_str(out, STR(" to "));
    replay_time_put(out, &report->policy, report->to);
    buf_printf(out, " %.*s (", STR_ARG(zone_name(report->policy.zone)));
    replay_span_put(out, report->to - report->from);
    buf_printf(out, "), %llu evaluations in %.1f s; night is %02d:%02d to %02d:%02d\n\n",
               (unsigned long long)report->slots, (double)report->wall_ns / 1e9,
               report->policy.night_from / 60, report->policy.night_from % 60,
               report->policy.night_to / 60, report->policy.night_to % 60);
}

/* Alerts that say nothing, and why that may be. */
static void put_doubts(Buf *out, const ReplayRun *run) {
    for (size_t i = 0; i < run->alert_count; i++) {
        const ReplayAlert *alert = &run->alerts[i];
        if (alert->failures) {
            buf_printf(out, "%.*s: %llu of %llu evaluations failed: %.*s\n", STR_ARG(alert->name),
                       (unsigned long long)alert->failures, (unsigned long long)alert->evaluations,
                       STR_ARG(alert->last_error));
        } else if (alert->unmatched.len) {
            buf_printf(out, "%.*s: matched no series: %.*s\n", STR_ARG(alert->name),
                       STR_ARG(alert->unmatched));
        } else if (alert->rang == 0 && alert->pending_only) {
            buf_printf(out, "%.*s: was pending %zu times and never long enough\n",
                       STR_ARG(alert->name), alert->pending_only);
        } else if (alert->rang == 0 && alert->pending_at_end) {
            buf_printf(out, "%.*s: is pending at the end, %zu times\n", STR_ARG(alert->name),
                       alert->pending_at_end);
        } else if (alert->rang == 0 && alert->expr.len) {
            buf_printf(out, "%.*s: its expression never had a result\n", STR_ARG(alert->name));
        }
    }
}

/* Recordings that failed: what reads them had less to go by. */
static void put_records(Buf *out, const ReplayReport *report) {
    for (size_t i = 0; i < report->record_count; i++) {
        const ReplayRecord *record = &report->records[i];
        if (record->failures) {
            buf_printf(out, "%.*s: %llu of %llu evaluations failed: %.*s\n", STR_ARG(record->name),
                       (unsigned long long)record->failures,
                       (unsigned long long)record->evaluations, STR_ARG(record->last_error));
        }
    }
    if (report->writes) {
        buf_printf(out, "\n%llu samples of recording rules were written\n",
                   (unsigned long long)report->written);
    }
}

static void put_run(Buf *out, const ReplayReport *report) {
    AUTO(arena_finish) Arena arena = {0};
    const ReplayRun *run = &report->runs[0];
    size_t quiet = 0;
    bool has_heading = false;
    for (size_t i = 0; i < run->alert_count; i++) {
        const ReplayAlert *alert = &run->alerts[i];
        if (alert->ring_count == 0) {
            quiet++;
            continue;
        }
        if (!has_heading) {
            put_heading(out, "");
            has_heading = true;
        }
        put_row(out, title(&arena, alert), alert);
        put_rings(out, report, alert);
    }
    if (quiet) {
        buf_printf(out, "%s%zu alert%s never rang\n", quiet < run->alert_count ? "\n" : "", quiet,
                   quiet == 1 ? "" : "s");
    }
    put_doubts(out, run);
    put_records(out, report);
}

/* All runs of one alert beneath each other. */
static void put_comparison(Buf *out, const ReplayReport *report) {
    AUTO(arena_finish) Arena arena = {0};
    for (size_t i = 0; i < report->runs[0].alert_count; i++) {
        AUTO(buf_finish) Buf heading = {0};
        const ReplayAlert *alert = &report->runs[0].alerts[i];
        size_t rings = 0;
        for (size_t r = 0; r < report->run_count; r++) {
            rings += report->runs[r].alerts[i].ring_count;
        }
        if (rings == 0 && report->runs[0].alert_count > 1) {
            continue;
        }
        buf_str(&heading, title(&arena, alert));
        buf_byte(&heading, '\0');
        put_heading(out, heading.ptr);
        for (size_t r = 0; r < report->run_count; r++) {
            Str name = arena_printf(&arena, "  %.*s", STR_ARG(report->runs[r].name));
            put_row(out, name, &report->runs[r].alerts[i]);
        }
        buf_byte(out, '\n');
    }
}

void replay_report_text(const ReplayReport *report, Buf *out) {
    put_period(out, report);
    if (report->run_count > 1) {
        put_comparison(out, report);
        buf_str(out, STR("As written:\n\n"));
    }
    put_run(out, report);
}
