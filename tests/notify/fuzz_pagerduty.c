#include "notify/acknowledge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO(arena_finish) Arena arena = {0};
    PagerEvent event;
    Err err = {0};
    Str body = {(const char *)data, size};
    (void)!pagerduty_event_read(body, INT64_C(1767225600000), &arena, &event, &err);
    (void)pagerduty_signature_fits(STR("secret"), body, body);
    return 0;
}
