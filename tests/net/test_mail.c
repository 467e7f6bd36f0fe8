/* Mail through the same loop, against a small SMTP server that keeps what it was told. */

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/net.h"

/* Says `220`, answers each command by its first word, and takes one mail. */
typedef struct MailServer {
    int fd, port;
    pthread_t thread;
    const char *refuse; /* a command to answer with 550 */
    const char *offers; /* mechanisms of AUTH; NULL = none */
    Buf seen;
} MailServer;

static bool is_base64(const char *line) {
    return strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") > 20;
}

static void serve_commands(MailServer *server, FILE *in, int out) {
    char line[1024];
    bool data = false;
    dprintf(out, "220 test\r\n");
    while (fgets(line, sizeof line, in)) {
        buf_printf(&server->seen, "%s", line);
        if (data) {
            if (!strcmp(line, ".\r\n")) {
                data = false;
                dprintf(out, "250 taken\r\n");
            }
            continue;
        }
        if (server->refuse && !strncmp(line, server->refuse, strlen(server->refuse))) {
            dprintf(out, "550 no such person\r\n");
        } else if (!strncmp(line, "EHLO", 4)) {
            if (server->offers) {
                dprintf(out, "250-AUTH %s\r\n", server->offers);
            }
            dprintf(out, "250-test\r\n250 SIZE 1000000\r\n");
        } else if (!strncmp(line, "AUTH CRAM-MD5", 13)) { /* the challenge of RFC 2195 */
            dprintf(out, "334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\r\n");
        } else if (is_base64(line)) {
            dprintf(out, "235 known\r\n");
        } else if (!strncmp(line, "DATA", 4)) {
            data = true;
            dprintf(out, "354 go on\r\n");
        } else if (!strncmp(line, "QUIT", 4)) {
            dprintf(out, "221 bye\r\n");
            return;
        } else {
            dprintf(out, "250 fine\r\n");
        }
    }
}

static void *serve(void *ctx) {
    MailServer *server = ctx;
    int fd = accept(server->fd, NULL, NULL);
    FILE *in = fdopen(fd, "r");
    serve_commands(server, in, fd);
    fclose(in);
    return NULL;
}

static void start(MailServer *server) {
    server->fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    cr_assert_eq(bind(server->fd, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(server->fd, 1), 0);
    getsockname(server->fd, (struct sockaddr *)&address, &len);
    server->port = ntohs(address.sin_port);
    pthread_create(&server->thread, NULL, serve, server);
}

static NetAnswer send_mail_as(MailServer *server, bool require_tls, const NetOptions *options) {
    Net *net;
    Err err;
    cr_assert(net_open(&net, &err), "%s", err.text);
    char url[64];
    snprintf(url, sizeof url, "smtp://127.0.0.1:%d/belfry.test", server->port);
    Str to[] = {STR("<a@example.org>"), STR("<b@example.org>")};
    NetRequest request = {
        .url = str_of(url),
        .body = STR("Subject: disk full\r\n\r\n.hidden dot\r\nbye\r\n"),
        .mail_from = STR("<belfry@example.org>"),
        .mail_to = to,
        .mail_to_count = 2,
        .mail_require_tls = require_tls,
        .options = options,
        .timeout = 20 * SECOND_MS,
        .answer_bytes_max = 1000,
    };
    NetAnswer answer;
    cr_assert(net_call(net, &request, &answer, &err), "%s", err.text);
    net_close(net);
    pthread_join(server->thread, NULL);
    close(server->fd);
    buf_byte(&server->seen, '\0');
    return answer;
}

static NetAnswer send_mail(MailServer *server, bool require_tls) {
    return send_mail_as(server, require_tls, NULL);
}

Test(mail, is_handed_over_with_its_envelope) {
    MailServer server = {0};
    start(&server);
    NetAnswer answer = send_mail(&server, false);
    cr_expect(answer.ok, "%s", answer.err.text);
    cr_expect(answer.status / 100 == 2, "%d", answer.status);
    static const char *const want[] = {
        "EHLO belfry.test\r\n",        "MAIL FROM:<belfry@example.org>",
        "RCPT TO:<a@example.org>\r\n", "RCPT TO:<b@example.org>\r\n",
        "Subject: disk full\r\n",      "\r\n..hidden dot\r\n",
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        cr_expect(strstr(server.seen.ptr, want[i]), "%s is missing in\n%s", want[i],
                  server.seen.ptr);
    }
    net_answer_finish(&answer);
    buf_finish(&server.seen);
}

Test(mail, a_refused_recipient_is_an_answer_with_the_servers_status) {
    MailServer server = {.refuse = "RCPT TO:<b@"};
    start(&server);
    NetAnswer answer = send_mail(&server, false);
    cr_expect(answer.ok, "%s", answer.err.text);
    cr_expect_eq(answer.status, 550);
    cr_expect(answer.body.len > 0);
    net_answer_finish(&answer);
    buf_finish(&server.seen);
}

Test(mail, is_not_sent_in_the_clear_where_tls_is_required) {
    MailServer server = {0};
    start(&server);
    NetAnswer answer = send_mail(&server, true);
    cr_expect(!answer.ok);
    cr_expect(!strstr(server.seen.ptr, "MAIL FROM"), "%s", server.seen.ptr);
    net_answer_finish(&answer);
    buf_finish(&server.seen);
}

/* RFC 2195's example: user tim, secret tanstaaftanstaaf. The server would take a password too. */
Test(mail, a_secret_is_never_sent_but_answers_the_servers_challenge) {
    MailServer server = {.offers = "LOGIN PLAIN CRAM-MD5"};
    NetOptions options = {
        .username = STR("tim"), .password = STR("tanstaaftanstaaf"), .mail_auth = STR("CRAM-MD5")};
    start(&server);
    NetAnswer answer = send_mail_as(&server, false, &options);
    cr_expect(answer.ok, "%s", answer.err.text);
    cr_expect(strstr(server.seen.ptr, "AUTH CRAM-MD5\r\n"
                                      "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\r\n"),
              "%s", server.seen.ptr);
    net_answer_finish(&answer);
    buf_finish(&server.seen);
}

Test(mail, a_server_that_cannot_take_the_secret_gets_no_mail) {
    MailServer server = {.offers = "PLAIN LOGIN"};
    NetOptions options = {
        .username = STR("tim"), .password = STR("secret"), .mail_auth = STR("CRAM-MD5")};
    start(&server);
    NetAnswer answer = send_mail_as(&server, false, &options);
    cr_expect(!answer.ok || answer.status / 100 != 2);
    cr_expect(!strstr(server.seen.ptr, "MAIL FROM"), "%s", server.seen.ptr);
    net_answer_finish(&answer);
    buf_finish(&server.seen);
}
