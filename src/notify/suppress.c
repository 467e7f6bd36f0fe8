#include "notify/suppress.h"

#include "notify/flag.h"
#include "notify/inhibit.h"
#include "notify/silence.h"

const char *suppressor_text(Suppressor by) {
    static const char *const texts[] = {
        [SUPPRESSED_NOT] = "released",        [SUPPRESSED_FLAG] = "flagged",
        [SUPPRESSED_FLAG_LABEL] = "flagged",  [SUPPRESSED_SILENCE] = "silenced",
        [SUPPRESSED_INHIBITED] = "inhibited", [SUPPRESSED_FLAPPING] = "damped",
    };
    return texts[by];
}

Suppressor suppressor_of(Str decision) {
    for (int by = SUPPRESSED_FLAG; by <= SUPPRESSED_FLAPPING; by++) {
        if (str_eq(decision, str_of(suppressor_text((Suppressor)by)))) {
            return (Suppressor)by;
        }
    }
    return SUPPRESSED_NOT;
}

bool flapping_note(const Notify *notify, StateTx *tx, LiveAlert *alert, Err *err) {
    const NotifyPolicy *policy = &notify->config->policy;
    TimeMs start = 0;
    if (policy->flap_changes &&
        !state_nth_start(tx, alert->short_key, policy->flap_changes, &start, err)) {
        return false;
    }
    alert->damped_until = start ? start + policy->flap_window : 0;
    return true;
}

Suppression suppression_of(const Notify *notify, const LiveAlert *alert, TimeMs now) {
    const NotifyPolicy *policy = &notify->config->policy;
    LabelSet labels = alert->alert.labels;
    FlagEntry *flag;
    SilenceEntry *silence;
    MatchKeys keys;
    const MatcherSet *label = flag_label_of(notify, labels);
    if (label) {
        return (Suppression){.by = SUPPRESSED_FLAG_LABEL,
                             .subject = label->items[0].name,
                             .why = STR("the source asks not to be alerted on")};
    }
    match_keys_of(labels, &keys);
    if (flags_find(notify, &keys, now, &flag, 1)) {
        return (Suppression){.by = SUPPRESSED_FLAG,
                             .subject = flag->flag.id,
                             .who = flag->flag.owner,
                             .why = flag->flag.reason,
                             .until = flag->flag.ends_at};
    }
    if (silences_find(notify, &keys, now, &silence, 1)) {
        return (Suppression){.by = SUPPRESSED_SILENCE,
                             .subject = silence->silence.id,
                             .who = silence->silence.created_by,
                             .why = silence->silence.comment,
                             .until = silence->silence.ends_at};
    }
    const LiveAlert *source = inhibit_source(notify, alert);
    if (source) {
        return (Suppression){.by = SUPPRESSED_INHIBITED,
                             .subject = str_of(source->fingerprint_hex),
                             .source = source};
    }
    if (policy->flap_changes && now < alert->damped_until) {
        return (Suppression){.by = SUPPRESSED_FLAPPING,
                             .subject = STR("flapping"),
                             .why = STR("it starts and ends too often"),
                             .until = alert->damped_until};
    }
    return (Suppression){0};
}

void quiet_marks(const Notify *notify, const LiveAlert *alert, TimeMs now, QuietMarks *ret_marks) {
    LabelSet labels = alert->alert.labels;
    MatchKeys keys;
    match_keys_of(labels, &keys);
    ret_marks->silence_count =
        silences_find(notify, &keys, now, ret_marks->silences, QUIET_MARKS_MAX);
    ret_marks->flag_count = flags_find(notify, &keys, now, ret_marks->flags, QUIET_MARKS_MAX);
    ret_marks->by_label = flag_label_of(notify, labels);
    ret_marks->source = inhibit_source(notify, alert);
}

uint64_t suppression_subject(const Suppression *found) {
    return found->by ? fnv1a(FNV1A_START, found->subject) : 0;
}
