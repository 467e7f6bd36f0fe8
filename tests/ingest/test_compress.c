/* Snappy, zstd and gzip bodies: round trips, bounds, and no harm from broken ones. */

#include <criterion/criterion.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/hash.h"
#include "ingest/ingest.h"
#include "ingest/snappy_block.h"

typedef bool Unpack(Str packed, size_t bytes_max, Buf *out, Err *err);

static void pack_snappy(Str plain, Buf *out) {
    size_t len = snappy_max_compressed_length(plain.len);
    buf_reserve(out, len + 1);
    cr_assert_eq(snappy_compress(plain.ptr, plain.len, out->ptr, &len), SNAPPY_OK);
    out->len = len;
}

/* The framing format: identifier, a compressed and an uncompressed chunk, padding. */
static void pack_frames(Str plain, Buf *out) {
    buf_put(out, "\xff\x06\0\0sNaPpY", 10);
    Buf block = {0};
    size_t half = plain.len / 2;
    for (int i = 0; i < 2; i++) {
        Str part = i ? str_skip(plain, half) : (Str){plain.ptr, half};
        block.len = 0;
        if (i == 0) {
            pack_snappy(part, &block);
        } else {
            buf_str(&block, part);
        }
        uint32_t crc = crc32c(0, part.ptr, part.len);
        buf_u32(out, (uint32_t)(block.len + 4) << 8 | (i ? 0x01 : 0x00));
        buf_u32(out, (crc >> 15 | crc << 17) + 0xa282ead8u);
        buf_put(out, block.ptr, block.len);
    }
    buf_put(out, "\xfe\x02\0\0ab", 6);
    buf_finish(&block);
}

static void pack_zstd(Str plain, Buf *out) {
    buf_reserve(out, ZSTD_compressBound(plain.len));
    out->len = ZSTD_compress(out->ptr, out->cap, plain.ptr, plain.len, 1);
    cr_assert(!ZSTD_isError(out->len));
}

static void pack_gzip(Str plain, Buf *out) {
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)plain.ptr, .avail_in = (uInt)plain.len};
    deflateInit2(&stream, 6, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY);
    buf_reserve(out, plain.len + 1000);
    stream.next_out = (Bytef *)out->ptr;
    stream.avail_out = (uInt)out->cap;
    cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out->len = stream.total_out;
    deflateEnd(&stream);
}

static const struct {
    const char *name;
    void (*pack)(Str plain, Buf *out);
    Unpack *unpack;
} formats[] = {
    {"snappy", pack_snappy, ingest_unsnappy},
    {"snappy frames", pack_frames, ingest_unsnappy},
    {"zstd", pack_zstd, ingest_unzstd},
    {"gzip", pack_gzip, ingest_gunzip},
};

enum { FORMATS = sizeof formats / sizeof *formats };

static Str sample_text(Arena *arena, size_t len) {
    char *text = arena_alloc(arena, len + 1);
    for (size_t i = 0; i < len; i++) {
        text[i] = (char)("abcdefgh"[i % 8] + (i / 97) % 5);
    }
    return (Str){text, len};
}

Test(compress, what_was_packed_comes_out_again) {
    static const size_t sizes[] = {0, 1, 2, 100, 65536, 100000};
    Arena arena = {0};
    for (int f = 0; f < FORMATS; f++) {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            Str plain = sample_text(&arena, sizes[s]);
            Buf packed = {0}, out = {0};
            Err err;
            formats[f].pack(plain, &packed);
            cr_assert(formats[f].unpack(buf_view(&packed), plain.len, &out, &err), "%s, %zu: %s",
                      formats[f].name, plain.len, err.text);
            cr_expect(str_eq(buf_view(&out), plain), "%s, %zu", formats[f].name, plain.len);
            if (plain.len) {
                cr_expect(!formats[f].unpack(buf_view(&packed), plain.len - 1, &out, &err));
                cr_expect_eq(err.kind, ERR_LIMIT, "%s: %s", formats[f].name, err.text);
            }
            buf_finish(&packed);
            buf_finish(&out);
        }
    }
    arena_finish(&arena);
}

static void unpack_copy(Unpack *unpack, Str packed) {
    char *copy = malloc(packed.len + (packed.len == 0));
    memcpy(copy, packed.ptr, packed.len);
    Buf out = {0};
    Err err;
    if (unpack((Str){copy, packed.len}, 4096, &out, &err)) {
        cr_expect(out.len <= 4096);
    }
    buf_finish(&out);
    free(copy);
}

Test(compress, every_prefix_and_every_flipped_bit_is_survived) {
    Arena arena = {0};
    for (int f = 0; f < FORMATS; f++) {
        Buf packed = {0}, out = {0};
        Err err;
        formats[f].pack(sample_text(&arena, 300), &packed);
        for (size_t len = 0; len < packed.len; len++) {
            unpack_copy(formats[f].unpack, (Str){packed.ptr, len});
        }
        cr_expect(!formats[f].unpack((Str){packed.ptr, packed.len - 3}, 4096, &out, &err), "%s",
                  formats[f].name);
        for (size_t bit = 0; bit < packed.len * 8; bit++) {
            packed.ptr[bit / 8] ^= (char)(1 << bit % 8);
            unpack_copy(formats[f].unpack, buf_view(&packed));
            packed.ptr[bit / 8] ^= (char)(1 << bit % 8);
        }
        buf_finish(&packed);
        buf_finish(&out);
    }
    arena_finish(&arena);
}

