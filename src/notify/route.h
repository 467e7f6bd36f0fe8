#pragma once

/* Which routes of the tree an alert takes (reference: notification 1.2). Pure. */

#include "notify/config.h"

enum { ROUTES_MATCHED_MAX = 64 };

/* The routes that apply, in order, at most ROUTES_MATCHED_MAX; the root at least. */
size_t route_match(const Route *root, LabelSet labels, const Route **ret_routes);

/* The labels by which the route groups this alert; shares the text. */
LabelSet route_group_labels(const Route *route, LabelSet labels, Arena *arena);

/* Alertmanager's group key: route key and group labels. */
void route_group_key(const Route *route, LabelSet group_labels, Buf *buf);

/* Why a route is silent at a time: the interval that mutes it, or "outside of" its active ones.
 * NULL if it is not. */
typedef struct RouteWindow {
    bool is_muted;
    bool is_outside;    /* of its active intervals, of which `by` is the first */
    Str by;             /* the interval's name */
    TimeMs next_change; /* when to ask again; TIME_MAX = never */
} RouteWindow;
RouteWindow route_window(const Route *route, TimeMs now);
