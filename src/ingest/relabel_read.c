#include <stdlib.h>

#include "base/mem.h"
#include "ingest/relabel.h"

static const char *const known_keys[] = {
    "source_labels", "separator", "regex", "modulus", "replacement",
    "target_label",  "action",    "if",    NULL,
};

/* ---- fields ---- */

static bool read_source(const YamlReader *reader, const YamlNode *map, Arena *arena,
                        RelabelRule *rule) {
    const YamlNode *list;
    if (!yaml_get(map, "source_labels")) {
        return true;
    }
    if (!yaml_list(reader, map, "source_labels", &list)) {
        return false;
    }
    rule->source = arena_array(arena, Str, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i]->kind != YAML_SCALAR || list->items[i]->text.len == 0) {
            return yaml_problem(reader, list->items[i], "source_labels: expected a label name");
        }
        rule->source[rule->source_count++] = arena_str(arena, list->items[i]->text);
    }
    return true;
}

/* A text, or (vmagent) a list of alternatives. */
static bool read_pattern(const YamlReader *reader, const YamlNode *map, Arena *arena,
                         RelabelRule *rule) {
    const YamlNode *node = yaml_get(map, "regex");
    if (!node || node->kind == YAML_NULL) {
        return true;
    }
    if (node->kind == YAML_SCALAR) {
        rule->pattern = arena_str(arena, node->text);
        return true;
    }
    if (node->kind != YAML_LIST) {
        return yaml_problem(reader, node, "regex: expected a text or a list of texts");
    }
    AUTO(buf_finish) Buf joined = {0};
    for (size_t i = 0; i < node->count; i++) {
        if (node->items[i]->kind != YAML_SCALAR) {
            return yaml_problem(reader, node->items[i], "regex: expected a text");
        }
        buf_str(&joined, i ? STR("|") : STR(""));
        buf_str(&joined, node->items[i]->text);
    }
    rule->pattern = arena_str(arena, buf_view(&joined));
    return true;
}

static bool compile_pattern(const YamlReader *reader, const YamlNode *map, RelabelRule *rule) {
    rule->pattern_is_default = str_eq(rule->pattern, STR("(.*)"));
    AUTO(buf_finish) Buf text = {0};
    /* Prometheus matches the whole text and lets '.' be a newline. */
    buf_str(&text, rule->action->search ? STR("(?s:") : STR("^(?s:"));
    buf_str(&text, rule->pattern);
    buf_str(&text, rule->action->search ? STR(")") : STR(")$"));
    Err err;
    rule->regex = regex_new_search(text.ptr, text.len, &err);
    if (!rule->regex) {
        const YamlNode *node = yaml_get(map, "regex");
        return yaml_problem(reader, node ? node : map, "regex \"%.*s\": %s", STR_ARG(rule->pattern),
                            err.text);
    }
    return true;
}

static bool read_action(const YamlReader *reader, const YamlNode *map, RelabelRule *rule) {
    Str name = STR("replace");
    yaml_str(reader, map, "action", &name);
    rule->action = relabel_action(name);
    if (rule->action) {
        return true;
    }
    const char *near = str_suggest(name, relabel_action_names);
    return yaml_problem(reader, yaml_get(map, "action"), "unknown relabel action \"%.*s\"%s%s%s",
                        STR_ARG(name), near ? ", did you mean \"" : "", near ? near : "",
                        near ? "\"?" : "");
}

static bool read_texts(const YamlReader *reader, const YamlNode *map, Arena *arena,
                       RelabelRule *rule) {
    rule->separator = STR(";");
    rule->replacement = STR("$1");
    rule->pattern = STR("(.*)");
    rule->target = STR("");
    const struct {
        const char *key;
        Str *slot;
    } texts[] = {
        {"separator", &rule->separator},
        {"replacement", &rule->replacement},
        {"target_label", &rule->target},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const YamlNode *node = yaml_get(map, texts[i].key);
        if (node && node->kind != YAML_NULL) {
            if (!yaml_str(reader, map, texts[i].key, texts[i].slot)) {
                return false;
            }
            *texts[i].slot = arena_str(arena, *texts[i].slot);
        }
    }
    int64_t modulus = 0;
    if (yaml_get(map, "modulus") && !yaml_int(reader, map, "modulus", 0, INT64_MAX, &modulus)) {
        return false;
    }
    rule->modulus = (uint64_t)modulus;
    return read_source(reader, map, arena, rule) && read_pattern(reader, map, arena, rule);
}

