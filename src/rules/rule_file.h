#pragma once

/*
 * A rule file as it was written: groups and rules with every field of Prometheus and vmalert,
 * expressions and templates compiled.
 *
 * Bytes become a tree (base/yaml), the tree becomes definitions (rule_file.c), definitions are
 * compiled and judged (rule_compile.c). All that is wrong is told at once, with line and column.
 * Accepted are plain files (`groups:`), several YAML documents in one, and Kubernetes resources
 * that carry the same groups under `spec` (PrometheusRule, VMRule, and Lists of them).
 *
 * Flavour `auto` (see RulesFlavour) is vmalert if a key occurs that exists only there; else
 * Prometheus if everything compiles as such; else vmalert if everything compiles as that. Where
 * types are all that PromQL finds wrong, `doubts` say so: that is a mistake more often than
 * MetricsQL. Only the
 * flavour that was asked for by name, or shown by a key, brings vmalert's looser durations;
 * repeated keys pass only where it was asked for by name.
 *
 * A loaded file never changes; it is shared by the rule set and freed with its last reference.
 */

#include "engine/engine.h"
#include "model/label.h"
#include "promql/promql.h"
#include "rules/rule_templates.h"
#include "rules/rules.h"

/* What a rule selects: dependencies and windows follow from it. */
typedef struct RuleSelector {
    const MatcherSet *matchers; /* the tree's */
    Str metric;                 /* the name, where a matcher says it literally; else empty */
    DurationMs range;           /* 0 = instant */
} RuleSelector;

/* A label or annotation of a rule. */
typedef struct RuleText {
    Str name;
    Str text;   /* as written */
    Tmpl *tmpl; /* NULL: plain text */
    uint32_t line, column;
} RuleText;

typedef struct RuleTexts {
    RuleText *items; /* sorted by name */
    size_t count;
} RuleTexts;

typedef struct RuleDef {
    bool is_alert;
    bool hold_telemetry;    /* `hold: false` here or on the group turns it off; see hold.h */
    bool is_absence;        /* the expression asks for absence: never held */
    bool has_volatile_text; /* annotations that change without labels and value changing: `query`,
                               times */
    bool debug;
    Str name;
    Str expr_text;  /* as written */
    Str expr_shown; /* for people: as Prometheus prints it, or as written in vmalert's flavour */
    const Expr *expr;
    DurationMs hold;        /* `for` */
    DurationMs keep_firing; /* `keep_firing_for` */
    RuleTexts labels;       /* the group's merged in, the rule's own win */
    RuleTexts annotations;
    LabelSet label_set; /* `labels` as plain text, without empty ones: part of the rule's key */
    RuleSelector *selectors;
    size_t selector_count;
    int64_t updates_max;   /* vmalert's update_entries_limit */
    uint32_t line, column; /* of the rule */
    uint32_t expr_line, expr_column;
    uint32_t number; /* from 1 inside the group */
} RuleDef;

typedef struct GroupDef {
    Str name;
    Str file;
    Str type;            /* "prometheus" */
    DurationMs interval; /* 0: the configured default */
    DurationMs query_offset;
    DurationMs eval_offset;
    DurationMs eval_delay;
    bool has_query_offset, has_eval_offset, has_eval_delay;
    bool align; /* vmalert's eval_alignment: queries at whole multiples of the interval */
    bool debug;
    bool vmalert;  /* flavour: alertgroup label, exported_ labels, variables of templates */
    int64_t limit; /* results per rule, 0 = any */
    int64_t concurrency;
    LabelSet labels;
    Label *params; /* vmalert's, in file order, a name as often as it has values */
    size_t param_count;
    Str *headers, *notifier_headers; /* "Key: value" */
    size_t header_count, notifier_header_count;
    EngineExtra extra; /* params and headers, for the queries */
    RuleDef *rules;
    size_t rule_count;
    uint32_t line, column;
} GroupDef;

typedef struct RuleFile {
    Arena arena;
    Str path;
    RulesFlavour flavour; /* what it turned out to be */
    Problems doubts;      /* what PromQL finds wrong, where nothing else made it vmalert's */
    Str content;          /* as read */
    uint64_t content_hash;
    RuleTemplates *templates; /* what its texts were parsed upon; may be NULL */
    GroupDef *groups;
    size_t group_count;
    _Atomic size_t refs;
} RuleFile;

/* How a file is to be read. */
typedef struct RuleReading {
    RulesFlavour flavour;
    bool lax_durations; /* vmalert's durations besides Prometheus' */
    bool lax_keys;      /* repeated keys: the last one counts */
    bool lax_records;   /* recording rules may carry an alert's fields, and any name */
    RuleTemplates *templates;
} RuleReading;

/* Loads `bytes` of the file called `path`. False with everything that is wrong in `problems`. The
 * result has one reference. */
bool rule_file_load(Str path, Str bytes, RulesFlavour flavour, RuleFile **ret_file,
                    Problems *problems) MUST_CHECK;
/* The same; its labels and annotations may use `templates` (or NULL), of which it takes a
 * reference. */
bool rule_file_load_upon(Str path, Str bytes, RulesFlavour flavour, RuleTemplates *templates,
                         RuleFile **ret_file, Problems *problems) MUST_CHECK;

/* Tells of every `%{NAME}` for which there is no environment variable: vmalert leaves them. */
void rule_file_unset_variables(Str path, Str bytes, Problems *findings);

RuleFile *rule_file_ref(RuleFile *file);
void rule_file_unref(RuleFile *file); /* accepts NULL */
DEFINE_AUTO(RuleFile, rule_file_unref)

/* rule_compile.c: parses expressions and templates of all rules and checks names. */
bool rule_file_compile(RuleFile *file, const RuleReading *reading, Problems *problems);
/* Gives one rule of a file that nobody evaluates yet another expression, in the flavour of the old
 * one. */
bool rule_file_change_expr(RuleFile *file, RuleDef *rule, Str text, Err *err) MUST_CHECK;
/* Frees what is not in the arena. */
void rule_file_decompile(RuleFile *file);
