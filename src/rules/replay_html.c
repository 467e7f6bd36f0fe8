/*
 * The report as one page that needs nothing else: a table, and for each alert a timeline with a row
 * per label set (and, with variants, a row per variant). Drawn as SVG here, so the page has no
 * script; a bar tells its times when the mouse rests on it.
 */

#include <stdio.h>

#include "rules/replay_internal.h"

/* Units of the drawing. Label sets beyond the limit share the last row. */
enum {
    PLOT_LEFT = 290,
    PLOT_WIDTH = 890,
    ROW_HEIGHT = 20,
    AXIS_HEIGHT = 22,
    ROWS_MAX = 40,
    LABEL_CHARS = 46,
    NIGHTS_DRAWN_MAX = 100,
};

static const char style[] =
    ":root{--bg:#fff;--fg:#1d2530;--dim:#687385;--line:#dde2ea;--night:#eef1f6;--card:#f7f8fa;"
    "--critical:#c8322d;--warning:#d07a00;--info:#2a6fc4;--other:#5b6577}"
    "@media(prefers-color-scheme:dark){:root{--bg:#14181f;--fg:#e4e8ee;--dim:#8d98a8;--line:#"
    "2c3440;"
    "--night:#1c222c;--card:#1a2029;--critical:#f0645f;--warning:#eda23a;--info:#5fa0ee;"
    "--other:#98a3b5}}"
    "body{font:14px/1.45 system-ui,sans-serif;color:var(--fg);background:var(--bg);"
    "max-width:1240px;margin:24px auto;padding:0 20px}"
    "h1{font-size:22px;margin:0 0 4px}h2{font-size:16px;margin:0}p{margin:4px 0}"
    ".dim{color:var(--dim)}code{font:12px ui-monospace,monospace}"
    "table{border-collapse:collapse;width:100%;margin:18px 0 26px}"
    "th{font-weight:600;text-align:right;color:var(--dim);font-size:12px}"
    "td,th{padding:5px 10px;border-bottom:1px solid var(--line);text-align:right;"
    "font-variant-numeric:tabular-nums}td:first-child,th:first-child{text-align:left}"
    "td.sub{padding-left:28px;color:var(--dim)}a{color:inherit}"
    "section{border:1px solid var(--line);border-radius:8px;background:var(--card);"
    "padding:14px 16px;margin:0 0 16px}"
    "section pre{white-space:pre-wrap;overflow-wrap:anywhere;font:12px ui-monospace,monospace;"
    "color:var(--dim);margin:6px 0 10px}"
    "svg{display:block;width:100%;height:auto}svg text{font:11px system-ui,sans-serif;"
    "fill:var(--dim)}svg text.name{fill:var(--fg)}"
    ".tag{font-size:11px;border-radius:9px;padding:1px 8px;margin-left:6px;color:#fff;"
    "background:var(--other)}"
    ".critical{fill:var(--critical);background:var(--critical)}"
    ".warning{fill:var(--warning);background:var(--warning)}"
    ".info{fill:var(--info);background:var(--info)}.other{fill:var(--other)}"
    ".night{fill:var(--night)}.grid{stroke:var(--line);stroke-width:1}.open{opacity:.75}"
    ".doubt{color:var(--warning)}";

/* ---- text ---- */

static void put_text(Buf *out, Str text) {
    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '<':
            buf_str(out, STR("&lt;"));
            break;
        case '>':
            buf_str(out, STR("&gt;"));
            break;
        case '&':
            buf_str(out, STR("&amp;"));
            break;
        case '"':
            buf_str(out, STR("&quot;"));
            break;
        default:
            buf_byte(out, text.ptr[i]);
        }
    }
}

/* At most `chars` characters, cut with an ellipsis. */
static void put_short(Buf *out, Str text, size_t chars) {
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool begins = ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
        if (begins && ++count > chars) {
            put_text(out, (Str){text.ptr, i});
            buf_str(out, STR("…"));
            return;
        }
    }
    put_text(out, text);
}

static const char *severity_class(Str severity) {
    static const char *const known[] = {"critical", "warning", "info"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (str_eq(severity, str_of(known[i]))) {
            return known[i];
        }
    }
    return "other";
}

