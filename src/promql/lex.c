/* The lexer of PromQL. */

#include "promql/lex.h"

#include <assert.h>
#include <strings.h>

#include "base/go_text.h"
#include "promql/functions.h"

typedef struct Keyword {
    const char *name;
    TokenKind kind;
} Keyword;

static const Keyword keywords[] = {
    {"and", TOKEN_LAND},
    {"or", TOKEN_LOR},
    {"unless", TOKEN_LUNLESS},
    {"atan2", TOKEN_ATAN2},

    {"bool", TOKEN_BOOL},
    {"by", TOKEN_BY},
    {"group_left", TOKEN_GROUP_LEFT},
    {"group_right", TOKEN_GROUP_RIGHT},
    {"fill", TOKEN_FILL},
    {"fill_left", TOKEN_FILL_LEFT},
    {"fill_right", TOKEN_FILL_RIGHT},
    {"ignoring", TOKEN_IGNORING},
    {"offset", TOKEN_OFFSET},
    {"smoothed", TOKEN_SMOOTHED},
    {"anchored", TOKEN_ANCHORED},
    {"on", TOKEN_ON},
    {"without", TOKEN_WITHOUT},

    {"start", TOKEN_START},
    {"end", TOKEN_END},
    {"step", TOKEN_STEP},
    {"range", TOKEN_RANGE},
    {"max_of", TOKEN_MAX_OF},
    {"min_of", TOKEN_MIN_OF},

    {"inf", TOKEN_NUMBER},
    {"nan", TOKEN_NUMBER},
};

Lexer lexer_of(Arena *arena, Str text) {
    assert(text.len <= UINT32_MAX);
    return (Lexer){.text = text, .arena = arena};
}

/* The byte `ahead` of the position, 0 at the end. (A NUL in the text is no character of the
 * language either.) */
static char peek(const Lexer *lexer, uint32_t ahead) {
    size_t at = (size_t)lexer->at + ahead;
    return at < lexer->text.len ? lexer->text.ptr[at] : '\0';
}

static bool at_end(const Lexer *lexer) {
    return lexer->at >= lexer->text.len;
}

static bool accept(Lexer *lexer, const char *bytes) {
    char byte = peek(lexer, 0);
    if (byte && strchr(bytes, byte)) {
        lexer->at++;
        return true;
    }
    return false;
}

static Token token_of(const Lexer *lexer, TokenKind kind, uint32_t start) {
    return (Token){.kind = kind,
                   .start = start,
                   .end = lexer->at,
                   .text = {lexer->text.ptr + start, lexer->at - start}};
}

/* Consumes `length` bytes as one token. */
static Token take(Lexer *lexer, TokenKind kind, uint32_t length) {
    uint32_t start = lexer->at;
    lexer->at += length;
    return token_of(lexer, kind, start);
}

/* Ends the stream with a complaint at `start`. */
static Token complain(Lexer *lexer, uint32_t start, Str message) {
    lexer->ended = true;
    return (Token){
        .kind = TOKEN_ERROR, .start = start, .end = (uint32_t)lexer->text.len, .message = message};
}

/* The same with the character at `at` behind the words, as Go's %q shows it. */
static Token complain_of(Lexer *lexer, uint32_t start, const char *words, uint32_t at,
                         const char *rest) {
    int32_t rune;
    utf8_next(lexer->text, at, &rune);
    AUTO(buf_finish) Buf message = {0};
    buf_str(&message, str_of(words));
    go_quote_rune(&message, rune, false);
    buf_str(&message, str_of(rest));
    return complain(lexer, start, arena_str(lexer->arena, buf_view(&message)));
}

/* And with the text from `start` to the position. */
static Token complain_text(Lexer *lexer, uint32_t start, const char *words) {
    AUTO(buf_finish) Buf message = {0};
    buf_str(&message, str_of(words));
    go_quote(&message, (Str){lexer->text.ptr + start, lexer->at - start}, 0);
    return complain(lexer, start, arena_str(lexer->arena, buf_view(&message)));
}

/*
 * Numbers. What is taken here is not yet a number, only what can be nothing else; the parser reads
 * its value. Digits may be parted by underscores; dots and exponents may stand once and not next to
 * each other or to an underscore. Hexadecimal has no fractions.
 */
