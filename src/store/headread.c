/* Reading the head: which series match, and their samples. */

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/headchunk.h"
#include "store/seriesdata.h"

/* ---- matching ---- */

/*
 * A matcher looks at one label, so at one part of a series. Its answer for a part is found once per
 * query: `answers` has a byte per part (0 = not yet asked, 1 = no, 2 = yes). The empty part stands
 * for "no such label" in each of the four places and is answered separately.
 */
typedef struct SetQuery {
    const MatcherSet *set;
    const Matcher **of_part[PART_COUNT]; /* ends with NULL */
    uint8_t *answers;
    uint32_t answer_count;
    bool empty_matches[PART_COUNT];
    const Matcher *name; /* an equality on the name that drives the search, or NULL */
} SetQuery;

static bool part_matches(const Matcher *const *matchers, LabelSet part) {
    for (; *matchers; matchers++) {
        if (!matcher_matches(*matchers, labels_get(part, (*matchers)->name))) {
            return false;
        }
    }
    return true;
}

static void set_query(const MatcherSet *set, uint32_t part_count, Arena *arena, SetQuery *query) {
    *query = (SetQuery){.set = set, .answer_count = part_count};
    size_t count[PART_COUNT] = {0};
    for (int kind = 0; kind < PART_COUNT; kind++) {
        query->of_part[kind] = arena_array(arena, const Matcher *, set->count + 1);
    }
    for (size_t i = 0; i < set->count; i++) {
        const Matcher *matcher = &set->items[i];
        LabelPart kind = label_part(matcher->name);
        query->of_part[kind][count[kind]++] = matcher;
    }
    for (int kind = 0; kind < PART_COUNT; kind++) {
        query->empty_matches[kind] = part_matches(query->of_part[kind], (LabelSet){0});
    }
    query->answers = arena_alloc(arena, part_count);
}

static bool ask_part(const PartTable *parts, SetQuery *query, int kind, uint32_t id) {
    if (!query->of_part[kind][0]) {
        return true;
    }
    if (id == 0) {
        return query->empty_matches[kind];
    }
    uint8_t known = id < query->answer_count ? query->answers[id] : 0;
    if (!known) {
        Label room[LABELS_MAX];
        bool matches = part_matches(query->of_part[kind], parttable_labels(parts, id, room));
        known = matches ? 2 : 1;
        if (id < query->answer_count) {
            query->answers[id] = known;
        }
    }
    return known == 2;
}

static bool series_matches(const PartTable *parts, SetQuery *query, const HeadSeries *series) {
    for (int kind = 0; kind < PART_COUNT; kind++) {
        if (!ask_part(parts, query, kind, series->part[kind])) {
            return false;
        }
    }
    return true;
}

/* ---- walking ---- */

typedef struct HeadSearch {
    Head *head;
    bool every; /* whatever samples they have */
    bool first; /* one is enough */
    uint32_t epoch;
    TimeMs from, to;
    SetQuery *queries;
    size_t query_count;
    bool any_source; /* else: series of `source` only */
    uint32_t source;
    HeadRef *found; /* on the heap */
    size_t found_count, found_cap;
} HeadSearch;

static bool any_matches(HeadSearch *search, const HeadSeries *series) {
    if (search->query_count == 0) {
        return true;
    }
    for (size_t i = 0; i < search->query_count; i++) {
        if (series_matches(&search->head->parts, &search->queries[i], series)) {
            return true;
        }
    }
    return false;
}

static void look_at(HeadSearch *search, const HeadShard *shard, unsigned shard_index,
                    uint32_t slot) {
    const HeadSeries *series = shard_series(shard, slot);
    bool wanted = search->every || head_has_chunks(series); /* most have none after a flush */
    if (!wanted || series->part[0] == UINT32_MAX || !any_matches(search, series)) {
        return;
    }
    if (!search->every &&
        !headchunk_any(search->head, shard, series, search->epoch, search->from, search->to)) {
        return;
    }
    VEC_PUSH(*search, found, (HeadRef)shard_index << HEAD_SLOT_BITS | slot);
}

/* Where every set says `__name__="..."`: the names' numbers are looked up. */
static bool named_exactly(const HeadSearch *search, Arena *arena, uint32_t **ret_names,
                          size_t *ret_count) {
    PartTable *parts = &search->head->parts;
    uint32_t *names = arena_raw(arena, (search->query_count + 1) * sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < search->query_count; i++) {
        const Matcher *const *matchers = search->queries[i].of_part[PART_NAME];
        while (*matchers && ((*matchers)->type != MATCH_EQ || (*matchers)->value.len == 0)) {
            matchers++;
        }
        if (!*matchers) {
            return false;
        }
        Label label = {LABEL_METRIC_NAME, (*matchers)->value};
        parttable_lock(parts);
        uint32_t id = parttable_find(parts, (LabelSet){&label, 1});
        parttable_unlock(parts);
        bool known = id == UINT32_MAX;
        for (size_t j = 0; j < count && !known; j++) {
            known = names[j] == parttable_entry(parts, id)->source;
        }
        if (!known) {
            names[count++] = parttable_entry(parts, id)->source;
        }
    }
    *ret_names = names;
    *ret_count = count;
    return true;
}

