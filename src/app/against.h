#pragma once

/* `--against URL|DIR`: history to check or replay rules on, a Prometheus API or a data directory
 * that no server has open. */

#include "engine/engine.h"

typedef struct Against {
    Engine *engine; /* NULL = none was asked for */
    Store *store;
    Net *net;
    Pool *pool;
} Against;

/* `where` NULL opens nothing. against_close() in any case. */
bool against_open(const char *where, Against *against, Err *err) MUST_CHECK;
void against_close(Against *against);
