#include "notify/compare.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO(arena_finish) Arena arena = {0};
    ShadowRow *rows;
    size_t count;
    Err err = {0};
    Str body = {(const char *)data, size};
    (void)!shadow_message_read(body, INT64_C(1767225600000), &arena, &rows, &count, &err);
    return 0;
}
