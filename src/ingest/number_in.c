#include "ingest/number_in.h"

enum { DIGITS_MAX = 15 }; /* 10^15 < 2^53 */

static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

bool number_in(Str text, double *ret_value) {
    size_t at = text.len && text.ptr[0] == '-' ? 1 : 0;
    bool negative = at == 1;
    uint64_t digits = 0;
    size_t count = 0, decimals = 0;
    bool point = false;
    for (; at < text.len && count <= DIGITS_MAX; at++) {
        char c = text.ptr[at];
        if (c >= '0' && c <= '9') {
            digits = digits * 10 + (uint64_t)(c - '0');
            count++;
            decimals += point;
        } else if (c == '.' && !point) {
            point = true;
        } else {
            return number_parse(text, ret_value);
        }
    }
    if (count == 0 || count > DIGITS_MAX) {
        return number_parse(text, ret_value);
    }
    double value = (double)digits / powers[decimals];
    *ret_value = negative ? -value : value;
    return true;
}
