#include "notify/flag.h"

#include <stdlib.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"
#include "notify/remind.h"
#include "notify/schedule.h"
#include "notify/silence.h"
#include "notify/wake.h"

static const char *const mode_texts[] = {"all", "below_critical", "hold"};

const char *flag_mode_text(FlagMode mode) {
    return mode_texts[mode];
}

bool flag_mode_of(Str text, FlagMode *ret_mode) {
    char word[sizeof "below_critical"] = "";
    for (size_t i = 0; i < text.len && i + 1 < sizeof word; i++) {
        word[i] = (char)(text.ptr[i] == '-' ? '_' : text.ptr[i]); /* labels are written so, too */
    }
    for (int mode = 0; mode < FLAG_MODES; mode++) {
        if (text.len == strlen(mode_texts[mode]) && strcmp(word, mode_texts[mode]) == 0) {
            *ret_mode = (FlagMode)mode;
            return true;
        }
    }
    return false;
}

bool flag_is_active(const FlagEntry *entry, TimeMs now) {
    const Flag *flag = &entry->flag;
    return now >= flag->starts_at && (!flag->ends_at || now < flag->ends_at) &&
           (!entry->when || calendar_contains(entry->when, now));
}

bool flag_is_forgotten(const Flag *flag, TimeMs now) {
    return !flag->ends_at && flag->review_at && flag->review_at <= now;
}

Str flag_id_of(Arena *arena, const Flag *flag, Str name) {
    AUTO(buf_finish) Buf buf = {0};
    char hex[65];
    buf_str(&buf, name);
    for (size_t i = 0; i < flag->matcher_count; i++) {
        buf_printf(&buf, "\n%.*s\n%.*s", STR_ARG(flag->matchers[i].name),
                   STR_ARG(flag->matchers[i].value));
    }
    sha256_hex(buf_view(&buf), hex);
    return arena_printf(arena, "%.8s-%.4s-8%.3s-8%.3s-%.12s", hex, hex + 8, hex + 12, hex + 15,
                        hex + 18);
}

/* ---- the book ---- */

static Flag copy_flag(Arena *arena, const Flag *from) {
    Flag flag = *from;
    flag.id = arena_str(arena, from->id);
    flag.matchers = arena_array(arena, SilenceMatcher, from->matcher_count + 1);
    for (size_t i = 0; i < from->matcher_count; i++) {
        flag.matchers[i] = from->matchers[i];
        flag.matchers[i].name = arena_str(arena, from->matchers[i].name);
        flag.matchers[i].value = arena_str(arena, from->matchers[i].value);
    }
    flag.reason = arena_str(arena, from->reason);
    flag.owner = arena_str(arena, from->owner);
    flag.origin = arena_str(arena, from->origin);
    flag.schedule = arena_str(arena, from->schedule);
    return flag;
}

static void free_entry(FlagEntry *entry) {
    matcher_set_finish(&entry->set);
    if (entry->own_calendar) {
        calendar_finish(entry->own_calendar);
    }
    arena_finish(&entry->arena);
    free(entry);
}

FlagEntry *flag_find(const Notify *notify, Str id) {
    for (size_t i = 0; i < notify->flags_count; i++) {
        if (str_eq(notify->flags[i]->flag.id, id)) {
            return notify->flags[i];
        }
    }
    return NULL;
}

TimeMs flag_shown_end(const Flag *flag) {
    return flag->ends_at ? flag->ends_at : INT64_C(253402214400000); /* 9999-12-31 */
}

SilenceState flag_state(const FlagEntry *entry, TimeMs now) {
    if (flag_is_active(entry, now)) {
        return SILENCE_ACTIVE;
    }
    return now >= flag_shown_end(&entry->flag) ? SILENCE_EXPIRED : SILENCE_PENDING;
}

static QuietText write_text(Arena *arena, const Flag *flag) {
    Label labels[] = {{STR("maintenance"), str_of(flag_mode_text(flag->mode))},
                      {STR("origin"), flag->origin}};
    Silence silence = {.id = flag->id,
                       .matchers = flag->matchers,
                       .matcher_count = flag->matcher_count,
                       .starts_at = flag->starts_at,
                       .ends_at = flag_shown_end(flag),
                       .updated_at = flag->updated_at,
                       .created_by = flag->owner,
                       .comment = flag->reason,
                       .annotations = {labels, 2},
                       .schedule = flag->schedule};
    return silence_write_text(arena, &silence);
}

