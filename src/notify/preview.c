/* What a silence or flag would catch, before it is set: now, and in the last week. */

#include <stdlib.h>

#include "notify/silence.h"

static int compare_hashes(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool count_week(Notify *notify, const MatcherSet *set, TimeMs now, Arena *arena,
                       QuietPreview *preview, Err *err) {
    AlertHistoryRow *rows;
    size_t count;
    if (!state_alert_history(notify->state, now - 7 * DAY_MS, now, NULL, 0, arena, &rows, &count,
                             err)) {
        return false;
    }
    uint64_t *seen = arena_array(arena, uint64_t, count + 1);
    for (size_t i = 0; i < count; i++) {
        const AlertHistoryRow *row = &rows[i];
        if (row->event == ALERT_BECAME_FIRING && matcher_set_matches(set, row->alert.labels)) {
            seen[preview->week_firings++] = labels_fingerprint(row->alert.labels);
        }
    }
    qsort(seen, preview->week_firings, sizeof *seen, compare_hashes);
    for (uint64_t i = 0; i < preview->week_firings; i++) {
        preview->week_alerts += i == 0 || seen[i] != seen[i - 1];
    }
    return true;
}

bool notify_quiet_preview(Notify *notify, const SilenceMatcher *matchers, size_t count, TimeMs now,
                          Arena *arena, QuietPreview *ret_preview, Err *err) {
    MatcherSet set;
    if (!matchers_compile(arena, matchers, count, true, &set, err)) {
        return false;
    }
    QuietPreview preview = {0};
    notify_alerts_matching(notify, &set, now, arena, &preview.now, &preview.now_count);
    bool ok = count_week(notify, &set, now, arena, &preview, err);
    matcher_set_finish(&set);
    if (ok) {
        *ret_preview = preview;
    }
    return ok;
}
