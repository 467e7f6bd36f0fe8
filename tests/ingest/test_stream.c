/* Whole texts of every line format, pushed in pieces of every size: the rows that come out are the
 * same, and a bad line is named. */

#include <criterion/criterion.h>
#include <stdlib.h>

#include "ingest/stream.h"
#include "show.h"

static const IngestStreamOptions option_sets[] = {
    [INGEST_TEXT] = {.format = INGEST_TEXT, .default_time = 77},
    [INGEST_OPENMETRICS] = {.format = INGEST_OPENMETRICS, .default_time = 77},
    [INGEST_JSONL] = {.format = INGEST_JSONL, .default_time = 77},
    [INGEST_INFLUX] = {.format = INGEST_INFLUX, .default_time = 77},
    [INGEST_OPENTSDB_TELNET] = {.format = INGEST_OPENTSDB_TELNET, .default_time = 77},
    [INGEST_OPENTSDB_JSON] = {.format = INGEST_OPENTSDB_JSON, .default_time = 77},
};

/* Pushes pieces of `step` bytes; rows go to `out`, and what was wrong: `? line: reason` for each
 * skipped line, `! reason` at the end. */
static void run(const IngestStreamOptions *options, Str text, size_t step, Buf *out) {
    IngestStream *stream = ingest_stream_new(options);
    Err err;
    bool ok = true;
    for (size_t at = 0; ok && (at < text.len || at == 0); at += step) {
        size_t len = text.len - at < step ? text.len - at : step;
        char *piece = malloc(len + (len == 0)); /* exact, so that reading on is seen */
        memcpy(piece, text.ptr + at, len);
        ok = ingest_stream_push(stream, (Str){piece, len}, at + len == text.len, &err);
        const SampleBatch *batch = ingest_stream_batch(stream);
        if (batch) {
            show_batch(out, batch);
        }
        free(piece);
    }
    const IngestBadLine *bad;
    uint64_t total;
    size_t count = ingest_stream_bad(stream, &bad, &total);
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "? %llu: %.*s\n", (unsigned long long)bad[i].line, STR_ARG(bad[i].reason));
    }
    if (!ok) {
        buf_printf(out, "! %s\n", err.text);
    }
    ingest_stream_free(stream);
}