static bool scan_number(Lexer *lexer) {
    uint32_t start = lexer->at;
    const char *digits = "0123456789";
    if (accept(lexer, "0") && accept(lexer, "xX")) {
        accept(lexer, "_");
        digits = "0123456789abcdefABCDEF";
    }
    bool hex = digits[10] != '\0';
    accept(lexer, ".");
    accept(lexer, digits);
    bool dot = false;
    bool exponent = false;
    for (;;) {
        char byte = peek(lexer, 0);
        if (byte == '.') {
            lexer->at++;
            if (dot || accept(lexer, "_.") || hex) {
                return false;
            }
            dot = true;
        } else if (byte == 'e' || byte == 'E') {
            lexer->at++;
            if (exponent) {
                return false;
            }
            exponent = true;
            accept(lexer, "+-");
            if (accept(lexer, "._eE") || at_end(lexer)) {
                return false;
            }
        } else if (byte == '_') {
            lexer->at++;
            if (accept(lexer, "._eE") || at_end(lexer)) {
                return false;
            }
        } else if (!accept(lexer, digits)) {
            return lexer->at > start && !lex_is_alnum(byte);
        }
    }
}

/* What follows the digits of a duration: 5[m30s]. False, with the offending character taken, if it
 * is none. */
static bool scan_duration_rest(Lexer *lexer) {
    if (!accept(lexer, "smhdwy")) {
        return false;
    }
    accept(lexer, "s"); /* ms; "hs" is found out when the duration is read */
    while (lex_is_digit(peek(lexer, 0))) {
        while (lex_is_digit(peek(lexer, 0))) {
            lexer->at++;
        }
        if (!accept(lexer, "smhdw")) {
            return false;
        }
        accept(lexer, "s");
    }
    if (lex_is_alnum(peek(lexer, 0))) {
        lexer->at++;
        return false;
    }
    return true;
}

static Token lex_number_or_duration(Lexer *lexer) {
    uint32_t start = lexer->at;
    if (scan_number(lexer)) {
        return token_of(lexer, TOKEN_NUMBER, start);
    }
    if (scan_duration_rest(lexer)) {
        return token_of(lexer, TOKEN_DURATION, start);
    }
    return complain_text(lexer, start, "bad number or duration syntax: ");
}

/* Complains of the character at the position: "illegal character U+002E '.' in escape sequence". */
static Token complain_of_escape(Lexer *lexer, uint32_t start, const char *words, const char *rest) {
    int32_t rune;
    if (utf8_next(lexer->text, lexer->at, &rune) == 0) {
        return complain(lexer, start, STR("escape sequence not terminated"));
    }
    AUTO(buf_finish) Buf message = {0};
    buf_printf(&message, "%s U+%04X '", words, (unsigned)rune);
    utf8_put(&message, (uint32_t)rune);
    buf_printf(&message, "'%s", rest);
    return complain(lexer, start, arena_str(lexer->arena, buf_view(&message)));
}

/* Steps over one escape, whose backslash was taken. True if it is right, else `*ret_error` is the
 * token to return. */
static bool lex_escape(Lexer *lexer, uint32_t start, char quote, Token *ret_error) {
    char letter = peek(lexer, 0);
    int count = 0;
    uint32_t base = 16;
    uint32_t max = 255;
    if (letter && (strchr("abfnrtv\\", letter) || letter == quote)) {
        lexer->at++;
        return true;
    }
    if (letter >= '0' && letter <= '7') {
        count = 3;
        base = 8;
    } else if (letter == 'x' || letter == 'u' || letter == 'U') {
        count = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
        max = letter == 'x' ? 255 : 0x10FFFF;
        lexer->at++;
    } else {
        *ret_error = complain_of_escape(lexer, start, "unknown escape sequence", "");
        return false;
    }
    uint32_t number = 0;
    for (; count > 0; count--, lexer->at++) {
        char byte = peek(lexer, 0);
        uint32_t digit = lex_is_digit(byte) ? (uint32_t)(byte - '0')
                         : (byte | 0x20) >= 'a' && (byte | 0x20) <= 'f'
                             ? (uint32_t)(byte | 0x20) - 'a' + 10
                             : 16;
        if (digit >= base) {
            *ret_error =
                complain_of_escape(lexer, start, "illegal character", " in escape sequence");
            return false;
        }
        number = number * base + digit;
    }
    if (number > max || (number >= 0xD800 && number < 0xE000)) {
        *ret_error =
            complain(lexer, start, STR("escape sequence is an invalid Unicode code point"));
        return false;
    }
    return true;
}

