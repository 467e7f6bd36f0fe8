#include "base/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/hash.h"
#include "base/mem.h"

/*
 * libyaml reports events; the tree is built from them by recursion, one call per nesting level. An
 * alias points to the node its anchor named, so shared parts are shared in memory, too. But who
 * walks the tree meets them once per alias: a few hundred bytes of aliases to aliases can stand for
 * billions of nodes. Each node therefore comes with its size and height after expansion, and both
 * are bounded.
 */

typedef struct Built {
    const YamlNode *node;
    uint64_t node_count; /* of the whole subtree */
    int height;          /* 1 for a scalar */
} Built;

typedef struct Anchor {
    Str name;
    Built built; /* node NULL while it is being built */
} Anchor;

typedef struct Builder {
    yaml_parser_t parser;
    yaml_event_t event; /* the one being looked at */
    bool has_event;
    Arena *arena;
    Str bytes;
    Str file;
    Problems *problems;
    Anchor *anchors; /* of this document */
    size_t anchors_count, anchors_cap;
    uint64_t nodes_left;
} Builder;

static void finish_builder(Builder *builder) {
    if (builder->has_event) {
        yaml_event_delete(&builder->event);
    }
    yaml_parser_delete(&builder->parser);
    free(builder->anchors);
}

static bool refuse_at(Builder *builder, yaml_mark_t mark, const char *complaint) {
    return problems_add(builder->problems, builder->file, (uint32_t)mark.line + 1,
                        (uint32_t)mark.column + 1, "%s", complaint);
}