static void wake(Notify *notify, const FlagEntry *entry, bool begun) {
    if (begun) {
        wake_begun(notify, &entry->set);
    } else {
        wake_ended(notify, &entry->set, SUPPRESSED_FLAG, entry->flag.id);
    }
}

static void note_changes(Notify *notify, FlagEntry *entry, TimeMs now) {
    live_note_change(notify, entry->flag.starts_at, now);
    if (entry->flag.ends_at) {
        live_note_change(notify, entry->flag.ends_at, now);
    }
    TimeMs remind = remind_flag_at(notify, entry);
    live_note_change(notify, remind <= now ? now + 1 : remind, now);
    if (entry->when) {
        live_note_change(notify, calendar_next_change(entry->when, now, now + 31 * DAY_MS), now);
    }
    bool covers = flag_is_active(entry, now);
    if (covers != entry->covers) {
        entry->covers = covers;
        wake(notify, entry, covers);
    }
}

/* `when` is the configuration's calendar; a stored flag has its schedule as text. */
static bool add_entry(Notify *notify, const Flag *flag, const Calendar *when, TimeMs reminded_at,
                      TimeMs now, Err *err) {
    FlagEntry *entry = mem_zero(1, sizeof *entry);
    entry->flag = copy_flag(&entry->arena, flag);
    entry->reminded_at = reminded_at;
    if (!matchers_restore(&entry->arena, flag->matchers, flag->matcher_count, &entry->set, err) ||
        !schedule_load(&entry->arena, flag->schedule, &entry->own_calendar, err)) {
        free_entry(entry);
        return err_context(err, "maintenance flag %.*s", STR_ARG(flag->id));
    }
    entry->when = when ? when : entry->own_calendar;
    entry->text = write_text(&entry->arena, &entry->flag);
    VEC_PUSH(*notify, flags, entry);
    match_index_add(&notify->flag_index, &entry->set, entry);
    note_changes(notify, entry, now);
    return true;
}

static void remove_entry(Notify *notify, FlagEntry *entry) {
    match_index_remove(&notify->flag_index, &entry->set, entry);
    for (size_t i = 0; i < notify->flags_count; i++) {
        if (notify->flags[i] == entry) {
            notify->flags[i] = notify->flags[--notify->flags_count];
            break;
        }
    }
    if (entry->covers) {
        wake(notify, entry, false);
    }
    free_entry(entry);
}

void flags_clear(Notify *notify) {
    for (size_t i = 0; i < notify->flags_count; i++) {
        free_entry(notify->flags[i]);
    }
    free(notify->flags);
    notify->flags = NULL;
    notify->flags_count = notify->flags_cap = 0;
    match_index_finish(&notify->flag_index);
}

static bool add_configured(Notify *notify, TimeMs now, Err *err) {
    for (size_t i = 0; i < notify->config->flag_count; i++) {
        const ConfigFlag *flag = &notify->config->flags[i];
        if (!add_entry(notify, &flag->flag, flag->when, 0, now, err)) {
            return false;
        }
    }
    return true;
}

