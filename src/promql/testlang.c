/*
 * Running test scripts. As Prometheus' runner does, an instant query is asked in several ways that
 * must come to the same: as it is; as the middle of a range query; and with `@` the time on each
 * selector, at other times.
 */

#include "promql/testlang.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "promql/ast.h"

/* A store in a folder of its own, made anew by `clear`. */
typedef struct TestStore {
    char dir[64];
    Store *store;
} TestStore;

static void test_store_close(TestStore *test) {
    store_close(TAKE(test->store));
    if (test->dir[0]) {
        Err err;
        if (!dir_remove(test->dir, &err)) {
            fprintf(stderr, "%s\n", err.text);
        }
        test->dir[0] = '\0';
    }
}

static bool test_store_open(TestStore *test, Err *err) {
    const char *temp = getenv("TMPDIR");
    snprintf(test->dir, sizeof test->dir, "%.40s/promqltest.XXXXXX", temp ? temp : "/tmp");
    if (!mkdtemp(test->dir)) {
        bool ok = err_errno(err, "%s: cannot make a folder", test->dir);
        test->dir[0] = '\0';
        return ok;
    }
    StoreOptions options = {
        .dir = test->dir,
        .sync = STORE_SYNC_NEVER,
        .future_max = 24 * HOUR_MS,
        .block_span = 2 * HOUR_MS,
    };
    return store_open(&options, &test->store, err);
}

/* ---- one query ---- */

static bool run_query(Store *store, Str query, QueryRange range, Arena *arena, Value *ret_value,
                      Err *err) {
    const Expr *expr;
    if (!promql_parse(arena, query, PROMQL_PROMETHEUS, &expr, err)) {
        return false;
    }
    QueryOptions options = {
        .lookback = 5 * MINUTE_MS,
        .default_step = MINUTE_MS,
        .start_timestamps = true,
    };
    StoreSnapshot *snapshot = store_snapshot(store);
    bool ok = false;
    promql_run(&expr, 1, snapshot, range, &options, NULL, arena, ret_value, &ok, err);
    snapshot_release(snapshot);
    expr_finish(expr);
    return ok;
}

/* Whether an answer or failure is what is expected, up to its value. `*ret_done`: nothing is left
 * to compare. */
static bool check_outcome(const TestEval *eval, bool ok, const Value *value, const Err *actual,
                          bool *ret_done, Err *err) {
    *ret_done = !ok;
    if (!ok) {
        return test_check_failure(eval, actual, err);
    }
    if (test_expects(eval, EXPECT_FAIL)) {
        return err_set(err, ERR_INVALID, "expected a failure, got an answer");
    }
    return test_check_annotations(eval, value, err);
}

static bool run_range(Store *store, const TestEval *eval, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    QueryRange range = {.from = eval->from, .to = eval->to, .step = eval->step};
    Value value = {0};
    Err actual = {0};
    bool done;
    bool ok = run_query(store, eval->query, range, &arena, &value, &actual);
    if (!check_outcome(eval, ok, &value, &actual, &done, err)) {
        return false;
    }
    return done || test_check_value(eval, &value, err);
}

/* range() and the like mean something else in the surrounding range query. */
static bool knows_its_range(Str query) {
    static const char *const calls[] = {"start()", "end()", "range()", "step()"};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        if (memmem(query.ptr, query.len, calls[i], strlen(calls[i]))) {
            return true;
        }
    }
    return false;
}

/* The same query as the middle one of three steps. */
static bool check_in_range(Store *store, const TestEval *eval, Str query, TimeMs at, bool scalar,
                           Err *err) {
    bool other_shape = eval->range_vector || eval->has_string;
    if (other_shape || knows_its_range(query)) {
        return true;
    }
    AUTO(arena_finish) Arena arena = {0};
    QueryRange range = {.from = at - MINUTE_MS, .to = at + MINUTE_MS, .step = MINUTE_MS};
    Value value = {0};
    if (!run_query(store, query, range, &arena, &value, err)) {
        return err_context(err, "as a range query");
    }
    if (test_expects(eval, EXPECT_ORDERED)) {
        return true;
    }
    return test_check_value_at(eval, &value, scalar, at, err) ||
           err_context(err, "as a range query");
}

static bool run_instant_at(Store *store, const TestEval *eval, Str query, TimeMs at, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    QueryRange range = {.from = at, .to = at};
    Value value = {0};
    Err actual = {0};
    bool done;
    bool ok = run_query(store, query, range, &arena, &value, &actual);
    if (!check_outcome(eval, ok, &value, &actual, &done, err)) {
        return false;
    }
    if (done) {
        return true;
    }
    return test_check_value(eval, &value, err) &&
           check_in_range(store, eval, query, at, value.type == VALUE_SCALAR, err);
}

/* ---- the same with @ ---- */