Test(compress, a_length_that_lies_takes_no_memory) {
    Buf out = {0};
    Err err;
    cr_expect(!ingest_unsnappy(STR("\xff\xff\xff\xff\x0f"), 1 << 20, &out, &err));
    cr_expect_eq(err.kind, ERR_LIMIT);
    cr_expect(!ingest_unsnappy(STR("\x80\x80\x40"), 1 << 20, &out, &err));
    cr_expect_eq(err.kind, ERR_INVALID);
    cr_expect(out.cap < 1 << 20);
    buf_finish(&out);
}

Test(compress, gzip_members_stand_one_after_another) {
    Buf packed = {0}, second = {0}, out = {0};
    Err err;
    pack_gzip(STR("one "), &packed);
    pack_gzip(STR("two"), &second);
    buf_put(&packed, second.ptr, second.len);
    cr_assert(ingest_gunzip(buf_view(&packed), 100, &out, &err), "%s", err.text);
    cr_expect(str_eq(buf_view(&out), STR("one two")));
    buf_finish(&packed);
    buf_finish(&second);
    buf_finish(&out);
}

/* ---- our reader of snappy blocks against the library's ---- */

static uint64_t next_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 16;
}

/* Elements at random: literals of all lengths, copies of all kinds, near and far, some wrong. */
static Str random_block(Arena *arena, uint64_t *state, size_t *ret_bytes) {
    uint8_t *body = arena_raw(arena, 8192);
    uint8_t *at = body;
    size_t out = 0;
    for (uint64_t i = 0, end = next_random(state) % 40; i < end; i++) {
        uint64_t dice = next_random(state);
        size_t length = 1 + dice / 8 % 64, offset = 1 + dice / 512 % (out + 1);
        switch (out ? dice % 4 : 0) {
        case 0:
            length = dice / 8 % 5 == 0 ? 1 + dice / 64 % 200 : 1 + length % 20;
            *at++ = (uint8_t)(length <= 60 ? (length - 1) << 2 : 60 << 2);
            *at = (uint8_t)(length - 1);
            at += length > 60;
            for (size_t j = 0; j < length; j++) {
                *at++ = (uint8_t)next_random(state);
            }
            break;
        case 1:
            length = 4 + length % 8;
            offset = offset < 2048 ? offset : 1;
            *at++ = (uint8_t)(1 | (length - 4) << 2 | offset >> 8 << 5);
            *at++ = (uint8_t)offset;
            break;
        case 2:
            *at++ = (uint8_t)(2 | (length - 1) << 2);
            *at++ = (uint8_t)offset;
            *at++ = (uint8_t)(offset >> 8);
            break;
        default:
            *at++ = (uint8_t)(3 | (length - 1) << 2);
            memcpy(at, &(uint32_t){(uint32_t)offset}, 4);
            at += 4;
        }
        out += length;
    }
    uint8_t *block = arena_raw(arena, 8192 + 5);
    size_t len = 0;
    size_t claim = out + (next_random(state) % 50 == 0);
    for (size_t rest = claim; rest >= 0x80 || len == 0 || block[len - 1] >= 0x80; rest >>= 7) {
        block[len++] = (uint8_t)(rest >= 0x80 ? rest | 0x80 : rest);
    }
    memcpy(block + len, body, (size_t)(at - body));
    *ret_bytes = claim;
    return (Str){(char *)block, len + (size_t)(at - body)};
}

Test(compress, snappy_blocks_unpack_as_the_library_unpacks_them) {
    uint64_t state = 7;
    size_t good = 0, bad = 0;
    for (int round = 0; round < 20000; round++) {
        AUTO(arena_finish) Arena arena = {0};
        size_t bytes;
        Str packed = random_block(&arena, &state, &bytes);
        size_t cut = next_random(&state) % 10 == 0 ? next_random(&state) % 3 : 0;
        packed.len -= cut < packed.len ? cut : 0;
        char *exact = malloc(packed.len + 1); /* so that a read beyond it is seen */
        memcpy(exact, packed.ptr, packed.len);
        char *theirs = arena_raw(&arena, bytes + 1);
        uint8_t *ours = malloc(bytes + SNAPPY_SLOP);
        size_t len = bytes;
        bool they = snappy_uncompress(exact, packed.len, theirs, &len) == SNAPPY_OK;
        bool we = snappy_block_unpack((Str){exact, packed.len}, ours, bytes);
        cr_assert_eq(we, they, "round %d", round);
        cr_assert(!we || memcmp(ours, theirs, bytes) == 0, "round %d", round);
        good += we;
        bad += !we;
        free(exact);
        free(ours);
    }
    cr_expect_gt(good, 5000);
    cr_expect_gt(bad, 500);
}
