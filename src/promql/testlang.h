#pragma once

/*
 * The inside of promql_test_script(): the test language of Prometheus, parsed into commands, loaded
 * into a store, run and compared.
 *
 *     load 5m
 *         http_requests{job="api"} 0+10x10
 *     eval instant at 50m sum(http_requests)
 *         expect no_warn
 *         {} 100
 *     eval range from 0 to 10m step 5m http_requests
 *         http_requests{job="api"} 0 10 20
 *     clear
 */

#include "promql/promql.h"
#include "promql/series_desc.h"

typedef enum ExpectKind {
    EXPECT_FAIL,
    EXPECT_WARN,
    EXPECT_INFO,
    EXPECT_NO_WARN,
    EXPECT_NO_INFO,
    EXPECT_ORDERED,
} ExpectKind;

/* `expect warn msg: ...`: `message` and `regex` are empty where any text will do. */
typedef struct Expectation {
    ExpectKind kind;
    bool exact; /* `text` is the whole message */
    bool regex; /* `text` is an expression that matches somewhere */
    Str text;
} Expectation;

/* One line of `load`. */
typedef struct LoadSeries {
    SeriesDesc desc;
    TimeMs *starts; /* one per point, 0 = none; NULL where no @st line stood before */
} LoadSeries;

typedef struct TestLoad {
    DurationMs step;
    bool with_nhcb; /* classic histograms become native ones with custom buckets, too */
    LoadSeries *series;
    size_t series_count;
} TestLoad;

typedef struct TestEval {
    Str query;
    uint32_t line;
    bool range;
    TimeMs at; /* of an instant query */
    TimeMs from, to;
    DurationMs step;

    Expectation *expects;
    size_t expect_count;
    SeriesDesc *series; /* in order */
    size_t series_count;
    bool has_scalar, has_string;
    bool range_vector; /* of an instant query: from, to, step are its points' times */
    double scalar;
    Str string;
} TestEval;

typedef enum CommandKind { COMMAND_LOAD, COMMAND_CLEAR, COMMAND_EVAL } CommandKind;

typedef struct TestCommand {
    CommandKind kind;
    uint32_t line;
    TestLoad load;
    TestEval eval;
} TestCommand;

typedef struct TestScript {
    TestCommand *commands;
    size_t count;
} TestScript;

/* testlang_parse.c. Errors name the line. */
bool test_script_parse(Arena *arena, Str text, TestScript *ret_script, Err *err) MUST_CHECK;

/* testlang_load.c */
bool test_load_append(Store *store, const TestLoad *load, Err *err) MUST_CHECK;

bool test_expects(const TestEval *eval, ExpectKind kind);

/* testlang_check.c: compares an answer; false with what is different in `err`. `series_from` says
 * that `value`, a matrix, shall be looked at only at that one time, as if it were a vector. */
bool test_check_value(const TestEval *eval, const Value *value, Err *err) MUST_CHECK;
bool test_check_value_at(const TestEval *eval, const Value *value, bool scalar, TimeMs time,
                         Err *err) MUST_CHECK;
bool test_check_annotations(const TestEval *eval, const Value *value, Err *err) MUST_CHECK;
bool test_check_failure(const TestEval *eval, const Err *actual, Err *err) MUST_CHECK;
