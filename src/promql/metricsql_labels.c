/* MetricsQL's label_* functions: each changes label sets, or keeps series by them. */

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/number.h"
#include "base/regex.h"
#include "promql/label_text.h"
#include "promql/metricsql_calls.h"

/* ---- changes of one label set ---- */

typedef struct LabelEdit {
    Arena *arena;
    const Str *texts;
    size_t count;
    FunctionId id;
} LabelEdit;

typedef LabelSet EditFn(const LabelEdit *edit, LabelSet labels);

/* Of a label set twice the last value counts. All at once: each change by itself would copy the
 * set.
 */
static LabelSet set_labels(const LabelEdit *edit, LabelSet labels) {
    Label *items = arena_raw(edit->arena, (labels.count + edit->count / 2) * sizeof *items);
    HashIndex names = {.arena = edit->arena};
    bool is_new;
    for (size_t i = 0; i < labels.count; i++) {
        items[hash_index_add(&names, hash128(labels.items[i].name), &is_new)] = labels.items[i];
    }
    for (size_t i = 0; i + 1 < edit->count; i += 2) {
        Str name = edit->texts[i];
        items[hash_index_add(&names, hash128(name), &is_new)] = (Label){name, edit->texts[i + 1]};
    }
    LabelSet built = {0};
    Err ignored = {0};
    bool unique = labels_build(items, names.count, &built, &ignored);
    assert(unique);
    (void)unique;
    return built;
}

static LabelSet delete_labels(const LabelEdit *edit, LabelSet labels) {
    return labels_filter(edit->arena, labels, edit->texts, edit->count, false);
}

static LabelSet keep_labels(const LabelEdit *edit, LabelSet labels) {
    return labels_filter(edit->arena, labels, edit->texts, edit->count, true);
}

/* A label that is not there changes nothing. */
static LabelSet copy_labels(const LabelEdit *edit, LabelSet labels) {
    for (size_t i = 0; i + 1 < edit->count; i += 2) {
        Str from = edit->texts[i], to = edit->texts[i + 1], value = labels_get(labels, from);
        if (value.len == 0) {
            continue;
        }
        labels = labels_with(edit->arena, labels, to, value);
        if (edit->id == FUNC_LABEL_MOVE && !str_eq(from, to)) {
            labels = labels_with(edit->arena, labels, from, STR(""));
        }
    }
    return labels;
}

/* label, then pairs of an old and a new value; of equal old ones the last counts. */
static LabelSet map_label(const LabelEdit *edit, LabelSet labels) {
    Str value = labels_get(labels, edit->texts[0]);
    for (size_t i = edit->count - 1; i >= 2; i -= 2) {
        if (str_eq(value, edit->texts[i - 1])) {
            return labels_with(edit->arena, labels, edit->texts[0], edit->texts[i]);
        }
    }
    return labels;
}

/* label, separator, sources. */
static LabelSet join_labels(const LabelEdit *edit, LabelSet labels) {
    Buf value = {0};
    for (size_t i = 2; i < edit->count; i++) {
        if (i > 2) {
            buf_str(&value, edit->texts[1]);
        }
        buf_str(&value, labels_get(labels, edit->texts[i]));
    }
    Str text = arena_str(edit->arena, buf_view(&value));
    buf_finish(&value);
    return labels_with(edit->arena, labels, edit->texts[0], text);
}

/* Letters beyond ASCII stay as they are. */
static Str turn_case(Arena *arena, Str text, bool upper) {
    char *copy = arena_alloc(arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i], from = upper ? 'a' : 'A';
        bool turns = byte >= from && byte < from + 26;
        copy[i] = turns ? (char)(byte ^ 0x20) : byte;
    }
    return (Str){copy, text.len};
}

static LabelSet turn_labels(const LabelEdit *edit, LabelSet labels) {
    for (size_t i = 0; i < edit->count; i++) {
        Str value = labels_get(labels, edit->texts[i]);
        if (value.len) {
            value = turn_case(edit->arena, value, edit->id == FUNC_LABEL_UPPERCASE);
            labels = labels_with(edit->arena, labels, edit->texts[i], value);
        }
    }
    return labels;
}

typedef struct EditRow {
    FunctionId id;
    EditFn *fn;
    size_t texts_min;
    size_t pairs_from; /* from this text on they come in pairs; 0 with `paired` false */
    bool paired;
} EditRow;

static const EditRow edits[] = {
    {FUNC_LABEL_COPY, copy_labels, 0, 0, true},       {FUNC_LABEL_DEL, delete_labels, 0, 0, false},
    {FUNC_LABEL_JOIN, join_labels, 2, 0, false},      {FUNC_LABEL_KEEP, keep_labels, 0, 0, false},
    {FUNC_LABEL_LOWERCASE, turn_labels, 1, 0, false}, {FUNC_LABEL_MAP, map_label, 1, 1, true},
    {FUNC_LABEL_MOVE, copy_labels, 0, 0, true},       {FUNC_LABEL_SET, set_labels, 0, 0, true},
    {FUNC_LABEL_UPPERCASE, turn_labels, 1, 0, false},
};

