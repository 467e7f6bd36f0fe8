/* A target's pages, scrape after scrape: one row per scrape, with what is stored after it. */

#include <criterion/criterion.h>

#include "ingest/page.h"
#include "show.h"

static const Label target_labels[] = {{STR("instance"), STR("i")}, {STR("job"), STR("j")}};
static const Label external_labels[] = {{STR("cluster"), STR("c")}};

/* Lines of the batch without the labels every series has, and without scrape_duration_seconds. */
static void show(Buf *out, const SampleBatch *batch) {
    Buf all = {0};
    show_batch(&all, batch);
    Str rest = buf_view(&all);
    while (rest.len) {
        size_t end = str_find(rest, '\n');
        Str line = {rest.ptr, end};
        rest = str_skip(rest, end + (end < rest.len));
        static const char common[] = "{cluster=\"c\", instance=\"i\", job=\"j\"}";
        char *at = memmem(line.ptr, line.len, common, strlen(common));
        if (str_starts(line, STR("scrape_duration_seconds"))) {
            continue;
        }
        if (at) {
            buf_printf(out, "%.*s%.*s\n", (int)(at - line.ptr), line.ptr,
                       (int)(line.ptr + line.len - at - (long)strlen(common)), at + strlen(common));
        } else {
            buf_printf(out, "%.*s\n", STR_ARG(line));
        }
    }
    buf_finish(&all);
    buf_byte(out, '\0');
}

typedef struct Step {
    const char *page; /* NULL: no answer */
    const char *want; /* from the beginning */
} Step;

static void run(const ScrapeJob *job, const Step *steps, size_t count) {
    Target target = {.job = job, .labels = {target_labels, 2}};
    Page page;
    IngestBatch batch = {0};
    page_init(&page, &target, (LabelSet){external_labels, 1});
    for (size_t i = 0; i < count; i++) {
        Err err = {.kind = ERR_IO};
        Buf shown = {0};
        PageScrape scrape = {
            .time = (TimeMs)(i + 1) * 1000,
            .ok = steps[i].page != NULL,
            .text = str_of(steps[i].page),
        };
        bool ok = page_scrape(&page, &scrape, &batch, &err);
        show(&shown, &batch.batch);
        cr_expect(str_starts(str_of(shown.ptr), str_of(steps[i].want)), "scrape %zu: %s\n%s", i + 1,
                  shown.ptr, ok ? "" : err.text);
        buf_finish(&shown);
    }
    Buf shown = {0};
    page_end(&page, 99, &batch);
    show(&shown, &batch.batch);
    cr_expect(strstr(shown.ptr, "up stale@99\n"), "%s", shown.ptr);
    buf_finish(&shown);
    ingest_batch_finish(&batch);
    page_finish(&page);
}

#define REPORT(time, up, scraped, stored, added)                                                   \
    "up " #up "@" #time "\nscrape_samples_scraped " #scraped "@" #time                             \
    "\nscrape_samples_post_metric_relabeling " #stored "@" #time "\nscrape_series_added " #added   \
    "@" #time "\n"

Test(page, what_vanishes_gets_a_stale_marker_once) {
    static const ScrapeJob job = {.name = STR("j"), .honor_timestamps = true};
    static const Step steps[] = {
        {"a 1\nb{x=\"1\"} 2\n",
         "a 1@1000\nb{cluster=\"c\", instance=\"i\", job=\"j\", x=\"1\"} 2@1000\n" REPORT(1000, 1,
                                                                                          2, 2, 2)},
        {"a 1\n",
         "a 1@2000\nb{cluster=\"c\", instance=\"i\", job=\"j\", x=\"1\"} stale@2000\n" REPORT(
             2000, 1, 1, 1, 0)},
        {"a 2\nc 1 77\n", "a 2@3000\nc 1@77\n" REPORT(3000, 1, 2, 2, 1)},
        {"a 3\n", "a 3@4000\n" REPORT(4000, 1, 1, 1, 0)}, /* c had a time of its own */
        {NULL, "a stale@5000\n" REPORT(5000, 0, 0, 0, 0)},
        {NULL, REPORT(6000, 0, 0, 0, 0)},
        {"a 4\n", "a 4@7000\n" REPORT(7000, 1, 1, 1, 1)},
    };
    run(&job, steps, sizeof steps / sizeof *steps);
}

