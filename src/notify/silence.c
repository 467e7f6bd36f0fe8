#include "notify/silence.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/number.h"
#include "notify/flag.h"
#include "notify/remind.h"
#include "notify/schedule.h"
#include "notify/wake.h"

/* Alertmanager's default retention: an expired silence can be seen and copied this long. */
static const DurationMs expired_keep = 5 * DAY_MS;

/* ---- ids ---- */

Str uuid_make(Arena *arena) {
    unsigned char b[16];
    for (size_t have = 0; have < sizeof b;) {
        ssize_t got = getrandom(b + have, sizeof b - have, 0);
        have += got > 0 ? (size_t)got : 0;
    }
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    return arena_printf(
        arena, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
        b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

bool uuid_is_valid(Str text) {
    for (size_t i = 0; i < text.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        char c = text.ptr[i];
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (dash ? c != '-' : !hex) {
            return false;
        }
    }
    return text.len == 36;
}

/* ---- rules ---- */

SilenceState silence_state(const Silence *silence, TimeMs now) {
    if (now < silence->starts_at) {
        return SILENCE_PENDING;
    }
    return now > silence->ends_at ? SILENCE_EXPIRED : SILENCE_ACTIVE;
}

bool silence_same_matcher(const SilenceMatcher *a, const SilenceMatcher *b) {
    return str_eq(a->name, b->name) && str_eq(a->value, b->value) && a->is_regex == b->is_regex &&
           a->is_equal == b->is_equal;
}

static bool same_matchers(const Silence *a, const Silence *b) {
    if (a->matcher_count != b->matcher_count) {
        return false;
    }
    for (size_t i = 0; i < a->matcher_count; i++) {
        if (!silence_same_matcher(&a->matchers[i], &b->matchers[i])) {
            return false;
        }
    }
    return true;
}

bool silence_keeps_id(const Silence *old, const Silence *edit, TimeMs now) {
    if (!same_matchers(old, edit) || !str_eq(old->schedule, edit->schedule)) {
        return false;
    }
    switch (silence_state(old, now)) {
    case SILENCE_ACTIVE:
        return edit->starts_at / SECOND_MS == old->starts_at / SECOND_MS && edit->ends_at >= now;
    case SILENCE_PENDING:
        return edit->starts_at >= now;
    case SILENCE_EXPIRED:
        return false;
    }
    return false;
}

static MatchType type_of(const SilenceMatcher *matcher) {
    if (matcher->is_regex) {
        return matcher->is_equal ? MATCH_RE : MATCH_NRE;
    }
    return matcher->is_equal ? MATCH_EQ : MATCH_NE;
}

bool matchers_compile(Arena *arena, const SilenceMatcher *matchers, size_t count, bool force,
                      MatcherSet *ret_set, Err *err) {
    MatcherSet set = {.items = arena_array(arena, Matcher, count + 1)};
    bool selects = false;
    if (count == 0) {
        return err_set(err, ERR_INVALID, "at least one matcher required");
    }
    for (size_t i = 0; i < count; i++) {
        if (matchers[i].name.len == 0 || !str_is_utf8(matchers[i].name)) {
            matcher_set_finish(&set);
            return err_set(err, ERR_INVALID,
                           "invalid label matcher %zu: invalid label name \"%.*s\"", i,
                           STR_ARG(matchers[i].name));
        }
        if (!matcher_init(arena, type_of(&matchers[i]), matchers[i].name, matchers[i].value,
                          &set.items[i], err)) {
            matcher_set_finish(&set);
            return err_context(err, "invalid label matcher %zu", i);
        }
        set.count++;
        selects |= !set.items[i].matches_empty;
    }
    if (!selects && !force) {
        matcher_set_finish(&set);
        return err_set(err, ERR_INVALID, "at least one matcher must not match the empty string");
    }
    *ret_set = set;
    return true;
}

bool matchers_restore(Arena *arena, const SilenceMatcher *matchers, size_t count,
                      MatcherSet *ret_set, Err *err) {
    if (matchers_compile(arena, matchers, count, true, ret_set, err)) {
        return true;
    }
    err->kind = ERR_CORRUPT;
    return false;
}

/* ---- the book ---- */

Str silence_json(Arena *arena, const Silence *silence) {
    AUTO(buf_finish) Buf buf = {0};
    JsonWriter json = json_writer(&buf);
    json_object(&json);
    json_put_str(&json, "id", silence->id);
    json_put_array(&json, "matchers");
    for (size_t i = 0; i < silence->matcher_count; i++) {
        json_object(&json);
        json_put_str(&json, "name", silence->matchers[i].name);
        json_put_str(&json, "value", silence->matchers[i].value);
        json_put_bool(&json, "isRegex", silence->matchers[i].is_regex);
        json_put_bool(&json, "isEqual", silence->matchers[i].is_equal);
        json_end(&json);
    }
    json_end(&json);
    json_put_time(&json, "startsAt", silence->starts_at);
    json_put_time(&json, "endsAt", silence->ends_at);
    json_put_str(&json, "createdBy", silence->created_by);
    json_put_str(&json, "comment", silence->comment);
    if (silence->schedule.len) {
        json_put_str(&json, "schedule", silence->schedule);
    }
    json_end(&json);
    return arena_str(arena, buf_view(&buf));
}

SilenceMatcher *matchers_of_rows(Arena *arena, const MatcherRow *rows, size_t count) {
    SilenceMatcher *matchers = arena_array(arena, SilenceMatcher, count + 1);
    for (size_t i = 0; i < count; i++) {
        matchers[i] =
            (SilenceMatcher){rows[i].name, rows[i].value, rows[i].is_regex, rows[i].is_equal};
    }
    return matchers;
}

SilenceMatcher *matchers_copy(Arena *arena, const SilenceMatcher *from, size_t count) {
    SilenceMatcher *matchers = arena_array(arena, SilenceMatcher, count + 1);
    for (size_t i = 0; i < count; i++) {
        matchers[i] = from[i];
        matchers[i].name = arena_str(arena, from[i].name);
        matchers[i].value = arena_str(arena, from[i].value);
    }
    return matchers;
}

static Silence copy_silence(Arena *arena, const Silence *from, TimeMs now) {
    Silence silence = *from;
    silence.id = arena_str(arena, from->id);
    silence.matchers = matchers_copy(arena, from->matchers, from->matcher_count);
    silence.created_by = arena_str(arena, from->created_by);
    silence.comment = arena_str(arena, from->comment);
    silence.annotations = labels_copy(arena, from->annotations);
    silence.schedule = arena_str(arena, from->schedule);
    silence.state = silence_state(from, now);
    return silence;
}

static void free_entry(SilenceEntry *entry) {
    matcher_set_finish(&entry->set);
    if (entry->calendar) {
        calendar_finish(entry->calendar);
    }
    arena_finish(&entry->arena);
    free(entry);
}

static uint64_t id_key(Str id) {
    uint64_t key = hash64(id);
    return key ? key : 1;
}

SilenceEntry *silence_find(const Notify *notify, Str id) {
    SilenceEntry *entry = idmap_get(&notify->silences_by_id, id_key(id));
    return entry && str_eq(entry->silence.id, id) ? entry : NULL;
}

SilenceState silence_entry_state(const SilenceEntry *entry, TimeMs now) {
    SilenceState state = silence_state(&entry->silence, now);
    bool pauses =
        state == SILENCE_ACTIVE && entry->calendar && !calendar_contains(entry->calendar, now);
    return pauses ? SILENCE_PENDING : state;
}

static TimeMs next_of(TimeMs next, TimeMs at, TimeMs now) {
    return at > now && at < next ? at : next;
}

static TimeMs next_change_of(const Notify *notify, const SilenceEntry *entry, TimeMs now) {
    SilenceState state = silence_state(&entry->silence, now);
    TimeMs next = next_of(TIME_MAX, entry->silence.starts_at, now);
    next = next_of(next, entry->silence.ends_at + 1, now);
    if (entry->calendar && state != SILENCE_EXPIRED) {
        next = next_of(next, calendar_next_change(entry->calendar, now, now + 31 * DAY_MS), now);
    }
    if (state == SILENCE_EXPIRED) { /* to be forgotten */
        return next_of(next, entry->silence.ends_at + expired_keep + 1, now);
    }
    TimeMs remind = remind_silence_at(notify, entry);
    bool overdue = remind <= now && state == SILENCE_ACTIVE;
    return next_of(next, overdue ? now + 1 : remind, now);
}

static void wake(Notify *notify, const SilenceEntry *entry, bool begun) {
    if (begun) {
        wake_begun(notify, &entry->set);
    } else {
        wake_ended(notify, &entry->set, SUPPRESSED_SILENCE, entry->silence.id);
    }
}

/* Only what can still cover something is searched. */
static void reindex(Notify *notify, SilenceEntry *entry, TimeMs now) {
    bool wanted = silence_state(&entry->silence, now) != SILENCE_EXPIRED;
    if (wanted && !entry->indexed) {
        match_index_add(&notify->silence_index, &entry->set, entry);
    } else if (!wanted && entry->indexed) {
        match_index_remove(&notify->silence_index, &entry->set, entry);
    }
    entry->indexed = wanted;
    entry->next_change = next_change_of(notify, entry, now);
    live_note_change(notify, entry->next_change, now);
    bool covers = silence_entry_state(entry, now) == SILENCE_ACTIVE;
    if (covers != entry->covers) {
        entry->covers = covers;
        wake(notify, entry, covers);
    }
}

static bool add_entry(Notify *notify, const Silence *silence, TimeMs reminded_at, TimeMs now,
                      Err *err) {
    SilenceEntry *entry = mem_zero(1, sizeof *entry);
    entry->silence = copy_silence(&entry->arena, silence, now);
    entry->reminded_at = reminded_at;
    if (!matchers_restore(&entry->arena, silence->matchers, silence->matcher_count, &entry->set,
                          err) ||
        !schedule_load(&entry->arena, silence->schedule, &entry->calendar, err)) {
        free_entry(entry);
        return err_context(err, "silence %.*s", STR_ARG(silence->id));
    }
    entry->text = silence_write_text(&entry->arena, &entry->silence);
    VEC_PUSH(*notify, silences, entry);
    idmap_put(&notify->silences_by_id, id_key(entry->silence.id), entry);
    reindex(notify, entry, now);
    return true;
}

static void remove_entry(Notify *notify, SilenceEntry *entry) {
    if (entry->indexed) {
        match_index_remove(&notify->silence_index, &entry->set, entry);
    }
    for (size_t i = 0; i < notify->silences_count; i++) {
        if (notify->silences[i] == entry) {
            notify->silences[i] = notify->silences[--notify->silences_count];
            break;
        }
    }
    idmap_remove(&notify->silences_by_id, id_key(entry->silence.id));
    if (entry->covers) {
        wake(notify, entry, false);
    }
    free_entry(entry);
}

void silences_clear(Notify *notify) {
    for (size_t i = 0; i < notify->silences_count; i++) {
        free_entry(notify->silences[i]);
    }
    free(notify->silences);
    notify->silences = NULL;
    notify->silences_count = notify->silences_cap = 0;
    idmap_finish(&notify->silences_by_id);
    match_index_finish(&notify->silence_index);
    notify->next_silence_change = TIME_MAX;
}

bool silences_load(Notify *notify, TimeMs now, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    SilenceRow *rows;
    size_t count;
    if (!state_load_silences(notify->state, &arena, &rows, &count, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        SilenceMatcher *matchers =
            matchers_of_rows(&arena, rows[i].matchers, rows[i].matcher_count);
        Silence silence = {.id = rows[i].id,
                           .matchers = matchers,
                           .matcher_count = rows[i].matcher_count,
                           .starts_at = rows[i].starts_at,
                           .ends_at = rows[i].ends_at,
                           .updated_at = rows[i].updated_at,
                           .created_by = rows[i].created_by,
                           .comment = rows[i].comment,
                           .annotations = rows[i].annotations,
                           .schedule = rows[i].schedule};
        if (!add_entry(notify, &silence, rows[i].reminded_at, now, err)) {
            return false;
        }
    }
    return true;
}

void silences_reload(Notify *notify, TimeMs now) {
    for (size_t i = 0; i < notify->silences_count; i++) {
        notify->silences[i]->next_change = 0;
    }
    live_note_change(notify, now + 1, now);
}

bool silences_tick(Notify *notify, StateTx *tx, TimeMs now, Err *err) {
    notify->next_silence_change = TIME_MAX;
    for (size_t i = 0; i < notify->silences_count; i++) {
        SilenceEntry *entry = notify->silences[i];
        if (entry->next_change > now) {
            live_note_change(notify, entry->next_change, now);
            continue;
        }
        if (entry->silence.ends_at + expired_keep < now) {
            if (!state_delete_silence(tx, entry->silence.id, err)) {
                return false;
            }
            remove_entry(notify, entry);
            i--;
            continue;
        }
        bool active = silence_state(&entry->silence, now) == SILENCE_ACTIVE;
        if (active && remind_silence_at(notify, entry) <= now &&
            !remind_silence(notify, tx, entry, now, err)) {
            return false;
        }
        reindex(notify, entry, now);
    }
    return true;
}

static bool is_active(const void *owner, const void *now) {
    return silence_entry_state(owner, *(const TimeMs *)now) == SILENCE_ACTIVE;
}

size_t silences_find(const Notify *notify, const MatchKeys *keys, TimeMs now,
                     SilenceEntry **ret_entries, size_t max) {
    return match_index_find(&notify->silence_index, keys, is_active, &now, (void **)ret_entries,
                            max);
}

/* ---- the door ---- */

bool silence_store(StateTx *tx, const Silence *silence, TimeMs reminded_at, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    MatcherRow *matchers = arena_array(&arena, MatcherRow, silence->matcher_count + 1);
    for (size_t i = 0; i < silence->matcher_count; i++) {
        const SilenceMatcher *from = &silence->matchers[i];
        matchers[i] = (MatcherRow){from->name, from->value, from->is_regex, from->is_equal};
    }
    SilenceRow row = {.id = silence->id,
                      .matchers = matchers,
                      .matcher_count = silence->matcher_count,
                      .starts_at = silence->starts_at,
                      .ends_at = silence->ends_at,
                      .updated_at = silence->updated_at,
                      .created_by = silence->created_by,
                      .comment = silence->comment,
                      .annotations = silence->annotations,
                      .schedule = silence->schedule,
                      .reminded_at = reminded_at};
    return state_put_silence(tx, &row, err);
}

static bool audit(StateTx *tx, const char *action, Str id, const Actor *actor, Str before,
                  Str after, Str reason, TimeMs now, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AuditRow row = {.at = now,
                    .actor = actor_text(&arena, actor),
                    .address = actor->address,
                    .action = str_of(action),
                    .subject = id,
                    .reason = reason,
                    .before = before,
                    .after = after};
    return state_audit(tx, &row, err);
}

/* Replaces the entry of this id in memory, or adds it. */
static bool put(Notify *notify, StateTx *tx, const Silence *silence, TimeMs now, Err *err) {
    SilenceEntry *old = silence_find(notify, silence->id);
    /* Whoever was reminded of an end is reminded of a later one, too. */
    bool same_end = old && old->silence.ends_at == silence->ends_at;
    TimeMs reminded_at = same_end ? old->reminded_at : 0;
    if (!silence_store(tx, silence, reminded_at, err)) {
        return false;
    }
    AUTO(arena_finish) Arena arena = {0};
    Silence copy = copy_silence(&arena, silence, now);
    if (old) {
        remove_entry(notify, old);
    }
    return add_entry(notify, &copy, reminded_at, now, err);
}

static bool expire_entry(Notify *notify, StateTx *tx, SilenceEntry *entry, const Actor *actor,
                         TimeMs now, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Silence silence = copy_silence(&arena, &entry->silence, now);
    Str before = silence_json(&arena, &silence);
    if (silence.state == SILENCE_EXPIRED) {
        return true;
    }
    if (silence.state == SILENCE_PENDING) {
        silence.starts_at = now;
    }
    silence.ends_at = silence.updated_at = now;
    /* An end in this very millisecond still covers it; a silence that is ended covers nothing more.
     */
    silence.ends_at -= 1;
    if (silence.starts_at > silence.ends_at) {
        silence.starts_at = silence.ends_at;
    }
    return put(notify, tx, &silence, now, err) &&
           audit(tx, "silence.expire", silence.id, actor, before, silence_json(&arena, &silence),
                 silence.comment, now, err);
}

static bool check_limits(const Notify *notify, const Silence *silence, const SilenceEntry *old,
                         TimeMs now, Err *err) {
    const NotifyPolicy *policy = &notify->config->policy;
    bool keeps = old && silence_keeps_id(&old->silence, silence, now);
    TimeMs start = !keeps && silence->starts_at < now ? now : silence->starts_at;
    if (notify->silences_max && !old && notify->silences_count >= notify->silences_max) {
        return err_set(err, ERR_INVALID, "exceeded maximum number of silences: %zu (limit: %llu)",
                       notify->silences_count, (unsigned long long)notify->silences_max);
    }
    if (policy->silence_max && silence->ends_at - start > policy->silence_max) {
        AUTO(buf_finish) Buf span = {0};
        duration_put(&span, policy->silence_max);
        return err_set(err, ERR_INVALID, "silence is longer than the %.*s allowed",
                       STR_ARG(buf_view(&span)));
    }
    if (policy->silence_comment &&
        !regex_matches(policy->silence_comment, silence->comment.ptr, silence->comment.len)) {
        return err_set(err, ERR_INVALID, "comment does not match the pattern required");
    }
    return true;
}

static bool check_times(const Silence *silence, TimeMs now, Err *err) {
    if (silence->ends_at <= silence->starts_at) {
        return err_set(err, ERR_INVALID,
                       "Failed to create silence: start time must be before end time");
    }
    if (silence->ends_at < now) {
        return err_set(err, ERR_INVALID, "Failed to create silence: end time can't be in the past");
    }
    return true;
}

/* Alertmanager's rule. */
static bool check_emptiness(const Silence *silence, const MatcherSet *set, Err *err) {
    for (size_t i = 0; i < set->count; i++) {
        bool negative = set->items[i].type == MATCH_NE || set->items[i].type == MATCH_NRE;
        if (negative || !set->items[i].matches_empty) {
            return true;
        }
    }
    return silence->force || err_set(err, ERR_INVALID,
                                     "silence invalid: at least one matcher must not match the "
                                     "empty string");
}

/* Asks for one of some values: an expression that takes both of two odd ones takes any. */
static bool selects(const Matcher *matcher) {
    bool positive = matcher->type == MATCH_EQ || matcher->type == MATCH_RE;
    return positive && !matcher->matches_empty &&
           !(matcher_matches(matcher, STR("q")) && matcher_matches(matcher, STR("0 Zz/~-Q:x_")));
}

/* A lone negative matcher is accepted by Alertmanager and silences nearly everything (#3492). */
static bool check_breadth(const Silence *silence, const MatcherSet *set, Err *err) {
    for (size_t i = 0; i < set->count; i++) {
        if (selects(&set->items[i])) {
            return true;
        }
    }
    return silence->force ||
           err_set(
               err, ERR_INVALID,
               "silence invalid: it would cover nearly everything; add a matcher that selects, or "
               "force it");
}

static bool check(const Notify *notify, const Silence *silence, const SilenceEntry *old, TimeMs now,
                  Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    MatcherSet set = {0};
    if (!check_times(silence, now, err)) {
        return false;
    }
    if (!matchers_compile(&arena, silence->matchers, silence->matcher_count, true, &set, err)) {
        return err_context(err, "silence invalid");
    }
    bool ok = check_emptiness(silence, &set, err) && check_breadth(silence, &set, err) &&
              check_limits(notify, silence, old, now, err);
    matcher_set_finish(&set);
    return ok && schedule_check(silence->schedule, err);
}

TimeMs next_version(TimeMs last, TimeMs now) {
    return now > last ? now : last + 1;
}

bool check_unchanged(TimeMs expected, TimeMs updated_at, Err *err) {
    return !expected || expected == updated_at ||
           err_set(err, ERR_CONFLICT, "it was changed meanwhile: read it again and edit that");
}

static bool set_silence(Notify *notify, StateTx *tx, const Silence *wanted, const Actor *actor,
                        TimeMs now, Arena *arena, Str *ret_id, Err *err) {
    Silence silence = *wanted;
    SilenceEntry *old = silence.id.len ? silence_find(notify, silence.id) : NULL;
    if (silence.id.len && !old && flag_find(notify, silence.id)) {
        return err_set(err, ERR_INVALID,
                       "silence invalid: %.*s is a maintenance flag, to be changed as one",
                       STR_ARG(silence.id));
    }
    if (silence.id.len && !old) {
        return err_set(err, ERR_NOT_FOUND, "silence not found");
    }
    if (old && !check_unchanged(silence.if_updated_at, old->silence.updated_at, err)) {
        return false;
    }
    silence.if_updated_at = 0;
    if (!silence.starts_at) {
        silence.starts_at = now;
    }
    if (!silence.schedule.ptr) { /* amtool's edits know nothing of schedules */
        silence.schedule = old ? arena_str(arena, old->silence.schedule) : STR("");
    }
    if (!check(notify, &silence, old, now, err)) {
        return false;
    }
    Str before = old ? silence_json(arena, &old->silence) : STR("");
    bool keeps = old && silence_keeps_id(&old->silence, &silence, now);
    if (!keeps) {
        if (old && silence_state(&old->silence, now) != SILENCE_EXPIRED &&
            !expire_entry(notify, tx, old, actor, now, err)) {
            return false;
        }
        silence.id = uuid_make(arena);
        silence.starts_at = silence.starts_at < now ? now : silence.starts_at;
    } else if (silence_state(&old->silence, now) == SILENCE_ACTIVE) {
        silence.starts_at = old->silence.starts_at;
    }
    silence.id = arena_str(arena, silence.id);
    silence.updated_at = keeps ? next_version(old->silence.updated_at, now) : now;
    *ret_id = silence.id;
    return put(notify, tx, &silence, now, err) &&
           audit(tx, keeps ? "silence.update" : "silence.create", silence.id, actor, before,
                 silence_json(arena, &silence), silence.comment, now, err);
}

bool notify_silence_set(Notify *notify, const Silence *silence, const Actor *actor, TimeMs now,
                        Arena *arena, Str *ret_id, Err *err) {
    StateTx *tx;
    if (!live_begin(notify, now, &tx, err)) {
        return false;
    }
    Str id;
    bool ok = set_silence(notify, tx, silence, actor, now, arena, &id, err);
    if (!live_end(notify, tx, ok, err)) {
        return false;
    }
    *ret_id = id;
    notify_wake(notify);
    return true;
}

bool notify_silence_expire(Notify *notify, Str id, const Actor *actor, TimeMs now, Err *err) {
    StateTx *tx;
    if (!live_begin(notify, now, &tx, err)) {
        return false;
    }
    SilenceEntry *entry = silence_find(notify, id);
    bool ok = entry ? expire_entry(notify, tx, entry, actor, now, err)
                    : err_set(err, ERR_NOT_FOUND, "silence not found");
    return live_end(notify, tx, ok, err);
}

bool notify_silence_get(Notify *notify, Str id, TimeMs now, Arena *arena, Silence *ret_silence,
                        Err *err) {
    pthread_rwlock_rdlock(&notify->lock);
    const SilenceEntry *entry = silence_find(notify, id);
    if (entry) {
        *ret_silence = copy_silence(arena, &entry->silence, now);
        ret_silence->state = silence_entry_state(entry, now);
    }
    pthread_rwlock_unlock(&notify->lock);
    return entry || err_set(err, ERR_NOT_FOUND, "silence not found");
}
