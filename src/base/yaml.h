#pragma once

/*
 * YAML as a tree that remembers where each thing stood, so that a complaint can name line and
 * column. Parsed by libyaml; anchors, aliases and merge keys (`<<`) are resolved, so the tree is
 * plain. Bounded: nesting, total nodes after alias expansion, and bytes.
 *
 * Lives in the arena it was parsed into; never changes.
 */

#include "base/arena.h"
#include "base/clock.h"
#include "base/problems.h"

typedef enum YamlKind {
    YAML_NULL, /* nothing, ~ or null, unquoted */
    YAML_SCALAR,
    YAML_LIST,
    YAML_MAP,
} YamlKind;

typedef struct YamlNode YamlNode;

typedef struct YamlPair {
    const YamlNode *key; /* YAML_SCALAR */
    const YamlNode *value;
    uint32_t first_line; /* of the same key earlier in this map, 0 if it is the first */
} YamlPair;

struct YamlNode {
    YamlKind kind;
    bool quoted; /* a quoted or block scalar: "1" is text, 1 is a number */
    uint32_t line, column;
    Str text;               /* YAML_SCALAR */
    YamlPair *pairs;        /* YAML_MAP, in file order */
    const YamlNode **items; /* YAML_LIST */
    size_t count;           /* of pairs or items */
};

typedef struct YamlDocs {
    const YamlNode **items;
    size_t count; /* an empty file has none */
} YamlDocs;

enum { YAML_DEPTH_MAX = 64, YAML_NODES_MAX = 4 * 1000 * 1000, YAML_BYTES_MAX = 64 << 20 };

/* All documents of `bytes`. On a syntax error one problem is added and false returned. */
bool yaml_parse(Arena *arena, Str bytes, Str file, YamlDocs *ret_docs,
                Problems *problems) MUST_CHECK;

/* The value of `key` (the last, if repeated), or NULL; also NULL if `map` is NULL or no map. */
const YamlNode *yaml_get(const YamlNode *map, const char *key);

/* What reading a map needs to complain: where it is and whom to tell. */
typedef struct YamlReader {
    Str file;
    Problems *problems;
    const char *where; /* "route", "group \"x\"": put before each complaint; may be "" */
} YamlReader;

/* Complains of keys not in `known` (NULL-terminated), with a suggestion, and of repeated ones
 * ("mapping key \"name\" already defined at line 2"). False if there was any. A null node is an
 * empty map; anything else that is no map is a problem too. */
bool yaml_check_keys(const YamlReader *reader, const YamlNode *map, const char *const *known);

/* One field of a map. True if the key is there (and not null) and of the right type; a wrong type
 * adds a problem. The output is untouched unless true. */
bool yaml_str(const YamlReader *reader, const YamlNode *map, const char *key, Str *ret);
bool yaml_bool(const YamlReader *reader, const YamlNode *map, const char *key, bool *ret);
bool yaml_int(const YamlReader *reader, const YamlNode *map, const char *key, int64_t min,
              int64_t max, int64_t *ret);
bool yaml_number(const YamlReader *reader, const YamlNode *map, const char *key, double *ret);
bool yaml_duration(const YamlReader *reader, const YamlNode *map, const char *key, DurationMs *ret);
bool yaml_bytes(const YamlReader *reader, const YamlNode *map, const char *key, uint64_t *ret);
bool yaml_list(const YamlReader *reader, const YamlNode *map, const char *key,
               const YamlNode **ret);
bool yaml_map(const YamlReader *reader, const YamlNode *map, const char *key, const YamlNode **ret);

/* Adds a problem at `node`. Returns false. */
bool yaml_problem(const YamlReader *reader, const YamlNode *node, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* A copy to be shown: secrets, known by the names of their keys, are "<secret>", and passwords of
 * URLs "xxxxx". Text that is kept is shared. */
const YamlNode *yaml_hide(Arena *arena, const YamlNode *node);
/* A URL that is a secret itself, as scheme://host/<secret>: still a URL to those who check it
 * (amtool before 0.26 does), and says where it goes. A template goes nowhere yet. */
const YamlNode *yaml_hide_url(Arena *arena, Str text);

/* Writes the tree back as YAML (for re-marshalled configurations). */
void yaml_print(Buf *buf, const YamlNode *node, int indent);
