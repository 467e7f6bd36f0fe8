/* Packed bodies piece by piece: however they are cut they come out the same, and what breaks off is
 * noticed. */

#include <criterion/criterion.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/mem.h"
#include "ingest/ingest.h"

static Buf example(void) {
    Buf plain = {0};
    for (int i = 0; i < 200000; i++) {
        buf_printf(&plain, "m{i=\"%d\"} %d\n", i % 97, i % 1013 * 7);
    }
    return plain;
}

static Buf pack(const char *coding, Str plain) {
    Buf packed = {0};
    buf_reserve(&packed, ZSTD_compressBound(plain.len) + 1000);
    if (strcmp(coding, "zstd") == 0) {
        packed.len = ZSTD_compress(packed.ptr, packed.cap, plain.ptr, plain.len, 1);
        return packed;
    }
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)plain.ptr, .avail_in = (uInt)plain.len};
    deflateInit2(&stream, 1, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY);
    stream.next_out = (Bytef *)packed.ptr;
    stream.avail_out = (uInt)packed.cap;
    cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    packed.len = stream.total_out;
    deflateEnd(&stream);
    return packed;
}

/* Unpacks in steps of `step` bytes. */
static bool unpack(const char *coding, Str packed, size_t step, Buf *out, Err *err) {
    IngestUnpack *unpack = ingest_unpack_new(str_of(coding));
    cr_assert(unpack);
    Buf piece = {0};
    bool good = true;
    for (size_t at = 0; good && at < packed.len; at += step) {
        Str bytes = {packed.ptr + at, packed.len - at < step ? packed.len - at : step};
        do {
            good = ingest_unpack(unpack, &bytes, &piece, err);
            cr_expect_leq(piece.len, 1 << 20);
            buf_str(out, good ? buf_view(&piece) : STR(""));
        } while (good && piece.len);
        cr_expect(!good || bytes.len == 0, "all bytes are taken");
    }
    good = good && ingest_unpack_end(unpack, err);
    ingest_unpack_free(unpack);
    buf_finish(&piece);
    return good;
}

static const char *const codings[] = {"gzip", "zstd"};

Test(unpack, however_it_is_cut_it_comes_out_the_same) {
    Buf plain = example();
    static const size_t steps[] = {1, 7, 4096, SIZE_MAX / 2};
    for (size_t i = 0; i < 2; i++) {
        Buf packed = pack(codings[i], buf_view(&plain));
        size_t one = packed.len;
        buf_reserve(&packed, one);
        memcpy(packed.ptr + one, packed.ptr, one); /* a second member or frame behind the first */
        packed.len += one;
        for (size_t k = 0; k < 4; k++) {
            Buf out = {0};
            Err err = {0};
            cr_expect(unpack(codings[i], buf_view(&packed), steps[k], &out, &err), "%s", err.text);
            cr_expect_eq(out.len, 2 * plain.len, "%s by %zu", codings[i], steps[k]);
            cr_expect(out.len == 2 * plain.len && memcmp(out.ptr, plain.ptr, plain.len) == 0 &&
                      memcmp(out.ptr + plain.len, plain.ptr, plain.len) == 0);
            buf_finish(&out);
        }
        buf_finish(&packed);
    }
    buf_finish(&plain);
}

Test(unpack, what_breaks_off_or_is_none_is_refused) {
    Str plain = STR("a 1\nb 2\nc 3\nd 4\n");
    for (size_t i = 0; i < 2; i++) {
        Buf packed = pack(codings[i], plain);
        for (size_t len = 1; len < packed.len; len++) {
            Buf out = {0};
            Err err = {0};
            cr_expect_not(unpack(codings[i], (Str){packed.ptr, len}, 3, &out, &err), "%s, %zu",
                          codings[i], len);
            cr_expect_eq(err.kind, ERR_INVALID);
            buf_finish(&out);
        }
        Buf out = {0};
        Err err = {0};
        cr_expect_not(unpack(codings[i], plain, 5, &out, &err));
        cr_expect(unpack(codings[i], STR(""), 1, &out, &err), "an empty body is no damage");
        buf_finish(&packed);
        buf_finish(&out);
    }
    cr_expect_null(ingest_unpack_new(STR("snappy")));
    cr_expect_null(ingest_unpack_new(STR("")));
}
