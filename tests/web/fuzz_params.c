#include "web/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO(arena_finish) Arena arena = {0};
    Params params = {0};
    Err err = {0};
    if (params_decode(&arena, (Str){(const char *)data, size}, &params, &err)) {
        params_get(&params, STR("a"));
    }
    params_finish(&params);
    return 0;
}
