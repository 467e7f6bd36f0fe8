/* hash128() of long texts for CPUs with AVX2: the same hash, two lanes of the algorithm more at a
 * time. This file alone is compiled with -mavx2. */

#include "base/hash_avx2.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

Hash128 hash128_avx2(Str bytes) {
    XXH128_hash_t hash = XXH3_128bits(bytes.ptr, bytes.len);
    return (Hash128){.lo = hash.low64, .hi = hash.high64};
}