bool flags_load(Notify *notify, TimeMs now, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    FlagRow *rows;
    size_t count;
    if (!state_load_flags(notify->state, &arena, &rows, &count, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        SilenceMatcher *matchers =
            matchers_of_rows(&arena, rows[i].matchers, rows[i].matcher_count);
        Flag flag = {.id = rows[i].id,
                     .matchers = matchers,
                     .matcher_count = rows[i].matcher_count,
                     .mode = (FlagMode)rows[i].mode,
                     .reason = rows[i].reason,
                     .owner = rows[i].owner,
                     .origin = rows[i].origin,
                     .schedule = rows[i].schedule,
                     .starts_at = rows[i].starts_at,
                     .ends_at = rows[i].ends_at,
                     .review_at = rows[i].review_at,
                     .created_at = rows[i].created_at,
                     .updated_at = rows[i].updated_at};
        if (!add_entry(notify, &flag, NULL, rows[i].reminded_at, now, err)) {
            return false;
        }
    }
    return add_configured(notify, now, err);
}

bool flags_reload(Notify *notify, TimeMs now, Err *err) {
    for (size_t i = 0; i < notify->flags_count; i++) {
        if (str_eq(notify->flags[i]->flag.origin, STR("config"))) {
            remove_entry(notify, notify->flags[i--]);
        }
    }
    return add_configured(notify, now, err);
}

/* ---- the door ---- */

static Str flag_json(Arena *arena, const Flag *flag) {
    AUTO(buf_finish) Buf buf = {0};
    JsonWriter json = json_writer(&buf);
    json_object(&json);
    json_put_str(&json, "id", flag->id);
    json_put_array(&json, "matchers");
    for (size_t i = 0; i < flag->matcher_count; i++) {
        json_object(&json);
        json_put_str(&json, "name", flag->matchers[i].name);
        json_put_str(&json, "value", flag->matchers[i].value);
        json_put_bool(&json, "isRegex", flag->matchers[i].is_regex);
        json_put_bool(&json, "isEqual", flag->matchers[i].is_equal);
        json_end(&json);
    }
    json_end(&json);
    json_put_str(&json, "mode", str_of(mode_texts[flag->mode]));
    json_put_str(&json, "reason", flag->reason);
    json_put_str(&json, "owner", flag->owner);
    json_put_time(&json, "starts_at", flag->starts_at);
    if (flag->ends_at) {
        json_put_time(&json, "ends_at", flag->ends_at);
    }
    if (flag->review_at) {
        json_put_time(&json, "review_at", flag->review_at);
    }
    if (flag->schedule.len) {
        json_put_str(&json, "schedule", flag->schedule);
    }
    json_put_str(&json, "origin", flag->origin);
    json_end(&json);
    return arena_str(arena, buf_view(&buf));
}

static bool audit(StateTx *tx, const char *action, const Flag *flag, const Actor *actor, Str before,
                  Str after, TimeMs now, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AuditRow row = {.at = now,
                    .actor = actor_text(&arena, actor),
                    .address = actor->address,
                    .action = str_of(action),
                    .subject = flag->id,
                    .reason = flag->reason,
                    .before = before,
                    .after = after};
    return state_audit(tx, &row, err);
}

bool flag_store(StateTx *tx, const Flag *flag, TimeMs reminded_at, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    MatcherRow *matchers = arena_array(&arena, MatcherRow, flag->matcher_count + 1);
    for (size_t i = 0; i < flag->matcher_count; i++) {
        const SilenceMatcher *from = &flag->matchers[i];
        matchers[i] = (MatcherRow){from->name, from->value, from->is_regex, from->is_equal};
    }
    FlagRow row = {.id = flag->id,
                   .matchers = matchers,
                   .matcher_count = flag->matcher_count,
                   .mode = flag->mode,
                   .reason = flag->reason,
                   .owner = flag->owner,
                   .origin = flag->origin,
                   .starts_at = flag->starts_at,
                   .ends_at = flag->ends_at,
                   .review_at = flag->review_at,
                   .created_at = flag->created_at,
                   .updated_at = flag->updated_at,
                   .schedule = flag->schedule,
                   .reminded_at = reminded_at};
    return state_put_flag(tx, &row, err);
}

static bool check(const Flag *flag, TimeMs now, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    MatcherSet set;
    if (!matchers_compile(&arena, flag->matchers, flag->matcher_count, false, &set, err)) {
        return err_context(err, "maintenance flag invalid");
    }
    matcher_set_finish(&set);
    if (!schedule_check(flag->schedule, err)) {
        return err_context(err, "maintenance flag invalid");
    }
    if (!flag->reason.len) {
        return err_set(err, ERR_INVALID, "maintenance flag invalid: reason is required");
    }
    if (!flag->owner.len) {
        return err_set(err, ERR_INVALID, "maintenance flag invalid: owner is required");
    }
    if (!flag->ends_at && !flag->review_at) { /* a schedule alone would go on for ever */
        return err_set(
            err, ERR_INVALID,
            "maintenance flag invalid: either ends_at or review_at is required, so that no "
            "flag is forgotten");
    }
    if (flag->ends_at && (flag->ends_at <= flag->starts_at || flag->ends_at <= now)) {
        return err_set(err, ERR_INVALID,
                       "maintenance flag invalid: ends_at has to be after starts_at and now");
    }
    return true;
}

/* Only what was set through the API is changed there. */
static bool check_origin(const Flag *flag, Err *err) {
    if (str_eq(flag->origin, STR("config"))) {
        return err_set(err, ERR_CONFLICT,
                       "maintenance flag %.*s is set in the configuration: change it there",
                       STR_ARG(flag->id));
    }
    if (!str_eq(flag->origin, STR("api"))) {
        return err_set(err, ERR_CONFLICT,
                       "maintenance flag %.*s is set by its source (a %.*s of its series): it ends "
                       "when the source says so",
                       STR_ARG(flag->id), STR_ARG(flag->origin));
    }
    return true;
}

bool flag_add(Notify *notify, StateTx *tx, const Flag *flag, const Actor *actor, TimeMs now,
              Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    return flag_store(tx, flag, 0, err) &&
           audit(tx, "maintenance.set", flag, actor, STR(""), flag_json(&arena, flag), now, err) &&
           add_entry(notify, flag, NULL, 0, now, err);
}

static bool replace_flag(Notify *notify, StateTx *tx, FlagEntry *old, const Flag *flag,
                         const Actor *actor, TimeMs now, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Str before = flag_json(&arena, &old->flag);
    bool same_end = old->flag.ends_at == flag->ends_at && old->flag.review_at == flag->review_at;
    TimeMs reminded_at = same_end ? old->reminded_at : 0;
    if (!flag_store(tx, flag, reminded_at, err) ||
        !audit(tx, "maintenance.update", flag, actor, before, flag_json(&arena, flag), now, err)) {
        return false;
    }
    remove_entry(notify, old);
    return add_entry(notify, flag, NULL, reminded_at, now, err);
}

static bool set_flag(Notify *notify, StateTx *tx, const Flag *wanted, const Actor *actor,
                     TimeMs now, Arena *arena, Str *ret_id, Err *err) {
    Flag flag = copy_flag(arena, wanted);
    FlagEntry *old = flag.id.len ? flag_find(notify, flag.id) : NULL;
    if (flag.id.len && !old) {
        return err_set(err, ERR_NOT_FOUND, "maintenance flag not found");
    }
    if (old && (!check_origin(&old->flag, err) ||
                !check_unchanged(wanted->if_updated_at, old->flag.updated_at, err))) {
        return false;
    }
    if (!flag.schedule.ptr) {
        flag.schedule = old ? arena_str(arena, old->flag.schedule) : STR("");
    }
    flag.starts_at = flag.starts_at ? flag.starts_at : now;
    if (!check(&flag, now, err)) {
        return false;
    }
    flag.id = old ? flag.id : uuid_make(arena);
    flag.created_at = old ? old->flag.created_at : now;
    flag.updated_at = old ? next_version(old->flag.updated_at, now) : now;
    flag.if_updated_at = 0;
    flag.origin = STR("api");
    *ret_id = flag.id;
    return old ? replace_flag(notify, tx, old, &flag, actor, now, err)
               : flag_add(notify, tx, &flag, actor, now, err);
}

bool notify_flag_set(Notify *notify, const Flag *flag, const Actor *actor, TimeMs now, Arena *arena,
                     Str *ret_id, Err *err) {
    StateTx *tx;
    if (!live_begin(notify, now, &tx, err)) {
        return false;
    }
    Str id;
    bool ok = set_flag(notify, tx, flag, actor, now, arena, &id, err);
    if (!live_end(notify, tx, ok, err)) {
        return false;
    }
    *ret_id = id;
    notify_wake(notify);
    return true;
}

bool flag_clear(Notify *notify, StateTx *tx, FlagEntry *entry, const char *action,
                const Actor *actor, TimeMs now, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Str before = flag_json(&arena, &entry->flag);
    if (!state_delete_flag(tx, entry->flag.id, err) ||
        !audit(tx, action, &entry->flag, actor, before, STR(""), now, err)) {
        return false;
    }
    remove_entry(notify, entry);
    return true;
}

bool notify_flag_clear(Notify *notify, Str id, const Actor *actor, TimeMs now, Err *err) {
    StateTx *tx;
    if (!live_begin(notify, now, &tx, err)) {
        return false;
    }
    FlagEntry *entry = flag_find(notify, id);
    bool ok;
    if (!entry) {
        ok = err_set(err, ERR_NOT_FOUND, "maintenance flag not found");
    } else {
        ok = check_origin(&entry->flag, err) &&
             flag_clear(notify, tx, entry, "maintenance.clear", actor, now, err);
    }
    if (!live_end(notify, tx, ok, err)) {
        return false;
    }
    notify_wake(notify);
    return true;
}

bool notify_flag_get(Notify *notify, Str id, TimeMs now, Arena *arena, Flag *ret_flag, Err *err) {
    pthread_rwlock_rdlock(&notify->lock);
    const FlagEntry *entry = flag_find(notify, id);
    if (entry) {
        *ret_flag = copy_flag(arena, &entry->flag);
        ret_flag->active = flag_is_active(entry, now);
        ret_flag->forgotten = flag_is_forgotten(&entry->flag, now);
    }
    pthread_rwlock_unlock(&notify->lock);
    return entry || err_set(err, ERR_NOT_FOUND, "maintenance flag not found");
}

static int compare_flags(const void *a, const void *b) {
    const Flag *x = a, *y = b;
    int order = (x->starts_at > y->starts_at) - (x->starts_at < y->starts_at);
    return order ? order : str_cmp(x->id, y->id);
}

void notify_flag_list(Notify *notify, TimeMs now, Arena *arena, Flag **ret_flags,
                      size_t *ret_count) {
    pthread_rwlock_rdlock(&notify->lock);
    size_t count = notify->flags_count;
    Flag *flags = arena_array(arena, Flag, count + 1);
    for (size_t i = 0; i < count; i++) {
        flags[i] = copy_flag(arena, &notify->flags[i]->flag);
        flags[i].active = flag_is_active(notify->flags[i], now);
        flags[i].forgotten = flag_is_forgotten(&flags[i], now);
    }
    pthread_rwlock_unlock(&notify->lock);
    qsort(flags, count, sizeof *flags, compare_flags);
    *ret_flags = flags;
    *ret_count = count;
}

bool flags_tick(Notify *notify, StateTx *tx, TimeMs now, Err *err) {
    static const Actor clock = {.name = {"clock", 5}};
    for (size_t i = 0; i < notify->flags_count; i++) {
        FlagEntry *entry = notify->flags[i];
        bool over = entry->flag.ends_at && entry->flag.ends_at <= now &&
                    !str_eq(entry->flag.origin, STR("config"));
        if (over) {
            if (!flag_clear(notify, tx, entry, "maintenance.end", &clock, now, err)) {
                return false;
            }
            i--;
            continue;
        }
        if (remind_flag_at(notify, entry) <= now && !remind_flag(notify, tx, entry, now, err)) {
            return false;
        }
        note_changes(notify, entry, now);
    }
    return true;
}

/* ---- asking ---- */

static bool is_word(Str text, Str word) {
    return text.len == word.len && strncasecmp(text.ptr, word.ptr, word.len) == 0;
}

/* By the on-call policy; words that usually mean it count also where there is none. */
static bool is_critical(const Notify *notify, LabelSet labels) {
    static const struct {
        const char *word;
        bool critical;
    } usual[] = {{"critical", true}, {"page", true},  {"fatal", true}, {"emergency", true},
                 {"warning", false}, {"info", false}, {"none", false}};
    const NotifyPolicy *policy = &notify->config->policy;
    Str severity = labels_get(labels, policy->severity_label);
    for (size_t i = 0; i < policy->severity_word_count; i++) {
        if (is_word(severity, policy->severity_words[i].word)) {
            return str_eq(policy->severity_words[i].severity, STR("critical"));
        }
    }
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        if (is_word(severity, str_of(usual[i].word))) {
            return usual[i].critical;
        }
    }
    return policy->unknown_is_critical;
}

