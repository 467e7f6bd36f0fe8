/* Nodes back to text, as Go's String() methods write them: for messages and canonical forms. */

#include "base/go_text.h"
#include "tmpl/node.h"

static void put_names(Buf *buf, const Node *node, size_t from) {
    for (size_t i = from; i < node->name_count; i++) {
        buf_byte(buf, '.');
        buf_str(buf, node->names[i]);
    }
}

static void print_pipe(Buf *buf, const Node *pipe) {
    for (size_t i = 0; i < pipe->name_count; i++) {
        buf_printf(buf, "%s%.*s", i ? ", " : "", STR_ARG(pipe->names[i]));
    }
    if (pipe->name_count) {
        buf_str(buf, pipe->is_assignment ? STR(" = ") : STR(" := "));
    }
    for (size_t i = 0; i < pipe->child_count; i++) {
        buf_str(buf, i ? STR(" | ") : STR(""));
        tmpl_node_print(buf, pipe->children[i], false);
    }
}

static void print_operand(Buf *buf, const Node *node) {
    if (node->type == NODE_PIPE) {
        buf_byte(buf, '(');
        print_pipe(buf, node);
        buf_byte(buf, ')');
    } else {
        tmpl_node_print(buf, node, false);
    }
}

static void print_control(Buf *buf, const Node *node, bool quote_text) {
    static const char *const words[] = {
        [NODE_IF] = "if", [NODE_RANGE] = "range", [NODE_WITH] = "with"};
    buf_printf(buf, "{{%s ", words[node->type]);
    print_pipe(buf, node->pipe);
    buf_str(buf, STR("}}"));
    tmpl_node_print(buf, node->list, quote_text);
    if (node->else_list) {
        buf_str(buf, STR("{{else}}"));
        tmpl_node_print(buf, node->else_list, quote_text);
    }
    buf_str(buf, STR("{{end}}"));
}

static void print_template(Buf *buf, const Node *node) {
    buf_str(buf, STR("{{template "));
    go_quote(buf, node->text, 0);
    if (node->pipe) {
        buf_byte(buf, ' ');
        print_pipe(buf, node->pipe);
    }
    buf_str(buf, STR("}}"));
}

void tmpl_node_print(Buf *buf, const Node *node, bool quote_text) {
    switch (node->type) {
    case NODE_LIST:
        for (size_t i = 0; i < node->child_count; i++) {
            tmpl_node_print(buf, node->children[i], quote_text);
        }
        return;
    case NODE_TEXT:
        if (quote_text) {
            go_quote(buf, node->text, 0);
        } else {
            buf_str(buf, node->text);
        }
        return;
    case NODE_ACTION:
        buf_str(buf, STR("{{"));
        print_pipe(buf, node->pipe);
        buf_str(buf, STR("}}"));
        return;
    case NODE_IF:
    case NODE_RANGE:
    case NODE_WITH:
        print_control(buf, node, quote_text);
        return;
    case NODE_TEMPLATE:
        print_template(buf, node);
        return;
    case NODE_BREAK:
        buf_str(buf, STR("{{break}}"));
        return;
    case NODE_CONTINUE:
        buf_str(buf, STR("{{continue}}"));
        return;
    case NODE_PIPE:
        print_pipe(buf, node);
        return;
    case NODE_COMMAND:
        for (size_t i = 0; i < node->child_count; i++) {
            buf_str(buf, i ? STR(" ") : STR(""));
            print_operand(buf, node->children[i]);
        }
        return;
    case NODE_FIELD:
        put_names(buf, node, 0);
        return;
    case NODE_VARIABLE:
        buf_str(buf, node->names[0]);
        put_names(buf, node, 1);
        return;
    case NODE_CHAIN:
        print_operand(buf, node->children[0]);
        put_names(buf, node, 0);
        return;
    case NODE_IDENTIFIER:
    case NODE_NUMBER:
    case NODE_STRING:
        buf_str(buf, node->text);
        return;
    case NODE_DOT:
        buf_byte(buf, '.');
        return;
    case NODE_NIL:
        buf_str(buf, STR("nil"));
        return;
    case NODE_BOOL:
        buf_str(buf, node->value.boolean ? STR("true") : STR("false"));
        return;
    }
}
