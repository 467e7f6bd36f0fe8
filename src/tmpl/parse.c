/*
 * Parser of text/template, after its grammar:
 *
 *     list     = { TEXT | action }
 *     action   = {{ pipeline }} | {{if pipeline}} list [{{else ...}} list] {{end}} | range | with
 *              | {{template STRING [pipeline]}} | {{define STRING}} list {{end}} | {{block STRING
 * pipeline}} list {{end}} | {{break}} | {{continue}} pipeline = [ $v [, $v] (:= | =) ] command {
 * "|" command } command  = operand { SPACE operand } operand  = term { .FIELD } term     = literal
 * | function | . | .FIELD | $VARIABLE | ( pipeline )
 *
 * Complaints have Go's words and place: `template: name:line: text`.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/go_text.h"
#include "base/mem.h"
#include "base/number.h"
#include "tmpl/lex.h"
#include "tmpl/node.h"

enum {
    DEPTH_MAX = 200, /* of nested actions and parentheses */
    VARIABLES_MAX = 1000,
};

typedef struct Parser {
    Tmpl *tmpl;
    Arena *arena;
    Lexer lexer;
    Str parse_name;
    Str text;
    Token peeked[3];
    int peeked_count;
    uint32_t line; /* of the token read last */
    Str variables[VARIABLES_MAX];
    size_t variable_count;
    int range_depth;
    int depth;
    Err *err;
} Parser;

/* ---- tokens ---- */

static Token next(Parser *parser) {
    Token token = parser->peeked_count ? parser->peeked[--parser->peeked_count]
                                       : tmpl_lexer_next(&parser->lexer);
    parser->line = token.line;
    return token;
}

static void put_back(Parser *parser, Token token) {
    assert(parser->peeked_count < 3);
    parser->peeked[parser->peeked_count++] = token;
}

static Token peek(Parser *parser) {
    Token token = next(parser);
    put_back(parser, token);
    return token;
}

static Token next_non_space(Parser *parser) {
    Token token = next(parser);
    while (token.type == TOKEN_SPACE) {
        token = next(parser);
    }
    return token;
}

static Token peek_non_space(Parser *parser) {
    Token token = next_non_space(parser);
    put_back(parser, token);
    return token;
}

static bool fail(Parser *parser, const char *text) {
    return err_set(parser->err, ERR_INVALID, "template: %.*s:%u: %s", STR_ARG(parser->parse_name),
                   parser->line, text);
}

static bool unexpected(Parser *parser, Token token, const char *where) {
    if (token.type == TOKEN_ERROR) {
        return fail(parser, arena_cstr(parser->arena, token.text));
    }
    Str shown = tmpl_token_show(parser->arena, token);
    return fail(parser,
                arena_printf(parser->arena, "unexpected %.*s in %s", STR_ARG(shown), where).ptr);
}

/* ---- building ---- */

static Node *new_node(Parser *parser, NodeType type, uint32_t pos) {
    Node *node = arena_new(parser->arena, Node);
    node->type = type;
    node->pos = pos;
    node->line = parser->line;
    return node;
}

/* Moves a grown list into the arena. */
static void take_children(Parser *parser, Node *node, NodeList *list) {
    Node **items = arena_array(parser->arena, Node *, list->items_count + 1);
    for (size_t i = 0; i < list->items_count; i++) {
        items[i] = list->items[i];
    }
    node->children = items;
    node->child_count = list->items_count;
}

static void list_finish(NodeList *list) {
    free(list->items);
}

/* There is room for the next power of two: chains may be as long as the text. */
static void add_name(Parser *parser, Node *node, Str name) {
    size_t count = node->name_count;
    if ((count & (count - 1)) == 0) {
        Str *names = arena_array(parser->arena, Str, count ? 2 * count : 1);
        for (size_t i = 0; i < count; i++) {
            names[i] = node->names[i];
        }
        node->names = names;
    }
    node->names[node->name_count++] = name;
}

/* ---- operands ---- */

static bool parse_pipeline(Parser *parser, const char *context, TokenType end, Node **ret_pipe);

