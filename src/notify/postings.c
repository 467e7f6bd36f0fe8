#include "notify/postings.h"

/*
 * A list is doubly linked through the alerts themselves, a link a label (LiveAlert.links): a list
 * may have all alerts, and an alert has to get out of it at once. The map knows where each list
 * begins.
 */

static uint64_t list_key(Str name, Str value) {
    uint64_t key = (hash64(name) | 1) * hash64(value);
    return key ? key : 1;
}

void postings_add(Notify *notify, LiveAlert *alert) {
    LabelSet labels = alert->alert.labels;
    for (size_t i = 0; i < labels.count; i++) {
        uint64_t key = list_key(labels.items[i].name, labels.items[i].value);
        void **place = idmap_at(&notify->postings, key);
        AlertLink *link = &alert->links[i], *first = *place;
        *link = (AlertLink){.alert = alert, .next = first};
        if (first) {
            first->previous = link;
        }
        *place = link;
    }
}

void postings_remove(Notify *notify, LiveAlert *alert) {
    LabelSet labels = alert->alert.labels;
    for (size_t i = 0; i < labels.count; i++) {
        AlertLink *link = &alert->links[i];
        if (link->next) {
            link->next->previous = link->previous;
        }
        if (link->previous) {
            link->previous->next = link->next;
            continue;
        }
        uint64_t key = list_key(labels.items[i].name, labels.items[i].value);
        if (link->next) {
            idmap_put(&notify->postings, key, link->next);
        } else {
            idmap_remove(&notify->postings, key);
        }
    }
}

/* ---- cursors ---- */

static size_t value_count(const Matcher *matcher) {
    if (matcher->matches_empty) { /* absent labels match, too, and have no list */
        return 0;
    }
    return matcher->type == MATCH_EQ                        ? 1
           : matcher->type == MATCH_RE && matcher->literals ? matcher->literal_count
                                                            : 0;
}

static Str value_at(const Matcher *matcher, size_t at) {
    return matcher->type == MATCH_EQ ? matcher->value : matcher->literals[at];
}

static bool is_repeated(const Matcher *matcher, size_t at) {
    for (size_t i = 0; i < at; i++) {
        if (str_eq(value_at(matcher, i), value_at(matcher, at))) {
            return true;
        }
    }
    return false;
}

/* To the first of the next list that is not empty. */
static void next_list(const Notify *notify, PostingsCursor *cursor) {
    const Matcher *matcher = cursor->matcher;
    while (!cursor->at && cursor->value_at < value_count(matcher)) {
        size_t at = cursor->value_at++;
        if (!is_repeated(matcher, at)) {
            cursor->at =
                idmap_get(&notify->postings, list_key(matcher->name, value_at(matcher, at)));
        }
    }
}

static void advance(const Notify *notify, PostingsCursor *cursor) {
    cursor->at = cursor->at->next;
    next_list(notify, cursor);
}

/* All go on side by side until one is at its end: that is the shortest way. */
static size_t find_shortest(const Notify *notify, const PostingsCursor *cursors, size_t count) {
    PostingsCursor runners[POSTINGS_CURSORS_MAX];
    memcpy(runners, cursors, count * sizeof *runners);
    for (;;) {
        for (size_t i = 0; i < count; i++) {
            if (!runners[i].at) {
                return i;
            }
            advance(notify, &runners[i]);
        }
    }
}

PostingsScan postings_scan(const Notify *notify, const MatcherSet *filter) {
    PostingsCursor cursors[POSTINGS_CURSORS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < filter->count && count < POSTINGS_CURSORS_MAX; i++) {
        if (value_count(&filter->items[i])) {
            cursors[count] = (PostingsCursor){.matcher = &filter->items[i]};
            next_list(notify, &cursors[count++]);
        }
    }
    PostingsScan scan = {.notify = notify, .filter = filter, .everywhere = count == 0};
    if (count) {
        scan.cursor = cursors[count == 1 ? 0 : find_shortest(notify, cursors, count)];
    }
    return scan;
}

LiveAlert *postings_candidate(PostingsScan *scan) {
    const IdMap *all = &scan->notify->alerts;
    while (scan->everywhere && scan->slot < all->cap) {
        LiveAlert *alert = all->slots[scan->slot++].value;
        if (alert) {
            return alert;
        }
    }
    if (scan->everywhere || !scan->cursor.at) {
        return NULL;
    }
    LiveAlert *alert = scan->cursor.at->alert;
    advance(scan->notify, &scan->cursor);
    return alert;
}

LiveAlert *postings_next(PostingsScan *scan) {
    LiveAlert *alert;
    while ((alert = postings_candidate(scan)) &&
           !matcher_set_matches(scan->filter, alert->alert.labels)) {
    }
    return alert;
}
