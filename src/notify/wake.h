#pragma once

/*
 * Waking: what keeps alerts quiet has changed (a silence began or ended, a source of inhibition is
 * gone), so those it concerns are looked at again, and the groups of those that may ring now, or
 * are quiet for another reason, become due.
 *
 * Whoever changes something names whom it concerns; the next flush looks at them, portion by
 * portion.
 */

#include "notify/live.h"

/* A silence or flag of these labels has begun to hold. It frees nobody, and what is quiet already
 * has its reason; receivers that are told of quiet alerts, too, have news. */
void wake_begun(Notify *notify, const MatcherSet *set);
/* It holds no longer: alerts that were last noted as quiet because of it. */
void wake_ended(Notify *notify, const MatcherSet *set, Suppressor by, Str subject);
/* Everything that is quiet now. */
void wake_all(Notify *notify);
/* What is damped no longer; finds when the next one will be. */
void wake_damped(Notify *notify, TimeMs now);
void wake_clear(Notify *notify);

bool wake_is_pending(const Notify *notify);
/* Looks at `max` of them at most. */
void wake_some(Notify *notify, size_t max, TimeMs now);
