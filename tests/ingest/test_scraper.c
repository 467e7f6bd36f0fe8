/* The scraper as a whole: against Debian's node exporter, against a server of our own, with target
 * files that change. */

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../net/peer.h"
#include "base/file.h"
#include "ingest/ingest.h"
#include "show.h"

typedef struct Rig {
    Net *net;
    Scraper *scraper;
    Arena arena;
    Problems problems;
} Rig;

static Rig open_rig(const char *config, const char *folder) {
    Rig rig = {0};
    Err err;
    YamlDocs docs;
    char file[256];
    snprintf(file, sizeof file, "%s/belfry.yml", folder);
    cr_assert(net_open(&rig.net, &err), "%s", err.text);
    cr_assert(yaml_parse(&rig.arena, str_of(config), str_of(file), &docs, &rig.problems));
    YamlReader reader = {str_of(file), &rig.problems, ""};
    static const Label external[] = {{STR("cluster"), STR("here")}};
    ScraperOptions options = {.net = rig.net,
                              .interval = SECOND_MS,
                              .timeout = SECOND_MS,
                              .external_labels = {external, 1}};
    rig.scraper = scraper_new(&reader, docs.items[0], &options);
    cr_assert(rig.scraper, "%s", rig.problems.items_count ? rig.problems.items[0].text.ptr : "");
    return rig;
}

static void close_rig(Rig *rig) {
    scraper_free(rig->scraper);
    net_close(rig->net);
    problems_finish(&rig->problems);
    arena_finish(&rig->arena);
}

/* Calls on until a batch shows `part`; the batch as text is in `out`. Gives up after 30 s. */
static bool wait_for(Scraper *scraper, const char *part, Buf *out) {
    for (TimeMs until = clock_now() + 30 * SECOND_MS; clock_now() < until;) {
        const SampleBatch *batch = scraper_next(scraper, clock_now(), 100);
        if (!batch) {
            continue;
        }
        out->len = 0;
        show_batch(out, batch);
        buf_byte(out, '\0');
        if (strstr(out->ptr, part)) {
            return true;
        }
    }
    return false;
}

static int free_port(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    getsockname(fd, (struct sockaddr *)&address, &len);
    close(fd);
    return ntohs(address.sin_port);
}

Test(scraper, a_real_node_exporter) {
    static const char exporter[] = "/usr/bin/prometheus-node-exporter";
    if (access(exporter, X_OK) != 0) {
        cr_skip_test("no %s\n", exporter);
    }
    int port = free_port();
    char listen_on[64], config[256];
    snprintf(listen_on, sizeof listen_on, "--web.listen-address=127.0.0.1:%d", port);
    pid_t child = fork();
    if (child == 0) {
        freopen("/dev/null", "w", stderr);
        execl(exporter, exporter, listen_on, (char *)NULL);
        _exit(127);
    }
    snprintf(
        config, sizeof config,
        "[{job_name: node, scrape_interval: 200ms, static_configs: [{targets: ['127.0.0.1:%d']}]}]",
        port);
    Rig rig = open_rig(config, "/tmp");
    Buf out = {0};
    char want[128];
    snprintf(want, sizeof want, "up{cluster=\"here\", instance=\"127.0.0.1:%d\", job=\"node\"} 1@",
             port);
    cr_expect(wait_for(rig.scraper, want, &out), "%s", out.ptr);
    cr_expect(strstr(out.ptr, "node_memory_MemTotal_bytes{"));
    cr_expect(!strstr(out.ptr, "\n!"), "every series can be stored");
    ScrapeTargetView *targets;
    size_t count;
    scraper_targets(rig.scraper, &rig.arena, &targets, &count);
    cr_assert_eq(count, 1);
    cr_expect(str_eq(targets[0].health, STR("up")));
    cr_expect(targets[0].last_scrape > 0);

    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    snprintf(want, sizeof want, "up{cluster=\"here\", instance=\"127.0.0.1:%d\", job=\"node\"} 0@",
             port);
    cr_expect(wait_for(rig.scraper, want, &out), "%s", out.ptr);
    scraper_targets(rig.scraper, &rig.arena, &targets, &count);
    cr_expect(str_eq(targets[0].health, STR("down")));
    cr_expect(targets[0].last_error.len > 0);
    buf_finish(&out);
    close_rig(&rig);
}

Test(scraper, a_bad_answer_and_a_slow_one_are_down) {
    Peer *peer = peer_new();
    char config[512];
    snprintf(config, sizeof config,
             "[{job_name: refused, scrape_interval: 300ms, metrics_path: /status/500, "
             "static_configs: [{targets: ['127.0.0.1:%d']}]},"
             " {job_name: slow, scrape_interval: 300ms, metrics_path: /wait, static_configs: "
             "[{targets: ['127.0.0.1:%d']}]},"
             " {job_name: big, scrape_interval: 300ms, body_size_limit: 1KB, metrics_path: "
             "/bytes/5000, static_configs: [{targets: ['127.0.0.1:%d']}]}]",
             peer->port, peer->port, peer->port);
    Rig rig = open_rig(config, "/tmp");
    static const struct {
        const char *job, *why;
    } rows[] = {
        {"refused", "server returned HTTP status 500"},
        {"slow", "127.0.0.1"},
        {"big", "more than the"},
    };
    for (size_t i = 0; i < 3; i++) {
        Buf out = {0};
        char want[128];
        snprintf(want, sizeof want, "job=\"%s\"} 0@", rows[i].job);
        cr_expect(wait_for(rig.scraper, want, &out), "%s: %s", rows[i].job, out.ptr);
        buf_finish(&out);
    }
    ScrapeTargetView *targets;
    size_t count;
    scraper_targets(rig.scraper, &rig.arena, &targets, &count);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < 3; k++) {
            cr_expect(!str_eq(targets[i].job, str_of(rows[k].job)) ||
                          strstr(targets[i].last_error.ptr, rows[k].why),
                      "%s: %s", rows[k].job, targets[i].last_error.ptr);
        }
    }
    close_rig(&rig);
    peer_free(peer);
}

