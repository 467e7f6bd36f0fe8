#pragma once

/*
 * Where the instances of an Alertmanager cluster are: a url, a static list, files that others
 * write, or DNS names; as in Prometheus' `alerting.alertmanagers`.
 */

#include "notify/config.h"

/* The full URLs of /api/v2/alerts of all instances, each once. Files are read now, names
 * looked up as names.h says. ERR_NOT_FOUND if there is none. */
bool targets_find(const Integration *integration, Arena *arena, const Str **ret_urls,
                  size_t *ret_count, Err *err) MUST_CHECK;
