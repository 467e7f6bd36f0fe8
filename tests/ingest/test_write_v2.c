/* Remote write 2.0: symbols, start times, and what becomes of references that lead nowhere. */

#include <criterion/criterion.h>
#include <stdlib.h>

#include "ingest/ingest.h"
#include "show.h"
#include "wire.h"

static void put_symbols(Buf *out) {
    static const char *const symbols[] = {"", "__name__", "up", "job", "node", "hist"};
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        wire_bytes(out, 4, str_of(symbols[i]));
    }
}

static void plain(Buf *out) {
    Buf series = {0};
    put_symbols(out);
    wire_bytes(&series, 1, STR("\1\2\3\4"));
    wire_sample(&series, 1000, 1);
    wire_bytes(&series, 4, STR(""));
    wire_bytes(&series, 5, STR(""));
    wire_message(out, 5, &series);
}

/* References one by one, symbols behind the series, the series' start time behind its samples. */
static void other_order(Buf *out) {
    Buf series = {0}, sample = {0};
    wire_varint(&series, 1, 3);
    wire_varint(&series, 1, 4);
    wire_sample(&series, 1000, 1);
    wire_double(&sample, 1, 2);
    wire_varint(&sample, 2, 2000);
    wire_varint(&sample, 3, 1500);
    wire_message(&series, 2, &sample);
    wire_varint(&series, 6, 500);
    wire_varint(&series, 1, 1);
    wire_varint(&series, 1, 2);
    wire_message(out, 5, &series);
    wire_bytes(&series, 1, STR("\1\2"));
    wire_sample(&series, 1, 7);
    wire_message(out, 5, &series);
    put_symbols(out);
}

static void histograms(Buf *out) {
    Buf series = {0}, message = {0}, span = {0};
    put_symbols(out);
    wire_bytes(&series, 1, STR("\1\5"));
    wire_double(&message, 2, 3); /* float, custom bounds 1 and 2.5 */
    wire_double(&message, 3, 4);
    wire_varint(&message, 4, zigzag(-53));
    wire_varint(&span, 2, 2);
    wire_message(&message, 11, &span);
    wire_double(&message, 13, 1);
    wire_double(&message, 13, 2);
    wire_varint(&message, 15, 3000);
    wire_double(&message, 16, 1);
    wire_double(&message, 16, 2.5);
    wire_varint(&message, 17, 2500);
    wire_message(&series, 3, &message);
    wire_varint(&message, 1, 0); /* a stale marker */
    wire_double(&message, 3, value_of_bits(STALE_NAN_BITS));
    wire_varint(&message, 15, 4000);
    wire_message(&series, 3, &message);
    wire_message(out, 5, &series);
}

static void lost_references(Buf *out) {
    Buf series = {0};
    put_symbols(out);
    wire_bytes(&series, 1, STR("\1\2\3"));
    wire_sample(&series, 1, 1);
    wire_sample(&series, 2, 1);
    wire_message(out, 5, &series);
    wire_bytes(&series, 1, STR("\1\6"));
    wire_sample(&series, 1, 1);
    wire_message(out, 5, &series);
    wire_bytes(&series, 1, STR("\1\2"));
    wire_sample(&series, 1, 1);
    wire_message(out, 5, &series);
}

static const struct {
    const char *what;
    void (*build)(Buf *out);
    const char *want;
    uint64_t samples, histograms, exemplars, metadata, refused;
} cases[] = {
    {"plain", plain, "up{job=\"node\"} 1@1000\n", 1, 0, 1, 1, 0},
    {"other order", other_order, "up{job=\"node\"} 1@1000/500 2@2000/1500\nup 7@1\n", 3, 0, 0, 0,
     0},
    {"histograms", histograms, "hist h(3,4)@3000/2500 h(0,NaN)@4000\n", 0, 2, 0, 0, 0},
    {"lost references", lost_references, "up 1@1\n", 4, 0, 0, 0, 3},
};

