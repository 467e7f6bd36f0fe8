#include "base/str.h"

#include <stdint.h>

enum { SUGGEST_BYTES_MAX = 64 };

/* Length of the well-formed sequence at the start of `text`, 0 if there is none (Unicode 15, table
 * 3-7). */
static size_t utf8_sequence(Str text) {
    const unsigned char *at = (const unsigned char *)text.ptr;
    unsigned char lead = at[0];
    if (lead < 0x80) {
        return 1;
    }
    size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.len < len) {
        return 0;
    }
    /* The second byte keeps overlong forms, surrogates and what lies above U+10FFFF out. */
    unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

size_t str_utf8_len(Str text) {
    return text.len ? utf8_sequence(text) : 0;
}

static bool starts_with_8_ascii(Str text) {
    uint64_t word;
    if (text.len < sizeof word) {
        return false;
    }
    memcpy(&word, text.ptr, sizeof word);
    return (word & UINT64_C(0x8080808080808080)) == 0;
}

bool str_is_utf8(Str text) {
    while (text.len) {
        size_t step = starts_with_8_ascii(text) ? 8 : utf8_sequence(text);
        if (step == 0) {
            return false;
        }
        text = str_skip(text, step);
    }
    return true;
}

static size_t min(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`. Three rows
 * of the usual table are enough: a swap looks two rows back. */
static size_t edit_distance(Str a, Str b) {
    size_t rows[3][SUGGEST_BYTES_MAX + 1];
    for (size_t j = 0; j <= b.len; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t differ = a.ptr[i - 1] != b.ptr[j - 1];
            row[j] = min(min(above[j] + 1, row[j - 1] + 1), above[j - 1] + differ);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1]) {
                row[j] = min(row[j], above2[j - 2] + 1);
            }
        }
    }
    return rows[a.len % 3][b.len];
}

static size_t common_prefix(Str a, Str b) {
    size_t len = 0;
    while (len < a.len && len < b.len && a.ptr[len] == b.ptr[len]) {
        len++;
    }
    return len;
}

const char *str_suggest(Str word, const char *const *known) {
    if (word.len > SUGGEST_BYTES_MAX) {
        return NULL;
    }
    const char *nearest = NULL;
    size_t nearest_distance = 1 + word.len / 4;
    size_t nearest_prefix = 0;
    for (; *known; known++) {
        Str candidate = str_of(*known);
        if (candidate.len > SUGGEST_BYTES_MAX) {
            continue;
        }
        size_t distance = edit_distance(word, candidate);
        /* Of two that are as near, the one that begins alike ("rat" is "rate" rather than "rad"),
         * then the first; replacing the whole word is no typing mistake. */
        size_t prefix = common_prefix(word, candidate);
        bool is_nearer = distance < nearest_distance + (nearest == NULL) ||
                         (distance == nearest_distance && prefix > nearest_prefix);
        if (is_nearer && distance < word.len) {
            nearest = *known;
            nearest_distance = distance;
            nearest_prefix = prefix;
        }
    }
    return nearest;
}
