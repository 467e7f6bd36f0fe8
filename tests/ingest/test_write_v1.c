/* Remote write 1.0: what a request comes to, one table row per request, and that no broken byte
 * does harm. */

#include <criterion/criterion.h>
#include <stdlib.h>

#include "ingest/ingest.h"
#include "show.h"
#include "wire.h"

static void two_series(Buf *out) {
    Buf series = {0};
    wire_label(&series, "__name__", "up");
    wire_label(&series, "job", "node");
    wire_sample(&series, 1000, 1);
    wire_sample(&series, 2000, value_of_bits(STALE_NAN_BITS));
    wire_message(out, 1, &series);
    wire_label(&series, "__name__", "down");
    wire_sample(&series, -5, -0.5);
    wire_message(out, 1, &series);
}

/* Labels before, between and after the samples. */
static void scattered_labels(Buf *out) {
    Buf series = {0};
    wire_label(&series, "a", "1");
    wire_sample(&series, 1, 1);
    wire_label(&series, "__name__", "x");
    wire_sample(&series, 2, 2);
    wire_label(&series, "b", "2");
    wire_message(out, 1, &series);
}

static void unsorted_and_empty(Buf *out) {
    Buf series = {0};
    wire_label(&series, "z", "1");
    wire_label(&series, "gone", "");
    wire_label(&series, "__name__", "x");
    wire_sample(&series, 1, 1);
    wire_message(out, 1, &series);
}

static void repeated_name(Buf *out) {
    Buf series = {0};
    wire_label(&series, "__name__", "x");
    wire_label(&series, "a", "1");
    wire_label(&series, "a", "2");
    wire_sample(&series, 1, 1);
    wire_message(out, 1, &series);
}

static void without_name(Buf *out) {
    Buf series = {0};
    wire_label(&series, "a", "1");
    wire_sample(&series, 1, 1);
    wire_message(out, 1, &series);
    wire_sample(&series, 1, 1);
    wire_message(out, 1, &series);
}

static void bad_utf8(Buf *out) {
    Buf series = {0};
    wire_label(&series, "__name__", "x");
    wire_label(&series, "a", "\xff");
    wire_sample(&series, 1, 1);
    wire_message(out, 1, &series);
}

/* A series without samples, fields we do not know, a sample that leaves out its zeros, values
 * before times. */
static void odd_but_right(Buf *out) {
    Buf series = {0}, sample = {0};
    wire_label(&series, "__name__", "empty");
    wire_message(out, 1, &series);
    wire_label(&series, "__name__", "x");
    wire_varint(&series, 900, 7);
    wire_double(&series, 33, 7);
    wire_bytes(&series, 2, STR(""));
    wire_varint(&sample, 2, 9);
    wire_double(&sample, 1, 4);
    wire_message(&series, 2, &sample);
    wire_bytes(&series, 3, STR(""));
    wire_message(out, 1, &series);
    wire_bytes(out, 3, STR(""));
    wire_varint(out, 77, 1);
}

static void histogram(Buf *out) {
    Buf series = {0}, message = {0}, span = {0};
    wire_label(&series, "__name__", "h");
    wire_varint(&message, 1, 5);
    wire_double(&message, 3, 12.5);
    wire_varint(&message, 4, zigzag(3));
    wire_varint(&message, 6, 1);
    wire_varint(&span, 1, zigzag(-2));
    wire_varint(&span, 2, 3);
    wire_message(&message, 11, &span);
    wire_bytes(&message, 12, STR("\x02\x02\x01")); /* packed: 1, then 1 more, then 1 less */
    wire_varint(&message, 15, 3000);
    wire_message(&series, 4, &message);
    wire_message(out, 1, &series);
}

static void histogram_of_wrong_shape(Buf *out) {
    Buf series = {0}, message = {0};
    wire_label(&series, "__name__", "h");
    wire_varint(&message, 1, 5);
    wire_varint(&message, 12, 2); /* a bucket, but no span */
    wire_message(&series, 4, &message);
    wire_sample(&series, 1, 1);
    wire_message(out, 1, &series);
}

static const struct {
    const char *what;
    void (*build)(Buf *out);
    const char *want;
    uint64_t samples, histograms, exemplars, metadata, refused;
} cases[] = {
    {"two series", two_series, "up{job=\"node\"} 1@1000 stale@2000\ndown -0.5@-5\n", 3, 0, 0, 0, 0},
    {"scattered labels", scattered_labels, "x{a=\"1\", b=\"2\"} 1@1 2@2\n", 2, 0, 0, 0, 0},
    {"unsorted labels and an empty one", unsorted_and_empty, "x{z=\"1\"} 1@1\n", 1, 0, 0, 0, 0},
    {"a repeated name", repeated_name, "! label name \"a\" is not unique\n", 1, 0, 0, 0, 0},
    {"no metric name, no labels", without_name,
     "! a series without a metric name\n! a series without a metric name\n", 2, 0, 0, 0, 0},
    {"bad UTF-8", bad_utf8, "!", 1, 0, 0, 0, 0},
    {"odd but right", odd_but_right, "x 0@0 4@9\n", 2, 0, 1, 1, 0},
    {"an integer histogram", histogram, "h h(5,12.5)@3000\n", 0, 1, 0, 0, 0},
    {"a histogram of wrong shape", histogram_of_wrong_shape, "h 1@1\n", 1, 0, 0, 0, 1},
};

