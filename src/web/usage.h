#pragma once

/*
 * Which query asked for which metric last, since the server started: so that somebody can see what
 * nobody looks at before dropping it. (Which rules use one is read from the rules themselves.)
 *
 * Bounded: of at most USAGE_METRICS_MAX names and USAGE_PATTERNS_MAX patterns
 * (`{__name__=~"node_.*"}`) the last use is known.
 *
 * Threads: every function may be called from any thread.
 */

#include "promql/promql.h"

enum { USAGE_METRICS_MAX = 100 * 1000, USAGE_PATTERNS_MAX = 1000, USAGE_TEXT_MAX = 240 };

typedef struct Usage Usage;

Usage *usage_new(void);
void usage_free(Usage *usage); /* accepts NULL */

/* A query was asked at `now`. */
void usage_note(Usage *usage, const Expr *expr, Str text, TimeMs now);

typedef struct UsageView {
    TimeMs at; /* 0 = never */
    Str text;  /* of the query, cut; valid as long as the arena */
} UsageView;

/* The last query that asked for the metric, by name or by a pattern that matches it. */
UsageView usage_find(Usage *usage, Str metric, Arena *arena);

/* What an expression asks for, as names and patterns: for rules. Calls `visit` with a matcher of
 * the metric's name, or NULL where a selector has none (any metric may be meant). */
void usage_names(const Expr *expr, void (*visit)(void *ctx, const Matcher *name), void *ctx);
