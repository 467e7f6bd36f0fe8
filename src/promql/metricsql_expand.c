/*
 * WITH templates put in for their names.
 *
 * A template sees those defined before it, so none can meet itself, and its own arguments. A scope
 * is a list from the newest template back; a template's scope is the list behind it.
 */

#include <assert.h>

#include "base/go_text.h"
#include "promql/metricsql_syntax.h"

typedef struct Scope Scope;
struct Scope {
    const MqlTemplate *template;
    const Scope *outer;
    size_t length;
};

/* `args` of a use: NULL where none were written, as in `name`; an empty list is name(). */
typedef const MqlNodeList Args;

static const MqlNode *expand(MqlParser *parser, const Scope *scope, const MqlNode *node);

static const Scope *find_template(const Scope *scope, Str name) {
    while (scope && !str_eq(scope->template->name, name)) {
        scope = scope->outer;
    }
    return scope;
}

static const Scope *push(Arena *arena, const Scope *outer, const MqlTemplate *template) {
    Scope *scope = arena_new(arena, Scope);
    *scope = (Scope){template, outer, outer ? outer->length + 1 : 1};
    return scope;
}

static bool check_length(MqlParser *parser, const Scope *scope, uint32_t at) {
    return !scope || scope->length <= MQL_TEMPLATES_MAX ||
           mql_fail(parser, at, "more than %d templates and arguments are defined here",
                    MQL_TEMPLATES_MAX);
}

static MqlNode *copy_of(MqlParser *parser, const MqlNode *node) {
    MqlNode *copy = arena_new(parser->arena, MqlNode);
    *copy = *node;
    copy->expanded = true;
    return copy;
}

/* A metric of this name and nothing else. */
static MqlNode *metric_of_name(MqlParser *parser, Str name, uint32_t at) {
    MqlNode *value = mql_node(parser, MQL_NODE_STRING, at);
    value->string.value = name;
    value->expanded = true;
    MqlFilter *filter = arena_new(parser->arena, MqlFilter);
    *filter = (MqlFilter){.label = LABEL_METRIC_NAME, .type = MATCH_EQ, .value = value, .at = at};
    MqlFilterSet *set = arena_new(parser->arena, MqlFilterSet);
    *set = (MqlFilterSet){.items = filter, .count = 1, .cap = 1};
    MqlNode *node = mql_node(parser, MQL_NODE_METRIC, at);
    node->metric = (MqlMetric){.sets = set, .count = 1, .cap = 1};
    node->expanded = true;
    return node;
}

/* What `found` stands for with these arguments. */
static const MqlNode *apply(MqlParser *parser, const Scope *found, Args *args, uint32_t at) {
    const MqlTemplate *template = found->template;
    size_t given = args ? args->count : 0;
    if (given != template->args.count) {
        if (!args) {
            /* A metric that happens to be called like a template. */
            return metric_of_name(parser, template->name, at);
        }
        mql_fail(parser, at, "template \"%.*s\" takes %zu arguments, got %zu",
                 STR_ARG(template->name), template->args.count, given);
        return NULL;
    }
    const Scope *inner = found->outer;
    for (size_t i = 0; i < given; i++) {
        MqlTemplate *arg = arena_new(parser->arena, MqlTemplate);
        *arg = (MqlTemplate){.name = template->args.items[i], .expr = args->items[i]};
        inner = push(parser->arena, inner, arg);
    }
    return check_length(parser, inner, at) ? expand(parser, inner, template->expr) : NULL;
}

static bool expand_list(MqlParser *parser, const Scope *scope, const MqlNodeList *list,
                        MqlNodeList *ret_list) {
    *ret_list = (MqlNodeList){0};
    for (size_t i = 0; i < list->count; i++) {
        const MqlNode *item = expand(parser, scope, list->items[i]);
        if (!item) {
            return false;
        }
        mql_list_add(parser->arena, ret_list, item);
    }
    return true;
}

/* ---- strings ---- */