/* The matcher that lets one value of the label through and no other, if there is one. */
static const Matcher *equality(const MatcherSet *set, Str name) {
    for (size_t i = 0; i < set->count; i++) {
        const Matcher *matcher = &set->items[i];
        if (matcher->type == MATCH_EQ && matcher->value.len && str_eq(matcher->name, name)) {
            return matcher;
        }
    }
    return NULL;
}

/* The one source all series found belong to, if the question tells it. */
static void wanted_source(HeadSearch *search) {
    const Matcher *literal = search->query_count == 1 ? equality(search->queries[0].set,
                                                                 str_of(search->head->source_label))
                                                      : NULL;
    search->any_source = literal == NULL;
    if (literal) {
        search->source = sources_find(&search->head->sources, literal->value);
    }
}

/* Numbers of the names that all series found can have, if every set tells its name; false if one
 * does not. */
static bool wanted_names(HeadSearch *search, Arena *arena, uint32_t **ret_names,
                         size_t *ret_count) {
    if (search->query_count == 0) {
        return false;
    }
    for (size_t i = 0; i < search->query_count; i++) {
        if (search->queries[i].empty_matches[PART_NAME]) {
            return false; /* no matcher on the name, or one that takes series without name */
        }
    }
    if (named_exactly(search, arena, ret_names, ret_count)) {
        return true;
    }
    const PartTable *parts = &search->head->parts;
    uint32_t part_count = parttable_count(parts);
    uint32_t *names = arena_raw(arena, part_count * sizeof *names);
    size_t count = 0;
    for (uint32_t id = 1; id < part_count; id++) {
        const PartEntry *entry = parttable_entry(parts, id);
        bool wanted = false;
        for (size_t i = 0; i < search->query_count && entry->kind == PART_NAME && !wanted; i++) {
            wanted = ask_part(parts, &search->queries[i], PART_NAME, id);
        }
        if (wanted) {
            names[count++] = entry->source;
        }
    }
    *ret_names = names;
    *ret_count = count;
    return true;
}

static bool is_done(const HeadSearch *search) {
    return search->first && search->found_count > 0;
}

static void walk_chain(HeadSearch *search, const HeadShard *shard, unsigned shard_index,
                       uint32_t next) {
    while (next && !is_done(search)) {
        look_at(search, shard, shard_index, next - 1);
        next = shard_series(shard, next - 1)->next;
    }
}

static void walk_shard(HeadSearch *search, unsigned shard_index, const uint32_t *names,
                       size_t name_count) {
    HeadShard *shard = &search->head->shards[shard_index];
    pthread_mutex_lock(&shard->lock);
    bool empty = shard->chunks == 0 && !search->every;
    if (!names) {
        for (uint32_t slot = 0; slot < shard->slot_count && !empty && !is_done(search); slot++) {
            look_at(search, shard, shard_index, slot);
        }
    }
    for (size_t i = 0; i < name_count && !empty; i++) {
        const HeadName none = {0};
        const HeadName *name = names[i] < shard->names_count ? &shard->names[names[i]] : &none;
        name = name->idle && !search->every ? &none : name;
        for (uint32_t k = 0; k < name->count; k++) {
            if (search->any_source || name->chains[k].source == search->source) {
                walk_chain(search, shard, shard_index, name->chains[k].first);
            }
        }
    }
    pthread_mutex_unlock(&shard->lock);
}

static HeadMatch match_of(Head *head, HeadRef ref, Arena *arena) {
    HeadShard *shard = head_shard(head, ref);
    uint32_t part[PART_COUNT];
    pthread_mutex_lock(&shard->lock);
    memcpy(part, shard_series(shard, head_slot(ref))->part, sizeof part);
    pthread_mutex_unlock(&shard->lock);
    Label room[LABELS_MAX];
    LabelSet labels = head_labels(head, part, room);
    Label *copy = arena_raw(arena, labels.count * sizeof *copy);
    memcpy(copy, room, labels.count * sizeof *copy);
    return (HeadMatch){ref, {copy, labels.count}};
}

/* Refs of all series that match are in `found`, on the heap. */
static void run_search(HeadSearch *asked, const MatcherSet *sets, size_t set_count) {
    AUTO(arena_finish) Arena scratch = {0};
    Head *head = asked->head;
    HeadSearch search = *asked;
    search.query_count = set_count;
    search.queries = arena_array(&scratch, SetQuery, set_count);
    uint32_t part_count = parttable_count(&head->parts);
    for (size_t i = 0; i < set_count; i++) {
        set_query(&sets[i], part_count, &scratch, &search.queries[i]);
    }
    uint32_t *names = NULL;
    size_t name_count = 0;
    (void)wanted_names(&search, &scratch, &names, &name_count);
    wanted_source(&search);
    for (unsigned shard = 0; shard < HEAD_SHARDS && !is_done(&search); shard++) {
        walk_shard(&search, shard, names, name_count);
    }
    search.queries = NULL;
    *asked = search;
}

