#pragma once

/*
 * Who watches the watcher: an alert when evaluation, decisions or delivery stand still.
 *
 * The loops say that they live by storing the time (pulse). notify_watch() runs on a thread of its
 * own and compares; it takes no lock that a loop holds, opens no transaction, and sends through a
 * Net of its own, so that a hung disk, a full database or a stuck loop cannot keep it quiet. The
 * price: what it sends is not in the outbox and has no row in the ledger; it is in the log, and is
 * sent again until somebody took it.
 */

#include "notify/live.h"

/* True if rules were evaluated once and have not been for `stall_after`. */
bool stall_of_evaluation(const Notify *notify, TimeMs now);

/* Under the lock: keeps what notify_watch() needs of the configuration. */
void stall_configure(Notify *notify);
void stall_clear(Notify *notify);

/* The delivery loop went round: decided and delivered without trouble. */
void stall_pulse(Notify *notify, TimeMs now);