/* Labels without those all rows share anyway. */
static Str row_name(Arena *arena, LabelSet labels) {
    static const Str left_out[] = {{"alertname", 9}, {"severity", 8}, {"alertgroup", 10}};
    AUTO(buf_finish) Buf text = {0};
    LabelSet shown = labels_filter(arena, labels, left_out, 3, false);
    for (size_t i = 0; i < shown.count; i++) {
        buf_printf(&text, "%s%.*s=%.*s", i ? ", " : "", STR_ARG(shown.items[i].name),
                   STR_ARG(shown.items[i].value));
    }
    return text.len ? arena_str(arena, buf_view(&text)) : STR("(no labels)");
}

/* ---- the timeline ---- */

static double place(const ReplayReport *report, TimeMs time) {
    double share = (double)(time - report->from) / (double)(report->to - report->from);
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    return PLOT_LEFT + share * PLOT_WIDTH;
}

static void put_band(Buf *out, const ReplayReport *report, TimeMs from, TimeMs to, size_t height) {
    double x = place(report, from);
    double width = place(report, to) - x;
    if (width > 0) {
        buf_printf(out, "<rect class=night x=\"%.1f\" y=\"0\" width=\"%.1f\" height=\"%zu\"/>", x,
                   width, height);
    }
}

/* The day's beginning by the wall clock of the policy's zone, `days` days on. */
static TimeMs day_start(const ReplayReport *report, TimeMs time, int days) {
    CivilTime civil = zone_civil(report->policy.zone, time);
    civil.hour = civil.minute = civil.second = civil.ms = 0;
    civil.day += days;
    return zone_time(report->policy.zone, &civil);
}

static void put_nights(Buf *out, const ReplayReport *report, size_t height) {
    const ReplayPolicy *policy = &report->policy;
    if ((report->to - report->from) / DAY_MS > NIGHTS_DRAWN_MAX) {
        return;
    }
    for (int day = -1;; day++) {
        TimeMs midnight = day_start(report, report->from, day);
        if (midnight > report->to) {
            return;
        }
        DurationMs end = policy->night_to * MINUTE_MS;
        end += policy->night_to <= policy->night_from ? DAY_MS : 0;
        put_band(out, report, midnight + policy->night_from * MINUTE_MS, midnight + end, height);
    }
}

/* Ticks at whole days, as many as can be read; at hours in short reports. */
static void put_axis(Buf *out, const ReplayReport *report, size_t height) {
    DurationMs span = report->to - report->from;
    bool by_hours = span <= 2 * DAY_MS;
    int step = by_hours ? (int)(span / HOUR_MS / 12 + 1) : (int)(span / DAY_MS / 15 + 1);
    for (int i = by_hours ? 0 : 1;; i += step) {
        TimeMs time = by_hours ? report->from - report->from % HOUR_MS + i * HOUR_MS
                               : day_start(report, report->from, i);
        if (time > report->to) {
            return;
        }
        double x = place(report, time);
        CivilTime civil = zone_civil(report->policy.zone, time);
        if (time < report->from || x > PLOT_LEFT + PLOT_WIDTH - 20) {
            continue;
        }
        buf_printf(out,
                   "<line class=grid x1=\"%.1f\" y1=\"0\" x2=\"%.1f\" y2=\"%zu\"/>"
                   "<text x=\"%.1f\" y=\"%zu\">",
                   x, x, height, x + 3, height + 15);
        if (by_hours) {
            buf_printf(out, "%02d:%02d</text>", civil.hour, civil.minute);
        } else {
            buf_printf(out, "%02d-%02d</text>", civil.month, civil.day);
        }
    }
}

static void put_bar(Buf *out, const ReplayReport *report, const ReplayAlert *alert,
                    const ReplayRing *ring, size_t row) {
    double x = place(report, ring->fired_at);
    double width = place(report, ring->ended_at) - x;
    buf_printf(out,
               "<rect class=\"%s%s\" x=\"%.1f\" y=\"%zu\" width=\"%.1f\" height=\"%d\" "
               "rx=\"2\"><title>",
               severity_class(alert->severity), ring->is_open ? " open" : "", x,
               row * ROW_HEIGHT + 4, width < 2 ? 2 : width, ROW_HEIGHT - 8);
    replay_time_put(out, &report->policy, ring->fired_at);
    buf_str(out, ring->is_open ? STR(", still firing, ") : STR(", "));
    replay_span_put(out, ring->ended_at - ring->fired_at);
    buf_printf(out, ", value %g%s%s\n", ring->value, ring->by_night ? ", by night" : "",
               ring->is_flap ? ", flapping" : "");
    AUTO(buf_finish) Buf labels = {0};
    labels_print(&labels, ring->labels);
    put_text(out, buf_view(&labels));
    buf_str(out, STR("</title></rect>"));
}

