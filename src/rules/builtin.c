/*
 * The rule Belfry brings along: a source that sends nothing any more is an alert of its own,
 * because all others about it are held.
 *
 * It is an ordinary rule but for its results, which come from what is known of the sources. Its
 * expression shows the same in the store, from Belfry's own metrics.
 */

#include <assert.h>

#include "base/mem.h"
#include "rules/label_overlay.h"
#include "rules/rules_internal.h"

static const char file_text[] = "groups:\n"
                                "- name: belfry telemetry\n"
                                "  hold: false\n"
                                "  rules:\n"
                                "  - alert: TelemetryLost\n"
                                "    expr: belfry_source_lost == 1\n"
                                "    labels:\n"
                                "      severity: critical\n"
                                "    annotations:\n"
                                "      summary: 'No telemetry from {{ index $labels \"%.*s\" }}'\n"
                                "      description: 'The newest sample is {{ $value | "
                                "humanizeDuration }} old. Alerts of this source are\n"
                                "        held as they were until it sends again.'\n";

bool builtin_rules_load(const RulesOptions *options, RuleFile **ret_file, Err *err) {
    AUTO(problems_finish) Problems problems = {0};
    AUTO(arena_finish) Arena arena = {0};
    Str text = arena_printf(&arena, file_text, STR_ARG(options->source_label));
    if (!rule_file_load(RULE_BUILTIN_FILE, text, RULES_PROMETHEUS, ret_file, &problems)) {
        return problems_err(&problems, err);
    }
    return true;
}

RuleHits builtin_hits(const Rules *rules, const LiveGroup *group, const LiveRule *rule,
                      const RuleWorld *world, Arena *arena) {
    ValueSeries *series = arena_array(arena, ValueSeries, rules->hold.items_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < rules->hold.items_count; i++) {
        const HoldSource *source = &rules->hold.items[i];
        if (!source->is_lost) {
            continue;
        }
        Label *label = arena_new(arena, Label);
        *label = (Label){rules->options.source_label, arena_str(arena, source->name)};
        double *age = arena_new(arena, double);
        *age = (double)(world->slot - source->newest) / (double)SECOND_MS;
        series[count++] = (ValueSeries){.labels = {label, 1}, .values = age, .count = 1};
    }
    Value value = {.type = VALUE_VECTOR, .series = series, .series_count = count};
    RuleHits hits = {0};
    Err err = {0};
    bool ok = rule_hits(group->def, rule->def, &value, world, arena, &hits, &err);
    assert(ok); /* sources are distinct */
    (void)ok;
    return hits;
}
