/*
 * info(v): adds the labels of info metrics (target_info and its like, whose value is always 1) to
 * the series they describe.
 *
 * A series and an info series belong together if `instance` and `job` are equal. Of several info
 * series of one metric the one with the newest sample counts; two equally new ones are an error.
 * The second argument names info metrics and the labels to take.
 */

#include "promql/calls.h"
#include "promql/select.h"

/* ---- when the info series are looked at ---- */

typedef struct InfoTime {
    bool has_at;
    TimeMs at;
    DurationMs offset;
} InfoTime;

typedef struct InfoTimeVisit {
    InfoTime time;
    bool found;
    const Plan *plan;
    Err err;
} InfoTimeVisit;

static void add_shift(InfoTimeVisit *visit, const TimeShift *shift) {
    QueryRange range = visit->plan->range;
    DurationMs offset = 0;
    if (visit->time.has_at) {
        return;
    }
    if (shift->offset.given &&
        duration_spec_resolve(&shift->offset, range.step, range.to - range.from, false, &offset,
                              &visit->err)) {
        visit->time.offset += offset;
    }
    visit->time.has_at = shift->at.kind != AT_NONE;
    visit->time.at = shift->at.kind == AT_START ? range.from
                     : shift->at.kind == AT_END ? range.to
                                                : shift->at.time;
}

/* The first selector's `@` and offset, with those of the subqueries around it up to one that is
 * pinned by `@`. */
static void visit_expr(void *ctx, const Expr *expr) {
    InfoTimeVisit *visit = ctx;
    if (visit->found) {
        return;
    }
    if (expr->kind == EXPR_SELECTOR) {
        visit->found = true;
        add_shift(visit, &expr->selector.shift);
        return;
    }
    expr_children(expr, visit_expr, visit);
    if (expr->kind == EXPR_SUBQUERY && visit->found) {
        add_shift(visit, &expr->subquery.shift);
    }
}

/* ---- which info series ---- */

typedef struct Info {
    Exec *exec;
    PlanNode *node;
    Arena *arena;
    const MatcherSet *asked; /* the second argument's matchers, or NULL */
    MatcherSet names;        /* on __name__ */
    MatcherSet wanted;       /* for the store: names and data labels */
    Regex *regex;            /* of a matcher made here */
    Frame series;            /* values are the samples' own times in ms */
} Info;

static bool is_name(const Matcher *matcher) {
    return str_eq(matcher->name, LABEL_METRIC_NAME);
}

static bool is_positive(const Matcher *matcher) {
    return matcher->type == MATCH_EQ || matcher->type == MATCH_RE;
}

/* Without a matcher on the name target_info is meant; with only negative ones, all that end in
 * _info. */
static bool find_names(Info *info, Err *err) {
    size_t asked = info->asked ? info->asked->count : 0;
    Matcher *names = arena_array(info->arena, Matcher, asked + 1);
    size_t count = 0;
    bool any = false, positive = false;
    for (size_t i = 0; i < asked; i++) {
        if (is_name(&info->asked->items[i])) {
            any = true;
            positive = positive || is_positive(&info->asked->items[i]);
            names[count++] = info->asked->items[i];
        }
    }
    if (!positive) {
        MatchType type = any ? MATCH_RE : MATCH_EQ;
        Str value = any ? STR(".+_info") : STR("target_info");
        if (!matcher_init(info->arena, type, LABEL_METRIC_NAME, value, &names[count], err)) {
            return false;
        }
        info->regex = names[count++].regex;
    }
    info->names = (MatcherSet){names, count};
    Matcher *wanted = arena_array(info->arena, Matcher, count + asked);
    memcpy(wanted, names, count * sizeof *wanted);
    for (size_t i = 0; i < asked; i++) {
        if (!is_name(&info->asked->items[i])) {
            wanted[count++] = info->asked->items[i];
        }
    }
    info->wanted = (MatcherSet){wanted, count};
    return true;
}

static bool is_info_series(const Info *info, LabelSet labels) {
    Str name = labels_get(labels, LABEL_METRIC_NAME);
    for (size_t i = 0; i < info->names.count; i++) {
        if (!matcher_matches(&info->names.items[i], name)) {
            return false;
        }
    }
    return true;
}

static const Str identifying[] = {{"instance", 8}, {"job", 3}};

static Hash128 identity(LabelSet labels) {
    return labels_hash_selected(labels, identifying, 2, true, false);
}

static bool has_identity(LabelSet labels) {
    return labels_has(labels, identifying[0]) || labels_has(labels, identifying[1]);
}

static bool check_floats(Worker *worker, const PlanNode *reader, size_t index, LabelSet labels,
                         Err *err) {
    PlanNode values = *reader;
    Column column = {0};
    values.mode = SELECT_VALUE;
    if (!select_column(worker, &values, index, &column) || !column.histograms) {
        return true;
    }
    Buf text = {0};
    labels_print(&text, labels);
    err_set(err, ERR_INVALID, "this should be an info metric, with float samples: %.*s",
            STR_ARG(buf_view(&text)));
    buf_finish(&text);
    return false;
}

