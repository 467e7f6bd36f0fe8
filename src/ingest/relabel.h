#pragma once

/*
 * Relabelling rules as read, shared between reading (relabel_read.c) and applying (relabel.c).
 *
 * Actions, defaults and checks are Prometheus' (model/relabel/relabel.go), with those of vmagent
 * that people use in write_relabel_configs beside them. Where the two differ for the same text
 * (hashmod's hash), Prometheus wins.
 */

#include "base/regex.h"
#include "ingest/ingest.h"
#include "model/matcher.h"

typedef struct RelabelRule RelabelRule;

/* Changes `*set`; false drops the series. */
typedef bool RelabelApply(const RelabelRule *rule, Arena *arena, LabelSet *set);

/* What a rule of an action needs and may have; fields that are not listed have to be left out. */
typedef enum RelabelField {
    RELABEL_SOURCE = 1 << 0,
    RELABEL_TARGET = 1 << 1,
    RELABEL_REGEX = 1 << 2,
    RELABEL_REPLACEMENT = 1 << 3,
    RELABEL_SEPARATOR = 1 << 4,
    RELABEL_MODULUS = 1 << 5,
} RelabelField;

typedef struct RelabelAction {
    const char *name;
    unsigned needs, takes; /* RelabelField bits; `takes` beside `needs` */
    RelabelApply *apply;
    bool search; /* the regex may match a part of the text */
} RelabelAction;

/* By name; NULL if there is none. `relabel_action_names` lists them for suggestions. */
const RelabelAction *relabel_action(Str name);
extern const char *const relabel_action_names[];

struct RelabelRule {
    const RelabelAction *action;
    Str *source;
    size_t source_count;
    Str separator, target, replacement, pattern;
    bool pattern_is_default;
    Regex *regex; /* finds groups; anchored in its text unless `search` */
    uint64_t modulus;
    MatcherSet *conditions; /* vmagent's `if`: one has to match; none = always */
    size_t condition_count;
};

struct Relabel {
    Arena arena; /* all texts and arrays */
    RelabelRule *rules;
    size_t count;
    uint64_t epoch;
};

/* True if `text` has a $1 or ${name} in it. */
bool relabel_has_variable(Str text);
