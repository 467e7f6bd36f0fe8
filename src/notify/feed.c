#include "notify/feed.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/number.h"
#include "notify/live.h"

const char *annotation_kind_text(AnnotationKind kind) {
    static const char *const texts[] = {
        [ANNOTATION_ALERT] = "alert",     [ANNOTATION_SILENCE] = "silence",
        [ANNOTATION_RESTART] = "restart", [ANNOTATION_MAINTENANCE] = "maintenance",
        [ANNOTATION_RELOAD] = "reload",
    };
    return texts[kind];
}

/* ---- silences and flags from the audit log ---- */

typedef struct WindowList {
    FeedWindow **items;
    size_t items_count, items_cap;
    IdMap by_id;
} WindowList;

static Str member(const cJSON *object, const char *key, Arena *arena) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? arena_str(arena, str_of(item->valuestring)) : STR("");
}

static TimeMs member_time(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    TimeMs time = 0;
    Err ignored;
    return cJSON_IsString(item) && time_parse(str_of(item->valuestring), &time, &ignored) ? time
                                                                                          : 0;
}

static void read_matchers(const cJSON *list, Arena *arena, FeedWindow *window) {
    int count = cJSON_GetArraySize(list);
    SilenceMatcher *matchers = arena_array(arena, SilenceMatcher, (size_t)count + 1);
    size_t used = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list) {
        matchers[used++] = (SilenceMatcher){
            .name = member(item, "name", arena),
            .value = member(item, "value", arena),
            .is_regex = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "isRegex")),
            .is_equal = !cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(item, "isEqual"))};
    }
    window->matchers = matchers;
    window->matcher_count = used;
}

static void read_window(const cJSON *after, bool is_silence, Arena *arena, FeedWindow *window) {
    window->from = member_time(after, is_silence ? "startsAt" : "starts_at");
    window->to = member_time(after, is_silence ? "endsAt" : "ends_at");
    window->who = member(after, is_silence ? "createdBy" : "owner", arena);
    window->why = member(after, is_silence ? "comment" : "reason", arena);
    window->mode = is_silence ? STR("") : member(after, "mode", arena);
    read_matchers(cJSON_GetObjectItemCaseSensitive(after, "matchers"), arena, window);
}

static FeedWindow *window_of(WindowList *list, const AuditRow *row, bool is_silence, Arena *arena) {
    uint64_t key = hash64(row->subject);
    key = key ? key : 1;
    FeedWindow *window = idmap_get(&list->by_id, key);
    if (!window) {
        window = arena_new(arena, FeedWindow);
        *window = (FeedWindow){.kind = is_silence ? ANNOTATION_SILENCE : ANNOTATION_MAINTENANCE,
                               .id = row->subject};
        idmap_put(&list->by_id, key, window);
        VEC_PUSH(*list, items, window);
    }
    return window;
}

static void take_audit(WindowList *list, const AuditRow *row, Arena *arena) {
    bool is_silence = str_starts(row->action, STR("silence."));
    if (!is_silence && !str_starts(row->action, STR("maintenance."))) {
        return;
    }
    FeedWindow *window = window_of(list, row, is_silence, arena);
    cJSON *after = cJSON_ParseWithLength(row->after.ptr, row->after.len);
    if (cJSON_IsObject(after)) {
        read_window(after, is_silence, arena, window);
    } else if (!row->after.len && (!window->to || window->to > row->at)) { /* cleared */
        window->to = row->at;
    }
    cJSON_Delete(after);
}

void feed_windows(const AuditRow *rows, size_t row_count, Arena *arena, FeedWindow **ret_windows,
                  size_t *ret_count) {
    WindowList list = {0};
    for (size_t i = 0; i < row_count; i++) {
        take_audit(&list, &rows[i], arena);
    }
    FeedWindow *windows = arena_array(arena, FeedWindow, list.items_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < list.items_count; i++) {
        const FeedWindow *window = list.items[i];
        bool never_was = window->to && window->to <= window->from; /* ended before it began */
        if (window->from && window->matcher_count && !never_was) {
            windows[count++] = *window;
        }
    }
    free(list.items);
    idmap_finish(&list.by_id);
    *ret_windows = windows;
    *ret_count = count;
}

/* ---- filters ---- */

static bool has_tag(const Annotation *annotation, Str tag) {
    for (size_t i = 0; i < annotation->tag_count; i++) {
        if (str_eq(annotation->tags[i], tag)) {
            return true;
        }
    }
    return false;
}