/* Doubling a text some thirty times is quickly written. */
static bool count_text(MqlParser *parser, size_t bytes, uint32_t at) {
    enum { TEXT_BYTES_MAX = 16 << 20 };
    parser->text_bytes += bytes;
    return parser->text_bytes <= TEXT_BYTES_MAX ||
           mql_fail(parser, at, "texts of templates have more than %d bytes", TEXT_BYTES_MAX);
}

static bool append_token(MqlParser *parser, const Scope *scope, Str token, uint32_t at, Buf *out) {
    Str value;
    if (strchr("\"'`", token.ptr[0])) {
        if (!mql_string_value(parser->arena, token, &value)) {
            return mql_fail(parser, at, "bad string literal");
        }
        buf_str(out, value);
        return true;
    }
    const Scope *found = find_template(scope, token);
    if (!found) {
        return mql_fail(parser, at, "\"%.*s\" is no template", STR_ARG(token));
    }
    const MqlNode *node = apply(parser, found, NULL, at);
    if (!node) {
        return false;
    }
    if (node->kind != MQL_NODE_STRING) {
        return mql_fail(parser, at, "template \"%.*s\" is no string", STR_ARG(token));
    }
    buf_str(out, node->string.value);
    return true;
}

static const MqlNode *expand_string(MqlParser *parser, const Scope *scope, const MqlNode *node) {
    AUTO(buf_finish) Buf out = {0};
    for (size_t i = 0; i < node->string.tokens.count; i++) {
        if (!append_token(parser, scope, node->string.tokens.items[i], node->at, &out)) {
            return NULL;
        }
    }
    if (!count_text(parser, out.len, node->at)) {
        return NULL;
    }
    MqlNode *copy = copy_of(parser, node);
    copy->string.value = arena_str(parser->arena, buf_view(&out));
    return copy;
}

/* ---- metrics ---- */

static bool is_name_filter(const MqlFilter *filter) {
    return filter->type == MATCH_EQ && filter->value && str_eq(filter->label, LABEL_METRIC_NAME);
}

/* The name all sets begin with; empty if there is none. */
static Str metric_name(const MqlMetric *metric) {
    Str name = {"", 0};
    for (size_t i = 0; i < metric->count; i++) {
        const MqlFilterSet *set = &metric->sets[i];
        if (set->count == 0 || !is_name_filter(&set->items[0])) {
            return (Str){"", 0};
        }
        Str own = set->items[0].value->string.value;
        if (i && !str_eq(own, name)) {
            return (Str){"", 0};
        }
        name = own;
    }
    return name;
}

static bool is_only_name(const MqlMetric *metric) {
    bool only = metric_name(metric).len > 0;
    for (size_t i = 0; i < metric->count; i++) {
        only &= metric->sets[i].count <= 1;
    }
    return only;
}

static bool filters_equal(const MqlFilter *a, const MqlFilter *b) {
    return a->type == b->type && str_eq(a->label, b->label) &&
           str_eq(a->value->string.value, b->value->string.value);
}

static Hash128 filter_hash(const MqlFilter *filter) {
    Str value = filter->value->string.value;
    AUTO(buf_finish) Buf text = {0};
    buf_printf(&text, "%d %zu ", (int)filter->type, filter->label.len);
    buf_str(&text, filter->label);
    buf_str(&text, value);
    return hash128(buf_view(&text));
}

/* True if the set has it; else it is about to be added. */
static bool has_filter(Arena *arena, MqlFilterSet *set, const MqlFilter *filter) {
    enum { FEW = 16 };
    bool is_new = true;
    for (size_t i = 0; set->count < FEW && i < set->count; i++) {
        if (filters_equal(&set->items[i], filter)) {
            return true;
        }
    }
    if (set->count < FEW) {
        return false;
    }
    if (!set->seen) {
        set->seen = arena_new(arena, HashIndex);
        set->seen->arena = arena;
        for (size_t i = 0; i < set->count; i++) {
            (void)hash_index_add(set->seen, filter_hash(&set->items[i]), &is_new);
        }
    }
    (void)hash_index_add(set->seen, filter_hash(filter), &is_new);
    return !is_new;
}