/* Whether a flag of this mode holds back an alert with these labels. */
static bool holds(const Notify *notify, FlagMode mode, LabelSet labels) {
    return mode != FLAG_BELOW_CRITICAL || !is_critical(notify, labels);
}

typedef struct Asking {
    const Notify *notify;
    LabelSet labels;
    TimeMs now;
} Asking;

static bool keeps_quiet(const void *owner, const void *context) {
    const FlagEntry *entry = owner;
    const Asking *asking = context;
    return flag_is_active(entry, asking->now) &&
           holds(asking->notify, entry->flag.mode, asking->labels);
}

const MatcherSet *flag_label_of(const Notify *notify, LabelSet labels) {
    const FlagLabel *signs = notify->config->policy.flag_labels;
    for (int mode = 0; mode < FLAG_MODES; mode++) {
        const MatcherSet *set = &signs[mode].set;
        if (set->count && matcher_set_matches(set, labels) &&
            holds(notify, (FlagMode)mode, labels)) {
            return set;
        }
    }
    return NULL;
}

size_t flags_find(const Notify *notify, const MatchKeys *keys, TimeMs now, FlagEntry **ret_entries,
                  size_t max) {
    Asking asking = {.notify = notify, .labels = keys->labels, .now = now};
    return match_index_find(&notify->flag_index, keys, keeps_quiet, &asking, (void **)ret_entries,
                            max);
}
