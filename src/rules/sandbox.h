#pragma once

/*
 * A store of its own in a temporary folder, and an engine over it: for unit tests and replay, which
 * must not touch anyone's data.
 */

#include "engine/engine.h"

typedef struct Sandbox {
    char dir[4096];
    Store *store;
    Engine *engine;
} Sandbox;

/* Where a sandbox is made that holds at most some tens of megabytes: in memory, if there is room.
 */
enum { SANDBOX_SMALL_POINTS = 200 * 1000 };

/* For about `points` samples, 0 where that is not known. Under $TMPDIR, else in memory (/dev/shm)
 * for less than SANDBOX_SMALL_POINTS, else /tmp. Nothing is synced: what is in there lives as long
 * as the sandbox. */
bool sandbox_open(Sandbox *sandbox, Pool *pool, uint64_t points, Err *err) MUST_CHECK;

/* Closes and removes it. Harmless on a {0}. */
void sandbox_close(Sandbox *sandbox);
