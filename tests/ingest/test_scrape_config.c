/* scrape_configs: what is read, what is refused, and what a discovered address becomes. */

#include <criterion/criterion.h>

#include "ingest/target.h"

typedef struct Loaded {
    Arena arena;
    Problems problems;
    ScrapeJobs jobs;
    bool ok;
    Buf complaints;
} Loaded;

static Loaded load(const char *text) {
    Loaded loaded = {0};
    YamlDocs docs;
    ScraperOptions options = {.interval = 15 * SECOND_MS, .timeout = 10 * SECOND_MS};
    cr_assert(
        yaml_parse(&loaded.arena, str_of(text), STR("/etc/b/belfry.yml"), &docs, &loaded.problems));
    YamlReader reader = {STR("/etc/b/belfry.yml"), &loaded.problems, ""};
    loaded.ok = scrape_jobs_read(&reader, docs.items[0], &options, &loaded.jobs);
    problems_print(&loaded.problems, &loaded.complaints);
    buf_byte(&loaded.complaints, '\0');
    return loaded;
}

static void unload(Loaded *loaded) {
    scrape_jobs_finish(&loaded->jobs);
    problems_finish(&loaded->problems);
    arena_finish(&loaded->arena);
    buf_finish(&loaded->complaints);
}

/* `url {labels} interval timeout`, "dropped", or "! reason". */
static void show_target(Buf *out, const ScrapeJob *job, Str address, LabelSet labels) {
    Arena arena = {0};
    Target target;
    Err err;
    switch (target_make(job, address, labels, &arena, &target, &err)) {
    case TARGET_OK:
        buf_printf(out, "%.*s ", STR_ARG(target.url));
        labels_print(out, target.labels);
        buf_printf(out, " %lld %lld", (long long)target.interval, (long long)target.timeout);
        break;
    case TARGET_DROPPED:
        buf_printf(out, "dropped");
        break;
    case TARGET_INVALID:
        buf_printf(out, "! %s", err.text);
        break;
    }
    buf_byte(out, '\0');
    arena_finish(&arena);
}

