/* label_replace, label_join, sort_by_label. */

#include <stdlib.h>

#include "base/mem.h"
#include "base/regex.h"
#include "promql/calls.h"
#include "promql/label_text.h"

/* ---- label_replace ---- */

typedef struct Template {
    Str text;
    const Regex *regex;
} Template;

static bool is_word(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_';
}

/* A group's number or name behind '$', with or without braces; its length, 0 if there is none. */
static size_t scan_group(Str text, Str *ret_name) {
    bool braced = text.len && text.ptr[0] == '{';
    size_t at = braced, from = at;
    while (at < text.len && is_word(text.ptr[at])) {
        at++;
    }
    if (at == from || (braced && (at == text.len || text.ptr[at] != '}'))) {
        return 0;
    }
    *ret_name = (Str){text.ptr + from, at - from};
    return at + braced;
}

static int group_number(const Regex *regex, Str name) {
    int number = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] < '0' || name.ptr[i] > '9' || number > 100000) {
            return regex_group_index(regex, name.ptr, name.len);
        }
        number = number * 10 + (name.ptr[i] - '0');
    }
    return number <= regex_group_count(regex) ? number : -1;
}

void label_text_expand(Buf *out, Str text, const Regex *regex, Str source, const RegexSpan *spans) {
    size_t i = 0;
    while (i < text.len) {
        if (text.ptr[i] != '$') {
            buf_byte(out, text.ptr[i++]);
            continue;
        }
        i++;
        if (i < text.len && text.ptr[i] == '$') {
            buf_byte(out, '$');
            i++;
            continue;
        }
        Str name;
        size_t len = scan_group(str_skip(text, i), &name);
        if (len == 0) {
            buf_byte(out, '$');
            continue;
        }
        int group = group_number(regex, name);
        if (group >= 0 && spans[group].from >= 0) {
            buf_put(out, source.ptr + spans[group].from,
                    (size_t)(spans[group].to - spans[group].from));
        }
        i += len;
    }
}

typedef struct Replace {
    Arena *arena;
    Regex *regex;
    RegexSpan *spans;
    size_t span_count;
    Str dst, text, src;
} Replace;

static bool replace_label(Replace *replace, Column *column) {
    Str source = labels_get(column->labels, replace->src);
    if (!regex_find(replace->regex, source.ptr ? source.ptr : "", source.len, 0, replace->spans,
                    replace->span_count)) {
        return false;
    }
    Buf value = {0};
    label_text_expand(&value, replace->text, replace->regex, source, replace->spans);
    column->labels = labels_with(replace->arena, column->labels, replace->dst,
                                 arena_str(replace->arena, buf_view(&value)));
    buf_finish(&value);
    if (str_eq(replace->dst, LABEL_METRIC_NAME)) {
        column->drop_name = false;
    }
    return true;
}

static bool is_label_name(Str name) {
    return name.len > 0 && str_is_utf8(name);
}

/* The match found is of the whole text, not of its first part that fits. */
static Regex *new_anchored(Str pattern) {
    Buf text = {0};
    Err ignored;
    buf_printf(&text, "^(?:%.*s)$", STR_ARG(pattern));
    Regex *regex = regex_new(text.ptr, text.len, &ignored);
    buf_finish(&text);
    return regex;
}

static bool run_label_replace(Exec *exec, PlanNode *node, Err *err) {
    Str pattern = call_text(node, 4), dst = call_text(node, 1);
    Regex *regex = new_anchored(pattern);
    if (!regex) {
        return err_set(err, ERR_INVALID, "invalid regular expression in label_replace(): %.*s",
                       STR_ARG(pattern));
    }
    if (!is_label_name(dst)) {
        regex_free(regex);
        return err_set(err, ERR_INVALID, "invalid destination label name in label_replace(): %.*s",
                       STR_ARG(dst));
    }
    call_share_columns(node, &node->args[0]->frame);
    Arena *arena = frame_arena(&node->frame);
    size_t span_count = (size_t)regex_group_count(regex) + 1;
    Replace replace = {.arena = arena,
                       .regex = regex,
                       .spans = arena_array(arena, RegexSpan, span_count),
                       .span_count = span_count,
                       .dst = dst,
                       .text = call_text(node, 2),
                       .src = call_text(node, 3)};
    bool ok = true;
    for (size_t i = 0; ok && i < node->frame.count; i++) {
        (void)replace_label(&replace, &node->frame.columns[i]);
        ok = exec_charge_frame(exec, node, err);
    }
    regex_free(regex);
    return ok && frame_merge_equal(arena, &node->frame, node->grid.count, err);
}

/* ---- label_join ---- */

