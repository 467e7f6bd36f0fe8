/*
 * A hash table of metrics, each with a short list of sayings. In front of it stands a set of hashes
 * of what was said before: senders repeat themselves, and that is found out under a lock that
 * readers share.
 */

#include "ingest/metadata.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"

enum { SLOTS = 1 << 17, KNOWN_SLOTS = 1 << 18, NAME_BYTES_MAX = 1024, WORD_BYTES_MAX = 64 };

/* One allocation: the texts stand behind it. */
typedef struct Saying {
    struct Saying *next; /* older ones */
    MetricMeta meta;
} Saying;

typedef struct Metric {
    Str name;
    Saying *newest;
    size_t count;
} Metric;

struct Metadata {
    pthread_rwlock_t lock;
    Metric *slots[SLOTS]; /* open addressing; names never go */
    size_t count;
    uint64_t known[KNOWN_SLOTS]; /* 0 = free; emptied when half full */
    size_t known_count;
};

Metadata *metadata_new(void) {
    Metadata *metadata = mem_zero(1, sizeof *metadata);
    pthread_rwlock_init(&metadata->lock, NULL);
    return metadata;
}

static void free_metric(Metric *metric) {
    for (Saying *saying = metric->newest; saying;) {
        Saying *next = saying->next;
        free(saying);
        saying = next;
    }
    free(metric);
}

void metadata_free(Metadata *metadata) {
    if (!metadata) {
        return;
    }
    for (size_t i = 0; i < SLOTS; i++) {
        if (metadata->slots[i]) {
            free_metric(metadata->slots[i]);
        }
    }
    pthread_rwlock_destroy(&metadata->lock);
    free(metadata);
}

