#pragma once

/* A server on a free port over a real store, rules, state and notify in a temporary folder, and a
 * client. */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "web/web.h"

typedef struct TestWeb {
    char dir[64];
    Pool *pool;
    Net *net;
    Store *store;
    State *state;
    Engine *engine;
    Rules *rules;
    Notify *notify;
    NotifyConfig *config;
    Web *web;
    Str listen;
} TestWeb;

static inline void must(bool good, const Err *err) {
    if (!good) {
        fprintf(stderr, "%s\n", err->text);
        abort();
    }
}

static inline void test_web_open(TestWeb *test, size_t body_bytes_max) {
    Err err = {0};
    Problems problems = {0};
    char path[96];
    *test = (TestWeb){.dir = "/tmp/belfry-web-XXXXXX"};
    assert(mkdtemp(test->dir));
    snprintf(path, sizeof path, "%s/state.db", test->dir);
    test->pool = pool_new("work", 2, 1000);
    must(net_open(&test->net, &err), &err);
    StoreOptions store = {.dir = test->dir,
                          .future_max = DAY_MS,
                          .block_span = 2 * HOUR_MS,
                          .source_label = STR("cluster"),
                          .pool = test->pool};
    must(store_open(&store, &test->store, &err), &err);
    must(state_open(&(StateOptions){.path = path, .busy_timeout = 10 * SECOND_MS}, &test->state,
                    &err),
         &err);
    test->engine = engine_local_new(test->store, test->pool);
    RulesOptions rules = {.evaluation_interval = MINUTE_MS,
                          .lookback = 5 * MINUTE_MS,
                          .source_label = STR("cluster")};
    test->rules = rules_new(test->engine, &rules);
    rules_load(test->rules, NULL, 0, clock_now(), &problems);
    test->config = notify_config_load(&(NotifyConfigSource){.file = STR("")}, &problems);
    must(notify_open(&(NotifyOptions){.state = test->state,
                                      .net = test->net,
                                      .config = test->config,
                                      .now = clock_now()},
                     &test->notify, &err),
         &err);
    problems_finish(&problems);
    WebOptions options = {.listen = STR("127.0.0.1:0"), .started_at = clock_now()};
    options.limits.body_bytes_max = body_bytes_max;
    options.limits.query_concurrency = 4;
    must(web_start(&options, &test->web, &err), &err);
}

static inline void test_web_ready(TestWeb *test) {
    web_open_doors(test->web, &(WebDoors){.store = test->store,
                                          .engine = test->engine,
                                          .rules = test->rules,
                                          .state = test->state,
                                          .notify = test->notify,
                                          .net = test->net});
}

static inline void test_web_close(TestWeb *test) {
    Err err = {0};
    web_stop(test->web, SECOND_MS);
    notify_close(test->notify);
    notify_config_unref(test->config);
    rules_free(test->rules);
    engine_free(test->engine);
    state_close(test->state);
    store_close(test->store);
    net_close(test->net);
    pool_free(test->pool);
    must(dir_remove(test->dir, &err), &err);
}

/* One exchange; net_answer_finish() the result. */
static inline NetAnswer test_web_call(TestWeb *test, const char *method, const char *path, Str body,
                                      const char *type) {
    Err err = {0};
    NetAnswer answer = {0};
    char url[4096];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", web_port(test->web), path);
    NetRequest request = {.method = str_of(method),
                          .url = str_of(url),
                          .body = body,
                          .content_type = str_of(type),
                          .timeout = 30 * SECOND_MS,
                          .answer_bytes_max = 64 << 20};
    must(net_call(test->net, &request, &answer, &err), &err);
    return answer;
}
