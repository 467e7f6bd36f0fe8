/*
 * What the annotation feed is made of, read no more of than is shown: a dashboard asks every few
 * seconds for some hundred regions, where there may be a hundred thousand alerts and ten thousand
 * silences. Which alerts are the newest is known from memory (week.h), and only those are read;
 * silences and flags are in memory, too, but those that ended before they could be forgotten: their
 * rows in the audit log tell what they were.
 */

#include <stdlib.h>

#include "base/mem.h"
#include "notify/feed.h"
#include "notify/silence.h"

/* ---- alerts ---- */

typedef struct Passing {
    const FeedQuery *query;
    const FeedNames *names;
} Passing;

static bool passes(const void *context, LabelSet labels) {
    const Passing *passing = context;
    return feed_alert_passes(passing->query, passing->names, labels);
}

static const Alert *firing_until(const RowsOf *rows, TimeMs to, Arena *arena, size_t *ret_count) {
    Alert *alerts = arena_array(arena, Alert, rows->alert_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < rows->alert_count; i++) {
        if (rows->alerts[i].alert.fired_at <= to) {
            alerts[count++] = rows->alerts[i].alert;
        }
    }
    *ret_count = count;
    return alerts;
}

static bool load_numbered(State *state, const FeedQuery *query, const int64_t *numbers,
                          size_t count, Arena *arena, FeedInput *input, Err *err) {
    RowsOf rows;
    size_t alert_count;
    Episode *episodes;
    if (!state_load_rows_of(state, numbers, count, query->from, query->to, arena, &rows, err)) {
        return false;
    }
    const Alert *alerts = firing_until(&rows, query->to, arena, &alert_count);
    episodes_of(rows.history, rows.history_count, alerts, alert_count, arena, &episodes,
                &input->episode_count);
    input->episodes = episodes;
    return true;
}

static bool load_all(State *state, const FeedQuery *query, Arena *arena, FeedInput *input,
                     Err *err) {
    Episode *episodes;
    bool ok =
        episodes_load(state, query->from, query->to, arena, &episodes, &input->episode_count, err);
    input->episodes = ok ? episodes : NULL;
    return ok;
}

static size_t overlapping(const FeedInput *input, const FeedQuery *query) {
    size_t count = 0;
    for (size_t i = 0; i < input->episode_count; i++) {
        const Episode *episode = &input->episodes[i];
        count += episode->fired_at <= query->to &&
                 (!episode->ended_at || episode->ended_at >= query->from);
    }
    return count;
}

/* The newest so many. Whose end was never written down may look as if it went on; where such are
 * among them, more are read. */
static bool load_newest(Notify *notify, const FeedQuery *query, TimeMs now, Arena *arena,
                        FeedInput *input, Err *err) {
    Passing passing = {query, &input->names};
    bool all_pass = !query->set_count && !query->severities.len && !query->tag_count;
    WeekLast last = {.from = query->from,
                     .to = query->to,
                     .passes = all_pass ? NULL : passes,
                     .context = &passing,
                     .max = query->limit};
    for (;;) {
        int64_t *numbers;
        size_t count;
        if (!week_last(&notify->week, notify->state, &last, now, arena, &numbers, &count, err)) {
            bool is_older = err->kind == ERR_NOT_FOUND;
            *err = is_older ? (Err){0} : *err;
            return is_older && load_all(notify->state, query, arena, input, err);
        }
        if (!load_numbered(notify->state, query, numbers, count, arena, input, err)) {
            return false;
        }
        if (count < last.max || overlapping(input, query) >= query->limit) {
            return true;
        }
        last.max *= 8;
    }
}

/* ---- silences and flags ---- */

typedef struct WindowList {
    FeedWindow *items;
    size_t items_count, items_cap;
} WindowList;

/* Less than silences are kept after their end. */
static const DurationMs silences_known = 4 * DAY_MS;