Str metadata_type(uint64_t number) {
    static const char *const names[] = {
        "", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"};
    return number < sizeof names / sizeof *names ? str_of(names[number]) : STR("");
}

/* ---- what was said before ---- */

static uint64_t saying_hash(Str metric, MetricMeta meta) {
    const Str parts[] = {metric, meta.type, meta.unit, meta.help};
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        hash = (hash ^ hash128(parts[i]).lo) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return hash ? hash : 1;
}

/* Where the hash is, or the free place where it would go. */
static uint64_t *known_place(Metadata *metadata, uint64_t hash) {
    size_t at = hash & (KNOWN_SLOTS - 1);
    while (metadata->known[at] && metadata->known[at] != hash) {
        at = (at + 1) & (KNOWN_SLOTS - 1);
    }
    return &metadata->known[at];
}

static bool is_known(Metadata *metadata, uint64_t hash) {
    pthread_rwlock_rdlock(&metadata->lock);
    bool known = *known_place(metadata, hash) == hash;
    pthread_rwlock_unlock(&metadata->lock);
    return known;
}

static void make_known(Metadata *metadata, uint64_t hash) {
    if (metadata->known_count >= KNOWN_SLOTS / 2) {
        memset(metadata->known, 0, sizeof metadata->known);
        metadata->known_count = 0;
    }
    uint64_t *place = known_place(metadata, hash);
    metadata->known_count += *place == 0;
    *place = hash;
}

/* ---- sayings ---- */

static Metric **metric_place(Metadata *metadata, Str name) {
    size_t at = hash128(name).lo & (SLOTS - 1);
    while (metadata->slots[at] && !str_eq(metadata->slots[at]->name, name)) {
        at = (at + 1) & (SLOTS - 1);
    }
    return &metadata->slots[at];
}

static Metric *new_metric(Metadata *metadata, Str name) {
    char *bytes = mem_zero(1, sizeof(Metric) + name.len);
    Metric *metric = (Metric *)(void *)bytes;
    memcpy(bytes + sizeof *metric, name.ptr, name.len);
    metric->name = (Str){bytes + sizeof *metric, name.len};
    metadata->count++;
    return metric;
}

static Str put_text(char **at, Str text) {
    Str copy = {*at, text.len};
    if (text.len) {
        memcpy(*at, text.ptr, text.len);
    }
    *at += text.len;
    return copy;
}

static Saying *new_saying(MetricMeta meta) {
    char *bytes = mem_zero(1, sizeof(Saying) + meta.type.len + meta.unit.len + meta.help.len);
    Saying *saying = (Saying *)(void *)bytes;
    bytes += sizeof *saying;
    saying->meta.type = put_text(&bytes, meta.type);
    saying->meta.unit = put_text(&bytes, meta.unit);
    saying->meta.help = put_text(&bytes, meta.help);
    return saying;
}

static bool fits(Str a, Str b) {
    return a.len == 0 || b.len == 0 || str_eq(a, b);
}

static Str fuller(Str a, Str b) {
    return a.len ? a : b;
}

/* One of those that say nothing else about what both speak of; it is taken out. NULL: none. */
static Saying *take_fitting(Metric *metric, MetricMeta meta) {
    for (Saying **at = &metric->newest; *at; at = &(*at)->next) {
        Saying *saying = *at;
        if (fits(saying->meta.type, meta.type) && fits(saying->meta.unit, meta.unit) &&
            fits(saying->meta.help, meta.help)) {
            *at = saying->next;
            metric->count--;
            return saying;
        }
    }
    return NULL;
}

static void drop_oldest(Metric *metric) {
    Saying **at = &metric->newest;
    while ((*at)->next) {
        at = &(*at)->next;
    }
    free(*at);
    *at = NULL;
    metric->count--;
}

static void say(Metric *metric, MetricMeta meta) {
    Saying *older = take_fitting(metric, meta);
    if (older) {
        meta =
            (MetricMeta){fuller(meta.type, older->meta.type), fuller(meta.unit, older->meta.unit),
                         fuller(meta.help, older->meta.help)};
    } else if (metric->count == METADATA_PER_METRIC_MAX) {
        drop_oldest(metric);
    }
    Saying *saying = new_saying(meta);
    saying->next = metric->newest;
    metric->newest = saying;
    metric->count++;
    free(older);
}

/* Cut where a character ends. */
static Str bounded(Str text, size_t bytes_max) {
    if (text.len <= bytes_max) {
        return text;
    }
    size_t len = bytes_max;
    while (len && ((unsigned char)text.ptr[len] & 0xc0) == 0x80) {
        len--;
    }
    return (Str){text.ptr, len};
}

void metadata_note(Metadata *metadata, Str metric, MetricMeta meta) {
    if (!metadata || metric.len == 0 || metric.len > NAME_BYTES_MAX || !str_is_utf8(metric)) {
        return;
    }
    bool vague = str_eq(meta.type, STR("unknown")) || str_eq(meta.type, STR("untyped"));
    meta = (MetricMeta){vague ? STR("") : bounded(meta.type, WORD_BYTES_MAX),
                        bounded(meta.unit, WORD_BYTES_MAX),
                        bounded(meta.help, METADATA_HELP_BYTES_MAX)};
    uint64_t hash = saying_hash(metric, meta);
    bool empty = meta.type.len + meta.unit.len + meta.help.len == 0;
    if (empty || !str_is_utf8(meta.unit) || !str_is_utf8(meta.help) || is_known(metadata, hash)) {
        return;
    }
    pthread_rwlock_wrlock(&metadata->lock);
    Metric **place = metric_place(metadata, metric);
    if (!*place && metadata->count < METADATA_METRICS_MAX) {
        *place = new_metric(metadata, metric);
    }
    if (*place) {
        say(*place, meta);
    }
    make_known(metadata, hash);
    pthread_rwlock_unlock(&metadata->lock);
}

/* ---- listing ---- */

static int by_name(const void *a, const void *b) {
    const Metric *const *x = a, *const *y = b;
    return str_cmp((*x)->name, (*y)->name);
}

/* Oldest first, as they came. */
static MetadataRow row_of(const Metric *metric, Arena *arena) {
    MetadataRow row = {arena_str(arena, metric->name),
                       arena_array(arena, MetricMeta, metric->count), metric->count};
    size_t at = metric->count;
    for (const Saying *saying = metric->newest; saying; saying = saying->next) {
        row.items[--at] =
            (MetricMeta){arena_str(arena, saying->meta.type), arena_str(arena, saying->meta.unit),
                         arena_str(arena, saying->meta.help)};
    }
    return row;
}

void metadata_list(Metadata *metadata, Str metric, size_t limit, Arena *arena,
                   MetadataRow **ret_rows, size_t *ret_count) {
    *ret_count = 0;
    if (!metadata) {
        return;
    }
    pthread_rwlock_rdlock(&metadata->lock);
    const Metric **found = arena_array(arena, const Metric *, metadata->count + 1);
    size_t count = 0;
    if (metric.len) {
        found[0] = *metric_place(metadata, metric);
        count = found[0] != NULL;
    } else {
        for (size_t i = 0; i < SLOTS; i++) {
            if (metadata->slots[i]) {
                found[count++] = metadata->slots[i];
            }
        }
        qsort(found, count, sizeof *found, by_name);
    }
    count = count < limit ? count : limit;
    *ret_rows = arena_array(arena, MetadataRow, count + 1);
    for (size_t i = 0; i < count; i++) {
        (*ret_rows)[i] = row_of(found[i], arena);
    }
    pthread_rwlock_unlock(&metadata->lock);
    *ret_count = count;
}
