#include "rules/lint.h"

#include <stdio.h>

#include "rules/hash_index.h"
#include "rules/label_flow.h"

typedef struct Linter {
    const RuleFile *file;
    const GroupDef *group;
    const RuleDef *rule;
    Problems *findings;
    LabelFlow flow;
    const RuleText *text; /* being looked at */
    const char *what;     /* "label" or "annotation" */
} Linter;

static void find(Linter *linter, uint32_t line, uint32_t column, const char *text) {
    problems_add(linter->findings, linter->file->path, line, column,
                 "group \"%.*s\", rule %u, \"%.*s\": %s", STR_ARG(linter->group->name),
                 linter->rule->number, STR_ARG(linter->rule->name), text);
}

/* ---- labels ---- */

/* "instance" of "$labels.instance" or ".Labels.instance"; empty for other chains. */
static Str label_of_chain(Str chain) {
    static const char *const roots[] = {"$labels.", ".Labels.", "$.Labels."};
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        Str root = str_of(roots[i]);
        if (str_starts(chain, root)) {
            Str rest = str_skip(chain, root.len);
            return (Str){rest.ptr, str_find(rest, '.')};
        }
    }
    return STR("");
}

static bool is_set_by_rule(const Linter *linter, Str label) {
    if (!linter->group->vmalert) {
        return false;
    }
    return labels_has(linter->rule->label_set, label) || str_eq(label, STR("alertname")) ||
           str_eq(label, STR("alertgroup"));
}

static void check_chain(void *ctx, Str chain) {
    Linter *linter = ctx;
    Str label = label_of_chain(chain);
    if (label.len == 0 || label_flow_may_have(&linter->flow, label) ||
        is_set_by_rule(linter, label)) {
        return;
    }
    char text[512];
    snprintf(text, sizeof text,
             "%s \"%.*s\" uses the label \"%.*s\", which the result of the expression cannot have",
             linter->what, STR_ARG(linter->text->name), STR_ARG(label));
    find(linter, linter->text->line, linter->text->column, text);
}

static void check_texts(Linter *linter, RuleTexts texts, const char *what) {
    linter->what = what;
    for (size_t i = 0; i < texts.count; i++) {
        linter->text = &texts.items[i];
        if (linter->text->tmpl) {
            tmpl_fields(linter->text->tmpl, check_chain, linter);
        }
    }
}

/* ---- comparison ---- */

typedef struct FilterSearch {
    bool found;
} FilterSearch;

static bool is_filter(const Expr *expr) {
    if (expr->kind == EXPR_BINARY) {
        const ExprBinary *binary = &expr->binary;
        return (binary_op_is_comparison(binary->op) && !binary->return_bool) ||
               binary->op == OP_AND || binary->op == OP_UNLESS || binary->op == OP_IF ||
               binary->op == OP_IFNOT;
    }
    if (expr->kind == EXPR_CALL) {
        Str name = str_of(expr->call.function->name);
        return str_starts(name, STR("absent"));
    }
    return false;
}

static void search_filter(void *ctx, const Expr *expr) {
    FilterSearch *search = ctx;
    search->found |= is_filter(expr);
    if (!search->found) {
        expr_children(expr, search_filter, ctx);
    }
}

static bool reads_alerts(const RuleDef *rule) {
    for (size_t i = 0; i < rule->selector_count; i++) {
        if (str_starts(rule->selectors[i].metric, STR("ALERTS"))) {
            return true;
        }
    }
    return false;
}

static void check_comparison(Linter *linter) {
    const RuleDef *rule = linter->rule;
    const Expr *top = expr_unwrap(rule->expr);
    FilterSearch search = {0};
    if (rule->selector_count == 0 || reads_alerts(rule)) {
        return; /* vector(1): meant to fire always */
    }
    if (top->kind == EXPR_BINARY && top->binary.return_bool) {
        find(linter, rule->expr_line, rule->expr_column,
             "`bool` makes a result of every comparison, so the alert fires whatever it says");
        return;
    }
    search_filter(&search, top);
    if (!search.found) {
        find(linter, rule->expr_line, rule->expr_column,
             "no comparison in the expression: the alert fires whenever there is a result");
    }
}

/* ---- the rest ---- */

static void check_hold(Linter *linter, DurationMs interval) {
    if (linter->rule->hold > 0 && linter->rule->hold < interval) {
        find(linter, linter->rule->line, linter->rule->column,
             "`for` is shorter than the interval of the group, so it waits for a whole interval");
    }
}

