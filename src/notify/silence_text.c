/*
 * Silences as /api/v2/silences shows them. Thousands are listed at a time, by Karma every few
 * seconds, and they hardly change: so the text of each is made when it is set, all but its state,
 * which time changes.
 */

#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "notify/flag.h"
#include "notify/silence.h"

static const char *const state_texts[] = {"pending", "active", "expired"};

static void put_matchers(JsonWriter *json, const Silence *silence) {
    json_put_array(json, "matchers");
    for (size_t i = 0; i < silence->matcher_count; i++) {
        const SilenceMatcher *matcher = &silence->matchers[i];
        json_object(json);
        json_put_bool(json, "isEqual", matcher->is_equal);
        json_put_bool(json, "isRegex", matcher->is_regex);
        json_put_str(json, "name", matcher->name);
        json_put_str(json, "value", matcher->value);
        json_end(json);
    }
    json_end(json);
}

QuietText silence_write_text(Arena *arena, const Silence *silence) {
    AUTO(buf_finish) Buf buf = {0};
    JsonWriter json = json_writer(&buf);
    json_object(&json);
    json_put_str(&json, "id", silence->id);
    json_put_object(&json, "status");
    json_key(&json, STR("state"));
    json_raw(&json, STR(""));
    size_t head = buf.len;
    json_end(&json);
    json_put_time(&json, "updatedAt", silence->updated_at);
    json_put_str(&json, "comment", silence->comment);
    json_put_str(&json, "createdBy", silence->created_by);
    json_put_time(&json, "startsAt", silence->starts_at);
    json_put_time(&json, "endsAt", silence->ends_at);
    put_matchers(&json, silence);
    if (silence->schedule.len) {
        json_key(&json, STR("schedule"));
        json_raw(&json, silence->schedule);
    }
    if (silence->annotations.count) {
        json_key(&json, STR("annotations"));
        labels_json(&json, silence->annotations);
    }
    json_end(&json);
    Str text = arena_str(arena, buf_view(&buf));
    return (QuietText){.head = {text.ptr, head}, .tail = str_skip(text, head)};
}

static void put_text(Buf *out, const QuietText *text, SilenceState state) {
    buf_str(out, text->head);
    json_quote(out, str_of(state_texts[state]));
    buf_str(out, text->tail);
}

/* ---- the list ---- */

/* Active ones by end, pending ones by start, expired ones the latest first. */
typedef struct Listed {
    int rank;
    TimeMs by;
    uint64_t id_head; /* thousands may end at once, and ids lie all over memory */
    Str id;
    const QuietText *text;
} Listed;

static uint64_t id_head(Str id) {
    uint64_t head = 0;
    for (size_t i = 0; i < sizeof head; i++) {
        head = head << 8 | (i < id.len ? (unsigned char)id.ptr[i] : 0);
    }
    return head;
}

static Listed listed_of(Str id, TimeMs start, TimeMs end, const QuietText *text,
                        SilenceState state) {
    switch (state) {
    case SILENCE_ACTIVE:
        return (Listed){0, end, id_head(id), id, text};
    case SILENCE_PENDING:
        return (Listed){1, start, id_head(id), id, text};
    case SILENCE_EXPIRED:
        break;
    }
    return (Listed){2, -end, id_head(id), id, text};
}

static const SilenceState state_of_rank[] = {SILENCE_ACTIVE, SILENCE_PENDING, SILENCE_EXPIRED};

static int compare_listed(const void *a, const void *b) {
    const Listed *x = a, *y = b;
    if (x->rank != y->rank) {
        return x->rank - y->rank;
    }
    int order = (x->by > y->by) - (x->by < y->by);
    order = order ? order : (x->id_head > y->id_head) - (x->id_head < y->id_head);
    return order ? order : str_cmp(x->id, y->id);
}

static bool has_matcher(const SilenceMatcher *matchers, size_t count,
                        const SilenceMatcher *wanted) {
    for (size_t i = 0; i < count; i++) {
        if (silence_same_matcher(&matchers[i], wanted)) {
            return true;
        }
    }
    return false;
}

static bool passes(const SilenceMatcher *matchers, size_t count, const SilenceFilter *filter,
                   SilenceState state) {
    for (size_t i = 0; i < filter->matcher_count; i++) {
        if (!has_matcher(matchers, count, &filter->matchers[i])) {
            return false;
        }
    }
    return !filter->without[state];
}

/* Those that pass; room for all of them is there. */
static size_t list_silences(const Notify *notify, const SilenceFilter *filter, TimeMs now,
                            Listed *listed) {
    size_t count = 0;
    for (size_t i = 0; i < notify->silences_count; i++) {
        const SilenceEntry *entry = notify->silences[i];
        const Silence *silence = &entry->silence;
        SilenceState state = silence_entry_state(entry, now);
        if (passes(silence->matchers, silence->matcher_count, filter, state)) {
            listed[count++] =
                listed_of(silence->id, silence->starts_at, silence->ends_at, &entry->text, state);
        }
    }
    return count;
}

/* So that whoever asks what keeps an alert quiet finds the flag, too. */
static size_t list_flags(const Notify *notify, const SilenceFilter *filter, TimeMs now,
                         Listed *listed) {
    size_t count = 0;
    for (size_t i = 0; i < notify->flags_count; i++) {
        const FlagEntry *entry = notify->flags[i];
        const Flag *flag = &entry->flag;
        SilenceState state = flag_state(entry, now);
        if (passes(flag->matchers, flag->matcher_count, filter, state)) {
            listed[count++] =
                listed_of(flag->id, flag->starts_at, flag_shown_end(flag), &entry->text, state);
        }
    }
    return count;
}

void notify_silence_list(Notify *notify, const SilenceFilter *filter, TimeMs now, Buf *out) {
    pthread_rwlock_rdlock(&notify->lock);
    size_t room = notify->silences_count + notify->flags_count, bytes = 2;
    Listed *listed = mem_grow(NULL, (room + 1) * sizeof *listed);
    size_t count = list_silences(notify, filter, now, listed);
    count += list_flags(notify, filter, now, listed + count);
    for (size_t i = 0; i < count; i++) {
        bytes += listed[i].text->head.len + listed[i].text->tail.len + sizeof "\"expired\",";
    }
    qsort(listed, count, sizeof *listed, compare_listed);
    buf_reserve(out, bytes);
    buf_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i) {
            buf_byte(out, ',');
        }
        put_text(out, listed[i].text, state_of_rank[listed[i].rank]);
    }
    buf_byte(out, ']');
    pthread_rwlock_unlock(&notify->lock);
    free(listed);
}

bool notify_silence_print(Notify *notify, Str id, TimeMs now, Buf *out, TimeMs *ret_updated_at,
                          Err *err) {
    pthread_rwlock_rdlock(&notify->lock);
    const SilenceEntry *entry = silence_find(notify, id);
    const FlagEntry *flag = entry ? NULL : flag_find(notify, id);
    if (entry) {
        put_text(out, &entry->text, silence_entry_state(entry, now));
        *ret_updated_at = entry->silence.updated_at;
    } else if (flag) {
        put_text(out, &flag->text, flag_state(flag, now));
        *ret_updated_at = flag->flag.updated_at;
    }
    pthread_rwlock_unlock(&notify->lock);
    return entry || flag || err_set(err, ERR_NOT_FOUND, "silence not found");
}
