/* belfry check, for rule files. */

#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "rules/lint.h"

typedef struct CheckedFiles {
    RuleFile **files;
    size_t files_count, files_cap;
} CheckedFiles;

static void checked_finish(CheckedFiles *checked) {
    for (size_t i = 0; i < checked->files_count; i++) {
        rule_file_unref(checked->files[i]);
    }
    free(checked->files);
}

static void check_path(Str path, RulesFlavour flavour, RuleTemplates *templates,
                       CheckedFiles *checked, Problems *problems) {
    AUTO(arena_finish) Arena arena = {0};
    Str bytes = {0};
    Err err = {0};
    RuleFile *file = NULL;
    if (!file_read(&arena, arena_cstr(&arena, path), YAML_BYTES_MAX, &bytes, &err)) {
        problems_add(problems, path, 0, 0, "%s", err.text);
    } else if (rule_file_load_upon(path, bytes, flavour, templates, &file, problems)) {
        VEC_PUSH(*checked, files, file);
    }
}

/* Templates that several sources name are read once, and what is wrong with them is told once. */
typedef struct CheckTemplates {
    Str patterns;
    RuleTemplates *loaded;
} CheckTemplates;

static RuleTemplates *templates_of(CheckTemplates *templates, const RulesSource *source,
                                   Problems *problems) {
    if (!str_eq(templates->patterns, source->templates)) {
        rule_templates_unref(templates->loaded);
        templates->patterns = source->templates;
        (void)!rule_templates_load(source->templates, &templates->loaded, problems);
    }
    return templates->loaded;
}

static void check_source(const RulesSource *source, RuleTemplates *templates, CheckedFiles *checked,
                         Problems *problems) {
    AUTO(arena_finish) Arena arena = {0};
    Str *paths = NULL;
    size_t count = 0;
    Err err = {0};
    if (str_eq(source->pattern, STR("-"))) {
        check_path(source->pattern, source->flavour, templates, checked, problems);
        return;
    }
    if (!file_glob_yaml(&arena, arena_cstr(&arena, source->pattern), &paths, &count, &err)) {
        problems_add(problems, source->pattern, 0, 0, "%s", err.text);
        return;
    }
    if (count == 0) {
        problems_add(problems, source->pattern, 0, 0, "no such file");
    }
    for (size_t i = 0; i < count; i++) {
        check_path(paths[i], source->flavour, templates, checked, problems);
    }
}

bool rules_check(const RulesSource *sources, size_t count, const RulesCheckOptions *options,
                 Problems *problems, Problems *findings) {
    AUTO(checked_finish) CheckedFiles checked = {0};
    size_t before = problems->items_count;
    CheckTemplates templates = {0};
    for (size_t i = 0; i < count; i++) {
        RuleTemplates *used = templates_of(&templates, &sources[i], problems);
        check_source(&sources[i], used, &checked, problems);
    }
    for (size_t i = 0; i < checked.files_count; i++) {
        problems_copy(findings, &checked.files[i]->doubts);
    }
    rule_templates_unref(templates.loaded);
    if (options->lint) {
        DurationMs interval = options->evaluation_interval;
        lint_files(checked.files, checked.files_count, interval ? interval : MINUTE_MS, findings);
    }
    Err err = {0};
    if (options->lint && options->against &&
        !lint_matches(checked.files, checked.files_count, options->against, clock_now(), findings,
                      &err)) {
        problems_add(problems, STR("--against"), 0, 0, "%s", err.text);
    }
    return problems->items_count == before;
}