static bool passes_tags(const FeedQuery *query, const Annotation *annotation) {
    size_t found = 0;
    for (size_t i = 0; i < query->tag_count; i++) {
        found += has_tag(annotation, query->tags[i]);
    }
    return !query->tag_count || (query->any_tag ? found > 0 : found == query->tag_count);
}

static bool in_list(Str list, Str word) {
    while (list.len) {
        size_t comma = str_find(list, ',');
        if (str_eq(str_trim((Str){list.ptr, comma}), word)) {
            return true;
        }
        list = str_skip(list, comma < list.len ? comma + 1 : comma);
    }
    return false;
}

static bool passes_labels(const FeedQuery *query, LabelSet labels) {
    for (size_t i = 0; i < query->set_count; i++) {
        if (matcher_set_matches(&query->sets[i], labels)) {
            return true;
        }
    }
    return !query->set_count;
}

/* A window for cluster="a" is not about cluster="b"; one that names no cluster may be. */
static bool may_concern(const MatcherSet *set, const FeedWindow *window) {
    for (size_t i = 0; i < set->count; i++) {
        for (size_t j = 0; j < window->matcher_count; j++) {
            const SilenceMatcher *own = &window->matchers[j];
            if (own->is_equal && !own->is_regex && str_eq(own->name, set->items[i].name) &&
                !matcher_matches(&set->items[i], own->value)) {
                return false;
            }
        }
    }
    return true;
}

static bool passes_window(const FeedQuery *query, const FeedWindow *window) {
    for (size_t i = 0; i < query->set_count; i++) {
        if (may_concern(&query->sets[i], window)) {
            return true;
        }
    }
    return !query->set_count;
}

/* ---- making them ---- */

typedef struct Feed {
    const FeedInput *input;
    const FeedQuery *query;
    TimeMs now;
    Arena *arena;
    Annotation *items;
    size_t items_count, items_cap;
} Feed;

static TimeMs lesser(TimeMs a, TimeMs b) {
    return a < b ? a : b;
}

static void add(Feed *feed, Annotation annotation, const Str *tags, size_t tag_count) {
    Str *kept = arena_array(feed->arena, Str, tag_count + 1);
    size_t used = 0;
    for (size_t i = 0; i < tag_count; i++) {
        if (tags[i].len) {
            kept[used++] = tags[i];
        }
    }
    annotation.tags = kept;
    annotation.tag_count = used;
    if (passes_tags(feed->query, &annotation)) {
        VEC_PUSH(*feed, items, annotation);
    }
}

/* `end` 0 = it goes on. False if it does not overlap the time asked for. */
static bool set_times(const Feed *feed, TimeMs start, TimeMs end, Annotation *annotation) {
    const FeedQuery *query = feed->query;
    if (start > query->to || (end && end < query->from) || start > feed->now) {
        return false;
    }
    annotation->from = start;
    annotation->is_region = true;
    annotation->is_open = !end || end > feed->now;
    annotation->to = annotation->is_open ? lesser(feed->now, query->to) : end;
    return annotation->to >= query->from;
}

static Str alert_text(const Feed *feed, const Episode *episode) {
    AUTO(buf_finish) Buf text = {0};
    static const char *const parts[] = {"summary", "description", "message"};
    for (size_t i = 0; i < 3; i++) {
        Str part = labels_get(episode->annotations, str_of(parts[i]));
        if (part.len) {
            buf_str(&text, part);
            buf_byte(&text, '\n');
        }
    }
    labels_print(&text, episode->labels);
    if (episode->ended_at && !str_eq(episode->end_reason, STR("condition"))) {
        buf_printf(&text, "\nended: %.*s", STR_ARG(episode->end_reason));
    }
    return arena_str(feed->arena, buf_view(&text));
}

static void add_episode(Feed *feed, const Episode *episode) {
    const FeedQuery *query = feed->query;
    Str name = labels_get(episode->labels, STR("alertname"));
    Str severity = labels_get(episode->labels, feed->input->severity_label);
    Annotation annotation = {.kind = ANNOTATION_ALERT, .labels = episode->labels};
    if (!passes_labels(query, episode->labels) ||
        (query->severities.len && !in_list(query->severities, severity)) ||
        !set_times(feed, episode->fired_at, episode->ended_at, &annotation)) {
        return;
    }
    annotation.id = arena_printf(feed->arena, "alert-%.16s-%lld", episode->dedup_key,
                                 (long long)episode->fired_at);
    annotation.title = name;
    annotation.text = alert_text(feed, episode);
    const Str tags[] = {STR("alert"), name, severity,
                        labels_get(episode->labels, feed->input->source_label),
                        labels_get(episode->labels, STR("team"))};
    add(feed, annotation, tags, 5);
}

