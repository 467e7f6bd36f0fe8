/*
 * Metrics of the rules: Prometheus' names where the thing is the same, `belfry_` for the rest.
 */

#include "rules/rules_internal.h"

typedef struct GroupMetric {
    const char *name, *type, *help;
    double (*value)(const LiveGroup *group);
} GroupMetric;

static double sum_states(const LiveGroup *group, const Counter *(*counter)(const RuleState *)) {
    uint64_t sum = 0;
    for (size_t i = 0; i < group->rule_count; i++) {
        sum += counter_get(counter(group->rules[i].state));
    }
    return (double)sum;
}

static const Counter *evaluations_of(const RuleState *state) {
    return &state->evaluations;
}

static const Counter *failures_of(const RuleState *state) {
    return &state->failures;
}

static double evaluations(const LiveGroup *group) {
    return sum_states(group, evaluations_of);
}

static double failures(const LiveGroup *group) {
    return sum_states(group, failures_of);
}

static double iterations(const LiveGroup *group) {
    return (double)(group->iterations + group->missed);
}

static double missed(const LiveGroup *group) {
    return (double)group->missed;
}

static double late(const LiveGroup *group) {
    return (double)group->late;
}

static double interval(const LiveGroup *group) {
    return (double)group->interval / (double)SECOND_MS;
}

static double last_evaluation(const LiveGroup *group) {
    return (double)group->last_evaluation / (double)SECOND_MS;
}

static double last_duration(const LiveGroup *group) {
    return (double)group->duration_ns / 1e9;
}

static double rule_total(const LiveGroup *group) {
    return (double)group->rule_count;
}

static double is_aside(const LiveGroup *group) {
    return group->is_aside;
}

static double last_samples(const LiveGroup *group) {
    uint64_t sum = 0;
    for (size_t i = 0; i < group->rule_count; i++) {
        sum += group->rules[i].state->result_count;
    }
    return (double)sum;
}

static const GroupMetric group_metrics[] = {
    {"prometheus_rule_evaluations_total", "counter", "Rule evaluations.", evaluations},
    {"prometheus_rule_evaluation_failures_total", "counter", "Rule evaluations that failed.",
     failures},
    {"prometheus_rule_group_iterations_total", "counter", "Evaluations due, missed ones included.",
     iterations},
    {"prometheus_rule_group_iterations_missed_total", "counter",
     "Evaluations missed because one was late.", missed},
    {"belfry_rule_group_iterations_late_total", "counter",
     "Evaluations that began more than a tenth of the interval, and more than a second, after "
     "their time.",
     late},
    {"prometheus_rule_group_interval_seconds", "gauge", "Interval of the group.", interval},
    {"prometheus_rule_group_last_evaluation_timestamp_seconds", "gauge",
     "Time of the last evaluation.", last_evaluation},
    {"prometheus_rule_group_last_duration_seconds", "gauge", "Duration of the last evaluation.",
     last_duration},
    {"prometheus_rule_group_last_rule_duration_sum_seconds", "gauge",
     "Sum of the durations of the group's rules at the last evaluation.", last_duration},
    {"belfry_rule_group_aside", "gauge",
     "1 while the group takes so long that it is evaluated apart from the others.", is_aside},
    {"prometheus_rule_group_rules", "gauge", "Rules in the group.", rule_total},
    {"prometheus_rule_group_last_evaluation_samples", "gauge", "Results of the last evaluation.",
     last_samples},
};

static void put_group(MetricWriter *out, const LiveGroup *group, const char *suffix, double value) {
    AUTO(buf_finish) Buf label = {0};
    buf_printf(&label, "%.*s;%.*s", STR_ARG(group->def->file), STR_ARG(group->def->name));
    metric_value(out, suffix, &(MetricLabel){"rule_group", buf_view(&label)}, 1, value);
}

