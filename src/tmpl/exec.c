/*
 * Execution of a template, after Go's text/template/exec.go: the same order of evaluation, the same
 * words in errors.
 *
 * An error names the place of the node under evaluation: `template: name:line:col: executing "name"
 * at <node>: cause`.
 */

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/go_text.h"
#include "base/mem.h"
#include "tmpl/go_time.h"
#include "tmpl/html.h"
#include "tmpl/node.h"
#include "tmpl/value.h"

enum {
    CALL_DEPTH_MAX = 100, /* of {{template}} */
    EVAL_DEPTH_MAX = 500,
    OUTPUT_BYTES_DEFAULT = 1 << 20,
    STEPS_DEFAULT = 1000 * 1000,
    ARGS_MAX = 1000,
};

typedef struct Variable {
    Str name;
    TmplValue value;
} Variable;

/* What a walk came to. */
typedef enum Walk { WALK_ON, WALK_BREAK, WALK_CONTINUE, WALK_FAILED } Walk;

struct TmplExec {
    const Tmpl *tmpl;
    const NamedTree *tree; /* being executed */
    const Node *node;      /* under evaluation, for messages */
    const TmplWorld *world;
    const TmplValue *data; /* the dot of the whole execution */
    Arena *arena;
    Buf *out;
    size_t out_start, output_bytes_max, steps_left;
    Variable *variables;
    size_t variables_count, variables_cap;
    int call_depth, eval_depth;
    int nesting; /* of templates that functions execute in turn */
    Err *err;
};

Arena *tmpl_exec_arena(TmplExec *exec) {
    return exec->arena;
}

const TmplWorld *tmpl_exec_world(TmplExec *exec) {
    return exec->world;
}

const TmplValue *tmpl_exec_data(TmplExec *exec) {
    return exec->data;
}

const Tmpl *tmpl_exec_tmpl(TmplExec *exec) {
    return exec->tmpl;
}

/* ---- errors ---- */