static void print_matchers(Buf *out, const FeedWindow *window) {
    static const char *const operators[2][2] = {{"!=", "="}, {"!~", "=~"}};
    for (size_t i = 0; i < window->matcher_count; i++) {
        const SilenceMatcher *matcher = &window->matchers[i];
        buf_printf(out, "%s%.*s%s\"%.*s\"", i ? ", " : "", STR_ARG(matcher->name),
                   operators[matcher->is_regex][matcher->is_equal], STR_ARG(matcher->value));
    }
}

static void add_window(Feed *feed, const FeedWindow *window) {
    Annotation annotation = {.kind = window->kind};
    if (feed->query->severities.len || !passes_window(feed->query, window) ||
        !set_times(feed, window->from, window->to, &annotation)) {
        return;
    }
    AUTO(buf_finish) Buf title = {0};
    Str kind = str_of(annotation_kind_text(window->kind));
    buf_str(&title, window->kind == ANNOTATION_SILENCE ? STR("Silence: ") : STR("Maintenance: "));
    print_matchers(&title, window);
    annotation.title = arena_str(feed->arena, buf_view(&title));
    annotation.text = arena_printf(feed->arena, "%.*s: %.*s%s%.*s%s", STR_ARG(window->who),
                                   STR_ARG(window->why), window->mode.len ? " (" : "",
                                   STR_ARG(window->mode), window->mode.len ? ")" : "");
    annotation.id = arena_printf(feed->arena, "%.*s-%.*s-%lld", STR_ARG(kind), STR_ARG(window->id),
                                 (long long)window->from);
    Str tags[16] = {kind, window->who};
    size_t count = 2;
    for (size_t i = 0; i < window->matcher_count && count < 16; i++) {
        const SilenceMatcher *matcher = &window->matchers[i];
        if (matcher->is_equal && !matcher->is_regex) {
            tags[count++] = matcher->value;
        }
    }
    add(feed, annotation, tags, count);
}

static void add_point(Feed *feed, const AuditRow *row) {
    bool is_start = str_eq(row->action, STR("server.start"));
    if (feed->query->severities.len || row->at < feed->query->from || row->at > feed->query->to ||
        (!is_start && !str_eq(row->action, STR("server.reload")))) {
        return;
    }
    Annotation annotation = {.kind = is_start ? ANNOTATION_RESTART : ANNOTATION_RELOAD,
                             .from = row->at,
                             .to = row->at,
                             .title = is_start ? STR("Belfry started") : STR("Belfry reloaded"),
                             .text = row->reason};
    Str kind = str_of(annotation_kind_text(annotation.kind));
    annotation.id = arena_printf(feed->arena, "%.*s-%lld", STR_ARG(kind), (long long)row->at);
    add(feed, annotation, (const Str[]){kind, STR("belfry")}, 2);
}

static int compare(const void *a, const void *b) {
    const Annotation *x = a, *y = b;
    if (x->from != y->from) {
        return x->from > y->from ? -1 : 1;
    }
    return str_cmp(x->id, y->id);
}

void feed_build(const FeedInput *input, const FeedQuery *query, TimeMs now, Arena *arena,
                Annotation **ret_annotations, size_t *ret_count) {
    Feed feed = {.input = input, .query = query, .now = now, .arena = arena};
    for (size_t i = 0; i < input->episode_count; i++) {
        add_episode(&feed, &input->episodes[i]);
    }
    for (size_t i = 0; i < input->window_count; i++) {
        add_window(&feed, &input->windows[i]);
    }
    for (size_t i = 0; i < input->point_count; i++) {
        add_point(&feed, &input->points[i]);
    }
    if (feed.items_count) {
        qsort(feed.items, feed.items_count, sizeof *feed.items, compare);
    }
    size_t count =
        query->limit && feed.items_count > query->limit ? query->limit : feed.items_count;
    Annotation *annotations = arena_array(arena, Annotation, count + 1);
    for (size_t i = 0; i < count; i++) {
        annotations[i] = feed.items[i];
    }
    free(feed.items);
    *ret_annotations = annotations;
    *ret_count = count;
}

/* ---- reading what it is made of ---- */

/* Flags of the configuration leave no audit rows: they are as it says now, each of their times a
 * window. */