/* Functions whose result depends on the evaluation time even if their arguments do not. */
static const FunctionId unsafe_functions[] = {
    FUNC_DAYS_IN_MONTH, FUNC_DAY_OF_MONTH, FUNC_DAY_OF_WEEK, FUNC_DAY_OF_YEAR, FUNC_END,
    FUNC_HOUR,          FUNC_MINUTE,       FUNC_MONTH,       FUNC_YEAR,        FUNC_PREDICT_LINEAR,
    FUNC_RANGE,         FUNC_START,        FUNC_STEP,        FUNC_TIME,        FUNC_TIMESTAMP,
};

typedef struct AtPinning {
    TimeMs at;
    bool unsafe;
} AtPinning;

static void pin(TimeShift *shift, TimeMs at) {
    if (shift->at.kind != AT_TIME) {
        shift->at = (AtModifier){.kind = AT_TIME, .time = at};
    }
}

/* Sets `@ at` on every selector and subquery that has none; what is inside a subquery with it needs
 * none. */
static void pin_expr(void *ctx, const Expr *expr) {
    AtPinning *pinning = ctx;
    /* The tree was parsed for this alone. */
    Expr *own = (Expr *)expr;
    if (expr->kind == EXPR_SELECTOR) {
        pin(&own->selector.shift, pinning->at);
        return;
    }
    if (expr->kind == EXPR_SUBQUERY) {
        pin(&own->subquery.shift, pinning->at);
        return;
    }
    if (expr->kind == EXPR_CALL) {
        for (size_t i = 0; i < sizeof unsafe_functions / sizeof unsafe_functions[0]; i++) {
            pinning->unsafe |= unsafe_functions[i] == expr->call.function->id;
        }
    }
    expr_children(expr, pin_expr, pinning);
}

/* Functions inside of subqueries count, too. */
static void find_unsafe(void *ctx, const Expr *expr) {
    bool *unsafe = ctx;
    for (size_t i = 0;
         expr->kind == EXPR_CALL && i < sizeof unsafe_functions / sizeof unsafe_functions[0]; i++) {
        *unsafe |= unsafe_functions[i] == expr->call.function->id;
    }
    expr_children(expr, find_unsafe, unsafe);
}

/* The query with `@ at` everywhere. False where that may answer differently. */
static bool pinned_query(Arena *arena, Str query, TimeMs at, Str *ret_query) {
    Err err;
    const Expr *expr;
    if (!promql_parse(arena, query, PROMQL_PROMETHEUS, &expr, &err)) {
        return false;
    }
    AtPinning pinning = {.at = at};
    pin_expr(&pinning, expr);
    find_unsafe(&pinning.unsafe, expr);
    AUTO(buf_finish) Buf text = {0};
    expr_print(&text, expr, false);
    *ret_query = arena_str(arena, buf_view(&text));
    expr_finish(expr);
    return !pinning.unsafe;
}

static bool run_pinned(Store *store, const TestEval *eval, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Str query;
    if (!pinned_query(&arena, eval->query, eval->at, &query)) {
        return true;
    }
    TimeMs at = eval->at;
    TimeMs times[] = {-10 * at, 0, at / 5, at, 10 * at};
    TimeMs times_of_zero[] = {-1000, 0, 1000};
    const TimeMs *list = at ? times : times_of_zero;
    size_t count =
        at ? sizeof times / sizeof times[0] : sizeof times_of_zero / sizeof times_of_zero[0];
    for (size_t i = 0; i < count; i++) {
        if (!run_instant_at(store, eval, query, list[i], err)) {
            return err_context(err, "as %.*s at %lld", STR_ARG(query), (long long)list[i]);
        }
    }
    return true;
}

static bool run_eval(Store *store, const TestEval *eval, Err *err) {
    if (eval->range) {
        return run_range(store, eval, err);
    }
    return run_instant_at(store, eval, eval->query, eval->at, err) && run_pinned(store, eval, err);
}

/* ---- scripts ---- */

static bool run_command(TestStore *test, Str file, const TestCommand *command, Buf *report,
                        PromqlTestResult *result, Err *err) {
    switch (command->kind) {
    case COMMAND_CLEAR:
        test_store_close(test);
        return test_store_open(test, err);
    case COMMAND_LOAD:
        return test_load_append(test->store, &command->load, err) ||
               err_context(err, "line %u", command->line);
    case COMMAND_EVAL:
        break;
    }
    const TestEval *eval = &command->eval;
    Err difference = {0};
    if (run_eval(test->store, eval, &difference)) {
        result->passed++;
    } else {
        result->failed++;
        buf_printf(report, "%.*s:%u: %.*s: %s\n", STR_ARG(file), eval->line, STR_ARG(eval->query),
                   difference.text);
    }
    return true;
}

bool promql_test_script(Str file, Str text, Buf *report, PromqlTestResult *ret_result, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(test_store_close) TestStore test = {0};
    TestScript script;
    if (!test_script_parse(&arena, text, &script, err) || !test_store_open(&test, err)) {
        return err_context(err, "%.*s", STR_ARG(file));
    }
    PromqlTestResult result = {0};
    for (size_t i = 0; i < script.count; i++) {
        if (!run_command(&test, file, &script.commands[i], report, &result, err)) {
            return err_context(err, "%.*s", STR_ARG(file));
        }
    }
    *ret_result = result;
    return true;
}
