#pragma once

/*
 * The tree of a template, and the set of named trees behind `Tmpl`. Built by parse.c, walked by
 * exec.c, printed by tmpl_node_print.c.
 */

#include "tmpl/tmpl.h"

typedef enum NodeType {
    NODE_LIST,   /* children */
    NODE_TEXT,   /* text */
    NODE_ACTION, /* pipe */
    NODE_IF,     /* pipe, list, else_list; RANGE and WITH too */
    NODE_RANGE,
    NODE_WITH,
    NODE_TEMPLATE, /* text: the name; pipe: its argument or NULL */
    NODE_BREAK,
    NODE_CONTINUE,
    NODE_PIPE,       /* names: variables declared; children: commands */
    NODE_COMMAND,    /* children: operands */
    NODE_FIELD,      /* names: .A.B */
    NODE_VARIABLE,   /* names: $x, then fields */
    NODE_CHAIN,      /* children[0], then names as fields */
    NODE_IDENTIFIER, /* text: a function */
    NODE_DOT,
    NODE_NIL,
    NODE_BOOL,
    NODE_NUMBER, /* text as written; value */
    NODE_STRING, /* text as written; value */
} NodeType;

typedef struct Node Node;

typedef struct NodeList {
    Node **items;
    size_t items_count, items_cap; /* on the heap while it grows, then in the arena: see parse.c */
} NodeList;

struct Node {
    NodeType type;
    bool is_assignment; /* PIPE: = and not := */
    uint32_t pos;       /* byte offset in its text */
    uint32_t line;
    Str text;
    TmplValue value;
    bool is_int, is_float; /* NUMBER: what it can stand for */
    Str *names;
    size_t name_count;
    Node *const *children;
    size_t child_count;
    const Node *pipe, *list, *else_list;
    const TmplFunc *func; /* IDENTIFIER; NULL: Go's builtins with their own evaluation (and, or) */
};

typedef struct NamedTree {
    Str name;       /* of the template */
    Str parse_name; /* of the text it stands in, for messages */
    Str text;
    const Node *root;
} NamedTree;

struct Tmpl {
    Arena arena;
    Str name; /* of the main template */
    const TmplFunc *const *funcs;
    bool missing_zero, missing_error, html;
    Str left, right;
    NamedTree *trees;
    size_t trees_count, trees_cap;
    uint32_t *tree_slots;   /* 1 + index of the tree, by hash of its name; 0 = free */
    size_t tree_slot_count; /* a power of two, or 0 */
    const Tmpl *base;       /* looked in after the own trees */
};

/* The tree called `name`, also in the bases; NULL if there is none. */
const NamedTree *tmpl_find(const Tmpl *tmpl, Str name);

/* The template's own tree of that name; NULL if there is none. */
NamedTree *tmpl_own_tree(const Tmpl *tmpl, Str name);
/* Adds one whose name is new. */
void tmpl_add_tree(Tmpl *tmpl, NamedTree tree);

/* The function called `name`, from the template's sets or Go's builtins. */
const TmplFunc *tmpl_find_func(const Tmpl *tmpl, Str name);

/* Parses one text into `tmpl`: its own tree under `name`, and those it defines. */
bool tmpl_parse_text(Tmpl *tmpl, Str name, Str text, Err *err) MUST_CHECK;

/* The node as Go prints it back; with `quote_text` text nodes are quoted. */
void tmpl_node_print(Buf *buf, const Node *node, bool quote_text);

/* Go's builtin functions, {0}-terminated. */
extern const TmplFunc tmpl_funcs_go[];
