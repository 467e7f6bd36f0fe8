#pragma once

/* Hashes, all by xxHash (XXH3), and the FNV-1a that Alertmanager's fingerprints are made of. */

#include <stdint.h>

#include "base/str.h"

typedef struct Hash128 {
    uint64_t lo, hi;
} Hash128;

static inline bool hash_eq(Hash128 a, Hash128 b) {
    return a.lo == b.lo && a.hi == b.hi;
}

Hash128 hash128(Str bytes);
uint64_t hash64(Str bytes);

#define FNV1A_START UINT64_C(14695981039346656037)
uint64_t fnv1a(uint64_t state, Str bytes);

/* CRC-32C (Castagnoli, as in iSCSI), by the CPU's instruction where it has one. Begins with 0; the
 * result for some bytes goes on with those that follow them. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);

/* The same by a table, for other CPUs; here for the tests. */
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t len);

/* SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104), for dedup keys and webhook signatures; `hex` has
 * room for 65 bytes. */
void sha256(Str bytes, uint8_t digest[32]);
void sha256_hex(Str bytes, char hex[65]);
/* The same without the CPU's instructions; here for the tests. */
void sha256_portable(Str bytes, uint8_t digest[32]);
void hmac_sha256(Str key, Str bytes, uint8_t digest[32]);
