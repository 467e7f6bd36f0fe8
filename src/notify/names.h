#pragma once

/*
 * Addresses behind DNS names, asked for in threads of their own: a resolver that does not answer
 * holds up nobody who delivers.
 *
 * What a name stood for last is used at once, and asked anew when it is older than 30 s. Only the
 * first question of a name is waited for, and not for long. An answer that fails leaves the last
 * good one in its place: those instances may still be there.
 *
 * Threads: may be called from any thread.
 */

#include "base/arena.h"
#include "base/clock.h"
#include "base/str.h"

enum { NAMES_ADDRESSES_MAX = 64 };

/* "host:port" of each address of `name`, as far as known after `wait`. `port` NULL: SRV records,
 * which have their own. `ret_list` has room for NAMES_ADDRESSES_MAX. */
size_t names_find(Str name, const char *port, DurationMs wait, Arena *arena, Str *ret_list);

/* The same with another resolver than the system's, which has to fill a list of that size; for the
 * tests. NULL = the system's. */
typedef size_t NamesResolver(const char *name, const char *port, Arena *arena, Str *ret_list);
void names_set_resolver(NamesResolver *resolver);
