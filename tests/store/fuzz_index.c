/* Label indexes from outside: opening one says no or yields an index that answers every question.
 */

#include <stdlib.h>

#include "store/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const Index *index, MatchType type, Str name, Str value) {
    AUTO(arena_finish) Arena arena = {0};
    Matcher matcher;
    Err err;
    if (!matcher_init(&arena, type, name, value, &matcher, &err)) {
        abort();
    }
    MatcherSet sets[2] = {{&matcher, 1}, {NULL, 0}};
    uint32_t *ordinals;
    size_t count;
    Str *texts;
    index_select(index, sets, 1, &arena, &ordinals, &count);
    index_label_names(index, ordinals, count, &arena, &texts, &count);
    index_select(index, sets, 2, &arena, &ordinals, &count);
    index_label_values(index, name, ordinals, count, &arena, &texts, &count);
    matcher_finish(&matcher);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Index *index = NULL;
    Err err;
    if (index_open((Str){(const char *)data, size}, &index, &err)) {
        AUTO(arena_finish) Arena arena = {0};
        for (uint32_t i = 0; i < index_count(index); i++) {
            LabelSet labels = index_labels(index, i, &arena);
            if (labels.count > 4 * LABELS_MAX) {
                abort();
            }
        }
        ask(index, MATCH_EQ, LABEL_METRIC_NAME, STR("up"));
        ask(index, MATCH_RE, STR("job"), STR("n.*"));
        ask(index, MATCH_NE, STR("le"), STR("1"));
        ask(index, MATCH_NRE, STR("pod"), STR("a|b"));
    }
    index_free(index);
    return 0;
}
