#include "web/usage.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"

/* One name or pattern; texts on the heap. */
typedef struct UsageEntry {
    char *name;      /* NULL: free slot */
    Matcher matcher; /* of a pattern, in the arena */
    TimeMs at;
    char text[USAGE_TEXT_MAX];
} UsageEntry;

struct Usage {
    pthread_mutex_t lock;
    UsageEntry *names; /* open addressing by hash of the name, at most half full */
    size_t name_count, slot_count;
    UsageEntry *patterns; /* a list */
    size_t pattern_count;
    Arena arena; /* of the patterns' matchers */
};

Usage *usage_new(void) {
    Usage *usage = mem_zero(1, sizeof *usage);
    pthread_mutex_init(&usage->lock, NULL);
    usage->slot_count = 64;
    usage->names = mem_zero(usage->slot_count, sizeof *usage->names);
    return usage;
}

void usage_free(Usage *usage) {
    if (!usage) {
        return;
    }
    for (size_t i = 0; i < usage->slot_count; i++) {
        free(usage->names[i].name);
    }
    for (size_t i = 0; i < usage->pattern_count; i++) {
        free(usage->patterns[i].name);
        matcher_finish(&usage->patterns[i].matcher);
    }
    arena_finish(&usage->arena);
    free(usage->names);
    free(usage->patterns);
    pthread_mutex_destroy(&usage->lock);
    free(usage);
}

/* ---- the tables, under the lock ---- */

/* Where the name is, or would be put. */
static UsageEntry *find_slot(UsageEntry *slots, size_t slot_count, Str name) {
    size_t at = hash64(name) & (slot_count - 1);
    while (slots[at].name && !str_eq(str_of(slots[at].name), name)) {
        at = (at + 1) & (slot_count - 1);
    }
    return &slots[at];
}

static void grow(Usage *usage) {
    size_t slot_count = usage->slot_count * 2;
    UsageEntry *slots = mem_zero(slot_count, sizeof *slots);
    for (size_t i = 0; i < usage->slot_count; i++) {
        if (usage->names[i].name) {
            *find_slot(slots, slot_count, str_of(usage->names[i].name)) = usage->names[i];
        }
    }
    free(usage->names);
    usage->names = slots;
    usage->slot_count = slot_count;
}

static char *text_copy(Str text) {
    char *copy = mem_zero(text.len + 1, 1);
    if (text.len) {
        memcpy(copy, text.ptr, text.len);
    }
    return copy;
}

/* NULL when there is no room for another one. */
static UsageEntry *name_entry(Usage *usage, Str name) {
    UsageEntry *entry = find_slot(usage->names, usage->slot_count, name);
    if (entry->name) {
        return entry;
    }
    if (usage->name_count == USAGE_METRICS_MAX) {
        return NULL;
    }
    if (usage->name_count * 2 >= usage->slot_count) {
        grow(usage);
        entry = find_slot(usage->names, usage->slot_count, name);
    }
    entry->name = text_copy(name);
    usage->name_count++;
    return entry;
}

static UsageEntry *pattern_entry(Usage *usage, const Matcher *matcher) {
    for (size_t i = 0; i < usage->pattern_count; i++) {
        UsageEntry *entry = &usage->patterns[i];
        if (str_eq(str_of(entry->name), matcher->value)) {
            return entry;
        }
    }
    Matcher own;
    Err ignored;
    if (usage->pattern_count == USAGE_PATTERNS_MAX ||
        !matcher_init(&usage->arena, MATCH_RE, LABEL_METRIC_NAME, matcher->value, &own, &ignored)) {
        return NULL;
    }
    if (!usage->patterns) {
        usage->patterns = mem_zero(USAGE_PATTERNS_MAX, sizeof *usage->patterns);
    }
    UsageEntry *entry = &usage->patterns[usage->pattern_count++];
    entry->name = text_copy(matcher->value);
    entry->matcher = own;
    return entry;
}

/* ---- noting ---- */

typedef struct Visit {
    void (*visit)(void *ctx, const Matcher *name);
    void *ctx;
} Visit;

static void visit_set(void *ctx, const MatcherSet *set, DurationMs range) {
    (void)range;
    const Visit *visit = ctx;
    bool any = false;
    for (size_t i = 0; i < set->count; i++) {
        if (str_eq(set->items[i].name, LABEL_METRIC_NAME)) {
            visit->visit(visit->ctx, &set->items[i]);
            any = true;
        }
    }
    if (!any) {
        visit->visit(visit->ctx, NULL);
    }
}

void usage_names(const Expr *expr, void (*visit)(void *ctx, const Matcher *name), void *ctx) {
    Visit walk = {visit, ctx};
    expr_selectors(expr, visit_set, &walk);
}

typedef struct Noting {
    Usage *usage;
    Str text;
    TimeMs now;
} Noting;

static void note_entry(const Noting *noting, UsageEntry *entry) {
    if (entry) {
        size_t len = noting->text.len < USAGE_TEXT_MAX - 1 ? noting->text.len : USAGE_TEXT_MAX - 1;
        memcpy(entry->text, noting->text.ptr, len);
        entry->text[len] = '\0';
        entry->at = noting->now;
    }
}

/* A query that names no metric (`{job="node"}`) tells nothing about one. */
static void note_name(void *ctx, const Matcher *name) {
    const Noting *noting = ctx;
    if (!name) {
        return;
    }
    if (name->type == MATCH_EQ) {
        note_entry(noting, name_entry(noting->usage, name->value));
        return;
    }
    for (size_t i = 0; name->type == MATCH_RE && i < name->literal_count; i++) {
        note_entry(noting, name_entry(noting->usage, name->literals[i]));
    }
    if (name->type == MATCH_RE && !name->literals && !name->any) {
        note_entry(noting, pattern_entry(noting->usage, name));
    }
}

void usage_note(Usage *usage, const Expr *expr, Str text, TimeMs now) {
    Noting noting = {usage, text, now};
    pthread_mutex_lock(&usage->lock);
    usage_names(expr, note_name, &noting);
    pthread_mutex_unlock(&usage->lock);
}

/* ---- asking ---- */

UsageView usage_find(Usage *usage, Str metric, Arena *arena) {
    pthread_mutex_lock(&usage->lock);
    const UsageEntry *newest = find_slot(usage->names, usage->slot_count, metric);
    for (size_t i = 0; i < usage->pattern_count; i++) {
        const UsageEntry *entry = &usage->patterns[i];
        if (entry->at > newest->at && matcher_matches(&entry->matcher, metric)) {
            newest = entry;
        }
    }
    UsageView view = {newest->at, arena_str(arena, str_of(newest->text))};
    pthread_mutex_unlock(&usage->lock);
    return view;
}