Test(write_v2, requests_come_to_rows) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Buf message = {0}, shown = {0};
        cases[i].build(&message);
        IngestBatch batch = {0};
        Err err;
        cr_assert(ingest_remote_write_v2(buf_view(&message), NULL, &batch, &err), "%s: %s",
                  cases[i].what, err.text);
        show_batch(&shown, &batch.batch);
        cr_expect(str_eq(buf_view(&shown), str_of(cases[i].want)), "%s:\n%.*s", cases[i].what,
                  STR_ARG(buf_view(&shown)));
        cr_expect_eq(batch.samples, cases[i].samples, "%s", cases[i].what);
        cr_expect_eq(batch.histograms, cases[i].histograms, "%s", cases[i].what);
        cr_expect_eq(batch.exemplars, cases[i].exemplars, "%s", cases[i].what);
        cr_expect_eq(batch.metadata, cases[i].metadata, "%s", cases[i].what);
        cr_expect_eq(batch.refused, cases[i].refused, "%s", cases[i].what);
        cr_expect_eq(batch.refused > 0, batch.first_refused.kind == ERR_INVALID, "%s",
                     cases[i].what);
        ingest_batch_finish(&batch);
        buf_finish(&message);
        buf_finish(&shown);
    }
}

Test(write_v2, a_series_is_remembered_by_the_bytes_1_0_would_send) {
    Buf message = {0}, v1 = {0};
    plain(&message);
    wire_label(&v1, "__name__", "up");
    wire_label(&v1, "job", "node");
    IngestBatch batch = {0};
    Err err;
    cr_assert(ingest_remote_write_v2(buf_view(&message), NULL, &batch, &err));
    cr_expect(str_eq(batch.batch.series[0].raw, buf_view(&v1)));
    ingest_batch_finish(&batch);
    buf_finish(&message);
    buf_finish(&v1);
}

Test(write_v2, more_labels_than_are_allowed_refuse_the_series_only) {
    Buf message = {0}, refs = {0}, series = {0}, shown = {0};
    put_symbols(&message);
    for (int i = 0; i < 10000; i++) {
        buf_put(&refs, "\1\2", 2);
    }
    wire_message(&series, 1, &refs);
    wire_sample(&series, 1, 1);
    wire_message(&message, 5, &series);
    IngestBatch batch = {0};
    Err err;
    cr_assert(ingest_remote_write_v2(buf_view(&message), NULL, &batch, &err));
    show_batch(&shown, &batch.batch);
    cr_expect(str_starts(buf_view(&shown), STR("! a series with more than")), "%.*s",
              STR_ARG(buf_view(&shown)));
    ingest_batch_finish(&batch);
    buf_finish(&message);
    buf_finish(&shown);
}

static void feed(Str bytes) {
    char *copy = malloc(bytes.len + (bytes.len == 0));
    memcpy(copy, bytes.ptr, bytes.len);
    IngestBatch batch = {0};
    Buf shown = {0};
    Err err;
    if (ingest_remote_write_v2((Str){copy, bytes.len}, NULL, &batch, &err)) {
        show_batch(&shown, &batch.batch);
    } else {
        cr_expect_eq(err.kind, ERR_INVALID);
    }
    ingest_batch_finish(&batch);
    buf_finish(&shown);
    free(copy);
}

Test(write_v2, every_prefix_and_every_flipped_bit_is_survived) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Buf message = {0};
        cases[i].build(&message);
        for (size_t len = 0; len <= message.len; len++) {
            feed((Str){message.ptr, len});
        }
        for (size_t bit = 0; bit < message.len * 8; bit++) {
            message.ptr[bit / 8] ^= (char)(1 << bit % 8);
            feed(buf_view(&message));
            message.ptr[bit / 8] ^= (char)(1 << bit % 8);
        }
        buf_finish(&message);
    }
}
