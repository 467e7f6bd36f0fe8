#include "fuzz.h"

/* The first byte picks the format. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    Str packed = {(const char *)data + 1, size - 1};
    Buf out = {0};
    Err err;
    bool ok = data[0] % 3 == 0   ? ingest_unsnappy(packed, 1 << 16, &out, &err)
              : data[0] % 3 == 1 ? ingest_unzstd(packed, 1 << 16, &out, &err)
                                 : ingest_gunzip(packed, 1 << 16, &out, &err);
    assert(!ok || out.len <= 1 << 16);
    (void)ok;
    buf_finish(&out);
    return 0;
}
