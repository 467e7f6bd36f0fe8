/* belfry convert: what comes out, and what is said about the rest. */

#include <criterion/criterion.h>

#include "app/config.h"
#include "app/convert.h"

typedef struct Converted {
    Arena arena;
    Problems notes, problems;
    Convert convert;
    Buf text, said;
} Converted;

static void begin(Converted *converted) {
    *converted = (Converted){0};
    converted->convert = (Convert){
        .arena = &converted->arena,
        .root = tree_map(&converted->arena),
        .notes = &converted->notes,
        .file = STR("p.yml"),
        .folder = STR("/etc/p"),
    };
}

/* What comes out has to load. */
static void finish(Converted *converted) {
    Problems problems = {0};
    yaml_print(&converted->text, converted->convert.root, 0);
    problems_print(&converted->notes, &converted->said);
    buf_byte(&converted->said, '\0');
    Config *config = config_parse(STR("belfry.yml"), buf_view(&converted->text), &problems);
    cr_expect_not_null(config, "%.*s", STR_ARG(buf_view(&converted->text)));
    config_free(config);
    problems_finish(&problems);
    buf_byte(&converted->text, '\0');
}

static void release(Converted *converted) {
    buf_finish(&converted->text);
    buf_finish(&converted->said);
    problems_finish(&converted->notes);
    problems_finish(&converted->problems);
    arena_finish(&converted->arena);
}

static bool from_prometheus(Converted *converted, const char *text) {
    YamlDocs docs = {0};
    begin(converted);
    return yaml_parse(&converted->arena, str_of(text), converted->convert.file, &docs,
                      &converted->problems) &&
           convert_prometheus(&converted->convert, docs.count ? docs.items[0] : NULL,
                              &converted->problems);
}

Test(convert, keeps_what_prometheus_and_belfry_share) {
    Converted got;
    cr_assert(from_prometheus(&got,
                              "global: {scrape_interval: 30s, sample_limit: 10}\n"
                              "rule_files: [rules/*.yml, /abs/*.yml]\n"
                              "scrape_configs:\n"
                              "- job_name: node\n"
                              "  static_configs: [{targets: [a:1], labels: {x: y}}]\n"
                              "  basic_auth: {username: u, password_file: pw}\n"
                              "- job_name: files\n"
                              "  sample_limit: 20\n"
                              "  file_sd_configs: [{files: [t/*.json], refresh_interval: 1m}]\n"
                              "alerting:\n"
                              "  alertmanagers:\n"
                              "  - scheme: https\n"
                              "    path_prefix: am/\n"
                              "    static_configs: [{targets: [m:9093]}]\n"));
    finish(&got);
    cr_expect_str_eq(got.said.ptr, "");
    cr_expect_str_eq(got.text.ptr, "global:\n"
                                   "  scrape_interval: 30s\n"
                                   "  scrape_timeout: 10s\n"
                                   "  evaluation_interval: 1m\n"
                                   "rules:\n"
                                   "  - files: /etc/p/rules/*.yml\n"
                                   "    flavour: prometheus\n"
                                   "  - files: /abs/*.yml\n"
                                   "    flavour: prometheus\n"
                                   "scrape_configs:\n"
                                   "  - job_name: node\n"
                                   "    static_configs:\n"
                                   "      - targets:\n"
                                   "          - a:1\n"
                                   "        labels:\n"
                                   "          x: y\n"
                                   "    basic_auth:\n"
                                   "      username: u\n"
                                   "      password_file: /etc/p/pw\n"
                                   "    sample_limit: 10\n"
                                   "  - job_name: files\n"
                                   "    sample_limit: 20\n"
                                   "    file_sd_configs:\n"
                                   "      - files:\n"
                                   "          - /etc/p/t/*.json\n"
                                   "        refresh_interval: 1m\n"
                                   "notify:\n"
                                   "  route:\n"
                                   "    receiver: alertmanager\n"
                                   "  receivers:\n"
                                   "    - name: alertmanager\n"
                                   "      alertmanager_configs:\n"
                                   "        - url: https://m:9093/am\n");
    release(&got);
}