static const EditRow *find_edit(FunctionId id) {
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        if (edits[i].id == id) {
            return &edits[i];
        }
    }
    return NULL;
}

static bool run_edit(Exec *exec, PlanNode *node, Err *err) {
    FunctionId id = node->expr->call.function->id;
    const EditRow *row = find_edit(id);
    Arena *arena = frame_arena(&node->frame);
    Str *texts;
    size_t count;
    if (!mql_texts(node, 1, &texts, &count, err)) {
        return false;
    }
    if (count < row->texts_min) {
        return mql_arity(node, row->texts_min + 1, err);
    }
    if (row->paired && (count - row->pairs_from) % 2) {
        return err_set(err, ERR_INVALID, "%s: the number of string args must be even; got %zu",
                       node->expr->call.function->name, count - row->pairs_from);
    }
    call_share_columns(node, &node->args[0]->frame);
    LabelEdit edit = {arena, texts, count, id};
    for (size_t i = 0; i < node->frame.count; i++) {
        node->frame.columns[i].labels = row->fn(&edit, node->frame.columns[i].labels);
        if (!exec_charge_frame(exec, node, err)) {
            return false;
        }
    }
    return true;
}

/* ---- regular expressions ---- */

static Regex *compile(const PlanNode *node, Str pattern, bool anchored, Err *err) {
    Err why = {0};
    Regex *regex = (anchored ? regex_new : regex_new_search)(pattern.ptr, pattern.len, &why);
    if (!regex) {
        err_set(err, ERR_INVALID, "%s: cannot compile regexp \"%.*s\": %s",
                node->expr->call.function->name, STR_ARG(pattern), why.text);
    }
    return regex;
}

/* As Go's Regexp.ReplaceAll. */
static Str replace_all(Arena *arena, const Regex *regex, Str text, Str template) {
    size_t span_count = (size_t)regex_group_count(regex) + 1, at = 0, kept = 0;
    RegexSpan *spans = arena_array(arena, RegexSpan, span_count);
    Buf out = {0};
    bool any = false;
    while (at <= text.len && regex_find(regex, text.ptr, text.len, at, spans, span_count)) {
        size_t from = (size_t)spans[0].from, to = (size_t)spans[0].to;
        /* Nothing found right behind a match is not one of its own. */
        if (from != to || from > kept || !any) {
            buf_put(&out, text.ptr + kept, from - kept);
            label_text_expand(&out, template, regex, text, spans);
            kept = to;
            any = true;
        }
        at = to > from ? to : to + 1;
    }
    buf_put(&out, text.ptr + kept, text.len - kept);
    Str result = arena_str(arena, buf_view(&out));
    buf_finish(&out);
    return result;
}

static bool run_label_transform(Exec *exec, PlanNode *node, Err *err) {
    Str label, pattern, template;
    if (!mql_text(node, 1, &label, err) || !mql_text(node, 2, &pattern, err) ||
        !mql_text(node, 3, &template, err)) {
        return false;
    }
    Regex *regex = compile(node, pattern, false, err);
    if (!regex) {
        return false;
    }
    Arena *arena = frame_arena(&node->frame);
    call_share_columns(node, &node->args[0]->frame);
    bool ok = true;
    for (size_t i = 0; ok && i < node->frame.count; i++) {
        Column *column = &node->frame.columns[i];
        Str value = labels_get(column->labels, label);
        value.ptr = value.ptr ? value.ptr : "";
        if (regex_matches(regex, value.ptr, value.len)) {
            value = replace_all(arena, regex, value, template);
            column->labels = labels_with(arena, column->labels, label, value);
        }
        ok = exec_charge_frame(exec, node, err);
    }
    regex_free(regex);
    return ok;
}

static bool run_label_match(Exec *exec, PlanNode *node, Err *err) {
    (void)exec;
    bool wanted = node->expr->call.function->id == FUNC_LABEL_MATCH;
    Str label, pattern;
    if (!mql_text(node, 1, &label, err) || !mql_text(node, 2, &pattern, err)) {
        return false;
    }
    Regex *regex = compile(node, pattern, true, err);
    if (!regex) {
        return false;
    }
    call_share_columns(node, &node->args[0]->frame);
    Frame *frame = &node->frame;
    size_t count = 0;
    for (size_t i = 0; i < frame->count; i++) {
        Str value = labels_get(frame->columns[i].labels, label);
        if (regex_matches(regex, value.ptr ? value.ptr : "", value.len) == wanted) {
            frame->columns[count++] = frame->columns[i];
        }
    }
    frame->count = count;
    regex_free(regex);
    return true;
}

/* ---- others ---- */

