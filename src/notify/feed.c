#include "notify/feed.h"

#include <cjson/cJSON.h>
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

bool feed_ended_window(const AuditRow *row, Arena *arena, FeedWindow *ret_window) {
    cJSON *before = cJSON_ParseWithLength(row->before.ptr, row->before.len);
    FeedWindow window = {.kind = ANNOTATION_MAINTENANCE, .id = row->subject};
    read_window(before, false, arena, &window);
    cJSON_Delete(before);
    if (!window.to || window.to > row->at) {
        window.to = row->at;
    }
    *ret_window = window;
    return window.from && window.matcher_count && window.to > window.from;
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

enum { TAGS_MAX = 16 };

static bool passes_tags(const FeedQuery *query, const Str *tags, size_t tag_count) {
    size_t found = 0;
    for (size_t i = 0; i < query->tag_count; i++) {
        bool has = false;
        for (size_t j = 0; j < tag_count && !has; j++) {
            has = str_eq(tags[j], query->tags[i]);
        }
        found += has;
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

static bool passes_matchers(const FeedQuery *query, const FeedWindow *window) {
    for (size_t i = 0; i < query->set_count; i++) {
        if (may_concern(&query->sets[i], window)) {
            return true;
        }
    }
    return !query->set_count;
}

/* ---- tags ---- */

static size_t keep_tag(Str tag, Str *tags, size_t count) {
    if (tag.len && count < TAGS_MAX) {
        tags[count++] = tag;
    }
    return count;
}

static size_t alert_tags(const FeedNames *names, LabelSet labels, Str *ret_tags) {
    const Str of_alert[] = {STR("alertname"), names->severity_label, names->source_label,
                            STR("team")};
    size_t count = keep_tag(STR("alert"), ret_tags, 0);
    for (size_t i = 0; i < 4; i++) {
        count = keep_tag(labels_get(labels, of_alert[i]), ret_tags, count);
    }
    return count;
}

static size_t window_tags(const FeedWindow *window, Str *ret_tags) {
    size_t count = keep_tag(str_of(annotation_kind_text(window->kind)), ret_tags, 0);
    count = keep_tag(window->who, ret_tags, count);
    for (size_t i = 0; i < window->matcher_count; i++) {
        const SilenceMatcher *matcher = &window->matchers[i];
        if (matcher->is_equal && !matcher->is_regex) {
            count = keep_tag(matcher->value, ret_tags, count);
        }
    }
    return count;
}

bool feed_alert_passes(const FeedQuery *query, const FeedNames *names, LabelSet labels) {
    Str tags[TAGS_MAX];
    Str severity = labels_get(labels, names->severity_label);
    return passes_labels(query, labels) &&
           (!query->severities.len || in_list(query->severities, severity)) &&
           passes_tags(query, tags, query->tag_count ? alert_tags(names, labels, tags) : 0);
}

bool feed_window_passes(const FeedQuery *query, const FeedWindow *window) {
    Str tags[TAGS_MAX];
    return !query->severities.len &&
           passes_tags(query, tags, query->tag_count ? window_tags(window, tags) : 0) &&
           passes_matchers(query, window);
}

/* ---- which ---- */

/* Thousands pass, few are shown: their texts are made when it is known which. */
typedef struct Candidate {
    AnnotationKind kind;
    bool is_open;
    TimeMs from, to;
    Str key;        /* orders what began at once */
    const void *of; /* Episode, FeedWindow or AuditRow */
} Candidate;

typedef struct Feed {
    const FeedInput *input;
    const FeedQuery *query;
    TimeMs now;
    Arena *arena;
    Candidate *items;
    size_t items_count, items_cap;
} Feed;

static TimeMs lesser(TimeMs a, TimeMs b) {
    return a < b ? a : b;
}

/* `end` 0 = it goes on. False if it does not overlap the time asked for. */
static bool set_times(const Feed *feed, TimeMs start, TimeMs end, Candidate *candidate) {
    const FeedQuery *query = feed->query;
    if (start > query->to || (end && end < query->from) || start > feed->now) {
        return false;
    }
    candidate->from = start;
    candidate->is_open = !end || end > feed->now;
    candidate->to = candidate->is_open ? lesser(feed->now, query->to) : end;
    return candidate->to >= query->from;
}

static void find_episodes(Feed *feed) {
    const FeedInput *input = feed->input;
    for (size_t i = 0; i < input->episode_count; i++) {
        const Episode *episode = &input->episodes[i];
        Candidate candidate = {
            .kind = ANNOTATION_ALERT, .key = {episode->dedup_key, 16}, .of = episode};
        if (set_times(feed, episode->fired_at, episode->ended_at, &candidate) &&
            feed_alert_passes(feed->query, &input->names, episode->labels)) {
            VEC_PUSH(*feed, items, candidate);
        }
    }
}

static void find_windows(Feed *feed) {
    const FeedInput *input = feed->input;
    for (size_t i = 0; i < input->window_count; i++) {
        const FeedWindow *window = &input->windows[i];
        Candidate candidate = {.kind = window->kind, .key = window->id, .of = window};
        if (set_times(feed, window->from, window->to, &candidate) &&
            feed_window_passes(feed->query, window)) {
            VEC_PUSH(*feed, items, candidate);
        }
    }
}

static size_t point_tags(AnnotationKind kind, Str *ret_tags) {
    ret_tags[0] = str_of(annotation_kind_text(kind));
    ret_tags[1] = STR("belfry");
    return 2;
}

static void find_points(Feed *feed) {
    const FeedQuery *query = feed->query;
    for (size_t i = 0; i < feed->input->point_count && !query->severities.len; i++) {
        const AuditRow *row = &feed->input->points[i];
        bool is_start = str_eq(row->action, STR("server.start"));
        Candidate candidate = {.kind = is_start ? ANNOTATION_RESTART : ANNOTATION_RELOAD,
                               .from = row->at,
                               .to = row->at,
                               .of = row};
        Str tags[TAGS_MAX];
        if (row->at >= query->from && row->at <= query->to &&
            (is_start || str_eq(row->action, STR("server.reload"))) &&
            passes_tags(query, tags, point_tags(candidate.kind, tags))) {
            VEC_PUSH(*feed, items, candidate);
        }
    }
}

/* As their ids are: kind, key. */
static int compare(const void *a, const void *b) {
    const Candidate *x = a, *y = b;
    if (x->from != y->from) {
        return x->from > y->from ? -1 : 1;
    }
    int order =
        str_cmp(str_of(annotation_kind_text(x->kind)), str_of(annotation_kind_text(y->kind)));
    return order ? order : str_cmp(x->key, y->key);
}

/* ---- making them ---- */

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

static size_t show_alert(const Feed *feed, const Episode *episode, Annotation *annotation,
                         Str *tags) {
    annotation->labels = episode->labels;
    annotation->id = arena_printf(feed->arena, "alert-%.16s-%lld", episode->dedup_key,
                                  (long long)episode->fired_at);
    annotation->title = labels_get(episode->labels, STR("alertname"));
    annotation->text = alert_text(feed, episode);
    return alert_tags(&feed->input->names, episode->labels, tags);
}

static void print_matchers(Buf *out, const FeedWindow *window) {
    static const char *const operators[2][2] = {{"!=", "="}, {"!~", "=~"}};
    for (size_t i = 0; i < window->matcher_count; i++) {
        const SilenceMatcher *matcher = &window->matchers[i];
        buf_printf(out, "%s%.*s%s\"%.*s\"", i ? ", " : "", STR_ARG(matcher->name),
                   operators[matcher->is_regex][matcher->is_equal], STR_ARG(matcher->value));
    }
}

static size_t show_window(const Feed *feed, const FeedWindow *window, Annotation *annotation,
                          Str *tags) {
    AUTO(buf_finish) Buf title = {0};
    Str kind = str_of(annotation_kind_text(window->kind));
    buf_str(&title, window->kind == ANNOTATION_SILENCE ? STR("Silence: ") : STR("Maintenance: "));
    print_matchers(&title, window);
    annotation->title = arena_str(feed->arena, buf_view(&title));
    annotation->text = arena_printf(feed->arena, "%.*s: %.*s%s%.*s%s", STR_ARG(window->who),
                                    STR_ARG(window->why), window->mode.len ? " (" : "",
                                    STR_ARG(window->mode), window->mode.len ? ")" : "");
    annotation->id = arena_printf(feed->arena, "%.*s-%.*s-%lld", STR_ARG(kind), STR_ARG(window->id),
                                  (long long)window->from);
    return window_tags(window, tags);
}

static size_t show_point(const Feed *feed, const AuditRow *row, Annotation *annotation, Str *tags) {
    Str kind = str_of(annotation_kind_text(annotation->kind));
    annotation->title =
        annotation->kind == ANNOTATION_RESTART ? STR("Belfry started") : STR("Belfry reloaded");
    annotation->text = row->reason;
    annotation->id = arena_printf(feed->arena, "%.*s-%lld", STR_ARG(kind), (long long)row->at);
    return point_tags(annotation->kind, tags);
}

static void show(const Feed *feed, const Candidate *candidate, Annotation *annotation) {
    Str tags[TAGS_MAX];
    size_t count = 0;
    *annotation = (Annotation){.kind = candidate->kind,
                               .from = candidate->from,
                               .to = candidate->to,
                               .is_open = candidate->is_open,
                               .is_region = true};
    switch (candidate->kind) {
    case ANNOTATION_ALERT:
        count = show_alert(feed, candidate->of, annotation, tags);
        break;
    case ANNOTATION_SILENCE:
    case ANNOTATION_MAINTENANCE:
        count = show_window(feed, candidate->of, annotation, tags);
        break;
    case ANNOTATION_RESTART:
    case ANNOTATION_RELOAD:
        annotation->is_region = false;
        count = show_point(feed, candidate->of, annotation, tags);
        break;
    }
    Str *kept = arena_array(feed->arena, Str, count + 1);
    memcpy(kept, tags, count * sizeof *tags);
    annotation->tags = kept;
    annotation->tag_count = count;
}

void feed_build(const FeedInput *input, const FeedQuery *query, TimeMs now, Arena *arena,
                Annotation **ret_annotations, size_t *ret_count) {
    Feed feed = {.input = input, .query = query, .now = now, .arena = arena};
    find_episodes(&feed);
    find_windows(&feed);
    find_points(&feed);
    if (feed.items_count) {
        qsort(feed.items, feed.items_count, sizeof *feed.items, compare);
    }
    size_t count =
        query->limit && feed.items_count > query->limit ? query->limit : feed.items_count;
    Annotation *annotations = arena_array(arena, Annotation, count + 1);
    for (size_t i = 0; i < count; i++) {
        show(&feed, &feed.items[i], &annotations[i]);
    }
    free(feed.items);
    *ret_annotations = annotations;
    *ret_count = count;
}