Test(convert, tells_what_it_leaves_out) {
    static const struct {
        const char *text, *said; /* a part of it */
    } cases[] = {
        {"remote_write: [{url: x}]", "p.yml:1:15: remote_write: "},
        {"remote_read: [{url: x}]", "p.yml:1:14: remote_read: "},
        {"tracing: {endpoint: x}", "tracing: "},
        {"storage: {exemplars: {max_exemplars: 1}}", "storage.exemplars: "},
        {"alerting: {alert_relabel_configs: [{regex: x}]}", "alert_relabel_configs: "},
        {"alerting: {alertmanagers: [{dns_sd_configs: [{names: [x]}]}]}",
         "alerting: dns_sd_configs: "},
        {"alerting: {alertmanagers: [{timeout: 5s, static_configs: [{targets: [a]}]}]}",
         "p.yml:1:29: alerting: timeout has no counterpart"},
        {"global: {query_log_file: x}", "p.yml:1:10: global.query_log_file has no counterpart"},
        {"scrape_configs: [{job_name: j, ec2_sd_configs: []}]",
         "job \"j\" is left out: it has no target"},
        {"scrape_configs: [{job_name: j, static_configs: [{targets: [a]}], no_such_key: {}}]",
         "job \"j\": no_such_key has no counterpart"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Converted got;
        cr_assert(from_prometheus(&got, cases[i].text), "%s", cases[i].text);
        finish(&got);
        cr_expect_not_null(strstr(got.said.ptr, cases[i].said), "%s: said %s", cases[i].text,
                           got.said.ptr);
        release(&got);
    }
}

Test(convert, refuses_what_is_no_configuration) {
    static const char *const cases[] = {"", "[]", "text", "globul: {}", "global: {", "groups: []"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Converted got;
        cr_expect_not(from_prometheus(&got, cases[i]), "%s", cases[i]);
        cr_expect_gt(got.problems.items_count, 0, "%s", cases[i]);
        release(&got);
    }
}

Test(convert, reads_the_command_line_of_vmalert) {
    static char *flags[] = {
        "-rule=r/*.yml",
        "--datasource.url=http://vm:8428",
        "-datasource.headers=A: b^^C: d",
        "-remoteWrite.url",
        "http://vm:8428/",
        "-notifier.url=http://a:9093,http://b:9093",
        "-notifier.tlsInsecureSkipVerify",
        "-rule.templates=t/*.tpl,u.tpl",
        "-external.label=region=eu",
        "-httpListenAddr=:8880",
        "-remoteRead.url=http://vm:8428",
        "-nonsense=1",
    };
    Converted got;
    Str config_file;
    Err err = {0};
    begin(&got);
    cr_assert(convert_flags(&got.convert, true, (int)(sizeof flags / sizeof *flags), flags,
                            &config_file, &err),
              "%s", err.text);
    finish(&got);
    cr_expect_str_eq(
        got.said.ptr,
        "p.yml: -httpListenAddr: carried over; while the old server has this address, start with "
        "--listen 127.0.0.1:8119\n"
        "p.yml: -remoteRead.url: the state of alerts is kept in state.db and survives "
        "restarts by itself\n"
        "p.yml: -nonsense: has no counterpart\n");
    cr_expect_str_eq(got.text.ptr, "global:\n"
                                   "  evaluation_interval: 1m\n"
                                   "  external_labels:\n"
                                   "    region: eu\n"
                                   "rules:\n"
                                   "  - files: /etc/p/r/*.yml\n"
                                   "    flavour: vmalert\n"
                                   "    templates: /etc/p/t/*.tpl,/etc/p/u.tpl\n"
                                   "datasource:\n"
                                   "  url: http://vm:8428\n"
                                   "  http_headers:\n"
                                   "    A:\n"
                                   "      values:\n"
                                   "        - b\n"
                                   "    C:\n"
                                   "      values:\n"
                                   "        - d\n"
                                   "  write_url: http://vm:8428/api/v1/write\n"
                                   "web:\n"
                                   "  listen: 0.0.0.0:8880\n"
                                   "notify:\n"
                                   "  route:\n"
                                   "    receiver: alertmanager\n"
                                   "  receivers:\n"
                                   "    - name: alertmanager\n"
                                   "      alertmanager_configs:\n"
                                   "        - url: http://a:9093\n"
                                   "          http_config:\n"
                                   "            tls_config:\n"
                                   "              insecure_skip_verify: true\n"
                                   "        - url: http://b:9093\n"
                                   "          http_config:\n"
                                   "            tls_config:\n"
                                   "              insecure_skip_verify: true\n");
    release(&got);
}

Test(convert, refuses_a_word_that_is_no_flag) {
    static char *flags[] = {"rules.yml"};
    Converted got;
    Str config_file;
    Err err = {0};
    begin(&got);
    cr_expect_not(convert_flags(&got.convert, true, 1, flags, &config_file, &err));
    cr_expect_str_eq(err.text, "\"rules.yml\" is no flag: -name=value");
    release(&got);
}
