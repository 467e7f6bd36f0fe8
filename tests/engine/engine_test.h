#pragma once

/* What tests of the engine share: parsing, samples, and a real server of another make on a free
 * port. */

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "engine/engine.h"

typedef struct Server {
    pid_t pid;
    int port;
    char dir[64];
    char url[64];
} Server;

/* A port nobody listens on now. */
static inline int free_port(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
              getsockname(fd, (struct sockaddr *)&address, &length) == 0);
    close(fd);
    return ntohs(address.sin_port);
}

/* Starts `argv` with its output thrown away; the test is skipped if there is no such program. */
static inline Server server_start(const char *const *argv, int port, const char *dir) {
    if (access(argv[0], X_OK) != 0) {
        cr_skip("%s is not installed", argv[0]);
    }
    Server server = {.port = port};
    snprintf(server.dir, sizeof server.dir, "%s", dir);
    snprintf(server.url, sizeof server.url, "http://127.0.0.1:%d", port);
    server.pid = fork();
    if (server.pid == 0) {
        /* It shall not outlive a test that fails. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)!freopen("/dev/null", "w", stdout);
        (void)!freopen("/dev/null", "w", stderr);
        execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    return server;
}

static inline void server_stop(Server *server) {
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    Err err;
    (void)!dir_remove(server->dir, &err);
}

/* Asks until the server answers. */
static inline void server_wait(Net *net, const Server *server, const char *path) {
    char url[128];
    snprintf(url, sizeof url, "%s%s", server->url, path);
    for (int i = 0; i < 300; i++) {
        NetRequest request = {.method = STR("GET"),
                              .url = str_of(url),
                              .timeout = SECOND_MS,
                              .answer_bytes_max = 1 << 20};
        NetAnswer answer;
        Err err;
        bool up = net_call(net, &request, &answer, &err) && answer.ok && answer.status == 200;
        net_answer_finish(&answer);
        if (up) {
            return;
        }
        usleep(100000);
    }
    cr_assert(false, "%s does not answer", url);
}

static inline EngineExpr parse_expr(Arena *arena, const char *text) {
    Err err = {0};
    const Expr *expr;
    cr_assert(promql_parse(arena, str_of(text), PROMQL_PROMETHEUS, &expr, &err), "%s: %s", text,
              err.text);
    return (EngineExpr){.expr = expr, .text = str_of(text)};
}

static const QueryOptions test_options = {.lookback = 5 * MINUTE_MS, .default_step = MINUTE_MS};

/* up{job="a"} 1 and up{job="b"} 0 at `time`. */
static inline bool write_two(Engine *engine, TimeMs time, uint64_t *ret_lsn, Err *err) {
    Label a[] = {{STR("__name__"), STR("up")}, {STR("job"), STR("a")}};
    Label b[] = {{STR("__name__"), STR("up")}, {STR("job"), STR("b")}};
    BatchSeries series[] = {{.labels = {a, 2}, .row_first = 0, .row_count = 1},
                            {.labels = {b, 2}, .row_first = 1, .row_count = 1}};
    TimeMs times[] = {time, time};
    double values[] = {1, 0};
    SampleBatch batch = {.series = series,
                         .series_count = 2,
                         .times = times,
                         .values = values,
                         .row_count = 2,
                         .own = true};
    return engine_write(engine, &batch, time, ret_lsn, err);
}

/* The answer has one series without labels and this value. */
static inline void assert_single(const Value *value, double want) {
    cr_assert(value->type == VALUE_VECTOR && value->series_count == 1, "%d: %zu series",
              value->type, value->series_count);
    cr_expect_eq(value->series[0].labels.count, 0);
    cr_expect_eq(value->series[0].values[0], want);
}
