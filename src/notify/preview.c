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
    notify_alert_refs(notify, &set, now, arena, &refs, &preview.now_count);
    size_t shown = shown_max && shown_max < preview.now_count ? shown_max : preview.now_count;
    notify_alert_views(notify, refs, shown, now, arena, &preview.shown, &preview.shown_count);
    bool ok = week_count(&notify->week, notify->state, &set, now, &preview.week_firings,
                         &preview.week_alerts, err);
    matcher_set_finish(&set);
    if (ok) {
        *ret_preview = preview;
    }
    return ok;
}
