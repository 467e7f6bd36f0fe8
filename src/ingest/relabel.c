#include "ingest/relabel.h"

#include <stdlib.h>

#include "ingest/md5.h"
#include "ingest/raw.h"

/* ---- templates, as Go's regexp.Expand has them ---- */

enum { GROUPS_MAX = 32 };

typedef struct Found {
    Str text;
    RegexSpan spans[GROUPS_MAX];
    size_t count;
} Found;

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The name after a '$' at the front of `text`, and how many bytes the variable takes. 0 if it is
 * none. */
static size_t variable_at(Str text, Str *ret_name) {
    bool brace = text.len > 1 && text.ptr[1] == '{';
    size_t from = brace ? 2 : 1, to = from;
    while (to < text.len && is_word(text.ptr[to])) {
        to++;
    }
    if (to == from || (brace && (to == text.len || text.ptr[to] != '}'))) {
        return 0;
    }
    *ret_name = (Str){text.ptr + from, to - from};
    return to + brace;
}

bool relabel_has_variable(Str text) {
    Str name;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '$' && variable_at(str_skip(text, i), &name)) {
            return true;
        }
    }
    return false;
}

static Str group_text(const Regex *regex, const Found *found, Str name) {
    long index = 0;
    bool number = true;
    for (size_t i = 0; i < name.len && number; i++) {
        number = name.ptr[i] >= '0' && name.ptr[i] <= '9';
        index = index < GROUPS_MAX ? index * 10 + (name.ptr[i] - '0') : GROUPS_MAX;
    }
    if (!number) {
        index = regex_group_index(regex, name.ptr, name.len);
    }
    if (index < 0 || (size_t)index >= found->count || found->spans[index].from < 0) {
        return STR("");
    }
    RegexSpan span = found->spans[index];
    return (Str){found->text.ptr + span.from, (size_t)(span.to - span.from)};
}

static void expand(Buf *out, const Regex *regex, Str template, const Found *found) {
    for (size_t i = 0; i < template.len;) {
        Str rest = str_skip(template, i);
        Str name;
        size_t used;
        if (rest.ptr[0] != '$') {
            buf_byte(out, rest.ptr[0]);
            i++;
        } else if (str_starts(rest, STR("$$"))) {
            buf_byte(out, '$');
            i += 2;
        } else if ((used = variable_at(rest, &name)) > 0) {
            buf_str(out, group_text(regex, found, name));
            i += used;
        } else {
            buf_byte(out, '$');
            i++;
        }
    }
}

static Str expand_in(Arena *arena, const Regex *regex, Str template, const Found *found) {
    AUTO(buf_finish) Buf out = {0};
    expand(&out, regex, template, found);
    return arena_str(arena, buf_view(&out));
}

static bool find(const Regex *regex, Str text, size_t from, Found *ret_found) {
    size_t count = (size_t)regex_group_count(regex) + 1;
    ret_found->text = text;
    ret_found->count = count < GROUPS_MAX ? count : GROUPS_MAX;
    return regex_find(regex, text.ptr, text.len, from, ret_found->spans, ret_found->count);
}

/* Every match replaced; an empty match steps on by one byte. */
static Str replace_each(Arena *arena, const RelabelRule *rule, Str text) {
    AUTO(buf_finish) Buf out = {0};
    size_t at = 0;
    Found found;
    while (at <= text.len && find(rule->regex, text, at, &found)) {
        size_t from = (size_t)found.spans[0].from, to = (size_t)found.spans[0].to;
        buf_put(&out, text.ptr + at, from - at);
        expand(&out, rule->regex, rule->replacement, &found);
        if (to == from && from < text.len) {
            buf_byte(&out, text.ptr[from]);
        }
        at = to + (to == from);
    }
    if (at < text.len) {
        buf_put(&out, text.ptr + at, text.len - at);
    }
    return arena_str(arena, buf_view(&out));
}

/* ---- actions ---- */

static Str source_text(const RelabelRule *rule, Arena *arena, LabelSet set) {
    if (rule->source_count == 1) {
        return labels_get(set, rule->source[0]);
    }
    AUTO(buf_finish) Buf out = {0};
    for (size_t i = 0; i < rule->source_count; i++) {
        buf_str(&out, i ? rule->separator : STR(""));
        buf_str(&out, labels_get(set, rule->source[i]));
    }
    return arena_str(arena, buf_view(&out));
}

static bool matches(const RelabelRule *rule, Str text) {
    Found found;
    return find(rule->regex, text, 0, &found);
}

static bool matches_source(const RelabelRule *rule, Arena *arena, LabelSet set) {
    /* vmagent: without source labels the `if` alone decides. */
    return rule->source_count == 0 || matches(rule, source_text(rule, arena, set));
}

static bool apply_keep(const RelabelRule *rule, Arena *arena, LabelSet *set) {
    return matches_source(rule, arena, *set);
}

static bool apply_drop(const RelabelRule *rule, Arena *arena, LabelSet *set) {
    return !matches_source(rule, arena, *set);
}

