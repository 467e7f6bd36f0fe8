#pragma once

/*
 * The store's background thread: checkpoints, flushes, merging, retention, recovery from a full
 * disk.
 *
 * Threads: whatever changes blocks, checkpoints or tombstones holds the maintenance lock.
 */

#include "store/storeimpl.h"

bool maintain_start(Store *store, Err *err) MUST_CHECK;
/* Ends the thread; harmless if it was never started. */
void maintain_stop(Store *store);

/* Writes a checkpoint now, keeps the newest `keep` and drops what of the journal is not needed for
 * them. Under the maintenance lock. */
bool maintain_checkpoint(Store *store, size_t keep, Err *err) MUST_CHECK;