static const struct {
    IngestFormat format;
    bool skip_bad;
    const char *text;
    const char *want; /* from the beginning */
} rows[] = {
    {INGEST_TEXT, false, "", ""},
    {INGEST_TEXT, false, "a 1\n# HELP a b\n\na{b=\"c\"} 2 5", "a 1@77\na{b=\"c\"} 2@5\n"},
    {INGEST_TEXT, false, "a 1\nb\nc 3\n", "a 1@77\n! line 2: expected value after metric"},
    {INGEST_TEXT, true, "a 1\nb\nc 3\nd{\n", "a 1@77\nc 3@77\n? 2: expected value"},
    {INGEST_OPENMETRICS, false, "# TYPE a gauge\na 1\na 2 5.5\n# EOF\n", "a 1@77\na 2@5500\n"},
    {INGEST_OPENMETRICS, false, "# EOF", ""},
    {INGEST_OPENMETRICS, false, "a 1\n", "a 1@77\n! line 2: data does not end with # EOF"},
    {INGEST_OPENMETRICS, false, "a 1\n# EOF\nb 1\n",
     "a 1@77\n! line 3: unexpected data after # EOF"},
    {INGEST_JSONL, false,
     "{\"metric\":{\"__name__\":\"up\",\"job\":\"a\\u00e4\\n\"},\"values\":[1,null,\"Infinity\"],"
     "\"timestamps\":[1,2,3]}\n",
     "up{job=\"aä\\n\"} 1@1 stale@2 +Inf@3\n"},
    {INGEST_JSONL, false,
     "{\"timestamps\":[-1],\"x\":{\"y\":[1]},\"values\":[1e3],\"metric\":{\"__name__\":\"a\"}}",
     "a 1000@-1\n"},
    {INGEST_JSONL, true,
     "{\"metric\":{\"__name__\":\"a\"},\"values\":[1,2],\"timestamps\":[1]}\n"
     "{\"metric\":{\"__name__\":\"a\"},\"values\":[1]}\n"
     "{\"metric\":{\"__name__\":\"a\"},\"values\":[true],\"timestamps\":[1]}\n"
     "{\"metric\":{\"__name__\":1},\"values\":[1],\"timestamps\":[1]}\n"
     "[1]\n"
     "{\"metric\":{\"__name__\":\"b\"},\"values\":[1],\"timestamps\":[1]}",
     "b 1@1\n? 1: \"values\" and \"timestamps\" differ in length\n? 2: \"timestamps\" is missing\n"
     "? 3: value 1 is no number\n? 4: \"metric\" is no object of texts\n? 5: not a JSON object\n"},
    {INGEST_INFLUX, false, "cpu,host=a\\ b,dc=x usage=1.5,ok=t,n=3i 1500000000\n# c\nmem free=2",
     "cpu_usage{dc=\"x\", host=\"a b\"} 1.5@1500\ncpu_ok{dc=\"x\", host=\"a b\"} 1@1500\n"
     "cpu_n{dc=\"x\", host=\"a b\"} 3@1500\nmem_free 2@77\n"},
    {INGEST_INFLUX, false, "log text=\"two\nlines\",n=1 -1\nb c=1",
     "log_text 0@-1\nlog_n 1@-1\nb_c 1@77\n"},
    {INGEST_INFLUX, true, "a b=1,c=x 5\na b=1 x\nd e=\"open\n",
     "? 1: field \"c\" has no proper value\n? 2: timestamp \"x\""},
    {INGEST_OPENTSDB_TELNET, true,
     "put a.b 10 1.5 h=x y=z\nput a 1700000000001 2\nget a\nput a\nput a b 1\nput a 1 2 t\n",
     "{\"a.b\", h=\"x\", y=\"z\"} 1.5@10000\na 2@1700000000001\n? 3: unknown command \"get\"\n? 4: "
     "expected \"put"},
    {INGEST_OPENTSDB_JSON, false,
     " [ {\"metric\":\"a\",\"timestamp\":10,\"value\":\"2\",\"tags\":{\"h\":\"}{\\\"\"}} , "
     "{\"metric\":\"b\",\"value\":1} ] ",
     "a{h=\"}{\\\"\"} 2@10000\nb 1@77\n"},
    {INGEST_OPENTSDB_JSON, false, "{\"metric\":\"a\",\"timestamp\":10,\"value\":1}", "a 1@10000\n"},
    {INGEST_OPENTSDB_JSON, false, "[]", ""},
    {INGEST_OPENTSDB_JSON, true, "[{\"metric\":\"\",\"value\":1},{\"metric\":\"a\",\"value\":1}]",
     "a 1@77\n? 1: \"metric\" is missing or empty\n"},
    {INGEST_OPENTSDB_JSON, true, "[{\"metric\":\"a\",\"value\":1} {",
     "a 1@77\n! after 1 objects: expected a JSON object"},
    {INGEST_OPENTSDB_JSON, true, "[{\"metric\":\"a\",\"value\":1}",
     "a 1@77\n! after 1 objects: expected the end"},
    {INGEST_OPENTSDB_JSON, true, "", "! after 0 objects: expected the end"},
};

Test(stream, texts_come_to_the_same_rows_in_pieces_of_every_size) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        IngestStreamOptions options = option_sets[rows[i].format];
        options.skip_bad = rows[i].skip_bad;
        Str text = str_of(rows[i].text);
        Buf whole = {0};
        run(&options, text, text.len + 1, &whole);
        cr_expect(str_starts(buf_view(&whole), str_of(rows[i].want)) &&
                      (rows[i].want[0] || whole.len == 0),
                  "%s\n->\n%.*s", rows[i].text, STR_ARG(buf_view(&whole)));
        for (size_t step = 1; step < text.len; step += 1 + step / 8) {
            Buf pieces = {0};
            run(&options, text, step, &pieces);
            /* A complaint shows what of the text there was; all before it is the same. */
            Str a = buf_view(&whole), b = buf_view(&pieces);
            a.len = str_find(a, '!') < a.len ? str_find(a, '!') : a.len;
            b.len = str_find(b, '!') < b.len ? str_find(b, '!') : b.len;
            cr_expect(str_eq(a, b), "%s\nby %zu ->\n%.*s", rows[i].text, step,
                      STR_ARG(buf_view(&pieces)));
            buf_finish(&pieces);
        }
        buf_finish(&whole);
    }
}

Test(stream, every_prefix_and_every_flipped_bit_is_survived) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        IngestStreamOptions options = option_sets[rows[i].format];
        options.skip_bad = true;
        char text[1024];
        size_t len = strlen(rows[i].text);
        cr_assert(len < sizeof text);
        memcpy(text, rows[i].text, len);
        for (size_t cut = 0; cut < len; cut++) {
            Buf out = {0};
            run(&options, (Str){text, cut}, cut + 1, &out);
            buf_finish(&out);
        }
        for (size_t bit = 0; bit < len * 8; bit++) {
            text[bit / 8] ^= (char)(1 << bit % 8);
            Buf out = {0};
            run(&options, (Str){text, len}, 50, &out);
            buf_finish(&out);
            text[bit / 8] ^= (char)(1 << bit % 8);
        }
    }
}