static void add_filter(Arena *arena, MqlFilterSet *set, const MqlFilter *filter) {
    if (has_filter(arena, set, filter)) {
        return;
    }
    if (set->count == set->cap) {
        set->cap = set->cap ? 2 * set->cap : 4;
        MqlFilter *items = arena_array(arena, MqlFilter, set->cap);
        if (set->count) {
            memcpy(items, set->items, set->count * sizeof *items);
        }
        set->items = items;
    }
    set->items[set->count++] = *filter;
}

/* The metric's name goes first and may be given only once. */
static bool add_name(MqlParser *parser, MqlFilterSet *set, Str *name, const MqlFilter *filter) {
    Str value = filter->value->string.value;
    if (name->len && !str_eq(*name, value)) {
        return mql_fail(parser, filter->at,
                        "metric name must not be set twice: \"%.*s\" or \"%.*s\"", STR_ARG(*name),
                        STR_ARG(value));
    }
    if (name->len) {
        return true; /* again */
    }
    *name = value;
    MqlFilterSet with_name = {0};
    add_filter(parser->arena, &with_name, filter);
    for (size_t i = 0; i < set->count; i++) {
        add_filter(parser->arena, &with_name, &set->items[i]);
    }
    *set = with_name;
    return true;
}

/* A word alone in braces: a template of filters, or a quoted metric name. */
static bool expand_word_filter(MqlParser *parser, const Scope *scope, const MqlFilter *filter,
                               MqlFilterSet *set, Str *name) {
    const Scope *found = find_template(scope, filter->label);
    if (!found) {
        if (!filter->quoted) {
            return mql_fail(parser, filter->at, "\"%.*s\" is no template", STR_ARG(filter->label));
        }
        const MqlNode *metric = metric_of_name(parser, filter->label, filter->at);
        return add_name(parser, set, name, &metric->metric.sets[0].items[0]);
    }
    const MqlNodeList none = {0};
    const MqlNode *node = apply(parser, found, &none, filter->at);
    if (!node) {
        return false;
    }
    if (node->kind != MQL_NODE_METRIC || metric_name(&node->metric).len) {
        return mql_fail(parser, filter->at, "template \"%.*s\" must be {...}",
                        STR_ARG(filter->label));
    }
    if (node->metric.count > 1) {
        return mql_fail(parser, filter->at, "template \"%.*s\" must be {...} without \"or\"",
                        STR_ARG(filter->label));
    }
    size_t count = node->metric.count ? node->metric.sets[0].count : 0;
    if (!mql_count_parts(parser, count, filter->at)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        add_filter(parser->arena, set, &node->metric.sets[0].items[i]);
    }
    return true;
}

static bool expand_filter_set(MqlParser *parser, const Scope *scope, const MqlFilterSet *from,
                              MqlFilterSet *ret_set, Str *ret_name) {
    for (size_t i = 0; i < from->count; i++) {
        MqlFilter filter = from->items[i];
        if (!filter.value) {
            if (!expand_word_filter(parser, scope, &filter, ret_set, ret_name)) {
                return false;
            }
            continue;
        }
        filter.value = expand(parser, scope, filter.value);
        if (!filter.value) {
            return false;
        }
        if (is_name_filter(&filter)) {
            if (!add_name(parser, ret_set, ret_name, &filter)) {
                return false;
            }
        } else {
            add_filter(parser->arena, ret_set, &filter);
        }
    }
    return true;
}

/* Sets without a name take the one the others agree on. */
static bool spread_name(MqlParser *parser, MqlMetric *metric, Str name, uint32_t at) {
    const MqlNode *named = metric_of_name(parser, name, at);
    for (size_t i = 0; i < metric->count; i++) {
        bool has = false;
        for (size_t j = 0; j < metric->sets[i].count; j++) {
            has |= str_eq(metric->sets[i].items[j].label, LABEL_METRIC_NAME);
        }
        Str none = {"", 0};
        if (!has && !add_name(parser, &metric->sets[i], &none, &named->metric.sets[0].items[0])) {
            return false;
        }
    }
    return true;
}

