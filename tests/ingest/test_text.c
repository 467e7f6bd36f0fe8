/* Single lines of the exposition formats, and the cases of Prometheus' own parser tests. */

#include <criterion/criterion.h>
#include <math.h>

#include "corpus.h"
#include "ingest/text.h"

static TextLine parse(const char *line, bool open_metrics, TextSample *sample, Err *err) {
    return text_line(str_of(line), open_metrics, sample, err);
}

static void show(Buf *out, const TextSample *sample) {
    Arena arena = {0};
    LabelSet labels;
    Err err;
    if (text_decode(NULL, sample->series, &arena, &labels, &err) == SERIES_USE) {
        labels_print(out, labels);
    } else {
        buf_printf(out, "! %s", err.text);
    }
    buf_printf(out, " %g", sample->value);
    if (sample->has_time) {
        buf_printf(out, "@%lld", (long long)sample->time);
    }
    arena_finish(&arena);
}

Test(text, lines_come_to_samples) {
    static const struct {
        const char *line;
        bool open_metrics;
        const char *want;
    } rows[] = {
        {"up 1", false, "up 1"},
        {"up{} 1", false, "up 1"},
        {"  up \t 1 \t 1500 ", false, "up 1@1500"},
        {"up 1 -7", false, "up 1@-7"},
        {"up{b=\"2\",a=\"1\",} 1.5e3", false, "up{a=\"1\", b=\"2\"} 1500"},
        {"up { a = \"1\" , b = \"2\" } +Inf", false, "up{a=\"1\", b=\"2\"} inf"},
        {"up{a=\"x\\n\\\"\\\\\\t\"}1", false, "up{a=\"x\\n\\\"\\\\\\\\t\"} 1"},
        {"{\"my.metric\",\"l.1\"=\"v\"} 16", false, "{\"my.metric\", \"l.1\"=\"v\"} 16"},
        {"{a=\"1\",\"m\"} NaN", false, "m{a=\"1\"} nan"},
        {"a:b:c 1\r", false, "a:b:c 1"},
        {"up 1 1.5", true, "up 1@1500"},
        {"up 1 1.5 # {trace=\"x\"} 3 4.5", true, "up 1@1500"},
        {"up 1 # {} 3", true, "up 1"},
        {"up{a=\"1\",a=\"2\"} 1", false, "! label name \"a\" is not unique 1"},
        {"up 0.30000000000000004", false, "up 0.3"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        TextSample sample;
        Err err = {0};
        Buf shown = {0};
        cr_assert_eq(parse(rows[i].line, rows[i].open_metrics, &sample, &err), TEXT_SAMPLE,
                     "%s: %s", rows[i].line, err.text);
        show(&shown, &sample);
        cr_expect(str_eq(buf_view(&shown), str_of(rows[i].want)), "%s -> %.*s", rows[i].line,
                  STR_ARG(buf_view(&shown)));
        buf_finish(&shown);
    }
}

Test(text, lines_that_hold_no_sample) {
    static const struct {
        const char *line;
        bool open_metrics;
        TextLine want;
    } rows[] = {
        {"", false, TEXT_COMMENT},
        {"   ", false, TEXT_COMMENT},
        {"#", false, TEXT_COMMENT},
        {"#TYPE a b", false, TEXT_COMMENT},
        {"# hello", false, TEXT_COMMENT},
        {"# TYPE a counter", false, TEXT_META},
        {"# HELP a", false, TEXT_META},
        {"# TYPE a nonsense", false, TEXT_BAD},
        {"# TYPE a counter", true, TEXT_META},
        {"# EOF", true, TEXT_EOF},
        {"# EOF ", true, TEXT_BAD},
        {"", true, TEXT_BAD},
        {"# hello", true, TEXT_BAD},
        {"#TYPE a counter", true, TEXT_BAD},
        {"# UNIT a_seconds seconds", true, TEXT_META},
        {"# UNIT a meters", true, TEXT_BAD},
        {"up", false, TEXT_BAD},
        {"up ", false, TEXT_BAD},
        {"up 1_0", false, TEXT_BAD},
        {"up 0x1p3", false, TEXT_BAD},
        {"up 1 2 3", false, TEXT_BAD},
        {"up 1 1.5", false, TEXT_BAD},
        {"up{ 1", false, TEXT_BAD},
        {"up{a} 1", false, TEXT_BAD},
        {"up{a=b} 1", false, TEXT_BAD},
        {"up{a=\"b} 1", false, TEXT_BAD},
        {"up{a=\"b\\\"} 1", false, TEXT_BAD},
        {"up{a=\"\xff\"} 1", false, TEXT_BAD},
        {"up{\"x\"} 1", false, TEXT_BAD},
        {"{\"x\",\"y\"} 1", false, TEXT_BAD},
        {"{} 1", false, TEXT_BAD},
        {"0up 1", false, TEXT_BAD},
        {"up  1", true, TEXT_BAD},
        {"up 1  2", true, TEXT_BAD},
        {"up 1 NaN", true, TEXT_BAD},
        {"up 1 ", true, TEXT_BAD},
        {"up{ a=\"1\"} 1", true, TEXT_BAD},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        TextSample sample;
        Err err = {0};
        cr_expect_eq(parse(rows[i].line, rows[i].open_metrics, &sample, &err), rows[i].want,
                     "\"%s\": %s", rows[i].line, err.text);
        cr_expect(rows[i].want != TEXT_BAD || err.kind == ERR_INVALID, "%s", rows[i].line);
    }
}

Test(text, a_nan_in_text_is_never_a_stale_marker) {
    TextSample sample;
    Err err;
    cr_assert_eq(parse("up nan", false, &sample, &err), TEXT_SAMPLE);
    cr_expect_eq(value_bits(sample.value), NORMAL_NAN_BITS);
}

Test(text, every_prefix_and_every_flipped_bit_is_survived) {
    static const char good[] = "up{a=\"1\\n\",\"b.c\"=\"\\\\2\"} 1.25e3 1500 # {t=\"x\"} 3 4.5";
    char line[sizeof good];
    for (int open_metrics = 0; open_metrics < 2; open_metrics++) {
        for (size_t bit = 0; bit <= (sizeof good - 1) * 8; bit++) {
            memcpy(line, good, sizeof good);
            if (bit) {
                line[(bit - 1) / 8] ^= (char)(1 << bit % 8);
            }
            for (size_t len = bit ? sizeof good - 1 : 0; len < sizeof good; len++) {
                char *copy = malloc(len + (len == 0));
                memcpy(copy, line, len);
                TextSample sample;
                Err err;
                if (text_line((Str){copy, len}, open_metrics, &sample, &err) == TEXT_SAMPLE) {
                    Buf shown = {0};
                    show(&shown, &sample);
                    buf_finish(&shown);
                }
                free(copy);
            }
        }
    }
}

/* ---- corpus ---- */

/* Whole texts, line by line as the stream cuts them; a final piece without newline is a line, too.
 */
static bool text_is_valid(Str text, bool open_metrics, Err *err) {
    bool eof = false;
    while (text.len) {
        size_t end = str_find(text, '\n');
        Str line = {text.ptr, end};
        text = str_skip(text, end < text.len ? end + 1 : end);
        TextSample sample;
        if (eof) {
            return err_set(err, ERR_INVALID, "unexpected data after # EOF");
        }
        switch (text_line(line, open_metrics, &sample, err)) {
        case TEXT_BAD:
            return false;
        case TEXT_EOF:
            eof = true;
            break;
        default:
            break;
        }
    }
    return !open_metrics || eof || err_set(err, ERR_INVALID, "data does not end with # EOF");
}

static void check_verdicts(const char *path, bool default_open) {
    Arena arena = {0};
    cJSON *root;
    cJSON *list = corpus_cases(&arena, path, &root);
    for (cJSON *item = list->child; item; item = item->next) {
        const char *name = corpus_text(item, "name"), *format = corpus_text(item, "format");
        bool open_metrics = format ? !strcmp(format, "openmetrics") : default_open;
        bool valid = cJSON_IsTrue(cJSON_GetObjectItem(item, "valid"));
        Err err = {0};
        Str input = corpus_bytes(&arena, item, "input");
        cr_expect_eq(text_is_valid(input, open_metrics, &err), valid, "%s: %.*s\n%s", name,
                     STR_ARG(input), err.text);
    }
    cJSON_Delete(root);
    arena_finish(&arena);
}

Test(text, prometheus_verdicts_on_single_inputs) {
    check_verdicts("exposition/textparse-errors.json", false);
}