static bool is_plain_digits(Str text) {
    for (size_t i = 0; i < text.len; i++) {
        if ((text.ptr[i] < '0' || text.ptr[i] > '9') && text.ptr[i] != '_') {
            return false;
        }
    }
    return text.len > 0;
}

static char *without_underscores(Arena *arena, Str text) {
    char *plain = arena_array(arena, char, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '_') {
            plain[len++] = text.ptr[i];
        }
    }
    return plain;
}

/* Integers with Go's prefixes 0x, 0o, 0b and a leading 0 for octal. */
static bool parse_integer(Arena *arena, Str text, int64_t *ret_value) {
    char *plain = without_underscores(arena, text);
    char *digits = plain + (*plain == '-' || *plain == '+');
    int base = 10;
    if (digits[0] == '0' && digits[1]) {
        char kind = digits[1] | 0x20;
        base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 8;
        digits += kind == 'x' || kind == 'o' || kind == 'b' ? 2 : 1;
    }
    char *end = NULL;
    errno = 0;
    unsigned long long size = strtoull(digits, &end, base);
    if (end == digits || *end || errno || *digits == '-' || *digits == '+') {
        return false;
    }
    bool negative = *plain == '-';
    if (size > (unsigned long long)INT64_MAX + negative) {
        return false;
    }
    *ret_value = negative ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}

static bool parse_number(Parser *parser, Token token, Node **ret_node) {
    Node *node = new_node(parser, NODE_NUMBER, token.pos);
    node->text = token.text;
    *ret_node = node;
    uint32_t rune = 0;
    if (token.type == TOKEN_CHAR) {
        if (token.text.len == 2) {
            return fail(parser, "invalid syntax");
        }
        if (!go_unquote_rune(token.text, &rune)) {
            return fail(parser, arena_printf(parser->arena, "malformed character constant: %.*s",
                                             STR_ARG(token.text))
                                    .ptr);
        }
        node->is_int = node->is_float = true;
        node->value = tmpl_int(rune);
        node->value.number = rune;
        return true;
    }
    Str text = token.text;
    bool is_complex = text.len > 1 && text.ptr[text.len - 1] == 'i';
    int64_t integer = 0;
    double number = 0;
    node->is_int = parse_integer(parser->arena, text, &integer);
    Str plain = str_of(
        without_underscores(parser->arena, is_complex ? (Str){text.ptr, text.len - 1} : text));
    node->is_float = node->is_int || number_parse(plain, &number);
    if (!node->is_float) {
        return fail(
            parser,
            arena_printf(parser->arena, "illegal number syntax: \"%.*s\"", STR_ARG(text)).ptr);
    }
    if (node->is_int) {
        node->value = tmpl_int(integer);
        node->value.number = (double)integer;
        return true;
    }
    bool is_big_integer =
        is_plain_digits(plain) || (plain.len && (plain.ptr[0] == '-' || plain.ptr[0] == '+') &&
                                   is_plain_digits(str_skip(plain, 1)));
    if (is_big_integer && !is_complex) {
        return fail(parser,
                    arena_printf(parser->arena, "integer overflow: \"%.*s\"", STR_ARG(text)).ptr);
    }
    node->value = tmpl_float(number);
    return true;
}

/* A raw string has no carriage returns, whatever the file has (strconv.Unquote). */
static Str without_returns(Arena *arena, Str text) {
    AUTO(buf_finish) Buf kept = {0};
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\r') {
            buf_byte(&kept, text.ptr[i]);
        }
    }
    return arena_str(arena, buf_view(&kept));
}

static bool parse_string(Parser *parser, Token token, Node **ret_node) {
    Str text;
    if (!go_unquote(parser->arena, token.text, &text)) {
        return fail(parser, "invalid syntax");
    }
    Node *node = new_node(parser, NODE_STRING, token.pos);
    node->text = token.text;
    bool is_raw = token.text.ptr[0] == '`';
    node->value = tmpl_string(is_raw ? without_returns(parser->arena, text) : text);
    *ret_node = node;
    return true;
}

static bool is_declared(const Parser *parser, Str name) {
    for (size_t i = parser->variable_count; i-- > 0;) {
        if (str_eq(parser->variables[i], name)) {
            return true;
        }
    }
    return false;
}

