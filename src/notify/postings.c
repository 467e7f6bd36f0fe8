#include "notify/postings.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

/*
 * A list is doubly linked through the alerts themselves, a link a label (LiveAlert.links): a list
 * may have all alerts, and an alert has to get out of it at once. A label of an alert has the text
 * of its LabelValue, which is how that is found again.
 */

typedef struct LabelValue {
    AlertLink *first;
    struct LabelValue *next_of_key; /* another value with the same hash */
    LabelName *name;
    uint32_t place; /* among the name's values */
    uint32_t alert_count;
    uint32_t len;
    char text[];
} LabelValue;

/* Names with the same hash are one here: whoever searches looks at the alerts' labels anyway. */
struct LabelName {
    uint64_t key;
    LabelValue **values; /* in no order */
    size_t values_count, values_cap;
};

static uint64_t name_key(Str name) {
    return hash64(name) | 1;
}

static uint64_t value_key(uint64_t name, Str value) {
    uint64_t key = name * hash64(value);
    return key ? key : 1;
}

static Str text_of(const LabelValue *value) {
    return (Str){value->text, value->len};
}

static LabelValue *find_value(const Notify *notify, uint64_t name, Str text) {
    LabelValue *value = idmap_get(&notify->postings, value_key(name, text));
    while (value && !(value->name->key == name && str_eq(text_of(value), text))) {
        value = value->next_of_key;
    }
    return value;
}

/* ---- coming and going ---- */

static LabelValue *add_value(Notify *notify, uint64_t name, Str text) {
    void **place = idmap_at(&notify->postings_names, name);
    LabelName *values = *place;
    if (!values) {
        values = *place = mem_zero(1, sizeof *values);
        values->key = name;
    }
    LabelValue *value = mem_grow(NULL, sizeof *value + text.len);
    void **first = idmap_at(&notify->postings, value_key(name, text));
    *value = (LabelValue){.next_of_key = *first,
                          .name = values,
                          .place = (uint32_t)values->values_count,
                          .len = (uint32_t)text.len};
    if (text.len) {
        memcpy(value->text, text.ptr, text.len);
    }
    *first = value;
    VEC_PUSH(*values, values, value);
    return value;
}

static void drop_value(Notify *notify, LabelValue *value) {
    LabelName *name = value->name;
    uint64_t key = value_key(name->key, text_of(value));
    LabelValue *first = idmap_get(&notify->postings, key);
    if (first != value) {
        while (first->next_of_key != value) {
            first = first->next_of_key;
        }
        first->next_of_key = value->next_of_key;
    } else if (value->next_of_key) {
        idmap_put(&notify->postings, key, value->next_of_key);
    } else {
        idmap_remove(&notify->postings, key);
    }
    LabelValue *last = name->values[--name->values_count];
    name->values[value->place] = last;
    last->place = value->place;
    free(value);
    if (!name->values_count) {
        idmap_remove(&notify->postings_names, name->key);
        free(name->values);
        free(name);
    }
}

void postings_add(Notify *notify, LiveAlert *alert, LabelSet labels, Str *ret_values) {
    for (size_t i = 0; i < labels.count; i++) {
        uint64_t name = name_key(labels.items[i].name);
        LabelValue *value = find_value(notify, name, labels.items[i].value);
        value = value ? value : add_value(notify, name, labels.items[i].value);
        AlertLink *link = &alert->links[i];
        *link = (AlertLink){.alert = alert, .next = value->first};
        if (value->first) {
            value->first->previous = link;
        }
        value->first = link;
        value->alert_count++;
        ret_values[i] = text_of(value);
    }
}

static LabelValue *value_of(Str text) {
    return (LabelValue *)((uintptr_t)text.ptr - offsetof(LabelValue, text));
}

void postings_remove(Notify *notify, LiveAlert *alert) {
    LabelSet labels = alert->alert.labels;
    for (size_t i = 0; i < labels.count; i++) {
        LabelValue *value = value_of(labels.items[i].value);
        AlertLink *link = &alert->links[i];
        if (link->next) {
            link->next->previous = link->previous;
        }
        if (link->previous) {
            link->previous->next = link->next;
        } else {
            assert(value->first == link);
            value->first = link->next;
        }
        if (--value->alert_count == 0) {
            drop_value(notify, value);
        }
    }
}