static void put_group_metrics(const RuleSet *set, MetricWriter *out) {
    for (size_t m = 0; m < sizeof group_metrics / sizeof group_metrics[0]; m++) {
        const GroupMetric *metric = &group_metrics[m];
        metric_family(out, metric->name, metric->type, metric->help);
        for (size_t g = 0; g < set->group_count; g++) {
            put_group(out, &set->groups[g], "", metric->value(&set->groups[g]));
        }
    }
    metric_family(out, "prometheus_rule_group_duration_seconds", "summary",
                  "Time spent on evaluations of the group.");
    for (size_t g = 0; g < set->group_count; g++) {
        put_group(out, &set->groups[g], "_sum", (double)set->groups[g].duration_total_ns / 1e9);
        put_group(out, &set->groups[g], "_count", (double)set->groups[g].iterations);
    }
}

/* Totals over all rules. */
typedef struct RuleTotals {
    uint64_t pending, firing, stale, unhealthy, text_failures, transitions;
} RuleTotals;

static RuleTotals total(const RuleSet *set) {
    RuleTotals totals = {0};
    for (size_t g = 0; g < set->group_count; g++) {
        for (size_t i = 0; i < set->groups[g].rule_count; i++) {
            const RuleState *state = set->groups[g].rules[i].state;
            totals.unhealthy += state->health == RULE_ERR;
            totals.text_failures += counter_get(&state->text_failures);
            totals.transitions += counter_get(&state->transitions);
            for (size_t k = 0; k < state->alerts_count; k++) {
                totals.pending += state->alerts[k]->life.phase == ALERT_PENDING;
                totals.firing += state->alerts[k]->life.phase == ALERT_FIRING;
                totals.stale += state->alerts[k]->life.stale;
            }
        }
    }
    return totals;
}

static void put_sources(const Rules *rules, MetricWriter *out) {
    metric_family(out, "belfry_source_late", "gauge",
                  "1 while nothing new arrives from the source.");
    for (size_t i = 0; i < rules->hold.items_count; i++) {
        const HoldSource *source = &rules->hold.items[i];
        metric_value(out, "", &(MetricLabel){"source", source->name}, 1, source->is_late);
    }
    metric_family(out, "belfry_source_lost", "gauge",
                  "1 while the source is late for so long that it alerts.");
    for (size_t i = 0; i < rules->hold.items_count; i++) {
        const HoldSource *source = &rules->hold.items[i];
        metric_value(out, "", &(MetricLabel){"source", source->name}, 1, source->is_lost);
    }
}

void rules_metrics(Rules *rules, MetricWriter *out) {
    pthread_mutex_lock(&rules->lock);
    put_group_metrics(rules->set, out);
    RuleTotals totals = total(rules->set);
    metric_family(out, "belfry_alerts", "gauge", "Alerts by state.");
    metric_value(out, "", &(MetricLabel){"state", STR("pending")}, 1, (double)totals.pending);
    metric_value(out, "", &(MetricLabel){"state", STR("firing")}, 1, (double)totals.firing);
    metric_gauge(out, "belfry_alerts_stale",
                 "Alerts held as they were because their source is late.", (double)totals.stale);
    metric_gauge(out, "belfry_rules_unhealthy", "Rules whose last evaluation failed.",
                 (double)totals.unhealthy);
    metric_counter(out, "belfry_alert_transitions_total", "Changes of an alert's state.",
                   totals.transitions);
    metric_counter(out, "prometheus_template_text_expansion_failures_total",
                   "Labels and annotations whose template failed.", totals.text_failures);
    size_t bad_files = 0;
    for (size_t i = 0; i < rules->files_count; i++) {
        bad_files += rules->files[i].error != NULL;
    }
    metric_gauge(out, "belfry_rule_files", "Rule files that were found.",
                 (double)rules->files_count);
    metric_gauge(out, "belfry_rule_files_bad",
                 "Rule files whose newest version is not live because something is wrong in it.",
                 (double)bad_files);
    metric_counter(out, "belfry_rule_loads_total", "Loads and reloads of the rule files.",
                   counter_get(&rules->loads));
    metric_counter(out, "belfry_rule_load_failures_total", "Loads with a bad file.",
                   counter_get(&rules->load_failures));
    metric_counter(out, "belfry_rule_slots_rewound_total",
                   "Slots that were evaluated again because the clock was set back.",
                   counter_get(&rules->rewinds));
    put_sources(rules, out);
    pthread_mutex_unlock(&rules->lock);
    engine_metrics(rules->engine, out);
}
