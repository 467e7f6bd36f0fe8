#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    IngestBatch batch = {0};
    Err err;
    if (ingest_remote_write_v2((Str){(const char *)data, size}, NULL, &batch, &err)) {
        fuzz_batch(&batch.batch);
    }
    ingest_batch_finish(&batch);
    return 0;
}