/* libyaml has no mark for bytes it cannot decode, only their offset. */
static yaml_mark_t mark_of_offset(Str bytes, size_t offset) {
    yaml_mark_t mark = {0};
    for (size_t i = 0; i < offset && i < bytes.len; i++) {
        mark.column++;
        if (bytes.ptr[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

static bool refuse_syntax(Builder *builder) {
    const yaml_parser_t *parser = &builder->parser;
    if (parser->error == YAML_READER_ERROR) {
        return refuse_at(builder, mark_of_offset(builder->bytes, parser->problem_offset),
                         parser->problem);
    }
    const char *problem = parser->problem ? parser->problem : "cannot be parsed";
    char text[256];
    snprintf(text, sizeof text, "%s%s%s", parser->context ? parser->context : "",
             parser->context ? ": " : "", problem);
    return refuse_at(builder, parser->problem_mark, text);
}

static bool next_event(Builder *builder) {
    if (builder->has_event) {
        yaml_event_delete(&builder->event);
        builder->has_event = false;
    }
    if (!yaml_parser_parse(&builder->parser, &builder->event)) {
        return refuse_syntax(builder);
    }
    builder->has_event = true;
    return true;
}

static Str view_of(const yaml_char_t *text) {
    return str_of((const char *)text);
}

static bool is_null_text(Str text) {
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (str_eq(text, str_of(words[i]))) {
            return true;
        }
    }
    return false;
}

static bool count_nodes(Builder *builder, uint64_t count) {
    if (count > builder->nodes_left) {
        return refuse_at(builder, builder->event.start_mark,
                         "too many nodes, counting each alias as what it stands for");
    }
    builder->nodes_left -= count;
    return true;
}

static YamlNode *new_node(Builder *builder, YamlKind kind) {
    YamlNode *node = arena_new(builder->arena, YamlNode);
    node->kind = kind;
    node->line = (uint32_t)builder->event.start_mark.line + 1;
    node->column = (uint32_t)builder->event.start_mark.column + 1;
    return node;
}

/* Remembers the anchor of the current event, before its node is built; SIZE_MAX if it has none. */
static size_t open_anchor(Builder *builder, const yaml_char_t *name) {
    if (!name) {
        return SIZE_MAX;
    }
    Anchor anchor = {.name = arena_str(builder->arena, view_of(name))};
    VEC_PUSH(*builder, anchors, anchor);
    return builder->anchors_count - 1;
}

static void close_anchor(Builder *builder, size_t anchor, Built built) {
    if (anchor != SIZE_MAX) {
        builder->anchors[anchor].built = built;
    }
}

/* The latest anchor of that name: YAML lets a later one take its place. */
static bool build_alias(Builder *builder, int depth, Built *ret_built) {
    Str name = view_of(builder->event.data.alias.anchor);
    size_t i = builder->anchors_count;
    while (i > 0 && !str_eq(builder->anchors[i - 1].name, name)) {
        i--;
    }
    if (i == 0) {
        return refuse_at(builder, builder->event.start_mark, "unknown anchor");
    }
    Built built = builder->anchors[i - 1].built;
    if (!built.node) {
        return refuse_at(builder, builder->event.start_mark, "anchor contains itself");
    }
    if (depth + built.height > YAML_DEPTH_MAX) {
        return refuse_at(builder, builder->event.start_mark, "nested too deeply");
    }
    *ret_built = built;
    return count_nodes(builder, built.node_count);
}

static Built build_scalar(Builder *builder) {
    const yaml_event_t *event = &builder->event;
    YamlNode *node = new_node(builder, YAML_SCALAR);
    node->text = arena_str(
        builder->arena, (Str){(const char *)event->data.scalar.value, event->data.scalar.length});
    /* A tag such as !!str says as much as quotes do. */
    node->quoted =
        event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE || !event->data.scalar.plain_implicit;
    if (!node->quoted && is_null_text(node->text)) {
        node->kind = YAML_NULL;
    }
    size_t anchor = open_anchor(builder, event->data.scalar.anchor);
    Built built = {.node = node, .node_count = 1, .height = 1};
    close_anchor(builder, anchor, built);
    return built;
}

static bool build_node(Builder *builder, int depth, Built *ret_built);

static void add_child(Built *parent, Built child) {
    parent->node_count += child.node_count;
    if (parent->height <= child.height) {
        parent->height = child.height + 1;
    }
}

typedef struct Items {
    const YamlNode **list;
    size_t list_count, list_cap;
} Items;

static void finish_items(Items *items) {
    free(items->list);
}

static bool build_list(Builder *builder, int depth, Built *ret_built) {
    AUTO(finish_items) Items items = {0};
    YamlNode *node = new_node(builder, YAML_LIST);
    Built built = {.node = node, .node_count = 1, .height = 1};
    size_t anchor = open_anchor(builder, builder->event.data.sequence_start.anchor);
    for (;;) {
        if (!next_event(builder)) {
            return false;
        }
        if (builder->event.type == YAML_SEQUENCE_END_EVENT) {
            break;
        }
        Built item = {0};
        if (!build_node(builder, depth + 1, &item)) {
            return false;
        }
        add_child(&built, item);
        VEC_PUSH(items, list, item.node);
    }
    node->count = items.list_count;
    node->items = arena_array(builder->arena, const YamlNode *, node->count);
    if (node->count) {
        memcpy(node->items, items.list, node->count * sizeof items.list[0]);
    }
    close_anchor(builder, anchor, built);
    *ret_built = built;
    return true;
}

/* A map while it grows. Large ones find their keys by an open-addressed table of pair numbers + 1.
 */
typedef struct Pairs {
    YamlPair *list;
    size_t list_count, list_cap;
    uint32_t *slots;
    size_t slot_count; /* a power of two, at least twice the pairs; 0 for small maps */
    Items merges;      /* values of "<<" */
} Pairs;

enum { PAIRS_WITHOUT_TABLE = 16 };

static void finish_pairs(Pairs *pairs) {
    free(pairs->list);
    free(pairs->slots);
    finish_items(&pairs->merges);
}

/* The slot where `key` is, or would be. */
static uint32_t *slot_of(const Pairs *pairs, Str key) {
    size_t mask = pairs->slot_count - 1;
    for (size_t at = hash64(key) & mask;; at = (at + 1) & mask) {
        uint32_t *slot = &pairs->slots[at];
        if (*slot == 0 || str_eq(pairs->list[*slot - 1].key->text, key)) {
            return slot;
        }
    }
}

static const YamlPair *find_pair(const Pairs *pairs, Str key) {
    if (pairs->slot_count) {
        uint32_t slot = *slot_of(pairs, key);
        return slot ? &pairs->list[slot - 1] : NULL;
    }
    for (size_t i = 0; i < pairs->list_count; i++) {
        if (str_eq(pairs->list[i].key->text, key)) {
            return &pairs->list[i];
        }
    }
    return NULL;
}

static void index_pair(Pairs *pairs, size_t index) {
    uint32_t *slot = slot_of(pairs, pairs->list[index].key->text);
    if (*slot == 0) { /* the first of several stays */
        *slot = (uint32_t)index + 1;
    }
}

static void grow_table(Pairs *pairs) {
    free(pairs->slots);
    pairs->slot_count = pairs->slot_count ? pairs->slot_count * 2 : 4 * PAIRS_WITHOUT_TABLE;
    pairs->slots = mem_zero(pairs->slot_count, sizeof *pairs->slots);
    for (size_t i = 0; i < pairs->list_count; i++) {
        index_pair(pairs, i);
    }
}

static void add_pair(Pairs *pairs, YamlPair pair) {
    VEC_PUSH(*pairs, list, pair);
    if (pairs->list_count > PAIRS_WITHOUT_TABLE && pairs->list_count * 2 > pairs->slot_count) {
        grow_table(pairs);
    } else if (pairs->slot_count) {
        index_pair(pairs, pairs->list_count - 1);
    }
}

/* Adds the pairs of a merged map whose keys are not there yet. Their children count once more. */
static bool merge_map(Builder *builder, Pairs *pairs, const YamlNode *map) {
    if (!count_nodes(builder, 2 * map->count)) {
        return false;
    }
    for (size_t i = 0; i < map->count; i++) {
        YamlPair pair = {.key = map->pairs[i].key, .value = map->pairs[i].value};
        if (!find_pair(pairs, pair.key->text)) {
            add_pair(pairs, pair);
        }
    }
    return true;
}

/* `merge` is a map or a list of maps, the first of which wins; build_map() has seen to that. */
static bool merge_into(Builder *builder, Pairs *pairs, const YamlNode *merge) {
    if (merge->kind == YAML_MAP) {
        return merge_map(builder, pairs, merge);
    }
    for (size_t i = 0; i < merge->count; i++) {
        if (!merge_map(builder, pairs, merge->items[i])) {
            return false;
        }
    }
    return true;
}

static bool can_be_merged(const YamlNode *node) {
    if (node->kind != YAML_LIST) {
        return node->kind == YAML_MAP;
    }
    for (size_t i = 0; i < node->count; i++) {
        if (node->items[i]->kind != YAML_MAP) {
            return false;
        }
    }
    return true;
}

/* A key is a scalar even where its text would be null as a value. */
static bool build_key(Builder *builder, int depth, Built *ret_key) {
    yaml_mark_t mark = builder->event.start_mark;
    Built key = {0};
    if (!build_node(builder, depth, &key)) {
        return false;
    }
    if (key.node->kind == YAML_NULL) {
        YamlNode *text_node = arena_new(builder->arena, YamlNode);
        *text_node = *key.node;
        text_node->kind = YAML_SCALAR;
        key.node = text_node;
    }
    if (key.node->kind != YAML_SCALAR) {
        return refuse_at(builder, mark, "a mapping key has to be a scalar");
    }
    *ret_key = key;
    return true;
}

static bool build_pair(Builder *builder, int depth, Pairs *pairs, Built *map) {
    Built key = {0}, value = {0};
    if (!build_key(builder, depth + 1, &key) || !next_event(builder)) {
        return false;
    }
    yaml_mark_t value_mark = builder->event.start_mark;
    if (!build_node(builder, depth + 1, &value)) {
        return false;
    }
    add_child(map, key);
    add_child(map, value);
    if (!key.node->quoted && str_eq(key.node->text, STR("<<"))) {
        if (!can_be_merged(value.node)) {
            return refuse_at(builder, value_mark,
                             "map merge requires map or sequence of maps as the value");
        }
        VEC_PUSH(pairs->merges, list, value.node);
        return true;
    }
    const YamlPair *first = find_pair(pairs, key.node->text);
    add_pair(pairs, (YamlPair){.key = key.node,
                               .value = value.node,
                               .first_line = first ? first->key->line : 0});
    return true;
}

static bool build_map(Builder *builder, int depth, Built *ret_built) {
    AUTO(finish_pairs) Pairs pairs = {0};
    YamlNode *node = new_node(builder, YAML_MAP);
    Built built = {.node = node, .node_count = 1, .height = 1};
    size_t anchor = open_anchor(builder, builder->event.data.mapping_start.anchor);
    for (;;) {
        if (!next_event(builder)) {
            return false;
        }
        if (builder->event.type == YAML_MAPPING_END_EVENT) {
            break;
        }
        if (!build_pair(builder, depth, &pairs, &built)) {
            return false;
        }
    }
    for (size_t i = 0; i < pairs.merges.list_count; i++) {
        if (!merge_into(builder, &pairs, pairs.merges.list[i])) {
            return false;
        }
    }
    node->count = pairs.list_count;
    node->pairs = arena_array(builder->arena, YamlPair, node->count);
    if (node->count) {
        memcpy(node->pairs, pairs.list, node->count * sizeof node->pairs[0]);
    }
    close_anchor(builder, anchor, built);
    *ret_built = built;
    return true;
}

/* Builds the node that begins with the current event. `depth` counts the containers around it. */
static bool build_node(Builder *builder, int depth, Built *ret_built) {
    if (depth >= YAML_DEPTH_MAX) {
        return refuse_at(builder, builder->event.start_mark, "nested too deeply");
    }
    if (builder->event.type == YAML_ALIAS_EVENT) {
        return build_alias(builder, depth, ret_built);
    }
    if (!count_nodes(builder, 1)) {
        return false;
    }
    switch (builder->event.type) {
    case YAML_SCALAR_EVENT:
        *ret_built = build_scalar(builder);
        return true;
    case YAML_SEQUENCE_START_EVENT:
        return build_list(builder, depth, ret_built);
    case YAML_MAPPING_START_EVENT:
        return build_map(builder, depth, ret_built);
    default:
        return refuse_at(builder, builder->event.start_mark, "unexpected end of a collection");
    }
}

static bool build_documents(Builder *builder, Items *documents) {
    while (next_event(builder)) {
        if (builder->event.type == YAML_STREAM_END_EVENT) {
            return true;
        }
        if (builder->event.type != YAML_DOCUMENT_START_EVENT) {
            continue; /* start of the stream, end of a document */
        }
        builder->anchors_count = 0;
        Built document = {0};
        if (!next_event(builder) || !build_node(builder, 0, &document)) {
            return false;
        }
        VEC_PUSH(*documents, list, document.node);
    }
    return false;
}

bool yaml_parse(Arena *arena, Str bytes, Str file, YamlDocs *ret_docs, Problems *problems) {
    if (bytes.len > YAML_BYTES_MAX) {
        return problems_add(problems, file, 0, 0, "%zu bytes, more than the %d allowed", bytes.len,
                            YAML_BYTES_MAX);
    }
    AUTO(finish_builder)
    Builder builder = {
        .arena = arena,
        .bytes = bytes,
        .file = file,
        .problems = problems,
        .nodes_left = YAML_NODES_MAX,
    };
    if (!yaml_parser_initialize(&builder.parser)) {
        return problems_add(problems, file, 0, 0, "out of memory");
    }
    const char *start = bytes.len ? bytes.ptr : ""; /* libyaml asserts that it is not NULL */
    yaml_parser_set_input_string(&builder.parser, (const yaml_char_t *)start, bytes.len);

    AUTO(finish_items) Items documents = {0};
    if (!build_documents(&builder, &documents)) {
        return false;
    }
    const YamlNode **items = arena_array(arena, const YamlNode *, documents.list_count);
    if (documents.list_count) {
        memcpy(items, documents.list, documents.list_count * sizeof *items);
    }
    *ret_docs = (YamlDocs){.items = items, .count = documents.list_count};
    return true;
}