static Token lex_string(Lexer *lexer) {
    uint32_t start = lexer->at;
    char quote = peek(lexer, 0);
    bool raw = quote == '`';
    lexer->at++;
    for (;;) {
        int32_t rune;
        size_t length = utf8_next(lexer->text, lexer->at, &rune);
        if (rune < 0 || (!raw && rune == '\n')) {
            return complain(lexer, start,
                            raw ? STR("unterminated raw string")
                                : STR("unterminated quoted string"));
        }
        if (rune == 0xFFFD) {
            return complain(lexer, start, STR("invalid UTF-8 rune"));
        }
        lexer->at += (uint32_t)length;
        if (rune == quote) {
            return token_of(lexer, TOKEN_STRING, start);
        }
        Token error;
        if (!raw && rune == '\\' && !lex_escape(lexer, start, quote, &error)) {
            return error;
        }
    }
}

static bool word_is(Str word, const char *known) {
    return strlen(known) == word.len && strncasecmp(known, word.ptr, word.len) == 0;
}

/* fill, fill_left and fill_right came late: they are keywords only where a parenthesis follows, so
 * that metrics may be called so. */
static bool paren_follows(const Lexer *lexer) {
    uint32_t ahead = 0;
    while (lex_is_space(peek(lexer, ahead))) {
        ahead++;
    }
    return peek(lexer, ahead) == '(';
}

static Token lex_word(Lexer *lexer) {
    uint32_t start = lexer->at;
    while (lex_is_alnum(peek(lexer, 0)) || peek(lexer, 0) == ':') {
        lexer->at++;
    }
    Token token = token_of(lexer, TOKEN_IDENTIFIER, start);
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (!word_is(token.text, keywords[i].name)) {
            continue;
        }
        token.kind = keywords[i].kind;
        bool fill = token.kind >= TOKEN_FILL && token.kind <= TOKEN_FILL_RIGHT;
        if (fill && !paren_follows(lexer)) {
            token.kind = TOKEN_IDENTIFIER;
        }
        return token;
    }
    if (aggregate_find(token.text, false)) {
        token.kind = TOKEN_AGGREGATE;
    } else if (str_find(token.text, ':') < token.text.len) {
        token.kind = TOKEN_METRIC_IDENTIFIER;
    }
    return token;
}

/* step, range, max_of and min_of inside a range. */
static Token lex_duration_word(Lexer *lexer, const char *words, const char *rest) {
    uint32_t start = lexer->at;
    while (lex_is_alpha(peek(lexer, 0))) {
        lexer->at++;
    }
    Token token = token_of(lexer, TOKEN_IDENTIFIER, start);
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (keywords[i].kind >= TOKEN_STEP && word_is(token.text, keywords[i].name)) {
            token.kind = keywords[i].kind;
            return token;
        }
    }
    return complain_of(lexer, start, words, start, rest);
}

static bool starts_duration_word(char byte) {
    return byte && strchr("srmSRM", byte);
}

static Token lex_paren(Lexer *lexer) {
    if (peek(lexer, 0) == '(') {
        lexer->paren_depth++;
        return take(lexer, TOKEN_LEFT_PAREN, 1);
    }
    lexer->paren_depth--;
    Token token = take(lexer, TOKEN_RIGHT_PAREN, 1);
    if (lexer->paren_depth < 0) {
        return complain_of(lexer, lexer->at, "unexpected right parenthesis ", token.start, "");
    }
    return token;
}

static TokenKind operator_kind(char byte) {
    switch (byte) {
    case '+':
        return TOKEN_ADD;
    case '-':
        return TOKEN_SUB;
    case '*':
        return TOKEN_MUL;
    case '/':
        return TOKEN_DIV;
    case '%':
        return TOKEN_MOD;
    case '^':
        return TOKEN_POW;
    case ',':
        return TOKEN_COMMA;
    case '@':
        return TOKEN_AT;
    default:
        return TOKEN_ERROR;
    }
}

