/* Writing a YAML tree back, in block style; texts are quoted where they would be read as something
 * else. */

#include "base/buf.h"
#include "base/yaml.h"

enum { INDENT_STEP = 2, KEY_BYTES_MAX = 128 };

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

/* A first byte that YAML takes for its own ('<' and '=' are keys of YAML 1.1), except in -1 and
 * -.5. */
static bool begins_with_indicator(Str text) {
    static const char indicators[] = " ,[]{}#&*!|>'\"%@`-?:<=";
    return memchr(indicators, text.ptr[0], sizeof indicators) &&
           !(text.ptr[0] == '-' && text.len > 1 && looks_like_number(text));
}

/* True if the text, unquoted, is read back as one scalar with this text. */
static bool can_be_plain(Str text) {
    if (text.len == 0 || begins_with_indicator(text) || str_starts(text, STR("..."))) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        bool at_end = i + 1 == text.len || text.ptr[i + 1] == ' ';
        bool ends_key = byte == ':' && at_end;
        bool opens_comment = byte == ' ' && (i + 1 == text.len || text.ptr[i + 1] == '#');
        if (byte < ' ' || byte >= 0x7f || ends_key || opens_comment) {
            return false;
        }
    }
    return true;
}

/* Lines that may stand below "|" as they are, without an indentation indicator. */
static bool can_be_literal(Str text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if ((byte < ' ' && byte != '\n') || byte >= 0x7f) {
            return false;
        }
    }
    return memchr(text.ptr, '\n', text.len) && text.ptr[0] != ' ' && text.ptr[0] != '\n';
}

static void put_indent(Buf *buf, int indent) {
    for (int i = 0; i < indent; i++) {
        buf_byte(buf, ' ');
    }
}

/* Ends without the last line's end, as print_scalar() does. */
static void print_literal(Buf *buf, Str text, int indent) {
    bool ends_line = str_ends(text, STR("\n"));
    bool ends_empty_line = str_ends(text, STR("\n\n"));
    buf_str(buf, ends_empty_line ? STR("|+") : ends_line ? STR("|") : STR("|-"));
    text.len -= ends_line;
    for (bool more = true; more;) {
        size_t len = str_find(text, '\n');
        buf_byte(buf, '\n');
        put_indent(buf, len ? indent : 0);
        buf_put(buf, text.ptr, len);
        more = len < text.len;
        text = str_skip(text, len + more);
    }
}

/* The character `text` starts with, of `len` bytes of well-formed UTF-8. */
static uint32_t decode(Str text, size_t len) {
    uint32_t code = (unsigned char)text.ptr[0];
    code &= len == 1 ? 0x7f : 0x7fu >> len;
    for (size_t i = 1; i < len; i++) {
        code = code << 6 | ((unsigned char)text.ptr[i] & 0x3f);
    }
    return code;
}

/* c-printable of YAML 1.1, section 5.1, without line breaks: NEL and the separators are some there.
 */
static bool is_printable(uint32_t code) {
    return (code >= ' ' && code < 0x7f) || (code >= 0xa0 && code != 0x2028 && code != 0x2029 &&
                                            code != 0xfeff && code != 0xfffe && code != 0xffff);
}

static void put_quoted(Buf *buf, Str text) {
    buf_byte(buf, '"');
    while (text.len) {
        size_t len = str_utf8_len(text);
        uint32_t code = len ? decode(text, len) : 0xfffd;
        if (code == '"' || code == '\\') {
            buf_printf(buf, "\\%c", (char)code);
        } else if (code == '\n') {
            buf_str(buf, STR("\\n"));
        } else if (len && is_printable(code)) {
            buf_put(buf, text.ptr, len);
        } else {
            buf_printf(buf, "\\u%04x", code);
        }
        text = str_skip(text, len ? len : 1);
    }
    buf_byte(buf, '"');
}

/* On one line. */
static void print_short(Buf *buf, const YamlNode *node) {
    bool could_be_other =
        node->quoted && (is_word_of_other_type(node->text) || looks_like_number(node->text));
    if (can_be_plain(node->text) && !could_be_other) {
        buf_str(buf, node->text);
    } else {
        put_quoted(buf, node->text);
    }
}

static void print_scalar(Buf *buf, const YamlNode *node, int indent) {
    if (can_be_literal(node->text)) {
        print_literal(buf, node->text, indent + INDENT_STEP);
    } else {
        print_short(buf, node);
    }
}

/* YAML allows "key: value" up to 1024 characters of key, escapes included; beyond that it has to be
 * told that a key follows. */
static void print_key(Buf *buf, const YamlNode *key, int indent) {
    bool is_long = key->text.len > KEY_BYTES_MAX;
    buf_str(buf, is_long ? STR("? ") : STR(""));
    print_short(buf, key);
    if (is_long) {
        buf_byte(buf, '\n');
        put_indent(buf, indent);
    }
    buf_byte(buf, ':');
}

static bool is_block(const YamlNode *node) {
    return (node->kind == YAML_MAP || node->kind == YAML_LIST) && node->count > 0;
}

/* What fits behind "key: " or "- ". */
static void print_inline(Buf *buf, const YamlNode *node, int indent) {
    switch (node->kind) {
    case YAML_NULL:
        buf_str(buf, STR("null"));
        break;
    case YAML_SCALAR:
        print_scalar(buf, node, indent);
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
            print_key(buf, node->pairs[i].key, indent);
            buf_byte(buf, is_block(value) ? '\n' : ' ');
            put_indent(buf, is_block(value) ? indent + INDENT_STEP : 0);
        }
        if (is_block(value)) {
            print_block(buf, value, indent + INDENT_STEP);
        } else {
            print_inline(buf, value, indent);
            buf_byte(buf, '\n');
        }
    }
}

void yaml_print(Buf *buf, const YamlNode *node, int indent) {
    put_indent(buf, indent);
    if (is_block(node)) {
        print_block(buf, node, indent);
    } else {
        print_inline(buf, node, indent);
        buf_byte(buf, '\n');
    }
}
