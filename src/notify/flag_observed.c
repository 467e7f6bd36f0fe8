/*
 * Flags that the sources set themselves, by a label or a metric on their series. App looks what the
 * sources say now (app/observe.c) and hands over the whole set; here it is compared with what is
 * there, and only changes are stored.
 *
 * The id of such a flag is made of what it says, so the same observation finds its flag again after
 * a restart.
 */

#include "notify/flag.h"

/* Nobody set an end: somebody should look at it again. */
static const DurationMs review_after = 90 * DAY_MS;

static bool is_observed(const Flag *flag) {
    return str_eq(flag->origin, STR("label")) || str_eq(flag->origin, STR("metric"));
}

static Str make_id(Arena *arena, const Flag *flag) {
    AUTO(buf_finish) Buf buf = {0};
    buf_printf(&buf, "%.*s\n%d\n%.*s\n%.*s", STR_ARG(flag->origin), (int)flag->mode,
               STR_ARG(flag->owner), STR_ARG(flag->reason));
    return flag_id_of(arena, flag, buf_view(&buf));
}

static bool has_id(const Flag *flags, size_t count, Str id) {
    for (size_t i = 0; i < count; i++) {
        if (str_eq(flags[i].id, id)) {
            return true;
        }
    }
    return false;
}

static bool is_known(const Notify *notify, Str id) {
    for (size_t i = 0; i < notify->flags_count; i++) {
        if (str_eq(notify->flags[i]->flag.id, id)) {
            return true;
        }
    }
    return false;
}

/* The first observed flag that nobody says any more, or NULL. */
static FlagEntry *find_gone(const Notify *notify, const Flag *flags, size_t count) {
    for (size_t i = 0; i < notify->flags_count; i++) {
        FlagEntry *entry = notify->flags[i];
        if (is_observed(&entry->flag) && !has_id(flags, count, entry->flag.id)) {
            return entry;
        }
    }
    return NULL;
}

static bool differs(Notify *notify, const Flag *flags, size_t count) {
    pthread_rwlock_rdlock(&notify->lock);
    bool found = find_gone(notify, flags, count) != NULL;
    for (size_t i = 0; i < count && !found; i++) {
        found = !is_known(notify, flags[i].id);
    }
    pthread_rwlock_unlock(&notify->lock);
    return found;
}

static bool apply(Notify *notify, StateTx *tx, const Flag *flags, size_t count, TimeMs now,
                  Err *err) {
    static const Actor source = {.name = {"source", 6}};
    FlagEntry *gone;
    while ((gone = find_gone(notify, flags, count))) {
        if (!flag_clear(notify, tx, gone, "maintenance.clear", &source, now, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_known(notify, flags[i].id) && /* also where it is in the set twice */
            !flag_add(notify, tx, &flags[i], &source, now, err)) {
            return false;
        }
    }
    return true;
}

bool notify_flags_observed(Notify *notify, const Flag *observed, size_t count, TimeMs now,
                           Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Flag *flags = arena_array(&arena, Flag, count + 1);
    for (size_t i = 0; i < count; i++) {
        flags[i] = observed[i];
        flags[i].starts_at = flags[i].created_at = flags[i].updated_at = now;
        flags[i].review_at = now + review_after;
        flags[i].id = make_id(&arena, &flags[i]);
    }
    if (!differs(notify, flags, count)) {
        return true;
    }
    StateTx *tx;
    if (!live_begin(notify, now, &tx, err)) {
        return false;
    }
    bool ok = apply(notify, tx, flags, count, now, err);
    if (!live_end(notify, tx, ok, err)) {
        return false;
    }
    notify_wake(notify);
    return true;
}

void notify_flag_signs(Notify *notify, Arena *arena, Str ret_labels[FLAG_MODES], Str *ret_metric) {
    pthread_rwlock_rdlock(&notify->lock);
    for (int mode = 0; mode < FLAG_MODES; mode++) {
        ret_labels[mode] = arena_str(arena, notify->config->policy.flag_labels[mode].text);
    }
    *ret_metric = arena_str(arena, notify->config->policy.flag_metric);
    pthread_rwlock_unlock(&notify->lock);
}