static bool overlaps(const FeedQuery *query, const FeedWindow *window) {
    return window->from <= query->to && (!window->to || window->to >= query->from) &&
           (!window->to || window->to > window->from) && feed_window_passes(query, window);
}

static FeedWindow copy_window(Arena *arena, const FeedWindow *from) {
    FeedWindow window = *from;
    window.id = arena_str(arena, from->id);
    window.who = arena_str(arena, from->who);
    window.why = arena_str(arena, from->why);
    window.matchers = matchers_copy(arena, from->matchers, from->matcher_count);
    return window;
}

static FeedWindow window_of(const Silence *silence) {
    return (FeedWindow){.kind = ANNOTATION_SILENCE,
                        .id = silence->id,
                        .who = silence->created_by,
                        .why = silence->comment,
                        .mode = STR(""),
                        .matchers = silence->matchers,
                        .matcher_count = silence->matcher_count,
                        .from = silence->starts_at,
                        .to = silence->ends_at};
}

static int compare_newest(const void *a, const void *b) {
    TimeMs x = *(const TimeMs *)a, y = *(const TimeMs *)b;
    return (x < y) - (x > y);
}

/* Only those are copied that may be among the newest; many may have begun at once. */
static void read_silences(Notify *notify, const FeedQuery *query, Arena *arena, WindowList *list) {
    pthread_rwlock_rdlock(&notify->lock);
    const Silence **found = mem_grow(NULL, (notify->silences_count + 1) * sizeof *found);
    TimeMs *starts = mem_grow(NULL, (notify->silences_count + 1) * sizeof *starts);
    size_t count = 0;
    for (size_t i = 0; i < notify->silences_count; i++) {
        FeedWindow window = window_of(&notify->silences[i]->silence);
        if (overlaps(query, &window)) {
            starts[count] = window.from;
            found[count++] = &notify->silences[i]->silence;
        }
    }
    qsort(starts, count, sizeof *starts, compare_newest);
    TimeMs oldest = query->limit && query->limit < count ? starts[query->limit - 1] : TIME_MIN;
    for (size_t i = 0; i < count; i++) {
        FeedWindow window = window_of(found[i]);
        if (window.from >= oldest) {
            VEC_PUSH(*list, items, copy_window(arena, &window));
        }
    }
    pthread_rwlock_unlock(&notify->lock);
    free(found);
    free(starts);
}

/* Whether so many began since then that what began before is not among those shown. */
static bool is_filled(const FeedQuery *query, const FeedInput *input, const WindowList *list,
                      TimeMs since) {
    size_t count = 0;
    for (size_t i = 0; i < list->items_count; i++) {
        count += list->items[i].from >= since;
    }
    for (size_t i = 0; i < input->episode_count; i++) {
        const Episode *episode = &input->episodes[i];
        count += episode->fired_at >= since && episode->fired_at <= query->to &&
                 (!episode->ended_at || episode->ended_at >= query->from) &&
                 feed_alert_passes(query, &input->names, episode->labels);
    }
    return query->limit && count >= query->limit;
}

/* All that there ever were, by the audit log. */
static bool read_old_silences(Notify *notify, Arena *arena, WindowList *list, Err *err) {
    AuditRow *rows;
    FeedWindow *windows;
    size_t count, window_count;
    if (!state_load_audit_of(notify->state, "silence", 0, TIME_MAX, arena, &rows, &count, err)) {
        return false;
    }
    feed_windows(rows, count, arena, &windows, &window_count);
    list->items_count = 0; /* those in memory are among them */
    for (size_t i = 0; i < window_count; i++) {
        VEC_PUSH(*list, items, windows[i]);
    }
    return true;
}

enum { TIMES_MAX = 1000 }; /* of one flag: a daily one for years */

/* Each day costs a look, and a range may go from 1970 to the year 9999. What has not begun is not
 * shown, and longer ago the schedule may have been another. */
static const DurationMs times_ago = 366 * DAY_MS;

