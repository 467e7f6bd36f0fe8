/* What the API shows: copies of the working state, with what keeps each alert quiet at the time of
 * asking. */

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "notify/flag.h"
#include "notify/inhibit.h"
#include "notify/live.h"
#include "notify/route.h"
#include "notify/silence.h"

enum { MARKS_MAX = 64 };

static void add_str(Arena *arena, Str **list, size_t *count, Str text) {
    Str *bigger = arena_array(arena, Str, *count + 1);
    if (*count) {
        memcpy(bigger, *list, *count * sizeof **list);
    }
    bigger[(*count)++] = arena_str(arena, text);
    *list = bigger;
}

static void mark_quiet(const Notify *notify, const LiveAlert *alert, TimeMs now, Arena *arena,
                       AlertView *view) {
    SilenceEntry *silences[MARKS_MAX];
    FlagEntry *flags[MARKS_MAX];
    LabelSet labels = alert->alert.labels;
    MatchKeys keys;
    match_keys_of(labels, &keys);
    size_t count = silences_find(notify, &keys, now, silences, MARKS_MAX);
    for (size_t i = 0; i < count; i++) {
        add_str(arena, &view->silenced_by, &view->silenced_count, silences[i]->silence.id);
    }
    count = flags_find(notify, &keys, now, flags, MARKS_MAX);
    for (size_t i = 0; i < count; i++) {
        add_str(arena, &view->silenced_by, &view->silenced_count, flags[i]->flag.id);
    }
    const MatcherSet *label = &notify->config->policy.flag_label;
    if (label->count && matcher_set_matches(label, labels)) {
        AUTO(buf_finish) Buf text = {0};
        matcher_print(&text, &label->items[0]);
        add_str(arena, &view->silenced_by, &view->silenced_count, buf_view(&text));
    }
    const LiveAlert *source = inhibit_source(notify, alert);
    if (source) {
        char hex[17];
        snprintf(hex, sizeof hex, "%016llx", (unsigned long long)source->fingerprint);
        add_str(arena, &view->inhibited_by, &view->inhibited_count, str_of(hex));
    }
    view->suppressed = view->silenced_count || view->inhibited_count;
}

static Alert copy_alert(Arena *arena, const Alert *from) {
    Alert alert = *from;
    alert.labels = labels_copy(arena, from->labels);
    alert.annotations = labels_copy(arena, from->annotations);
    alert.generator_url = arena_str(arena, from->generator_url);
    alert.rule_key = arena_str(arena, from->rule_key);
    return alert;
}

static AlertView view_alert(const Notify *notify, const LiveAlert *alert, TimeMs now,
                            Arena *arena) {
    AlertView view = {.alert = copy_alert(arena, &alert->alert), .fingerprint = alert->fingerprint};
    const Route *routes[ROUTES_MATCHED_MAX];
    view.receiver_count = route_match(notify->config->route, alert->alert.labels, routes);
    view.receivers = arena_array(arena, Str, view.receiver_count + 1);
    for (size_t i = 0; i < view.receiver_count; i++) {
        view.receivers[i] = arena_str(arena, routes[i]->receiver->name);
    }
    mark_quiet(notify, alert, now, arena, &view);
    return view;
}

/* Ours fire until they are resolved; posted ones until their lease ends. */
static bool is_shown(const LiveAlert *alert, TimeMs now) {
    return live_is_firing(alert) && (!alert->alert.ends_at || alert->alert.ends_at > now);
}

static int compare_views(const void *a, const void *b) {
    const AlertView *x = a, *y = b;
    return (x->fingerprint > y->fingerprint) - (x->fingerprint < y->fingerprint);
}

