/* The JSON writer: commas where they belong, and texts that are always valid. */

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "base/json.h"

static void assert_buf(const Buf *buf, const char *want) {
    cr_expect(str_eq(buf_view(buf), str_of(want)), "got %.*s, want %s", STR_ARG(buf_view(buf)),
              want);
}

Test(json, places_the_commas) {
    AUTO(buf_finish) Buf buf = {0};
    JsonWriter json = json_writer(&buf);
    json_object(&json);
    json_put_str(&json, "status", STR("success"));
    json_put_array(&json, "data");
    json_end(&json);
    json_put_array(&json, "rows");
    json_int(&json, -1);
    json_array(&json);
    json_number(&json, 1.5);
    json_null(&json);
    json_end(&json);
    json_object(&json);
    json_end(&json);
    json_raw(&json, STR("[1]"));
    json_end(&json);
    json_put_object(&json, "last");
    json_put_bool(&json, "yes", true);
    json_put_int(&json, "n", 7);
    json_put_number(&json, "x", 0.5);
    json_put_time(&json, "at", 0);
    json_end(&json);
    json_end(&json);
    assert_buf(&buf,
               "{\"status\":\"success\",\"data\":[],\"rows\":[-1,[1.5,null],{},[1]],"
               "\"last\":{\"yes\":true,\"n\":7,\"x\":0.5,\"at\":\"1970-01-01T00:00:00.000Z\"}}");
}

Test(json, quotes_as_go_does) {
    static const struct {
        Str text;
        const char *want;
    } cases[] = {
        {{"", 0}, "\"\""},
        {{"plain <b>&'/", 12}, "\"plain <b>&'/\""},
        {{"\"\\\b\f\n\r\t", 7}, "\"\\\"\\\\\\b\\f\\n\\r\\t\""},
        {{"\0\x01\x1f\x7f", 4}, "\"\\u0000\\u0001\\u001f\x7f\""},
        {{"\xc3\xa4\xf0\x9f\x94\xa5", 6}, "\"\xc3\xa4\xf0\x9f\x94\xa5\""},
        {{"a\xff\xc3", 3}, "\"a\\ufffd\\ufffd\""},
        {{"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", 9}, "\"\\u2028\\u2029\xe2\x80\xaa\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(buf_finish) Buf buf = {0};
        json_quote(&buf, cases[i].text);
        assert_buf(&buf, cases[i].want);
    }
}

Test(json, quotes_the_same_wherever_a_byte_stands) {
    char text[24], want[64];
    for (int byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < sizeof text; at++) {
            AUTO(buf_finish) Buf alone = {0};
            AUTO(buf_finish) Buf among = {0};
            memset(text, 'x', sizeof text);
            text[at] = (char)byte;
            json_quote(&alone, (Str){&text[at], 1});
            json_quote(&among, (Str){text, sizeof text});
            snprintf(want, sizeof want, "\"%.*s%.*s%.*s\"", (int)at, "xxxxxxxxxxxxxxxxxxxxxxxx",
                     (int)alone.len - 2, alone.ptr + 1, (int)(sizeof text - 1 - at),
                     "xxxxxxxxxxxxxxxxxxxxxxxx");
            assert_buf(&among, want);
        }
    }
}

Test(json, numbers_have_an_exponent_only_at_the_ends) {
    static const struct {
        double value;
        const char *want;
    } cases[] = {
        {0, "0"},         {1e6, "1000000"},   {1e20, "100000000000000000000"},
        {1e21, "1e+21"},  {1e-6, "0.000001"}, {1e-7, "1e-7"},
        {1e-10, "1e-10"}, {1e-100, "1e-100"}, {-2.5, "-2.5"},
        {NAN, "null"},    {INFINITY, "null"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(buf_finish) Buf buf = {0};
        JsonWriter json = json_writer(&buf);
        json_number(&json, cases[i].value);
        assert_buf(&buf, cases[i].want);
    }
}