/* A flag with a schedule: each of its times is a window. */
static void add_times(const FlagEntry *entry, FeedWindow window, TimeMs from, TimeMs to,
                      WindowList *list) {
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

static void add_flag(const FlagEntry *entry, const FeedQuery *query, TimeMs now, Arena *arena,
                     WindowList *list) {
    const Flag *flag = &entry->flag;
    FeedWindow window = {.kind = ANNOTATION_MAINTENANCE,
                         .id = flag->id,
                         .who = flag->owner,
                         .why = flag->reason,
                         .mode = str_of(flag_mode_text(flag->mode)),
                         .matchers = flag->matchers,
                         .matcher_count = flag->matcher_count,
                         .from = flag->starts_at,
                         .to = flag->ends_at};
    if (!overlaps(query, &window)) {
        return;
    }
    window = copy_window(arena, &window);
    if (entry->when) {
        TimeMs from = flag->starts_at > query->from ? flag->starts_at : query->from;
        TimeMs to = flag->ends_at && flag->ends_at < query->to ? flag->ends_at : query->to;
        from = from > now - times_ago ? from : now - times_ago;
        add_times(entry, window, from, to < now ? to : now, list);
    } else {
        VEC_PUSH(*list, items, window);
    }
}

static bool read_flags(Notify *notify, const FeedQuery *query, TimeMs now, Arena *arena,
                       WindowList *list, Err *err) {
    static const char *const ends[] = {"maintenance.clear", "maintenance.end"};
    for (int i = 0; i < 2; i++) {
        AuditRow *rows;
        size_t count;
        AuditQuery ended = {.from = query->from, .to = TIME_MAX, .action = str_of(ends[i])};
        if (!state_find_audit(notify->state, &ended, arena, &rows, &count, err)) {
            return false;
        }
        for (size_t j = 0; j < count; j++) {
            FeedWindow window;
            if (feed_ended_window(&rows[j], arena, &window)) {
                VEC_PUSH(*list, items, window);
            }
        }
    }
    pthread_rwlock_rdlock(&notify->lock);
    for (size_t i = 0; i < notify->flags_count; i++) {
        add_flag(notify->flags[i], query, now, arena, list);
    }
    pthread_rwlock_unlock(&notify->lock);
    return true;
}

static bool read_windows(Notify *notify, const FeedQuery *query, TimeMs now, Arena *arena,
                         FeedInput *input, Err *err) {
    WindowList list = {0};
    TimeMs known_since = now - silences_known;
    read_silences(notify, query, arena, &list);
    bool ok = query->from > known_since || is_filled(query, input, &list, known_since) ||
              read_old_silences(notify, arena, &list, err);
    ok = ok && read_flags(notify, query, now, arena, &list, err);
    if (ok && list.items_count) {
        FeedWindow *windows = arena_array(arena, FeedWindow, list.items_count);
        memcpy(windows, list.items, list.items_count * sizeof *windows);
        input->windows = windows;
        input->window_count = list.items_count;
    }
    free(list.items);
    return ok;
}

/* ---- all of it ---- */

bool notify_annotations(Notify *notify, const FeedQuery *query, Str source_label, TimeMs now,
                        Arena *arena, Annotation **ret_annotations, size_t *ret_count, Err *err) {
    AuditRow *points;
    FeedInput input = {.names = {.source_label = source_label}};
    pthread_rwlock_rdlock(&notify->lock);
    input.names.severity_label = arena_str(arena, notify->config->policy.severity_label);
    pthread_rwlock_unlock(&notify->lock);
    bool ok = query->limit ? load_newest(notify, query, now, arena, &input, err)
                           : load_all(notify->state, query, arena, &input, err);
    if (!ok || !read_windows(notify, query, now, arena, &input, err) ||
        !state_load_audit_of(notify->state, "server", query->from, query->to, arena, &points,
                             &input.point_count, err)) {
        return false;
    }
    input.points = points;
    feed_build(&input, query, now, arena, ret_annotations, ret_count);
    return true;
}
