/* What the API shows: copies of the working state, with what keeps each alert quiet at the time of
 * asking. */

#include <stdlib.h>

#include "base/mem.h"
#include "notify/postings.h"
#include "notify/route.h"
#include "notify/suppress.h"

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
    QuietMarks marks;
    quiet_marks(notify, alert, now, &marks);
    for (size_t i = 0; i < marks.silence_count; i++) {
        add_str(arena, &view->silenced_by, &view->silenced_count, marks.silences[i]->silence.id);
    }
    for (size_t i = 0; i < marks.flag_count; i++) {
        add_str(arena, &view->silenced_by, &view->silenced_count, marks.flags[i]->flag.id);
    }
    if (marks.by_label) {
        AUTO(buf_finish) Buf text = {0};
        matcher_print(&text, &marks.by_label->items[0]);
        add_str(arena, &view->silenced_by, &view->silenced_count, buf_view(&text));
    }
    if (marks.source) {
        add_str(arena, &view->inhibited_by, &view->inhibited_count,
                str_of(marks.source->fingerprint_hex));
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

static int compare_refs(const void *a, const void *b) {
    const AlertRef *x = a, *y = b;
    return (x->fingerprint > y->fingerprint) - (x->fingerprint < y->fingerprint);
}

/* 6 digits of 11 bits: what counts them stays in the nearest cache. */
enum { RADIX_BITS = 11, RADIX = 1 << RADIX_BITS, RADIX_FROM = 4 * RADIX };

static void sort_by_digit(const AlertRef *from, AlertRef *to, size_t count, int shift) {
    size_t places[RADIX + 1] = {0};
    for (size_t i = 0; i < count; i++) {
        places[(from[i].fingerprint >> shift & (RADIX - 1)) + 1]++;
    }
    for (size_t i = 0; i < RADIX; i++) {
        places[i + 1] += places[i];
    }
    for (size_t i = 0; i < count; i++) {
        to[places[from[i].fingerprint >> shift & (RADIX - 1)]++] = from[i];
    }
}

/* A hundred thousand fingerprints take ten times as long to compare as to deal out. */
static void sort_refs(AlertRef *refs, size_t count) {
    if (count < RADIX_FROM) {
        if (count) {
            qsort(refs, count, sizeof *refs, compare_refs);
        }
        return;
    }
    AlertRef *other = mem_grow(NULL, count * sizeof *other);
    for (int shift = 0; shift < 64; shift += 2 * RADIX_BITS) {
        sort_by_digit(refs, other, count, shift);
        sort_by_digit(other, refs, count, shift + RADIX_BITS);
    }
    free(other);
}

/* Refs as a heap whose first has the greatest fingerprint. */
static void sink(AlertRef *refs, size_t count) {
    for (size_t at = 0, child; (child = 2 * at + 1) < count; at = child) {
        child += child + 1 < count && refs[child].fingerprint < refs[child + 1].fingerprint;
        if (refs[child].fingerprint <= refs[at].fingerprint) {
            return;
        }
        AlertRef ref = refs[at];
        refs[at] = refs[child];
        refs[child] = ref;
    }
}

static void rise(AlertRef *refs, size_t at) {
    for (; at > 0 && refs[(at - 1) / 2].fingerprint < refs[at].fingerprint; at = (at - 1) / 2) {
        AlertRef ref = refs[at];
        refs[at] = refs[(at - 1) / 2];
        refs[(at - 1) / 2] = ref;
    }
}

size_t notify_alert_first(Notify *notify, const MatcherSet *filter, size_t max, TimeMs now,
                          Arena *arena, AlertRef **ret_refs, size_t *ret_count) {
    size_t count = 0, all = 0;
    pthread_rwlock_rdlock(&notify->lock);
    max = max < notify->alerts.count ? max : notify->alerts.count;
    AlertRef *refs = arena_array(arena, AlertRef, max + 1);
    PostingsScan scan = postings_scan(notify, filter);
    const LiveAlert *alert;
    while ((alert = postings_next(&scan))) {
        if (!live_is_shown(alert, now)) {
            continue;
        }
        all++;
        AlertRef ref = {alert->fingerprint, alert->id};
        if (count < max) {
            refs[count] = ref;
            rise(refs, count++);
        } else if (count && ref.fingerprint < refs[0].fingerprint) {
            refs[0] = ref;
            sink(refs, count);
        }
    }
    pthread_rwlock_unlock(&notify->lock);
    sort_refs(refs, count);
    *ret_refs = refs;
    *ret_count = count;
    return all;
}

void notify_alert_refs(Notify *notify, const MatcherSet *filter, TimeMs now, Arena *arena,
                       AlertRef **ret_refs, size_t *ret_count) {
    AlertRef *refs = NULL;
    size_t count = 0, cap = 0;
    pthread_rwlock_rdlock(&notify->lock);
    PostingsScan scan = postings_scan(notify, filter);
    if (scan.everywhere) { /* not in steps, copying each time */
        refs = mem_reserve(refs, &cap, notify->alerts.count, sizeof *refs);
    }
    const LiveAlert *alert;
    while ((alert = postings_next(&scan))) {
        if (live_is_shown(alert, now)) {
            refs = mem_reserve(refs, &cap, count + 1, sizeof *refs);
            refs[count++] = (AlertRef){alert->fingerprint, alert->id};
        }
    }
    pthread_rwlock_unlock(&notify->lock);
    sort_refs(refs, count);
    *ret_refs = arena_array(arena, AlertRef, count + 1);
    if (count) {
        memcpy(*ret_refs, refs, count * sizeof *refs);
    }
    *ret_count = count;
    free(refs);
}

/* Whoever wants to write waits for a few of them at most. */
enum { VIEWS_AT_ONCE = 256 };

void notify_alert_views(Notify *notify, const AlertRef *refs, size_t count, TimeMs now,
                        Arena *arena, AlertView **ret_alerts, size_t *ret_count) {
    AlertView *views = arena_raw(arena, (count + 1) * sizeof *views);
    size_t view_count = 0;
    for (size_t from = 0; from < count; from += VIEWS_AT_ONCE) {
        size_t to = count - from < VIEWS_AT_ONCE ? count : from + VIEWS_AT_ONCE;
        pthread_rwlock_rdlock(&notify->lock);
        for (size_t i = from; i < to; i++) {
            const LiveAlert *alert = live_alert(notify, refs[i].id);
            if (alert && alert->fingerprint == refs[i].fingerprint && live_is_shown(alert, now)) {
                views[view_count++] = view_alert(notify, alert, now, arena);
            }
        }
        pthread_rwlock_unlock(&notify->lock);
    }
    *ret_alerts = views;
    *ret_count = view_count;
}

void notify_alerts(Notify *notify, const MatcherSet *filter, TimeMs now, Arena *arena,
                   AlertView **ret_alerts, size_t *ret_count) {
    AlertRef *refs;
    size_t count;
    notify_alert_refs(notify, filter, now, arena, &refs, &count);
    notify_alert_views(notify, refs, count, now, arena, ret_alerts, ret_count);
}

/* ---- groups ---- */

/* A group that tells at once is shown as Alertmanager would group the route: by its labels. */
typedef struct ViewGroup {
    const Route *route;
    LabelSet labels;
    AlertRef *alerts; /* by fingerprint, as they came */
    size_t alerts_count, alerts_cap;
} ViewGroup;

typedef struct ViewGroups {
    Notify *notify;
    NotifyConfig *config; /* the routes are its, whatever is loaded meanwhile */
    Arena *arena;         /* of labels */
    IdMap by_key;
    ViewGroup **items;
    size_t items_count, items_cap;
} ViewGroups;

static uint64_t group_key(const Route *route, LabelSet labels) {
    uint64_t key = labels_hash(labels).lo ^ (uint64_t)(uintptr_t)route;
    return key ? key : 1;
}

static void add_to_group(ViewGroups *groups, const Route *route, LabelSet labels, AlertRef ref) {
    uint64_t key = group_key(route, labels);
    ViewGroup *group = idmap_get(&groups->by_key, key);
    if (!group) {
        group = mem_zero(1, sizeof *group);
        *group = (ViewGroup){.route = route, .labels = labels_copy(groups->arena, labels)};
        idmap_put(&groups->by_key, key, group);
        VEC_PUSH(*groups, items, group);
    }
    VEC_PUSH(*group, alerts, ref);
}

static void add_to_groups(ViewGroups *groups, const AlertRef *refs, size_t count, TimeMs now) {
    AUTO(arena_finish) Arena scratch = {0};
    pthread_rwlock_rdlock(&groups->notify->lock);
    for (size_t i = 0; i < count; i++) {
        const LiveAlert *alert = live_alert(groups->notify, refs[i].id);
        if (!alert || alert->fingerprint != refs[i].fingerprint || !live_is_shown(alert, now)) {
            continue;
        }
        const Route *routes[ROUTES_MATCHED_MAX];
        size_t found = route_match(groups->config->route, alert->alert.labels, routes);
        for (size_t j = 0; j < found; j++) {
            LabelSet labels = route_group_labels(routes[j], alert->alert.labels, &scratch);
            add_to_group(groups, routes[j], labels, refs[i]);
        }
    }
    pthread_rwlock_unlock(&groups->notify->lock);
}

static int compare_groups(const void *a, const void *b) {
    const ViewGroup *x = *(ViewGroup *const *)a, *y = *(ViewGroup *const *)b;
    int order = labels_cmp(x->labels, y->labels);
    order = order ? order : str_cmp(x->route->receiver->name, y->route->receiver->name);
    return order ? order : str_cmp(x->route->key, y->route->key);
}

static AlertGroupView view_group(ViewGroup *group, TimeMs now, Arena *arena) {
    RouteWindow window = route_window(group->route, now);
    AlertGroupView view = {.labels = group->labels,
                           .route_labels = labels_copy(arena, group->route->labels),
                           .receiver = arena_str(arena, group->route->receiver->name),
                           .muted_by = window.is_muted ? arena_str(arena, window.by) : STR(""),
                           .alerts = arena_raw(arena, group->alerts_count * sizeof *view.alerts),
                           .alert_count = group->alerts_count};
    memcpy(view.alerts, group->alerts, group->alerts_count * sizeof *group->alerts);
    free(group->alerts);
    free(group);
    return view;
}

void notify_groups(Notify *notify, const MatcherSet *filter, TimeMs now, Arena *arena,
                   AlertGroupView **ret_groups, size_t *ret_count) {
    ViewGroups groups = {.notify = notify, .arena = arena};
    AlertRef *refs;
    size_t count;
    notify_alert_refs(notify, filter, now, arena, &refs, &count);
    pthread_rwlock_rdlock(&notify->lock);
    groups.config = notify_config_ref(notify->config);
    pthread_rwlock_unlock(&notify->lock);
    for (size_t from = 0; from < count; from += VIEWS_AT_ONCE) {
        add_to_groups(&groups, refs + from,
                      count - from < VIEWS_AT_ONCE ? count - from : VIEWS_AT_ONCE, now);
    }
    if (groups.items_count) {
        qsort(groups.items, groups.items_count, sizeof *groups.items, compare_groups);
    }
    AlertGroupView *views = arena_array(arena, AlertGroupView, groups.items_count + 1);
    for (size_t i = 0; i < groups.items_count; i++) {
        views[i] = view_group(groups.items[i], now, arena);
    }
    notify_config_unref(groups.config);
    idmap_finish(&groups.by_key);
    free(groups.items);
    *ret_groups = views;
    *ret_count = groups.items_count;
}