static void write_targets(const char *folder, const char *text) {
    char path[256];
    Err err;
    snprintf(path, sizeof path, "%s/targets.json", folder);
    cr_assert(file_replace(path, str_of(text), &err), "%s", err.text);
}

Test(scraper, target_files_are_followed) {
    Peer *peer = peer_new();
    char folder[] = "/tmp/belfry-sd-XXXXXX", text[256];
    cr_assert(mkdtemp(folder));
    Rig rig = open_rig("[{job_name: f, scrape_interval: 100ms, metrics_path: /gzip, "
                       "file_sd_configs: [{files: ['*.json'], refresh_interval: 50ms}],"
                       "relabel_configs: [{source_labels: [__meta_filepath], regex: '.*/', "
                       "target_label: x, replacement: ''}]}]",
                       folder);
    Buf out = {0};
    cr_expect(!scraper_next(rig.scraper, clock_now(), 0), "no file, no target");
    snprintf(text, sizeof text,
             "[{\"targets\": [\"127.0.0.1:%d\"], \"labels\": {\"dc\": \"one\"}}]", peer->port);
    write_targets(folder, text);
    cr_expect(wait_for(rig.scraper, "up{cluster=\"here\", dc=\"one\"", &out), "%s", out.ptr);

    write_targets(folder, "[{\"targets\": ["); /* half written: nothing changes */
    cr_expect(wait_for(rig.scraper, "dc=\"one\"", &out));
    cr_expect(!strstr(out.ptr, "stale"), "%s", out.ptr);

    snprintf(text, sizeof text,
             "[{\"targets\": [\"127.0.0.1:%d\"], \"labels\": {\"dc\": \"two\"}}]", peer->port);
    write_targets(folder, text);
    cr_expect(wait_for(rig.scraper, "stale@", &out), "the old target ends");
    cr_expect(strstr(out.ptr, "up{cluster=\"here\", dc=\"one\""), "%s", out.ptr);
    cr_expect(wait_for(rig.scraper, "up{cluster=\"here\", dc=\"two\"", &out), "%s", out.ptr);
    buf_finish(&out);
    close_rig(&rig);
    Err err;
    cr_expect(dir_remove(folder, &err));
    peer_free(peer);
}

/* A reload: one target stays, one goes, one comes. */
Test(scraper, a_newer_scraper_takes_over) {
    Peer *peer = peer_new();
    char config[512];
    snprintf(
        config, sizeof config,
        "[{job_name: stays, scrape_interval: 100ms, static_configs: [{targets: ['127.0.0.1:%d']}]},"
        " {job_name: goes, scrape_interval: 100ms, static_configs: [{targets: ['127.0.0.1:%d']}]}]",
        peer->port, peer->port);
    Rig older = open_rig(config, "/tmp");
    Buf out = {0};
    cr_expect(wait_for(older.scraper, "job=\"stays\"} 0@", &out));
    cr_expect(wait_for(older.scraper, "job=\"goes\"} 0@", &out));
    snprintf(
        config, sizeof config,
        "[{job_name: stays, scrape_interval: 100ms, static_configs: [{targets: ['127.0.0.1:%d']}]},"
        " {job_name: comes, scrape_interval: 100ms, static_configs: [{targets: "
        "['127.0.0.1:%d']}]}]",
        peer->port, peer->port);
    Rig newer = open_rig(config, "/tmp");
    scraper_take_over(newer.scraper, older.scraper, clock_now());

    ScrapeTargetView *targets;
    size_t count;
    scraper_targets(newer.scraper, &newer.arena, &targets, &count);
    cr_assert_eq(count, 2);
    for (size_t i = 0; i < count; i++) {
        bool stays = str_eq(targets[i].job, STR("stays"));
        cr_expect(str_eq(targets[i].health, stays ? STR("down") : STR("unknown")));
    }
    out.len = 0;
    const SampleBatch *batch;
    while ((batch = scraper_next(older.scraper, clock_now(), 0))) {
        show_batch(&out, batch);
    }
    buf_byte(&out, '\0');
    cr_expect(strstr(out.ptr, "job=\"goes\"} stale@"), "%s", out.ptr);
    cr_expect(!strstr(out.ptr, "job=\"stays\""), "%s", out.ptr);
    close_rig(&older);
    cr_expect(wait_for(newer.scraper, "job=\"stays\"} 0@", &out));
    cr_expect(wait_for(newer.scraper, "job=\"comes\"} 0@", &out));
    buf_finish(&out);
    close_rig(&newer);
    peer_free(peer);
}