/* `name:line:col`, the column in bytes from 0. */
static void put_place(Buf *buf, const NamedTree *tree, const Node *node) {
    unsigned line = 1;
    size_t line_start = 0;
    for (size_t i = 0; i < node->pos && i < tree->text.len; i++) {
        if (tree->text.ptr[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    buf_printf(buf, "%.*s:%u:%zu", STR_ARG(tree->parse_name), line, (size_t)node->pos - line_start);
}

static bool fail(TmplExec *exec, const char *fmt, ...) PRINTF_LIKE(2, 3);

static bool fail(TmplExec *exec, const char *fmt, ...) {
    AUTO(buf_finish) Buf text = {0};
    AUTO(buf_finish) Buf name = {0};
    char cause[sizeof exec->err->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(cause, sizeof cause, fmt, args);
    va_end(args);
    go_quote(&name, exec->tree->name, 0);
    put_place(&text, exec->tree, exec->node);
    buf_printf(&text, ": executing %.*s at <", STR_ARG(buf_view(&name)));
    tmpl_node_print(&text, exec->node, false);
    return err_set(exec->err, ERR_INVALID, "template: %.*s>: %s", STR_ARG(buf_view(&text)), cause);
}

static bool fail_node(TmplExec *exec, const Node *node, const char *before, const char *after) {
    AUTO(buf_finish) Buf text = {0};
    tmpl_node_print(&text, node, false);
    return fail(exec, "%s%.*s%s", before, STR_ARG(buf_view(&text)), after);
}

static bool take_step(TmplExec *exec) {
    if (exec->steps_left == 0) {
        return fail(exec, "too many steps");
    }
    exec->steps_left--;
    return true;
}

static bool check_output(TmplExec *exec) {
    if (exec->out->len - exec->out_start > exec->output_bytes_max) {
        return fail(exec, "more than %zu bytes of output", exec->output_bytes_max);
    }
    return true;
}

/* ---- variables ---- */

static void push_variable(TmplExec *exec, Str name, TmplValue value) {
    VEC_PUSH(*exec, variables, ((Variable){name, value}));
}

static Variable *find_variable(TmplExec *exec, Str name) {
    for (size_t i = exec->variables_count; i-- > 0;) {
        if (str_eq(exec->variables[i].name, name)) {
            return &exec->variables[i];
        }
    }
    return NULL;
}

/* ---- operands ---- */

/* Arguments of a command: its operands after the first, and the value that comes through the pipe.
 */
typedef struct Args {
    Node *const *nodes; /* the command's operands, the first included */
    size_t count;
    const TmplValue *final; /* NULL: nothing is piped in */
} Args;

static bool has_args(Args args) {
    return args.count > 1 || args.final;
}

static bool eval_operand(TmplExec *exec, const TmplValue *dot, const Node *node, TmplValue *ret);
static bool eval_pipe(TmplExec *exec, const TmplValue *dot, const Node *pipe, TmplValue *ret);

static const TmplFunc *find_method(const TmplValue *value, Str name) {
    const TmplFunc *methods = value->methods;
    if (!methods && value->type == TMPL_TIME) {
        methods = go_time_methods;
    } else if (!methods && value->type == TMPL_DURATION) {
        methods = go_duration_methods;
    }
    for (; methods && methods->name; methods++) {
        if (str_eq(str_of(methods->name), name)) {
            return methods;
        }
    }
    return NULL;
}

static bool check_arg_count(TmplExec *exec, const TmplFunc *func, size_t count) {
    if (func->args_max < 0) {
        return count >= (size_t)func->args_min ||
               fail(exec, "wrong number of args for %s: want at least %d got %zu", func->name,
                    func->args_min, count);
    }
    return (count >= (size_t)func->args_min && count <= (size_t)func->args_max) ||
           fail(exec, "wrong number of args for %s: want %d got %zu", func->name, func->args_max,
                count);
}

/* Arguments of a wrong type are found before the call in Go, so that the complaint is about them
 * and names no function. `culprit` is NULL for the value that comes through the pipe. */
static bool refuse_argument(TmplExec *exec, const Node *culprit, const char *complaint) {
    bool is_constant = culprit && (culprit->type == NODE_NUMBER || culprit->type == NODE_BOOL);
    Str expected = str_skip(str_of(complaint), strlen("wrong type for value; expected "));
    expected.len = str_find(expected, ';');
    bool is_text = str_eq(expected, STR("string"));
    if (culprit && culprit->type == NODE_NIL && is_text) {
        return fail(exec, "cannot assign nil to string");
    }
    if (is_constant && is_text) {
        return fail_node(exec, culprit, "expected string; found ", "");
    }
    if (is_constant && !str_starts(expected, STR("time."))) {
        AUTO(buf_finish) Buf shown = {0};
        tmpl_node_print(&shown, culprit, false);
        return fail(exec, "can't handle %.*s for arg of type %.*s", STR_ARG(buf_view(&shown)),
                    STR_ARG(expected));
    }
    return fail(exec, "%s", complaint);
}

/* Calls with the values of the operands, `receiver` first where there is one. */
static bool call(TmplExec *exec, const TmplValue *dot, const TmplFunc *func,
                 const TmplValue *receiver, const Node *node, Args args, TmplValue *ret) {
    size_t own = args.count > 1 ? args.count - 1 : 0;
    size_t count = own + (args.final != NULL);
    if (!check_arg_count(exec, func, count)) {
        return false;
    }
    TmplValue *values = arena_array(exec->arena, TmplValue, count + 1);
    size_t filled = 0;
    if (receiver) {
        values[filled++] = *receiver;
    }
    for (size_t i = 0; i < own; i++) {
        if (!eval_operand(exec, dot, args.nodes[i + 1], &values[filled++])) {
            return false;
        }
    }
    if (args.final) {
        values[filled++] = *args.final;
    }
    const Node *last = exec->node;
    exec->node = node;
    Err cause = {0};
    if (func->call(exec, values, filled, ret, &cause)) {
        exec->node = last; /* as in Go: what goes wrong after the call is at the last operand */
        return true;
    }
    if (cause.kind == ERR_UNSUPPORTED) {
        const Node *culprit = NULL;
        for (size_t i = 0; i < own && !culprit; i++) {
            bool is_it =
                str_ends(str_of(cause.text), tmpl_type_name(&values[i + (receiver != NULL)]));
            culprit = is_it ? args.nodes[i + 1] : NULL;
        }
        exec->node = culprit ? culprit : last;
        return refuse_argument(exec, culprit, cause.text);
    }
    return fail(exec, "error calling %s: %s", func->name, cause.text);
}

static bool eval_map_key(TmplExec *exec, const TmplValue *map, Str name, Args args,
                         TmplValue *ret) {
    if (has_args(args)) {
        return fail(exec, "%.*s is not a method but has arguments", STR_ARG(name));
    }
    const TmplValue *found = tmpl_field(map, name);
    if (found) {
        *ret = *found;
    } else if (exec->tmpl->missing_error) {
        return fail(exec, "map has no entry for key \"%.*s\"", STR_ARG(name));
    } else {
        bool is_text = exec->tmpl->missing_zero && map->zero_missing;
        *ret = is_text ? tmpl_string(STR("")) : (TmplValue){.type = TMPL_NIL};
    }
    return true;
}

/* One field, key or method of `receiver`. */
static bool eval_field(TmplExec *exec, const TmplValue *dot, const TmplValue *receiver, Str name,
                       const Node *node, Args args, TmplValue *ret) {
    if (node->type != NODE_CHAIN) { /* the complaint about (pipe).Field names what is inside */
        exec->node = node;
    }
    if (receiver->type == TMPL_NIL) {
        if (exec->tmpl->missing_error) {
            return fail(exec, "nil data; no entry for key \"%.*s\"", STR_ARG(name));
        }
        *ret = (TmplValue){.type = TMPL_NIL};
        return true;
    }
    const TmplFunc *method = find_method(receiver, name);
    if (method) {
        return call(exec, dot, method, receiver, node, args, ret);
    }
    if (receiver->type == TMPL_MAP) {
        return eval_map_key(exec, receiver, name, args, ret);
    }
    const TmplValue *found = receiver->type == TMPL_OBJECT ? tmpl_field(receiver, name) : NULL;
    if (!found) {
        return fail(exec, "can't evaluate field %.*s in type %.*s", STR_ARG(name),
                    STR_ARG(tmpl_type_name(receiver)));
    }
    if (has_args(args)) {
        return fail(exec, "%.*s has arguments but cannot be invoked as function", STR_ARG(name));
    }
    *ret = *found;
    return true;
}

/* The chain .A.B.C; arguments go to its last member. */
static bool eval_fields(TmplExec *exec, const TmplValue *dot, const TmplValue *receiver,
                        const Node *node, size_t from, Args args, TmplValue *ret) {
    TmplValue value = *receiver;
    for (size_t i = from; i < node->name_count; i++) {
        Args own = i + 1 == node->name_count ? args : (Args){0};
        TmplValue member = {0};
        if (!eval_field(exec, dot, &value, node->names[i], node, own, &member)) {
            return false;
        }
        value = member;
    }
    *ret = value;
    return true;
}

static bool refuse_args(TmplExec *exec, Args args) {
    return !has_args(args) ||
           fail_node(exec, args.nodes[0], "can't give argument to non-function ", "");
}

static bool eval_variable(TmplExec *exec, const TmplValue *dot, const Node *node, Args args,
                          TmplValue *ret) {
    exec->node = node;
    const Variable *variable = find_variable(exec, node->names[0]);
    if (!variable) {
        return fail(exec, "undefined variable: %.*s", STR_ARG(node->names[0]));
    }
    TmplValue value = variable->value;
    if (node->name_count == 1) {
        *ret = value;
        return refuse_args(exec, args);
    }
    return eval_fields(exec, dot, &value, node, 1, args, ret);
}

static bool eval_chain(TmplExec *exec, const TmplValue *dot, const Node *node, Args args,
                       TmplValue *ret) {
    TmplValue inner = {0};
    exec->node = node;
    if (node->children[0]->type == NODE_NIL) {
        return fail_node(exec, node, "nil data; no entry for ", "");
    }
    return eval_operand(exec, dot, node->children[0], &inner) &&
           eval_fields(exec, dot, &inner, node, 0, args, ret);
}

/* `and` and `or` evaluate no further than they need to, and answer with the operand that decided.
 */
static bool eval_logic(TmplExec *exec, const TmplValue *dot, const Node *name, Args args,
                       TmplValue *ret) {
    bool is_or = str_eq(name->text, STR("or"));
    TmplFunc logic = {is_or ? "or" : "and", 1, -1, NULL};
    if (!check_arg_count(exec, &logic,
                         (args.count > 1 ? args.count - 1 : 0) + (args.final != NULL))) {
        return false;
    }
    TmplValue value = {0};
    for (size_t i = 1; i < args.count; i++) {
        if (!eval_operand(exec, dot, args.nodes[i], &value)) {
            return false;
        }
        if (tmpl_truth(&value) == is_or) {
            *ret = value;
            return true;
        }
    }
    *ret = args.final ? *args.final : value;
    return true;
}

static bool eval_function(TmplExec *exec, const TmplValue *dot, const Node *name, const Node *node,
                          Args args, TmplValue *ret) {
    exec->node = name;
    if (!name->func->call) {
        return eval_logic(exec, dot, name, args, ret);
    }
    return call(exec, dot, name->func, NULL, node, args, ret);
}

static bool eval_literal(TmplExec *exec, const TmplValue *dot, const Node *node, TmplValue *ret) {
    exec->node = node;
    if (node->type == NODE_DOT) {
        *ret = *dot;
        return true;
    }
    *ret = node->value;
    return true;
}

/* An operand that stands as an argument. */
static bool eval_operand(TmplExec *exec, const TmplValue *dot, const Node *node, TmplValue *ret) {
    if (++exec->eval_depth > EVAL_DEPTH_MAX) {
        return fail(exec, "nested too deep");
    }
    bool ok = false;
    switch (node->type) {
    case NODE_FIELD:
        ok = eval_fields(exec, dot, dot, node, 0, (Args){0}, ret);
        break;
    case NODE_VARIABLE:
        ok = eval_variable(exec, dot, node, (Args){0}, ret);
        break;
    case NODE_CHAIN:
        ok = eval_chain(exec, dot, node, (Args){0}, ret);
        break;
    case NODE_IDENTIFIER:
        ok = eval_function(exec, dot, node, node, (Args){0}, ret);
        break;
    case NODE_PIPE:
        ok = eval_pipe(exec, dot, node, ret);
        break;
    case NODE_NIL:
        *ret = (TmplValue){.type = TMPL_NIL};
        ok = true;
        break;
    default:
        ok = eval_literal(exec, dot, node, ret);
        break;
    }
    exec->eval_depth--;
    return ok;
}

static bool eval_command(TmplExec *exec, const TmplValue *dot, const Node *command,
                         const TmplValue *final, TmplValue *ret) {
    const Node *first = command->children[0];
    Args args = {command->children, command->child_count, final};
    switch (first->type) {
    case NODE_FIELD:
        return eval_fields(exec, dot, dot, first, 0, args, ret);
    case NODE_VARIABLE:
        return eval_variable(exec, dot, first, args, ret);
    case NODE_CHAIN:
        return eval_chain(exec, dot, first, args, ret);
    case NODE_IDENTIFIER:
        return eval_function(exec, dot, first, command, args, ret);
    default:
        break;
    }
    exec->node = first;
    if (!refuse_args(exec, args)) {
        return false;
    }
    if (first->type == NODE_NIL) {
        return fail(exec, "nil is not a command");
    }
    return first->type == NODE_PIPE ? eval_pipe(exec, dot, first, ret)
                                    : eval_literal(exec, dot, first, ret);
}

static bool eval_pipe(TmplExec *exec, const TmplValue *dot, const Node *pipe, TmplValue *ret) {
    if (!take_step(exec)) {
        return false;
    }
    TmplValue value = {0};
    for (size_t i = 0; i < pipe->child_count; i++) {
        TmplValue piped = value;
        TmplValue next = {0};
        if (!eval_command(exec, dot, pipe->children[i], i ? &piped : NULL, &next)) {
            return false;
        }
        value = next;
    }
    for (size_t i = 0; i < pipe->name_count; i++) {
        if (pipe->is_assignment) {
            Variable *variable = find_variable(exec, pipe->names[i]);
            if (!variable) {
                return fail(exec, "undefined variable: %.*s", STR_ARG(pipe->names[i]));
            }
            variable->value = value;
        } else {
            push_variable(exec, pipe->names[i], value);
        }
    }
    *ret = value;
    return true;
}

/* ---- statements ---- */

static Walk walk(TmplExec *exec, const TmplValue *dot, const Node *node);

static bool print_final(TmplExec *exec, const TmplValue *value) {
    if (value->type == TMPL_NIL) {
        buf_str(exec->out, exec->tmpl->html ? STR("") : STR("<no value>"));
    } else if (exec->tmpl->html) {
        html_put_value(exec->out, str_skip(buf_view(exec->out), exec->out_start), exec->arena,
                       value);
    } else {
        tmpl_print_value(exec->out, value);
    }
    return check_output(exec);
}

static Walk walk_list(TmplExec *exec, const TmplValue *dot, const Node *list) {
    for (size_t i = 0; i < list->child_count; i++) {
        Walk result = walk(exec, dot, list->children[i]);
        if (result != WALK_ON) {
            return result;
        }
    }
    return WALK_ON;
}

/* A scope: what is declared inside is gone after it. */
static Walk walk_scope(TmplExec *exec, const TmplValue *dot, const Node *list) {
    size_t mark = exec->variables_count;
    Walk result = walk_list(exec, dot, list);
    exec->variables_count = mark;
    return result;
}

static Walk walk_if_or_with(TmplExec *exec, const TmplValue *dot, const Node *node) {
    size_t mark = exec->variables_count;
    TmplValue value = {0};
    if (!eval_pipe(exec, dot, node->pipe, &value)) {
        return WALK_FAILED;
    }
    Walk result = WALK_ON;
    if (tmpl_truth(&value)) {
        result = walk_scope(exec, node->type == NODE_WITH ? &value : dot, node->list);
    } else if (node->else_list) {
        result = walk_scope(exec, dot, node->else_list);
    }
    exec->variables_count = mark;
    return result;
}

/* One round of a range, with its one or two variables set. */
static Walk walk_round(TmplExec *exec, const Node *node, const TmplValue *key,
                       const TmplValue *element) {
    size_t mark = exec->variables_count;
    exec->node = node;
    if (!take_step(exec)) {
        return WALK_FAILED;
    }
    const Node *pipe = node->pipe;
    const TmplValue *values[2] = {pipe->name_count == 2 ? key : element, element};
    for (size_t i = 0; i < pipe->name_count && i < 2; i++) {
        Variable *variable = pipe->is_assignment ? find_variable(exec, pipe->names[i]) : NULL;
        if (variable) {
            variable->value = *values[i];
        } else {
            push_variable(exec, pipe->names[i], *values[i]);
        }
    }
    Walk result = walk_list(exec, element, node->list);
    exec->variables_count = mark;
    return result == WALK_CONTINUE ? WALK_ON : result;
}

static size_t range_length(const TmplValue *value) {
    switch (value->type) {
    case TMPL_LIST:
    case TMPL_MAP:
        return value->count;
    case TMPL_INT:
        return value->integer > 0 ? (size_t)value->integer : 0;
    default:
        return 0;
    }
}

static bool can_range(const TmplValue *value) {
    return value->type == TMPL_LIST || value->type == TMPL_MAP || value->type == TMPL_INT ||
           value->type == TMPL_NIL;
}

static Walk walk_range(TmplExec *exec, const TmplValue *dot, const Node *node) {
    size_t mark = exec->variables_count;
    TmplValue value = {0};
    if (!eval_pipe(exec, dot, node->pipe, &value)) {
        return WALK_FAILED;
    }
    /* The pipeline declared its variables for itself; each round declares them anew. */
    exec->variables_count = mark;
    if (!can_range(&value)) {
        AUTO(buf_finish) Buf shown = {0};
        tmpl_print_value(&shown, &value);
        (void)fail(exec, "range can't iterate over %.*s", STR_ARG(buf_view(&shown)));
        return WALK_FAILED;
    }
    size_t length = range_length(&value);
    if (length == 0) {
        return node->else_list ? walk_scope(exec, dot, node->else_list) : WALK_ON;
    }
    for (size_t i = 0; i < length; i++) {
        TmplValue key =
            value.type == TMPL_MAP ? tmpl_string(value.fields[i].name) : tmpl_int((int64_t)i);
        TmplValue element = value.type == TMPL_LIST  ? value.items[i]
                            : value.type == TMPL_MAP ? *value.fields[i].value
                                                     : tmpl_int((int64_t)i);
        Walk result = walk_round(exec, node, &key, &element);
        if (result == WALK_BREAK) {
            break;
        }
        if (result == WALK_FAILED) {
            return result;
        }
    }
    return WALK_ON;
}

static Walk walk_template(TmplExec *exec, const TmplValue *dot, const Node *node) {
    exec->node = node;
    const NamedTree *tree = tmpl_find(exec->tmpl, node->text);
    if (!tree) {
        (void)fail(exec, "template \"%.*s\" not defined", STR_ARG(node->text));
        return WALK_FAILED;
    }
    if (exec->call_depth == CALL_DEPTH_MAX) {
        (void)fail(exec, "exceeded maximum template depth (%d)", CALL_DEPTH_MAX);
        return WALK_FAILED;
    }
    TmplValue argument = {.type = TMPL_NIL};
    if (node->pipe && !eval_pipe(exec, dot, node->pipe, &argument)) {
        return WALK_FAILED;
    }
    const NamedTree *caller = exec->tree;
    Variable *variables = exec->variables;
    size_t count = exec->variables_count, cap = exec->variables_cap;
    exec->tree = tree;
    exec->variables = NULL;
    exec->variables_count = exec->variables_cap = 0;
    exec->call_depth++;
    push_variable(exec, STR("$"), argument);
    Walk result = walk(exec, &argument, tree->root);
    free(exec->variables);
    exec->variables = variables;
    exec->variables_count = count;
    exec->variables_cap = cap;
    exec->tree = caller;
    exec->call_depth--;
    return result;
}

static Walk walk_action(TmplExec *exec, const TmplValue *dot, const Node *node) {
    TmplValue value = {0};
    if (!eval_pipe(exec, dot, node->pipe, &value)) {
        return WALK_FAILED;
    }
    exec->node = node;
    bool is_declaration = node->pipe->name_count > 0;
    return is_declaration || print_final(exec, &value) ? WALK_ON : WALK_FAILED;
}

static Walk walk(TmplExec *exec, const TmplValue *dot, const Node *node) {
    exec->node = node;
    if (!take_step(exec)) {
        return WALK_FAILED;
    }
    switch (node->type) {
    case NODE_LIST:
        return walk_list(exec, dot, node);
    case NODE_TEXT:
        buf_str(exec->out, node->text);
        return check_output(exec) ? WALK_ON : WALK_FAILED;
    case NODE_ACTION:
        return walk_action(exec, dot, node);
    case NODE_IF:
    case NODE_WITH:
        return walk_if_or_with(exec, dot, node);
    case NODE_RANGE:
        return walk_range(exec, dot, node);
    case NODE_TEMPLATE:
        return walk_template(exec, dot, node);
    case NODE_BREAK:
        return WALK_BREAK;
    case NODE_CONTINUE:
        return WALK_CONTINUE;
    default:
        assert(false && "not a statement");
        return WALK_FAILED;
    }
}

static bool run(const Tmpl *tmpl, Str name, const TmplValue *data, const TmplWorld *world,
                int nesting, Arena *arena, Buf *out, Err *err) {
    const NamedTree *tree = tmpl_find(tmpl, name.len ? name : tmpl->name);
    if (!tree) {
        return err_set(err, ERR_INVALID,
                       "template: no template \"%.*s\" associated with template \"%.*s\"",
                       STR_ARG(name), STR_ARG(tmpl->name));
    }
    TmplExec exec = {
        .tmpl = tmpl,
        .tree = tree,
        .node = tree->root,
        .world = world,
        .data = data,
        .nesting = nesting,
        .arena = arena,
        .out = out,
        .out_start = out->len,
        .output_bytes_max =
            world->output_bytes_max ? world->output_bytes_max : OUTPUT_BYTES_DEFAULT,
        .steps_left = world->steps_max ? world->steps_max : STEPS_DEFAULT,
        .err = err,
    };
    push_variable(&exec, STR("$"), *data);
    Walk result = walk(&exec, data, tree->root);
    free(exec.variables);
    return result != WALK_FAILED;
}

bool tmpl_execute(const Tmpl *tmpl, Str name, const TmplValue *data, const TmplWorld *world,
                  Arena *arena, Buf *out, Err *err) {
    return run(tmpl, name, data, world, 0, arena, out, err);
}

bool tmpl_execute_nested(TmplExec *exec, const Tmpl *tmpl, Buf *out, Err *err) {
    return run(tmpl, STR(""), exec->data, exec->world, exec->nesting + 1, exec->arena, out, err);
}

int tmpl_exec_nesting(const TmplExec *exec) {
    return exec->nesting;
}
