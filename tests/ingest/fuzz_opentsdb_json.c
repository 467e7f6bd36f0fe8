#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return fuzz_stream(INGEST_OPENTSDB_JSON, data, size);
}
