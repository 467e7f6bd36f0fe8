/* Any text as series notation, and as a test script. */

#include "promql/series_desc.h"
#include "promql/testlang.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ten million values are allowed, and take many seconds here: what they show, 99,999 show as well.
 */
static bool repeats_often(Str text) {
    size_t digits = 0;
    bool counting = false;
    for (size_t i = 0; i < text.len && digits < 6; i++) {
        bool digit = text.ptr[i] >= '0' && text.ptr[i] <= '9';
        digits = counting && digit ? digits + 1 : 0;
        counting = text.ptr[i] == 'x' || (counting && digit);
    }
    return digits == 6;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO(arena_finish) Arena arena = {0};
    Err err = {0};
    Str text = {(const char *)data, size};
    if (repeats_often(text)) {
        return 0;
    }
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
