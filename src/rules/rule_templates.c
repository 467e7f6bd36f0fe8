#include "rules/rule_templates.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

enum { TEMPLATE_BYTES_MAX = 8 << 20 };

struct RuleTemplates {
    Tmpl *prometheus, *vmalert; /* the same definitions, over each flavour's functions */
    uint64_t hash;              /* of all files' content */
    _Atomic size_t refs;
};

static const TmplFunc *const prometheus_first[] = {tmpl_funcs_prometheus, tmpl_funcs_vmalert, NULL};
static const TmplFunc *const vmalert_first[] = {tmpl_funcs_vmalert, tmpl_funcs_prometheus, NULL};

static RuleTemplates *templates_new(void) {
    RuleTemplates *templates = mem_zero(1, sizeof *templates);
    templates->refs = 1;
    return templates;
}

RuleTemplates *rule_templates_ref(RuleTemplates *templates) {
    if (templates) {
        templates->refs++;
    }
    return templates;
}

void rule_templates_unref(RuleTemplates *templates) {
    if (!templates || --templates->refs > 0) {
        return;
    }
    tmpl_free(templates->prometheus);
    tmpl_free(templates->vmalert);
    free(templates);
}

bool rule_templates_eq(const RuleTemplates *a, const RuleTemplates *b) {
    return a == b || (a && b && a->hash == b->hash);
}

const Tmpl *rule_templates_base(const RuleTemplates *templates, bool vmalert) {
    if (!templates) {
        return NULL;
    }
    return vmalert ? templates->vmalert : templates->prometheus;
}

static bool parse_nothing(const TmplFunc *const *funcs, Tmpl **ret_tmpl, Err *err) {
    TmplOptions options = {.funcs = funcs, .missing_zero = true};
    return tmpl_parse(STR(""), STR(""), &options, ret_tmpl, err);
}

static Str file_name(Str path) {
    size_t at = path.len;
    while (at && path.ptr[at - 1] != '/') {
        at--;
    }
    return str_skip(path, at);
}

static void add_file(RuleTemplates *templates, Arena *arena, Str path, Problems *problems) {
    Str text = {0};
    Err err = {0};
    if (!file_read(arena, arena_cstr(arena, path), TEMPLATE_BYTES_MAX, &text, &err) ||
        !tmpl_add(templates->prometheus, file_name(path), text, &err) ||
        !tmpl_add(templates->vmalert, file_name(path), text, &err)) {
        problems_add(problems, path, 0, 0, "%s", err.text);
    }
    templates->hash = templates->hash * 31 + hash64(text);
}

static void add_pattern(RuleTemplates *templates, Arena *arena, Str pattern, Problems *problems) {
    Str *paths = NULL;
    size_t count = 0;
    Err err = {0};
    if (!file_glob(arena, arena_cstr(arena, pattern), &paths, &count, &err)) {
        problems_add(problems, pattern, 0, 0, "%s", err.text);
    } else if (count == 0) {
        problems_add(problems, pattern, 0, 0, "templates of rules: no file matches");
    }
    for (size_t i = 0; i < count; i++) {
        add_file(templates, arena, paths[i], problems);
    }
}

bool rule_templates_load(Str patterns, RuleTemplates **ret_templates, Problems *problems) {
    *ret_templates = NULL;
    if (str_trim(patterns).len == 0) {
        return true;
    }
    AUTO(arena_finish) Arena arena = {0};
    AUTO(rule_templates_unrefp) RuleTemplates *templates = templates_new();
    size_t before = problems->items_count;
    Err err = {0};
    if (!parse_nothing(prometheus_first, &templates->prometheus, &err) ||
        !parse_nothing(vmalert_first, &templates->vmalert, &err)) {
        return problems_add(problems, patterns, 0, 0, "%s", err.text);
    }
    while (patterns.len) {
        size_t comma = str_find(patterns, ',');
        Str pattern = str_trim((Str){patterns.ptr, comma});
        patterns = str_skip(patterns, comma < patterns.len ? comma + 1 : comma);
        if (pattern.len) {
            add_pattern(templates, &arena, pattern, problems);
        }
    }
    if (problems->items_count > before) {
        return false;
    }
    *ret_templates = TAKE(templates);
    return true;
}
