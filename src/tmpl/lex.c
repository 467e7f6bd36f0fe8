#include "tmpl/lex.h"

#include <ctype.h>

#include "base/go_text.h"
#include "tmpl/text.h"

static const struct {
    const char *word;
    TokenType type;
} keywords[] = {
    {"block", TOKEN_BLOCK},   {"break", TOKEN_BREAK}, {"continue", TOKEN_CONTINUE},
    {"define", TOKEN_DEFINE}, {"else", TOKEN_ELSE},   {"end", TOKEN_END},
    {"if", TOKEN_IF},         {"range", TOKEN_RANGE}, {"template", TOKEN_TEMPLATE},
    {"with", TOKEN_WITH},     {"nil", TOKEN_NIL},     {"true", TOKEN_BOOL},
    {"false", TOKEN_BOOL},
};

static Str rest(const Lexer *lexer) {
    return str_skip(lexer->input, lexer->at);
}

static Token take(Lexer *lexer, TokenType type, size_t len) {
    Token token = {type, {lexer->input.ptr + lexer->at, len}, (uint32_t)lexer->at, lexer->line};
    for (size_t i = 0; i < len; i++) {
        lexer->line += token.text.ptr[i] == '\n';
    }
    lexer->at += len;
    return token;
}

static Token complain(Lexer *lexer, const char *text) {
    Token token = {TOKEN_ERROR, arena_str(lexer->arena, str_of(text)), (uint32_t)lexer->at,
                   lexer->line};
    lexer->at = lexer->input.len;
    return token;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Letters, digits, '_' and all of Unicode beyond ASCII that is a letter or digit there. */
static size_t word_char(Str text) {
    if (text.len == 0) {
        return 0;
    }
    unsigned char c = (unsigned char)text.ptr[0];
    if (c < 0x80) {
        return isalnum(c) || c == '_' ? 1 : 0;
    }
    int32_t rune;
    size_t len = utf8_next(text, 0, &rune);
    return text_is_letter((uint32_t)rune) ? len : 0;
}

static size_t word_length(Str text) {
    size_t len = 0;
    for (size_t step; (step = word_char(str_skip(text, len))); len += step) {
    }
    return len;
}

/* ---- text ---- */

static size_t find_left(const Lexer *lexer) {
    Str text = rest(lexer);
    const char *found = memmem(text.ptr, text.len, lexer->left.ptr, lexer->left.len);
    return found ? (size_t)(found - text.ptr) : text.len;
}

static bool trims_left(const Lexer *lexer, size_t delimiter_at) {
    size_t at = lexer->at + delimiter_at + lexer->left.len;
    return at + 1 < lexer->input.len && lexer->input.ptr[at] == '-' &&
           is_space(lexer->input.ptr[at + 1]);
}

static Token lex_text(Lexer *lexer) {
    size_t len = find_left(lexer);
    size_t from = 0, to = len;
    while (lexer->trim_next && from < to && is_space(lexer->input.ptr[lexer->at + from])) {
        from++;
    }
    if (lexer->at + len < lexer->input.len && trims_left(lexer, len)) {
        while (to > from && is_space(lexer->input.ptr[lexer->at + to - 1])) {
            to--;
        }
    }
    lexer->trim_next = false;
    Token skipped = take(lexer, TOKEN_TEXT, from);
    Token token = take(lexer, TOKEN_TEXT, to - from);
    (void)skipped;
    (void)take(lexer, TOKEN_TEXT, len - to);
    return token;
}

/* ---- actions ---- */

/* Length of the closing delimiter at `text`, trim marker included; 0 if there is none. */
static size_t right_delimiter(const Lexer *lexer, Str text, bool *ret_trims) {
    *ret_trims = text.len >= 2 && is_space(text.ptr[0]) && text.ptr[1] == '-' &&
                 str_starts(str_skip(text, 2), lexer->right);
    if (*ret_trims) {
        return 2 + lexer->right.len;
    }
    return str_starts(text, lexer->right) ? lexer->right.len : 0;
}

/* A comment has to fill its action. */
static bool skip_comment(Lexer *lexer, size_t from, Token *ret_error) {
    Str text = str_skip(rest(lexer), from);
    const char *end = memmem(text.ptr, text.len, "*/", 2);
    if (!end) {
        *ret_error = complain(lexer, "unclosed comment");
        return false;
    }
    size_t len = from + (size_t)(end - text.ptr) + 2;
    bool trims = false;
    size_t delimiter = right_delimiter(lexer, str_skip(rest(lexer), len), &trims);
    if (delimiter == 0) {
        *ret_error = complain(lexer, "comment ends before closing delimiter");
        return false;
    }
    (void)take(lexer, TOKEN_TEXT, len + delimiter);
    lexer->trim_next = trims;
    return true;
}

/* At a left delimiter: enters the action, or skips a comment and goes on with text. */
static bool enter_action(Lexer *lexer, Token *ret_token) {
    size_t marker = trims_left(lexer, 0) ? 2 : 0;
    Str after = str_skip(rest(lexer), lexer->left.len + marker);
    if (str_starts(after, STR("/*"))) {
        return !skip_comment(lexer, lexer->left.len + marker, ret_token);
    }
    *ret_token = take(lexer, TOKEN_LEFT, lexer->left.len);
    /* The marker's '-' goes; its space is a token like any other. */
    (void)take(lexer, TOKEN_TEXT, marker ? 1 : 0);
    lexer->in_action = true;
    lexer->parens = 0;
    return true;
}

static Token lex_quoted(Lexer *lexer, TokenType type, char quote, const char *complaint) {
    Str text = rest(lexer);
    for (size_t i = 1; i < text.len; i++) {
        if (text.ptr[i] == '\\' && quote != '`') {
            i++;
        } else if (text.ptr[i] == '\n' && quote != '`') {
            break;
        } else if (text.ptr[i] == quote) {
            return take(lexer, type, i + 1);
        }
    }
    return complain(lexer, complaint);
}

/* What may stand after a word. */
static bool at_terminator(const Lexer *lexer) {
    Str text = rest(lexer);
    if (text.len == 0 || is_space(text.ptr[0]) || strchr(".,|:)(=", text.ptr[0])) {
        return true;
    }
    return str_starts(text, lexer->right);
}

static Token complain_of_char(Lexer *lexer, const char *what) {
    int32_t rune;
    size_t len = utf8_next(rest(lexer), 0, &rune);
    bool is_printable = rune >= 0x20 && rune != 0x7f && !(rune >= 0x80 && rune <= 0xa0);
    Str text = is_printable ? arena_printf(lexer->arena, "%s U+%04X '%.*s'", what, (unsigned)rune,
                                           (int)len, lexer->input.ptr + lexer->at)
                            : arena_printf(lexer->arena, "%s U+%04X", what, (unsigned)rune);
    return complain(lexer, arena_cstr(lexer->arena, text));
}

static Token lex_word(Lexer *lexer, TokenType type, size_t prefix) {
    size_t len = prefix + word_length(str_skip(rest(lexer), prefix));
    Token token = take(lexer, type, len);
    if (!at_terminator(lexer)) {
        return complain_of_char(lexer, "bad character");
    }
    for (size_t i = 0; type == TOKEN_IDENTIFIER && i < sizeof keywords / sizeof keywords[0]; i++) {
        if (str_eq(token.text, str_of(keywords[i].word))) {
            token.type = keywords[i].type;
        }
    }
    return token;
}

/* Digits of Go's number syntax; what they mean is found out by the parser. */
static Token lex_number(Lexer *lexer) {
    Str text = rest(lexer);
    size_t len = text.ptr[0] == '+' || text.ptr[0] == '-';
    bool is_hex = text.len > len + 1 && text.ptr[len] == '0' && (text.ptr[len + 1] | 0x20) == 'x';
    for (; len < text.len; len++) {
        char c = text.ptr[len];
        bool is_exponent_sign =
            (c == '+' || c == '-') && len > 0 &&
            (is_hex ? (text.ptr[len - 1] | 0x20) == 'p' : (text.ptr[len - 1] | 0x20) == 'e');
        if (!isalnum((unsigned char)c) && c != '.' && c != '_' && !is_exponent_sign) {
            break;
        }
    }
    Token token = take(lexer, TOKEN_NUMBER, len);
    if (!at_terminator(lexer)) {
        return complain(
            lexer,
            arena_cstr(lexer->arena, arena_printf(lexer->arena, "bad number syntax: \"%.*s%c\"",
                                                  STR_ARG(token.text), rest(lexer).ptr[0])));
    }
    return token;
}

static Token lex_close(Lexer *lexer, bool trims, size_t len) {
    if (lexer->parens > 0) {
        return complain(lexer, "unclosed left paren");
    }
    if (trims) {
        (void)take(lexer, TOKEN_TEXT, 2);
        len -= 2;
    }
    lexer->in_action = false;
    lexer->trim_next = trims;
    return take(lexer, TOKEN_RIGHT, len);
}

static Token lex_space(Lexer *lexer) {
    Str text = rest(lexer);
    size_t len = 0;
    while (len < text.len && is_space(text.ptr[len])) {
        len++;
    }
    /* The last space belongs to a closing ` -}}`. */
    bool trims = false;
    if (right_delimiter(lexer, str_skip(text, len - 1), &trims) && trims) {
        len--;
    }
    return take(lexer, TOKEN_SPACE, len);
}

static Token lex_paren(Lexer *lexer, char c) {
    lexer->parens += c == '(' ? 1 : -1;
    if (lexer->parens < 0) {
        return complain(lexer, "unexpected right paren");
    }
    return take(lexer, c == '(' ? TOKEN_LEFT_PAREN : TOKEN_RIGHT_PAREN, 1);
}

static Token lex_in_action(Lexer *lexer) {
    Str text = rest(lexer);
    bool trims = false;
    size_t close = right_delimiter(lexer, text, &trims);
    if (close) {
        return lex_close(lexer, trims, close);
    }
    if (text.len == 0) {
        return complain(lexer, "unclosed action");
    }
    char c = text.ptr[0], next = text.len > 1 ? text.ptr[1] : 0;
    switch (c) {
    case ' ':
    case '\t':
    case '\r':
    case '\n':
        return lex_space(lexer);
    case '=':
        return take(lexer, TOKEN_ASSIGN, 1);
    case ':':
        return next == '=' ? take(lexer, TOKEN_DECLARE, 2) : complain(lexer, "expected :=");
    case '|':
        return take(lexer, TOKEN_PIPE, 1);
    case ',':
        return take(lexer, TOKEN_COMMA, 1);
    case '"':
        return lex_quoted(lexer, TOKEN_STRING, '"', "unterminated quoted string");
    case '`':
        return lex_quoted(lexer, TOKEN_RAW, '`', "unterminated raw quoted string");
    case '\'':
        return lex_quoted(lexer, TOKEN_CHAR, '\'', "unterminated character constant");
    case '(':
    case ')':
        return lex_paren(lexer, c);
    case '$':
        return lex_word(lexer, TOKEN_VARIABLE, 1);
    case '.':
        if (isdigit((unsigned char)next)) {
            return lex_number(lexer);
        }
        return word_char(str_skip(text, 1)) ? lex_word(lexer, TOKEN_FIELD, 1)
                                            : take(lexer, TOKEN_DOT, 1);
    default:
        break;
    }
    if (c == '+' || c == '-' || isdigit((unsigned char)c)) {
        return lex_number(lexer);
    }
    if (word_char(text)) {
        return lex_word(lexer, TOKEN_IDENTIFIER, 0);
    }
    return c > ' ' && c < 0x7F ? take(lexer, TOKEN_OTHER, 1)
                               : complain_of_char(lexer, "unrecognized character in action:");
}

Token tmpl_lexer_next(Lexer *lexer) {
    while (!lexer->in_action) {
        if (lexer->at == lexer->input.len) {
            return take(lexer, TOKEN_EOF, 0);
        }
        if (str_starts(rest(lexer), lexer->left)) {
            Token token = {0};
            lexer->trim_next = false;
            if (enter_action(lexer, &token)) {
                return token;
            }
            continue;
        }
        Token text = lex_text(lexer);
        if (text.text.len) {
            return text;
        }
    }
    return lex_in_action(lexer);
}

Str tmpl_token_show(Arena *arena, Token token) {
    if (token.type == TOKEN_EOF) {
        return STR("EOF");
    }
    if (token.type == TOKEN_ERROR) {
        return token.text;
    }
    if (token.type >= TOKEN_BLOCK || token.type == TOKEN_DOT || token.type == TOKEN_NIL) {
        return arena_printf(arena, "<%.*s>", STR_ARG(token.text));
    }
    AUTO(buf_finish) Buf quoted = {0};
    bool is_long = token.text.len > 10;
    go_quote(&quoted, token.text, 10);
    return arena_printf(arena, "%.*s%s", STR_ARG(buf_view(&quoted)), is_long ? "..." : "");
}
