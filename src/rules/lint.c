#include "rules/lint.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
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

/* All rules of all files. */
typedef struct SeenRules {
    HashIndex index; /* name, labels and expression to the first of `rules` that has them */
    Linter *rules;
    size_t rules_count, rules_cap;
} SeenRules;

static void seen_rules_finish(SeenRules *seen) {
    hash_index_finish(&seen->index);
    free(seen->rules);
}

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

/* "labels" of ".labels.instance"; empty where it is not a field of what all texts are given. In a
 * text with definitions `$` may be what one of those is given. */
static Str field_of_chain(const Linter *linter, Str chain) {
    bool is_root = str_starts(chain, STR("$."));
    Str text = linter->text->text;
    if ((!is_root && !str_starts(chain, STR("."))) ||
        (is_root && memmem(text.ptr, text.len, "define", 6))) {
        return STR("");
    }
    Str rest = str_skip(chain, is_root ? 2 : 1);
    return (Str){rest.ptr, str_find(rest, '.')};
}

static void check_field(Linter *linter, Str chain) {
    static const char *const fields[] = {"Labels", "ExternalLabels", "ExternalURL", "Value",
                                         "Type",   "Expr",           "AlertID",     "GroupID",
                                         "For",    "ActiveAt",       "Interval",    "IsPartial"};
    enum { FIELDS = sizeof fields / sizeof *fields, PROMETHEUS_FIELDS = 4 };
    const char *known[FIELDS + 1] = {0};
    Str field = field_of_chain(linter, chain);
    bool is_known = field.len == 0;
    for (size_t i = 0; i < (linter->group->vmalert ? FIELDS : PROMETHEUS_FIELDS); i++) {
        known[i] = fields[i];
        is_known |= str_eq(field, str_of(fields[i]));
    }
    if (!is_known) {
        char text[512];
        const char *near = str_suggest(field, known);
        snprintf(text, sizeof text, "%s \"%.*s\": there is no field \"%.*s\"%s%s%s", linter->what,
                 STR_ARG(linter->text->name), STR_ARG(field), near ? ", did you mean \"" : "",
                 near ? near : "", near ? "\"?" : "");
        find(linter, linter->text->line, linter->text->column, text);
    }
}

