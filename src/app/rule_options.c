#include "app/rule_options.h"

bool rule_flavour_parse(Str word, RulesFlavour *ret_flavour) {
    static const char *const names[] = {
        [RULES_AUTO] = "auto", [RULES_PROMETHEUS] = "prometheus", [RULES_VMALERT] = "vmalert"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (str_eq(word, str_of(names[i]))) {
            *ret_flavour = (RulesFlavour)i;
            return true;
        }
    }
    return false;
}

RulesSource config_rule_source(const ConfigRules *rules) {
    RulesSource source = {.pattern = rules->pattern, .templates = rules->templates};
    (void)!rule_flavour_parse(rules->flavour, &source.flavour);
    return source;
}

RulesOptions config_rule_options(const Config *config) {
    return (RulesOptions){
        .evaluation_interval = config->global.evaluation_interval,
        .query_offset = config->global.rule_query_offset,
        .no_alertgroup = config->global.no_alertgroup,
        .external_labels = config->global.external_labels,
        .external_url = config->web.external_url,
        .source_label = config->sources.label,
        .late_after = config->sources.late,
        .lost_after = config->sources.lost,
        .hold = config->hold,
        .lookback = config->query.lookback,
    };
}
