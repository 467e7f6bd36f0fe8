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

/* Ids by their hash, since there may be as many flags as clusters, at each evaluation. */
static uint64_t id_key(Str id) {
    uint64_t key = hash64(id);
    return key ? key : 1;
}

static void add_id(IdMap *ids, const Flag *flag) {
    idmap_put(ids, id_key(flag->id), (void *)(uintptr_t)flag);
}

static bool has_id(const IdMap *ids, Str id) {
    return idmap_get(ids, id_key(id)) != NULL;
}

/* Nobody says it any more. */
static bool is_gone(const FlagEntry *entry, const IdMap *said) {
    return is_observed(&entry->flag) && !has_id(said, entry->flag.id);
}

static void known_ids(const Notify *notify, IdMap *ret_ids) {
    for (size_t i = 0; i < notify->flags_count; i++) {
        add_id(ret_ids, &notify->flags[i]->flag);
    }
}

static bool differs(Notify *notify, const Flag *flags, size_t count, const IdMap *said) {
    IdMap known = {0};
    bool found = false;
    pthread_rwlock_rdlock(&notify->lock);
    known_ids(notify, &known);
    for (size_t i = 0; i < notify->flags_count && !found; i++) {
        found = is_gone(notify->flags[i], said);
    }
    pthread_rwlock_unlock(&notify->lock);
    for (size_t i = 0; i < count && !found; i++) {
        found = !has_id(&known, flags[i].id);
    }
    idmap_finish(&known);
    return found;
}

static bool add_new(Notify *notify, StateTx *tx, const Flag *flags, size_t count,
                    const Actor *source, TimeMs now, Err *err) {
    IdMap known = {0};
    bool ok = true;
    known_ids(notify, &known);
    for (size_t i = 0; i < count && ok; i++) {
        if (!has_id(&known, flags[i].id)) {
            ok = flag_add(notify, tx, &flags[i], source, now, err);
            add_id(&known, &flags[i]); /* it may be in the set twice */
        }
    }
    idmap_finish(&known);
    return ok;
}

static bool apply(Notify *notify, StateTx *tx, const Flag *flags, size_t count, const IdMap *said,
                  TimeMs now, Err *err) {
    static const Actor source = {.name = {"source", 6}};
    for (size_t i = 0; i < notify->flags_count; i++) {
        if (is_gone(notify->flags[i], said)) {
            if (!flag_clear(notify, tx, notify->flags[i], "maintenance.clear", &source, now, err)) {
                return false;
            }
            i--; /* another one stands there now */
        }
    }
    return add_new(notify, tx, flags, count, &source, now, err);
}

static bool store(Notify *notify, const Flag *flags, size_t count, const IdMap *said, TimeMs now,
                  Err *err) {
    StateTx *tx;
    if (!live_begin(notify, now, &tx, err)) {
        return false;
    }
    bool ok = apply(notify, tx, flags, count, said, now, err);
    if (!live_end(notify, tx, ok, err)) {
        return false;
    }
    notify_wake(notify);
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
    IdMap said = {0};
    for (size_t i = 0; i < count; i++) {
        add_id(&said, &flags[i]);
    }
    bool ok = !differs(notify, flags, count, &said) || store(notify, flags, count, &said, now, err);
    idmap_finish(&said);
    return ok;
}

void notify_flag_signs(Notify *notify, Arena *arena, Str ret_labels[FLAG_MODES], Str *ret_metric) {
    pthread_rwlock_rdlock(&notify->lock);
    for (int mode = 0; mode < FLAG_MODES; mode++) {
        ret_labels[mode] = arena_str(arena, notify->config->policy.flag_labels[mode].text);
    }
    *ret_metric = arena_str(arena, notify->config->policy.flag_metric);
    pthread_rwlock_unlock(&notify->lock);
}
