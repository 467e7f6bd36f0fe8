/* Reading typed fields out of a YAML tree, with a complaint for each that does not fit. */

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/number.h"
#include "base/yaml.h"

static const char *const kind_names[] = {[YAML_NULL] = "nothing",
                                         [YAML_SCALAR] = "a value",
                                         [YAML_LIST] = "a list",
                                         [YAML_MAP] = "a map"};

static const YamlPair *last_pair(const YamlNode *map, Str key) {
    for (size_t i = map->count; i > 0; i--) {
        if (str_eq(map->pairs[i - 1].key->text, key)) {
            return &map->pairs[i - 1];
        }
    }
    return NULL;
}

const YamlNode *yaml_get(const YamlNode *map, const char *key) {
    if (!map || map->kind != YAML_MAP) {
        return NULL;
    }
    const YamlPair *pair = last_pair(map, str_of(key));
    return pair ? pair->value : NULL;
}

bool yaml_problem(const YamlReader *reader, const YamlNode *node, const char *fmt, ...) {
    char text[sizeof((Err *)0)->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return problems_add(reader->problems, reader->file, node->line, node->column, "%s%s%s",
                        reader->where, *reader->where ? ": " : "", text);
}

static bool is_known(Str word, const char *const *known) {
    for (; *known; known++) {
        if (str_eq(word, str_of(*known))) {
            return true;
        }
    }
    return false;
}

static bool refuse_key(const YamlReader *reader, const YamlNode *key, const char *const *known) {
    const char *suggestion = str_suggest(key->text, known);
    if (suggestion) {
        return yaml_problem(reader, key, "unknown key \"%.*s\", did you mean \"%s\"?",
                            STR_ARG(key->text), suggestion);
    }
    return yaml_problem(reader, key, "unknown key \"%.*s\"", STR_ARG(key->text));
}

bool yaml_check_keys(const YamlReader *reader, const YamlNode *map, const char *const *known) {
    if (!map || map->kind == YAML_NULL) {
        return true;
    }
    if (map->kind != YAML_MAP) {
        return yaml_problem(reader, map, "expected a map, got %s", kind_names[map->kind]);
    }
    bool fine = true;
    for (size_t i = 0; i < map->count; i++) {
        const YamlPair *pair = &map->pairs[i];
        if (!is_known(pair->key->text, known)) {
            fine = refuse_key(reader, pair->key, known);
        } else if (pair->first_line) {
            fine =
                yaml_problem(reader, pair->key, "mapping key \"%.*s\" already defined at line %u",
                             STR_ARG(pair->key->text), pair->first_line);
        }
    }
    return fine;
}

/* The value of `key` if it is there and of `kind`; a problem only where it is of another kind. */
static const YamlNode *get_kind(const YamlReader *reader, const YamlNode *map, const char *key,
                                YamlKind kind) {
    const YamlNode *value = yaml_get(map, key);
    if (!value || value->kind == YAML_NULL) {
        return NULL;
    }
    if (value->kind != kind) {
        yaml_problem(reader, value, "%s: expected %s, got %s", key, kind_names[kind],
                     kind_names[value->kind]);
        return NULL;
    }
    return value;
}

bool yaml_str(const YamlReader *reader, const YamlNode *map, const char *key, Str *ret) {
    const YamlNode *value = get_kind(reader, map, key, YAML_SCALAR);
    if (value) {
        *ret = value->text;
    }
    return value != NULL;
}

/* The words of YAML 1.1, in the cases it allows. */
static bool parse_bool(Str text, bool *ret) {
    static const struct {
        const char *word;
        bool value;
    } words[] = {
        {"true", true},   {"True", true}, {"TRUE", true}, {"false", false}, {"False", false},
        {"FALSE", false}, {"yes", true},  {"Yes", true},  {"YES", true},    {"no", false},
        {"No", false},    {"NO", false},  {"on", true},   {"On", true},     {"ON", true},
        {"off", false},   {"Off", false}, {"OFF", false},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (str_eq(text, str_of(words[i].word))) {
            *ret = words[i].value;
            return true;
        }
    }
    return false;
}

bool yaml_bool(const YamlReader *reader, const YamlNode *map, const char *key, bool *ret) {
    const YamlNode *value = get_kind(reader, map, key, YAML_SCALAR);
    if (!value) {
        return false;
    }
    if (value->quoted || !parse_bool(value->text, ret)) {
        return yaml_problem(reader, value, "%s: expected true or false, got \"%.*s\"", key,
                            STR_ARG(value->text));
    }
    return true;
}

/* Also whole numbers written as fractions or with an exponent, as Helm renders large ones
 * (1e+06). */
static bool parse_whole(Str text, int64_t *ret) {
    double number = 0;
    if (number_parse_int(text, ret)) {
        return true;
    }
    if (!number_parse(text, &number) || number != floor(number) || fabs(number) > 1e15) {
        return false;
    }
    *ret = (int64_t)number;
    return true;
}

bool yaml_int(const YamlReader *reader, const YamlNode *map, const char *key, int64_t min,
              int64_t max, int64_t *ret) {
    const YamlNode *value = get_kind(reader, map, key, YAML_SCALAR);
    if (!value) {
        return false;
    }
    int64_t number;
    if (value->quoted || !parse_whole(value->text, &number)) {
        return yaml_problem(reader, value, "%s: expected a whole number, got \"%.*s\"", key,
                            STR_ARG(value->text));
    }
    if (number < min || number > max) {
        return yaml_problem(reader, value, "%s: %lld is not between %lld and %lld", key,
                            (long long)number, (long long)min, (long long)max);
    }
    *ret = number;
    return true;
}

/* Numbers as YAML writes them: ".inf" and ".nan" with a point. */
static bool parse_yaml_number(Str text, double *ret) {
    Str word = text;
    bool negative = str_starts(word, STR("-"));
    if (negative || str_starts(word, STR("+"))) {
        word = str_skip(word, 1);
    }
    if (str_eq(word, STR(".inf")) || str_eq(word, STR(".Inf")) || str_eq(word, STR(".INF"))) {
        *ret = negative ? -INFINITY : INFINITY;
        return true;
    }
    if (str_eq(text, STR(".nan")) || str_eq(text, STR(".NaN")) || str_eq(text, STR(".NAN"))) {
        *ret = NAN;
        return true;
    }
    return number_parse(text, ret);
}

bool yaml_number(const YamlReader *reader, const YamlNode *map, const char *key, double *ret) {
    const YamlNode *value = get_kind(reader, map, key, YAML_SCALAR);
    if (!value) {
        return false;
    }
    if (value->quoted || !parse_yaml_number(value->text, ret)) {
        return yaml_problem(reader, value, "%s: expected a number, got \"%.*s\"", key,
                            STR_ARG(value->text));
    }
    return true;
}

bool yaml_duration(const YamlReader *reader, const YamlNode *map, const char *key,
                   DurationMs *ret) {
    const YamlNode *value = get_kind(reader, map, key, YAML_SCALAR);
    Err err = {0};
    if (value && !duration_parse(value->text, ret, &err)) {
        return yaml_problem(reader, value, "%s: %s", key, err.text);
    }
    return value != NULL;
}

bool yaml_bytes(const YamlReader *reader, const YamlNode *map, const char *key, uint64_t *ret) {
    const YamlNode *value = get_kind(reader, map, key, YAML_SCALAR);
    Err err = {0};
    if (value && !bytes_parse(value->text, ret, &err)) {
        return yaml_problem(reader, value, "%s: %s", key, err.text);
    }
    return value != NULL;
}

bool yaml_list(const YamlReader *reader, const YamlNode *map, const char *key,
               const YamlNode **ret) {
    const YamlNode *value = get_kind(reader, map, key, YAML_LIST);
    if (value) {
        *ret = value;
    }
    return value != NULL;
}

bool yaml_map(const YamlReader *reader, const YamlNode *map, const char *key,
              const YamlNode **ret) {
    const YamlNode *value = get_kind(reader, map, key, YAML_MAP);
    if (value) {
        *ret = value;
    }
    return value != NULL;
}