static bool expand_filters(MqlParser *parser, const Scope *scope, MqlNode *node) {
    MqlMetric metric = {.sets = arena_array(parser->arena, MqlFilterSet, node->metric.count),
                        .count = node->metric.count};
    Str common = {"", 0};
    bool agreed = true;
    for (size_t i = 0; i < metric.count; i++) {
        Str name = {"", 0};
        if (!expand_filter_set(parser, scope, &node->metric.sets[i], &metric.sets[i], &name)) {
            return false;
        }
        agreed &= !name.len || !common.len || str_eq(name, common);
        common = name.len && !common.len ? name : common;
    }
    if (agreed && common.len && !spread_name(parser, &metric, common, node->at)) {
        return false;
    }
    node->metric = metric;
    return true;
}

/* The sets of `source` and of `own` behind its name, each with each (one of them has a single set).
 */
static bool join_sets(MqlParser *parser, const MqlMetric *source, const MqlMetric *own, uint32_t at,
                      MqlMetric *ret_joined) {
    Arena *arena = parser->arena;
    size_t count = source->count > own->count ? source->count : own->count;
    MqlMetric joined = {.sets = arena_array(arena, MqlFilterSet, count), .count = count};
    for (size_t i = 0; i < count; i++) {
        const MqlFilterSet none = {0};
        const MqlFilterSet *first =
            source->count ? &source->sets[source->count > 1 ? i : 0] : &none;
        const MqlFilterSet *second = &own->sets[own->count > 1 ? i : 0];
        if (!mql_count_parts(parser, first->count + second->count, at)) {
            return false;
        }
        for (size_t j = 0; j < first->count; j++) {
            add_filter(arena, &joined.sets[i], &first->items[j]);
        }
        for (size_t j = 1; j < second->count; j++) {
            add_filter(arena, &joined.sets[i], &second->items[j]);
        }
    }
    *ret_joined = joined;
    return true;
}

/* name{filters} where `name` is a template: its metric with these filters, too. */
static const MqlNode *merge_metric(MqlParser *parser, MqlNode *own, const MqlNode *source) {
    const MqlNode *inner = source->kind == MQL_NODE_ROLLUP ? source->rollup.expr : source;
    if (inner->kind != MQL_NODE_METRIC) {
        if (is_only_name(&own->metric)) {
            return source;
        }
        mql_fail(parser, own->at, "filters cannot be added to a template that is no metric");
        return NULL;
    }
    if (is_only_name(&own->metric) && inner->metric.count != 1) {
        return source;
    }
    if (inner->metric.count != 1 && own->metric.count != 1) {
        mql_fail(parser, own->at,
                 "filters with \"or\" cannot be added to a template that has \"or\"");
        return NULL;
    }
    MqlNode *merged = copy_of(parser, own);
    if (!join_sets(parser, &inner->metric, &own->metric, own->at, &merged->metric)) {
        return NULL;
    }
    if (source->kind != MQL_NODE_ROLLUP) {
        return merged;
    }
    MqlNode *rollup = copy_of(parser, source);
    rollup->rollup.expr = merged;
    return rollup;
}

static const MqlNode *expand_metric(MqlParser *parser, const Scope *scope, const MqlNode *node) {
    MqlNode *copy = copy_of(parser, node);
    if (!expand_filters(parser, scope, copy)) {
        return NULL;
    }
    Str name = metric_name(&copy->metric);
    const Scope *found = name.len ? find_template(scope, name) : NULL;
    if (!found) {
        return copy;
    }
    const MqlNode *source = apply(parser, found, NULL, node->at);
    if (source && source->kind == MQL_NODE_PARENS && source->parens.count == 1 &&
        !is_only_name(&copy->metric)) {
        source = source->parens.items[0];
    }
    return source ? merge_metric(parser, copy, source) : NULL;
}

/* ---- labels of modifiers ---- */

