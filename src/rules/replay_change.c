/*
 * What is tried in a replay: another `for`, another threshold. Read from the command line's words,
 * applied to rules that are loaded and were not evaluated yet.
 */

#include <math.h>
#include <stdio.h>

#include "base/number.h"
#include "promql/ast.h"
#include "rules/replay_internal.h"

/* More runs side by side than anyone compares. */
enum { VARIANTS_MAX = 50, CHANGES_MAX = 8 };

static const struct {
    const char *name;
    ReplayField field;
} fields[] = {
    {"for", REPLAY_FOR}, {"keep_firing_for", REPLAY_KEEP_FIRING}, {"threshold", REPLAY_THRESHOLD}};

/* ---- from words ---- */

static bool find_field(Str name, ReplayField *ret_field, Err *err) {
    static const char *const names[] = {"for", "keep_firing_for", "threshold", NULL};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (str_eq(name, str_of(fields[i].name))) {
            *ret_field = fields[i].field;
            return true;
        }
    }
    const char *near = str_suggest(name, names);
    return err_set(err, ERR_INVALID,
                   "\"%.*s\" cannot be changed%s%s%s: for, keep_firing_for and threshold can",
                   STR_ARG(name), near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static bool parse_value(ReplayField field, Str text, ReplayChange *ret_change, Err *err) {
    *ret_change = (ReplayChange){.field = field};
    if (field != REPLAY_THRESHOLD) {
        return duration_parse(text, &ret_change->span, err);
    }
    return (number_parse(text, &ret_change->number) && isfinite(ret_change->number)) ||
           err_set(err, ERR_INVALID, "\"%.*s\" is no number", STR_ARG(text));
}

static Str cut(Str *rest, char at) {
    size_t len = str_find(*rest, at);
    Str head = {rest->ptr, len};
    *rest = str_skip(*rest, len < rest->len ? len + 1 : len);
    return head;
}

bool replay_variant_parse(Arena *arena, Str text, ReplayVariant *ret_variant, Err *err) {
    ReplayVariant variant = {.name = arena_str(arena, text),
                             .changes = arena_array(arena, ReplayChange, CHANGES_MAX)};
    for (Str rest = text; rest.len;) {
        Str part = cut(&rest, ',');
        Str value = part;
        Str name = cut(&value, '=');
        ReplayField field;
        if (name.len == part.len) {
            return err_set(err, ERR_INVALID, "\"%.*s\" is not NAME=VALUE", STR_ARG(part));
        }
        if (variant.change_count == CHANGES_MAX) {
            return err_set(err, ERR_LIMIT, "more than %d changes at once", CHANGES_MAX);
        }
        if (!find_field(str_trim(name), &field, err) ||
            !parse_value(field, str_trim(value), &variant.changes[variant.change_count++], err)) {
            return false;
        }
    }
    if (variant.change_count == 0) {
        return err_set(err, ERR_INVALID, "nothing to change: write NAME=VALUE");
    }
    *ret_variant = variant;
    return true;
}

static double change_value(const ReplayChange *change) {
    return change->field == REPLAY_THRESHOLD ? change->number : (double)change->span;
}

/* Twelve digits: 0.7 + 3 x 0.05 is meant to be 0.85, not 0.8500000000000001. */
static double rounded(double value) {
    char text[64];
    snprintf(text, sizeof text, "%.12g", value);
    double ret = value;
    return number_parse(str_of(text), &ret) ? ret : value;
}

static ReplayVariant sweep_variant(Arena *arena, ReplayField field, double value) {
    AUTO(buf_finish) Buf name = {0};
    ReplayVariant variant = {.changes = arena_new(arena, ReplayChange), .change_count = 1};
    *variant.changes = (ReplayChange){.field = field, .span = (DurationMs)value, .number = value};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i].field == field) {
            buf_printf(&name, "%s=", fields[i].name);
        }
    }
    if (field == REPLAY_THRESHOLD) {
        number_put(&name, value);
    } else {
        duration_put(&name, (DurationMs)value);
    }
    variant.name = arena_str(arena, buf_view(&name));
    return variant;
}

bool replay_sweep_parse(Arena *arena, Str text, ReplayVariant **ret_variants, size_t *ret_count,
                        Err *err) {
    Str rest = text;
    ReplayField field = REPLAY_THRESHOLD;
    if (str_find(text, '=') < text.len && !find_field(str_trim(cut(&rest, '=')), &field, err)) {
        return false;
    }
    double bounds[3];
    for (size_t i = 0; i < 3; i++) {
        ReplayChange change;
        Str part = str_trim(cut(&rest, ':'));
        if (part.len == 0 || (i == 2 && rest.len)) {
            return err_set(err, ERR_INVALID, "\"%.*s\" is not FIRST:LAST:STEP", STR_ARG(text));
        }
        if (!parse_value(field, part, &change, err)) {
            return err_context(err, "\"%.*s\"", STR_ARG(text));
        }
        bounds[i] = change_value(&change);
    }
    double steps = (bounds[1] - bounds[0]) / bounds[2];
    if (bounds[2] == 0 || !(steps >= 0)) {
        return err_set(err, ERR_INVALID, "\"%.*s\": the step does not lead from first to last",
                       STR_ARG(text));
    }
    if (steps >= VARIANTS_MAX) {
        return err_set(err, ERR_LIMIT, "\"%.*s\" is more than %d values", STR_ARG(text),
                       VARIANTS_MAX);
    }
    /* A last value that is missed by a rounding error is meant. */
    size_t count = (size_t)floor(steps + 1e-9) + 1;
    *ret_variants = arena_array(arena, ReplayVariant, count);
    for (size_t i = 0; i < count; i++) {
        (*ret_variants)[i] =
            sweep_variant(arena, field, rounded(bounds[0] + (double)i * bounds[2]));
    }
    *ret_count = count;
    return true;
}