typedef struct Configured {
    FeedWindow *items;
    size_t items_count, items_cap;
} Configured;

enum { TIMES_MAX = 1000 }; /* of one flag: a daily one for years */

static void add_times(const FlagEntry *entry, FeedWindow window, TimeMs from, TimeMs to,
                      Configured *list) {
    TimeMs at = from;
    for (int i = 0; i < TIMES_MAX && at <= to; i++) {
        bool inside = calendar_contains(entry->when, at);
        TimeMs change = calendar_next_change(entry->when, at, to + DAY_MS);
        if (inside) {
            window.from = at;
            window.to = change;
            VEC_PUSH(*list, items, window);
        }
        at = change;
    }
}

static void add_configured(const FlagEntry *entry, const FeedQuery *query, Arena *arena,
                           Configured *list) {
    const Flag *flag = &entry->flag;
    static const char *const modes[] = {"all", "below_critical", "hold"};
    SilenceMatcher *matchers = arena_array(arena, SilenceMatcher, flag->matcher_count + 1);
    for (size_t i = 0; i < flag->matcher_count; i++) {
        matchers[i] = flag->matchers[i];
        matchers[i].name = arena_str(arena, flag->matchers[i].name);
        matchers[i].value = arena_str(arena, flag->matchers[i].value);
    }
    FeedWindow window = {.kind = ANNOTATION_MAINTENANCE,
                         .id = arena_str(arena, flag->id),
                         .who = arena_str(arena, flag->owner),
                         .why = arena_str(arena, flag->reason),
                         .mode = str_of(modes[flag->mode]),
                         .matchers = matchers,
                         .matcher_count = flag->matcher_count,
                         .from = flag->starts_at,
                         .to = flag->ends_at};
    if (entry->when) {
        TimeMs from = flag->starts_at > query->from ? flag->starts_at : query->from;
        TimeMs to = flag->ends_at && flag->ends_at < query->to ? flag->ends_at : query->to;
        add_times(entry, window, from, to, list);
    } else {
        VEC_PUSH(*list, items, window);
    }
}

static void read_configured(Notify *notify, const FeedQuery *query, Arena *arena,
                            Configured *list) {
    pthread_rwlock_rdlock(&notify->lock);
    for (size_t i = 0; i < notify->flags_count; i++) {
        if (str_eq(notify->flags[i]->flag.origin, STR("config"))) {
            add_configured(notify->flags[i], query, arena, list);
        }
    }
    pthread_rwlock_unlock(&notify->lock);
}

static bool read_windows(Notify *notify, const FeedQuery *query, Arena *arena, FeedInput *input,
                         Err *err) {
    static const char *const subjects[] = {"silence", "maintenance"};
    Configured all = {0};
    for (int i = 0; i < 2; i++) {
        AuditRow *rows;
        FeedWindow *windows = NULL;
        size_t count = 0, window_count = 0;
        if (!state_load_audit_of(notify->state, subjects[i], 0, TIME_MAX, arena, &rows, &count,
                                 err)) {
            free(all.items);
            return false;
        }
        feed_windows(rows, count, arena, &windows, &window_count);
        for (size_t j = 0; j < window_count; j++) {
            VEC_PUSH(all, items, windows[j]);
        }
    }
    read_configured(notify, query, arena, &all);
    FeedWindow *windows = arena_array(arena, FeedWindow, all.items_count + 1);
    for (size_t i = 0; i < all.items_count; i++) {
        windows[i] = all.items[i];
    }
    free(all.items);
    input->windows = windows;
    input->window_count = all.items_count;
    return true;
}

bool notify_annotations(Notify *notify, const FeedQuery *query, Str source_label, TimeMs now,
                        Arena *arena, Annotation **ret_annotations, size_t *ret_count, Err *err) {
    Episode *episodes;
    AuditRow *points;
    FeedInput input = {.source_label = source_label};
    pthread_rwlock_rdlock(&notify->lock);
    input.severity_label = arena_str(arena, notify->config->policy.severity_label);
    pthread_rwlock_unlock(&notify->lock);
    if (!episodes_load(notify->state, query->from, query->to, arena, &episodes,
                       &input.episode_count, err) ||
        !read_windows(notify, query, arena, &input, err) ||
        !state_load_audit_of(notify->state, "server", query->from, query->to, arena, &points,
                             &input.point_count, err)) {
        return false;
    }
    input.episodes = episodes;
    input.points = points;
    feed_build(&input, query, now, arena, ret_annotations, ret_count);
    return true;
}
