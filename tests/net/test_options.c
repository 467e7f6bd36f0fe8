/* Prometheus' http_config as read from YAML. */

#include <criterion/criterion.h>

#include "net/net.h"

static bool read(Arena *arena, const char *text, NetOptions *options, Buf *complaints) {
    Problems problems = {0};
    YamlDocs docs;
    bool ok = yaml_parse(arena, str_of(text), STR("x.yml"), &docs, &problems);
    if (ok) {
        YamlReader reader = {STR("x.yml"), &problems, ""};
        ok = net_options_read(&reader, docs.count ? docs.items[0] : NULL, arena, options);
    }
    problems_print(&problems, complaints);
    problems_finish(&problems);
    return ok;
}

Test(options, every_field_is_read) {
    Arena arena = {0};
    Buf complaints = {0};
    NetOptions options = {0};
    cr_assert(read(&arena,
                   "basic_auth: {username: me, password_file: /pw}\n"
                   "tls_config: {ca_file: /ca, cert_file: /cert, key_file: /key, server_name: sn, "
                   "insecure_skip_verify: true, min_version: TLS12, max_version: TLS13}\n"
                   "proxy_connect_header: {X-Proxy: [p, q]}\n"
                   "proxy_url: http://proxy:3128\n"
                   "no_proxy: localhost\n"
                   "follow_redirects: false\n"
                   "http_headers: {X-Org: {values: [a, b], files: [/h]}}\n",
                   &options, &complaints),
              "%.*s", STR_ARG(buf_view(&complaints)));
    cr_expect(str_eq(options.username, STR("me")));
    cr_expect(str_eq(options.password_file, STR("/pw")));
    cr_expect(str_eq(options.ca_file, STR("/ca")));
    cr_expect(str_eq(options.cert_file, STR("/cert")));
    cr_expect(str_eq(options.key_file, STR("/key")));
    cr_expect(str_eq(options.server_name, STR("sn")));
    cr_expect(options.insecure_skip_verify && options.no_redirects);
    cr_expect(str_eq(options.proxy_url, STR("http://proxy:3128")));
    cr_expect(str_eq(options.no_proxy, STR("localhost")));
    cr_assert_eq(options.header_count, 2);
    cr_expect(str_eq(options.headers[1], STR("X-Org: b")));
    cr_assert_eq(options.header_file_count, 1);
    cr_expect(str_eq(options.header_files[0].name, STR("X-Org")));
    cr_expect(str_eq(options.header_files[0].path, STR("/h")));
    cr_assert_eq(options.proxy_header_count, 2);
    cr_expect(str_eq(options.proxy_headers[1], STR("X-Proxy: q")));
    cr_expect_eq(options.tls_min, NET_TLS_1_2);
    cr_expect_eq(options.tls_max, NET_TLS_1_3);
    arena_finish(&arena);
    buf_finish(&complaints);
}

Test(options, what_cannot_be_meant_is_refused_with_its_place) {
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"basic_auth: {username: a, password: b, password_file: c}", "at most one of basic_auth"},
        {"basic_auth: {user: a}", "user"},
        {"authorization: {credentials: a, credentials_file: b}", "must not both"},
        {"bearer_token: a\nauthorization: {credentials: b}", "at most one of authorization"},
        {"basic_auth: {username: a}\nbearer_token: b", "at most one of basic_auth & authorization"},
        {"tls_config: {insecure_skip_verify: maybe}", "insecure_skip_verify"},
        {"tls_config: []", "tls_config"},
        {"oauth2: {client_id: a}", "one of oauth2 client_secret"},
        {"oauth2: {client_id: a, client_secret: b}", "token_url must be configured"},
        {"oauth2: {client_id: a, client_secret: b, secret: c}", "secret"},
        {"bearer_token: t\noauth2: {client_id: a, client_secret: b, token_url: c}",
         "at most one of basic_auth, oauth2"},
        {"basic_auth: {username: a, username_file: b}", "at most one of basic_auth username"},
        {"authorization: {type: Basic, credentials: a}", "use \"basic_auth\" instead"},
        {"tls_config: {ca: a, ca_file: b}", "at most one of ca"},
        {"tls_config: {cert_file: a}", "needs a key"},
        {"tls_config: {key: a}", "needs a certificate"},
        {"tls_config: {min_version: TLS9}", "unknown TLS version \"TLS9\""},
        {"tls_config: {min_version: TLS13, max_version: TLS12}", "greater than or equal"},
        {"proxy_connect_header: {X: a}", "X"},
        {"follow_redirects: 3", "follow_redirects"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Arena arena = {0};
        Buf complaints = {0};
        NetOptions options = {0};
        cr_expect(!read(&arena, cases[i].text, &options, &complaints), "%s", cases[i].text);
        buf_byte(&complaints, '\0');
        cr_expect(strstr(complaints.ptr, "x.yml:") && strstr(complaints.ptr, cases[i].want),
                  "%s: %s", cases[i].text, complaints.ptr);
        arena_finish(&arena);
        buf_finish(&complaints);
    }
}