static bool run_labels_equal(Exec *exec, PlanNode *node, Err *err) {
    (void)exec;
    Str *names;
    size_t name_count, count = 0;
    if (!mql_texts(node, 1, &names, &name_count, err)) {
        return false;
    }
    if (name_count < 2) {
        return mql_arity(node, 3, err);
    }
    call_share_columns(node, &node->args[0]->frame);
    Frame *frame = &node->frame;
    for (size_t i = 0; i < frame->count; i++) {
        LabelSet labels = frame->columns[i].labels;
        bool equal = true;
        for (size_t j = 1; j < name_count; j++) {
            equal = equal && str_eq(labels_get(labels, names[0]), labels_get(labels, names[j]));
        }
        if (equal) {
            frame->columns[count++] = frame->columns[i];
        }
    }
    frame->count = count;
    return true;
}

/* The label's text as a number, wherever the series has a value. */
static bool run_label_value(Exec *exec, PlanNode *node, Err *err) {
    Str label;
    if (!mql_text(node, 1, &label, err) || !mql_take(exec, node, &node->args[0]->frame, err)) {
        return false;
    }
    for (size_t i = 0; i < node->frame.count; i++) {
        Column *column = &node->frame.columns[i];
        mql_drop_name(frame_arena(&node->frame), column);
        double number;
        if (!number_parse(labels_get(column->labels, label), &number)) {
            number = value_none();
        }
        for (size_t step = 0; step < node->grid.count; step++) {
            double *value = &column->values[step];
            *value = value_is_none(*value) ? *value : number;
        }
    }
    return true;
}

static Str dotted_part(Str name, int64_t index) {
    for (int64_t i = 0; i < index && name.len; i++) {
        size_t dot = str_find(name, '.');
        name = dot < name.len ? str_skip(name, dot + 1) : (Str){"", 0};
    }
    return index < 0 ? (Str){"", 0} : (Str){name.ptr, str_find(name, '.')};
}

static bool run_graphite_group(Exec *exec, PlanNode *node, Err *err) {
    if (node->arg_count < 2) {
        return mql_arity(node, 2, err);
    }
    Arena *arena = frame_arena(&node->frame);
    int64_t *groups = arena_array(arena, int64_t, node->arg_count);
    for (size_t i = 1; i < node->arg_count; i++) {
        if (!mql_integer(node, i, &groups[i - 1], err)) {
            return false;
        }
    }
    call_share_columns(node, &node->args[0]->frame);
    for (size_t i = 0; i < node->frame.count; i++) {
        Column *column = &node->frame.columns[i];
        Str name = labels_get(column->labels, LABEL_METRIC_NAME);
        Buf parts = {0};
        for (size_t j = 0; j + 1 < node->arg_count; j++) {
            if (j) {
                buf_byte(&parts, '.');
            }
            buf_str(&parts, dotted_part(name, groups[j]));
        }
        column->labels = labels_with(arena, column->labels, LABEL_METRIC_NAME,
                                     arena_str(arena, buf_view(&parts)));
        buf_finish(&parts);
        if (!exec_charge_frame(exec, node, err)) {
            return false;
        }
    }
    return true;
}

static bool is_common(const Frame *frame, const Label *label) {
    for (size_t i = 1; i < frame->count; i++) {
        if (!str_eq(labels_get(frame->columns[i].labels, label->name), label->value)) {
            return false;
        }
    }
    return true;
}

static bool run_drop_common(Exec *exec, PlanNode *node, Err *err) {
    (void)exec;
    if (node->arg_count < 1) {
        return mql_arity(node, 1, err);
    }
    Arena *arena = frame_arena(&node->frame);
    Frame *frame = &node->frame;
    size_t count = 0;
    for (size_t i = 0; i < node->arg_count; i++) {
        count += node->args[i] ? node->args[i]->frame.count : 0;
    }
    frame->columns = arena_array(arena, Column, count + 1);
    for (size_t i = 0; i < node->arg_count; i++) {
        for (size_t j = 0; node->args[i] && j < node->args[i]->frame.count; j++) {
            frame->columns[frame->count] = node->args[i]->frame.columns[j];
            frame->columns[frame->count++].borrowed = true;
        }
    }
    LabelSet first = frame->count ? frame->columns[0].labels : (LabelSet){0};
    Str *common = arena_array(arena, Str, first.count + 1);
    size_t common_count = 0;
    for (size_t i = 0; i < first.count; i++) {
        if (is_common(frame, &first.items[i])) {
            common[common_count++] = first.items[i].name;
        }
    }
    for (size_t i = 0; i < frame->count; i++) {
        frame->columns[i].labels =
            labels_filter(arena, frame->columns[i].labels, common, common_count, false);
    }
    return true;
}

CallFn *mql_label_call(FunctionId id) {
    if (find_edit(id)) {
        return run_edit;
    }
    switch (id) {
    case FUNC_LABEL_TRANSFORM:
        return run_label_transform;
    case FUNC_LABEL_MATCH:
    case FUNC_LABEL_MISMATCH:
        return run_label_match;
    case FUNC_LABELS_EQUAL:
        return run_labels_equal;
    case FUNC_LABEL_VALUE:
        return run_label_value;
    case FUNC_LABEL_GRAPHITE_GROUP:
        return run_graphite_group;
    case FUNC_DROP_COMMON_LABELS:
        return run_drop_common;
    default:
        return NULL;
    }
}