static bool add_label(MqlParser *parser, StrList *labels, HashIndex *seen, const MqlNode *node,
                      uint32_t at) {
    if (node->kind != MQL_NODE_METRIC || node->metric.count != 1 ||
        node->metric.sets[0].count != 1 || !is_name_filter(&node->metric.sets[0].items[0])) {
        return mql_fail(parser, at, "template in a list of labels is no name");
    }
    Str name = node->metric.sets[0].items[0].value->string.value;
    bool is_new;
    if (!mql_count_parts(parser, 1, at)) {
        return false;
    }
    (void)hash_index_add(seen, hash128(name), &is_new);
    if (is_new) {
        str_list_add(parser->arena, labels, name);
    }
    return true;
}

/* by (x) where x is a template: its name, or all names of (a, b). */
static bool expand_labels(MqlParser *parser, const Scope *scope, StrList *labels, uint32_t at) {
    StrList out = {0};
    HashIndex seen = {.arena = parser->arena};
    for (size_t i = 0; i < labels->count; i++) {
        const Scope *found = find_template(scope, labels->items[i]);
        const MqlNode *node = found && found->template->args.count == 0
                                  ? found->template->expr
                                  : metric_of_name(parser, labels->items[i], at);
        bool list = node->kind == MQL_NODE_PARENS;
        for (size_t j = 0; list && j < node->parens.count; j++) {
            if (!add_label(parser, &out, &seen, node->parens.items[j], at)) {
                return false;
            }
        }
        if (!list && !add_label(parser, &out, &seen, node, at)) {
            return false;
        }
    }
    *labels = out;
    return true;
}

/* ---- the rest ---- */

static const MqlNode *expand_binary(MqlParser *parser, const Scope *scope, const MqlNode *node) {
    MqlNode *copy = copy_of(parser, node);
    MqlBinary *binary = &copy->binary;
    binary->left = expand(parser, scope, binary->left);
    binary->right = binary->left ? expand(parser, scope, binary->right) : NULL;
    if (!binary->right || !expand_labels(parser, scope, &binary->labels, node->at) ||
        !expand_labels(parser, scope, &binary->include, node->at)) {
        return NULL;
    }
    if (binary->prefix) {
        binary->prefix = expand(parser, scope, binary->prefix);
        return binary->prefix ? copy : NULL;
    }
    return copy;
}

static const MqlNode *expand_call(MqlParser *parser, const Scope *scope, const MqlNode *node) {
    MqlNode *copy = copy_of(parser, node);
    if (!expand_list(parser, scope, &node->call.args, &copy->call.args)) {
        return NULL;
    }
    const Scope *found = find_template(scope, node->call.name);
    if (found) {
        return apply(parser, found, &copy->call.args, node->at);
    }
    return expand_labels(parser, scope, &copy->call.labels, node->at) ? copy : NULL;
}

static bool expand_duration(MqlParser *parser, const Scope *scope, const MqlNode **duration) {
    if (!*duration || !(*duration)->is_word) {
        return true;
    }
    uint32_t at = (*duration)->at;
    const Scope *found = find_template(scope, (*duration)->duration);
    if (!found) {
        return mql_fail(parser, at, "\"%.*s\" is no template", STR_ARG((*duration)->duration));
    }
    const MqlNodeList none = {0};
    const MqlNode *node = apply(parser, found, &none, at);
    while (node && node->kind == MQL_NODE_PARENS && node->parens.count == 1) {
        node = node->parens.items[0];
    }
    if (!node) {
        return false;
    }
    MqlSpan span;
    if (node->kind == MQL_NODE_NUMBER && mql_duration_value(node->number.text, &span)) {
        MqlNode *seconds = mql_node(parser, MQL_NODE_DURATION, at);
        seconds->duration = node->number.text;
        *duration = seconds;
        return true;
    }
    *duration = node;
    return node->kind == MQL_NODE_DURATION || mql_fail(parser, at, "template is no duration");
}

static const MqlNode *expand_rollup(MqlParser *parser, const Scope *scope, const MqlNode *node) {
    MqlNode *copy = copy_of(parser, node);
    MqlRollup *rollup = &copy->rollup;
    rollup->expr = expand(parser, scope, rollup->expr);
    if (!rollup->expr || !expand_duration(parser, scope, &rollup->window) ||
        !expand_duration(parser, scope, &rollup->step) ||
        !expand_duration(parser, scope, &rollup->offset)) {
        return NULL;
    }
    if (rollup->at) {
        rollup->at = expand(parser, scope, rollup->at);
        return rollup->at ? copy : NULL;
    }
    return copy;
}

