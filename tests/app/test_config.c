#include "app/config.h"

#include <criterion/criterion.h>

/* belfry.yml: defaults, every section, and what is said about a bad one. */

static Config *load(const char *text) {
    Problems problems = {0};
    Config *config = config_parse(STR("belfry.yml"), str_of(text), &problems);
    AUTO(buf_finish) Buf said = {0};
    problems_print(&problems, &said);
    cr_assert(config, "%.*s", STR_ARG(buf_view(&said)));
    problems_finish(&problems);
    return config;
}

static void assert_refused(const char *text, const char *want) {
    Problems problems = {0};
    cr_expect_null(config_parse(STR("belfry.yml"), str_of(text), &problems), "%s", text);
    AUTO(buf_finish) Buf said = {0};
    problems_print(&problems, &said);
    buf_byte(&said, '\0');
    cr_expect(strstr(said.ptr, want), "%s\nsaid: %s\nwant: %s", text, said.ptr, want);
    problems_finish(&problems);
}

Test(config, the_example_file_is_the_defaults) {
    Problems problems = {0};
    Config *config = config_load(STR("belfry.example.yml"), &problems);
    Config *defaults = config_load(STR(""), &problems);
    cr_assert(config && defaults, "%zu problems", problems.items_count);
    cr_expect(str_eq(config->web.listen, defaults->web.listen));
    cr_expect_eq(config->global.evaluation_interval, defaults->global.evaluation_interval);
    cr_expect_eq(config->global.scrape_interval, defaults->global.scrape_interval);
    cr_expect_eq(config->storage.retention_percent, defaults->storage.retention_percent);
    cr_expect_eq(config->storage.future_max, defaults->storage.future_max);
    cr_expect_eq(config->storage.block_span, defaults->storage.block_span);
    cr_expect_eq(config->sources.lost, defaults->sources.lost);
    cr_expect_eq(config->sources.late, 0);
    cr_expect_eq(config->query.timeout, defaults->query.timeout);
    cr_expect_eq(config->query.concurrency, defaults->query.concurrency);
    cr_expect(str_eq(config->rules[0].pattern, defaults->rules[0].pattern));
    cr_expect_eq(config->hold, defaults->hold);
    config_free(config);
    config_free(defaults);
}

Test(config, reads_what_is_given) {
    Config *config =
        load("web: {listen: '[::1]:9000', trusted_proxies: [10.0.0.1]}\n"
             "storage: {retention: {time: 30d, size: 5GiB}, sync: interval}\n"
             "sources: {label: dc, late: 45s, overrides: [{source: a, series_max: 5}]}\n"
             "rules: [one.yml, {files: 'two/*.yml', flavour: vmalert, templates: '*.tmpl'}]\n"
             "global: {external_labels: {region: eu}}\n"
             "log: {level: warn, format: json}\n");
    cr_expect(str_eq(config->web.listen, STR("[::1]:9000")));
    cr_expect_eq(config->storage.retention_time, 30 * DAY_MS);
    cr_expect_eq(config->storage.retention_bytes, UINT64_C(5) << 30);
    cr_expect_eq(config->storage.retention_percent, 0);
    cr_expect_eq(config->sources.late, 45 * SECOND_MS);
    cr_expect_eq(config->sources.overrides[0].series_max, 5);
    cr_expect_eq(config->rules_count, 2);
    cr_expect(str_eq(config->rules[1].flavour, STR("vmalert")));
    cr_expect(str_eq(config->rules[1].templates, STR("*.tmpl")));
    cr_expect(str_eq(labels_get(config->global.external_labels, STR("region")), STR("eu")));
    cr_expect_eq(config->log.level, LOG_WARN);
    cr_expect_eq(config->log.format, LOG_JSON);
    config_free(config);
}

Test(config, names_place_and_reason_of_every_mistake) {
    assert_refused("web: {lisen: x}\n", "belfry.yml:1:7:");
    assert_refused("web: {lisen: x}\n", "did you mean");
    assert_refused("wbe: {}\n", "belfry.yml:1:1:");
    assert_refused("storage: {sync: sometimes}\n", "is none of always, interval, never");
    assert_refused("storage: {retention: {size: 120%}}\n", "is not between 1% and 99%");
    assert_refused("global: {evaluation_interval: 1x}\n", "1x");
    assert_refused("global: {evaluation_interval: 0s}\n", "longer than 0");
    assert_refused("rules: [{flavour: auto}]\n", "needs `files`");
    assert_refused("web: [1]\n", "belfry.yml:1:6:");
    assert_refused("a: b: c\n", "belfry.yml:1:");
    assert_refused("{}\n---\n{}\n", "second document");
}

Test(config, printing_hides_secrets) {
    Config *config = load(
        "notify:\n  receivers:\n    - name: x\n      pagerduty_configs: [{routing_key: abc123}]\n");
    AUTO(buf_finish) Buf text = {0};
    app_config_print(config, &text);
    buf_byte(&text, '\0');
    cr_expect(strstr(text.ptr, "<secret>"));
    cr_expect_not(strstr(text.ptr, "abc123"), "%s", text.ptr);
    config_free(config);
}
