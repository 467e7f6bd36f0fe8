/* Methods of Go's time.Time and time.Duration that templates may call; args[0] is the receiver. */

#include <math.h>

#include "tmpl/go_time.h"
#include "tmpl/value.h"

static const int64_t YEAR_ONE_S = INT64_C(-62135596800);
static const int64_t DAY_NS = INT64_C(86400) * 1000000000;

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

static CivilTime civil(const TmplValue *time) {
    int64_t ns;
    return go_time_civil(time, &ns);
}

static bool named_number_string(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                                Err *err) {
    (void)exec, (void)count, (void)err;
    *ret = *args[0].print_as;
    return true;
}

static const TmplFunc named_number_methods[] = {{"String", 0, 0, named_number_string}, {0}};

/* A month or day of the week: a number that prints as its name. */
static TmplValue named_number(TmplExec *exec, int number, const char *type, const char *name) {
    TmplValue *text = arena_array(tmpl_exec_arena(exec), TmplValue, 1);
    TmplValue value = tmpl_int(number);
    *text = tmpl_string(str_of(name));
    value.go_type = type;
    value.print_as = text;
    value.methods = named_number_methods;
    return value;
}

static bool time_method_format(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                               Err *err) {
    (void)count;
    Str layout = {0};
    if (!tmpl_to_text(&args[1], &layout, err)) {
        return false;
    }
    AUTO(buf_finish) Buf text = {0};
    go_time_format(&text, &args[0], layout);
    *ret = tmpl_string(arena_str(tmpl_exec_arena(exec), buf_view(&text)));
    return true;
}

static bool time_method_string(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                               Err *err) {
    (void)count;
    (void)err;
    AUTO(buf_finish) Buf text = {0};
    go_time_print(&text, &args[0]);
    *ret = tmpl_string(arena_str(tmpl_exec_arena(exec), buf_view(&text)));
    return true;
}

static bool wants_duration(const TmplValue *value, Err *err) {
    return value->type == TMPL_DURATION ||
           err_set(err, ERR_UNSUPPORTED, "wrong type for value; expected time.Duration; got %.*s",
                   STR_ARG(tmpl_type_name(value)));
}

static bool wants_time(const TmplValue *value, Err *err) {
    return value->type == TMPL_TIME ||
           err_set(err, ERR_UNSUPPORTED, "wrong type for value; expected time.Time; got %.*s",
                   STR_ARG(tmpl_type_name(value)));
}

static int64_t saturating_add(int64_t a, int64_t b) {
    if (b > 0 ? a > INT64_MAX - b : a < INT64_MIN - b) {
        return b > 0 ? INT64_MAX : INT64_MIN;
    }
    return a + b;
}

static bool time_method_add(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                            Err *err) {
    (void)exec;
    (void)count;
    if (!wants_duration(&args[1], err)) {
        return false;
    }
    *ret = args[0];
    ret->integer = saturating_add(args[0].integer, args[1].integer);
    return true;
}

static bool time_method_sub(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                            Err *err) {
    (void)exec;
    (void)count;
    if (!wants_time(&args[1], err)) {
        return false;
    }
    int64_t other = args[1].integer;
    *ret =
        go_duration_value(saturating_add(args[0].integer, other == INT64_MIN ? INT64_MAX : -other));
    return true;
}

static bool time_method_unix(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                             Err *err) {
    (void)exec, (void)count, (void)err;
    *ret = tmpl_int(go_time_unix(&args[0]));
    ret->go_type = "int64";
    return true;
}

static bool time_method_unix_milli(TmplExec *exec, const TmplValue *args, size_t count,
                                   TmplValue *ret, Err *err) {
    (void)exec, (void)count, (void)err;
    bool is_zero = args[0].integer == GO_TIME_ZERO;
    *ret = tmpl_int(is_zero ? YEAR_ONE_S * SECOND_MS : floor_div(args[0].integer, 1000000));
    ret->go_type = "int64";
    return true;
}

static bool time_method_unix_nano(TmplExec *exec, const TmplValue *args, size_t count,
                                  TmplValue *ret, Err *err) {
    (void)exec, (void)count, (void)err;
    *ret = tmpl_int(args[0].integer);
    ret->go_type = "int64";
    return true;
}

static bool time_method_year(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                             Err *err) {
    (void)exec, (void)count, (void)err;
    *ret = tmpl_int(civil(args).year);
    return true;
}

static bool time_method_month(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                              Err *err) {
    (void)exec, (void)count, (void)err;
    *ret =
        named_number(exec, civil(args).month, "time.Month", go_month_names[civil(args).month - 1]);
    return true;
}

static bool time_method_day(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                            Err *err) {
    (void)exec, (void)count, (void)err;
    *ret = tmpl_int(civil(args).day);
    return true;
}

