#pragma once

/* What belfry.yml and words of the command line mean for rules: for the server, replay and check.
 */

#include "app/config.h"
#include "rules/rules.h"

/* "auto", "prometheus", "vmalert". False: another word. */
bool rule_flavour_parse(Str word, RulesFlavour *ret_flavour) MUST_CHECK;

/* An entry of `rules:`, whose words were judged when it was read. Borrows from it. */
RulesSource config_rule_source(const ConfigRules *rules);

/* What makes a difference to when an alert rings, and to what it says. Borrows from `config`. */
RulesOptions config_rule_options(const Config *config);
