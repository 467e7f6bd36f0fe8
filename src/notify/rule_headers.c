#include "notify/rule_headers.h"

#include <stdlib.h>

#include "base/mem.h"

/* In `meta`: the key, its headers a line each, an empty line; and so on. */
static const char meta_key[] = "notifier_headers";

static int by_key(const void *a, const void *b) {
    const AlertHeaders *x = a, *y = b;
    return str_cmp(x->rule_key, y->rule_key);
}

static const AlertHeaders *find(const AlertHeaders *list, size_t count, Str rule_key) {
    AlertHeaders key = {.rule_key = rule_key};
    return count ? bsearch(&key, list, count, sizeof *list, by_key) : NULL;
}

Str rule_headers_of(const Notify *notify, const LiveAlert *alert) {
    const AlertHeaders *found =
        find(notify->rule_headers, notify->rule_header_count, alert->alert.rule_key);
    return found ? found->headers : STR("");
}

/* Up to the empty line, which is skipped. */
static Str take_entry(Str *rest) {
    size_t end = 0;
    while (end < rest->len &&
           !(rest->ptr[end] == '\n' && (end + 1 == rest->len || rest->ptr[end + 1] == '\n'))) {
        end++;
    }
    size_t line = end < rest->len ? end + 1 : end;
    Str entry = {rest->ptr, line};
    *rest = str_skip(*rest, line < rest->len ? line + 1 : line);
    return entry;
}

/* Puts what `text` says in the place of what was there. */
static void read_text(Notify *notify, Str text) {
    Arena arena = {0};
    Str rest = arena_str(&arena, text);
    AlertHeaders *list = arena_array(&arena, AlertHeaders, text.len / 2 + 1);
    size_t count = 0;
    while (rest.len) {
        Str entry = take_entry(&rest);
        size_t line = str_find(entry, '\n');
        if (line < entry.len) {
            list[count++] = (AlertHeaders){{entry.ptr, line}, str_skip(entry, line + 1)};
        }
    }
    if (count) {
        qsort(list, count, sizeof *list, by_key);
    }
    arena_finish(&notify->rule_headers_arena);
    notify->rule_headers_arena = arena;
    notify->rule_headers = list;
    notify->rule_header_count = count;
}

bool rule_headers_load(Notify *notify, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Str text;
    Err absent = {0};
    if (state_meta_get(notify->state, meta_key, &arena, &text, &absent)) {
        read_text(notify, text);
        return true;
    }
    if (absent.kind != ERR_NOT_FOUND) {
        *err = absent;
        return false;
    }
    return true;
}

static bool has_alert(const Notify *notify, Str rule_key) {
    for (size_t i = 0; i < notify->alerts.cap; i++) {
        const LiveAlert *alert = notify->alerts.slots[i].value;
        if (alert && str_eq(alert->alert.rule_key, rule_key)) {
            return true;
        }
    }
    return false;
}

static void put_entry(Buf *text, const AlertHeaders *entry) {
    buf_str(text, entry->rule_key);
    buf_byte(text, '\n');
    buf_str(text, entry->headers);
    buf_byte(text, '\n');
}

/* Those of the rules, and those of rules that are gone while their alerts are not. */
static void put_all(const Notify *notify, const AlertHeaders *list, size_t count, Buf *text) {
    for (size_t i = 0; i < count; i++) {
        bool again = i && str_eq(list[i].rule_key, list[i - 1].rule_key);
        if (list[i].headers.len && !again) {
            put_entry(text, &list[i]);
        }
    }
    for (size_t i = 0; i < notify->rule_header_count; i++) {
        const AlertHeaders *old = &notify->rule_headers[i];
        if (!find(list, count, old->rule_key) && has_alert(notify, old->rule_key)) {
            put_entry(text, old);
        }
    }
}

static bool any_headers(const AlertHeaders *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (list[i].headers.len) {
            return true;
        }
    }
    return false;
}

bool notify_set_headers(Notify *notify, const AlertHeaders *list, size_t count, TimeMs now,
                        Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf text = {0};
    StateTx *tx;
    pthread_rwlock_rdlock(&notify->lock);
    bool nothing = !notify->rule_header_count && !any_headers(list, count);
    pthread_rwlock_unlock(&notify->lock);
    if (nothing) {
        return true;
    }
    AlertHeaders *sorted = arena_array(&arena, AlertHeaders, count + 1);
    if (count) {
        memcpy(sorted, list, count * sizeof *list);
        qsort(sorted, count, sizeof *sorted, by_key);
    }
    if (!live_begin(notify, now, &tx, err)) {
        return false;
    }
    put_all(notify, sorted, count, &text);
    bool ok = state_meta_set(tx, meta_key, buf_view(&text), err);
    if (ok) {
        read_text(notify, buf_view(&text));
    }
    return live_end(notify, tx, ok, err);
}
