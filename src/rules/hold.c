#include "rules/hold.h"

#include <stdlib.h>

#include "base/mem.h"

enum { LATE_MIN_MS = 30 * 1000 };

static void source_finish(HoldSource *source) {
    free((char *)source->name.ptr);
}

void hold_finish(Hold *hold) {
    for (size_t i = 0; i < hold->items_count; i++) {
        source_finish(&hold->items[i]);
    }
    free(hold->items);
    *hold = (Hold){0};
}

static HoldSource *find(const Hold *hold, Str source) {
    for (size_t i = 0; i < hold->items_count; i++) {
        if (str_eq(hold->items[i].name, source)) {
            return &hold->items[i];
        }
    }
    return NULL;
}

const HoldSource *hold_find(const Hold *hold, Str source) {
    return find(hold, source);
}

static HoldSource *find_or_add(Hold *hold, Str name) {
    HoldSource *known = find(hold, name);
    if (known) {
        return known;
    }
    char *copy = mem_grow(NULL, name.len + 1);
    memcpy(copy, name.ptr, name.len);
    VEC_PUSH(*hold, items, ((HoldSource){.name = {copy, name.len}}));
    return &hold->items[hold->items_count - 1];
}

static DurationMs larger(DurationMs a, DurationMs b) {
    return a > b ? a : b;
}

static void update_source(HoldSource *source, const StoreSource *seen, const HoldTiming *timing,
                          TimeMs now) {
    DurationMs usual = larger(2 * seen->interval, LATE_MIN_MS);
    source->late_after = timing->late_after ? timing->late_after : usual;
    source->settle = usual;
    source->newest = seen->newest;

    bool is_late = now - seen->newest > source->late_after;
    if (is_late && !source->is_late) {
        source->gap_from = seen->newest;
        source->gap_to = TIME_MAX;
    } else if (!is_late && source->is_late) {
        source->gap_to = seen->newest;
    }
    source->is_late = is_late;
    TimeMs late_since = larger(seen->newest + source->late_after, timing->started_at);
    source->is_lost = is_late && now - late_since >= timing->lost_after;
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
            source_finish(&hold->items[i]);
        }
    }
    hold->items_count = kept;
    for (size_t i = 0; i < count; i++) {
        /* Series without the source label have no sender whose silence could be told from their
         * own. */
        if (sources[i].source.len) {
            update_source(find_or_add(hold, sources[i].source), &sources[i], timing, now);
        }
    }
}

static bool window_is_whole(const HoldSource *source, DurationMs window, TimeMs time) {
    TimeMs from = time - window;
    /* Begins so far before the gap that every target has samples between, or after the return of
     * all. */
    return from + source->settle <= source->gap_from || from >= source->gap_to + source->settle;
}

bool hold_decides(const Hold *hold, Str source, const DurationMs *windows, size_t count,
                  TimeMs time) {
    const HoldSource *known = source.len ? find(hold, source) : NULL;
    if (!known || known->gap_from == 0) {
        return true;
    }
    if (known->is_late || time - known->newest > known->late_after ||
        time < known->gap_to + known->settle) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!window_is_whole(known, windows[i], time)) {
            return false;
        }
    }
    return true;
}
