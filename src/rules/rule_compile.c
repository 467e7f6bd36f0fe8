/*
 * Expressions and templates of a file's rules, and the checks on names that need no data.
 */

#include <stdio.h>

#include "model/label.h"
#include "promql/ast.h"
#include "promql/functions.h"
#include "rules/rule_file.h"
#include "rules/rule_text.h"

typedef struct Compiler {
    RuleFile *file;
    const GroupDef *group;
    RuleDef *rule;
    bool vmalert;
    Problems *problems;
} Compiler;

static bool complain(Compiler *compiler, uint32_t line, uint32_t column, const char *text) {
    return problems_add(compiler->problems, compiler->file->path, line, column,
                        "group \"%.*s\", rule %u, \"%.*s\": %s", STR_ARG(compiler->group->name),
                        compiler->rule->number, STR_ARG(compiler->rule->name), text);
}

static bool complain_about(Compiler *compiler, const RuleText *text, const char *what, Str value) {
    char sentence[512];
    snprintf(sentence, sizeof sentence, "%s: %.*s", what, STR_ARG(value));
    return complain(compiler, text->line, text->column, sentence);
}

static void check_record_name(Compiler *compiler) {
    const RuleDef *rule = compiler->rule;
    char sentence[512];
    if (!str_is_utf8(rule->name)) {
        (void)complain(compiler, rule->line, rule->column, "invalid recording rule name");
    } else if (str_find(rule->name, '{') < rule->name.len ||
               str_find(rule->name, '}') < rule->name.len) {
        snprintf(sentence, sizeof sentence,
                 "braces present in the recording rule name; should it be in expr?: %.*s",
                 STR_ARG(rule->name));
        (void)complain(compiler, rule->line, rule->column, sentence);
    }
}

static void check_labels(Compiler *compiler) {
    RuleTexts labels = compiler->rule->labels;
    for (size_t i = 0; i < labels.count; i++) {
        const RuleText *label = &labels.items[i];
        if (label->name.len == 0 || !str_is_utf8(label->name) ||
            str_eq(label->name, LABEL_METRIC_NAME)) {
            (void)complain_about(compiler, label, "invalid label name", label->name);
        }
        if (!str_is_utf8(label->text)) {
            (void)complain_about(compiler, label, "invalid label value", label->text);
        }
    }
    RuleTexts annotations = compiler->rule->annotations;
    for (size_t i = 0; i < annotations.count; i++) {
        if (annotations.items[i].name.len == 0 || !str_is_utf8(annotations.items[i].name)) {
            (void)complain_about(compiler, &annotations.items[i], "invalid annotation name",
                                 annotations.items[i].name);
        }
    }
}

static void compile_texts(Compiler *compiler, RuleTexts texts, const char *what) {
    for (size_t i = 0; i < texts.count; i++) {
        RuleText *text = &texts.items[i];
        Err err = {0};
        if (!rule_text_parse(compiler->vmalert, compiler->file->templates, compiler->rule->name,
                             text->text, &text->tmpl, &err)) {
            char sentence[sizeof err.text + 256];
            const char *near = rule_text_suggest(compiler->vmalert, str_of(err.text));
            snprintf(sentence, sizeof sentence, "%s \"%.*s\": %s%s%s%s", what, STR_ARG(text->name),
                     err.text, near ? ", did you mean \"" : "", near ? near : "",
                     near ? "\"?" : "");
            (void)complain(compiler, text->line, text->column, sentence);
        }
    }
}

/* True if `text`, an expression, calls `name`. Quoted parts are skipped. */
static bool calls(Str text, const char *name) {
    size_t len = strlen(name);
    char quote = 0;
    for (size_t i = 0; i + len < text.len; i++) {
        char c = text.ptr[i];
        if (quote) {
            i += c == '\\' && quote != '`';
            quote = c == quote ? 0 : quote;
        } else if (c == '"' || c == '\'' || c == '`') {
            quote = c;
        } else if (memcmp(text.ptr + i, name, len) == 0 && text.ptr[i + len] == '(') {
            return true;
        }
    }
    return false;
}

typedef struct SelectorList {
    Arena *arena;
    RuleSelector *items;
    size_t count;
} SelectorList;

static void count_selector(void *ctx, const MatcherSet *matchers, DurationMs range) {
    (void)matchers;
    (void)range;
    ((SelectorList *)ctx)->count++;
}

static void add_selector(void *ctx, const MatcherSet *matchers, DurationMs range) {
    SelectorList *list = ctx;
    RuleSelector *selector = &list->items[list->count++];
    *selector = (RuleSelector){.matchers = matchers, .range = range};
    for (size_t i = 0; i < matchers->count; i++) {
        const Matcher *matcher = &matchers->items[i];
        if (matcher->type == MATCH_EQ && str_eq(matcher->name, LABEL_METRIC_NAME)) {
            selector->metric = matcher->value;
        }
    }
}

