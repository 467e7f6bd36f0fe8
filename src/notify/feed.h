#pragma once

/*
 * The annotation feed: what Grafana draws on every graph. Alerts, silences and maintenance windows
 * are regions, restarts and reloads points. All of it is read from what state.db keeps (history of
 * alerts, audit log), so it reaches back over restarts, and as both come from one evaluation an
 * alert's region begins and ends where its ALERTS series does.
 *
 * Threads: plain functions; notify_annotations() may be called from any thread.
 */

#include "model/matcher.h"
#include "notify/episode.h"
#include "notify/notify.h"

typedef enum AnnotationKind {
    ANNOTATION_ALERT,
    ANNOTATION_SILENCE,
    ANNOTATION_MAINTENANCE,
    ANNOTATION_RESTART,
    ANNOTATION_RELOAD,
} AnnotationKind;

typedef struct Annotation {
    AnnotationKind kind;
    Str id; /* the same at each reading */
    TimeMs from, to;
    bool is_region; /* else a point: `to` is `from` */
    bool is_open;   /* it goes on; `to` is now or the end of the time asked for */
    Str title, text;
    const Str *tags; /* kind, and of an alert its name, severity, team and source */
    size_t tag_count;
    LabelSet labels; /* of an alert */
} Annotation;

/* A silence or a flag with what is known of it at last. */
typedef struct FeedWindow {
    AnnotationKind kind;
    Str id, who, why, mode;
    const SilenceMatcher *matchers;
    size_t matcher_count;
    TimeMs from, to; /* `to` 0 = open */
} FeedWindow;

typedef struct FeedQuery {
    TimeMs from, to;
    const MatcherSet *sets; /* one of them has to match an alert's labels; none = all */
    size_t set_count;       /* a window or point passes unless it names another value */
    const Str *tags;
    size_t tag_count;
    bool any_tag;   /* one is enough; else all have to be there */
    Str severities; /* "critical,warning": only alerts with one of these; "" = all kinds */
    size_t limit;   /* 0 = none */
} FeedQuery;

typedef struct FeedNames {
    Str severity_label, source_label;
} FeedNames;

typedef struct FeedInput {
    const Episode *episodes;
    size_t episode_count;
    const FeedWindow *windows;
    size_t window_count;
    const AuditRow *points; /* server.start, server.reload */
    size_t point_count;
    FeedNames names;
} FeedInput;

/* Pure: what overlaps the time asked for, newest first. */
void feed_build(const FeedInput *input, const FeedQuery *query, TimeMs now, Arena *arena,
                Annotation **ret_annotations, size_t *ret_count);

/* Whether an alert with these labels, and a window, may be shown, whenever they were. */
bool feed_alert_passes(const FeedQuery *query, const FeedNames *names, LabelSet labels);
bool feed_window_passes(const FeedQuery *query, const FeedWindow *window);

/* Silences and flags as the audit log tells them; rows oldest first. What it cannot read it leaves
 * out. */
void feed_windows(const AuditRow *rows, size_t row_count, Arena *arena, FeedWindow **ret_windows,
                  size_t *ret_count);

/* A flag as it was when the row says that it ended; false if that is no region. */
bool feed_ended_window(const AuditRow *row, Arena *arena, FeedWindow *ret_window);

const char *annotation_kind_text(AnnotationKind kind); /* "alert", "silence"... */

/* `source_label` names the label of the source ("cluster"). */
bool notify_annotations(Notify *notify, const FeedQuery *query, Str source_label, TimeMs now,
                        Arena *arena, Annotation **ret_annotations, size_t *ret_count,
                        Err *err) MUST_CHECK;