static void check_duplicate(Linter *linter, HashIndex *seen) {
    AUTO(buf_finish) Buf text = {0};
    buf_printf(&text, "%d %.*s ", linter->rule->is_alert, STR_ARG(linter->rule->name));
    labels_print(&text, linter->rule->label_set);
    expr_print(&text, linter->rule->expr, false);
    if (!hash_index_put(seen, hash128(buf_view(&text)), 0)) {
        find(linter, linter->rule->line, linter->rule->column,
             "the same rule (name, labels and expression) was there before");
    }
}

/* Loads, and has no effect: people should hear of it. */
static void check_group(const RuleFile *file, const GroupDef *group, Problems *findings) {
    if (group->notifier_header_count) {
        problems_add(findings, file->path, group->line, group->column,
                     "group \"%.*s\": notifier_headers are not sent: set http_headers in "
                     "the http_config of the receiver",
                     STR_ARG(group->name));
    }
}

void lint_file(const RuleFile *file, DurationMs default_interval, Problems *findings) {
    AUTO(hash_index_finish) HashIndex seen = {0};
    for (size_t g = 0; g < file->group_count; g++) {
        const GroupDef *group = &file->groups[g];
        check_group(file, group, findings);
        for (size_t i = 0; i < group->rule_count; i++) {
            const RuleDef *rule = &group->rules[i];
            Linter linter = {.file = file, .group = group, .rule = rule, .findings = findings};
            check_duplicate(&linter, &seen);
            if (!rule->is_alert) {
                continue;
            }
            linter.flow = label_flow(rule->expr);
            check_texts(&linter, rule->labels, "label");
            check_texts(&linter, rule->annotations, "annotation");
            check_comparison(&linter);
            check_hold(&linter, group->interval ? group->interval : default_interval);
        }
    }
}

/* ---- match ---- */

static bool is_recorded(RuleFile *const *files, size_t count, Str metric) {
    for (size_t f = 0; f < count; f++) {
        for (size_t g = 0; g < files[f]->group_count; g++) {
            for (size_t i = 0; i < files[f]->groups[g].rule_count; i++) {
                const RuleDef *rule = &files[f]->groups[g].rules[i];
                if (!rule->is_alert && str_eq(rule->name, metric)) {
                    return true;
                }
            }
        }
    }
    return str_starts(metric, STR("ALERTS"));
}

/* Asks for anything in the last hour. True also where the question fails: only a clear "nothing" is
 * a finding. */
static bool matches_something(Engine *engine, const MatcherSet *set, TimeMs now) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf text = {0};
    buf_str(&text, STR("count(last_over_time("));
    matchers_print(&text, set);
    buf_str(&text, STR("[1h]))"));
    const Expr *expr = NULL;
    Value value = {0};
    Err err = {0};
    bool ok = false;
    if (!promql_parse(&arena, buf_view(&text), PROMQL_PROMETHEUS, &expr, &err)) {
        return true;
    }
    QueryOptions options = {.lookback = 5 * MINUTE_MS, .default_step = MINUTE_MS};
    engine_instant(engine, &(EngineExpr){.expr = expr, .text = buf_view(&text)}, 1, now, &options,
                   &arena, &value, &ok, &err);
    expr_finish(expr);
    return !ok || value.series_count > 0;
}

static void lint_rule_matches(Linter *linter, RuleFile *const *files, size_t count, Engine *engine,
                              TimeMs now) {
    const RuleDef *rule = linter->rule;
    for (size_t i = 0; i < rule->selector_count; i++) {
        const RuleSelector *selector = &rule->selectors[i];
        if (rule->is_absence || is_recorded(files, count, selector->metric) ||
            matches_something(engine, selector->matchers, now)) {
            continue;
        }
        AUTO(buf_finish) Buf text = {0};
        buf_str(&text, STR("nothing matches "));
        matchers_print(&text, selector->matchers);
        buf_byte(&text, '\0');
        find(linter, rule->expr_line, rule->expr_column, text.ptr);
    }
}

void lint_matches(RuleFile *const *files, size_t count, Engine *engine, TimeMs now,
                  Problems *findings) {
    for (size_t f = 0; f < count; f++) {
        for (size_t g = 0; g < files[f]->group_count; g++) {
            for (size_t i = 0; i < files[f]->groups[g].rule_count; i++) {
                Linter linter = {.file = files[f],
                                 .group = &files[f]->groups[g],
                                 .rule = &files[f]->groups[g].rules[i],
                                 .findings = findings};
                lint_rule_matches(&linter, files, count, engine, now);
            }
        }
    }
}
