#pragma once

/*
 * Rows of the ledger: each decision with its time and reason. A row is about one alert
 * (`alert_key`), or about a group and the alerts in `members`.
 */

#include "state/state.h"

typedef struct LedgerRow {
    int64_t id;
    TimeMs at;
    int64_t alert_key; /* state_alert_key(); 0 = see members */
    int64_t group_id;  /* 0 = none */
    Str decision; /* "routed", "silenced", "sent", "delivered"...: a constant, see notify/explain.c
                   */
    Str reason;
    Str subject;            /* receiver, silence id, flag id, fingerprint: what decided */
    Str detail;             /* a sentence */
    TimeMs until;           /* what is held back is so until then; 0 = no such time */
    const int64_t *members; /* alert keys */
    size_t member_count;
} LedgerRow;

bool state_put_ledger(StateTx *tx, const LedgerRow *row, Err *err) MUST_CHECK;

typedef struct LedgerFilter {
    TimeMs from, to;
    int64_t alert_key; /* rows about this alert, also as one of many; 0 = all */
    Str decision;      /* "" = all */
    size_t limit;      /* 0 = none */
} LedgerFilter;

/* What each alert was last noted to be kept quiet by ("silenced", "flagged", "inhibited", "damped",
 * or "released"), rows since `from`: alert_key, decision, subject, at. In no order. */
bool state_load_quiet(State *state, TimeMs from, Arena *arena, LedgerRow **ret_rows,
                      size_t *ret_count, Err *err) MUST_CHECK;
/* What each group was last noted to be muted by, where that has not ended at `now`: group_id, at,
 * until. In no order. */
bool state_load_muted(State *state, TimeMs now, Arena *arena, LedgerRow **ret_rows,
                      size_t *ret_count, Err *err) MUST_CHECK;

/* Tells `each` the rows, newest first and whatever the limit; their texts are valid during the
 * call. So a quarter's worth takes no more memory than a row. */
typedef void LedgerFn(const LedgerRow *row, void *context);
bool state_each_ledger(State *state, const LedgerFilter *filter, LedgerFn *each, void *context,
                       Err *err) MUST_CHECK;

/* Newest first. */
bool state_load_ledger(State *state, const LedgerFilter *filter, Arena *arena, LedgerRow **ret_rows,
                       size_t *ret_count, Err *err) MUST_CHECK;