static bool apply_keep_equal(const RelabelRule *rule, Arena *arena, LabelSet *set) {
    return str_eq(labels_get(*set, rule->target), source_text(rule, arena, *set));
}

static bool apply_drop_equal(const RelabelRule *rule, Arena *arena, LabelSet *set) {
    return !apply_keep_equal(rule, arena, set);
}

static bool sources_agree(const RelabelRule *rule, LabelSet set) {
    for (size_t i = 1; i < rule->source_count; i++) {
        if (!str_eq(labels_get(set, rule->source[0]), labels_get(set, rule->source[i]))) {
            return false;
        }
    }
    return true;
}

static bool apply_keep_if_equal(const RelabelRule *rule, Arena *arena, LabelSet *set) {
    (void)arena;
    return sources_agree(rule, *set);
}

static bool apply_drop_if_equal(const RelabelRule *rule, Arena *arena, LabelSet *set) {
    (void)arena;
    return !sources_agree(rule, *set);
}

static bool target_contains_sources(const RelabelRule *rule, LabelSet set) {
    Str target = labels_get(set, rule->target);
    for (size_t i = 0; i < rule->source_count; i++) {
        Str source = labels_get(set, rule->source[i]);
        if (source.len && !(target.len && memmem(target.ptr, target.len, source.ptr, source.len))) {
            return false;
        }
    }
    return true;
}

static bool apply_keep_if_contains(const RelabelRule *rule, Arena *arena, LabelSet *set) {
    (void)arena;
    return target_contains_sources(rule, *set);
}

static bool apply_drop_if_contains(const RelabelRule *rule, Arena *arena, LabelSet *set) {
    (void)arena;
    return !target_contains_sources(rule, *set);
}

static bool apply_keep_metrics(const RelabelRule *rule, Arena *arena, LabelSet *set) {
    (void)arena;
    return matches(rule, labels_get(*set, LABEL_METRIC_NAME));
}

static bool apply_drop_metrics(const RelabelRule *rule, Arena *arena, LabelSet *set) {
    return !apply_keep_metrics(rule, arena, set);
}

static bool apply_replace(const RelabelRule *rule, Arena *arena, LabelSet *set) {
    Str text = source_text(rule, arena, *set);
    Found found;
    if (!find(rule->regex, text, 0, &found)) {
        return true;
    }
    Str target = expand_in(arena, rule->regex, rule->target, &found);
    if (target.len == 0 || !str_is_utf8(target)) {
        return true;
    }
    Str value = expand_in(arena, rule->regex, rule->replacement, &found);
    *set = labels_with(arena, *set, target, value);
    return true;
}

static bool apply_replace_all(const RelabelRule *rule, Arena *arena, LabelSet *set) {
    Str text = source_text(rule, arena, *set);
    if (matches(rule, text)) {
        *set = labels_with(arena, *set, rule->target, replace_each(arena, rule, text));
    }
    return true;
}

/* Simple case mapping of ASCII; other letters of UTF-8 stay as they are. */
static Str change_case(Arena *arena, Str text, char from, char to) {
    char *out = arena_cstr(arena, text);
    for (size_t i = 0; i < text.len; i++) {
        out[i] = text.ptr[i];
        if (out[i] >= from && out[i] < from + 26) {
            out[i] = (char)(out[i] - from + to);
        }
    }
    return (Str){out, text.len};
}

static bool apply_lowercase(const RelabelRule *rule, Arena *arena, LabelSet *set) {
    Str text = change_case(arena, source_text(rule, arena, *set), 'A', 'a');
    *set = labels_with(arena, *set, rule->target, text);
    return true;
}

static bool apply_uppercase(const RelabelRule *rule, Arena *arena, LabelSet *set) {
    Str text = change_case(arena, source_text(rule, arena, *set), 'a', 'A');
    *set = labels_with(arena, *set, rule->target, text);
    return true;
}

/* The last eight bytes of the MD5, big-endian (relabel.go keeps to this since its first version).
 */
static bool apply_hashmod(const RelabelRule *rule, Arena *arena, LabelSet *set) {
    uint8_t digest[16];
    md5(source_text(rule, arena, *set), digest);
    uint64_t number = 0;
    for (int i = 8; i < 16; i++) {
        number = number << 8 | digest[i];
    }
    Str value = arena_printf(arena, "%llu", (unsigned long long)(number % rule->modulus));
    *set = labels_with(arena, *set, rule->target, value);
    return true;
}

static bool apply_labelmap(const RelabelRule *rule, Arena *arena, LabelSet *set) {
    LabelSet before = *set;
    for (size_t i = 0; i < before.count; i++) {
        Found found;
        if (find(rule->regex, before.items[i].name, 0, &found)) {
            Str name = expand_in(arena, rule->regex, rule->replacement, &found);
            *set = name.len ? labels_with(arena, *set, name, before.items[i].value) : *set;
        }
    }
    return true;
}