Test(write_v1, requests_come_to_rows) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Buf message = {0}, shown = {0};
        cases[i].build(&message);
        IngestBatch batch = {0};
        Err err;
        cr_assert(ingest_remote_write_v1(buf_view(&message), NULL, &batch, &err), "%s: %s",
                  cases[i].what, err.text);
        show_batch(&shown, &batch.batch);
        cr_expect(str_starts(buf_view(&shown), str_of(cases[i].want)), "%s:\n%.*s", cases[i].what,
                  STR_ARG(buf_view(&shown)));
        cr_expect_eq(batch.samples, cases[i].samples, "%s", cases[i].what);
        cr_expect_eq(batch.histograms, cases[i].histograms, "%s", cases[i].what);
        cr_expect_eq(batch.exemplars, cases[i].exemplars, "%s", cases[i].what);
        cr_expect_eq(batch.metadata, cases[i].metadata, "%s", cases[i].what);
        cr_expect_eq(batch.refused, cases[i].refused, "%s", cases[i].what);
        ingest_batch_finish(&batch);
        buf_finish(&message);
        buf_finish(&shown);
    }
}

Test(write_v1, raw_bytes_are_views_into_the_message_and_no_label_is_looked_at) {
    Buf message = {0};
    two_series(&message);
    IngestBatch batch = {0};
    Err err;
    cr_assert(ingest_remote_write_v1(buf_view(&message), NULL, &batch, &err));
    cr_assert_eq(batch.batch.series_count, 2);
    for (size_t i = 0; i < 2; i++) {
        Str raw = batch.batch.series[i].raw;
        cr_expect(raw.ptr > message.ptr && raw.ptr + raw.len < message.ptr + message.len);
        cr_expect_eq(raw.ptr[0], 0x0a);
    }
    ingest_batch_finish(&batch);
    buf_finish(&message);
}

Test(write_v1, extra_labels_go_over_what_the_sender_claims) {
    Buf message = {0}, shown = {0};
    two_series(&message);
    Label extra[] = {{STR("cluster"), STR("c1")}, {STR("job"), STR("mine")}};
    IngestLabels labels = {.extra = {extra, 2}};
    IngestBatch batch = {0};
    Err err;
    cr_assert(ingest_remote_write_v1(buf_view(&message), &labels, &batch, &err));
    show_batch(&shown, &batch.batch);
    cr_expect(str_starts(buf_view(&shown), STR("up{cluster=\"c1\", job=\"mine\"} 1@1000")), "%.*s",
              STR_ARG(buf_view(&shown)));
    cr_expect_neq(batch.batch.raw_epoch, 0, "the same bytes mean other labels now");
    ingest_batch_finish(&batch);
    buf_finish(&message);
    buf_finish(&shown);
}

/* From a copy of exact size, so that the sanitizer sees each byte read too far. */
static void feed(Str bytes) {
    char *copy = malloc(bytes.len + (bytes.len == 0));
    memcpy(copy, bytes.ptr, bytes.len);
    IngestBatch batch = {0};
    Buf shown = {0};
    Err err;
    if (ingest_remote_write_v1((Str){copy, bytes.len}, NULL, &batch, &err)) {
        show_batch(&shown, &batch.batch);
    } else {
        cr_expect_eq(err.kind, ERR_INVALID);
    }
    ingest_batch_finish(&batch);
    buf_finish(&shown);
    free(copy);
}

Test(write_v1, every_prefix_and_every_flipped_bit_is_survived) {
    Buf message = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cases[i].build(&message);
    }
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

Test(write_v1, what_breaks_off_is_named_with_its_place) {
    static const struct {
        Str bytes;
        const char *want;
    } rows[] = {
        {{"\x0a\x05\x0a", 3}, "the request breaks off or is malformed at byte 0"},
        {{"\x0a\x02\x12\x05", 4}, "series 1 at byte 2: a field breaks off"},
        {{"\x0a\x00\x0a\x01\x80", 5}, "series 2 at byte 4: a field breaks off"},
        {{"\x0b", 1}, "malformed at byte 0"},
        {{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11}, "malformed at byte 0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        IngestBatch batch = {0};
        Err err;
        cr_expect(!ingest_remote_write_v1(rows[i].bytes, NULL, &batch, &err), "row %zu", i);
        cr_expect(strstr(err.text, rows[i].want), "%s", err.text);
        ingest_batch_finish(&batch);
    }
}
