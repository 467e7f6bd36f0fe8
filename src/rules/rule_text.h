#pragma once

/*
 * Labels and annotations as templates: what a rule file may write between {{ and }}, bound to one
 * result.
 *
 * Prometheus puts definitions of $labels, $externalLabels, $externalURL and $value in front of each
 * text before parsing it, which is why columns in its error messages count from there; so do we, to
 * give the same messages. vmalert's list is longer.
 */

#include "rules/rule_file.h"

/* What templates see of a result. */
typedef struct RuleTextData {
    LabelSet labels;
    double value;
    Str histogram; /* printed, instead of `value` where the result is one */
    LabelSet external_labels;
    Str external_url;
    /* vmalert's */
    Str expr;
    DurationMs interval;
    DurationMs hold;
    TimeMs active_at;
    uint64_t group_id, alert_id;
} RuleTextData;

/* Parses `text` of the rule `name`; `*ret_tmpl` stays NULL for plain text. It may use what
 * `templates` (or NULL), which have to outlive it, define. Free with tmpl_free(). */
bool rule_text_parse(bool vmalert, const RuleTemplates *templates, Str name, Str text,
                     Tmpl **ret_tmpl, Err *err) MUST_CHECK;

/* For an error of rule_text_parse(): what a word in it that is not known may have been meant to be,
 * or NULL. */
const char *rule_text_suggest(bool vmalert, Str error);

/* The dot of all templates of one result. */
TmplValue rule_text_dot(Arena *arena, bool vmalert, const RuleTextData *data);

/* The text for a result, in `arena`. Never fails: where expanding does, the text says so in the
 * words of the flavour and `*ret_error` is set. An alert is not lost over its annotation. */
Str rule_text_expand(const RuleText *text, bool vmalert, Str name, const TmplValue *dot,
                     const TmplWorld *world, Arena *arena, Str *ret_error);
