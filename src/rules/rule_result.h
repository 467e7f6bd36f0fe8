#pragma once

/*
 * From what a rule's expression answered to what the rule says: label sets of alerts, or series to
 * record.
 *
 * Pure but for the template function `query`, which asks the engine.
 */

#include "rules/rule_file.h"

/* One evaluation's surroundings. */
typedef struct RuleWorld {
    Engine *engine;
    const RulesOptions *options;
    QueryOptions query;
    TimeMs slot; /* evaluation time: what alerts are active since */
    TimeMs time; /* query time: slot minus the query offset; what samples are stamped with */
} RuleWorld;

/* One result, as the alert or series it makes. */
typedef struct RuleHit {
    Hash128 id; /* of `labels` */
    LabelSet labels;
    LabelSet sample; /* labels of the result */
    double value;
    const Histogram *histogram; /* NULL: `value` */
    LabelSet annotations;       /* by rule_state_prepare(); values may be empty */
    Hash128 texts_of;           /* what they were made from */
    bool has_texts;             /* false: those of before still hold */
    TimeMs active_since;        /* by for_state_fill(); 0: since now */
} RuleHit;

typedef struct RuleHits {
    RuleHit *items;
    size_t count;
    Str text_error; /* the last failed template; "" */
    uint64_t text_failures;
} RuleHits;

/* Labels of the alerts or series that `value` makes, in `arena` and borrowing from `value` and the
 * rule. Fails (ERR_INVALID) where the answer is no vector or scalar, or two results end up with the
 * same labels: then none of them counts. */
bool rule_hits(const GroupDef *group, const RuleDef *rule, const Value *value,
               const RuleWorld *world, Arena *arena, RuleHits *ret_hits, Err *err) MUST_CHECK;

/* Annotations of one hit; `active_at` is that of the alert. Sets `*ret_error` where a template
 * failed. */
LabelSet rule_annotations(const GroupDef *group, const RuleDef *rule, const RuleHit *hit,
                          TimeMs active_at, const RuleWorld *world, Arena *arena, Str *ret_error);
