#include "rules/schedule.h"

#include <assert.h>

static int64_t floor_to(int64_t value, int64_t step) {
    int64_t rest = value % step;
    return value - (rest < 0 ? rest + step : rest);
}

SlotTiming slot_timing(const GroupDef *group, const RulesOptions *options) {
    SlotTiming timing = {
        .interval = group->interval ? group->interval : options->evaluation_interval,
        .query_offset = group->has_query_offset ? group->query_offset : options->query_offset,
        .delay = group->eval_delay,
        .align = group->has_eval_delay && group->align,
    };
    assert(timing.interval > 0);
    timing.offset = group->eval_offset - floor_to(group->eval_offset, timing.interval);
    return timing;
}

bool slot_timing_eq(SlotTiming a, SlotTiming b) {
    return a.interval == b.interval && a.offset == b.offset && a.query_offset == b.query_offset &&
           a.delay == b.delay && a.align == b.align;
}

TimeMs slot_before(SlotTiming timing, TimeMs now) {
    return floor_to(now - timing.offset, timing.interval) + timing.offset;
}

TimeMs slot_query_time(SlotTiming timing, TimeMs slot) {
    TimeMs time = slot - timing.query_offset - timing.delay;
    return timing.align ? floor_to(time, timing.interval) : time;
}

bool slot_is_late(SlotTiming timing, TimeMs slot, TimeMs now) {
    DurationMs most = timing.interval / 10 > SECOND_MS ? timing.interval / 10 : SECOND_MS;
    return now - slot > most;
}

DurationMs slot_patience(SlotTiming timing, bool is_local) {
    DurationMs most = is_local ? 5 * SECOND_MS : SECOND_MS, third = timing.interval / 3;
    return third > most ? most : third < SECOND_MS ? SECOND_MS : third;
}

bool slot_holds_up(DurationMs patience, DurationMs took, bool was_slow) {
    return took > (was_slow ? patience / 4 : patience);
}
