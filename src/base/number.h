#pragma once

/*
 * Numbers as text, the way Go (and so Prometheus) writes and reads them. C's printf differs in the
 * digits it chooses, in exponents and in the names of infinities, and clients compare text. The
 * digits are those of digits.h: the shortest that read back to the same double.
 *
 * All of it is independent of the locale.
 */

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

enum { NUMBER_TEXT_MAX = 400 }; /* 'f' of the smallest subnormal */

/* strconv.FormatFloat(value, 'f', -1, 64): the form in query answers and exposition; "NaN", "+Inf",
 * "-Inf". */
void number_put(Buf *buf, double value);

/* FormatFloat(value, 'e', -1, 64): "1e+00", the `value` of alerts in /api/v1/rules. */
void number_put_exp(Buf *buf, double value);

/* FormatFloat(value, 'g', -1, 64): as number_put_exp() where the exponent is < -4 or >= `exp_min`,
 * else as number_put(). Go's strconv and fmt (%g, %v) have an `exp_min` of 6, so that a million is
 * 1e+06. */
void number_put_general(Buf *buf, double value, int exp_min);

void number_put_int(Buf *buf, int64_t value);

/* strconv.ParseFloat of the whole text: decimal, exponent, hex (0x1p-2), underscores not allowed,
 * inf and infinity in any case with optional sign, nan without. False if it is none, and if it is
 * too large for a double. */
bool number_parse(Str text, double *ret_value) MUST_CHECK;

/* A whole decimal integer with optional sign; false on anything else or overflow. */
bool number_parse_int(Str text, int64_t *ret_value) MUST_CHECK;

/* Prometheus' durations: "1h30m", "5m", "0", units y w d h m s ms in this order, each once.
 * ERR_INVALID with Prometheus' words (`not a valid duration string: "x"`). */
bool duration_parse(Str text, DurationMs *ret_span, Err *err) MUST_CHECK;

/* As Prometheus prints them: "1h30m", "0s". */
void duration_put(Buf *buf, DurationMs span);

/* Bytes with an optional unit: "512MB", "64KiB", "1.5G". As in Prometheus, all units are powers of
 * 1024. */
bool bytes_parse(Str text, uint64_t *ret_bytes, Err *err) MUST_CHECK;

/* RFC 3339 with milliseconds, UTC: "2026-11-22T20:28:26.376Z". `time_parse` takes any fraction and
 * offset; also plain Unix seconds with fraction, as the Prometheus API does. */
void time_put(Buf *buf, TimeMs time);
bool time_parse_rfc3339(Str text, TimeMs *ret_time, Err *err) MUST_CHECK;
bool time_parse(Str text, TimeMs *ret_time, Err *err) MUST_CHECK;

/* Civil calendar, UTC (Hinnant, "chrono-Compatible Low-Level Date Algorithms"). month 1..12, day
 * 1..31, weekday 0 = Sunday, yearday 1..366. */
typedef struct CivilTime {
    int64_t year;
    int month, day, hour, minute, second, ms, weekday, yearday;
} CivilTime;
CivilTime civil_of(TimeMs time);
TimeMs civil_to_time(const CivilTime *civil);
int civil_days_in_month(int64_t year, int month);
