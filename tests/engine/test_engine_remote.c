/* The engine over a Prometheus-compatible API, with the real servers on the other side. */

#include "engine/remote_sources.h"
#include "engine_test.h"

static Server start_prometheus(char *dir) {
    cr_assert(mkdtemp(dir));
    char config[128], path[128], listen[64];
    snprintf(config, sizeof config, "--config.file=%s/prometheus.yml", dir);
    snprintf(path, sizeof path, "--storage.tsdb.path=%s/data", dir);
    int port = free_port();
    snprintf(listen, sizeof listen, "--web.listen-address=127.0.0.1:%d", port);
    Err err = {0};
    char file[128];
    snprintf(file, sizeof file, "%s/prometheus.yml", dir);
    cr_assert(file_replace(file, STR("global: {scrape_interval: 1h}\n"), &err), "%s", err.text);
    const char *argv[] = {
        "/usr/bin/prometheus", config, path, listen, "--web.enable-remote-write-receiver", NULL};
    return server_start(argv, port, dir);
}

static Server start_victoriametrics(char *dir) {
    cr_assert(mkdtemp(dir));
    char path[128], listen[64];
    snprintf(path, sizeof path, "-storageDataPath=%s", dir);
    int port = free_port();
    snprintf(listen, sizeof listen, "-httpListenAddr=127.0.0.1:%d", port);
    const char *argv[] = {"/usr/bin/victoria-metrics", path, listen, "-search.latencyOffset=0s",
                          "-search.disableCache",      NULL};
    return server_start(argv, port, dir);
}

static Net *open_net(void) {
    Net *net;
    Err err = {0};
    cr_assert(net_open(&net, &err), "%s", err.text);
    return net;
}

/* Written samples take a moment to be found. */
static void wait_for_two(Engine *engine, TimeMs now) {
    for (int i = 0; i < 100; i++) {
        Arena arena = {0};
        EngineExpr expr = {.text = STR("count(up)")};
        Value value = {0};
        bool ok;
        Err err = {0};
        engine_instant(engine, &expr, 1, now, &test_options, &arena, &value, &ok, &err);
        bool found = ok && value.series_count == 1 && value.series[0].values[0] == 2;
        arena_finish(&arena);
        if (found) {
            return;
        }
        usleep(100000);
    }
    cr_assert(false, "what was written is not found");
}

/* The same questions to either. */
static void check_server(const Server *server, Net *net) {
    EngineRemoteOptions options = {.url = server->url};
    Engine *engine = engine_remote_new(net, &options);
    cr_expect(!engine_is_local(engine));
    TimeMs now = clock_now();
    uint64_t lsn = 99;
    Err err = {0};
    cr_assert(write_two(engine, now, &lsn, &err), "%s", err.text);
    cr_assert(engine_sync(engine, lsn, &err));
    wait_for_two(engine, now);

    Arena arena = {0};
    EngineExpr exprs[] = {{.text = STR("sum(up)")},
                          {.text = STR("sum(")},
                          {.text = STR("up{job=~\"a|b\"} == 0")},
                          {.text = STR("up{job=\"nobody & nothing+%\"}")}};
    Value values[4] = {0};
    bool ok[4];
    Err errs[4] = {0};
    engine_instant(engine, exprs, 4, now, &test_options, &arena, values, ok, errs);
    cr_assert(ok[0] && !ok[1] && ok[2] && ok[3], "%s %s %s", errs[0].text, errs[2].text,
              errs[3].text);
    assert_single(&values[0], 1);
    cr_expect(errs[1].kind == ERR_INVALID && strstr(errs[1].text, "remote engine answers 4"), "%s",
              errs[1].text);
    cr_expect(values[2].series_count == 1 &&
              str_eq(labels_get(values[2].series[0].labels, STR("job")), STR("b")));
    cr_expect_eq(values[3].series_count, 0);

    /* The newest sample counts for as long as `lookback` says, whatever the server's own idea. */
    TimeMs later = now + 4 * MINUTE_MS;
    engine_instant(engine, exprs, 1, later, &test_options, &arena, values, ok, errs);
    cr_assert(ok[0], "%s", errs[0].text);
    assert_single(&values[0], 1);

    Value matrix;
    QueryRange range = {.from = now, .to = now + 2 * MINUTE_MS, .step = MINUTE_MS};
    cr_assert(engine_range(engine, &exprs[0], range, &test_options, &arena, &matrix, &err), "%s",
              err.text);
    cr_assert(matrix.type == VALUE_MATRIX && matrix.series_count == 1);
    cr_expect_eq(matrix.series[0].times[0], now);
    arena_finish(&arena);
    engine_free(engine);
}

