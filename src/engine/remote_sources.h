#pragma once

/*
 * What is known of the sources behind a remote engine: whose telemetry is late is asked of the
 * series `up`, which every scraper writes.
 *
 * A remote store shows samples some time after they were taken (VictoriaMetrics hides the last half
 * minute). That is no lateness of a source: the shortest delay at which its samples have been seen
 * is taken off. What rules see is as old.
 *
 *     taken      x    x    x    x    x    x
 *     seen            |<--lag-->| x    x    x
 *
 * Threads: may be used from any.
 */

#include "engine/engine_remote.h"

typedef struct RemoteSources RemoteSources;

RemoteSources *remote_sources_new(void);
void remote_sources_free(RemoteSources *sources); /* accepts NULL */

/* Asks again if the last time is a second ago, and waits for a second at most; a store that did not
 * answer is left alone for a while. False: nothing is known of `now`. */
bool remote_sources_ask(RemoteSources *sources, const RemoteEngine *engine, Str label, TimeMs now);

/* Copied into `arena`. */
void remote_sources_list(RemoteSources *sources, Arena *arena, StoreSource **ret_sources,
                         size_t *ret_count);

/* Known from before: its newest sample was at `newest`. */
void remote_sources_know(RemoteSources *sources, Str name, TimeMs newest);
/* Until it sends again. False if it is not known. */
bool remote_sources_forget(RemoteSources *sources, Str name);

/* ---- for tests ---- */

/* An answer of `now`: the newest sample of a source. */
void remote_sources_see(RemoteSources *sources, Str name, TimeMs newest, TimeMs now);