static void put_row_name(Buf *out, Str name, size_t row) {
    buf_printf(out, "<text class=name x=\"0\" y=\"%zu\">", row * ROW_HEIGHT + 14);
    put_short(out, name, LABEL_CHARS);
    buf_str(out, STR("<title>"));
    put_text(out, name);
    buf_str(out, STR("</title></text>"));
}

/* The row of each ring of the alert: label sets in the order in which they rang first. */
static size_t place_rings(Arena *arena, const ReplayAlert *alert, size_t *rows) {
    LabelSet *seen = arena_array(arena, LabelSet, ROWS_MAX);
    size_t count = 0;
    for (size_t i = 0; i < alert->ring_count; i++) {
        size_t row = 0;
        while (row < count && !labels_eq(seen[row], alert->rings[i].labels)) {
            row++;
        }
        if (row == count && count < ROWS_MAX) {
            seen[count++] = alert->rings[i].labels;
        }
        rows[i] = row < ROWS_MAX ? row : ROWS_MAX - 1;
    }
    return count;
}

static void begin_plot(Buf *out, const ReplayReport *report, size_t rows) {
    size_t height = rows * ROW_HEIGHT;
    buf_printf(out, "<svg viewBox=\"0 0 %d %zu\" role=img>", PLOT_LEFT + PLOT_WIDTH,
               height + AXIS_HEIGHT);
    put_nights(out, report, height);
    put_axis(out, report, height);
}

static void put_plot(Buf *out, const ReplayReport *report, const ReplayAlert *alert) {
    AUTO(arena_finish) Arena arena = {0};
    size_t *rows = arena_array(&arena, size_t, alert->ring_count + 1);
    size_t count = place_rings(&arena, alert, rows);
    begin_plot(out, report, count);
    for (size_t row = 0; row < count; row++) {
        for (size_t i = 0; i < alert->ring_count; i++) {
            if (rows[i] == row) {
                bool is_rest = row == ROWS_MAX - 1 && alert->instances > ROWS_MAX;
                put_row_name(out,
                             is_rest ? STR("all others") : row_name(&arena, alert->rings[i].labels),
                             row);
                break;
            }
        }
    }
    for (size_t i = 0; i < alert->ring_count; i++) {
        put_bar(out, report, alert, &alert->rings[i], rows[i]);
    }
    buf_str(out, STR("</svg>"));
}

/* A row per run, all label sets on it. */
static void put_comparison(Buf *out, const ReplayReport *report, size_t index) {
    AUTO(arena_finish) Arena arena = {0};
    begin_plot(out, report, report->run_count);
    for (size_t r = 0; r < report->run_count; r++) {
        const ReplayAlert *alert = &report->runs[r].alerts[index];
        put_row_name(
            out, arena_printf(&arena, "%.*s: %zu", STR_ARG(report->runs[r].name), alert->rang), r);
        for (size_t i = 0; i < alert->ring_count; i++) {
            put_bar(out, report, alert, &alert->rings[i], r);
        }
    }
    buf_str(out, STR("</svg>"));
}

/* ---- the page ---- */

static void put_numbers(Buf *out, const ReplayAlert *alert) {
    buf_printf(out, "<td>%zu<td>%zu<td>%zu<td>%.1f<td>%zu<td>", alert->rang, alert->by_night,
               alert->flapped, alert->per_week, alert->instances);
    replay_span_put(out, alert->firing);
    buf_str(out, STR("<td>"));
    replay_span_put(out, alert->longest);
    buf_str(out, STR("<td>"));
    replay_span_put(out, alert->median);
    buf_str(out, STR("</tr>\n"));
}

static void put_tag(Buf *out, const ReplayAlert *alert) {
    if (alert->severity.len) {
        buf_printf(out, "<span class=\"tag %s\">", severity_class(alert->severity));
        put_text(out, alert->severity);
        buf_str(out, STR("</span>"));
    }
}

static bool rang_anywhere(const ReplayReport *report, size_t index) {
    for (size_t r = 0; r < report->run_count; r++) {
        if (report->runs[r].alerts[index].ring_count) {
            return true;
        }
    }
    return false;
}

