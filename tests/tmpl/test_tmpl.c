/* Templates and what Go makes of them: the formats of printf, what is told of mistakes, methods of
 * times. The columns on the right are what promtool says. */

#include <criterion/criterion.h>

#include "tmpl/tmpl.h"

typedef struct Row {
    const char *text, *want; /* an error begins with "error: " and is its end */
} Row;

static void check_rows(const Row *rows, size_t count) {
    static const TmplFunc *const funcs[] = {tmpl_funcs_prometheus, NULL};
    for (size_t i = 0; i < count; i++) {
        AUTO(arena_finish) Arena arena = {0};
        AUTO(tmpl_freep) Tmpl *tmpl = NULL;
        AUTO(buf_finish) Buf out = {0};
        TmplOptions options = {.funcs = funcs, .missing_zero = true};
        TmplValue data = tmpl_string_map(&arena, &STR("job"), &STR("j"), 1);
        TmplWorld world = {.external_url = STR("http://b/x")};
        Err err = {0};
        bool ok = tmpl_parse(STR("t"), str_of(rows[i].text), &options, &tmpl, &err) &&
                  tmpl_execute(tmpl, STR(""), &data, &world, &arena, &out, &err);
        Str error = STR("error: ");
        if (str_starts(str_of(rows[i].want), error)) {
            Str want = str_skip(str_of(rows[i].want), error.len);
            cr_expect(!ok && str_ends(str_of(err.text), want), "%s: %s", rows[i].text,
                      ok ? "no error" : err.text);
        } else {
            cr_expect(ok, "%s: %s", rows[i].text, err.text);
            cr_expect(str_eq(buf_view(&out), str_of(rows[i].want)), "%s:\n got %.*s\nwant %s",
                      rows[i].text, STR_ARG(buf_view(&out)), rows[i].want);
        }
    }
}