/* Info series of identities that occur among the input, each step's sample time as its value. */
static bool read_info_series(Info *info, const HashIndex *identities, Err *err) {
    InfoTimeVisit visit = {.plan = info->exec->plan};
    visit_expr(&visit, info->node->expr->call.args[0]);
    PlanNode *reader = arena_new(info->arena, PlanNode);
    PlanSelector *selector = arena_new(info->arena, PlanSelector);
    *reader = (PlanNode){.op = PLAN_SELECT,
                         .expr = info->node->expr,
                         .grid = info->node->grid,
                         .mode = SELECT_TIME,
                         .selector = selector,
                         .has_at = visit.time.has_at,
                         .at = visit.time.at,
                         .offset = visit.time.offset};
    *selector = (PlanSelector){.sets = &info->wanted, .set_count = 1};
    plan_node_span(info->exec->plan, reader, &selector->from, &selector->to);
    if (!select_open(info->exec, selector, err)) {
        return false;
    }
    size_t count = selection_count(selector->selection);
    info->series.columns = arena_array(info->arena, Column, count);
    Worker worker = {.exec = info->exec};
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        LabelSet labels = selection_labels(selector->selection, i);
        arena_reset(&worker.scratch);
        Column *column = &info->series.columns[info->series.count];
        if (hash_index_find(identities, identity(labels)) == UINT32_MAX) {
            continue;
        }
        if (!check_floats(&worker, reader, i, labels, err)) {
            ok = false;
            break;
        }
        if (select_column(&worker, reader, i, column)) {
            column->labels = labels_copy(info->arena, labels);
            double *values = arena_raw(info->arena, info->node->grid.count * sizeof *values);
            memcpy(values, column->values, info->node->grid.count * sizeof *values);
            column->values = values;
            info->series.count++;
        }
    }
    arena_finish(&worker.out);
    arena_finish(&worker.scratch);
    selection_free(selector->selection);
    return ok;
}

/* ---- which labels ---- */

/* The info series of one identity, by metric name. */
typedef struct InfoGroup {
    uint32_t *columns;
    size_t count, cap;
} InfoGroup;

static void group_add(Arena *arena, InfoGroup *group, uint32_t column) {
    if (group->count == group->cap) {
        size_t cap = group->cap ? group->cap * 2 : 4;
        uint32_t *columns = arena_array(arena, uint32_t, cap);
        if (group->count) {
            memcpy(columns, group->columns, group->count * sizeof *columns);
        }
        group->columns = columns;
        group->cap = cap;
    }
    group->columns[group->count++] = column;
}

static bool duplicate_error(const Column *a, const Column *b, double time, Err *err) {
    Buf first = {0}, second = {0};
    labels_print(&first, a->labels);
    labels_print(&second, b->labels);
    err_set(err, ERR_INVALID,
            "found duplicate series for info metric: existing %.*s @ %lld, new %.*s @ %lld",
            STR_ARG(buf_view(&first)), (long long)(time * 1000), STR_ARG(buf_view(&second)),
            (long long)(time * 1000));
    buf_finish(&first);
    buf_finish(&second);
    return false;
}

/* Of each info metric the newest series at this step; their indices to `chosen`. */
static bool choose_newest(const Info *info, const InfoGroup *group, size_t step, uint32_t *chosen,
                          size_t *ret_count, Err *err) {
    size_t count = 0;
    for (size_t i = 0; i < group->count; i++) {
        const Column *column = &info->series.columns[group->columns[i]];
        if (value_is_none(column->values[step])) {
            continue;
        }
        Str name = labels_get(column->labels, LABEL_METRIC_NAME);
        size_t at = 0;
        while (
            at < count &&
            !str_eq(labels_get(info->series.columns[chosen[at]].labels, LABEL_METRIC_NAME), name)) {
            at++;
        }
        if (at == count) {
            chosen[count++] = group->columns[i];
            continue;
        }
        const Column *known = &info->series.columns[chosen[at]];
        if (known->values[step] == column->values[step]) {
            return duplicate_error(known, column, column->values[step], err);
        }
        if (known->values[step] < column->values[step]) {
            chosen[at] = group->columns[i];
        }
    }
    *ret_count = count;
    return true;
}

static bool is_asked_for(const Info *info, Str label) {
    bool any = false;
    for (size_t i = 0; info->asked && i < info->asked->count; i++) {
        if (is_name(&info->asked->items[i])) {
            continue;
        }
        any = true;
        if (str_eq(info->asked->items[i].name, label)) {
            return true;
        }
    }
    return !any;
}