static void search_labels(HeadSearch *search, const MatcherSet *sets, size_t set_count,
                          Arena *arena, HeadMatch **ret_matches, size_t *ret_count) {
    run_search(search, sets, set_count);
    HeadMatch *matches = arena_raw(arena, (search->found_count + 1) * sizeof *matches);
    for (size_t i = 0; i < search->found_count; i++) {
        matches[i] = match_of(search->head, search->found[i], arena);
    }
    *ret_matches = matches;
    *ret_count = search->found_count;
    free(search->found);
}

void head_select(Head *head, uint32_t epoch, const MatcherSet *sets, size_t set_count, TimeMs from,
                 TimeMs to, Arena *arena, HeadMatch **ret_matches, size_t *ret_count) {
    HeadSearch search = {.head = head, .epoch = epoch, .from = from, .to = to};
    search_labels(&search, sets, set_count, arena, ret_matches, ret_count);
}

void head_select_all(Head *head, const MatcherSet *sets, size_t set_count, Arena *arena,
                     HeadMatch **ret_matches, size_t *ret_count) {
    HeadSearch search = {.head = head, .every = true};
    search_labels(&search, sets, set_count, arena, ret_matches, ret_count);
}

bool head_sees(Head *head, uint32_t epoch, HeadRef ref, TimeMs from, TimeMs to) {
    HeadShard *shard = head_shard(head, ref);
    pthread_mutex_lock(&shard->lock);
    bool any = headchunk_any(head, shard, shard_series(shard, head_slot(ref)), epoch, from, to);
    pthread_mutex_unlock(&shard->lock);
    return any;
}

bool head_any(Head *head, uint32_t epoch, const MatcherSet *sets, size_t set_count, TimeMs from,
              TimeMs to) {
    HeadSearch search = {.head = head, .first = true, .epoch = epoch, .from = from, .to = to};
    run_search(&search, sets, set_count);
    bool any = search.found_count > 0;
    free(search.found);
    return any;
}

void head_used_parts(Head *head, uint32_t epoch, const MatcherSet *sets, size_t set_count,
                     TimeMs from, TimeMs to, Arena *arena, uint32_t **ret_parts,
                     size_t *ret_count) {
    HeadSearch search = {.head = head, .epoch = epoch, .from = from, .to = to};
    run_search(&search, sets, set_count);
    uint32_t part_count = parttable_count(&head->parts);
    AUTO(arena_finish) Arena scratch = {0};
    bool *used = arena_array(&scratch, bool, part_count);
    uint32_t *parts = arena_raw(arena, (part_count + 1) * sizeof *parts);
    size_t count = 0;
    for (size_t i = 0; i < search.found_count; i++) {
        HeadShard *shard = head_shard(head, search.found[i]);
        pthread_mutex_lock(&shard->lock);
        const HeadSeries *series = shard_series(shard, head_slot(search.found[i]));
        for (int kind = 0; kind < PART_COUNT; kind++) {
            if (series->part[kind] < part_count && !used[series->part[kind]]) {
                used[series->part[kind]] = true;
                parts[count++] = series->part[kind];
            }
        }
        pthread_mutex_unlock(&shard->lock);
    }
    free(search.found);
    *ret_parts = parts;
    *ret_count = count;
}

/* ---- samples ---- */

void head_read_locked(const Head *head, const HeadShard *shard, const HeadSeries *series,
                      uint32_t epoch, TimeMs from, TimeMs to, Arena *arena, SeriesData *ret_data) {
    ChunkView *views = NULL;
    size_t count = headchunk_views(head, shard, series, epoch, from, to, arena, &views);
    headchunk_decode(views, count, from, to, arena, ret_data);
}

void head_read(Head *head, uint32_t epoch, HeadRef ref, TimeMs from, TimeMs to, Arena *arena,
               SeriesData *ret_data) {
    HeadShard *shard = head_shard(head, ref);
    pthread_mutex_lock(&shard->lock);
    const HeadSeries *series = shard_series(shard, head_slot(ref));
    ChunkView *views = NULL;
    size_t count = headchunk_views(head, shard, series, epoch, from, to, arena, &views);
    for (size_t i = 0; i < count; i++) {
        uint8_t *copy = arena_raw(arena, views[i].len);
        memcpy(copy, views[i].bytes, views[i].len);
        views[i].bytes = copy;
    }
    pthread_mutex_unlock(&shard->lock);
    headchunk_decode(views, count, from, to, arena, ret_data);
}
