/* Writing a YAML tree back, in block style; texts are quoted where they would be read as something
 * else. */

#include "base/json.h"
#include "base/number.h"
#include "base/yaml.h"

enum { INDENT_STEP = 2 };

/* Words that are no text when they stand unquoted, in YAML 1.1 or 1.2. */
static bool is_word_of_other_type(Str text) {
    static const char *const words[] = {"~",   "null", "true", "false", "yes",   "no",    "on",
                                        "off", "y",    "n",    ".inf",  "+.inf", "-.inf", ".nan"};
    char lower[8];
    if (text.len > sizeof lower) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (str_eq((Str){lower, text.len}, str_of(words[i]))) {
            return true;
        }
    }
    return false;
}

/* A generous guess: dates, octals, sexagesimals and the like begin as numbers do. */
static bool looks_like_number(Str text) {
    char c = text.ptr[text.len > 1 && (text.ptr[0] == '-' || text.ptr[0] == '+') ? 1 : 0];
    return (c >= '0' && c <= '9') || c == '.';
}

/* True if the text, unquoted, is read back as one scalar with this text. */
static bool can_be_plain(Str text) {
    if (text.len == 0 || memchr(",[]{}#&*!|>'\"%@`-?: <=", text.ptr[0], 23) ||
        text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == ':' || !str_is_utf8(text)) {
        return text.len > 1 && text.ptr[0] == '-' && looks_like_number(text) &&
               !memchr(text.ptr, ' ', text.len) && !memchr(text.ptr, ':', text.len);
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        bool opens_comment = byte == '#' && text.ptr[i - 1] == ' ';
        bool ends_key = byte == ':' && text.ptr[i + 1] == ' ';
        if (byte < ' ' || byte >= 0x7f || opens_comment || ends_key) {
            return false;
        }
    }
    return !str_starts(text, STR("..."));
}

static void print_scalar(Buf *buf, const YamlNode *node) {
    bool plain =
        can_be_plain(node->text) &&
        (!node->quoted || (!is_word_of_other_type(node->text) && !looks_like_number(node->text)));
    if (plain) {
        buf_str(buf, node->text);
    } else {
        json_quote(buf, node->text);
    }
}

static void put_indent(Buf *buf, int indent) {
    for (int i = 0; i < indent; i++) {
        buf_byte(buf, ' ');
    }
}

static bool is_block(const YamlNode *node) {
    return (node->kind == YAML_MAP || node->kind == YAML_LIST) && node->count > 0;
}

/* What fits behind "key: " or "- ". */
static void print_inline(Buf *buf, const YamlNode *node) {
    switch (node->kind) {
    case YAML_NULL:
        buf_str(buf, STR("null"));
        break;
    case YAML_SCALAR:
        print_scalar(buf, node);
        break;
    case YAML_LIST:
        buf_str(buf, STR("[]"));
        break;
    case YAML_MAP:
        buf_str(buf, STR("{}"));
        break;
    }
}

/* The lines of a container, the first without its indentation: it may stand behind "- ". */
static void print_block(Buf *buf, const YamlNode *node, int indent) {
    for (size_t i = 0; i < node->count; i++) {
        if (i) {
            put_indent(buf, indent);
        }
        const YamlNode *value;
        if (node->kind == YAML_LIST) {
            value = node->items[i];
            buf_str(buf, STR("- "));
        } else {
            value = node->pairs[i].value;
            print_scalar(buf, node->pairs[i].key);
            buf_byte(buf, ':');
            buf_byte(buf, is_block(value) ? '\n' : ' ');
            put_indent(buf, is_block(value) ? indent + INDENT_STEP : 0);
        }
        if (is_block(value)) {
            print_block(buf, value, indent + INDENT_STEP);
        } else {
            print_inline(buf, value);
            buf_byte(buf, '\n');
        }
    }
}

void yaml_print(Buf *buf, const YamlNode *node, int indent) {
    put_indent(buf, indent);
    if (is_block(node)) {
        print_block(buf, node, indent);
    } else {
        print_inline(buf, node);
        buf_byte(buf, '\n');
    }
}