static void check_chain(void *ctx, Str chain) {
    Linter *linter = ctx;
    check_field(linter, chain);
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

static void check_definitions(Linter *linter) {
    Str name = tmpl_undefined(linter->text->tmpl);
    char text[512];
    if (name.len) {
        snprintf(text, sizeof text, "%s \"%.*s\" uses the template \"%.*s\", which nothing defines",
                 linter->what, STR_ARG(linter->text->name), STR_ARG(name));
        find(linter, linter->text->line, linter->text->column, text);
    }
}

static void check_texts(Linter *linter, RuleTexts texts, const char *what) {
    linter->what = what;
    for (size_t i = 0; i < texts.count; i++) {
        linter->text = &texts.items[i];
        if (linter->text->tmpl) {
            tmpl_fields(linter->text->tmpl, check_chain, linter);
            check_definitions(linter);
        }
    }
}

/* ---- names ---- */

/* Prometheus 3 takes any name. One that has to be quoted in expressions is mostly a slip. */
static void check_names(Linter *linter) {
    const RuleDef *rule = linter->rule;
    char text[512];
    if (!rule->is_alert && !metric_name_is_legacy(rule->name)) {
        snprintf(text, sizeof text, "\"%.*s\" has to be in quotes in expressions: is that meant?",
                 STR_ARG(rule->name));
        find(linter, rule->line, rule->column, text);
    }
    for (size_t i = 0; i < rule->labels.count; i++) {
        const RuleText *label = &rule->labels.items[i];
        if (!label_name_is_legacy(label->name)) {
            snprintf(text, sizeof text,
                     "the label \"%.*s\" has to be in quotes in expressions: is that meant?",
                     STR_ARG(label->name));
            find(linter, label->line, label->column, text);
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

/* What an alert watches may be sorted out by the rule that records it. */
static bool is_recorded_condition(const SeenRules *seen, Str metric) {
    bool is_recorded = false, is_condition = true;
    for (size_t i = 0; i < seen->rules_count; i++) {
        const RuleDef *rule = seen->rules[i].rule;
        if (!rule->is_alert && str_eq(rule->name, metric)) {
            FilterSearch search = {0};
            search_filter(&search, rule->expr);
            is_recorded = true;
            is_condition &= search.found;
        }
    }
    return is_recorded && is_condition;
}

/* The value of an info metric is always 1: what is the matter stands in its labels. */
static bool is_info_condition(const RuleSelector *selector) {
    return str_ends(selector->metric, STR("_info")) && selector->matchers->count > 1;
}

static bool reads_alerts(const RuleDef *rule) {
    for (size_t i = 0; i < rule->selector_count; i++) {
        if (str_starts(rule->selectors[i].metric, STR("ALERTS"))) {
            return true;
        }
    }
    return false;
}

static void check_comparison(Linter *linter, const SeenRules *seen) {
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
    for (size_t i = 0; i < rule->selector_count && !search.found; i++) {
        search.found = is_info_condition(&rule->selectors[i]) ||
                       is_recorded_condition(seen, rule->selectors[i].metric);
    }
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

static Hash128 rule_hash(const RuleDef *rule) {
    AUTO(buf_finish) Buf text = {0};
    buf_printf(&text, "%d %.*s ", rule->is_alert, STR_ARG(rule->name));
    labels_print(&text, rule->label_set);
    expr_print(&text, rule->expr, false);
    return hash128(buf_view(&text));
}

static void see_rules(SeenRules *seen, const RuleFile *file) {
    for (size_t g = 0; g < file->group_count; g++) {
        const GroupDef *group = &file->groups[g];
        for (size_t i = 0; i < group->rule_count; i++) {
            Linter rule = {.file = file, .group = group, .rule = &group->rules[i]};
            uint32_t item = (uint32_t)seen->rules_count;
            (void)hash_index_put(&seen->index, rule_hash(rule.rule), item);
            VEC_PUSH(*seen, rules, rule);
        }
    }
}

static void check_duplicate(Linter *linter, const SeenRules *seen) {
    const Linter *first = &seen->rules[hash_index_get(&seen->index, rule_hash(linter->rule))];
    if (first->rule == linter->rule) {
        return;
    }
    char sentence[1024];
    snprintf(sentence, sizeof sentence,
             "the same rule (name, labels and expression) is at %.*s:%u, in group \"%.*s\"",
             STR_ARG(first->file->path), first->rule->line, STR_ARG(first->group->name));
    find(linter, linter->rule->line, linter->rule->column, sentence);
}

static void lint_file(const RuleFile *file, DurationMs default_interval, const SeenRules *seen,
                      Problems *findings) {
    if (file->flavour == RULES_VMALERT) {
        rule_file_unset_variables(file->path, file->content, findings);
    }
    for (size_t g = 0; g < file->group_count; g++) {
        const GroupDef *group = &file->groups[g];
        for (size_t i = 0; i < group->rule_count; i++) {
            const RuleDef *rule = &group->rules[i];
            Linter linter = {.file = file, .group = group, .rule = rule, .findings = findings};
            check_duplicate(&linter, seen);
            check_names(&linter);
            if (!rule->is_alert) {
                continue;
            }
            linter.flow = label_flow(rule->expr);
            check_texts(&linter, rule->labels, "label");
            check_texts(&linter, rule->annotations, "annotation");
            check_comparison(&linter, seen);
            check_hold(&linter, group->interval ? group->interval : default_interval);
        }
    }
}

void lint_files(RuleFile *const *files, size_t count, DurationMs default_interval,
                Problems *findings) {
    AUTO(seen_rules_finish) SeenRules seen = {0};
    for (size_t i = 0; i < count; i++) {
        see_rules(&seen, files[i]);
    }
    for (size_t i = 0; i < count; i++) {
        lint_file(files[i], default_interval, &seen, findings);
    }
}

/* ---- match ---- */

/* The files, whom to ask, and what was answered. */
typedef struct Matching {
    RuleFile *const *files;
    size_t count;
    Engine *engine;
    TimeMs now;
    HashIndex asked; /* a selector's text to 1 if it matches something */
} Matching;

static bool is_recorded(const Matching *matching, Str metric) {
    for (size_t f = 0; f < matching->count; f++) {
        const RuleFile *file = matching->files[f];
        for (size_t g = 0; g < file->group_count; g++) {
            for (size_t i = 0; i < file->groups[g].rule_count; i++) {
                const RuleDef *rule = &file->groups[g].rules[i];
                if (!rule->is_alert && str_eq(rule->name, metric)) {
                    return true;
                }
            }
        }
    }
    return str_starts(metric, STR("ALERTS"));
}

/* Asks for anything in the last hour. */
static bool ask_for_any(const Matching *matching, const MatcherSet *set, bool *ret_any, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf text = {0};
    buf_str(&text, STR("count(last_over_time("));
    matchers_print(&text, set);
    buf_str(&text, STR("[1h]))"));
    const Expr *expr = NULL;
    Value value = {0};
    bool ok = false;
    if (!promql_parse(&arena, buf_view(&text), PROMQL_PROMETHEUS, &expr, err)) {
        return false;
    }
    QueryOptions options = {.lookback = 5 * MINUTE_MS, .default_step = MINUTE_MS};
    engine_instant(matching->engine, &(EngineExpr){.expr = expr, .text = buf_view(&text)}, 1,
                   matching->now, &options, &arena, &value, &ok, err);
    expr_finish(expr);
    *ret_any = value.series_count > 0;
    return ok;
}

typedef struct Place {
    uint32_t line, column;
} Place;

static bool is_name_char(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == ':';
}

/* Not what a matcher asks for, which is a word in quotes. */
static bool is_word_at(Str text, size_t at, Str word) {
    char before = at ? text.ptr[at - 1] : ' ';
    char behind = at + word.len < text.len ? text.ptr[at + word.len] : ' ';
    bool is_quoted = before == behind && (before == '"' || before == '\'' || before == '`');
    return str_starts(str_skip(text, at), word) && !is_name_char(before) && !is_name_char(behind) &&
           !is_quoted;
}

/* The `skip`th mention of `word` in the file from `from` on, at most `most` bytes further; `from`
 * if there is none. Whatever YAML makes of an expression, names stay as they are. */
static Place place_of_word(Str text, Place from, Str word, size_t skip, size_t most) {
    Place here = {1, 1};
    for (size_t at = 0; at < text.len && most; at++) {
        bool is_behind =
            here.line > from.line || (here.line == from.line && here.column >= from.column);
        most -= is_behind;
        if (is_behind && is_word_at(text, at, word) && skip-- == 0) {
            return here;
        }
        bool ends_line = text.ptr[at] == '\n';
        bool goes_on = ((unsigned char)text.ptr[at] & 0xC0) == 0x80; /* of a longer character */
        here = ends_line ? (Place){here.line + 1, 1} : (Place){here.line, here.column + !goes_on};
    }
    return from;
}

/* Where the expression names the metric, as often as it did before. */
static Place place_of_selector(const Linter *linter, const RuleSelector *selector) {
    const RuleDef *rule = linter->rule;
    Place start = {rule->expr_line, rule->expr_column};
    size_t skip = 0;
    for (const RuleSelector *other = rule->selectors; other < selector; other++) {
        skip += str_eq(other->metric, selector->metric);
    }
    size_t most = 2 * rule->expr_text.len + 64; /* with the indentation of its lines */
    return selector->metric.len
               ? place_of_word(linter->file->content, start, selector->metric, skip, most)
               : start;
}

static bool check_selector(Linter *linter, const RuleSelector *selector, Matching *matching,
                           Err *err) {
    AUTO(buf_finish) Buf text = {0};
    buf_str(&text, STR("nothing matches "));
    matchers_print(&text, selector->matchers);
    Hash128 hash = hash128(buf_view(&text));
    uint32_t known = hash_index_get(&matching->asked, hash);
    bool any = known == 1;
    if (known == HASH_INDEX_NONE) {
        if (!ask_for_any(matching, selector->matchers, &any, err)) {
            return false;
        }
        (void)hash_index_put(&matching->asked, hash, any);
    }
    if (!any) {
        buf_byte(&text, '\0');
        Place place = place_of_selector(linter, selector);
        find(linter, place.line, place.column, text.ptr);
    }
    return true;
}

static bool lint_rule_matches(Linter *linter, Matching *matching, Err *err) {
    const RuleDef *rule = linter->rule;
    for (size_t i = 0; i < rule->selector_count && !rule->is_absence; i++) {
        const RuleSelector *selector = &rule->selectors[i];
        if (!is_recorded(matching, selector->metric) &&
            !check_selector(linter, selector, matching, err)) {
            return false;
        }
    }
    return true;
}

static bool lint_file_matches(const RuleFile *file, Matching *matching, Problems *findings,
                              Err *err) {
    for (size_t g = 0; g < file->group_count; g++) {
        for (size_t i = 0; i < file->groups[g].rule_count; i++) {
            Linter linter = {.file = file,
                             .group = &file->groups[g],
                             .rule = &file->groups[g].rules[i],
                             .findings = findings};
            if (!lint_rule_matches(&linter, matching, err)) {
                return false;
            }
        }
    }
    return true;
}

bool lint_matches(RuleFile *const *files, size_t count, Engine *engine, TimeMs now,
                  Problems *findings, Err *err) {
    Matching matching = {files, count, engine, now, {0}};
    bool ok = true;
    for (size_t f = 0; f < count && ok; f++) {
        ok = lint_file_matches(files[f], &matching, findings, err);
    }
    hash_index_finish(&matching.asked);
    return ok;
}
