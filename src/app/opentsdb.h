#pragma once

/*
 * OpenTSDB's telnet protocol: `put metric time value tag=value ...` lines over TCP. An error line
 * answers each bad put, silence a good one; `version` and `exit` are known, too.
 *
 * One thread, one epoll loop; clients are bounded in number and in the length of a line.
 */

#include <stdatomic.h>

#include "ingest/ingest.h"
#include "store/store.h"

/* Listens on `address` ("host:port") and serves until `*stopping`. Failing to listen is logged. */
void opentsdb_listen(Str address, const IngestLabels *labels, Store *store,
                     const _Atomic bool *stopping);
