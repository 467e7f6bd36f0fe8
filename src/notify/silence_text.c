/*
 * Silences as /api/v2/silences shows them. Thousands are listed at a time, by Karma every few
 * seconds, and they hardly change: so the text of each is made when it is set, all but its state,
 * which time changes.
 */

#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
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

void silence_write_text(SilenceEntry *entry) {
    const Silence *silence = &entry->silence;
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
    Str text = arena_str(&entry->arena, buf_view(&buf));
    entry->text_head = (Str){text.ptr, head};
    entry->text_tail = str_skip(text, head);
}

static void put_text(Buf *out, const SilenceEntry *entry, SilenceState state) {
    buf_str(out, entry->text_head);
    json_quote(out, str_of(state_texts[state]));
    buf_str(out, entry->text_tail);
}

/* ---- the list ---- */

/* Active ones by end, pending ones by start, expired ones the latest first. */
typedef struct Listed {
    int rank;
    TimeMs by;
    uint64_t id; /* how its id begins: thousands may end at once, and ids lie all over memory */
    const SilenceEntry *entry;
} Listed;

static uint64_t id_head(Str id) {
    uint64_t head = 0;
    for (size_t i = 0; i < sizeof head; i++) {
        head = head << 8 | (i < id.len ? (unsigned char)id.ptr[i] : 0);
    }
    return head;
}

static Listed listed_of(const SilenceEntry *entry, SilenceState state) {
    const Silence *silence = &entry->silence;
    uint64_t id = id_head(silence->id);
    switch (state) {
    case SILENCE_ACTIVE:
        return (Listed){0, silence->ends_at, id, entry};
    case SILENCE_PENDING:
        return (Listed){1, silence->starts_at, id, entry};
    case SILENCE_EXPIRED:
        break;
    }
    return (Listed){2, -silence->ends_at, id, entry};
}

static const SilenceState state_of_rank[] = {SILENCE_ACTIVE, SILENCE_PENDING, SILENCE_EXPIRED};

static int compare_listed(const void *a, const void *b) {
    const Listed *x = a, *y = b;
    if (x->rank != y->rank) {
        return x->rank - y->rank;
    }
    int order = (x->by > y->by) - (x->by < y->by);
    order = order ? order : (x->id > y->id) - (x->id < y->id);
    return order ? order : str_cmp(x->entry->silence.id, y->entry->silence.id);
}

static bool has_matcher(const Silence *silence, const SilenceMatcher *wanted) {
    for (size_t i = 0; i < silence->matcher_count; i++) {
        if (silence_same_matcher(&silence->matchers[i], wanted)) {
            return true;
        }
    }
    return false;
}

static bool passes(const Silence *silence, const SilenceFilter *filter) {
    for (size_t i = 0; i < filter->matcher_count; i++) {
        if (!has_matcher(silence, &filter->matchers[i])) {
            return false;
        }
    }
    return true;
}

void notify_silence_list(Notify *notify, const SilenceFilter *filter, TimeMs now, Buf *out) {
    size_t count = 0, bytes = 2;
    pthread_rwlock_rdlock(&notify->lock);
    Listed *listed = mem_grow(NULL, (notify->silences_count + 1) * sizeof *listed);
    for (size_t i = 0; i < notify->silences_count; i++) {
        const SilenceEntry *entry = notify->silences[i];
        SilenceState state = silence_entry_state(entry, now);
        if (!filter->without[state] && passes(&entry->silence, filter)) {
            bytes += entry->text_head.len + entry->text_tail.len + sizeof "\"expired\",";
            listed[count++] = listed_of(entry, state);
        }
    }
    qsort(listed, count, sizeof *listed, compare_listed);
    buf_reserve(out, bytes);
    buf_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i) {
            buf_byte(out, ',');
        }
        put_text(out, listed[i].entry, state_of_rank[listed[i].rank]);
    }
    buf_byte(out, ']');
    pthread_rwlock_unlock(&notify->lock);
    free(listed);
}

bool notify_silence_print(Notify *notify, Str id, TimeMs now, Buf *out, TimeMs *ret_updated_at,
                          Err *err) {
    pthread_rwlock_rdlock(&notify->lock);
    const SilenceEntry *entry = silence_find(notify, id);
    if (entry) {
        put_text(out, entry, silence_entry_state(entry, now));
        *ret_updated_at = entry->silence.updated_at;
    }
    pthread_rwlock_unlock(&notify->lock);
    return entry || err_set(err, ERR_NOT_FOUND, "silence not found");
}
