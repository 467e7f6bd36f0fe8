/* What a silence or flag would catch, before it is set: now, and in the last week. */

#include "base/json.h"
#include "notify/silence.h"

typedef struct Week {
    const MatcherSet *set;
    IdMap alerts; /* seen so far, by hash of their labels */
    uint64_t firings;
    Arena arena;
    Err err;
} Week;

static void count_firing(Str labels_json, void *context) {
    Week *week = context;
    LabelSet labels;
    arena_reset(&week->arena);
    if (week->err.kind == ERR_NONE &&
        state_labels_decode(&week->arena, labels_json, &labels, &week->err) &&
        matcher_set_matches(week->set, labels)) {
        uint64_t key = hash64(labels_json);
        week->firings++;
        idmap_put(&week->alerts, key ? key : 1, week);
    }
}

/* How the first plain label that is asked for is written in a label set; "" = there is none. */
static Str plain_part(const MatcherSet *set, Arena *arena) {
    for (size_t i = 0; i < set->count; i++) {
        const Matcher *matcher = &set->items[i];
        if (matcher->type == MATCH_EQ && matcher->value.len) {
            AUTO(buf_finish) Buf buf = {0};
            json_quote(&buf, matcher->name);
            buf_byte(&buf, ':');
            json_quote(&buf, matcher->value);
            return arena_str(arena, buf_view(&buf));
        }
    }
    return STR("");
}

static bool count_week(Notify *notify, const MatcherSet *set, TimeMs now, Arena *arena,
                       QuietPreview *preview, Err *err) {
    Week week = {.set = set};
    bool ok = state_each_firing(notify->state, now - 7 * DAY_MS, now, plain_part(set, arena),
                                count_firing, &week, err);
    if (ok && week.err.kind != ERR_NONE) {
        *err = week.err;
        ok = false;
    }
    preview->week_firings = week.firings;
    preview->week_alerts = week.alerts.count;
    idmap_finish(&week.alerts);
    arena_finish(&week.arena);
    return ok;
}

bool notify_quiet_preview(Notify *notify, const SilenceMatcher *matchers, size_t count, TimeMs now,
                          Arena *arena, QuietPreview *ret_preview, Err *err) {
    MatcherSet set;
    if (!matchers_compile(arena, matchers, count, true, &set, err)) {
        return false;
    }
    QuietPreview preview = {0};
    notify_alerts(notify, &set, now, arena, &preview.now, &preview.now_count);
    bool ok = count_week(notify, &set, now, arena, &preview, err);
    matcher_set_finish(&set);
    if (ok) {
        *ret_preview = preview;
    }
    return ok;
}