Test(engine_remote, asks_and_writes_prometheus, .timeout = 60) {
    char dir[] = "/tmp/belfry-prometheus.XXXXXX";
    Net *net = open_net();
    Server server = start_prometheus(dir);
    server_wait(net, &server, "/-/ready");
    check_server(&server, net);
    server_stop(&server);
    net_close(net);
}

Test(engine_remote, asks_and_writes_victoriametrics, .timeout = 60) {
    char dir[] = "/tmp/belfry-victoria.XXXXXX";
    Net *net = open_net();
    Server server = start_victoriametrics(dir);
    server_wait(net, &server, "/health");
    check_server(&server, net);
    server_stop(&server);
    net_close(net);
}

/* The newest sample of source c, as holding is told. */
static TimeMs newest_told(RemoteSources *sources) {
    Arena arena = {0};
    StoreSource *list = NULL;
    size_t count = 0;
    remote_sources_list(sources, &arena, &list, &count);
    TimeMs newest = count ? list[0].newest : 0;
    arena_finish(&arena);
    return newest;
}

Test(engine_remote, how_far_a_store_is_behind_is_no_lateness_of_a_source) {
    const TimeMs start = INT64_C(1700000000000);
    RemoteSources *sources = remote_sources_new();
    TimeMs now = start;
    /* Scraped every 15 s, asked every 5 s, shown half a minute later. */
    for (; now < start + 5 * MINUTE_MS; now += 5 * SECOND_MS) {
        TimeMs shown = now - 30 * SECOND_MS;
        remote_sources_see(sources, STR("c"), shown - shown % (15 * SECOND_MS), now);
    }
    cr_expect_leq(now - newest_told(sources), 25 * SECOND_MS, "%lld",
                  (long long)(now - newest_told(sources)));
    TimeMs last = newest_told(sources);
    for (; now < start + 40 * MINUTE_MS; now += MINUTE_MS) {
        remote_sources_see(sources, STR("c"), last - 30 * SECOND_MS, now); /* dark: nothing new */
    }
    cr_expect_leq(newest_told(sources), last, "a source that sends nothing becomes late");
    cr_expect(remote_sources_forget(sources, STR("c")) &&
              !remote_sources_forget(sources, STR("c")));
    cr_expect_eq(newest_told(sources), 0);
    remote_sources_see(sources, STR("c"), now - SECOND_MS, now);
    cr_expect_eq(newest_told(sources), now, "it is back");
    remote_sources_free(sources);
}

Test(engine_remote, a_source_that_is_dark_when_first_seen_is_late) {
    const TimeMs now = INT64_C(1700000000000);
    RemoteSources *sources = remote_sources_new();
    remote_sources_see(sources, STR("c"), now - 10 * MINUTE_MS, now);
    cr_expect_eq(newest_told(sources), now - 9 * MINUTE_MS);
    remote_sources_know(sources, STR("d"), now - HOUR_MS);
    remote_sources_forget(sources, STR("c"));
    cr_expect_eq(newest_told(sources), now - HOUR_MS, "as it was written down");
    remote_sources_free(sources);
}

Test(engine_remote, a_dead_server_fails_each_query) {
    Net *net = open_net();
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", free_port());
    EngineRemoteOptions options = {.url = url};
    Engine *engine = engine_remote_new(net, &options);
    EngineExpr exprs[] = {{.text = STR("up")}, {.text = STR("down")}};
    Arena arena = {0};
    Value values[2];
    bool ok[2];
    Err errs[2] = {0};
    engine_instant(engine, exprs, 2, 1000, &test_options, &arena, values, ok, errs);
    cr_expect(!ok[0] && !ok[1]);
    cr_expect(errs[0].kind == ERR_IO && errs[1].kind == ERR_IO, "%s", errs[0].text);
    uint64_t lsn;
    Err err = {0};
    cr_expect(!write_two(engine, 1000, &lsn, &err) && err.kind == ERR_IO, "%s", err.text);
    arena_finish(&arena);
    engine_free(engine);
    net_close(net);
}
