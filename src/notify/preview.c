/* What a silence or flag would catch, before it is set: now, and in the last week. */

#include "notify/silence.h"

bool notify_quiet_preview(Notify *notify, const SilenceMatcher *matchers, size_t count,
                          size_t shown_max, TimeMs now, Arena *arena, QuietPreview *ret_preview,
                          Err *err) {
    MatcherSet set;
    if (!matchers_compile(arena, matchers, count, true, &set, err)) {
        return false;
    }
    QuietPreview preview = {0};
    AlertRef *refs;
    size_t shown;
    if (shown_max) {
        preview.now_count = notify_alert_first(notify, &set, shown_max, now, arena, &refs, &shown);
    } else {
        notify_alert_refs(notify, &set, now, arena, &refs, &shown);
        preview.now_count = shown;
    }
    notify_alert_views(notify, refs, shown, now, arena, &preview.shown, &preview.shown_count);
    bool ok = week_count(&notify->week, notify->state, &set, now, &preview.week_firings,
                         &preview.week_alerts, err);
    matcher_set_finish(&set);
    if (ok) {
        *ret_preview = preview;
    }
    return ok;
}