/* Adds the chosen info series' labels to `base`. */
static bool add_labels(const Info *info, LabelSet base, const uint32_t *chosen, size_t count,
                       LabelSet *ret_labels, Err *err) {
    LabelSet added = {0};
    *ret_labels = base;
    for (size_t i = 0; i < count; i++) {
        LabelSet labels = info->series.columns[chosen[i]].labels;
        for (size_t j = 0; j < labels.count; j++) {
            Label label = labels.items[j];
            if (str_eq(label.name, LABEL_METRIC_NAME) || !is_asked_for(info, label.name)) {
                continue;
            }
            Str known = labels_get(added, label.name);
            if (known.len && !str_eq(known, label.value)) {
                return err_set(err, ERR_INVALID, "conflicting label: %.*s", STR_ARG(label.name));
            }
            if (labels_has(base, label.name)) {
                continue;
            }
            added = labels_with(info->arena, added, label.name, label.value);
            *ret_labels = labels_with(info->arena, *ret_labels, label.name, label.value);
        }
    }
    return true;
}

/* Without any info series a series stays only if what was asked for may be empty. */
static bool stays_without(const Info *info) {
    for (size_t i = 0; info->asked && i < info->asked->count; i++) {
        const Matcher *matcher = &info->asked->items[i];
        if (!is_name(matcher) && !matcher->matches_empty) {
            return false;
        }
    }
    return true;
}

/* ---- putting together ---- */

typedef struct Output {
    HashIndex index;
    size_t cap;
} Output;

static Column *output_column(Info *info, Output *output, const Column *from, LabelSet labels) {
    bool is_new;
    Frame *frame = &info->node->frame;
    uint32_t at = hash_index_add(&output->index, labels_hash(labels), &is_new);
    if (!is_new) {
        return &frame->columns[at];
    }
    if (frame->count == output->cap) {
        size_t cap = output->cap ? output->cap * 2 : 16;
        Column *columns = arena_array(info->arena, Column, cap);
        if (frame->count) {
            memcpy(columns, frame->columns, frame->count * sizeof *columns);
        }
        frame->columns = columns;
        output->cap = cap;
    }
    frame->columns[frame->count] =
        (Column){.labels = labels,
                 .drop_name = from->drop_name,
                 .values = column_alloc(info->arena, info->node->grid.count)};
    return &frame->columns[frame->count++];
}

static bool put_sample(Info *info, Column *to, const Column *from, size_t step, Err *err) {
    if (column_has(to, step)) {
        return err_set(err, ERR_INVALID, "vector cannot contain metrics with the same labelset");
    }
    if (from->histograms && from->histograms[step]) {
        column_set_histogram(info->arena, to, info->node->grid.count, step, from->histograms[step]);
    } else {
        to->values[step] = from->values[step];
    }
    return true;
}

static bool enrich_step(Info *info, Output *output, const Column *base, const InfoGroup *group,
                        uint32_t *chosen, size_t step, Err *err) {
    size_t count = 0;
    LabelSet labels = base->labels;
    if (!is_info_series(info, base->labels)) {
        if (group && !choose_newest(info, group, step, chosen, &count, err)) {
            return false;
        }
        if (count == 0 && !stays_without(info)) {
            return true;
        }
        if (!add_labels(info, base->labels, chosen, count, &labels, err)) {
            return false;
        }
    }
    return put_sample(info, output_column(info, output, base, labels), base, step, err);
}

static bool enrich(Info *info, const Frame *input, const HashIndex *identities, Err *err) {
    InfoGroup *groups = arena_array(info->arena, InfoGroup, identities->count + 1);
    for (size_t i = 0; i < info->series.count; i++) {
        uint32_t at = hash_index_find(identities, identity(info->series.columns[i].labels));
        group_add(info->arena, &groups[at], (uint32_t)i);
    }
    uint32_t *chosen = arena_array(info->arena, uint32_t, info->series.count + 1);
    Output output = {.index = {.arena = info->arena}};
    for (size_t i = 0; i < input->count; i++) {
        const Column *base = &input->columns[i];
        uint32_t at = hash_index_find(identities, identity(base->labels));
        for (size_t step = 0; step < info->node->grid.count; step++) {
            if (column_has(base, step) &&
                !enrich_step(info, &output, base, at == UINT32_MAX ? NULL : &groups[at], chosen,
                             step, err)) {
                return false;
            }
        }
        if (!exec_check(info->exec, err)) {
            return false;
        }
    }
    return true;
}

bool run_info(Exec *exec, PlanNode *node, Err *err) {
    const Frame *input = &node->args[0]->frame;
    const ExprCall *call = &node->expr->call;
    Info info = {.exec = exec, .node = node, .arena = frame_arena(&node->frame)};
    if (call->arg_count > 1) {
        info.asked = &expr_unwrap(call->args[1])->selector.sets[0];
    }
    if (!find_names(&info, err)) {
        return false;
    }
    HashIndex identities = {.arena = info.arena};
    for (size_t i = 0; i < input->count; i++) {
        LabelSet labels = input->columns[i].labels;
        bool is_new;
        if (has_identity(labels) && !is_info_series(&info, labels)) {
            (void)hash_index_add(&identities, identity(labels), &is_new);
        }
    }
    bool ok = (identities.count == 0 || read_info_series(&info, &identities, err)) &&
              enrich(&info, input, &identities, err);
    regex_free(info.regex);
    return ok;
}