static bool time_method_weekday(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                                Err *err) {
    (void)exec, (void)count, (void)err;
    *ret =
        named_number(exec, civil(args).weekday, "time.Weekday", go_day_names[civil(args).weekday]);
    return true;
}

static bool time_method_hour(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                             Err *err) {
    (void)exec, (void)count, (void)err;
    *ret = tmpl_int(civil(args).hour);
    return true;
}

static bool time_method_minute(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                               Err *err) {
    (void)exec, (void)count, (void)err;
    *ret = tmpl_int(civil(args).minute);
    return true;
}

static bool time_method_second(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                               Err *err) {
    (void)exec, (void)count, (void)err;
    *ret = tmpl_int(civil(args).second);
    return true;
}

static bool time_method_utc(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                            Err *err) {
    (void)exec, (void)count, (void)err;
    *ret = args[0];
    ret->zone_offset_s = 0;
    ret->zone_name = "UTC";
    return true;
}

static bool time_method_before(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                               Err *err) {
    (void)exec, (void)count;
    *ret = tmpl_bool(args[0].integer < args[1].integer);
    return wants_time(&args[1], err);
}

static bool time_method_after(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                              Err *err) {
    (void)exec, (void)count;
    *ret = tmpl_bool(args[0].integer > args[1].integer);
    return wants_time(&args[1], err);
}

static bool time_method_is_zero(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                                Err *err) {
    (void)exec, (void)count, (void)err;
    *ret = tmpl_bool(args[0].integer == GO_TIME_ZERO);
    return true;
}

static bool time_method_equal(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                              Err *err) {
    (void)exec, (void)count;
    *ret = tmpl_bool(args[0].integer == args[1].integer);
    return wants_time(&args[1], err);
}

static bool time_method_unix_micro(TmplExec *exec, const TmplValue *args, size_t count,
                                   TmplValue *ret, Err *err) {
    (void)exec, (void)count, (void)err;
    bool is_zero = args[0].integer == GO_TIME_ZERO;
    *ret = tmpl_int(is_zero ? YEAR_ONE_S * 1000000 : floor_div(args[0].integer, 1000));
    ret->go_type = "int64";
    return true;
}

static bool time_method_nanosecond(TmplExec *exec, const TmplValue *args, size_t count,
                                   TmplValue *ret, Err *err) {
    (void)exec, (void)count, (void)err;
    int64_t ns;
    (void)go_time_civil(&args[0], &ns);
    *ret = tmpl_int(ns);
    return true;
}

static bool time_method_year_day(TmplExec *exec, const TmplValue *args, size_t count,
                                 TmplValue *ret, Err *err) {
    (void)exec, (void)count, (void)err;
    *ret = tmpl_int(civil(args).yearday);
    return true;
}

/* Years, months and days; what runs over the end of a month goes into the next (January 31 and a
 * month is March 3). */
static bool time_method_add_date(TmplExec *exec, const TmplValue *args, size_t count,
                                 TmplValue *ret, Err *err) {
    (void)exec, (void)count;
    enum { MOST = 10000 * 366 };
    for (size_t i = 1; i < 4; i++) {
        if (args[i].type != TMPL_INT) {
            return err_set(err, ERR_UNSUPPORTED, "wrong type for value; expected int; got %.*s",
                           STR_ARG(tmpl_type_name(&args[i])));
        }
        if (args[i].integer < -MOST || args[i].integer > MOST) {
            return err_set(err, ERR_INVALID, "%lld is too far", (long long)args[i].integer);
        }
    }
    CivilTime date = civil(args);
    int64_t before = civil_to_time(&date);
    int64_t months = date.month - 1 + args[2].integer;
    int day = date.day;
    date.year += args[1].integer + floor_div(months, 12);
    date.month = (int)(months - floor_div(months, 12) * 12) + 1;
    date.day = 1;
    int64_t after = civil_to_time(&date) + (day - 1 + args[3].integer) * DAY_MS;
    *ret = args[0];
    int64_t days = (after - before) / DAY_MS;
    bool fits = days > INT64_MIN / DAY_NS && days < INT64_MAX / DAY_NS;
    if (fits && args[0].integer != GO_TIME_ZERO) {
        ret->integer = saturating_add(args[0].integer, days * DAY_NS);
    }
    return true;
}

/* To whole multiples of a span since the year 1: `up` is half the span for Round, 0 for Truncate.
 */
static TmplValue to_multiple(const TmplValue *time, int64_t span, bool rounds) {
    TmplValue result = *time;
    if (span <= 0 || time->integer == GO_TIME_ZERO) {
        return result;
    }
    __int128 since = (__int128)time->integer - (__int128)YEAR_ONE_S * 1000000000;
    int64_t over = (int64_t)(since % span);
    bool goes_up = rounds && over >= span - over;
    result.integer = saturating_add(time->integer, goes_up ? span - over : -over);
    return result;
}

