#pragma once

/*
 * Unit tests of rules as files have them: promtool's format and vmalert-tool's, with two additions
 * of our own.
 *
 * `exp_state` of an expected alert: `pending`, `firing` (what is meant without it) or `resolved`
 * (at this very evaluation). A case that names a state anywhere compares alerts of all states; the
 * others compare those that fire, as promtool does.
 */

#include "base/problems.h"
#include "base/yaml.h"
#include "promql/series_desc.h"
#include "rules/rules.h"

typedef enum ExpectedState { EXPECT_FIRING, EXPECT_PENDING, EXPECT_RESOLVED } ExpectedState;

typedef struct ExpectedAlert {
    LabelSet labels; /* alertname (and alertgroup) added */
    LabelSet annotations;
    ExpectedState state;
    bool any_annotations; /* a case that names states and no annotations is about states */
} ExpectedAlert;

typedef struct AlertCase {
    DurationMs at; /* after the start */
    Str alertname;
    Str groupname; /* vmalert; empty: any */
    ExpectedAlert *alerts;
    size_t alert_count;
    bool names_states;
    uint32_t line;
} AlertCase;

typedef struct ExpectedSample {
    LabelSet labels;
    double value;
    const Histogram *histogram; /* instead of `value` */
} ExpectedSample;

typedef struct ExprCase {
    DurationMs at;
    Str expr;
    bool metricsql;
    ExpectedSample *samples;
    size_t sample_count;
    uint32_t line;
    uint32_t expr_line, expr_column;
} ExprCase;

typedef struct TestGroup {
    Str name;
    DurationMs interval; /* of input samples */
    DurationMs last;     /* the latest time a case asks about */
    TimeMs start;
    bool has_start; /* by `start_timestamp`; else the tool's own */
    SeriesDesc *series;
    size_t series_count;
    LabelSet external_labels;
    Str external_url;
    AlertCase *alerts; /* by time */
    size_t alert_count;
    ExprCase *exprs;
    size_t expr_count;
    uint32_t line;
} TestGroup;

typedef struct TestFile {
    Str path;
    bool vmalert;
    bool names_groups; /* a case of alerts has `groupname` */
    Str *rule_files;   /* patterns, relative to the file's folder made absolute */
    size_t rule_file_count;
    DurationMs evaluation_interval;
    bool fuzzy;
    Str *group_order;
    size_t group_order_count;
    TestGroup *groups;
    size_t group_count;
} TestFile;

/* False with everything that is wrong with the file in `problems`. */
bool unittest_file_parse(Arena *arena, Str path, Str bytes, TestFile *ret_file,
                         Problems *problems) MUST_CHECK;