static void collect_selectors(RuleFile *file, RuleDef *rule) {
    SelectorList list = {.arena = &file->arena};
    expr_selectors(rule->expr, count_selector, &list);
    list.items = arena_array(list.arena, RuleSelector, list.count + 1);
    list.count = 0;
    expr_selectors(rule->expr, add_selector, &list);
    rule->selectors = list.items;
    rule->selector_count = list.count;
}

static bool is_volatile(RuleTexts texts) {
    static const char *const words[] = {"query", "now", "activeAt", "ActiveAt", NULL};
    for (size_t i = 0; i < texts.count; i++) {
        for (size_t k = 0; words[k] && texts.items[i].tmpl; k++) {
            if (memmem(texts.items[i].text.ptr, texts.items[i].text.len, words[k],
                       strlen(words[k]))) {
                return true;
            }
        }
    }
    return false;
}

/* vmalert's files are MetricsQL; where that is not to be had, what of them is PromQL still works.
 */
static bool parse_expr(Compiler *compiler, RuleDef *rule, Err *err) {
    Arena *arena = &compiler->file->arena;
    if (compiler->vmalert) {
        if (promql_parse(arena, rule->expr_text, PROMQL_METRICSQL, &rule->expr, err)) {
            return true;
        }
        if (err->kind != ERR_UNSUPPORTED) {
            return false;
        }
    }
    return promql_parse(arena, rule->expr_text, PROMQL_PROMETHEUS, &rule->expr, err);
}

/* The parser speaks Prometheus' words, which clients compare; a person who writes rules is told
 * more. */
static const char *suggest_function(const char *error) {
    static const char before[] = "unknown function with name \"";
    const char *at = strstr(error, before);
    if (!at || strstr(at, "did you mean")) {
        return NULL;
    }
    Str rest = str_of(at + sizeof before - 1);
    return function_suggest((Str){rest.ptr, str_find(rest, '"')}, false);
}

static void compile_expr(Compiler *compiler) {
    RuleDef *rule = compiler->rule;
    if (rule->expr_text.len == 0) {
        return;
    }
    Err err = {0};
    if (!parse_expr(compiler, rule, &err)) {
        char sentence[sizeof err.text + 128];
        const char *near = suggest_function(err.text);
        snprintf(sentence, sizeof sentence, "could not parse expression: %s%s%s%s", err.text,
                 near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
        (void)complain(compiler, rule->expr_line, rule->expr_column, sentence);
        return;
    }
    collect_selectors(compiler->file, rule);
    AUTO(buf_finish) Buf canonical = {0};
    expr_print(&canonical, rule->expr, false);
    bool is_promql = rule->expr->flavour == PROMQL_PROMETHEUS && !compiler->vmalert;
    rule->expr_shown =
        is_promql ? arena_str(&compiler->file->arena, buf_view(&canonical)) : rule->expr_text;
    rule->is_absence =
        calls(buf_view(&canonical), "absent") || calls(buf_view(&canonical), "absent_over_time");
}

bool rule_file_compile(RuleFile *file, const RuleReading *reading, Problems *problems) {
    size_t before = problems->items_count;
    Compiler compiler = {
        .file = file, .vmalert = reading->flavour == RULES_VMALERT, .problems = problems};
    for (size_t i = 0; i < file->group_count; i++) {
        compiler.group = &file->groups[i];
        for (size_t k = 0; k < file->groups[i].rule_count; k++) {
            compiler.rule = &file->groups[i].rules[k];
            if (!compiler.rule->is_alert && !reading->lax_records) {
                check_record_name(&compiler);
            }
            check_labels(&compiler);
            compile_expr(&compiler);
            if (compiler.rule->is_alert) {
                compile_texts(&compiler, compiler.rule->labels, "label");
                compile_texts(&compiler, compiler.rule->annotations, "annotation");
                compiler.rule->has_volatile_text = is_volatile(compiler.rule->annotations);
            }
        }
    }
    return problems->items_count == before;
}

bool rule_file_change_expr(RuleFile *file, RuleDef *rule, Str text, Err *err) {
    const Expr *expr = NULL;
    Str copy = arena_str(&file->arena, text);
    if (!promql_parse(&file->arena, copy, rule->expr->flavour, &expr, err)) {
        return false;
    }
    expr_finish(rule->expr);
    rule->expr = expr;
    rule->expr_text = copy;
    rule->expr_shown = copy;
    collect_selectors(file, rule);
    return true;
}

static void free_texts(RuleTexts texts) {
    for (size_t i = 0; i < texts.count; i++) {
        tmpl_free(texts.items[i].tmpl);
    }
}

void rule_file_decompile(RuleFile *file) {
    for (size_t i = 0; i < file->group_count; i++) {
        for (size_t k = 0; k < file->groups[i].rule_count; k++) {
            RuleDef *rule = &file->groups[i].rules[k];
            expr_finish(rule->expr);
            free_texts(rule->labels);
            free_texts(rule->annotations);
        }
    }
}