/* Directly behind `[`, up to the first number. */
static Token lex_in_range(Lexer *lexer) {
    while (lex_is_space(peek(lexer, 0))) {
        lexer->at++;
    }
    uint32_t start = lexer->at;
    char byte = peek(lexer, 0);
    if (at_end(lexer)) {
        return complain(lexer, start, STR("unexpected end of input in duration expression"));
    }
    if (byte == ']') {
        lexer->bracket_open = false;
        lexer->got_colon = false;
        lexer->state = LEX_OUTSIDE;
        return take(lexer, TOKEN_RIGHT_BRACKET, 1);
    }
    if (byte == ':') {
        Token colon = take(lexer, TOKEN_COLON, 1);
        if (!lexer->got_duration) {
            return complain(lexer, lexer->at,
                            STR("unexpected colon before duration in duration expression"));
        }
        if (lexer->got_colon) {
            return complain(lexer, lexer->at,
                            STR("unexpected repeated colon in duration expression"));
        }
        lexer->got_colon = true;
        return colon;
    }
    if (byte == '(' || byte == ')') {
        return lex_paren(lexer);
    }
    TokenKind kind = operator_kind(byte);
    if (kind != TOKEN_ERROR && kind != TOKEN_AT) {
        return take(lexer, kind, 1);
    }
    if (starts_duration_word(byte)) {
        return lex_duration_word(lexer, "unexpected character in duration expression: ", "");
    }
    if (lex_is_digit(byte) || (byte == '.' && lex_is_digit(peek(lexer, 1)))) {
        lexer->got_duration = true;
        lexer->state = LEX_OUTSIDE;
        return lex_number_or_duration(lexer);
    }
    return complain_of(lexer, start, "unexpected character in duration expression: ", start, "");
}

static Token lex_in_braces(Lexer *lexer) {
    uint32_t start = lexer->at;
    char byte = peek(lexer, 0);
    char next = peek(lexer, 1);
    if (at_end(lexer)) {
        return complain(lexer, start, STR("unexpected end of input inside braces"));
    }
    if (lex_is_alpha(byte)) {
        while (lex_is_alnum(peek(lexer, 0))) {
            lexer->at++;
        }
        return token_of(lexer, TOKEN_IDENTIFIER, start);
    }
    switch (byte) {
    case ',':
        return take(lexer, TOKEN_COMMA, 1);
    case '"':
    case '\'':
    case '`':
        return lex_string(lexer);
    case '=':
        return next == '~' ? take(lexer, TOKEN_EQL_REGEX, 2) : take(lexer, TOKEN_EQL, 1);
    case '!':
        if (next == '~' || next == '=') {
            return take(lexer, next == '~' ? TOKEN_NEQ_REGEX : TOKEN_NEQ, 2);
        }
        return complain_of(lexer, start,
                           "unexpected character after '!' inside braces: ", start + 1, "");
    case '{':
        return complain_of(lexer, start, "unexpected left brace ", start, "");
    case '}':
        lexer->state = LEX_OUTSIDE;
        return take(lexer, TOKEN_RIGHT_BRACE, 1);
    default:
        return complain_of(lexer, start, "unexpected character inside braces: ", start, "");
    }
}

/* = == ! < > and what they begin. */
static Token lex_comparison(Lexer *lexer) {
    uint32_t start = lexer->at;
    char byte = peek(lexer, 0);
    char next = peek(lexer, 1);
    switch (byte) {
    case '=':
        if (next == '~') {
            return complain_of(lexer, start, "unexpected character after '=': ", start + 1, "");
        }
        return next == '=' ? take(lexer, TOKEN_EQLC, 2) : take(lexer, TOKEN_EQL, 1);
    case '!':
        if (next != '=') {
            return complain_of(lexer, start, "unexpected character after '!': ", start + 1, "");
        }
        return take(lexer, TOKEN_NEQ, 2);
    case '<':
        if (next == '=' || next == '/') {
            return take(lexer, next == '=' ? TOKEN_LTE : TOKEN_TRIM_UPPER, 2);
        }
        return take(lexer, TOKEN_LSS, 1);
    default:
        if (next == '=' || next == '/') {
            return take(lexer, next == '=' ? TOKEN_GTE : TOKEN_TRIM_LOWER, 2);
        }
        return take(lexer, TOKEN_GTR, 1);
    }
}

/* A word or colon behind the first number of a range. */
static Token lex_word_in_range(Lexer *lexer) {
    uint32_t start = lexer->at;
    if (peek(lexer, 0) == ':') {
        if (lexer->got_colon) {
            return complain_of(lexer, start, "unexpected colon ", start, "");
        }
        lexer->got_colon = true;
        return take(lexer, TOKEN_COLON, 1);
    }
    if (starts_duration_word(peek(lexer, 0))) {
        return lex_duration_word(lexer, "unexpected character: ", ", expected ':'");
    }
    return complain_of(lexer, start, "unexpected character: ", start, ", expected ':'");
}

static Token lex_bracket(Lexer *lexer) {
    uint32_t start = lexer->at;
    if (peek(lexer, 0) == '[') {
        if (lexer->bracket_open) {
            return complain_of(lexer, start, "unexpected left bracket ", start, "");
        }
        lexer->bracket_open = true;
        lexer->got_colon = false;
        lexer->state = LEX_DURATION;
        return take(lexer, TOKEN_LEFT_BRACKET, 1);
    }
    if (!lexer->bracket_open) {
        return complain_of(lexer, start, "unexpected right bracket ", start, "");
    }
    lexer->bracket_open = false;
    return take(lexer, TOKEN_RIGHT_BRACKET, 1);
}