static bool time_method_truncate(TmplExec *exec, const TmplValue *args, size_t count,
                                 TmplValue *ret, Err *err) {
    (void)exec, (void)count;
    *ret = to_multiple(&args[0], args[1].integer, false);
    return args[1].type == TMPL_INT || wants_duration(&args[1], err);
}

static bool time_method_round(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                              Err *err) {
    (void)exec, (void)count;
    *ret = to_multiple(&args[0], args[1].integer, true);
    return args[1].type == TMPL_INT || wants_duration(&args[1], err);
}

const TmplFunc go_time_methods[] = {
    {"Add", 1, 1, time_method_add},
    {"AddDate", 3, 3, time_method_add_date},
    {"After", 1, 1, time_method_after},
    {"Before", 1, 1, time_method_before},
    {"Day", 0, 0, time_method_day},
    {"Equal", 1, 1, time_method_equal},
    {"Format", 1, 1, time_method_format},
    {"Hour", 0, 0, time_method_hour},
    {"IsZero", 0, 0, time_method_is_zero},
    {"Local", 0, 0, time_method_utc},
    {"Minute", 0, 0, time_method_minute},
    {"Month", 0, 0, time_method_month},
    {"Nanosecond", 0, 0, time_method_nanosecond},
    {"Round", 1, 1, time_method_round},
    {"Second", 0, 0, time_method_second},
    {"String", 0, 0, time_method_string},
    {"Sub", 1, 1, time_method_sub},
    {"Truncate", 1, 1, time_method_truncate},
    {"UTC", 0, 0, time_method_utc},
    {"Unix", 0, 0, time_method_unix},
    {"UnixMicro", 0, 0, time_method_unix_micro},
    {"UnixMilli", 0, 0, time_method_unix_milli},
    {"UnixNano", 0, 0, time_method_unix_nano},
    {"Weekday", 0, 0, time_method_weekday},
    {"Year", 0, 0, time_method_year},
    {"YearDay", 0, 0, time_method_year_day},
    {0},
};

static bool duration_method_string(TmplExec *exec, const TmplValue *args, size_t count,
                                   TmplValue *ret, Err *err) {
    (void)count, (void)err;
    AUTO(buf_finish) Buf text = {0};
    go_duration_print(&text, args[0].integer);
    *ret = tmpl_string(arena_str(tmpl_exec_arena(exec), buf_view(&text)));
    return true;
}

static bool duration_method_seconds(TmplExec *exec, const TmplValue *args, size_t count,
                                    TmplValue *ret, Err *err) {
    (void)exec, (void)count, (void)err;
    *ret = tmpl_float((double)args[0].integer / 1e9);
    return true;
}

static bool duration_method_minutes(TmplExec *exec, const TmplValue *args, size_t count,
                                    TmplValue *ret, Err *err) {
    (void)exec, (void)count, (void)err;
    *ret = tmpl_float((double)args[0].integer / 60e9);
    return true;
}

static bool duration_method_hours(TmplExec *exec, const TmplValue *args, size_t count,
                                  TmplValue *ret, Err *err) {
    (void)exec, (void)count, (void)err;
    *ret = tmpl_float((double)args[0].integer / 3600e9);
    return true;
}

static bool duration_method_milliseconds(TmplExec *exec, const TmplValue *args, size_t count,
                                         TmplValue *ret, Err *err) {
    (void)exec, (void)count, (void)err;
    *ret = tmpl_int(args[0].integer / 1000000);
    ret->go_type = "int64";
    return true;
}

/* Round and Truncate, half away from zero and towards zero. */
static bool duration_method_round(TmplExec *exec, const TmplValue *args, size_t count,
                                  TmplValue *ret, Err *err) {
    (void)exec, (void)count;
    if (!wants_duration(&args[1], err)) {
        return false;
    }
    int64_t unit = args[1].integer;
    *ret = args[0];
    if (unit > 0) {
        ret->integer = (int64_t)(llround((double)args[0].integer / (double)unit)) * unit;
    }
    return true;
}

static bool duration_method_truncate(TmplExec *exec, const TmplValue *args, size_t count,
                                     TmplValue *ret, Err *err) {
    (void)exec, (void)count;
    if (!wants_duration(&args[1], err)) {
        return false;
    }
    *ret = args[0];
    if (args[1].integer > 0) {
        ret->integer -= ret->integer % args[1].integer;
    }
    return true;
}

const TmplFunc go_duration_methods[] = {
    {"Hours", 0, 0, duration_method_hours},
    {"Milliseconds", 0, 0, duration_method_milliseconds},
    {"Minutes", 0, 0, duration_method_minutes},
    {"Round", 1, 1, duration_method_round},
    {"Seconds", 0, 0, duration_method_seconds},
    {"String", 0, 0, duration_method_string},
    {"Truncate", 1, 1, duration_method_truncate},
    {0},
};
