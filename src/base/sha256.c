/* SHA-256 and HMAC, word for word as FIPS 180-4 section 6.2 and RFC 2104 describe them, and by the
 * CPU's instructions where it has them: a storm of alerts needs a key each. */

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#include "base/attr.h"
#include "base/hash.h"

enum { BLOCK_BYTES = 64, DIGEST_BYTES = 32 };

typedef struct Sha256 {
    uint32_t state[8];
    uint64_t len;                     /* bytes so far */
    bool portable;                    /* without the CPU's instructions */
    unsigned char block[BLOCK_BYTES]; /* len % BLOCK_BYTES of them wait here */
} Sha256;

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes (4.2.2). */
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* The same of the square roots of the first 8 primes (5.3.3). */
static const uint32_t start_state[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static uint32_t rotate_right(uint32_t word, int bits) {
    return word >> bits | word << (32 - bits);
}

static uint32_t load_big_endian(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void store_big_endian(unsigned char *at, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) {
        at[i] = (unsigned char)(value >> (8 * (bytes - 1 - i)));
    }
}

/* Names a..h and t1, t2 as in 6.2.2. */
static void mix_block(uint32_t state[8], const unsigned char block[BLOCK_BYTES]) {
    uint32_t w[64];
    for (int t = 0; t < 16; t++) {
        w[t] = load_big_endian(block + (ptrdiff_t)4 * t);
    }
    for (int t = 16; t < 64; t++) {
        uint32_t s0 = rotate_right(w[t - 15], 7) ^ rotate_right(w[t - 15], 18) ^ w[t - 15] >> 3;
        uint32_t s1 = rotate_right(w[t - 2], 17) ^ rotate_right(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int t = 0; t < 64; t++) {
        uint32_t sum1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
        uint32_t sum0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
        uint32_t t1 = h + sum1 + ((e & f) ^ (~e & g)) + round_constants[t] + w[t];
        uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1;
        d = c, c = b, b = a, a = t1 + t2;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

#if defined(__x86_64__)

static bool has_instructions;

/* Leaf 7, EBX, bit 29; __builtin_cpu_supports() of the compilers we use does not know it. */
static void ask_cpu(void) {
    unsigned a, b = 0, c, d;
    has_instructions = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
}

/* Four rounds at a time; the instructions keep the state as ABEF and CDGH. */
TARGET_CPU("sha,sse4.1")
static void mix_by_instructions(uint32_t state[8], const unsigned char block[BLOCK_BYTES]) {
    const __m128i swap = _mm_set_epi64x(INT64_C(0x0c0d0e0f08090a0b), INT64_C(0x0405060700010203));
    const void *abcd = state, *efgh = state + 4;
    __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128(abcd), 0xb1);
    __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128(efgh), 0x1b);
    __m128i abef = _mm_alignr_epi8(badc, hgfe, 8), cdgh = _mm_blend_epi16(hgfe, badc, 0xf0);
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i w[4];
    for (size_t i = 0; i < 16; i++) {
        const void *at = block + 16 * (i % 4), *constants = round_constants + 4 * i;
        __m128i *now = &w[i % 4], last = w[(i + 3) % 4];
        if (i < 4) {
            *now = _mm_shuffle_epi8(_mm_loadu_si128(at), swap);
        } else {
            __m128i before = _mm_alignr_epi8(last, w[(i + 2) % 4], 4);
            *now = _mm_sha256msg1_epu32(*now, w[(i + 1) % 4]);
            *now = _mm_sha256msg2_epu32(_mm_add_epi32(*now, before), last);
        }
        __m128i four = _mm_add_epi32(*now, _mm_loadu_si128(constants));
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, four);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(four, 0x0e));
    }
    __m128i feba = _mm_shuffle_epi32(_mm_add_epi32(abef, abef_before), 0x1b);
    __m128i dchg = _mm_shuffle_epi32(_mm_add_epi32(cdgh, cdgh_before), 0xb1);
    void *low = state, *high = state + 4;
    _mm_storeu_si128(low, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128(high, _mm_alignr_epi8(dchg, feba, 8));
}

static void mix(uint32_t state[8], const unsigned char block[BLOCK_BYTES]) {
    static pthread_once_t asked = PTHREAD_ONCE_INIT;
    pthread_once(&asked, ask_cpu);
    has_instructions ? mix_by_instructions(state, block) : mix_block(state, block);
}

#else

static void mix(uint32_t state[8], const unsigned char block[BLOCK_BYTES]) {
    mix_block(state, block);
}

#endif

static Sha256 sha256_start(void) {
    Sha256 sha = {0};
    memcpy(sha.state, start_state, sizeof sha.state);
    return sha;
}

static void sha256_add(Sha256 *sha, Str bytes) {
    while (bytes.len) {
        size_t waiting = sha->len % BLOCK_BYTES;
        size_t room = BLOCK_BYTES - waiting;
        size_t step = bytes.len < room ? bytes.len : room;
        memcpy(sha->block + waiting, bytes.ptr, step);
        sha->len += step;
        bytes = str_skip(bytes, step);
        if (step == room) {
            sha->portable ? mix_block(sha->state, sha->block) : mix(sha->state, sha->block);
        }
    }
}

/* Pads with a 1 bit, zeros and the length in bits, to a whole number of blocks (5.1.1). */
static void sha256_end(Sha256 *sha, uint8_t digest[DIGEST_BYTES]) {
    static const char padding[BLOCK_BYTES] = {(char)0x80};
    unsigned char bit_count[8];
    store_big_endian(bit_count, sha->len * 8, sizeof bit_count);

    size_t waiting = sha->len % BLOCK_BYTES;
    size_t zeros_end = BLOCK_BYTES - sizeof bit_count;
    size_t pad = waiting < zeros_end ? zeros_end - waiting : zeros_end + BLOCK_BYTES - waiting;
    sha256_add(sha, (Str){padding, pad});
    sha256_add(sha, (Str){(const char *)bit_count, sizeof bit_count});
    for (ptrdiff_t i = 0; i < 8; i++) {
        store_big_endian(digest + 4 * i, sha->state[i], 4);
    }
}

void sha256_portable(Str bytes, uint8_t digest[32]) {
    Sha256 sha = sha256_start();
    sha.portable = true;
    sha256_add(&sha, bytes);
    sha256_end(&sha, digest);
}

void sha256(Str bytes, uint8_t digest[32]) {
    Sha256 sha = sha256_start();
    sha256_add(&sha, bytes);
    sha256_end(&sha, digest);
}

void sha256_hex(Str bytes, char hex[65]) {
    uint8_t digest[DIGEST_BYTES];
    sha256(bytes, digest);
    for (ptrdiff_t i = 0; i < DIGEST_BYTES; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    hex[64] = '\0';
}

/* Starts a hash with the key, each byte changed by `mask`. */
static Sha256 hmac_start(const unsigned char key[BLOCK_BYTES], unsigned char mask) {
    char pad[BLOCK_BYTES];
    for (int i = 0; i < BLOCK_BYTES; i++) {
        pad[i] = (char)(key[i] ^ mask);
    }
    Sha256 sha = sha256_start();
    sha256_add(&sha, (Str){pad, sizeof pad});
    return sha;
}

void hmac_sha256(Str key, Str bytes, uint8_t digest[32]) {
    unsigned char key_block[BLOCK_BYTES] = {0};
    if (key.len > BLOCK_BYTES) {
        sha256(key, key_block);
    } else if (key.len) {
        memcpy(key_block, key.ptr, key.len);
    }
    Sha256 inner = hmac_start(key_block, 0x36);
    sha256_add(&inner, bytes);
    sha256_end(&inner, digest);

    Sha256 outer = hmac_start(key_block, 0x5c);
    sha256_add(&outer, (Str){(const char *)digest, DIGEST_BYTES});
    sha256_end(&outer, digest);
}