Test(stream, a_line_over_the_limit_is_refused_without_being_kept) {
    IngestStreamOptions options = option_sets[INGEST_TEXT];
    options.line_bytes_max = 10;
    options.skip_bad = true;
    static const char text[] = "a 1\nthis_name_is_too_long 1\nb 2\nand_this_one_goes_on_and_on 3";
    for (size_t step = 1; step < sizeof text; step++) {
        Buf out = {0};
        run(&options, STR("a 1\nthis_name_is_too_long 1\nb 2\nand_this_one_goes_on_and_on 3"), step,
            &out);
        cr_expect(
            str_eq(buf_view(&out), STR("a 1@77\nb 2@77\n? 2: longer than the 10 bytes allowed\n"
                                       "? 4: longer than the 10 bytes allowed\n")),
            "by %zu: %.*s", step, STR_ARG(buf_view(&out)));
        buf_finish(&out);
    }
}

Test(stream, bad_lines_are_all_counted_and_the_first_hundred_kept) {
    IngestStreamOptions options = option_sets[INGEST_TEXT];
    options.skip_bad = true;
    IngestStream *stream = ingest_stream_new(&options);
    Err err;
    for (int i = 0; i < 500; i++) {
        cr_assert(ingest_stream_push(stream, STR("bad\ngood 1\n"), false, &err));
        cr_assert_eq(ingest_stream_batch(stream)->row_count, 1);
    }
    const IngestBadLine *bad;
    uint64_t total;
    cr_expect_eq(ingest_stream_bad(stream, &bad, &total), 100);
    cr_expect_eq(total, 500);
    cr_expect_eq(bad[99].line, 199);
    cr_expect(str_eq(bad[99].text, STR("bad")));
    ingest_stream_free(stream);
}

Test(stream, influx_units_and_names_are_options) {
    static const struct {
        DurationMs unit_ns;
        const char *text, *want;
    } units[] = {
        {0, "a b=1 1999999", "1@1"},
        {0, "a b=1 -1", "1@-1"},
        {1000, "a b=1 1999", "1@1"},
        {1000000, "a b=1 1999", "1@1999"},
        {1000000000, "a b=1 1999", "1@1999000"},
        {1000000000, "a b=1 9223372036854775807", "1@9223372036854775807"},
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        IngestStreamOptions options = option_sets[INGEST_INFLUX];
        options.influx_precision_ns = units[i].unit_ns;
        options.influx_db = STR("telegraf");
        options.influx_separator = STR(":");
        Buf out = {0}, want = {0};
        run(&options, str_of(units[i].text), 1000, &out);
        buf_printf(&want, "a:b{db=\"telegraf\"} %s\n", units[i].want);
        cr_expect(str_eq(buf_view(&out), buf_view(&want)), "%.*s", STR_ARG(buf_view(&out)));
        buf_finish(&out);
        buf_finish(&want);
    }
}

Test(stream, memory_stays_at_a_piece_and_a_line_however_much_comes) {
    IngestStreamOptions options = option_sets[INGEST_TEXT];
    IngestStream *stream = ingest_stream_new(&options);
    Buf piece = {0};
    while (piece.len < 64 * 1024) {
        buf_printf(&piece, "metric_%zu{a=\"b\"} %zu\n", piece.len % 977, piece.len);
    }
    uint64_t taken = 0;
    Err err;
    for (int i = 0; i < 1000; i++) {
        /* Cut elsewhere each time, so that a line hangs over. */
        size_t cut = (size_t)i * 61 % piece.len;
        cr_assert(ingest_stream_push(stream, (Str){piece.ptr, cut}, false, &err), "%s", err.text);
        taken += ingest_stream_batch(stream) ? ingest_stream_batch(stream)->row_count : 0;
        cr_assert(ingest_stream_push(stream, str_skip(buf_view(&piece), cut), false, &err), "%s",
                  err.text);
        taken += ingest_stream_batch(stream)->row_count;
    }
    cr_expect(taken > 1000 * 1000);
    cr_expect(stream->window.cap <= 256 * 1024, "%zu", stream->window.cap);
    cr_expect(stream->batch.row_cap <= 8192, "%zu", stream->batch.row_cap);
    buf_finish(&piece);
    ingest_stream_free(stream);
}
