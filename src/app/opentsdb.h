#pragma once

/*
 * OpenTSDB's telnet protocol: `put metric time value tag=value ...` lines over TCP. An error line
 * answers each bad put, silence a good one; `version` and `exit` are known, too.
 *
 * One thread, one epoll loop; clients are bounded in number and in the length of a line.
 */

#include "app/app.h"

/* Listens on `address` ("host:port") and serves until the app is stopping. New connections are
 * relabelled as the configuration of that time says. Failing to listen is logged. */
void opentsdb_listen(Str address, App *app);