static Token lex_outside(Lexer *lexer) {
    uint32_t start = lexer->at;
    if (at_end(lexer)) {
        if (lexer->paren_depth != 0) {
            return complain(lexer, start, STR("unclosed left parenthesis"));
        }
        if (lexer->bracket_open) {
            return complain(lexer, start, STR("unclosed left bracket"));
        }
        return take(lexer, TOKEN_EOF, 0);
    }
    char byte = peek(lexer, 0);
    TokenKind kind = operator_kind(byte);
    if (kind != TOKEN_ERROR) {
        return take(lexer, kind, 1);
    }
    if (lex_is_digit(byte) || (byte == '.' && lex_is_digit(peek(lexer, 1)))) {
        return lex_number_or_duration(lexer);
    }
    if (lex_is_alpha(byte) || byte == ':') {
        return lexer->bracket_open ? lex_word_in_range(lexer) : lex_word(lexer);
    }
    switch (byte) {
    case '=':
    case '!':
    case '<':
    case '>':
        return lex_comparison(lexer);
    case '"':
    case '\'':
    case '`':
        return lex_string(lexer);
    case '(':
    case ')':
        return lex_paren(lexer);
    case '{':
        lexer->state = LEX_BRACES;
        return take(lexer, TOKEN_LEFT_BRACE, 1);
    case '[':
    case ']':
        return lex_bracket(lexer);
    default:
        return complain_of(lexer, start, "unexpected character: ", start, "");
    }
}

/* Spaces, and comments to the end of their line. */
static void skip_blank(Lexer *lexer) {
    for (;;) {
        char byte = peek(lexer, 0);
        if (lex_is_space(byte)) {
            lexer->at++;
        } else if (byte == '#') {
            while (!at_end(lexer) && peek(lexer, 0) != '\n' && peek(lexer, 0) != '\r') {
                lexer->at++;
            }
        } else {
            return;
        }
    }
}

Token lexer_next(Lexer *lexer) {
    if (lexer->ended) {
        return (Token){.kind = TOKEN_EOF, .start = lexer->at, .end = lexer->at};
    }
    if (lexer->state == LEX_DURATION) {
        return lex_in_range(lexer);
    }
    skip_blank(lexer);
    return lexer->state == LEX_BRACES ? lex_in_braces(lexer) : lex_outside(lexer);
}

/* A quoted token, cut as Go's %.10q does. */
static void put_token_quoted(Buf *buf, Str text, bool cut) {
    if (cut && text.len > 10) {
        go_quote(buf, text, 10);
        buf_str(buf, STR("..."));
    } else {
        go_quote(buf, text, 0);
    }
}

Str token_describe(Arena *arena, const Token *token) {
    AUTO(buf_finish) Buf buf = {0};
    switch (token->kind) {
    case TOKEN_ERROR:
        return token->message;
    case TOKEN_EOF:
        return STR("end of input");
    case TOKEN_IDENTIFIER:
    case TOKEN_METRIC_IDENTIFIER:
        buf_str(&buf,
                token->kind == TOKEN_IDENTIFIER ? STR("identifier ") : STR("metric identifier "));
        put_token_quoted(&buf, token->text, false);
        break;
    case TOKEN_NUMBER:
    case TOKEN_DURATION:
    case TOKEN_STRING:
        buf_str(&buf, token->kind == TOKEN_NUMBER     ? STR("number ")
                      : token->kind == TOKEN_DURATION ? STR("duration ")
                                                      : STR("string "));
        put_token_quoted(&buf, token->text, true);
        break;
    case TOKEN_AGGREGATE:
        buf_printf(&buf, "<aggr:%.*s>", STR_ARG(token->text));
        break;
    default:
        if (token->kind >= TOKEN_ADD && token->kind <= TOKEN_AT) {
            buf_printf(&buf, "<op:%.*s>", STR_ARG(token->text));
        } else if (token->kind >= TOKEN_BOOL && token->kind <= TOKEN_WITHOUT) {
            buf_printf(&buf, "<%.*s>", STR_ARG(token->text));
        } else {
            put_token_quoted(&buf, token->text, true);
        }
        break;
    }
    return arena_str(arena, buf_view(&buf));
}
