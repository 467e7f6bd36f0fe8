/*
 * Alerts as /api/v2/alerts shows them. A hundred thousand are a hundred megabytes, which Karma asks
 * for every half minute: so they are written from the working state as they stand there, without a
 * copy, and those that are not shown are not written at all.
 */

#include <stdlib.h>

#include "base/json.h"
#include "notify/route.h"
#include "notify/suppress.h"

bool notify_shows_receiver(const AlertShow *show, Str name) {
    Label label = {STR("name"), name};
    return (!show->receivers || matcher_set_matches(show->receivers, (LabelSet){&label, 1})) &&
           (!show->receiver || regex_matches(show->receiver, name.ptr, name.len));
}

/* ---- one alert ---- */

typedef struct Showing {
    const Notify *notify;
    const AlertShow *show;
    const LiveAlert *alert;
    const Route *routes[ROUTES_MATCHED_MAX];
    size_t route_count;
    QuietMarks quiet;
} Showing;

static bool is_received(const Showing *showing) {
    if (!showing->show->receiver && !showing->show->receivers) {
        return true;
    }
    for (size_t i = 0; i < showing->route_count; i++) {
        if (notify_shows_receiver(showing->show, showing->routes[i]->receiver->name)) {
            return true;
        }
    }
    return false;
}

static bool is_silenced(const QuietMarks *quiet) {
    return quiet->silence_count || quiet->flag_count || quiet->by_label;
}

/* Looks at what it needs, the dearest last. */
static bool is_wanted(Showing *showing, TimeMs now) {
    const AlertShow *show = showing->show;
    if (!show->muted && show->muted_by.len) {
        return false;
    }
    showing->route_count =
        route_match(showing->notify->config->route, showing->alert->alert.labels, showing->routes);
    if (!is_received(showing)) {
        return false;
    }
    quiet_marks(showing->notify, showing->alert, now, &showing->quiet);
    bool silenced = is_silenced(&showing->quiet), inhibited = showing->quiet.source != NULL;
    return (show->active || silenced || inhibited) && (show->silenced || !silenced) &&
           (show->inhibited || !inhibited);
}

static void put_labels(Buf *out, LabelSet labels) {
    for (size_t i = 0; i < labels.count; i++) {
        buf_byte(out, i ? ',' : '{');
        json_quote(out, labels.items[i].name);
        buf_byte(out, ':');
        json_quote(out, labels.items[i].value);
    }
    buf_str(out, labels.count ? STR("}") : STR("{}"));
}

static void put_time(Buf *out, TimeMs time) {
    buf_byte(out, '"');
    time_put(out, time);
    buf_byte(out, '"');
}

static void put_item(Buf *out, bool *first, Str text) {
    if (!*first) {
        buf_byte(out, ',');
    }
    *first = false;
    json_quote(out, text);
}

static void put_silenced_by(Buf *out, const QuietMarks *quiet) {
    bool first = true;
    for (size_t i = 0; i < quiet->silence_count; i++) {
        put_item(out, &first, quiet->silences[i]->silence.id);
    }
    for (size_t i = 0; i < quiet->flag_count; i++) {
        put_item(out, &first, quiet->flags[i]->flag.id);
    }
    if (quiet->by_label) {
        AUTO(buf_finish) Buf text = {0};
        matcher_print(&text, &quiet->by_label->items[0]);
        put_item(out, &first, buf_view(&text));
    }
}

static void put_status(Buf *out, const Showing *showing) {
    const QuietMarks *quiet = &showing->quiet;
    Str muted_by = showing->show->muted_by;
    bool first = true;
    buf_str(out, STR("{\"inhibitedBy\":["));
    if (quiet->source) {
        put_item(out, &first, str_of(quiet->source->fingerprint_hex));
    }
    buf_str(out, STR("],\"mutedBy\":["));
    if (muted_by.len) {
        json_quote(out, muted_by);
    }
    buf_str(out, STR("],\"silencedBy\":["));
    put_silenced_by(out, quiet);
    bool suppressed = is_silenced(quiet) || quiet->source || muted_by.len;
    buf_str(out, suppressed ? STR("],\"state\":\"suppressed\"}") : STR("],\"state\":\"active\"}"));
}

