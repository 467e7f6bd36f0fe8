#pragma once

/* Taking alerts in, for the doors that have a transaction already. */

#include "notify/live.h"

bool accept_changes(Notify *notify, StateTx *tx, const AlertChange *changes, const int64_t *ids,
                    size_t count, TimeMs now, Err *err) MUST_CHECK;

/* Puts an alert into the groups the present configuration has for it. `note`: with a row in the
 * ledger. */
bool accept_route(Notify *notify, StateTx *tx, LiveAlert *alert, TimeMs now, bool note,
                  Err *err) MUST_CHECK;