Test(page, a_page_with_a_fault_is_no_page) {
    static const ScrapeJob job = {.name = STR("j")};
    static const Step steps[] = {
        {"a 1\n", "a 1@1000\n" REPORT(1000, 1, 1, 1, 1)},
        {"a 1\nnew 1\nbroken\n", "a stale@2000\n" REPORT(2000, 0, 2, 2, 0)},
        {"a 1\nb{x=\"1\",x=\"2\"} 1\n", REPORT(3000, 0, 1, 1, 0)},
        {"a 1 77\n", "a 1@4000\n" REPORT(4000, 1, 1, 1, 1)}, /* honor_timestamps: false */
    };
    run(&job, steps, sizeof steps / sizeof *steps);
}

Test(page, limits_make_the_scrape_fail) {
    static const ScrapeJob few = {.name = STR("j"), .sample_limit = 2};
    static const Step over[] = {
        {"a 1\nb 1\n", "a 1@1000\nb 1@1000\n" REPORT(1000, 1, 2, 2, 2)},
        {"a 1\nb 1\nc 1\n", "a stale@2000\nb stale@2000\nup 0@2000\n"},
    };
    run(&few, over, 2);
    static const ScrapeJob narrow = {
        .name = STR("j"), .label_limit = 5, .label_value_bytes_max = 3};
    static const Step labels[] = {
        {"a{x=\"123\"} 1\n", "a{cluster=\"c\", instance=\"i\", job=\"j\", x=\"123\"} 1@1000\n"},
        {"a{x=\"1234\"} 1\n",
         "a{cluster=\"c\", instance=\"i\", job=\"j\", x=\"123\"} stale@2000\nup 0@2000\n"},
        {"a{x=\"1\",y=\"2\"} 1\n", "up 0@3000\n"},
    };
    run(&narrow, labels, 3);
}

Test(page, relabelling_drops_series_without_failing) {
    Arena arena = {0};
    Problems problems = {0};
    YamlDocs docs;
    YamlReader reader = {STR("r.yml"), &problems, ""};
    Relabel *relabel;
    cr_assert(yaml_parse(&arena, STR("[{action: drop, source_labels: [__name__], regex: 'go_.*'}]"),
                         STR("r.yml"), &docs, &problems));
    cr_assert(relabel_read(&reader, docs.items[0], &relabel));
    ScrapeJob job = {.name = STR("j"), .metric_relabel = relabel};
    static const Step steps[] = {
        {"a 1\ngo_x 1\n", "a 1@1000\n" REPORT(1000, 1, 2, 1, 1)},
        {"a 1\ngo_x 1\n", "a 1@2000\n" REPORT(2000, 1, 2, 1, 0)},
        {"a 1\n", "a 1@3000\n" REPORT(3000, 1, 1, 1, 0)},
    };
    run(&job, steps, 3);
    relabel_free(relabel);
    problems_finish(&problems);
    arena_finish(&arena);
}

Test(page, thousands_of_series_come_and_go) {
    static const ScrapeJob job = {.name = STR("j")};
    Target target = {.job = &job, .labels = {target_labels, 2}};
    Page page;
    IngestBatch batch = {0};
    page_init(&page, &target, (LabelSet){0});
    for (int scrape = 0; scrape < 20; scrape++) {
        Buf text = {0};
        for (int i = 0; i < 3000; i++) {
            buf_printf(&text, "m{i=\"%d\"} %d\n", i + scrape * 1000, i);
        }
        Err err;
        PageScrape what = {.time = scrape, .ok = true, .text = buf_view(&text)};
        cr_assert(page_scrape(&page, &what, &batch, &err), "%s", err.text);
        size_t stale = 0;
        for (size_t i = 0; i < batch.row_count; i++) {
            stale += value_is_stale(batch.values[i]);
        }
        cr_expect_eq(stale, scrape ? 1000 : 0, "scrape %d: %zu", scrape, stale);
        cr_expect_eq(batch.row_count, 3000 + stale + 5);
        buf_finish(&text);
    }
    ingest_batch_finish(&batch);
    page_finish(&page);
}
