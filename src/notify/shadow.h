#pragma once

/*
 * Shadow mode: Belfry runs beside the Alertmanager a team trusts, decides and records everything,
 * and sends nothing. What it would have told is kept as told, so that its decisions go on as they
 * would; when shadow mode ends that is forgotten, and what still fires is told for the first time.
 */

#include "notify/live.h"

/* Marks that nobody has really been told. */
void shadow_mark(Sent *sent);

/* Forgets what was only told in shadow, unless it is still the mode. */
bool shadow_forget(Notify *notify, StateTx *tx, Err *err) MUST_CHECK;