static bool parse_variable(Parser *parser, Token token, Node **ret_node) {
    if (!is_declared(parser, token.text)) {
        return fail(
            parser,
            arena_printf(parser->arena, "undefined variable \"%.*s\"", STR_ARG(token.text)).ptr);
    }
    Node *node = new_node(parser, NODE_VARIABLE, token.pos);
    add_name(parser, node, token.text);
    *ret_node = node;
    return true;
}

static bool parse_identifier(Parser *parser, Token token, Node **ret_node) {
    const TmplFunc *func = tmpl_find_func(parser->tmpl, token.text);
    if (!func) {
        return fail(
            parser,
            arena_printf(parser->arena, "function \"%.*s\" not defined", STR_ARG(token.text)).ptr);
    }
    Node *node = new_node(parser, NODE_IDENTIFIER, token.pos);
    node->text = token.text;
    node->func = func;
    *ret_node = node;
    return true;
}

/* A term; `*ret_node` NULL where none begins. */
static bool parse_term(Parser *parser, Node **ret_node) {
    Token token = next_non_space(parser);
    *ret_node = NULL;
    switch (token.type) {
    case TOKEN_IDENTIFIER:
        return parse_identifier(parser, token, ret_node);
    case TOKEN_DOT:
        *ret_node = new_node(parser, NODE_DOT, token.pos);
        return true;
    case TOKEN_NIL:
        *ret_node = new_node(parser, NODE_NIL, token.pos);
        return true;
    case TOKEN_VARIABLE:
        return parse_variable(parser, token, ret_node);
    case TOKEN_FIELD:
        *ret_node = new_node(parser, NODE_FIELD, token.pos);
        add_name(parser, *ret_node, str_skip(token.text, 1));
        return true;
    case TOKEN_BOOL:
        *ret_node = new_node(parser, NODE_BOOL, token.pos);
        (*ret_node)->value = tmpl_bool(token.text.len == 4);
        return true;
    case TOKEN_CHAR:
    case TOKEN_NUMBER:
        return parse_number(parser, token, ret_node);
    case TOKEN_STRING:
    case TOKEN_RAW:
        return parse_string(parser, token, ret_node);
    case TOKEN_LEFT_PAREN:
        return parse_pipeline(parser, "parenthesized pipeline", TOKEN_RIGHT_PAREN, ret_node);
    default:
        put_back(parser, token);
        return true;
    }
}

static bool is_literal(NodeType type) {
    return type == NODE_BOOL || type == NODE_STRING || type == NODE_NUMBER || type == NODE_NIL ||
           type == NODE_DOT;
}

/* A term and the fields chained to it. */
static bool parse_operand(Parser *parser, Node **ret_node) {
    Node *node = NULL;
    if (!parse_term(parser, &node)) {
        return false;
    }
    *ret_node = node;
    if (!node || peek(parser).type != TOKEN_FIELD) {
        return true;
    }
    uint32_t pos = peek(parser).pos;
    if (is_literal(node->type)) {
        AUTO(buf_finish) Buf shown = {0};
        AUTO(buf_finish) Buf quoted = {0};
        tmpl_node_print(&shown, node, false);
        go_quote(&quoted, buf_view(&shown), 0);
        return fail(parser, arena_printf(parser->arena, "unexpected . after term %.*s",
                                         STR_ARG(buf_view(&quoted)))
                                .ptr);
    }
    if (node->type != NODE_FIELD && node->type != NODE_VARIABLE) {
        Node *chain = new_node(parser, NODE_CHAIN, pos);
        Node **inner = arena_array(parser->arena, Node *, 1);
        inner[0] = node;
        chain->children = inner;
        chain->child_count = 1;
        node = chain;
    }
    node->pos = pos;
    while (peek(parser).type == TOKEN_FIELD) {
        add_name(parser, node, str_skip(next(parser).text, 1));
    }
    *ret_node = node;
    return true;
}

