#include "base/hash.h"

#include <pthread.h>
#include <string.h>

/* Inlined, a hash of a short label costs no call. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#include "base/attr.h"
#include "base/hash_avx2.h"

enum { LONG_BYTES = 241 }; /* from here on the algorithm works in wide lanes */

Hash128 hash128(Str bytes) {
#if defined(__x86_64__)
    if (bytes.len >= LONG_BYTES && CPU_HAS("avx2")) {
        return hash128_avx2(bytes);
    }
#endif
    XXH128_hash_t hash = XXH3_128bits(bytes.ptr, bytes.len);
    return (Hash128){.lo = hash.low64, .hi = hash.high64};
}

uint64_t hash64(Str bytes) {
    return XXH3_64bits(bytes.ptr, bytes.len);
}

uint64_t fnv1a(uint64_t state, Str bytes) {
    for (size_t i = 0; i < bytes.len; i++) {
        state = (state ^ (unsigned char)bytes.ptr[i]) * UINT64_C(1099511628211);
    }
    return state;
}

/* The reflected polynomial 0x1EDC6F41. */
#define CRC32C_REFLECTED UINT32_C(0x82f63b78)

static uint32_t crc32c_table[256];

static void fill_crc32c_table(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (crc & 1 ? CRC32C_REFLECTED : 0);
        }
        crc32c_table[byte] = crc;
    }
}

uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t len) {
    static pthread_once_t filled = PTHREAD_ONCE_INIT;
    pthread_once(&filled, fill_crc32c_table);
    const unsigned char *at = bytes;
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc = (crc >> 8) ^ crc32c_table[(crc ^ at[i]) & 0xff];
    }
    return ~crc;
}

#if defined(__x86_64__)

TARGET_CPU("sse4.2")
static uint32_t crc32c_by_instruction(uint32_t crc, const unsigned char *at, size_t len) {
    uint64_t wide = crc;
    for (; len >= sizeof(uint64_t); len -= sizeof(uint64_t), at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        wide = _mm_crc32_u64(wide, word);
    }
    crc = (uint32_t)wide;
    for (; len; len--) {
        crc = _mm_crc32_u8(crc, *at++);
    }
    return crc;
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t len) {
    return CPU_HAS("sse4.2") ? ~crc32c_by_instruction(~crc, bytes, len)
                             : crc32c_portable(crc, bytes, len);
}

#else

uint32_t crc32c(uint32_t crc, const void *bytes, size_t len) {
    return crc32c_portable(crc, bytes, len);
}

#endif
