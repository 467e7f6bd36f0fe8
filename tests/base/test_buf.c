/* Buffers grow as they are written; readers of foreign bytes stop at the end and say so. */

#include <criterion/criterion.h>

#include "base/buf.h"

Test(buf, collects_bytes_from_everywhere) {
    AUTO(buf_finish) Buf buf = {0};
    cr_expect(str_eq(buf_view(&buf), STR("")));
    buf_byte(&buf, '<');
    buf_str(&buf, STR("text"));
    buf_put(&buf, NULL, 0);
    buf_printf(&buf, " %d%%>", 80);
    cr_expect(str_eq(buf_view(&buf), STR("<text 80%>")));
}

Test(buf, holds_more_than_its_first_size) {
    enum { BYTES = 1000 * 1000 };
    AUTO(buf_finish) Buf buf = {0};
    for (int i = 0; i < BYTES; i++) {
        buf_byte(&buf, (char)('a' + i % 26));
    }
    cr_expect_eq(buf.len, BYTES);
    cr_expect_eq(buf.ptr[BYTES - 1], 'a' + (BYTES - 1) % 26);
}

/* Encodings as the protobuf documentation shows them. */
Test(buf, writes_and_reads_varints) {
    static const struct {
        uint64_t value;
        Str bytes;
    } cases[] = {
        {0, {"\x00", 1}},       {1, {"\x01", 1}},
        {127, {"\x7f", 1}},     {128, {"\x80\x01", 2}},
        {150, {"\x96\x01", 2}}, {UINT64_MAX, {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(buf_finish) Buf buf = {0};
        buf_varint(&buf, cases[i].value);
        cr_expect(str_eq(buf_view(&buf), cases[i].bytes), "case %zu", i);

        ByteReader reader = reader_of(cases[i].bytes);
        cr_expect_eq(reader_varint(&reader), cases[i].value, "case %zu", i);
        cr_expect(!reader.bad && reader_left(&reader) == 0, "case %zu", i);
    }
}

Test(buf, refuses_varints_of_more_than_64_bits_or_without_end) {
    static const Str cases[] = {
        {"", 0},
        {"\x80", 1},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10},
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ByteReader reader = reader_of(cases[i]);
        cr_expect_eq(reader_varint(&reader), 0, "case %zu", i);
        cr_expect(reader.bad, "case %zu", i);
    }
}

Test(buf, reads_fixed_width_fields_in_little_endian_order) {
    AUTO(buf_finish) Buf buf = {0};
    buf_u32(&buf, 0x04030201);
    buf_u64(&buf, UINT64_C(0x0c0b0a0908070605));
    buf_byte(&buf, 'x');
    buf_str(&buf, STR("rest"));

    ByteReader reader = reader_of(buf_view(&buf));
    cr_expect_eq(buf.ptr[0], 1);
    cr_expect_eq(reader_u32(&reader), 0x04030201);
    cr_expect_eq(reader_u64(&reader), UINT64_C(0x0c0b0a0908070605));
    cr_expect_eq(reader_u8(&reader), 'x');
    cr_expect(str_eq(reader_bytes(&reader, 4), STR("rest")));
    cr_expect(!reader.bad);
}

Test(buf, a_reader_that_went_too_far_stays_at_the_end) {
    ByteReader reader = reader_of(STR("abc"));
    cr_expect_eq(reader_u32(&reader), 0);
    cr_expect(reader.bad);
    cr_expect_eq(reader_left(&reader), 0);
    cr_expect_eq(reader_u8(&reader), 0);

    reader = reader_of(STR("abc"));
    cr_expect_eq(reader_bytes(&reader, UINT64_MAX).len, 0);
    cr_expect(reader.bad);
}

Test(buf, zigzag_keeps_small_negative_numbers_small) {
    static const int64_t values[] = {0, -1, 1, -2, 2, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        cr_expect_eq(unzigzag(zigzag(values[i])), values[i]);
    }
    cr_expect_eq(zigzag(-1), 1);
    cr_expect_eq(zigzag(1), 2);
}