static bool parse_command_into(Parser *parser, NodeList *operands) {
    for (;;) {
        (void)peek_non_space(parser);
        Node *operand = NULL;
        if (!parse_operand(parser, &operand)) {
            return false;
        }
        if (operand) {
            VEC_PUSH(*operands, items, operand);
        }
        Token token = next(parser);
        switch (token.type) {
        case TOKEN_SPACE:
            continue;
        case TOKEN_RIGHT:
        case TOKEN_RIGHT_PAREN:
            put_back(parser, token);
            return true;
        case TOKEN_PIPE:
            return true;
        default:
            return unexpected(parser, token, "operand");
        }
    }
}

static bool parse_command(Parser *parser, Node **ret_command) {
    AUTO(list_finish) NodeList operands = {0};
    Node *command = new_node(parser, NODE_COMMAND, peek_non_space(parser).pos);
    if (!parse_command_into(parser, &operands)) {
        return false;
    }
    if (operands.items_count == 0) {
        return fail(parser, "empty command");
    }
    take_children(parser, command, &operands);
    *ret_command = command;
    return true;
}

/* ---- pipelines ---- */

static bool declare(Parser *parser, Node *pipe, Token variable) {
    if (parser->variable_count == VARIABLES_MAX) {
        return fail(parser, "too many variables");
    }
    add_name(parser, pipe, variable.text);
    parser->variables[parser->variable_count++] = variable.text;
    return true;
}

/* `$x :=`, `$x =`, and `$i, $e :=` in a range. */
static bool parse_declarations(Parser *parser, const char *context, Node *pipe) {
    for (;;) {
        Token variable = peek_non_space(parser);
        if (variable.type != TOKEN_VARIABLE) {
            return true;
        }
        (void)next_non_space(parser);
        /* A space token right after the variable matters to the grammar of commands, so it is put
         * back if this is none. */
        Token after = next(parser);
        Token word = after.type == TOKEN_SPACE ? next_non_space(parser) : after;
        if (word.type == TOKEN_ASSIGN || word.type == TOKEN_DECLARE) {
            pipe->is_assignment = word.type == TOKEN_ASSIGN;
            if (pipe->is_assignment && is_declared(parser, variable.text)) {
                add_name(parser, pipe, variable.text);
                return true;
            }
            /* Also `$x = 1` of what is nowhere declared: that is found when it runs. */
            return declare(parser, pipe, variable);
        }
        if (word.type == TOKEN_COMMA) {
            bool is_range = strcmp(context, "range") == 0;
            if (!declare(parser, pipe, variable)) {
                return false;
            }
            if (is_range && pipe->name_count < 2 && peek_non_space(parser).type == TOKEN_VARIABLE) {
                continue;
            }
            return fail(parser, arena_printf(parser->arena,
                                             is_range && pipe->name_count < 2
                                                 ? "range can only initialize variables"
                                                 : "too many declarations in %s",
                                             context)
                                    .ptr);
        }
        put_back(parser, word);
        if (after.type == TOKEN_SPACE) {
            put_back(parser, after);
        }
        put_back(parser, variable);
        return true;
    }
}

static bool is_executable(const Node *command) {
    NodeType type = command->children[0]->type;
    return !is_literal(type) || type == NODE_DOT;
}

/* A pipeline needs commands, and after the first only such as can take an argument. */
static bool check_pipeline(Parser *parser, const Node *pipe, const char *context) {
    if (pipe->child_count == 0) {
        return fail(parser, arena_printf(parser->arena, "missing value for %s", context).ptr);
    }
    for (size_t i = 1; i < pipe->child_count; i++) {
        if (!is_executable(pipe->children[i]) || pipe->children[i]->children[0]->type == NODE_DOT) {
            return fail(parser, arena_printf(parser->arena,
                                             "non executable command in pipeline stage %zu", i + 1)
                                    .ptr);
        }
    }
    return true;
}

static bool parse_commands(Parser *parser, const char *context, TokenType end, NodeList *commands) {
    for (;;) {
        Token token = next_non_space(parser);
        if (token.type == end) {
            return true;
        }
        switch (token.type) {
        case TOKEN_BOOL:
        case TOKEN_CHAR:
        case TOKEN_DOT:
        case TOKEN_FIELD:
        case TOKEN_IDENTIFIER:
        case TOKEN_NUMBER:
        case TOKEN_NIL:
        case TOKEN_RAW:
        case TOKEN_STRING:
        case TOKEN_VARIABLE:
        case TOKEN_LEFT_PAREN: {
            put_back(parser, token);
            Node *command = NULL;
            if (!parse_command(parser, &command)) {
                return false;
            }
            VEC_PUSH(*commands, items, command);
            break;
        }
        default:
            return unexpected(parser, token, context);
        }
    }
}

