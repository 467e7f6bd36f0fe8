#pragma once

/*
 * What a configuration does with a label set at a time, and the tree as people read it: for
 * `belfry route` and /api/v1/route. Pure.
 */

#include "base/json.h"
#include "notify/config.h"

/* {"labels": {...}, "time": ..., "routes": [{route, receiver, integrations, group, timing, held_by,
 * ...}]} */
void route_show_json(const NotifyConfig *config, LabelSet labels, TimeMs now, JsonWriter *json);

/* The whole tree, `severities` expanded, a line a route. */
void route_show_tree(const NotifyConfig *config, Buf *out);
/* The same as YAML: the keys of an alertmanager.yml, and ours. */
void route_show_yaml(const NotifyConfig *config, Buf *out);