Test(tmpl, prints_as_go_does) {
    static const Row rows[] = {
        {"{{ printf \"%o\" -7 }}", "-7"},
        {"{{ print \"a\" \"b\" }}", "ab"},
        {"{{ printf \"%y\" 1e21 }}", "%!y(float64=1e+21)"},
        {"{{ printf \"%f\" 0.0 }}", "0.000000"},
        {"{{ printf \"%z\" true }}", "%!z(bool=true)"},
        {"{{ printf \"%.3v\" 1234.5678 }}", "1.23e+03"},
        {"{{ printf \"%20.5v\" \"héllo\\n\" }}", "               héllo"},
        {"{{ printf \"%t\" 1 }}", "%!t(int=1)"},
        {"{{ printf \"%#q\" 'a' }}", "'a'"},
        {"{{ printf \"%+v\" -7 }}", "-7"},
        {"{{ printf \"%.3q\" `raw` }}", "\"raw\""},
        {"{{ printf \"%#o\" -7 }}", "-07"},
        {"{{ printf \"%!\" 42 }}", "%!!(int=42)"},
        {"{{ printf \"%o\" 1234567.891 }}", "%!o(float64=1.234567891e+06)"},
        {"{{ printf \"%+d\" 'a' }}", "+97"},
        {"{{ printf \"%20.5v\" 1234567.891 }}", "          1.2346e+06"},
        {"{{ printf \"%y\" -7 }}", "%!y(int=-7)"},
        {"{{ printf \"%!\" -3.5 }}", "%!!(float64=-3.5)"},
        {"{{ printf \"%20.5v\" 1e21 }}", "               1e+21"},
        {"{{ printf \"%% d\" `raw` }}", "% d%!(EXTRA string=raw)"},
        {"{{ printf \"%F\" `raw` }}", "%!F(string=raw)"},
        {"{{ printf \"%b\" 'a' }}", "1100001"},
        {"{{ printf \"%.0f\" 1234567.891 }}", "1234568"},
        {"{{ printf \"%.10g\" 1e21 }}", "1e+21"},
        {"{{ printf \"%% d\" -7 }}", "% d%!(EXTRA int=-7)"},
        {"{{ printf \"%+v\" \"héllo\\n\" }}", "héllo\n"},
        {"{{ printf \"%#q\" true }}", "%!q(bool=true)"},
        {"{{ printf \"%.0f\" 'a' }}", "%!f(int=97)"},
        {"{{ println 1 \"a\" }}", "1 a\n"},
        {"{{ printf \"%q\" -3.5 }}", "%!q(float64=-3.5)"},
        {"{{ printf \"%t\" 42 }}", "%!t(int=42)"},
        {"{{ printf \"%T\" -3.5 }}", "float64"},
        {"{{ printf \"%#x\" 0x1f }}", "0x1f"},
        {"{{ printf \"%20.5v\" \"hi\" }}", "                  hi"},
        {"{{ println }}", "\n"},
        {"{{ printf \"%% d\" -3.5 }}", "% d%!(EXTRA float64=-3.5)"},
        {"{{ printf \"%.3g\" \"hi\" }}", "%!g(string=hi)"},
        {"{{ printf \"%% d\" 0x1f }}", "% d%!(EXTRA int=31)"},
        {"{{ printf \"%v %d\" (len \"abc\") (len \"abc\") }}", "3 3"},
        {"{{ printf \"%% X\" 'a' }}", "% X%!(EXTRA int=97)"},
        {"{{ printf \"%f\" \"héllo\\n\" }}", "%!f(string=héllo\n)"},
        {"{{ printf \"%z\" 42 }}", "%!z(int=42)"},
        {"{{ printf \"%E\" 42 }}", "%!E(int=42)"},
        {"{{ printf \"%T\" \"héllo\\n\" }}", "string"},
        {"{{ printf \"%f\" 1e21 }}", "1000000000000000000000.000000"},
        {"{{ printf \"%020v\" 1e21 }}", "0000000000000001e+21"},
        {"{{ printf \"%-5d|\" 0x1f }}", "31   |"},
        {"{{ printf \"%#o\" 42 }}", "052"},
        {"{{ printf \"%% X\" -3.5 }}", "% X%!(EXTRA float64=-3.5)"},
        {"{{ printf \"%+08.2f\" -3.5 }}", "-0003.50"},
        {"{{ printf \"%#g\" \"hi\" }}", "%!g(string=hi)"},
        {"{{ printf \"%% d\" 1234567.891 }}", "% d%!(EXTRA float64=1.234567891e+06)"},
        {"{{ printf \"%d\" 1.5 }}", "%!d(float64=1.5)"},
        {"{{ printf \"%w\" 1234567.891 }}", "%!w(float64=1.234567891e+06)"},
        {"{{ printf \"%a\" 0x1f }}", "%!a(int=31)"},
        {"{{ printf \"%e\" 123456.789 }}", "1.234568e+05"},
        {"{{ printf \"%% x\" 'a' }}", "% x%!(EXTRA int=97)"},
        {"{{ printf \"%o %O\" 8 8 }}", "10 0o10"},
        {"{{ printf \"%.2s\" 0x1f }}", "%!s(int=31)"},
        {"{{ printf \"%#v\" `raw` }}", "\"raw\""},
        {"{{ printf \"%c\" 'a' }}", "a"},
        {"{{ printf \"%.3f\" \"hi\" }}", "%!f(string=hi)"},
        {"{{ printf \"%-10s|\" \"hi\" }}", "hi        |"},
        {"{{ printf \"%y\" \"hi\" }}", "%!y(string=hi)"},
        {"{{ printf \"%s %v\" \"a\" true }}", "a true"},
        {"{{ printf \"%d%%\" 5 }}", "5%"},
        {"{{ printf \"%E\" 'a' }}", "%!E(int=97)"},
        {"{{ printf \"%5d\" 'a' }}", "   97"},
        {"{{ printf \"%#x\" -7 }}", "-0x7"},
        {"{{ printf \"%U\" 42 }}", "U+002A"},
        {"{{ printf \"%+q\" -3.5 }}", "%!q(float64=-3.5)"},
        {"{{ printf \"%+q\" 42 }}", "'*'"},
        {"{{ printf \"%+q\" \"hi\" }}", "\"hi\""},
        {"{{ printf \"%+q\" true }}", "%!q(bool=true)"},
        {"{{ printf \"%+q\" 0x1f }}", "'\\x1f'"},
        {"{{ printf \"%+q\" 'a' }}", "'a'"},
        {"{{ printf \"%+q\" `raw` }}", "\"raw\""},
        {"{{ printf \"%#q\" 1234567.891 }}", "%!q(float64=1.234567891e+06)"},
        {"{{ printf \"%#q\" 42 }}", "'*'"},
        {"{{ printf \"%#q\" -7 }}", "'�'"},
        {"{{ printf \"%#q\" \"héllo\\n\" }}", "\"héllo\\n\""},
        {"{{ printf \"%#q\" 0x1f }}", "'\\x1f'"},
        {"{{ printf \"%b\" 42 }}", "101010"},
        {"{{ printf \"%b\" -7 }}", "-111"},
        {"{{ printf \"%b\" \"hi\" }}", "%!b(string=hi)"},
        {"{{ printf \"%b\" \"héllo\\n\" }}", "%!b(string=héllo\n)"},
        {"{{ printf \"%b\" true }}", "%!b(bool=true)"},
        {"{{ printf \"%b\" 0x1f }}", "11111"},
        {"{{ printf \"%b\" `raw` }}", "%!b(string=raw)"},
        {"{{ printf \"%#U\" 1234567.891 }}", "%!U(float64=1.234567891e+06)"},
        {"{{ printf \"%#U\" \"hi\" }}", "%!U(string=hi)"},
        {"{{ printf \"%#U\" \"héllo\\n\" }}", "%!U(string=héllo\n)"},
        {"{{ printf \"%#U\" true }}", "%!U(bool=true)"},
        {"{{ printf \"%#U\" 0x1f }}", "U+001F"},
        {"{{ printf \"%#U\" `raw` }}", "%!U(string=raw)"},
        {"{{ printf \"%5%\" 1234567.891 }}", "%%!(EXTRA float64=1.234567891e+06)"},
        {"{{ printf \"%5%\" -3.5 }}", "%%!(EXTRA float64=-3.5)"},
        {"{{ printf \"%5%\" 0.0 }}", "%%!(EXTRA float64=0)"},
        {"{{ printf \"%5%\" 42 }}", "%%!(EXTRA int=42)"},
        {"{{ printf \"%5%\" -7 }}", "%%!(EXTRA int=-7)"},
        {"{{ printf \"%5%\" \"hi\" }}", "%%!(EXTRA string=hi)"},
        {"{{ printf \"%5%\" \"héllo\\n\" }}", "%%!(EXTRA string=héllo\n)"},
        {"{{ printf \"%5%\" true }}", "%%!(EXTRA bool=true)"},
        {"{{ printf \"%5%\" 1e21 }}", "%%!(EXTRA float64=1e+21)"},
        {"{{ printf \"%5%\" 0x1f }}", "%%!(EXTRA int=31)"},
        {"{{ printf \"%5%\" 'a' }}", "%%!(EXTRA int=97)"},
        {"{{ printf \"%5%\" `raw` }}", "%%!(EXTRA string=raw)"},
        {"{{ printf \"%!\" 1234567.891 }}", "%!!(float64=1.234567891e+06)"},
        {"{{ printf \"%!\" 0.0 }}", "%!!(float64=0)"},
        {"{{ printf \"%!\" -7 }}", "%!!(int=-7)"},
        {"{{ printf \"%!\" \"hi\" }}", "%!!(string=hi)"},
        {"{{ printf \"%!\" \"héllo\\n\" }}", "%!!(string=héllo\n)"},
        {"{{ printf \"%!\" true }}", "%!!(bool=true)"},
        {"{{ printf \"%!\" 1e21 }}", "%!!(float64=1e+21)"},
        {"{{ printf \"%!\" 0x1f }}", "%!!(int=31)"},
        {"{{ printf \"%!\" 'a' }}", "%!!(int=97)"},
        {"{{ printf \"%!\" `raw` }}", "%!!(string=raw)"},
        {"{{ printf \"x\" 1 2 }}", "x%!(EXTRA int=1, int=2)"},
        {"{{ printf \"%*d\" 5 42 }}", "   42"},
        {"{{ printf \"%-*d|\" 5 42 }}", "42   |"},
        {"{{ printf \"%.*f\" 2 3.14159 }}", "3.14"},
        {"{{ printf \"%\" }}", "%!(NOVERB)"},
        {"{{ printf \"%%\" }}", "%"},
        {"{{ printf \"100%\" }}", "100%!(NOVERB)"},
    };
    check_rows(rows, sizeof rows / sizeof rows[0]);
}

