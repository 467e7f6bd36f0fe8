#include "base/json.h"

#include <assert.h>
#include <math.h>

#include "base/number.h"

/* Before each value or key: the comma, unless it is the first of its container or stands behind a
 * key. */
static void begin_item(JsonWriter *json) {
    if (json->after_key) {
        json->after_key = false;
        return;
    }
    if (json->depth > 0) {
        bool *has_item = &json->has_item[json->depth - 1];
        if (*has_item) {
            buf_byte(json->buf, ',');
        }
        *has_item = true;
    }
}

static void open_container(JsonWriter *json, char opener, char closer) {
    assert(json->depth < JSON_DEPTH_MAX);
    begin_item(json);
    buf_byte(json->buf, opener);
    json->has_item[json->depth] = false;
    json->closer[json->depth] = closer;
    json->depth++;
}

JsonWriter json_writer(Buf *buf) {
    return (JsonWriter){.buf = buf};
}

void json_object(JsonWriter *json) {
    open_container(json, '{', '}');
}

void json_array(JsonWriter *json) {
    open_container(json, '[', ']');
}

void json_end(JsonWriter *json) {
    assert(json->depth > 0 && !json->after_key);
    json->depth--;
    buf_byte(json->buf, json->closer[json->depth]);
}

void json_key(JsonWriter *json, Str key) {
    assert(json->depth > 0 && json->closer[json->depth - 1] == '}' && !json->after_key);
    begin_item(json);
    json_quote(json->buf, key);
    buf_byte(json->buf, ':');
    json->after_key = true;
}

void json_str(JsonWriter *json, Str text) {
    begin_item(json);
    json_quote(json->buf, text);
}

void json_int(JsonWriter *json, int64_t value) {
    begin_item(json);
    number_put_int(json->buf, value);
}

/* Exponents have at least two digits in Go, but in its JSON as many as they need. */
static void put_short_exponent(Buf *buf, double value) {
    number_put_exp(buf, value);
    char *end = buf->ptr + buf->len;
    if (end[-4] == 'e' && end[-2] == '0') {
        end[-2] = end[-1];
        buf->len--;
    }
}

void json_number(JsonWriter *json, double value) {
    begin_item(json);
    if (!isfinite(value)) {
        buf_str(json->buf, STR("null"));
        return;
    }
    /* As Go's encoding/json, and ECMAScript: an exponent only where it is shorter to read. */
    double size = fabs(value);
    if (size != 0 && (size < 1e-6 || size >= 1e21)) {
        put_short_exponent(json->buf, value);
    } else {
        number_put(json->buf, value);
    }
}

void json_bool(JsonWriter *json, bool value) {
    begin_item(json);
    buf_str(json->buf, value ? STR("true") : STR("false"));
}

void json_null(JsonWriter *json) {
    begin_item(json);
    buf_str(json->buf, STR("null"));
}

void json_time(JsonWriter *json, TimeMs time) {
    begin_item(json);
    buf_byte(json->buf, '"');
    time_put(json->buf, time);
    buf_byte(json->buf, '"');
}

void json_raw(JsonWriter *json, Str text) {
    begin_item(json);
    buf_str(json->buf, text);
}

void json_put_str(JsonWriter *json, const char *key, Str value) {
    json_key(json, str_of(key));
    json_str(json, value);
}

void json_put_int(JsonWriter *json, const char *key, int64_t value) {
    json_key(json, str_of(key));
    json_int(json, value);
}

void json_put_number(JsonWriter *json, const char *key, double value) {
    json_key(json, str_of(key));
    json_number(json, value);
}

void json_put_bool(JsonWriter *json, const char *key, bool value) {
    json_key(json, str_of(key));
    json_bool(json, value);
}

void json_put_time(JsonWriter *json, const char *key, TimeMs value) {
    json_key(json, str_of(key));
    json_time(json, value);
}

void json_put_object(JsonWriter *json, const char *key) {
    json_key(json, str_of(key));
    json_object(json);
}

void json_put_array(JsonWriter *json, const char *key) {
    json_key(json, str_of(key));
    json_array(json);
}

static bool is_plain(unsigned char byte) {
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/* Eight bytes at once, exactly those of is_plain(): what is below a number borrows from the highest
 * bit of its byte (Mycroft's test for a zero byte, and the same for others). */
static bool are_plain(const char *bytes) {
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    uint64_t quote = word ^ ones * '"', slash = word ^ ones * '\\';
    return ((word | (word - ones * 0x20) | (quote - ones) | (slash - ones)) & tops) == 0;
}

/* How many bytes stand in the text as they are. */
static size_t plain_run(Str text) {
    size_t run = 0;
    while (run + 8 <= text.len && are_plain(text.ptr + run)) {
        run += 8;
    }
    while (run < text.len && is_plain((unsigned char)text.ptr[run])) {
        run++;
    }
    return run;
}

/* The escaped form of an ASCII byte that is not plain. */
static void put_escape(Buf *buf, unsigned char byte) {
    static const char letters[] = {
        ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
        ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
    };
    if (byte < sizeof letters && letters[byte]) {
        buf_byte(buf, '\\');
        buf_byte(buf, letters[byte]);
    } else {
        buf_printf(buf, "\\u%04x", byte);
    }
}

/* Writes one character that is not ASCII, or the first byte of none, and returns its length. */
static size_t put_wide(Buf *buf, Str text) {
    size_t len = str_utf8_len(text);
    if (len == 0) {
        buf_str(buf, STR("\\ufffd"));
        return 1;
    }
    /* Line and paragraph separator end a line in JavaScript source; Go escapes them, too. */
    if (str_starts(text, STR("\xe2\x80\xa8"))) {
        buf_str(buf, STR("\\u2028"));
    } else if (str_starts(text, STR("\xe2\x80\xa9"))) {
        buf_str(buf, STR("\\u2029"));
    } else {
        buf_put(buf, text.ptr, len);
    }
    return len;
}

void json_quote(Buf *buf, Str text) {
    buf_reserve(buf, text.len + 2); /* most texts need no more */
    buf_byte(buf, '"');
    while (text.len) {
        size_t run = plain_run(text);
        buf_put(buf, text.ptr, run);
        text = str_skip(text, run);
        if (text.len == 0) {
            break;
        }
        unsigned char byte = (unsigned char)text.ptr[0];
        if (byte < 0x80) {
            put_escape(buf, byte);
            text = str_skip(text, 1);
        } else {
            text = str_skip(text, put_wide(buf, text));
        }
    }
    buf_byte(buf, '"');
}
