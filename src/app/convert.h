#pragma once

/*
 * belfry convert: a Prometheus configuration, or the command line of vmalert or Prometheus, becomes
 * a belfry.yml; what has no counterpart becomes a note with its place and what to do instead.
 *
 * Pure: trees and words in, a tree and notes out.
 */

#include "base/problems.h"
#include "base/yaml.h"

/* A map of the result under construction. */
typedef struct Convert {
    Arena *arena;
    YamlNode *root;
    Problems *notes; /* what is not carried over */
    Str file;        /* being converted, for notes */
    Str folder;      /* of it: relative paths begin here */
    bool has_notify; /* `notify:` was given on the command line */
} Convert;

/* ---- building a tree ---- */

YamlNode *tree_map(Arena *arena);
YamlNode *tree_list(Arena *arena);
YamlNode *tree_text(Arena *arena, Str text);
/* Replaces a key that is there. */
void tree_put(Arena *arena, YamlNode *map, const char *key, const YamlNode *value);
void tree_put_text(Arena *arena, YamlNode *map, const char *key, Str text);
void tree_add(Arena *arena, YamlNode *list, const YamlNode *item);
/* The map under `key`, made if it is not there. */
YamlNode *tree_child(Arena *arena, YamlNode *map, const char *key);

/* A path as it is seen from anywhere. */
Str convert_path(const Convert *convert, Str path);
/* `node` with the paths of all files it names (ca_file, password_file, ...) as seen from anywhere.
 */
const YamlNode *convert_files(const Convert *convert, const YamlNode *node);
/* Sends alerts to these Alertmanagers, each by a URL and the options of `http` (may be NULL). */
void convert_alertmanagers(Convert *convert, const Str *urls, size_t count, const YamlNode *http);

/* ---- what is converted ---- */

/* prometheus.yml. False where it is no map. */
bool convert_prometheus(Convert *convert, const YamlNode *root, Problems *problems) MUST_CHECK;
/* `-name=value`, `--name value` or `-switch` after the program's name; `is_vmalert` or Prometheus.
 * `*ret_config_file` gets --config.file of Prometheus, "" if there is none. */
bool convert_flags(Convert *convert, bool is_vmalert, int argc, char **argv, Str *ret_config_file,
                   Err *err) MUST_CHECK;
