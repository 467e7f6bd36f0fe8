#include "tmpl/text.h"

#include <locale.h>
#include <pthread.h>
#include <wctype.h>

#include "base/go_text.h"

static locale_t unicode_locale;
static pthread_once_t unicode_once = PTHREAD_ONCE_INIT;

static void open_locale(void) {
    unicode_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* The C library knows Unicode's classes in its UTF-8 locale; the process's own locale stays as it
 * is. */
static locale_t unicode(void) {
    pthread_once(&unicode_once, open_locale);
    return unicode_locale;
}

bool text_is_letter(uint32_t rune) {
    if (rune < 0x80) {
        return (rune | 0x20) >= 'a' && (rune | 0x20) <= 'z';
    }
    return iswalnum_l((wint_t)rune, unicode()) != 0;
}

uint32_t text_rune_upper(uint32_t rune) {
    if (rune < 0x80) {
        return rune >= 'a' && rune <= 'z' ? rune - 0x20 : rune;
    }
    return (uint32_t)towupper_l((wint_t)rune, unicode());
}

uint32_t text_rune_lower(uint32_t rune) {
    if (rune < 0x80) {
        return rune >= 'A' && rune <= 'Z' ? rune + 0x20 : rune;
    }
    return (uint32_t)towlower_l((wint_t)rune, unicode());
}

static void put_mapped(Buf *buf, Str text, uint32_t (*map)(uint32_t)) {
    while (text.len) {
        int32_t rune;
        size_t len = utf8_next(text, 0, &rune);
        if (rune == 0xFFFD && len == 1) {
            buf_byte(buf, text.ptr[0]);
        } else {
            utf8_put(buf, map((uint32_t)rune));
        }
        text = str_skip(text, len);
    }
}

void text_put_upper(Buf *buf, Str text) {
    put_mapped(buf, text, text_rune_upper);
}

void text_put_lower(Buf *buf, Str text) {
    put_mapped(buf, text, text_rune_lower);
}

static bool is_word_rune(uint32_t rune) {
    return text_is_letter(rune) || rune == '_' || (rune >= '0' && rune <= '9');
}

/* What strings.Title takes for the inside of a word: beyond ASCII all but spaces. */
static bool is_word_rune_plain(uint32_t rune) {
    return is_word_rune(rune) || (rune >= 0x80 && !iswspace_l((wint_t)rune, unicode()));
}

void text_put_title(Buf *buf, Str text, bool apostrophes) {
    bool in_word = false;
    while (text.len) {
        int32_t taken, following;
        size_t len = utf8_next(text, 0, &taken);
        uint32_t rune = (uint32_t)taken;
        utf8_put(buf, in_word ? rune : text_rune_upper(rune));
        text = str_skip(text, len);
        (void)utf8_next(text, 0, &following);
        bool joins = apostrophes && (rune == '\'' || rune == 0x2019 || rune == '.') && in_word &&
                     text.len && text_is_letter((uint32_t)following);
        in_word = apostrophes ? is_word_rune(rune) || joins : is_word_rune_plain(rune);
    }
}