static void free_name(LabelName *name) {
    for (size_t i = 0; i < name->values_count; i++) {
        free(name->values[i]);
    }
    free(name->values);
    free(name);
}

void postings_clear(Notify *notify) {
    for (size_t i = 0; i < notify->postings_names.cap; i++) {
        if (notify->postings_names.slots[i].value) {
            free_name(notify->postings_names.slots[i].value);
        }
    }
    idmap_finish(&notify->postings_names);
    idmap_finish(&notify->postings);
}

/* ---- cursors ---- */

/* Absent labels match, too, and have no list. */
static bool leads_nowhere(const Matcher *matcher) {
    return matcher->matches_empty;
}

static bool is_known(const Matcher *matcher) {
    return matcher->type == MATCH_EQ || (matcher->type == MATCH_RE && matcher->literals);
}

static size_t known_count(const Matcher *matcher) {
    return matcher->type == MATCH_EQ ? 1 : matcher->literal_count;
}

static Str known_at(const Matcher *matcher, size_t at) {
    return matcher->type == MATCH_EQ ? matcher->value : matcher->literals[at];
}

/* Literals are sorted: `x|x` has them side by side. */
static bool is_repeated(const Matcher *matcher, size_t at) {
    return at > 0 && str_eq(known_at(matcher, at - 1), known_at(matcher, at));
}

/* How far ahead memory is asked for: values lie all over it. */
enum { VALUES_AHEAD = 8 };

static const LabelValue *next_tried(PostingsCursor *cursor) {
    const LabelName *name = cursor->name;
    while (cursor->value_at < name->values_count) {
        size_t at = cursor->value_at++;
        if (at + VALUES_AHEAD < name->values_count) {
            PREFETCH(name->values[at + VALUES_AHEAD]);
        }
        if (matcher_matches(cursor->matcher, text_of(name->values[at]))) {
            return name->values[at];
        }
    }
    return NULL;
}

static const LabelValue *next_known(const Notify *notify, PostingsCursor *cursor) {
    const Matcher *matcher = cursor->matcher;
    uint64_t name = name_key(matcher->name);
    while (cursor->value_at < known_count(matcher)) {
        size_t at = cursor->value_at++;
        const LabelValue *value =
            is_repeated(matcher, at) ? NULL : find_value(notify, name, known_at(matcher, at));
        if (value) {
            return value;
        }
    }
    return NULL;
}

/* NULL at the end. */
static const LabelValue *next_value(const Notify *notify, PostingsCursor *cursor) {
    return cursor->name ? next_tried(cursor) : next_known(notify, cursor);
}

static PostingsCursor cursor_of(const Notify *notify, const Matcher *matcher) {
    PostingsCursor cursor = {.matcher = matcher};
    if (!is_known(matcher)) {
        cursor.name = idmap_get(&notify->postings_names, name_key(matcher->name));
    }
    return cursor;
}

/* How many alerts a cursor leads to; stops counting at `enough`. */
static size_t count_alerts(const Notify *notify, PostingsCursor cursor, size_t enough) {
    size_t count = 0;
    const LabelValue *value;
    while (count < enough && (value = next_value(notify, &cursor))) {
        count += value->alert_count;
    }
    return count;
}

/* ---- the shortest way ---- */

/* Running an expression costs about as much as looking at so many alerts. */
enum { TRY_COSTS_ALERTS = 4 };

typedef struct Choice {
    PostingsCursor cursor;
    size_t count;  /* of its alerts, or more; SIZE_MAX = there is no choice */
    bool is_guess; /* it may lead to far fewer */
} Choice;

static void consider_known(const Notify *notify, const Matcher *matcher, Choice *best) {
    PostingsCursor cursor = cursor_of(notify, matcher);
    size_t count = count_alerts(notify, cursor, best->count);
    if (count < best->count) {
        *best = (Choice){cursor, count, false};
    }
}

/* All values have to be tried to know how many alerts they lead to: where there is another way,
 * that pays only for few values. */