/* ---- `if` ---- */

/* The first " or " between matchers, outside of quotes; `text.len` if there is none. */
static size_t find_or(Str text) {
    char quote = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (quote) {
            i += c == '\\';
            quote = c == quote ? 0 : quote;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (i > 0 && str_starts(str_skip(text, i), STR("or")) &&
                   strchr(" \t\n\"", text.ptr[i - 1]) && i + 2 < text.len &&
                   strchr(" \t\n", text.ptr[i + 2])) {
            return i;
        }
    }
    return text.len;
}

static bool add_matchers(Arena *arena, Str name, Str list, RelabelRule *rule, Err *err) {
    list = str_trim(list);
    MatcherSet set = {0};
    if (list.len && !matcher_list_parse(arena, list, &set, err)) {
        return false;
    }
    Matcher *items = arena_array(arena, Matcher, set.count + 1);
    if (set.count) {
        memcpy(items, set.items, set.count * sizeof *items);
    }
    if (name.len) {
        if (!matcher_init(arena, MATCH_EQ, LABEL_METRIC_NAME, name, &items[set.count], err)) {
            matcher_set_finish(&set);
            return false;
        }
        set.count++;
    }
    MatcherSet *grown = arena_array(arena, MatcherSet, rule->condition_count + 1);
    if (rule->condition_count) {
        memcpy(grown, rule->conditions, rule->condition_count * sizeof *grown);
    }
    grown[rule->condition_count++] = (MatcherSet){items, set.count};
    rule->conditions = grown;
    return true;
}

/* `name{matchers or matchers}`. */
static bool read_selector(Arena *arena, Str text, RelabelRule *rule, Err *err) {
    text = str_trim(text);
    size_t brace = str_find(text, '{');
    Str name = str_trim((Str){text.ptr, brace});
    if (name.len && !metric_name_is_legacy(name)) {
        return err_set(err, ERR_INVALID, "\"%.*s\" is no series selector", STR_ARG(text));
    }
    if (brace == text.len) {
        return add_matchers(arena, name, STR(""), rule, err);
    }
    if (text.ptr[text.len - 1] != '}') {
        return err_set(err, ERR_INVALID, "\"%.*s\": no closing brace", STR_ARG(text));
    }
    Str list = {text.ptr + brace + 1, text.len - brace - 2};
    for (;;) {
        size_t at = find_or(list);
        Str part = str_trim((Str){list.ptr, at});
        if (part.len == 0 && (at < list.len || rule->condition_count)) {
            return err_set(err, ERR_INVALID, "\"%.*s\": nothing beside \"or\"", STR_ARG(text));
        }
        if (!add_matchers(arena, name, part, rule, err)) {
            return false;
        }
        if (at == list.len) {
            return true;
        }
        list = str_skip(list, at + 2);
    }
}

static bool read_if(const YamlReader *reader, const YamlNode *map, Arena *arena,
                    RelabelRule *rule) {
    const YamlNode *node = yaml_get(map, "if");
    if (!node || node->kind == YAML_NULL) {
        return true;
    }
    const YamlNode *const one[] = {node};
    const YamlNode *const *items = node->kind == YAML_LIST ? node->items : one;
    size_t count = node->kind == YAML_LIST ? node->count : 1;
    for (size_t i = 0; i < count; i++) {
        Err err;
        if (items[i]->kind != YAML_SCALAR) {
            return yaml_problem(reader, items[i], "if: expected a series selector");
        }
        if (!read_selector(arena, items[i]->text, rule, &err)) {
            return yaml_problem(reader, items[i], "if: %s", err.text);
        }
    }
    return true;
}

/* ---- checks ---- */