static const MqlNode *expand_kind(MqlParser *parser, const Scope *scope, const MqlNode *node) {
    switch (node->kind) {
    case MQL_NODE_NUMBER:
    case MQL_NODE_DURATION:
        return node;
    case MQL_NODE_STRING:
        return expand_string(parser, scope, node);
    case MQL_NODE_METRIC:
        return expand_metric(parser, scope, node);
    case MQL_NODE_CALL:
        return expand_call(parser, scope, node);
    case MQL_NODE_PARENS: {
        MqlNode *copy = copy_of(parser, node);
        return expand_list(parser, scope, &node->parens, &copy->parens) ? copy : NULL;
    }
    case MQL_NODE_BINARY:
        return expand_binary(parser, scope, node);
    case MQL_NODE_ROLLUP:
        return expand_rollup(parser, scope, node);
    case MQL_NODE_WITH:
        for (size_t i = 0; i < node->with.count; i++) {
            scope = push(parser->arena, scope, &node->with.templates[i]);
        }
        return check_length(parser, scope, node->at) ? expand(parser, scope, node->with.expr)
                                                     : NULL;
    }
    return NULL;
}

/* "a" + "b" of templates is a string; every other sum stays one, in parentheses of its own. */
static const MqlNode *joined_string(MqlParser *parser, const MqlNode *node) {
    if (node->kind != MQL_NODE_BINARY || node->binary.op != OP_ADD ||
        node->binary.left->kind != MQL_NODE_STRING || node->binary.right->kind != MQL_NODE_STRING) {
        return node;
    }
    Str left = node->binary.left->string.value, right = node->binary.right->string.value;
    if (!count_text(parser, left.len + right.len, node->at)) {
        return NULL;
    }
    MqlNode *string = mql_node(parser, MQL_NODE_STRING, node->at);
    string->string.value = arena_printf(parser->arena, "%.*s%.*s", STR_ARG(left), STR_ARG(right));
    string->expanded = true;
    return string;
}

static const MqlNode *expand(MqlParser *parser, const Scope *scope, const MqlNode *node) {
    if (node->expanded) {
        return node;
    }
    if (!mql_enter(parser, node->at)) {
        return NULL;
    }
    const MqlNode *expanded = expand_kind(parser, scope, node);
    parser->depth--;
    return expanded ? joined_string(parser, expanded) : NULL;
}

/* ---- templates every query may use ---- */

static const char *const builtin_templates[] = {
    /* resource utilization in percent */
    "ru(freev, maxv) = clamp_min(maxv - clamp_min(freev, 0), 0) / clamp_min(maxv, 0) * 100",
    /* seconds until a resource is used up */
    "ttf(freev) = smooth_exponential("
    "clamp_max(clamp_max(-freev, 0) / clamp_max(deriv_fast(freev), 0), 365*24*3600), "
    "clamp_max(step()/300, 1))",
    "range_median(q) = range_quantile(0.5, q)",
    "alias(q, name) = label_set(q, \"__name__\", name)",
};

static const Scope *builtin_scope(MqlParser *parser) {
    const Scope *scope = NULL;
    for (size_t i = 0; i < sizeof builtin_templates / sizeof builtin_templates[0]; i++) {
        MqlParser inner = {.arena = parser->arena, .source = parser->source, .err = parser->err};
        inner.lexer.text = str_of(builtin_templates[i]);
        inner.token = mql_next(&inner.lexer);
        MqlTemplate *template = arena_new(parser->arena, MqlTemplate);
        bool ok = mql_parse_template(&inner, template);
        assert(ok);
        (void)ok;
        scope = push(parser->arena, scope, template);
    }
    return scope;
}

const MqlNode *mql_expand(MqlParser *parser, const MqlNode *node) {
    return expand(parser, builtin_scope(parser), node);
}
