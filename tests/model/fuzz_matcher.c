#include "model/matcher.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO(arena_finish) Arena arena = {0};
    MatcherSet set = {0};
    Err err = {0};
    if (matcher_list_parse(&arena, (Str){(const char *)data, size}, &set, &err)) {
        matcher_set_matches(&set, (LabelSet){0});
        matcher_set_finish(&set);
    }
    return 0;
}
