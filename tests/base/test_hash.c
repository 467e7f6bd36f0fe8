/* Hashes against the vectors of their specifications. */

#include <criterion/criterion.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/hash.h"

Test(hash, fnv1a_continues_where_it_stopped) {
    cr_expect_eq(fnv1a(FNV1A_START, STR("")), UINT64_C(0xcbf29ce484222325));
    cr_expect_eq(fnv1a(FNV1A_START, STR("a")), UINT64_C(0xaf63dc4c8601ec8c));
    cr_expect_eq(fnv1a(FNV1A_START, STR("foobar")), UINT64_C(0x85944171f73967e8));
    cr_expect_eq(fnv1a(fnv1a(FNV1A_START, STR("foo")), STR("bar")), UINT64_C(0x85944171f73967e8));
}

/* RFC 3720, appendix B.4, and the check value of the catalogue of CRCs. */
Test(hash, crc32c_has_the_values_of_iscsi) {
    unsigned char bytes[32] = {0};
    cr_expect_eq(crc32c(0, "123456789", 9), 0xe3069283);
    cr_expect_eq(crc32c(0, bytes, sizeof bytes), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    cr_expect_eq(crc32c(0, bytes, sizeof bytes), 0x62a8ab43);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)i;
    }
    cr_expect_eq(crc32c(0, bytes, sizeof bytes), 0x46dd794e);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        uint32_t head = crc32c(0, bytes, cut);
        cr_expect_eq(crc32c(head, bytes + cut, sizeof bytes - cut), 0x46dd794e, "cut at %zu", cut);
    }
}

Test(hash, crc32c_by_table_is_the_same) {
    unsigned char bytes[100];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(i * 37);
    }
    for (size_t len = 0; len <= sizeof bytes; len++) {
        cr_expect_eq(crc32c_portable(0, bytes, len), crc32c(0, bytes, len), "%zu bytes", len);
    }
}

Test(hash, xxh3_tells_texts_apart) {
    Hash128 up = hash128(STR("up"));
    cr_expect(hash_eq(up, hash128(STR("up"))));
    cr_expect_not(hash_eq(up, hash128(STR("UP"))));
    /* The empty text, from the vectors of xxHash. */
    cr_expect_eq(hash64(STR("")), UINT64_C(0x2d06800538d394c2));
    cr_expect_eq(hash128(STR("")).hi, UINT64_C(0x99aa06d3014798d8));
    cr_expect_eq(hash128(STR("")).lo, UINT64_C(0x6001c324468d497f));
}

/* FIPS 180-4 examples, and lengths around the end of a block. */
Test(hash, sha256_has_the_values_of_fips) {
    static const struct {
        char byte;
        size_t count;
        const char *want;
    } repeats[] = {
        {'a', 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
        {'a', 56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
        {'a', 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
        {'a', 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    };
    char hex[65];
    sha256_hex(STR(""), hex);
    cr_expect_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex(STR("abc"), hex);
    cr_expect_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    for (size_t i = 0; i < sizeof repeats / sizeof repeats[0]; i++) {
        AUTO(buf_finish) Buf buf = {0};
        for (size_t j = 0; j < repeats[i].count; j++) {
            buf_byte(&buf, repeats[i].byte);
        }
        sha256_hex(buf_view(&buf), hex);
        cr_expect_str_eq(hex, repeats[i].want, "%zu bytes", repeats[i].count);
    }
}

Test(hash, sha256_without_instructions_is_the_same) {
    char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)(i * 37 + 11);
    }
    for (size_t len = 0; len <= sizeof bytes; len++) {
        uint8_t fast[32], slow[32];
        sha256((Str){bytes, len}, fast);
        sha256_portable((Str){bytes, len}, slow);
        cr_expect_eq(memcmp(fast, slow, sizeof fast), 0, "%zu bytes", len);
    }
}

/* RFC 4231, cases 2 and 6: a short key, and one longer than a block. */
Test(hash, hmac_sha256_has_the_values_of_its_rfc) {
    static const uint8_t case2[] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e,
                                    0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
                                    0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83,
                                    0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
    static const uint8_t case6[] = {0x60, 0xe4, 0x31, 0x59, 0x1e, 0xe0, 0xb6, 0x7f,
                                    0x0d, 0x8a, 0x26, 0xaa, 0xcb, 0xf5, 0xb7, 0x7f,
                                    0x8e, 0x0b, 0xc6, 0x21, 0x37, 0x28, 0xc5, 0x14,
                                    0x05, 0x46, 0x04, 0x0f, 0x0e, 0xe3, 0x7f, 0x54};
    uint8_t digest[32];
    hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), digest);
    cr_expect_arr_eq(digest, case2, sizeof digest);

    char key[131];
    memset(key, 0xaa, sizeof key);
    hmac_sha256((Str){key, sizeof key},
                STR("Test Using Larger Than Block-Size Key - Hash Key First"), digest);
    cr_expect_arr_eq(digest, case6, sizeof digest);
}