static const struct {
    RelabelField field;
    const char *key;
} fields[] = {
    {RELABEL_SOURCE, "source_labels"}, {RELABEL_TARGET, "target_label"},
    {RELABEL_REGEX, "regex"},          {RELABEL_REPLACEMENT, "replacement"},
    {RELABEL_SEPARATOR, "separator"},  {RELABEL_MODULUS, "modulus"},
};

/* Fields that say something; a default written out is as good as none. */
static unsigned fields_said(const RelabelRule *rule) {
    return (rule->source_count ? RELABEL_SOURCE : 0u) | (rule->target.len ? RELABEL_TARGET : 0u) |
           (rule->pattern_is_default ? 0u : RELABEL_REGEX) |
           (str_eq(rule->replacement, STR("$1")) ? 0u : RELABEL_REPLACEMENT) |
           (str_eq(rule->separator, STR(";")) ? 0u : RELABEL_SEPARATOR) |
           (rule->modulus ? RELABEL_MODULUS : 0u);
}

static bool check_fields(const YamlReader *reader, const YamlNode *map, const RelabelRule *rule) {
    const RelabelAction *action = rule->action;
    unsigned said = fields_said(rule);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (action->needs & fields[i].field & ~said) {
            return yaml_problem(reader, map,
                                "relabel configuration for %s action requires '%s' value",
                                action->name, fields[i].key);
        }
        if (said & fields[i].field & ~(action->needs | action->takes)) {
            const YamlNode *node = yaml_get(map, fields[i].key);
            return yaml_problem(reader, node ? node : map, "%s action does not take '%s'",
                                action->name, fields[i].key);
        }
    }
    return true;
}

static bool check_rule(const YamlReader *reader, const YamlNode *map, const RelabelRule *rule) {
    if (!check_fields(reader, map, rule)) {
        return false;
    }
    const char *name = rule->action->name;
    bool selects = rule->source_count || rule->condition_count || !rule->pattern_is_default;
    bool needs_subject = strstr(name, "_metrics") || !strcmp(name, "keep") || !strcmp(name, "drop");
    if (needs_subject && !selects) {
        return yaml_problem(reader, map, "%s action has nothing to choose by", name);
    }
    if (rule->target.len && (!str_is_utf8(rule->target) ||
                             (strcmp(name, "replace") && strcmp(name, "keep") &&
                              strcmp(name, "drop") && relabel_has_variable(rule->target)))) {
        return yaml_problem(reader, map, "\"%.*s\" is invalid 'target_label' for %s action",
                            STR_ARG(rule->target), name);
    }
    return true;
}

/* ---- the door ---- */

static bool read_rule(const YamlReader *reader, const YamlNode *map, Arena *arena,
                      RelabelRule *rule) {
    if (!map || map->kind != YAML_MAP) {
        return yaml_problem(reader, map, "expected a relabel configuration");
    }
    return yaml_check_keys(reader, map, known_keys) && read_action(reader, map, rule) &&
           read_texts(reader, map, arena, rule) && compile_pattern(reader, map, rule) &&
           read_if(reader, map, arena, rule) && check_rule(reader, map, rule);
}

bool relabel_read(const YamlReader *reader, const YamlNode *list, Relabel **ret_relabel) {
    if (list && list->kind != YAML_LIST && list->kind != YAML_NULL) {
        return yaml_problem(reader, list, "expected a list of relabel configurations");
    }
    size_t count = list && list->kind == YAML_LIST ? list->count : 0;
    Relabel *relabel = mem_zero(1, sizeof *relabel);
    relabel->rules = arena_array(&relabel->arena, RelabelRule, count + 1);
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        relabel->count++;
        ok &= read_rule(reader, list->items[i], &relabel->arena, &relabel->rules[i]);
    }
    if (!ok) {
        relabel_free(relabel);
        return false;
    }
    AUTO(buf_finish) Buf text = {0};
    if (count) {
        yaml_print(&text, list, 0);
    }
    relabel->epoch = hash64(buf_view(&text));
    *ret_relabel = relabel;
    return true;
}
