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

/* Under $TMPDIR, else /tmp. Nothing is synced: what is in there lives as long as the sandbox. */
bool sandbox_open(Sandbox *sandbox, Pool *pool, Err *err) MUST_CHECK;

/* Closes and removes it. Harmless on a {0}. */
void sandbox_close(Sandbox *sandbox);
