#include "notify/remind.h"

#include "base/number.h"
#include "notify/flag.h"
#include "notify/notice.h"
#include "notify/silence.h"

/* Of one that lasts no longer than that, when a tenth of it is left. */
static TimeMs before_end(const NotifyPolicy *policy, TimeMs starts_at, TimeMs ends_at) {
    DurationMs lasts = ends_at - starts_at, before = policy->remind_before;
    return ends_at - (lasts <= before ? lasts / 10 : before);
}

TimeMs remind_silence_at(const Notify *notify, const SilenceEntry *entry) {
    const NotifyPolicy *policy = &notify->config->policy;
    if (!policy->remind_receiver.len || entry->reminded_at) {
        return TIME_MAX;
    }
    return before_end(policy, entry->silence.starts_at, entry->silence.ends_at);
}

TimeMs remind_flag_at(const Notify *notify, const FlagEntry *entry) {
    const NotifyPolicy *policy = &notify->config->policy;
    const Flag *flag = &entry->flag;
    if (!policy->remind_receiver.len || entry->reminded_at || str_eq(flag->origin, STR("config"))) {
        return TIME_MAX;
    }
    if (flag->ends_at) {
        return before_end(policy, flag->starts_at, flag->ends_at);
    }
    return flag->review_at ? flag->review_at : TIME_MAX;
}

static Str matchers_text(Arena *arena, const MatcherSet *set) {
    AUTO(buf_finish) Buf buf = {0};
    for (size_t i = 0; i < set->count; i++) {
        buf_str(&buf, i ? STR(", ") : STR(""));
        matcher_print(&buf, &set->items[i]);
    }
    return arena_str(arena, buf_view(&buf));
}

typedef struct Reminder {
    const char *alertname;
    Str id, what, owner, why, until;
} Reminder;

static bool tell(Notify *notify, StateTx *tx, const Reminder *reminder, TimeMs now, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Label labels[] = {{STR("alertname"), str_of(reminder->alertname)},
                      {STR("id"), reminder->id},
                      {STR("severity"), STR("info")}};
    Label annotations[] = {
        {STR("description"), reminder->why},
        {STR("summary"), arena_printf(&arena, "%.*s of %.*s %.*s.", STR_ARG(reminder->what),
                                      STR_ARG(reminder->owner), STR_ARG(reminder->until))},
    };
    Notice notice = {
        .labels = {labels, 3}, .annotations = {annotations, 2}, .reason = STR("reminder")};
    size_t count;
    return notice_queue(notify, tx, notify->config->policy.remind_receiver, &notice, now, &count,
                        err);
}

static Str time_text(Arena *arena, const char *verb, TimeMs time) {
    AUTO(buf_finish) Buf buf = {0};
    time_put(&buf, time);
    return arena_printf(arena, "%s %.*s", verb, STR_ARG(buf_view(&buf)));
}

bool remind_silence(Notify *notify, StateTx *tx, SilenceEntry *entry, TimeMs now, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    const Silence *silence = &entry->silence;
    Str matchers = matchers_text(&arena, &entry->set);
    Reminder reminder = {.alertname = "SilenceEnds",
                         .id = silence->id,
                         .what = arena_printf(&arena, "The silence %.*s", STR_ARG(matchers)),
                         .owner = silence->created_by,
                         .why = silence->comment,
                         .until = time_text(&arena, "ends at", silence->ends_at)};
    if (!tell(notify, tx, &reminder, now, err) || !silence_store(tx, silence, now, err)) {
        return false;
    }
    entry->reminded_at = now;
    return true;
}

bool remind_flag(Notify *notify, StateTx *tx, FlagEntry *entry, TimeMs now, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    const Flag *flag = &entry->flag;
    Str matchers = matchers_text(&arena, &entry->set);
    Str until = flag->ends_at ? time_text(&arena, "ends at", flag->ends_at)
                              : time_text(&arena, "was to be reviewed at", flag->review_at);
    Reminder reminder = {.alertname = flag->ends_at ? "MaintenanceEnds" : "MaintenanceReview",
                         .id = flag->id,
                         .what =
                             arena_printf(&arena, "The maintenance flag %.*s", STR_ARG(matchers)),
                         .owner = flag->owner,
                         .why = flag->reason,
                         .until = until};
    if (!tell(notify, tx, &reminder, now, err) || !flag_store(tx, flag, now, err)) {
        return false;
    }
    entry->reminded_at = now;
    return true;
}