Test(scrape_config, addresses_become_targets) {
    static const struct {
        const char *config, *want;
    } rows[] = {
        {"[{job_name: node, static_configs: [{targets: ['h:9100']}]}]",
         "http://h:9100/metrics {instance=\"h:9100\", job=\"node\"} 15000 10000"},
        {"[{job_name: n, scrape_interval: 5s, static_configs: [{targets: [h], labels: {dc: x, job: "
         "mine}}]}]",
         "http://h/metrics {dc=\"x\", instance=\"h\", job=\"mine\"} 5000 5000"},
        {"[{job_name: n, scheme: https, metrics_path: '/a b?c', params: {m: [x&y, z], k: ['1']}, "
         "scrape_timeout: 1s,"
         " static_configs: [{targets: [h]}]}]",
         "https://h/a%20b%3Fc?k=1&m=x%26y&m=z {instance=\"h\", job=\"n\"} 15000 1000"},
        {"[{job_name: probe, metrics_path: probe, params: {module: [http]}, static_configs: "
         "[{targets: ['https://a/b']}],"
         " relabel_configs: [{source_labels: [__address__], target_label: __param_target},"
         "  {source_labels: [__param_target], target_label: instance}, {target_label: __address__, "
         "replacement: 'bb:9115'},"
         "  {target_label: __scrape_interval__, replacement: 1m}, {target_label: __tmp, "
         "replacement: x}]}]",
         "http://bb:9115/probe?module=http&target=https%3A%2F%2Fa%2Fb {instance=\"https://a/b\", "
         "job=\"probe\"} 60000 10000"},
        {"[{job_name: n, static_configs: [{targets: [h]}], relabel_configs: [{action: drop, "
         "source_labels: [job], regex: n}]}]",
         "dropped"},
        {"[{job_name: n, static_configs: [{targets: ['h/x']}]}]",
         "! \"h/x\" is not a valid hostname"},
        {"[{job_name: n, static_configs: [{targets: [h]}], relabel_configs: [{target_label: "
         "__address__, replacement: ''}]}]",
         "! no address"},
        {"[{job_name: n, static_configs: [{targets: [h]}], relabel_configs: [{target_label: "
         "__scrape_timeout__, replacement: 1m}]}]",
         "! scrape timeout cannot be greater than scrape interval"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Loaded loaded = load(rows[i].config);
        cr_assert(loaded.ok, "%s: %s", rows[i].config, loaded.complaints.ptr);
        const ScrapeJob *job = &loaded.jobs.items[0];
        Buf shown = {0};
        show_target(&shown, job, job->groups[0].addresses[0], job->groups[0].labels);
        cr_expect_str_eq(shown.ptr, rows[i].want);
        buf_finish(&shown);
        unload(&loaded);
    }
}

Test(scrape_config, what_is_wrong_is_named_with_its_place) {
    static const struct {
        const char *config, *want;
    } rows[] = {
        {"[{static_configs: []}]", "job_name is empty"},
        {"[{job_name: a}, {job_name: a}]", "found multiple scrape configs with job name \"a\""},
        {"[{job_name: a, scrape_timeout: 1h}]", "scrape timeout greater than scrape interval"},
        {"[{job_name: a, scrape_interval: 0s}]", "scrape_interval"},
        {"[{job_name: a, scheme: ftp}]", "expected http or https"},
        {"[{job_name: a, scrape_intervall: 5s}]", "scrape_interval"},
        {"[{job_name: a, kubernetes_sd_configs: []}]", "only static_configs and file_sd_configs"},
        {"[{job_name: a, static_configs: [{target: [x]}]}]", "target"},
        {"[{job_name: a, static_configs: [{targets: x}]}]", "targets"},
        {"[{job_name: a, file_sd_configs: [{files: []}]}]", "at least one file"},
        {"[{job_name: a, relabel_configs: [{action: nope}]}]", "unknown relabel action"},
        {"[{job_name: a, sample_limit: -1}]", "sample_limit"},
        {"[{job_name: a, basic_auth: {user: x}}]", "user"},
        {"[3]", "expected a scrape configuration"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Loaded loaded = load(rows[i].config);
        cr_expect(!loaded.ok, "%s", rows[i].config);
        cr_expect(strstr(loaded.complaints.ptr, "/etc/b/belfry.yml:1:") &&
                      strstr(loaded.complaints.ptr, rows[i].want),
                  "%s: %s", rows[i].config, loaded.complaints.ptr);
        unload(&loaded);
    }
}

Test(scrape_config, target_files_stand_beside_the_configuration) {
    Loaded loaded = load(
        "[{job_name: a, file_sd_configs: [{files: ['t/*.yml', /x.json], refresh_interval: 30s}]}]");
    cr_assert(loaded.ok, "%s", loaded.complaints.ptr);
    const ScrapeJob *job = &loaded.jobs.items[0];
    cr_assert_eq(job->file_count, 2);
    cr_expect(str_eq(job->files[0].pattern, STR("/etc/b/t/*.yml")));
    cr_expect(str_eq(job->files[1].pattern, STR("/x.json")));
    cr_expect_eq(job->files[1].refresh, 30 * SECOND_MS);
    unload(&loaded);
}

Test(scrape_config, labels_of_page_and_target_meet) {
    static const struct {
        bool honor;
        const char *want;
    } rows[] = {
        {false, "m{exported_exported_job=\"own\", exported_job=\"e\", instance=\"i\", job=\"j\", "
                "x=\"1\"}"},
        {true, "m{exported_job=\"e\", instance=\"i\", job=\"own\", x=\"1\"}"},
    };
    Label own[] = {{STR("__name__"), STR("m")},
                   {STR("exported_job"), STR("e")},
                   {STR("job"), STR("own")},
                   {STR("x"), STR("1")}};
    Label given[] = {{STR("instance"), STR("i")}, {STR("job"), STR("j")}};
    Target target = {.labels = {given, 2}};
    for (size_t i = 0; i < 2; i++) {
        Arena arena = {0};
        Buf shown = {0};
        labels_print(&shown,
                     target_label_series(&target, (LabelSet){own, 4}, rows[i].honor, &arena));
        cr_expect(str_eq(buf_view(&shown), str_of(rows[i].want)), "%.*s",
                  STR_ARG(buf_view(&shown)));
        buf_finish(&shown);
        arena_finish(&arena);
    }
}