static bool parse_pipeline(Parser *parser, const char *context, TokenType end, Node **ret_pipe) {
    if (++parser->depth > DEPTH_MAX) {
        return fail(parser, "nested too deep");
    }
    AUTO(list_finish) NodeList commands = {0};
    Node *pipe = new_node(parser, NODE_PIPE, peek_non_space(parser).pos);
    if (!parse_declarations(parser, context, pipe) ||
        !parse_commands(parser, context, end, &commands)) {
        return false;
    }
    take_children(parser, pipe, &commands);
    parser->depth--;
    *ret_pipe = pipe;
    return check_pipeline(parser, pipe, context);
}

/* ---- lists and control ---- */

static bool parse_list(Parser *parser, Node **ret_list, TokenType *ret_end);

static Node *finish_list(Parser *parser, NodeList *nodes, uint32_t pos) {
    Node *list = new_node(parser, NODE_LIST, pos);
    take_children(parser, list, nodes);
    return list;
}

/* `else if` and `else with` are shorthands for a nested action that shares its {{end}}. */
static bool parse_else(Parser *parser, NodeType type, Node *control);

static bool parse_control(Parser *parser, NodeType type, const char *context, uint32_t pos,
                          Node **ret_node) {
    size_t variables = parser->variable_count;
    Node *control = new_node(parser, type, pos);
    Node *pipe = NULL, *list = NULL;
    TokenType end = TOKEN_EOF;
    if (!parse_pipeline(parser, context, TOKEN_RIGHT, &pipe)) {
        return false;
    }
    control->pipe = pipe;
    parser->range_depth += type == NODE_RANGE;
    if (!parse_list(parser, &list, &end)) {
        return false;
    }
    control->list = list;
    parser->range_depth -= type == NODE_RANGE;
    if (end == TOKEN_ELSE && !parse_else(parser, type, control)) {
        return false;
    }
    parser->variable_count = variables;
    *ret_node = control;
    return true;
}

static bool parse_else(Parser *parser, NodeType type, Node *control) {
    Token token = peek_non_space(parser);
    bool is_if = type == NODE_IF && token.type == TOKEN_IF;
    bool is_with = type == NODE_WITH && token.type == TOKEN_WITH;
    if (is_if || is_with) {
        (void)next_non_space(parser);
        AUTO(list_finish) NodeList nodes = {0};
        Node *nested = NULL;
        if (!parse_control(parser, is_if ? NODE_IF : NODE_WITH, is_if ? "if" : "with", token.pos,
                           &nested)) {
            return false;
        }
        VEC_PUSH(nodes, items, nested);
        control->else_list = finish_list(parser, &nodes, token.pos);
        return true;
    }
    token = next_non_space(parser);
    if (token.type != TOKEN_RIGHT) {
        return unexpected(parser, token, "else");
    }
    Node *list = NULL;
    TokenType end = TOKEN_EOF;
    if (!parse_list(parser, &list, &end)) {
        return false;
    }
    control->else_list = list;
    if (end != TOKEN_END) {
        return fail(parser, "expected end; found {{else}}");
    }
    return true;
}

static bool parse_name(Parser *parser, const char *context, Str *ret_name) {
    Token token = next_non_space(parser);
    Node *node = NULL;
    if (token.type != TOKEN_STRING && token.type != TOKEN_RAW) {
        return unexpected(parser, token, context);
    }
    if (!parse_string(parser, token, &node)) {
        return false;
    }
    *ret_name = node->value.string;
    return true;
}

static bool parse_template(Parser *parser, Node **ret_node) {
    Node *node = new_node(parser, NODE_TEMPLATE, peek_non_space(parser).pos);
    if (!parse_name(parser, "template clause", &node->text)) {
        return false;
    }
    if (peek_non_space(parser).type == TOKEN_RIGHT) {
        (void)next_non_space(parser);
    } else {
        Node *pipe = NULL;
        if (!parse_pipeline(parser, "template clause", TOKEN_RIGHT, &pipe)) {
            return false;
        }
        node->pipe = pipe;
    }
    *ret_node = node;
    return true;
}

