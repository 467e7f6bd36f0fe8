#pragma once

/* What the handlers of the Prometheus API share. */

#include "web/routes.h"

/* A parameter as a time, duration or limit; `fallback` where it is missing. Errors in Prometheus'
 * words. */
bool api_time(const Request *request, const char *name, TimeMs fallback, TimeMs *ret_time,
              Err *err) MUST_CHECK;
bool api_duration(const Request *request, const char *name, DurationMs fallback,
                  DurationMs *ret_span, Err *err) MUST_CHECK;
bool api_limit(const Request *request, size_t *ret_limit, Err *err) MUST_CHECK;

/* A row of the audit trail, durable when it returns: who asks (with the parameter `actor`, or as
 * request_actor() knows) does this. For what changes something elsewhere than in the state: before
 * that is done, so that nothing is done that is not written down. */
bool api_audit(Web *web, Request *request, const char *action, Str subject, Err *err) MUST_CHECK;

/* An execution error: 422 where a parse error is 400. */
void respond_query_error(Request *request, const Err *err);

/* The selectors of `match[]`; api_matches_finish() also after a failure. */
typedef struct ApiMatches {
    const Expr **exprs; /* own the matchers */
    size_t expr_count;
    const MatcherSet *sets;
    size_t count;
} ApiMatches;
bool api_matches(Request *request, ApiMatches *matches, Err *err) MUST_CHECK;
void api_matches_finish(ApiMatches *matches);

/* The body by its Content-Encoding (`fallback` where it has none), into `unpacked` where it was
 * packed. */
bool api_unpack_body(Web *web, Request *request, Str fallback, Buf *unpacked, Str *ret_body,
                     Err *err) MUST_CHECK;
/* How labels of a request become ours: as configured, with `extra_label=name=value` of the URL put
 * over them. Texts in the request's arena. */
bool api_ingest_labels(Web *web, Request *request, IngestLabels *ret_labels, Err *err) MUST_CHECK;
/* A writer's refusal: plain text, 503 with Retry-After where it should send again, else 400. */
void respond_refusal(Request *request, const Err *err);
/* The same in place of an answer that was made already: its log could not be synced. */
void respond_unsynced(Request *request, const Err *err);
/* OpenTSDB's form of an error, with the status that is set. */
void respond_put_error(Request *request, Str message);
