/* Numbers for people, with the four significant digits and the words of Prometheus' template
 * functions. */

#include <math.h>

#include "tmpl/funcs.h"

static bool put_not_finite(Buf *buf, double number) {
    if (isfinite(number)) {
        return false;
    }
    buf_str(buf, isnan(number) ? STR("NaN") : number > 0 ? STR("+Inf") : STR("-Inf"));
    return true;
}

static void put_prefixed(Buf *buf, double number, double step, const char *const *prefixes,
                         size_t count) {
    const char *prefix = "";
    for (size_t i = 0; i < count; i++) {
        bool is_small = step < 1 ? fabs(number) >= 1 : fabs(number) < step;
        if (is_small) {
            break;
        }
        number /= step;
        prefix = prefixes[i];
    }
    buf_printf(buf, "%.4g%s", number, prefix);
}

void tmpl_humanize(Buf *buf, double number) {
    static const char *const large[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
    static const char *const small[] = {"m", "u", "n", "p", "f", "a", "z", "y"};
    if (put_not_finite(buf, number)) {
        return;
    }
    if (number == 0) {
        buf_printf(buf, "%.4g", number);
    } else if (fabs(number) >= 1) {
        put_prefixed(buf, number, 1000, large, 8);
    } else {
        put_prefixed(buf, number, 1e-3, small, 8);
    }
}

void tmpl_humanize_1024(Buf *buf, double number) {
    static const char *const prefixes[] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
    if (put_not_finite(buf, number)) {
        return;
    }
    if (fabs(number) <= 1) {
        buf_printf(buf, "%.4g", number);
    } else {
        put_prefixed(buf, number, 1024, prefixes, 8);
    }
}

/* What a float too large for int64 becomes on amd64, where Go's users run it. */
static int64_t to_int64(double number) {
    return number >= -9223372036854775808.0 && number < 9223372036854775808.0 ? (int64_t)number
                                                                              : INT64_MIN;
}

static void put_long_duration(Buf *buf, double seconds) {
    const char *sign = "";
    if (seconds < 0) {
        sign = "-";
        seconds = -seconds;
    }
    int64_t whole = to_int64(seconds);
    int64_t second = whole % 60, minute = whole / 60 % 60, hour = whole / 3600 % 24,
            day = whole / 86400;
    if (day != 0) {
        buf_printf(buf, "%s%lldd %lldh %lldm %llds", sign, (long long)day, (long long)hour,
                   (long long)minute, (long long)second);
    } else if (hour != 0) {
        buf_printf(buf, "%s%lldh %lldm %llds", sign, (long long)hour, (long long)minute,
                   (long long)second);
    } else if (minute != 0) {
        buf_printf(buf, "%s%lldm %llds", sign, (long long)minute, (long long)second);
    } else {
        buf_printf(buf, "%s%.4gs", sign, seconds);
    }
}

void tmpl_humanize_duration(Buf *buf, double seconds) {
    static const char *const prefixes[] = {"m", "u", "n", "p", "f", "a", "z", "y"};
    if (put_not_finite(buf, seconds)) {
        return;
    }
    if (seconds == 0) {
        buf_printf(buf, "%.4gs", seconds);
    } else if (fabs(seconds) >= 1) {
        put_long_duration(buf, seconds);
    } else {
        put_prefixed(buf, seconds, 1e-3, prefixes, 8);
        buf_byte(buf, 's');
    }
}

void tmpl_humanize_percentage(Buf *buf, double ratio) {
    if (put_not_finite(buf, ratio * 100)) {
        buf_byte(buf, '%');
        return;
    }
    buf_printf(buf, "%.4g%%", ratio * 100);
}
