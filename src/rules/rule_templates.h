#pragma once

/*
 * Files of `{{ define }}` that all labels and annotations of some rule files may use: what vmalert
 * calls -rule.templates.
 *
 * A set never changes once loaded. Rule files whose texts were parsed upon it hold a reference.
 */

#include "base/problems.h"
#include "tmpl/tmpl.h"

typedef struct RuleTemplates RuleTemplates;

/* Reads the files that `patterns` match, globs with commas between; "" gives NULL, which is a set
 * without templates. False with all that is wrong, a pattern without files included. */
bool rule_templates_load(Str patterns, RuleTemplates **ret_templates,
                         Problems *problems) MUST_CHECK;

RuleTemplates *rule_templates_ref(RuleTemplates *templates); /* accepts NULL */
void rule_templates_unref(RuleTemplates *templates);         /* accepts NULL */
DEFINE_AUTO(RuleTemplates, rule_templates_unref)

/* True if both hold the same definitions; NULL is one without any. */
bool rule_templates_eq(const RuleTemplates *a, const RuleTemplates *b);

/* What texts are derived from, in the flavour of the rule file; NULL for NULL. Functions of the
 * other flavour are known too, because one file of templates serves both. */
const Tmpl *rule_templates_base(const RuleTemplates *templates, bool vmalert);
