/* What is said about metrics: kept once, put together from pieces, bounded. */

#include <criterion/criterion.h>

#include "base/buf.h"
#include "ingest/metadata.h"

/* "name: type/unit/help, ...; name: ..." */
static Str listed(Metadata *metadata, Arena *arena, Str metric, size_t limit) {
    MetadataRow *rows;
    size_t count;
    metadata_list(metadata, metric, limit, arena, &rows, &count);
    AUTO(buf_finish) Buf out = {0};
    for (size_t i = 0; i < count; i++) {
        buf_printf(&out, "%s%.*s:", i ? "; " : "", STR_ARG(rows[i].metric));
        for (size_t j = 0; j < rows[i].count; j++) {
            const MetricMeta *meta = &rows[i].items[j];
            buf_printf(&out, "%s %.*s/%.*s/%.*s", j ? "," : "", STR_ARG(meta->type),
                       STR_ARG(meta->unit), STR_ARG(meta->help));
        }
    }
    return arena_str(arena, buf_view(&out));
}

static void expect(Metadata *metadata, Str metric, size_t limit, const char *want) {
    Arena arena = {0};
    Str got = listed(metadata, &arena, metric, limit);
    cr_expect(str_eq(got, str_of(want)), "want %s, got %.*s", want, STR_ARG(got));
    arena_finish(&arena);
}

Test(metadata, keeps_what_is_said_once_and_puts_pieces_together) {
    Metadata *metadata = metadata_new();
    metadata_note(metadata, STR("b"), (MetricMeta){.type = STR("counter"), .help = STR("B.")});
    metadata_note(metadata, STR("a"), (MetricMeta){.help = STR("A.")});
    metadata_note(metadata, STR("a"), (MetricMeta){.type = STR("gauge")});
    metadata_note(metadata, STR("b"), (MetricMeta){.type = STR("counter"), .help = STR("B.")});
    metadata_note(metadata, STR("b"), (MetricMeta){.type = STR("counter"), .help = STR("New.")});
    metadata_note(metadata, STR("c"), (MetricMeta){.type = STR("untyped")});
    metadata_note(metadata, STR("\xff"), (MetricMeta){.type = STR("gauge")});
    expect(metadata, STR(""), SIZE_MAX, "a: gauge//A.; b: counter//B., counter//New.");
    expect(metadata, STR("b"), SIZE_MAX, "b: counter//B., counter//New.");
    expect(metadata, STR(""), 1, "a: gauge//A.");
    expect(metadata, STR("c"), SIZE_MAX, "");
    expect(metadata, STR(""), 0, "");
    metadata_free(metadata);
}

Test(metadata, is_bounded) {
    Metadata *metadata = metadata_new();
    Arena arena = {0};
    for (int i = 0; i < METADATA_METRICS_MAX + 100; i++) {
        metadata_note(metadata, arena_printf(&arena, "m%d", i), (MetricMeta){.type = STR("gauge")});
    }
    MetadataRow *rows;
    size_t count;
    metadata_list(metadata, STR(""), SIZE_MAX, &arena, &rows, &count);
    cr_expect_eq(count, METADATA_METRICS_MAX, "%zu", count);
    for (int i = 0; i < 100; i++) {
        Str help = arena_printf(&arena, "%d", i);
        metadata_note(metadata, STR("m7"), (MetricMeta){.type = STR("counter"), .help = help});
    }
    metadata_list(metadata, STR("m7"), SIZE_MAX, &arena, &rows, &count);
    cr_expect_eq(count, 1);
    cr_expect_eq(rows[0].count, METADATA_PER_METRIC_MAX);
    cr_expect(str_eq(rows[0].items[METADATA_PER_METRIC_MAX - 1].help, STR("99")));
    /* A two-byte character does not fit any more. */
    char text[METADATA_HELP_BYTES_MAX + 2];
    memset(text, 'x', sizeof text);
    memcpy(text + METADATA_HELP_BYTES_MAX - 1, "\xc3\xa4", 2);
    metadata_note(metadata, STR("m8"), (MetricMeta){.help = {text, sizeof text}});
    metadata_list(metadata, STR("m8"), SIZE_MAX, &arena, &rows, &count);
    cr_expect_eq(rows[0].items[0].help.len, METADATA_HELP_BYTES_MAX - 1, "%zu",
                 rows[0].items[0].help.len);
    arena_finish(&arena);
    metadata_free(metadata);
}
