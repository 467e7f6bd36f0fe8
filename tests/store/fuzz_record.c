/* Whatever stands in a log record or an open chunk, reading it ends, stays within the bytes and
 * answers yes or no. The first byte chooses the kind. */

#include "store/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_parts(Str payload, Arena *arena) {
    ByteReader reader = reader_of(payload);
    uint32_t id;
    LabelPart kind;
    LabelSet part;
    while (record_get_part(&reader, arena, &id, &kind, &part)) {
    }
}

static void read_series(Str payload) {
    ByteReader reader = reader_of(payload);
    uint32_t ref;
    uint32_t part[PART_COUNT];
    while (record_get_series(&reader, &ref, part)) {
    }
}

static void read_delete(Str payload, Arena *arena) {
    MatcherSet *sets;
    RecordDelete deletion;
    Err err;
    if (record_get_delete(payload, arena, &sets, &deletion, &err)) {
        for (size_t i = 0; i < deletion.set_count; i++) {
            matcher_set_finish(&sets[i]);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    AUTO(arena_finish) Arena arena = {0};
    Str payload = {(const char *)data + 1, size - 1};
    RecordSamples samples;
    SeriesData decoded;
    switch (data[0] % 5) {
    case 0:
        (void)record_get_samples(payload, &arena, &samples);
        break;
    case 1:
        read_parts(payload, &arena);
        break;
    case 2:
        read_series(payload);
        break;
    case 3:
        read_delete(payload, &arena);
        break;
    default:
        openchunk_decode(data + 1, size - 1, 3, OPENCHUNK_SAMPLES_MAX, &arena, &decoded);
    }
    return 0;
}
