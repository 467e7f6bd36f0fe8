/* Outgoing requests against a real server on loopback: what is sent, what comes back, and that
 * nobody waits for anybody else. */

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <unistd.h>

#include "net/net.h"
#include "peer.h"

typedef struct Rig {
    Peer *peer;
    Net *net;
    Arena arena;
} Rig;

static Rig open_rig(void) {
    Rig rig = {.peer = peer_new()};
    Err err;
    cr_assert(net_open(&rig.net, &err), "%s", err.text);
    return rig;
}

static void close_rig(Rig *rig) {
    net_close(rig->net);
    peer_free(rig->peer);
    arena_finish(&rig->arena);
}

static NetRequest request_to(Rig *rig, const char *method, const char *path) {
    return (NetRequest){
        .method = str_of(method),
        .url = arena_printf(&rig->arena, "http://127.0.0.1:%d%s", rig->peer->port, path),
        .timeout = 20 * SECOND_MS,
        .answer_bytes_max = 1 << 20,
    };
}

static NetAnswer call(Rig *rig, const NetRequest *request) {
    NetAnswer answer;
    Err err;
    cr_assert(net_call(rig->net, request, &answer, &err), "%s", err.text);
    return answer;
}

static bool contains(Str text, const char *part) {
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

Test(net, sends_method_headers_and_body) {
    Rig rig = open_rig();
    static const struct {
        const char *method, *body, *want;
    } cases[] = {
        {"GET", "", "GET\n"},      {"POST", "hello", "POST\n"}, {"POST", "", "POST\n"},
        {"PUT", "hello", "PUT\n"}, {"DELETE", "", "DELETE\n"},  {"PATCH", "x", "PATCH\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        NetRequest request = request_to(&rig, cases[i].method, "/echo");
        Str extra = STR("X-Extra: 42");
        request.body = str_of(cases[i].body);
        request.content_type = STR("application/json");
        request.headers = &extra;
        request.header_count = 1;
        request.tag = 7 + i;
        NetAnswer answer = call(&rig, &request);
        cr_expect(answer.ok, "%s: %s", cases[i].method, answer.err.text);
        cr_expect_eq(answer.status, 200);
        cr_expect_eq(answer.tag, 7 + i);
        cr_expect_eq(answer.retry_after, -1);
        cr_expect(str_starts(answer.body, str_of(cases[i].want)), "%s", answer.body.ptr);
        cr_expect(contains(answer.body, "X-Extra: 42"));
        cr_expect(contains(answer.body, "Content-Type: application/json"));
        cr_expect(str_ends(answer.body, str_of(cases[i].body)));
        cr_expect(str_eq(answer.content_type, STR("text/plain")));
        net_answer_finish(&answer);
    }
    close_rig(&rig);
}

Test(net, follows_redirects_unless_told_not_to_and_unpacks_gzip) {
    Rig rig = open_rig();
    NetOptions stay = {.no_redirects = true};
    static const struct {
        const char *path;
        bool stay;
        int status;
        const char *want;
    } cases[] = {
        {"/redirect", false, 200, "GET\n"},
        {"/redirect", true, 302, ""},
        {"/gzip", false, 200, "unpacked"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        NetRequest request = request_to(&rig, "GET", cases[i].path);
        request.options = cases[i].stay ? &stay : NULL;
        NetAnswer answer = call(&rig, &request);
        cr_expect(answer.ok, "%s: %s", cases[i].path, answer.err.text);
        cr_expect_eq(answer.status, cases[i].status, "%s: %d", cases[i].path, answer.status);
        cr_expect(str_starts(answer.body, str_of(cases[i].want)));
        net_answer_finish(&answer);
    }
    close_rig(&rig);
}

Test(net, a_refusal_is_an_answer_and_tells_when_to_come_back) {
    Rig rig = open_rig();
    static const struct {
        const char *path;
        int status;
        DurationMs after_min, after_max;
    } cases[] = {
        {"/status/429?after=120", 429, 120000, 120000},
        {"/status/503", 503, -1, -1},
        {"/status/503?after=Wed,%2021%20Oct%202015%2007:28:00%20GMT", 503, 0, 0},
        {"/status/503?after=soon", 503, -1, -1},
        {"/status/404?after=-5", 404, -1, -1},
        {"/status/500?after=99999999999999999999", 500, -1, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        NetRequest request = request_to(&rig, "POST", cases[i].path);
        request.body = STR("{}");
        NetAnswer answer = call(&rig, &request);
        cr_expect(answer.ok, "%s: %s", cases[i].path, answer.err.text);
        cr_expect_eq(answer.status, cases[i].status);
        cr_expect(str_eq(answer.body, STR("refused")));
        cr_expect(answer.retry_after >= cases[i].after_min &&
                      answer.retry_after <= cases[i].after_max,
                  "%s: %lld", cases[i].path, (long long)answer.retry_after);
        net_answer_finish(&answer);
    }
    close_rig(&rig);
}

Test(net, an_answer_over_the_limit_is_an_error_but_a_refusal_is_cut) {
    Rig rig = open_rig();
    NetRequest request = request_to(&rig, "GET", "/bytes/100000");
    request.answer_bytes_max = 99999;
    NetAnswer answer = call(&rig, &request);
    cr_expect(!answer.ok);
    cr_expect_eq(answer.err.kind, ERR_LIMIT, "%s", answer.err.text);
    net_answer_finish(&answer);

    request.answer_bytes_max = 100000;
    answer = call(&rig, &request);
    cr_expect(answer.ok, "%s", answer.err.text);
    cr_expect_eq(answer.body.len, 100000);
    net_answer_finish(&answer);

    request = request_to(&rig, "GET", "/status/500");
    request.answer_bytes_max = 3;
    answer = call(&rig, &request);
    cr_expect(answer.ok, "%s", answer.err.text);
    cr_expect(str_eq(answer.body, STR("ref")));
    net_answer_finish(&answer);
    close_rig(&rig);
}

/* ---- a peer that speaks no HTTP, or too much of it ---- */

typedef struct Babbler {
    int fd;
    Str says;     /* once */
    Str for_ever; /* then, until nobody listens */
} Babbler;

static void *babble(void *ctx) {
    const Babbler *babbler = ctx;
    char heard[4096];
    int fd = accept(babbler->fd, NULL, NULL);
    bool listens = read(fd, heard, sizeof heard) > 0;
    listens = listens && send(fd, babbler->says.ptr, babbler->says.len, MSG_NOSIGNAL) >= 0;
    while (listens && babbler->for_ever.len) {
        listens = send(fd, babbler->for_ever.ptr, babbler->for_ever.len, MSG_NOSIGNAL) > 0;
    }
    close(fd);
    return NULL;
}

static NetAnswer call_babbler(Rig *rig, Str says, Str for_ever, bool may_be_cut) {
    Babbler babbler = {.fd = socket(AF_INET, SOCK_STREAM, 0), .says = says, .for_ever = for_ever};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    pthread_t thread;
    cr_assert(bind(babbler.fd, (struct sockaddr *)&at, sizeof at) == 0);
    cr_assert(listen(babbler.fd, 1) == 0);
    cr_assert(getsockname(babbler.fd, (struct sockaddr *)&at, &len) == 0);
    cr_assert(pthread_create(&thread, NULL, babble, &babbler) == 0);
    NetRequest request = {
        .method = STR("POST"),
        .url = arena_printf(&rig->arena, "http://127.0.0.1:%d/x", (int)ntohs(at.sin_port)),
        .body = STR("{}"),
        .answer_bytes_max = 1000,
        .answer_may_be_cut = may_be_cut};
    NetAnswer answer = call(rig, &request);
    pthread_join(thread, NULL);
    close(babbler.fd);
    return answer;
}

#define ENDLESS "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

Test(net, whatever_a_peer_says_is_answered) {
    static const struct {
        const char *says, *for_ever;
        bool may_be_cut;
        int status; /* 0 = no answer */
        ErrKind kind;
    } rows[] = {
        {"", "", false, 0, ERR_IO},
        {"\x01\xff<html>not HTTP at all\r\n", "", false, 0, ERR_IO},
        {"SSH-2.0-OpenSSH_9.2\r\n", "", false, 0, ERR_IO},
        {"HTTP/1.1 2", "", false, 0, ERR_IO},
        {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "", false, 0, ERR_IO},
        {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", "", false, 0, ERR_IO},
        {"HTTP/1.1 200 OK\r\n", "X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", false, 0,
         ERR_IO},
        {"HTTP/1.1 200 OK\r\nX: ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false, 0,
         ERR_IO},
        {ENDLESS, "8\r\n12345678\r\n", false, 0, ERR_LIMIT},
        {ENDLESS, "8\r\n12345678\r\n", true, 200, 0},
        {"HTTP/1.1 500 No\r\n\r\n", "no and no and no again. ", false, 500, 0},
        {"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\n{\"sta", "", false, 202, 0},
    };
    Rig rig = open_rig();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        NetAnswer answer =
            call_babbler(&rig, str_of(rows[i].says), str_of(rows[i].for_ever), rows[i].may_be_cut);
        cr_expect_eq(answer.ok, rows[i].status != 0, "row %zu: %s", i, answer.err.text);
        if (rows[i].status) {
            cr_expect_eq(answer.status, rows[i].status, "row %zu: %d", i, answer.status);
            cr_expect_leq(answer.body.len, 1000, "row %zu", i);
        } else {
            cr_expect_eq(answer.err.kind, rows[i].kind, "row %zu: %s", i, answer.err.text);
            cr_expect_not(answer.not_sent, "row %zu", i);
        }
        net_answer_finish(&answer);
    }
    close_rig(&rig);
}

Test(net, a_slow_peer_delays_nobody_and_times_out_alone) {
    Rig rig = open_rig();
    NetBox *box = net_box_new(rig.net);
    NetRequest slow = request_to(&rig, "GET", "/wait");
    slow.tag = 1;
    for (int i = 0; i < 20; i++) {
        net_send(box, &slow);
    }
    NetRequest quick = request_to(&rig, "GET", "/echo");
    quick.tag = 2;
    net_send(box, &quick);
    NetAnswer answer;
    cr_assert(net_take(box, 20 * SECOND_MS, &answer));
    cr_expect_eq(answer.tag, 2, "the quick one comes first");
    net_answer_finish(&answer);
    cr_expect_eq(net_box_pending(box), 20);

    NetRequest hasty = request_to(&rig, "GET", "/wait");
    hasty.timeout = 100;
    hasty.tag = 3;
    net_send(box, &hasty);
    cr_assert(net_take(box, 20 * SECOND_MS, &answer));
    cr_expect_eq(answer.tag, 3);
    cr_expect(!answer.ok);
    cr_expect_eq(answer.err.kind, ERR_TIMEOUT, "%s", answer.err.text);
    net_answer_finish(&answer);

    peer_release(rig.peer);
    for (int i = 0; i < 20; i++) {
        cr_assert(net_take(box, 20 * SECOND_MS, &answer));
        cr_expect(answer.ok && answer.tag == 1, "%s", answer.err.text);
        net_answer_finish(&answer);
    }
    cr_expect(!net_take(box, 0, &answer));
    net_box_free(box);
    close_rig(&rig);
}

Test(net, a_box_that_goes_away_cancels_what_it_has_under_way) {
    Rig rig = open_rig();
    NetBox *leaving = net_box_new(rig.net), *staying = net_box_new(rig.net);
    NetRequest slow = request_to(&rig, "GET", "/wait");
    net_send(leaving, &slow);
    net_send(staying, &slow);
    net_box_free(leaving);
    cr_expect_eq(net_box_pending(staying), 1);
    peer_release(rig.peer);
    NetAnswer answer;
    cr_assert(net_take(staying, 20 * SECOND_MS, &answer));
    cr_expect(answer.ok, "%s", answer.err.text);
    net_answer_finish(&answer);
    net_box_free(staying);
    close_rig(&rig);
}

Test(net, a_waiting_take_can_be_woken) {
    Rig rig = open_rig();
    NetBox *box = net_box_new(rig.net);
    net_box_wake(box);
    NetAnswer answer;
    cr_expect(!net_take(box, HOUR_MS, &answer));
    net_box_free(box);
    close_rig(&rig);
}

/* A port that nobody listens on: bound, so that no one else takes it. */
static int dead_port(int *ret_fd) {
    *ret_fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    cr_assert_eq(bind(*ret_fd, (struct sockaddr *)&address, len), 0);
    getsockname(*ret_fd, (struct sockaddr *)&address, &len);
    return ntohs(address.sin_port);
}

Test(net, what_cannot_be_sent_is_answered_with_a_reason_that_holds_no_secret) {
    Rig rig = open_rig();
    int fd;
    int port = dead_port(&fd);
    char dead[128];
    snprintf(dead, sizeof dead, "http://user:geheim@127.0.0.1:%d/services/geheim?token=geheim",
             port);
    const struct {
        const char *url;
        ErrKind kind;
    } cases[] = {
        {dead, ERR_IO},
        {"", ERR_INVALID},
        {"http://", ERR_INVALID},
        {"file:///etc/passwd", ERR_INVALID},
        {"gopher://127.0.0.1/", ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        NetRequest request = request_to(&rig, "GET", "/");
        request.url = str_of(cases[i].url);
        NetAnswer answer = call(&rig, &request);
        cr_expect(!answer.ok, "%s", cases[i].url);
        cr_expect_eq(answer.err.kind, cases[i].kind, "%s: %s", cases[i].url, answer.err.text);
        cr_expect(!strstr(answer.err.text, "geheim"), "%s", answer.err.text);
        net_answer_finish(&answer);
    }
    close(fd);
    close_rig(&rig);
}

Test(net, a_header_with_a_line_break_is_refused) {
    Rig rig = open_rig();
    NetRequest request = request_to(&rig, "GET", "/echo");
    Str bad = STR("X-Extra: a\r\nEvil: b");
    request.headers = &bad;
    request.header_count = 1;
    NetAnswer answer = call(&rig, &request);
    cr_expect(!answer.ok);
    cr_expect_eq(answer.err.kind, ERR_INVALID);
    net_answer_finish(&answer);
    close_rig(&rig);
}

Test(net, credentials_come_from_options_and_files_at_send_time) {
    Rig rig = open_rig();
    char path[] = "/tmp/belfry-net-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(write(fd, "from-file\n", 10) == 10);
    close(fd);
    const struct {
        NetOptions options;
        const char *want;
    } cases[] = {
        {{.username = STR("me"), .password = STR("pw")}, "Authorization: Basic bWU6cHc="},
        {{.bearer = STR("abc")}, "Authorization: Bearer abc"},
        {{.bearer = STR("abc"), .auth_type = STR("GenieKey")}, "Authorization: GenieKey abc"},
        {{.bearer_file = str_of(path)}, "Authorization: Bearer from-file\n"},
        {{.username = STR("me"), .password_file = str_of(path)},
         "Authorization: Basic bWU6ZnJvbS1maWxl"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        NetRequest request = request_to(&rig, "GET", "/echo");
        request.options = &cases[i].options;
        NetAnswer answer = call(&rig, &request);
        cr_expect(contains(answer.body, cases[i].want), "%s\n%s", cases[i].want, answer.body.ptr);
        net_answer_finish(&answer);
    }
    unlink(path);
    NetRequest request = request_to(&rig, "GET", "/echo");
    request.options = &cases[3].options;
    NetAnswer answer = call(&rig, &request);
    cr_expect(!answer.ok, "a missing file is an error");
    cr_expect_eq(answer.err.kind, ERR_IO);
    net_answer_finish(&answer);
    close_rig(&rig);
}

static NetAnswer call_as(Rig *rig, const char *path, const NetOptions *options) {
    NetRequest request = request_to(rig, "GET", path);
    request.options = options;
    return call(rig, &request);
}

static void expect_token(Rig *rig, const NetOptions *options, const char *want) {
    NetAnswer answer = call_as(rig, "/echo", options);
    cr_assert(answer.ok, "%s", answer.err.text);
    cr_expect(contains(answer.body, want), "%s\n%s", want, answer.body.ptr);
    net_answer_finish(&answer);
}

Test(net, a_token_is_fetched_kept_and_fetched_again_when_it_is_refused) {
    Rig rig = open_rig();
    char url[64];
    NetOptions plain = {0};
    snprintf(url, sizeof url, "http://127.0.0.1:%d/token", rig.peer->port);
    NetOauth2 oauth2 = {.client_id = STR("me/too"),
                        .client_secret = STR("secret"),
                        .token_url = str_of(url),
                        .form = STR("&scope=a+b&audience=x%26y"),
                        .options = &plain};
    NetOptions options = {.oauth2 = &oauth2};
    expect_token(&rig, &options, "Authorization: Bearer token-1\n");
    expect_token(&rig, &options, "Authorization: Bearer token-1\n");
    NetAnswer answer = call_as(&rig, "/status/401", &options);
    cr_expect_eq(answer.status, 401);
    net_answer_finish(&answer);
    expect_token(&rig, &options, "Authorization: Bearer token-2\n");

    static const char *const bad[] = {"/status/403", "/echo", "/bytes/100000"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(url, sizeof url, "http://127.0.0.1:%d%s", rig.peer->port, bad[i]);
        oauth2.token_url = str_of(url);
        answer = call_as(&rig, "/echo", &options);
        cr_expect(!answer.ok && answer.not_sent, "%s", bad[i]);
        cr_expect(strstr(answer.err.text, "oauth2"), "%s: %s", bad[i], answer.err.text);
        net_answer_finish(&answer);
    }
    oauth2.client_secret_file = STR("/nowhere/secret");
    answer = call_as(&rig, "/echo", &options);
    cr_expect(!answer.ok && strstr(answer.err.text, "/nowhere/secret"), "%s", answer.err.text);
    net_answer_finish(&answer);
    close_rig(&rig);
}

Test(net, many_threads_send_at_once_and_the_metrics_add_up) {
    Rig rig = open_rig();
    NetBox *boxes[8];
    for (int b = 0; b < 8; b++) {
        boxes[b] = net_box_new(rig.net);
        for (int i = 0; i < 25; i++) {
            NetRequest request = request_to(&rig, "POST", "/echo");
            request.tag = (uint64_t)b;
            net_send(boxes[b], &request);
        }
    }
    for (int b = 0; b < 8; b++) {
        for (int i = 0; i < 25; i++) {
            NetAnswer answer;
            cr_assert(net_take(boxes[b], 30 * SECOND_MS, &answer));
            cr_expect(answer.ok && answer.tag == (uint64_t)b, "%s", answer.err.text);
            net_answer_finish(&answer);
        }
        net_box_free(boxes[b]);
    }
    Buf text = {0};
    MetricWriter writer = {.buf = &text};
    net_metrics(rig.net, &writer);
    cr_expect(contains(buf_view(&text), "belfry_net_requests_total{result=\"ok\"} 200\n"), "%.*s",
              STR_ARG(buf_view(&text)));
    cr_expect(contains(buf_view(&text), "belfry_net_requests_in_flight 0\n"));
    buf_finish(&text);
    close_rig(&rig);
}