Test(tmpl, takes_the_language_as_go_does) {
    static const Row rows[] = {
        {"{{define \"x\"}}1{{end}}{{define \"x\"}}2{{end}}",
         "error: t:1: template: multiple definition of template \"x\""},
        {"{{range $x, $y, $z := .}}{{end}}", "error: too many declarations in range"},
        {"{{$x = 1}}", "error: t:1:7: executing \"t\" at <1>: undefined variable: $x"},
        {"{{1e400}}", "error: illegal number syntax: \"1e400\""},
        {"{{\"a\".x}}", "error: unexpected . after term \"\\\"a\\\"\""},
        {"{{ .. }}", "error: unexpected <.> in operand"},
        {"{{ '' }}", "error: t:1: invalid syntax"},
        {"{{ @ }}", "error: unexpected \"@\" in command"},
        {"{{template \"nope\"}}", "error: t:1:11: executing \"t\" at <{{template \"nope\"}}>: "
                                  "template \"nope\" not defined"},
        {"{{range \"abc\"}}{{end}}",
         "error: t:1:8: executing \"t\" at <\"abc\">: range can't iterate over abc"},
        {"{{(1).x}}", "error: t:1:3: executing \"t\" at <1>: can't evaluate field x in type int"},
        {"{{index . nil}}", "error: value is nil; should be of type string"},
        {"{{slice nil 1}}", "error: slice of untyped nil"},
        {"{{eq . .}}", "error: non-comparable type map[job:j]: map[string]string"},
        {"{{eq . 1}}", "error: incompatible types for comparison"},
        {"{{call nil}}", "error: error calling call: call of nil"},
        {"{{html nil}}", "&lt;no value&gt;"},
        {"{{js \"\\u2028\\u0001\"}}", "\\u2028\\u0001"},
        {"{{title 5}}", "error: at <5>: expected string; found 5"},
        {"{{title nil}}", "error: at <nil>: cannot assign nil to string"},
        {"{{title .}}",
         "error: at <.>: wrong type for value; expected string; got map[string]string"},
        {"{{first 1}}", "error: at <1>: can't handle 1 for arg of type template.queryResult"},
        {"{{match \"(\" \"b\"}}",
         "error: error calling match: error parsing regexp: missing closing ): `(`"},
        {"{{reReplaceAll \"(\" \"b\" \"c\"}}",
         "error: regexp: Compile(`(`): error parsing regexp: missing closing ): `(`"},
        {"{{humanize \"1_0\"}}{{stripDomain \"host.a:\"}}", "10host"},
        {"{{stripDomain \"[fe80::1%25eth0]:80\"}}", "[fe80::1%25eth0]:80"},
    };
    check_rows(rows, sizeof rows / sizeof rows[0]);
}

