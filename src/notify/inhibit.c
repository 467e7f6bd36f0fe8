#include "notify/inhibit.h"

#include <stdlib.h>

#include "base/mem.h"
#include "notify/wake.h"

typedef struct InhibitBucket {
    LiveAlert **sources;
    size_t sources_count, sources_cap;
} InhibitBucket;

static size_t words_of(const Notify *notify) {
    return (notify->config->inhibit_rule_count + 63) / 64;
}

static bool is_source(const Notify *notify, const LiveAlert *alert, size_t rule) {
    (void)notify;
    return alert->inhibit_bits && (alert->inhibit_bits[rule / 64] >> rule % 64 & 1);
}

static bool is_target(const Notify *notify, const LiveAlert *alert, size_t rule) {
    return alert->inhibit_bits &&
           (alert->inhibit_bits[words_of(notify) + rule / 64] >> rule % 64 & 1);
}

static size_t count_bits(uint64_t bits) {
    size_t count = 0;
    for (; bits; bits &= bits - 1) {
        count++;
    }
    return count;
}

/* Its place in the bucket of each rule it is source of, behind the bits: a bucket may have all
 * alerts of a storm, and each of them leaves. */
static uint32_t *place_of(const Notify *notify, const LiveAlert *alert, size_t rule) {
    size_t before = count_bits(alert->inhibit_bits[rule / 64] & ((UINT64_C(1) << rule % 64) - 1));
    for (size_t i = 0; i < rule / 64; i++) {
        before += count_bits(alert->inhibit_bits[i]);
    }
    return (uint32_t *)(alert->inhibit_bits + 2 * words_of(notify)) + before;
}

static uint64_t bucket_key(const InhibitRule *rule, size_t index, LabelSet labels) {
    uint64_t key = fnv1a(FNV1A_START, (Str){(const char *)&index, sizeof index});
    for (size_t i = 0; i < rule->equal_count; i++) {
        key = fnv1a(fnv1a(key, labels_get(labels, rule->equal[i])), STR("\xff"));
    }
    return key ? key : 1;
}

static void find_roles(const Notify *notify, LiveAlert *alert) {
    const NotifyConfig *config = notify->config;
    size_t words = words_of(notify);
    if (alert->inhibit_bits || words == 0) {
        return;
    }
    uint64_t *bits = mem_zero(2 * words, sizeof *bits);
    size_t sources = 0;
    for (size_t i = 0; i < config->inhibit_rule_count; i++) {
        const InhibitRule *rule = &config->inhibit_rules[i];
        uint64_t bit = UINT64_C(1) << i % 64;
        if (matcher_set_matches(&rule->source, alert->alert.labels)) {
            bits[i / 64] |= bit;
            sources++;
        }
        if (matcher_set_matches(&rule->target, alert->alert.labels)) {
            bits[words + i / 64] |= bit;
        }
    }
    alert->inhibit_bits = mem_grow(bits, (2 * words + (sources + 1) / 2) * sizeof *bits);
    memset(alert->inhibit_bits + 2 * words, 0, (sources + 1) / 2 * sizeof *bits);
}

void inhibit_add(Notify *notify, LiveAlert *alert) {
    find_roles(notify, alert);
    if (!live_is_firing(alert)) {
        return;
    }
    for (size_t i = 0; i < notify->config->inhibit_rule_count; i++) {
        if (!is_source(notify, alert, i)) {
            continue;
        }
        uint64_t key = bucket_key(&notify->config->inhibit_rules[i], i, alert->alert.labels);
        InhibitBucket *bucket = idmap_get(&notify->inhibit.sources, key);
        if (!bucket) {
            bucket = mem_zero(1, sizeof *bucket);
            idmap_put(&notify->inhibit.sources, key, bucket);
        }
        *place_of(notify, alert, i) = (uint32_t)bucket->sources_count;
        VEC_PUSH(*bucket, sources, alert);
        wake_all(notify);
    }
}

void inhibit_remove(Notify *notify, LiveAlert *alert) {
    for (size_t i = 0; i < notify->config->inhibit_rule_count; i++) {
        if (!is_source(notify, alert, i)) {
            continue;
        }
        uint64_t key = bucket_key(&notify->config->inhibit_rules[i], i, alert->alert.labels);
        InhibitBucket *bucket = idmap_get(&notify->inhibit.sources, key);
        size_t place = *place_of(notify, alert, i);
        if (bucket && place < bucket->sources_count && bucket->sources[place] == alert) {
            LiveAlert *last = bucket->sources[--bucket->sources_count];
            bucket->sources[place] = last;
            *place_of(notify, last, i) = (uint32_t)place;
            wake_all(notify);
        }
        if (bucket && bucket->sources_count == 0) {
            free(bucket->sources);
            free(bucket);
            idmap_remove(&notify->inhibit.sources, key);
        }
    }
}

void inhibit_clear(Notify *notify) {
    for (size_t i = 0; i < notify->inhibit.sources.cap; i++) {
        InhibitBucket *bucket = notify->inhibit.sources.slots[i].value;
        if (bucket) {
            free(bucket->sources);
            free(bucket);
        }
    }
    idmap_finish(&notify->inhibit.sources);
}

void inhibit_rebuild(Notify *notify) {
    inhibit_clear(notify);
    for (size_t i = 0; i < notify->alerts.cap; i++) {
        LiveAlert *alert = notify->alerts.slots[i].value;
        if (alert) {
            free(alert->inhibit_bits);
            alert->inhibit_bits = NULL;
            inhibit_add(notify, alert);
        }
    }
}

static bool equal_labels(const InhibitRule *rule, LabelSet a, LabelSet b) {
    for (size_t i = 0; i < rule->equal_count; i++) {
        if (!str_eq(labels_get(a, rule->equal[i]), labels_get(b, rule->equal[i]))) {
            return false;
        }
    }
    return true;
}

/* An alert that is source and target of a rule is muted by sources alone, not by itself or its
 * like. */
static const LiveAlert *source_of(const Notify *notify, size_t index, const LiveAlert *alert) {
    const InhibitRule *rule = &notify->config->inhibit_rules[index];
    const InhibitBucket *bucket =
        idmap_get(&notify->inhibit.sources, bucket_key(rule, index, alert->alert.labels));
    bool both = is_source(notify, alert, index);
    for (size_t i = 0; bucket && i < bucket->sources_count; i++) {
        const LiveAlert *source = bucket->sources[i];
        if (source != alert && !(both && is_target(notify, source, index)) &&
            equal_labels(rule, source->alert.labels, alert->alert.labels)) {
            return source;
        }
    }
    return NULL;
}

const LiveAlert *inhibit_source(const Notify *notify, const LiveAlert *alert) {
    size_t rules = notify->inhibit.sources.count ? notify->config->inhibit_rule_count : 0;
    for (size_t i = 0; i < rules; i++) {
        const LiveAlert *source = is_target(notify, alert, i) ? source_of(notify, i, alert) : NULL;
        if (source) {
            return source;
        }
    }
    return NULL;
}