static void put_receivers(Buf *out, const Showing *showing) {
    for (size_t i = 0; i < showing->route_count; i++) {
        buf_str(out, i ? STR(",{\"name\":") : STR("{\"name\":"));
        json_quote(out, showing->routes[i]->receiver->name);
        buf_byte(out, '}');
    }
}

static void put_alert(Buf *out, const Showing *showing) {
    const Alert *alert = &showing->alert->alert;
    buf_str(out, STR("{\"annotations\":"));
    put_labels(out, alert->annotations);
    buf_str(out, STR(",\"endsAt\":"));
    put_time(out, alert->ends_at);
    buf_str(out, STR(",\"fingerprint\":"));
    json_quote(out, str_of(showing->alert->fingerprint_hex));
    buf_str(out, STR(",\"receivers\":["));
    put_receivers(out, showing);
    buf_str(out, STR("],\"startsAt\":"));
    put_time(out, alert->fired_at ? alert->fired_at : alert->active_at);
    buf_str(out, STR(",\"status\":"));
    put_status(out, showing);
    buf_str(out, STR(",\"updatedAt\":"));
    put_time(out, alert->updated_at);
    if (alert->generator_url.len) {
        buf_str(out, STR(",\"generatorURL\":"));
        json_quote(out, alert->generator_url);
    }
    buf_str(out, STR(",\"labels\":"));
    put_labels(out, alert->labels);
    buf_byte(out, '}');
}

/* ---- many ---- */

/* Whoever wants to write waits for a few of them at most. */
enum { SHOWN_AT_ONCE = 128 };

/* Alerts lie all over memory in this order: they are asked for before they are looked at. */
static void find_alerts(Notify *notify, const AlertRef *refs, size_t count,
                        const LiveAlert **ret_alerts) {
    for (size_t i = 0; i < count; i++) {
        ret_alerts[i] = live_alert(notify, refs[i].id);
        PREFETCH(ret_alerts[i]);
    }
    for (size_t i = 0; i < count; i++) {
        const LiveAlert *alert = ret_alerts[i];
        if (alert && alert->fingerprint != refs[i].fingerprint) {
            ret_alerts[i] = NULL;
        } else if (alert) {
            PREFETCH(alert->alert.labels.items);
            PREFETCH(alert->alert.annotations.items);
        }
    }
    for (size_t i = 0; i < count; i++) {
        const LabelSet *labels = ret_alerts[i] ? &ret_alerts[i]->alert.labels : NULL;
        for (size_t j = 0; labels && j < labels->count; j++) {
            PREFETCH(labels->items[j].value.ptr);
        }
    }
}

static size_t print_some(Notify *notify, const AlertRef *refs, size_t count, const AlertShow *show,
                         size_t max, TimeMs now, Buf *out) {
    Showing showing = {.notify = notify, .show = show};
    const LiveAlert *alerts[SHOWN_AT_ONCE];
    size_t shown = 0;
    pthread_rwlock_rdlock(&notify->lock);
    find_alerts(notify, refs, count, alerts);
    for (size_t i = 0; i < count && shown < max; i++) {
        showing.alert = alerts[i];
        if (alerts[i] && live_is_shown(alerts[i], now) && is_wanted(&showing, now)) {
            buf_str(out, shown ? STR(",") : STR(""));
            put_alert(out, &showing);
            shown++;
        }
    }
    pthread_rwlock_unlock(&notify->lock);
    return shown;
}

size_t notify_alerts_print(Notify *notify, const AlertRef *refs, size_t count,
                           const AlertShow *show, size_t max, TimeMs now, Buf *out) {
    size_t shown = 0;
    for (size_t from = 0; from < count && shown < max; from += SHOWN_AT_ONCE) {
        size_t some = count - from < SHOWN_AT_ONCE ? count - from : SHOWN_AT_ONCE;
        size_t before = out->len;
        buf_str(out, shown ? STR(",") : STR(""));
        size_t more = print_some(notify, refs + from, some, show, max - shown, now, out);
        out->len = more ? out->len : before;
        shown += more;
    }
    return shown;
}
