/* Any bytes: no crash, bounded memory; and what was parsed, printed and parsed again is the same
 * tree. */

#include <assert.h>

#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PRINTED_NODES_MAX = 10000 };

static size_t count_nodes(const YamlNode *node) {
    size_t count = 1;
    for (size_t i = 0; i < node->count && count < PRINTED_NODES_MAX; i++) {
        if (node->kind == YAML_LIST) {
            count += count_nodes(node->items[i]);
        } else {
            count += count_nodes(node->pairs[i].key) + count_nodes(node->pairs[i].value);
        }
    }
    return count;
}

static void assert_same(const YamlNode *a, const YamlNode *b) {
    assert(a->kind == b->kind && a->count == b->count);
    assert(a->kind == YAML_NULL || str_eq(a->text, b->text));
    for (size_t i = 0; i < a->count; i++) {
        if (a->kind == YAML_LIST) {
            assert_same(a->items[i], b->items[i]);
        } else {
            assert_same(a->pairs[i].key, b->pairs[i].key);
            assert_same(a->pairs[i].value, b->pairs[i].value);
        }
    }
}

static void assert_prints_back(const YamlNode *node) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(problems_finish) Problems problems = {0};
    AUTO(buf_finish) Buf buf = {0};
    YamlDocs docs;
    yaml_print(&buf, node, 0);
    bool fine = yaml_parse(&arena, buf_view(&buf), STR("printed"), &docs, &problems);
    assert(fine && docs.count == 1);
    assert_same(node, docs.items[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(problems_finish) Problems problems = {0};
    YamlDocs docs;
    Str bytes = {(const char *)data, size};
    if (!yaml_parse(&arena, bytes, STR("input"), &docs, &problems)) {
        assert(problems.items_count == 1);
        return 0;
    }
    for (size_t i = 0; i < docs.count; i++) {
        if (count_nodes(docs.items[i]) < PRINTED_NODES_MAX) {
            assert_prints_back(docs.items[i]);
        }
    }
    return 0;
}