/* True for text that is nothing but space and definitions: it replaces no tree of the same name. */
static bool is_empty_tree(const Node *root) {
    for (size_t i = 0; i < root->child_count; i++) {
        const Node *node = root->children[i];
        if (node->type != NODE_TEXT || str_trim(node->text).len) {
            return false;
        }
    }
    return true;
}

/* Of two in one text one has to be empty; a later text may replace what an earlier one defined. */
static bool add_tree(Parser *parser, Str name, const Node *root) {
    NamedTree tree = {arena_str(parser->arena, name), parser->parse_name, parser->text, root};
    NamedTree *known = tmpl_own_tree(parser->tmpl, name);
    if (!known) {
        tmpl_add_tree(parser->tmpl, tree);
        return true;
    }
    if (known->text.ptr == parser->text.ptr && !is_empty_tree(known->root) &&
        !is_empty_tree(root)) {
        return fail(parser, arena_printf(parser->arena,
                                         "template: multiple definition of template \"%.*s\"",
                                         STR_ARG(name))
                                .ptr);
    }
    if (is_empty_tree(known->root) || !is_empty_tree(root)) {
        *known = tree;
    }
    return true;
}

/* The body of {{define}} and {{block}}: variables of outside are not seen. */
static bool parse_body(Parser *parser, Str name) {
    size_t outer_count = parser->variable_count;
    int outer_ranges = parser->range_depth;
    Str *outer = arena_array(parser->arena, Str, outer_count + 1);
    memcpy(outer, parser->variables, outer_count * sizeof *outer);
    parser->variables[0] = STR("$");
    parser->variable_count = 1;
    parser->range_depth = 0;

    Node *root = NULL;
    TokenType end = TOKEN_EOF;
    if (!parse_list(parser, &root, &end)) {
        return false;
    }
    if (end != TOKEN_END) {
        return fail(parser, "unexpected {{else}} in define clause");
    }
    if (!add_tree(parser, name, root)) {
        return false;
    }
    memcpy(parser->variables, outer, outer_count * sizeof *outer);
    parser->variable_count = outer_count;
    parser->range_depth = outer_ranges;
    return true;
}

static bool parse_define(Parser *parser) {
    Str name = {0};
    if (!parse_name(parser, "define clause", &name)) {
        return false;
    }
    Token token = next_non_space(parser);
    if (token.type != TOKEN_RIGHT) {
        return unexpected(parser, token, "define clause");
    }
    return parse_body(parser, name);
}

/* {{block "n" arg}}...{{end}} defines n and calls it. */
static bool parse_block(Parser *parser, Node **ret_node) {
    Node *node = new_node(parser, NODE_TEMPLATE, peek_non_space(parser).pos);
    Node *pipe = NULL;
    if (!parse_name(parser, "block clause", &node->text) ||
        !parse_pipeline(parser, "block clause", TOKEN_RIGHT, &pipe) ||
        !parse_body(parser, node->text)) {
        return false;
    }
    node->pipe = pipe;
    *ret_node = node;
    return true;
}

static bool parse_jump(Parser *parser, NodeType type, const char *word, uint32_t pos,
                       Node **ret_node) {
    Token token = next_non_space(parser);
    if (token.type != TOKEN_RIGHT) {
        return unexpected(parser, token, arena_printf(parser->arena, "{{%s}}", word).ptr);
    }
    if (parser->range_depth == 0) {
        return fail(parser, arena_printf(parser->arena, "{{%s}} outside {{range}}", word).ptr);
    }
    *ret_node = new_node(parser, type, pos);
    return true;
}

/* What follows {{. `*ret_end` becomes END or ELSE where that ends the list; `*ret_node` stays NULL
 * for definitions. */
