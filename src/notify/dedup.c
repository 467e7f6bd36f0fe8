#include "notify/dedup.h"

const char *notify_reason_text(NotifyReason reason) {
    static const char *const texts[] = {
        [NOTIFY_NOTHING_NEW] = "nothing new",
        [NOTIFY_FIRST] = "first notification",
        [NOTIFY_NEW_ALERTS] = "new alerts added",
        [NOTIFY_ALL_RESOLVED] = "all alerts resolved",
        [NOTIFY_SOME_RESOLVED] = "some alerts resolved",
        [NOTIFY_REPEAT_DUE] = "repeat interval elapsed",
        [NOTIFY_DIGEST] = "digest",
        [NOTIFY_SUPPRESSION] = "suppression changed",
    };
    return texts[reason];
}

bool idset_has(const IdSet *set, int64_t id) {
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->ids[middle] < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < set->count && set->ids[low] == id;
}

static bool is_subset(const IdSet *part, const IdSet *whole) {
    for (size_t i = 0; i < part->count; i++) {
        if (!idset_has(whole, part->ids[i])) {
            return false;
        }
    }
    return true;
}

NotifyReason dedup_decide(const DedupInput *input) {
    if (!is_subset(&input->firing, &input->told)) {
        return input->told.count ? NOTIFY_NEW_ALERTS : NOTIFY_FIRST;
    }
    if (input->firing.count + input->held.count == 0) {
        return input->told.count ? NOTIFY_ALL_RESOLVED : NOTIFY_NOTHING_NEW;
    }
    if (input->send_resolved && input->resolved.count) {
        return NOTIFY_SOME_RESOLVED;
    }
    return dedup_repeat_at(input) <= input->now ? NOTIFY_REPEAT_DUE : NOTIFY_NOTHING_NEW;
}

TimeMs dedup_repeat_at(const DedupInput *input) {
    if (!input->firing.count || input->is_muted || !input->was_told) {
        return TIME_MAX;
    }
    return input->told_at + input->repeat_interval;
}
