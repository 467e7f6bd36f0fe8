#include "tmpl/value.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/number.h"
#include "tmpl/go_time.h"

TmplValue tmpl_string(Str text) {
    return (TmplValue){.type = TMPL_STRING, .string = text};
}

TmplValue tmpl_float(double number) {
    return (TmplValue){.type = TMPL_FLOAT, .number = number};
}

TmplValue tmpl_int(int64_t number) {
    return (TmplValue){.type = TMPL_INT, .integer = number};
}

TmplValue tmpl_bool(bool value) {
    return (TmplValue){.type = TMPL_BOOL, .boolean = value};
}

TmplValue tmpl_time(TimeMs time) {
    /* What nanoseconds since 1970 cannot hold is Go's zero time: year 1 stands for "none". */
    bool fits = time > INT64_MIN / 1000000 && time < INT64_MAX / 1000000;
    return (TmplValue){
        .type = TMPL_TIME, .integer = fits ? time * 1000000 : GO_TIME_ZERO, .zone_name = "UTC"};
}

static int by_name(const void *a, const void *b) {
    return str_cmp(((const TmplField *)a)->name, ((const TmplField *)b)->name);
}

TmplValue tmpl_string_map(Arena *arena, const Str *names, const Str *values, size_t count) {
    TmplField *fields = arena_array(arena, TmplField, count + 1);
    TmplValue *texts = arena_array(arena, TmplValue, count + 1);
    bool is_sorted = true;
    for (size_t i = 0; i < count; i++) {
        texts[i] = tmpl_string(values[i]);
        fields[i] = (TmplField){names[i], &texts[i]};
        is_sorted &= i == 0 || str_cmp(names[i - 1], names[i]) < 0;
    }
    if (!is_sorted) {
        qsort(fields, count, sizeof *fields, by_name);
    }
    return (TmplValue){.type = TMPL_MAP,
                       .fields = fields,
                       .count = count,
                       .zero_missing = true,
                       .go_type = "map[string]string"};
}

Str tmpl_type_name(const TmplValue *value) {
    if (value->go_type) {
        return str_of(value->go_type);
    }
    switch (value->type) {
    case TMPL_NIL:
        return STR("<nil>");
    case TMPL_BOOL:
        return STR("bool");
    case TMPL_INT:
        return STR("int");
    case TMPL_FLOAT:
        return STR("float64");
    case TMPL_STRING:
        return STR("string");
    case TMPL_LIST:
        return STR("[]interface {}");
    case TMPL_MAP:
        return STR("map[string]interface {}");
    case TMPL_OBJECT:
        return STR("struct {}");
    case TMPL_TIME:
        return STR("time.Time");
    case TMPL_DURATION:
        return STR("time.Duration");
    }
    return STR("");
}

bool tmpl_truth(const TmplValue *value) {
    switch (value->type) {
    case TMPL_NIL:
        return false;
    case TMPL_BOOL:
        return value->boolean;
    case TMPL_INT:
    case TMPL_DURATION:
        return value->integer != 0;
    case TMPL_FLOAT:
        return value->number != 0;
    case TMPL_STRING:
        return value->string.len > 0;
    case TMPL_LIST:
    case TMPL_MAP:
        return value->count > 0;
    case TMPL_OBJECT:
    case TMPL_TIME:
        return true;
    }
    return false;
}

const TmplValue *tmpl_field(const TmplValue *value, Str key) {
    for (size_t i = 0; i < value->count; i++) {
        if (str_eq(value->fields[i].name, key)) {
            return value->fields[i].value;
        }
    }
    return NULL;
}

/* 1_000: ParseFloat lets underscores stand between digits. */
static bool parse_separated(Str text, double *ret_number) {
    char plain[64];
    size_t len = 0;
    for (size_t i = 0; i < text.len && len < sizeof plain; i++) {
        bool is_between = i && i + 1 < text.len && isalnum((unsigned char)text.ptr[i - 1]) &&
                          isalnum((unsigned char)text.ptr[i + 1]);
        if (text.ptr[i] == '_' && !is_between) {
            return false;
        }
        if (text.ptr[i] != '_') {
            plain[len++] = text.ptr[i];
        }
    }
    return len < sizeof plain && number_parse((Str){plain, len}, ret_number);
}

bool tmpl_to_float(const TmplValue *value, double *ret_number, Err *err) {
    switch (value->type) {
    case TMPL_FLOAT:
        *ret_number = value->number;
        return true;
    case TMPL_INT:
        *ret_number = (double)value->integer;
        return true;
    case TMPL_DURATION:
        *ret_number = (double)value->integer / 1e9;
        return true;
    case TMPL_STRING:
        if (number_parse(value->string, ret_number) || parse_separated(value->string, ret_number)) {
            return true;
        }
        return err_set(err, ERR_INVALID, "strconv.ParseFloat: parsing \"%.*s\": invalid syntax",
                       STR_ARG(value->string));
    default:
        return err_set(err, ERR_INVALID, "can't convert %.*s to float",
                       STR_ARG(tmpl_type_name(value)));
    }
}

bool tmpl_to_text(const TmplValue *value, Str *ret_text, Err *err) {
    if (value->type != TMPL_STRING) {
        return err_set(err, ERR_UNSUPPORTED, "wrong type for value; expected string; got %.*s",
                       STR_ARG(tmpl_type_name(value)));
    }
    *ret_text = value->string;
    return true;
}
