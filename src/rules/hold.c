#include "rules/hold.h"

#include <stdlib.h>

#include "base/mem.h"

enum { LATE_MIN_MS = 30 * 1000 };

static void source_finish(HoldSource *source) {
    free((char *)source->name.ptr);
}

static void forget_restored(Hold *hold) {
    for (size_t i = 0; i < hold->restored_count; i++) {
        source_finish(&hold->restored[i]);
    }
    free(hold->restored);
    hold->restored = NULL;
    hold->restored_count = hold->restored_cap = 0;
}

void hold_finish(Hold *hold) {
    for (size_t i = 0; i < hold->items_count; i++) {
        source_finish(&hold->items[i]);
    }
    free(hold->items);
    forget_restored(hold);
    *hold = (Hold){0};
}

static HoldSource *find_in(HoldSource *sources, size_t count, Str name) {
    for (size_t i = 0; i < count; i++) {
        if (str_eq(sources[i].name, name)) {
            return &sources[i];
        }
    }
    return NULL;
}

static HoldSource *find(const Hold *hold, Str source) {
    return find_in(hold->items, hold->items_count, source);
}

const HoldSource *hold_find(const Hold *hold, Str source) {
    return find(hold, source);
}

static Str copy_name(Str name) {
    char *copy = mem_grow(NULL, name.len + 1);
    memcpy(copy, name.ptr, name.len);
    return (Str){copy, name.len};
}

/* ---- gaps ---- */

static bool is_open(const HoldSource *source) {
    return source->gap_count && source->gaps[source->gap_count - 1].to == TIME_MAX;
}

static void add_gap(HoldSource *source, HoldGap gap) {
    if (source->gap_count == HOLD_GAPS_MAX) {
        source->gap_count--;
        memmove(source->gaps, source->gaps + 1, source->gap_count * sizeof *source->gaps);
    }
    source->gaps[source->gap_count++] = gap;
}

size_t hold_gap_count(const Hold *hold) {
    size_t count = 0;
    for (size_t i = 0; i < hold->items_count; i++) {
        count += hold->items[i].gap_count;
    }
    return count;
}

void hold_gaps(const Hold *hold, RulesGap *ret_gaps) {
    for (size_t i = 0; i < hold->items_count; i++) {
        const HoldSource *source = &hold->items[i];
        for (size_t k = 0; k < source->gap_count; k++) {
            *ret_gaps++ = (RulesGap){source->name, source->gaps[k].from, source->gaps[k].to};
        }
    }
}

void hold_restore(Hold *hold, const RulesGap *gaps, size_t count) {
    for (size_t i = 0; i < count; i++) {
        HoldSource *source = find_in(hold->restored, hold->restored_count, gaps[i].source);
        if (!source) {
            VEC_PUSH(*hold, restored, ((HoldSource){.name = copy_name(gaps[i].source)}));
            source = &hold->restored[hold->restored_count - 1];
        }
        add_gap(source, (HoldGap){gaps[i].from, gaps[i].to});
    }
}

/* ---- looking ---- */

static HoldSource *find_or_add(Hold *hold, Str name) {
    HoldSource *known = find(hold, name);
    if (known) {
        return known;
    }
    HoldSource added = {0};
    const HoldSource *before = find_in(hold->restored, hold->restored_count, name);
    if (before) {
        added = *before;
        added.is_late = is_open(before);
    }
    added.name = copy_name(name);
    VEC_PUSH(*hold, items, added);
    return &hold->items[hold->items_count - 1];
}

static DurationMs larger(DurationMs a, DurationMs b) {
    return a > b ? a : b;
}

/* True if a gap began or ended. */
static bool update_source(HoldSource *source, const StoreSource *seen, const HoldTiming *timing,
                          TimeMs now) {
    DurationMs usual = larger(2 * seen->interval, LATE_MIN_MS);
    source->late_after = timing->late_after ? timing->late_after : usual;
    source->settle = usual;
    source->newest = seen->newest;

    bool is_late = now - seen->newest > source->late_after;
    bool changes = is_late != source->is_late;
    if (is_late && changes) {
        add_gap(source, (HoldGap){seen->newest, TIME_MAX});
    } else if (changes) {
        source->gaps[source->gap_count - 1].to = seen->newest;
    }
    source->is_late = is_late;
    TimeMs late_since = larger(seen->newest + source->late_after, timing->started_at);
    source->is_lost = is_late && now - late_since >= timing->lost_after;
    return changes;
}

static bool is_listed(Str name, const StoreSource *sources, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (str_eq(sources[i].source, name)) {
            return true;
        }
    }
    return false;
}

void hold_update(Hold *hold, const StoreSource *sources, size_t count, const HoldTiming *timing,
                 TimeMs now) {
    size_t kept = 0;
    for (size_t i = 0; i < hold->items_count; i++) {
        if (is_listed(hold->items[i].name, sources, count)) {
            hold->items[kept++] = hold->items[i];
        } else {
            hold->changes += hold->items[i].gap_count > 0;
            source_finish(&hold->items[i]);
        }
    }
    hold->items_count = kept;
    for (size_t i = 0; i < count; i++) {
        /* Series without the source label have no sender whose silence could be told from their
         * own; a source all of whose series were refused never had a sample to be late after. */
        if (sources[i].source.len && sources[i].newest > TIME_MIN) {
            HoldSource *source = find_or_add(hold, sources[i].source);
            hold->changes += update_source(source, &sources[i], timing, now);
        }
    }
    forget_restored(hold);
}

/* ---- deciding ---- */

/* Begins so far before the gap that every target has samples between, or after the return of all.
 */
static bool window_is_whole(const HoldSource *source, DurationMs window, TimeMs time) {
    TimeMs from = time - window;
    for (size_t i = 0; i < source->gap_count; i++) {
        const HoldGap *gap = &source->gaps[i];
        if (from + source->settle > gap->from && from < gap->to + source->settle) {
            return false;
        }
    }
    return true;
}

bool hold_decides(const Hold *hold, Str source, const DurationMs *windows, size_t count,
                  TimeMs time) {
    const HoldSource *known = source.len ? find(hold, source) : NULL;
    if (!known || known->gap_count == 0) {
        return true;
    }
    if (known->is_late || time - known->newest > known->late_after ||
        time < known->gaps[known->gap_count - 1].to + known->settle) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!window_is_whole(known, windows[i], time)) {
            return false;
        }
    }
    return true;
}
