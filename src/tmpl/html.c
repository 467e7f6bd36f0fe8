#include "tmpl/html.h"

#include <ctype.h>

#include "tmpl/value.h"

void html_escape(Buf *out, Str text) {
    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '<':
            buf_str(out, STR("&lt;"));
            break;
        case '>':
            buf_str(out, STR("&gt;"));
            break;
        case '&':
            buf_str(out, STR("&amp;"));
            break;
        case '"':
            buf_str(out, STR("&#34;"));
            break;
        case '\'':
            buf_str(out, STR("&#39;"));
            break;
        case '\0':
            buf_str(out, STR("\xEF\xBF\xBD"));
            break;
        default:
            buf_byte(out, text.ptr[i]);
            break;
        }
    }
}

static bool is_unreserved(char c) {
    return isalnum((unsigned char)c) || strchr("-_.~", c);
}

void url_query_escape(Buf *out, Str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c && is_unreserved(c)) {
            buf_byte(out, c);
        } else if (c == ' ') {
            buf_byte(out, '+');
        } else {
            buf_printf(out, "%%%02X", (unsigned char)c);
        }
    }
}

void url_path_escape(Buf *out, Str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c && (is_unreserved(c) || strchr("$&+=:@", c))) {
            buf_byte(out, c);
        } else {
            buf_printf(out, "%%%02X", (unsigned char)c);
        }
    }
}

/* Where a value is printed. */
typedef struct HtmlPlace {
    bool in_tag;
    char quote; /* of the attribute value, 0 = none */
    bool is_url;
    bool after_query; /* of the URL: a '?' came before */
    bool is_url_start;
} HtmlPlace;

static bool names_url(Str name) {
    static const char *const names[] = {"href", "src",        "action", "formaction",
                                        "cite", "background", NULL};
    for (size_t i = 0; names[i]; i++) {
        Str known = str_of(names[i]);
        if (name.len == known.len && strncasecmp(name.ptr, known.ptr, name.len) == 0) {
            return true;
        }
    }
    return false;
}

static HtmlPlace place_after(Str text) {
    HtmlPlace place = {0};
    size_t word = 0;
    Str name = {0};
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (place.quote) {
            place.is_url_start = false;
            place.after_query |= c == '?' || c == '#';
            place.quote = c == place.quote ? 0 : place.quote;
        } else if (!place.in_tag) {
            place.in_tag = c == '<';
            word = i + 1;
        } else if (c == '>') {
            place = (HtmlPlace){0};
        } else if (c == '=') {
            name = (Str){text.ptr + word, i - word};
        } else if (c == '"' || c == '\'') {
            place = (HtmlPlace){.in_tag = true,
                                .quote = c,
                                .is_url = names_url(str_trim(name)),
                                .is_url_start = true};
        } else if (isspace((unsigned char)c)) {
            word = i + 1;
        }
    }
    return place;
}

/* A URL from outside at the start of an attribute: only schemes that cannot run. */
static bool has_safe_scheme(Str url) {
    size_t colon = str_find(url, ':');
    if (colon == url.len || str_find(url, '/') < colon) {
        return true;
    }
    return strncasecmp(url.ptr, "http:", 5) == 0 || strncasecmp(url.ptr, "https:", 6) == 0 ||
           strncasecmp(url.ptr, "mailto:", 7) == 0;
}

/* Keeps what a URL may consist of and encodes the rest; an existing %XX stays. */
static void url_normalize(Buf *out, Str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_kept = c && (is_unreserved(c) || strchr("!#$&*+,/:;=?@[]", c));
        bool is_encoded = c == '%' && i + 2 < text.len &&
                          isxdigit((unsigned char)text.ptr[i + 1]) &&
                          isxdigit((unsigned char)text.ptr[i + 2]);
        if (is_kept || is_encoded) {
            buf_byte(out, c);
        } else {
            buf_printf(out, "%%%02x", (unsigned char)c);
        }
    }
}

static void url_encode_part(Buf *out, Str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] && is_unreserved(text.ptr[i])) {
            buf_byte(out, text.ptr[i]);
        } else {
            buf_printf(out, "%%%02x", (unsigned char)text.ptr[i]);
        }
    }
}

static void put_url(Buf *out, const HtmlPlace *place, Str text, bool is_safe) {
    AUTO(buf_finish) Buf url = {0};
    if (is_safe) {
        url_normalize(&url, text);
    } else if (place->is_url_start && !has_safe_scheme(text)) {
        buf_str(&url, STR("#ZgotmplZ"));
    } else if (place->after_query) {
        url_encode_part(&url, text);
    } else {
        url_normalize(&url, text);
    }
    html_escape(out, buf_view(&url));
}

void html_put_value(Buf *out, Str before, Arena *arena, const TmplValue *value) {
    AUTO(buf_finish) Buf text = {0};
    HtmlPlace place = place_after(before);
    Str type = tmpl_type_name(value);
    (void)arena;
    tmpl_print_value(&text, value);
    if (place.quote && place.is_url) {
        put_url(out, &place, buf_view(&text), str_eq(type, str_of(URL_SAFE_TYPE)));
    } else if (!place.in_tag && str_eq(type, str_of(HTML_SAFE_TYPE))) {
        buf_str(out, buf_view(&text));
    } else {
        html_escape(out, buf_view(&text));
    }
}
