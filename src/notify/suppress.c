#include "notify/suppress.h"

#include "notify/flag.h"
#include "notify/inhibit.h"
#include "notify/silence.h"

enum { STARTS_KEPT = 8 };

const char *suppressor_text(Suppressor by) {
    static const char *const texts[] = {
        [SUPPRESSED_NOT] = "released",        [SUPPRESSED_FLAG] = "flagged",
        [SUPPRESSED_FLAG_LABEL] = "flagged",  [SUPPRESSED_SILENCE] = "silenced",
        [SUPPRESSED_INHIBITED] = "inhibited", [SUPPRESSED_FLAPPING] = "damped",
    };
    return texts[by];
}

void flapping_note(LiveAlert *alert, TimeMs now) {
    if (alert->start_count == STARTS_KEPT) {
        memmove(alert->starts, alert->starts + 1, (STARTS_KEPT - 1) * sizeof *alert->starts);
        alert->start_count--;
    }
    alert->starts[alert->start_count++] = now;
}

static bool is_flapping(const NotifyPolicy *policy, const LiveAlert *alert, TimeMs now) {
    int64_t recent = 0;
    for (uint8_t i = 0; i < alert->start_count; i++) {
        recent += alert->starts[i] > now - policy->flap_window;
    }
    int64_t most = policy->flap_changes < STARTS_KEPT ? policy->flap_changes : STARTS_KEPT;
    return policy->flap_changes && recent >= most;
}

Suppression suppression_of(const Notify *notify, const LiveAlert *alert, TimeMs now) {
    const NotifyPolicy *policy = &notify->config->policy;
    LabelSet labels = alert->alert.labels;
    FlagEntry *flag;
    SilenceEntry *silence;
    if (policy->flag_label.count && matcher_set_matches(&policy->flag_label, labels)) {
        return (Suppression){.by = SUPPRESSED_FLAG_LABEL,
                             .subject = policy->flag_label.items[0].name,
                             .why = STR("the source asks not to be alerted on")};
    }
    if (flags_find(notify, labels, now, &flag, 1)) {
        return (Suppression){.by = SUPPRESSED_FLAG,
                             .subject = flag->flag.id,
                             .who = flag->flag.owner,
                             .why = flag->flag.reason};
    }
    if (silences_find(notify, labels, now, &silence, 1)) {
        return (Suppression){.by = SUPPRESSED_SILENCE,
                             .subject = silence->silence.id,
                             .who = silence->silence.created_by,
                             .why = silence->silence.comment};
    }
    const LiveAlert *source = inhibit_source(notify, alert);
    if (source) {
        return (Suppression){.by = SUPPRESSED_INHIBITED,
                             .subject = {source->key, 16},
                             .why = labels_get(source->alert.labels, STR("alertname"))};
    }
    if (is_flapping(policy, alert, now)) {
        return (Suppression){.by = SUPPRESSED_FLAPPING, .why = STR("it starts and ends too often")};
    }
    return (Suppression){0};
}
