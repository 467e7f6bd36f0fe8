/* Any text as series notation, and as a test script. */

#include "promql/series_desc.h"
#include "promql/testlang.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO(arena_finish) Arena arena = {0};
    Err err = {0};
    Str text = {(const char *)data, size};
    SeriesDesc desc;
    if (series_desc_parse(&arena, text, &desc, &err)) {
        for (size_t i = 0; i < desc.count; i++) {
            AUTO(buf_finish) Buf shown = {0};
            if (desc.points[i].histogram && i < 4 &&
                histogram_valid(desc.points[i].histogram, &err)) {
                histogram_print(&shown, desc.points[i].histogram);
            }
        }
    }
    TestScript script;
    (void)!test_script_parse(&arena, text, &script, &err);
    return 0;
}