static bool apply_labelmap_all(const RelabelRule *rule, Arena *arena, LabelSet *set) {
    LabelSet before = *set;
    for (size_t i = 0; i < before.count; i++) {
        Str name = replace_each(arena, rule, before.items[i].name);
        if (name.len && !str_eq(name, before.items[i].name)) {
            *set = labels_with(arena, *set, before.items[i].name, STR(""));
            *set = labels_with(arena, *set, name, before.items[i].value);
        }
    }
    return true;
}

static void filter_names(const RelabelRule *rule, Arena *arena, LabelSet *set, bool keep) {
    Label *items = arena_array(arena, Label, set->count + 1);
    size_t count = 0;
    for (size_t i = 0; i < set->count; i++) {
        if (matches(rule, set->items[i].name) == keep) {
            items[count++] = set->items[i];
        }
    }
    *set = (LabelSet){items, count};
}

static bool apply_labeldrop(const RelabelRule *rule, Arena *arena, LabelSet *set) {
    filter_names(rule, arena, set, false);
    return true;
}

static bool apply_labelkeep(const RelabelRule *rule, Arena *arena, LabelSet *set) {
    filter_names(rule, arena, set, true);
    return true;
}

/* ---- the table ---- */

#define S RELABEL_SOURCE
#define T RELABEL_TARGET
#define X RELABEL_REGEX
#define R RELABEL_REPLACEMENT
#define P RELABEL_SEPARATOR
#define M RELABEL_MODULUS

static const RelabelAction actions[] = {
    /* Prometheus       needs    may have              */
    {"replace", T, S | X | R | P | M, apply_replace, false},
    {"keep", 0, S | T | X | R | P | M, apply_keep, false},
    {"drop", 0, S | T | X | R | P | M, apply_drop, false},
    {"keepequal", T, S, apply_keep_equal, false},
    {"dropequal", T, S, apply_drop_equal, false},
    {"hashmod", T | M, S | X | R | P, apply_hashmod, false},
    {"labelmap", 0, S | T | X | R | P | M, apply_labelmap, false},
    {"labeldrop", 0, X, apply_labeldrop, false},
    {"labelkeep", 0, X, apply_labelkeep, false},
    {"lowercase", T, S | X | R | P | M, apply_lowercase, false},
    {"uppercase", T, S | X | R | P | M, apply_uppercase, false},
    /* vmagent */
    {"replace_all", S | T, X | R | P, apply_replace_all, true},
    {"labelmap_all", 0, X | R, apply_labelmap_all, true},
    {"keep_if_equal", S, 0, apply_keep_if_equal, false},
    {"drop_if_equal", S, 0, apply_drop_if_equal, false},
    {"keep_if_contains", S | T, 0, apply_keep_if_contains, false},
    {"drop_if_contains", S | T, 0, apply_drop_if_contains, false},
    {"keep_metrics", 0, X, apply_keep_metrics, false},
    {"drop_metrics", 0, X, apply_drop_metrics, false},
};

const char *const relabel_action_names[] = {
    "replace",          "keep",          "drop",          "keepequal",
    "dropequal",        "hashmod",       "labelmap",      "labeldrop",
    "labelkeep",        "lowercase",     "uppercase",     "replace_all",
    "labelmap_all",     "keep_if_equal", "drop_if_equal", "keep_if_contains",
    "drop_if_contains", "keep_metrics",  "drop_metrics",  NULL,
};

const RelabelAction *relabel_action(Str name) {
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        /* Prometheus takes any case here. */
        if (name.len == strlen(actions[i].name) &&
            strncasecmp(name.ptr, actions[i].name, name.len) == 0) {
            return &actions[i];
        }
    }
    return NULL;
}

/* ---- the door ---- */

static bool condition_holds(const RelabelRule *rule, LabelSet labels) {
    for (size_t i = 0; i < rule->condition_count; i++) {
        if (matcher_set_matches(&rule->conditions[i], labels)) {
            return true;
        }
    }
    return rule->condition_count == 0;
}

/* vmagent: a keep whose `if` does not hold drops. */
static bool keeps_only(const RelabelRule *rule) {
    return rule->condition_count && rule->source_count == 0 &&
           (rule->action->apply == apply_keep || rule->action->apply == apply_keep_metrics);
}

bool relabel_apply(const Relabel *relabel, LabelSet labels, Arena *arena, LabelSet *ret_labels) {
    LabelSet set = labels;
    for (size_t i = 0; i < relabel->count; i++) {
        const RelabelRule *rule = &relabel->rules[i];
        bool holds = condition_holds(rule, set);
        if (!holds && keeps_only(rule)) {
            return false;
        }
        if (holds && !rule->action->apply(rule, arena, &set)) {
            return false;
        }
    }
    *ret_labels = set;
    return true;
}

uint64_t relabel_epoch(const Relabel *relabel) {
    return relabel->epoch;
}

void relabel_free(Relabel *relabel) {
    if (!relabel) {
        return;
    }
    for (size_t i = 0; i < relabel->count; i++) {
        regex_free(relabel->rules[i].regex);
        for (size_t k = 0; k < relabel->rules[i].condition_count; k++) {
            matcher_set_finish(&relabel->rules[i].conditions[k]);
        }
    }
    arena_finish(&relabel->arena);
    free(relabel);
}