static void consider_tried(const Notify *notify, const Matcher *matcher, Choice *best) {
    PostingsCursor cursor = cursor_of(notify, matcher);
    size_t values = cursor.name ? cursor.name->values_count : 0;
    if (values == 0) {
        *best = (Choice){cursor, 0, false};
    } else if (best->count == SIZE_MAX) {
        *best = (Choice){cursor, notify->alerts.count, !matcher->any};
    } else if (values < best->count / TRY_COSTS_ALERTS) {
        size_t count = count_alerts(notify, cursor, best->count);
        if (count < best->count) {
            *best = (Choice){cursor, count, false};
        }
    }
}

static PostingsScan scan_of(const Notify *notify, const MatcherSet *filter, bool tries) {
    Choice best = {.count = SIZE_MAX};
    for (int known = 1; known >= !tries; known--) {
        for (size_t i = 0; i < filter->count; i++) {
            const Matcher *matcher = &filter->items[i];
            if (leads_nowhere(matcher) || is_known(matcher) != known) {
                continue;
            }
            if (known) {
                consider_known(notify, matcher, &best);
            } else {
                consider_tried(notify, matcher, &best);
            }
        }
    }
    bool leads_to_most = !best.is_guess && best.count > notify->alerts.count / 2;
    return (PostingsScan){.notify = notify,
                          .filter = filter,
                          .cursor = best.cursor,
                          .everywhere = leads_to_most, /* or there is no way */
                          .nowhere = best.count == 0};
}

PostingsScan postings_scan(const Notify *notify, const MatcherSet *filter) {
    return scan_of(notify, filter, true);
}

PostingsScan postings_scan_known(const Notify *notify, const MatcherSet *filter) {
    return scan_of(notify, filter, false);
}

/* A look at one takes a fraction of the time that memory does. */
enum { ALERTS_AHEAD = 32 };

static void ask_for(const LiveAlert *far, const LiveAlert *near) {
    if (far) {
        PREFETCH(far);
        PREFETCH(&far->alert.ends_at);
        PREFETCH(&far->fingerprint);
    }
    if (near) {
        PREFETCH(near->alert.labels.items);
    }
}

static LiveAlert *next_anywhere(PostingsScan *scan) {
    const IdMap *all = &scan->notify->alerts;
    while (scan->slot < all->cap) {
        LiveAlert *alert = all->slots[scan->slot++].value;
        if (scan->slot + ALERTS_AHEAD < all->cap) {
            ask_for(all->slots[scan->slot + ALERTS_AHEAD].value,
                    all->slots[scan->slot + ALERTS_AHEAD / 2].value);
        }
        if (alert) {
            return alert;
        }
    }
    return NULL;
}

LiveAlert *postings_candidate(PostingsScan *scan) {
    PostingsCursor *cursor = &scan->cursor;
    if (scan->everywhere) {
        return next_anywhere(scan);
    }
    while (!scan->nowhere && !cursor->at) {
        const LabelValue *value = next_value(scan->notify, cursor);
        scan->nowhere = value == NULL;
        cursor->at = value ? value->first : NULL;
    }
    if (scan->nowhere) {
        return NULL;
    }
    scan->link = cursor->at;
    cursor->at = cursor->at->next;
    return scan->link->alert;
}

/* The list it was found in says that it matches; unless that is of a name with the same hash. */
static bool is_led_to(const PostingsScan *scan, const LiveAlert *alert) {
    const AlertLink *link = scan->link;
    return !scan->everywhere &&
           str_eq(alert->alert.labels.items[link - alert->links].name, scan->cursor.matcher->name);
}

static bool matches(const PostingsScan *scan, const LiveAlert *alert) {
    LabelSet labels = alert->alert.labels;
    const Matcher *known = is_led_to(scan, alert) ? scan->cursor.matcher : NULL;
    for (size_t i = 0; i < scan->filter->count; i++) {
        const Matcher *matcher = &scan->filter->items[i];
        if (matcher != known && !matcher_matches(matcher, labels_get(labels, matcher->name))) {
            return false;
        }
    }
    return true;
}

LiveAlert *postings_next(PostingsScan *scan) {
    LiveAlert *alert;
    while ((alert = postings_candidate(scan)) && !matches(scan, alert)) {
    }
    return alert;
}