void notify_alerts_matching(Notify *notify, const MatcherSet *filter, TimeMs now, Arena *arena,
                            AlertView **ret_alerts, size_t *ret_count) {
    pthread_rwlock_rdlock(&notify->lock);
    AlertView *views = arena_raw(arena, (notify->alerts.count + 1) * sizeof *views);
    size_t count = 0;
    for (size_t i = 0; i < notify->alerts.cap; i++) {
        const LiveAlert *alert = notify->alerts.slots[i].value;
        if (alert && is_shown(alert, now) && matcher_set_matches(filter, alert->alert.labels)) {
            views[count++] = view_alert(notify, alert, now, arena);
        }
    }
    pthread_rwlock_unlock(&notify->lock);
    qsort(views, count, sizeof *views, compare_views);
    *ret_alerts = views;
    *ret_count = count;
}

void notify_alerts(Notify *notify, TimeMs now, Arena *arena, AlertView **ret_alerts,
                   size_t *ret_count) {
    static const MatcherSet all = {0};
    notify_alerts_matching(notify, &all, now, arena, ret_alerts, ret_count);
}

/* A group that tells at once is shown as Alertmanager would group the route: by its labels. */
typedef struct GroupOf {
    const Route *route;
    LabelSet labels;
    const LiveAlert *alert;
} GroupOf;

static int compare_group_of(const void *a, const void *b) {
    const GroupOf *x = a, *y = b;
    int order = labels_cmp(x->labels, y->labels);
    order = order ? order : str_cmp(x->route->receiver->name, y->route->receiver->name);
    order = order ? order : str_cmp(x->route->key, y->route->key);
    return order ? order : labels_cmp(x->alert->alert.labels, y->alert->alert.labels);
}

static bool same_group(const GroupOf *a, const GroupOf *b) {
    return a->route == b->route && labels_eq(a->labels, b->labels);
}

static void mark_muted(const Route *route, TimeMs now, Arena *arena, AlertView *view) {
    RouteWindow window = route_window(route, now);
    if (window.is_muted) {
        add_str(arena, &view->muted_by, &view->muted_count, window.by);
        view->suppressed = true;
    }
}

static void fill_group(const Notify *notify, const GroupOf *rows, size_t count, TimeMs now,
                       Arena *arena, AlertGroupView *group) {
    *group = (AlertGroupView){.labels = labels_copy(arena, rows->labels),
                              .route_labels = labels_copy(arena, rows->route->labels),
                              .receiver = arena_str(arena, rows->route->receiver->name),
                              .alerts = arena_array(arena, AlertView, count + 1),
                              .alert_count = count};
    for (size_t i = 0; i < count; i++) {
        group->alerts[i] = view_alert(notify, rows[i].alert, now, arena);
        mark_muted(rows->route, now, arena, &group->alerts[i]);
    }
}

static size_t list_rows(const Notify *notify, TimeMs now, Arena *arena, GroupOf **ret_rows) {
    GroupOf *rows = NULL;
    size_t count = 0, cap = 0;
    for (size_t i = 0; i < notify->alerts.cap; i++) {
        const LiveAlert *alert = notify->alerts.slots[i].value;
        if (!alert || !is_shown(alert, now)) {
            continue;
        }
        const Route *routes[ROUTES_MATCHED_MAX];
        size_t matched = route_match(notify->config->route, alert->alert.labels, routes);
        for (size_t j = 0; j < matched; j++) {
            rows = mem_reserve(rows, &cap, count + 1, sizeof *rows);
            rows[count++] = (GroupOf){
                routes[j], route_group_labels(routes[j], alert->alert.labels, arena), alert};
        }
    }
    *ret_rows = rows;
    return count;
}

void notify_groups(Notify *notify, TimeMs now, Arena *arena, AlertGroupView **ret_groups,
                   size_t *ret_count) {
    pthread_rwlock_rdlock(&notify->lock);
    GroupOf *rows;
    size_t count = list_rows(notify, now, arena, &rows), group_count = 0;
    if (count) {
        qsort(rows, count, sizeof *rows, compare_group_of);
    }
    AlertGroupView *groups = arena_array(arena, AlertGroupView, count + 1);
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && same_group(&rows[from], &rows[to]);) {
            to++;
        }
        fill_group(notify, rows + from, to - from, now, arena, &groups[group_count++]);
    }
    free(rows);
    pthread_rwlock_unlock(&notify->lock);
    *ret_groups = groups;
    *ret_count = group_count;
}