static bool check_join_names(const PlanNode *node, Err *err) {
    for (size_t i = 3; i < node->arg_count; i++) {
        Str name = call_text(node, i);
        if (!is_label_name(name)) {
            return err_set(err, ERR_INVALID, "invalid source label name in label_join(): %.*s",
                           STR_ARG(name));
        }
    }
    Str dst = call_text(node, 1);
    return is_label_name(dst) ||
           err_set(err, ERR_INVALID, "invalid destination label name in label_join(): %.*s",
                   STR_ARG(dst));
}

static bool run_label_join(Exec *exec, PlanNode *node, Err *err) {
    if (!check_join_names(node, err)) {
        return false;
    }
    call_share_columns(node, &node->args[0]->frame);
    Arena *arena = frame_arena(&node->frame);
    Str dst = call_text(node, 1), separator = call_text(node, 2);
    for (size_t i = 0; i < node->frame.count; i++) {
        Column *column = &node->frame.columns[i];
        Buf value = {0};
        for (size_t j = 3; j < node->arg_count; j++) {
            if (j > 3) {
                buf_str(&value, separator);
            }
            buf_str(&value, labels_get(column->labels, call_text(node, j)));
        }
        column->labels =
            labels_with(arena, column->labels, dst, arena_str(arena, buf_view(&value)));
        buf_finish(&value);
        if (str_eq(dst, LABEL_METRIC_NAME)) {
            column->drop_name = false;
        }
        if (!exec_charge_frame(exec, node, err)) {
            return false;
        }
    }
    return frame_merge_equal(arena, &node->frame, node->grid.count, err);
}

/* ---- sort_by_label ---- */

/* Text cut into runs of digits and of others. */
static Str next_chunk(Str *text) {
    size_t len = 0;
    bool digits = text->len && text->ptr[0] >= '0' && text->ptr[0] <= '9';
    while (len < text->len && (text->ptr[len] >= '0' && text->ptr[len] <= '9') == digits) {
        len++;
    }
    Str chunk = {text->ptr, len};
    *text = str_skip(*text, len);
    return chunk;
}

static int compare_digits(Str a, Str b) {
    Str x = a, y = b;
    while (x.len > 1 && x.ptr[0] == '0') {
        x = str_skip(x, 1);
    }
    while (y.len > 1 && y.ptr[0] == '0') {
        y = str_skip(y, 1);
    }
    if (x.len != y.len) {
        return x.len < y.len ? -1 : 1;
    }
    int order = str_cmp(x, y);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* Natural order: numbers within by their value. */
static int compare_natural(Str a, Str b) {
    while (a.len && b.len) {
        Str x = next_chunk(&a), y = next_chunk(&b);
        bool digits = x.ptr[0] >= '0' && x.ptr[0] <= '9' && y.ptr[0] >= '0' && y.ptr[0] <= '9';
        int order = digits ? compare_digits(x, y) : str_cmp(x, y);
        if (order) {
            return order;
        }
    }
    return (a.len > 0) - (b.len > 0);
}

/* What is sorted carries its sort labels' values along, as qsort() passes no context. */
typedef struct LabelKey {
    const Column *column;
    const PlanNode *node;
} LabelKey;

static int compare_labels(const void *a, const void *b) {
    const LabelKey *x = a, *y = b;
    for (size_t i = 1; i < x->node->arg_count; i++) {
        Str name = call_text(x->node, i);
        Str left = labels_get(x->column->labels, name), right = labels_get(y->column->labels, name);
        int order = compare_natural(left, right);
        if (order) {
            return order;
        }
    }
    return labels_cmp(x->column->labels, y->column->labels);
}

static bool run_sort_by_label(Exec *exec, PlanNode *node, Err *err) {
    (void)exec, (void)err;
    const Frame *input = &node->args[0]->frame;
    call_share_columns(node, input);
    if (node->grid.count > 1) {
        note_sort_in_range(&node->notes);
        return true;
    }
    FunctionId id = node->expr->call.function->id;
    bool down = id == FUNC_SORT_BY_LABEL_DESC || id == FUNC_SORT_BY_LABEL_NUMERIC_DESC;
    size_t count = input->count;
    LabelKey *keys = mem_zero(count + 1, sizeof *keys);
    for (size_t i = 0; i < count; i++) {
        keys[i] = (LabelKey){&input->columns[i], node};
    }
    qsort(keys, count, sizeof *keys, compare_labels);
    for (size_t i = 0; i < count; i++) {
        node->frame.columns[i] = *keys[down ? count - 1 - i : i].column;
    }
    free(keys);
    return true;
}

CallFn *label_call(FunctionId id) {
    switch (id) {
    case FUNC_LABEL_REPLACE:
        return run_label_replace;
    case FUNC_LABEL_JOIN:
        return run_label_join;
    case FUNC_SORT_BY_LABEL:
    case FUNC_SORT_BY_LABEL_DESC:
    case FUNC_SORT_BY_LABEL_NUMERIC:
    case FUNC_SORT_BY_LABEL_NUMERIC_DESC:
        return run_sort_by_label;
    default:
        return NULL;
    }
}