static void put_table(Buf *out, const ReplayReport *report) {
    buf_str(out, STR("<table><tr><th>Alert<th>rang<th>by night<th>flapped<th>per week<th>label "
                     "sets<th>firing<th>longest<th>median</tr>\n"));
    for (size_t i = 0; i < report->runs[0].alert_count; i++) {
        const ReplayAlert *alert = &report->runs[0].alerts[i];
        if (report->run_count == 1 ? alert->ring_count == 0 : !rang_anywhere(report, i)) {
            continue;
        }
        buf_printf(out, "<tr><td><a href=\"#a%zu\">", i);
        put_text(out, alert->name);
        buf_str(out, STR("</a>"));
        put_tag(out, alert);
        put_numbers(out, alert);
        for (size_t r = 1; r < report->run_count; r++) {
            buf_str(out, STR("<tr><td class=sub>"));
            put_text(out, report->runs[r].name);
            put_numbers(out, &report->runs[r].alerts[i]);
        }
    }
    buf_str(out, STR("</table>\n"));
}

static void put_section(Buf *out, const ReplayReport *report, size_t index) {
    const ReplayAlert *alert = &report->runs[0].alerts[index];
    buf_printf(out, "<section id=\"a%zu\"><h2>", index);
    put_text(out, alert->name);
    put_tag(out, alert);
    buf_str(out, STR("</h2><p class=dim>"));
    put_text(out, alert->group);
    buf_str(out, STR(" in "));
    put_text(out, alert->file);
    buf_str(out, STR(", every "));
    replay_span_put(out, alert->interval);
    buf_str(out, STR(", for "));
    replay_span_put(out, alert->hold);
    if (alert->keep_firing) {
        buf_str(out, STR(", keeps firing for "));
        replay_span_put(out, alert->keep_firing);
    }
    buf_printf(out, "; pending and never fired: %zu</p><pre>", alert->pending_only);
    put_text(out, alert->expr);
    buf_str(out, STR("</pre>"));
    if (report->run_count > 1) {
        put_comparison(out, report, index);
    }
    if (alert->ring_count) {
        put_plot(out, report, alert);
    }
    buf_str(out, STR("</section>\n"));
}

static void put_head(Buf *out, const ReplayReport *report) {
    buf_printf(out,
               "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
               "content=\"width=device-width\"><title>Replay</title><style>%s</style>\n"
               "<h1>What would have rung</h1><p class=dim>",
               style);
    replay_time_put(out, &report->policy, report->from);
    buf_str(out, STR(" to "));
    replay_time_put(out, &report->policy, report->to);
    buf_byte(out, ' ');
    put_text(out, zone_name(report->policy.zone));
    buf_str(out, STR(" ("));
    replay_span_put(out, report->to - report->from);
    buf_printf(out, "), %llu evaluations. Night, shaded, is %02d:%02d to %02d:%02d.</p>\n",
               (unsigned long long)report->slots, report->policy.night_from / 60,
               report->policy.night_from % 60, report->policy.night_to / 60,
               report->policy.night_to % 60);
}

static void put_quiet(Buf *out, const ReplayReport *report) {
    size_t quiet = 0;
    for (size_t i = 0; i < report->runs[0].alert_count; i++) {
        const ReplayAlert *alert = &report->runs[0].alerts[i];
        if (rang_anywhere(report, i)) {
            continue;
        }
        if (quiet++ == 0) {
            buf_str(out, STR("<section><h2>Never rang</h2><ul>\n"));
        }
        buf_str(out, STR("<li>"));
        put_text(out, alert->name);
        if (alert->failures) {
            buf_printf(out, " <span class=doubt>%llu evaluations failed: ",
                       (unsigned long long)alert->failures);
            put_text(out, alert->last_error);
            buf_str(out, STR("</span>"));
        } else if (alert->unmatched.len) {
            buf_str(out, STR(" <span class=doubt>matched no series: <code>"));
            put_text(out, alert->unmatched);
            buf_str(out, STR("</code></span>"));
        } else if (alert->pending_only) {
            buf_printf(out, " <span class=dim>pending %zu times</span>", alert->pending_only);
        }
        buf_byte(out, '\n');
    }
    buf_str(out, quiet ? STR("</ul></section>\n") : STR(""));
}

void replay_report_html(const ReplayReport *report, Buf *out) {
    put_head(out, report);
    put_table(out, report);
    for (size_t i = 0; i < report->runs[0].alert_count; i++) {
        if (rang_anywhere(report, i)) {
            put_section(out, report, i);
        }
    }
    put_quiet(out, report);
}