/* ---- the threshold of an expression ---- */

/* A number, or one with a sign. */
static bool is_number(const Expr *expr) {
    expr = expr_unwrap(expr);
    return expr->kind == EXPR_NUMBER ||
           (expr->kind == EXPR_UNARY && expr_unwrap(expr->unary.expr)->kind == EXPR_NUMBER);
}

static void find_number(void *ctx, const Expr *expr) {
    const Expr **found = ctx;
    if (*found) {
        return;
    }
    if (expr->kind == EXPR_BINARY && binary_op_is_comparison(expr->binary.op) &&
        is_number(expr->binary.left) != is_number(expr->binary.right)) {
        *found = is_number(expr->binary.right) ? expr->binary.right : expr->binary.left;
        return;
    }
    expr_children(expr, find_number, found);
}

/* The outermost comparison; of several beside each other, the first. */
bool replay_threshold_find(const Expr *expr, uint32_t *ret_start, uint32_t *ret_end) {
    const Expr *number = NULL;
    find_number(&number, expr);
    if (!number) {
        return false;
    }
    *ret_start = number->span.start;
    *ret_end = number->span.end;
    return true;
}

static bool change_threshold(RuleFile *file, RuleDef *rule, double number, Err *err) {
    uint32_t start, end;
    if (!replay_threshold_find(rule->expr, &start, &end)) {
        return true;
    }
    AUTO(buf_finish) Buf text = {0};
    buf_put(&text, rule->expr_text.ptr, start);
    number_put(&text, number);
    buf_put(&text, rule->expr_text.ptr + end, rule->expr_text.len - end);
    return rule_file_change_expr(file, rule, buf_view(&text), err) ||
           err_context(err, "%.*s with %g", STR_ARG(rule->name), number);
}

/* ---- to rules ---- */

bool replay_is_asked_for(Str name, const Str *only, size_t only_count) {
    for (size_t i = 0; i < only_count; i++) {
        if (str_eq(only[i], name)) {
            return true;
        }
    }
    return only_count == 0;
}

typedef struct Applying {
    const ReplayVariant *variant;
    const Str *only;
    size_t only_count;
    size_t alerts, thresholds;
    bool wants_threshold;
    Buf names; /* of alerts with a threshold */
    Str first;
    bool differ; /* by name */
} Applying;

static void count_rule(Applying *applying, const RuleDef *rule) {
    uint32_t start, end;
    applying->alerts++;
    if (!replay_threshold_find(rule->expr, &start, &end)) {
        return;
    }
    if (applying->thresholds++ == 0) {
        applying->first = rule->name;
    }
    applying->differ |= !str_eq(applying->first, rule->name);
    buf_printf(&applying->names, "%s%.*s", applying->names.len ? ", " : "", STR_ARG(rule->name));
}

static bool change_rule(Applying *applying, RuleFile *file, RuleDef *rule, Err *err) {
    for (size_t i = 0; i < applying->variant->change_count; i++) {
        const ReplayChange *change = &applying->variant->changes[i];
        if (change->field == REPLAY_FOR) {
            rule->hold = change->span;
        } else if (change->field == REPLAY_KEEP_FIRING) {
            rule->keep_firing = change->span;
        } else if (!change_threshold(file, rule, change->number, err)) {
            return false;
        }
    }
    return true;
}

static bool each_alert(Rules *rules, Applying *applying, bool change, Err *err) {
    for (size_t f = 0; f < rules->files_count; f++) {
        RuleFile *file = rules->files[f].live;
        for (size_t g = 0; file && g < file->group_count; g++) {
            for (size_t r = 0; r < file->groups[g].rule_count; r++) {
                RuleDef *rule = &file->groups[g].rules[r];
                if (!rule->is_alert ||
                    !replay_is_asked_for(rule->name, applying->only, applying->only_count)) {
                    continue;
                }
                if (!change) {
                    count_rule(applying, rule);
                } else if (!change_rule(applying, file, rule, err)) {
                    return false;
                }
            }
        }
    }
    return true;
}

static bool judge_counts(const Applying *applying, Err *err) {
    if (applying->alerts == 0) {
        return err_set(err, ERR_INVALID, "there is no alert to change");
    }
    if (applying->wants_threshold && applying->thresholds == 0) {
        return err_set(err, ERR_INVALID, "no alert compares with a number: there is no threshold");
    }
    if (applying->wants_threshold && applying->only_count == 0 && applying->differ) {
        return err_set(err, ERR_INVALID, "whose threshold? choose with --rule: %.*s",
                       STR_ARG(buf_view(&applying->names)));
    }
    return true;
}

bool replay_apply(Rules *rules, const ReplayVariant *variant, const Str *only, size_t only_count,
                  Err *err) {
    Applying applying = {.variant = variant, .only = only, .only_count = only_count};
    for (size_t i = 0; i < variant->change_count; i++) {
        applying.wants_threshold |= variant->changes[i].field == REPLAY_THRESHOLD;
    }
    (void)each_alert(rules, &applying, false, err);
    bool ok = judge_counts(&applying, err) && each_alert(rules, &applying, true, err);
    buf_finish(&applying.names);
    return ok;
}