static bool parse_action(Parser *parser, Node **ret_node, TokenType *ret_end) {
    Token token = next_non_space(parser);
    switch (token.type) {
    case TOKEN_BLOCK:
        return parse_block(parser, ret_node);
    case TOKEN_BREAK:
        return parse_jump(parser, NODE_BREAK, "break", token.pos, ret_node);
    case TOKEN_CONTINUE:
        return parse_jump(parser, NODE_CONTINUE, "continue", token.pos, ret_node);
    case TOKEN_DEFINE:
        return parser->depth > 0 ? unexpected(parser, token, "command") : parse_define(parser);
    case TOKEN_ELSE:
        *ret_end = TOKEN_ELSE;
        return true;
    case TOKEN_END:
        *ret_end = TOKEN_END;
        token = next_non_space(parser);
        return token.type == TOKEN_RIGHT || unexpected(parser, token, "end");
    case TOKEN_IF:
        return parse_control(parser, NODE_IF, "if", token.pos, ret_node);
    case TOKEN_RANGE:
        return parse_control(parser, NODE_RANGE, "range", token.pos, ret_node);
    case TOKEN_WITH:
        return parse_control(parser, NODE_WITH, "with", token.pos, ret_node);
    case TOKEN_TEMPLATE:
        return parse_template(parser, ret_node);
    default:
        break;
    }
    put_back(parser, token);
    Node *action = new_node(parser, NODE_ACTION, token.pos);
    Node *pipe = NULL;
    if (!parse_pipeline(parser, "command", TOKEN_RIGHT, &pipe)) {
        return false;
    }
    action->pipe = pipe;
    *ret_node = action;
    return true;
}

static bool parse_into(Parser *parser, NodeList *nodes, TokenType *ret_end) {
    *ret_end = TOKEN_EOF;
    for (;;) {
        Token token = next(parser);
        if (token.type == TOKEN_EOF) {
            return true;
        }
        Node *node = NULL;
        if (token.type == TOKEN_TEXT) {
            node = new_node(parser, NODE_TEXT, token.pos);
            node->text = token.text;
        } else if (token.type != TOKEN_LEFT) {
            return unexpected(parser, token, "input");
        } else if (!parse_action(parser, &node, ret_end)) {
            return false;
        }
        if (*ret_end != TOKEN_EOF) {
            return true;
        }
        if (node) {
            VEC_PUSH(*nodes, items, node);
        }
    }
}

/* A list inside an action: has to be ended. */
static bool parse_list(Parser *parser, Node **ret_list, TokenType *ret_end) {
    if (++parser->depth > DEPTH_MAX) {
        return fail(parser, "nested too deep");
    }
    AUTO(list_finish) NodeList nodes = {0};
    uint32_t pos = peek(parser).pos;
    if (!parse_into(parser, &nodes, ret_end)) {
        return false;
    }
    if (*ret_end == TOKEN_EOF) {
        return fail(parser, "unexpected EOF");
    }
    parser->depth--;
    *ret_list = finish_list(parser, &nodes, pos);
    return true;
}

static bool parse_whole(Parser *parser, Node **ret_root) {
    AUTO(list_finish) NodeList nodes = {0};
    TokenType end = TOKEN_EOF;
    if (!parse_into(parser, &nodes, &end)) {
        return false;
    }
    if (end != TOKEN_EOF) {
        return fail(parser, end == TOKEN_END ? "unexpected {{end}}" : "unexpected {{else}}");
    }
    *ret_root = finish_list(parser, &nodes, 0);
    return true;
}

bool tmpl_parse_text(Tmpl *tmpl, Str name, Str text, Err *err) {
    Parser *parser = mem_zero(1, sizeof *parser);
    parser->tmpl = tmpl;
    parser->arena = &tmpl->arena;
    parser->parse_name = arena_str(&tmpl->arena, name);
    parser->text = arena_str(&tmpl->arena, text);
    parser->err = err;
    parser->lexer = (Lexer){.arena = &tmpl->arena,
                            .input = parser->text,
                            .left = tmpl->left,
                            .right = tmpl->right,
                            .line = 1};
    parser->line = 1;
    parser->variables[parser->variable_count++] = STR("$");
    Node *root = NULL;
    bool ok = parse_whole(parser, &root);
    ok = ok && add_tree(parser, name, root);
    free(parser);
    return ok;
}
