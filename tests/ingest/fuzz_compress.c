#include "fuzz.h"

#include <snappy-c.h>

#include "ingest/snappy_block.h"

/* What our reader of blocks accepts, the library accepts and makes the same of. Not the other way
 * round: for the library a literal of 2^32 bytes is one of none; what is good is test_compress's.
 */
static void compare_with_library(Str packed) {
    size_t bytes;
    if (snappy_uncompressed_length(packed.ptr, packed.len, &bytes) != SNAPPY_OK ||
        bytes > 1 << 16) {
        return;
    }
    char *theirs = malloc(bytes + 1);
    uint8_t *ours = malloc(bytes + SNAPPY_SLOP);
    size_t len = bytes;
    bool they = snappy_uncompress(packed.ptr, packed.len, theirs, &len) == SNAPPY_OK;
    bool we = snappy_block_unpack(packed, ours, bytes);
    assert(!we || (they && memcmp(ours, theirs, bytes) == 0));
    (void)they;
    (void)we;
    free(theirs);
    free(ours);
}

/* The first byte picks the format. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    Str packed = {(const char *)data + 1, size - 1};
    Buf out = {0};
    Err err;
    if (data[0] % 3 == 0) {
        compare_with_library(packed);
    }
    bool ok = data[0] % 3 == 0   ? ingest_unsnappy(packed, 1 << 16, &out, &err)
              : data[0] % 3 == 1 ? ingest_unzstd(packed, 1 << 16, &out, &err)
                                 : ingest_gunzip(packed, 1 << 16, &out, &err);
    assert(!ok || out.len <= 1 << 16);
    (void)ok;
    buf_finish(&out);
    return 0;
}