Test(tmpl, times_have_gos_methods) {
    static const Row rows[] = {
        {"{{(toTime 0).Weekday}} {{(toTime 0).Month}} {{(toTime 0).YearDay}}",
         "Thursday January 1"},
        {"{{(toTime 1e9).Month | printf \"%d\"}} {{eq (toTime 1e9).Month 9}}", "9 true"},
        {"{{eq (toTime 1e9).Weekday.String \"Sunday\"}}", "true"},
        {"{{(toTime 1435065584.1289).Nanosecond}}", "128000000"},
        {"{{(toTime 1e9).Equal (toTime 1e9)}} {{(toTime 1e9).UnixMicro}}", "true 1000000000000000"},
        {"{{(toTime 1e9).AddDate 0 1 0}}", "2001-10-09 01:46:40 +0000 UTC"},
        {"{{(toTime 949276800).AddDate 1 1 0}}", "2001-03-03 00:00:00 +0000 UTC"},
        {"{{(toTime 1e9).AddDate 0 -9 -9}}", "2000-11-30 01:46:40 +0000 UTC"},
        {"{{(toTime 1e9).Truncate (toDuration 3600)}}", "2001-09-09 01:00:00 +0000 UTC"},
        {"{{(toTime 1e9).Round (toDuration 3600)}}", "2001-09-09 02:00:00 +0000 UTC"},
        {"{{(toTime 1e9).Nope}}", "error: can't evaluate field Nope in type *time.Time"},
    };
    check_rows(rows, sizeof rows / sizeof rows[0]);
}
