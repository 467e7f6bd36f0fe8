/* The line formats against the cases of other programs' parsers, and real expositions as captured.
 * What a case wants is said in the `note` of its file; where we decide otherwise, a table says why.
 */

#include "corpus.h"
#include "ingest/ingest.h"
#include "show.h"

typedef struct Outcome {
    bool ok;
    Err err;
    uint64_t bad;
    size_t rows;
    Buf shown;
} Outcome;

static Outcome run(const IngestStreamOptions *options, Str text) {
    Outcome outcome = {0};
    IngestStream *stream = ingest_stream_new(options);
    outcome.ok = ingest_stream_push(stream, text, true, &outcome.err);
    const SampleBatch *batch = ingest_stream_batch(stream);
    if (batch) {
        outcome.rows = batch->row_count;
        show_batch(&outcome.shown, batch);
    }
    const IngestBadLine *bad;
    ingest_stream_bad(stream, &bad, &outcome.bad);
    buf_byte(&outcome.shown, '\0');
    ingest_stream_free(stream);
    return outcome;
}

/* A label set or a series that cannot be stored counts as refused, too. */
static bool accepted(const Outcome *outcome) {
    return outcome->ok && outcome->bad == 0 && outcome->shown.ptr[0] != '!' &&
           !strstr(outcome->shown.ptr, "\n!");
}

/* ---- expositions ---- */

/* Every valid text has to be taken. Returns how many of the invalid ones were taken as well. */
static size_t check_valid(const char *path, const char *format, size_t *ret_invalid) {
    Arena arena = {0};
    cJSON *root;
    cJSON *list = corpus_cases(&arena, path, &root);
    size_t taken = 0;
    *ret_invalid = 0;
    for (cJSON *item = list->child; item; item = item->next) {
        const char *name = corpus_text(item, "name"), *input = corpus_text(item, "input");
        Str bytes = corpus_bytes(&arena, item, "input");
        const char *own = corpus_text(item, "format");
        bool open_metrics = !strcmp(own ? own : format, "openmetrics");
        IngestStreamOptions options = {.format = open_metrics ? INGEST_OPENMETRICS : INGEST_TEXT};
        const cJSON *verdict = cJSON_GetObjectItem(item, "valid");
        bool valid = !verdict || cJSON_IsTrue(verdict);
        Outcome outcome = run(&options, bytes);
        *ret_invalid += !valid;
        taken += !valid && accepted(&outcome);
        cr_expect(accepted(&outcome) || !valid, "%s, %s is valid\n%s\n%s", path, name, input,
                  outcome.err.text);
        buf_finish(&outcome.shown);
    }
    cJSON_Delete(root);
    arena_finish(&arena);
    return taken;
}

Test(corpus, whole_expositions_of_the_prometheus_parser) {
    size_t invalid;
    check_valid("exposition/textparse-valid.json", "openmetrics", &invalid);
    cr_expect_eq(invalid, 0);
}

/* What these two refuse beyond the grammar (families that clash or interleave, counters below zero,
 * timestamps that go back) Prometheus takes when it scrapes, and so do we: a page that was good
 * enough yesterday must not go dark. The grammar's faults are refused. */
Test(corpus, the_client_librarys_text_cases) {
    size_t invalid,
        taken = check_valid("exposition/expfmt-text-cases.json", "prometheus", &invalid);
    cr_expect(taken <= 11, "%zu of %zu invalid texts taken", taken, invalid);
}

Test(corpus, the_openmetrics_suite) {
    size_t invalid,
        taken = check_valid("exposition/openmetrics-suite.json", "openmetrics", &invalid);
    cr_expect(taken <= 50, "%zu of %zu invalid texts taken", taken, invalid);
}

Test(corpus, captured_pages_are_taken_whole) {
    static const struct {
        const char *path;
        IngestFormat format;
    } files[] = {
        {"exposition/captured/node.txt", INGEST_TEXT},
        {"exposition/captured/process.txt", INGEST_TEXT},
        {"exposition/captured/prometheus.txt", INGEST_TEXT},
        {"exposition/captured/redis.txt", INGEST_TEXT},
        {"exposition/captured/victoria-metrics.txt", INGEST_TEXT},
        {"exposition/common-testdata/text.txt", INGEST_TEXT},
        {"exposition/prometheus-testdata/alltypes.237mfs.nometa.prom.txt", INGEST_TEXT},
        {"exposition/prometheus-testdata/1histogram.om.txt", INGEST_OPENMETRICS},
        {"exposition/prometheus-testdata/alltypes.5mfs.om.txt", INGEST_OPENMETRICS},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        Arena arena = {0};
        Str text = corpus_file(&arena, files[i].path);
        size_t samples = 0;
        for (Str rest = text; rest.len;) {
            size_t end = str_find(rest, '\n');
            samples += end && rest.ptr[0] != '#';
            rest = str_skip(rest, end < rest.len ? end + 1 : end);
        }
        IngestStreamOptions options = {.format = files[i].format};
        Outcome outcome = run(&options, text);
        cr_expect(accepted(&outcome), "%s: %s", files[i].path, outcome.err.text);
        cr_expect(samples > 10);
        cr_expect_eq(outcome.rows, samples, "%s: %zu of %zu", files[i].path, outcome.rows, samples);
        buf_finish(&outcome.shown);
        arena_finish(&arena);
    }
}

/* ---- rows of VictoriaMetrics' parsers ---- */

static bool row_is_there(const char *shown, const char *name, double value, const char *time) {
    AUTO(buf_finish) Buf want = {0};
    number_put(&want, value);
    buf_printf(&want, "%s%s%c", time ? "@" : "", time ? time : "", '\0');
    for (const char *line = shown; line && *line;) {
        const char *end = strchr(line, '\n');
        size_t len = end ? (size_t)(end - line) : strlen(line);
        const char *space = memmem(line, len, "} ", 2);
        space = space ? space + 1 : memchr(line, ' ', len);
        if (space && memmem(line, len, name, strlen(name)) &&
            !strncmp(space + 1, want.ptr, strlen(want.ptr))) {
            return true;
        }
        line = end ? end + 1 : NULL;
    }
    return false;
}

static void check_rows(const char *path, IngestFormat format, const CorpusException *exceptions) {
    Arena arena = {0};
    cJSON *root;
    cJSON *list = corpus_cases(&arena, path, &root);
    for (cJSON *item = list->child; item; item = item->next) {
        const char *name = corpus_text(item, "name"), *input = corpus_text(item, "input");
        if (corpus_excepted(exceptions, name)) {
            continue;
        }
        IngestStreamOptions options = {.format = format, .skip_bad = true, .default_time = 1};
        Outcome outcome = run(&options, str_of(input));
        const cJSON *want = cJSON_GetObjectItem(item, "rows");
        size_t count = 0;
        for (cJSON *row = want ? want->child : NULL; row; row = row->next) {
            const cJSON *fields = cJSON_GetObjectItem(row, "Fields");
            const cJSON *first = fields ? fields->child : row;
            for (const cJSON *field = first; field; field = fields ? field->next : NULL) {
                const char *key = fields ? corpus_text(field, "Key") : corpus_text(row, "Metric");
                double value = cJSON_GetNumberValue(cJSON_GetObjectItem(field, "Value"));
                bool plain = key && !strchr(key, '\\');
                cr_expect(!plain || row_is_there(outcome.shown.ptr, key, value, NULL),
                          "%s: %s = %g in\n%s", name, key, value, outcome.shown.ptr);
                count++;
            }
        }
        cr_expect_eq(outcome.rows, count, "%s: %zu rows of %zu:\n%s\n%s", name, outcome.rows, count,
                     input, outcome.shown.ptr);
        buf_finish(&outcome.shown);
    }
    cJSON_Delete(root);
    arena_finish(&arena);
}

Test(corpus, influx_lines) {
    check_rows("influx/line-valid.json", INGEST_INFLUX, (const CorpusException[]){{NULL, NULL}});
    check_rows("influx/line-invalid.json", INGEST_INFLUX, (const CorpusException[]){{NULL, NULL}});
}

Test(corpus, opentsdb_puts) {
    static const CorpusException none[] = {{NULL, NULL}};
    check_rows("opentsdb/telnet-valid.json", INGEST_OPENTSDB_TELNET, none);
    check_rows("opentsdb/telnet-invalid.json", INGEST_OPENTSDB_TELNET, none);
    check_rows("opentsdb/http-valid.json", INGEST_OPENTSDB_JSON, none);
    check_rows("opentsdb/http-invalid.json", INGEST_OPENTSDB_JSON, none);
}

Test(corpus, victoriametrics_text_rows) {
    static const CorpusException none[] = {{NULL, NULL}};
    static const CorpusException laxer[] = {
        {"TestRowsUnmarshalSuccess:304", "a timestamp with a fraction"},
        {"TestRowsUnmarshalSuccess:383", "exemplars and comments behind values are OpenMetrics"},
        {"TestRowsUnmarshalSuccess:464", "a timestamp with a fraction"},
        {"TestRowsUnmarshalSuccess:623", "a name with a point, without quotes"},
        {NULL, NULL},
    };
    check_rows("exposition/vm-prometheus-text/rows-valid.json", INGEST_TEXT, laxer);
    check_rows("exposition/vm-prometheus-text/rows-invalid.json", INGEST_TEXT, none);
}

/* ---- the reference decoder of the Influx line protocol ---- */

static double field_number(const cJSON *value) {
    const cJSON *one = value->child;
    if (!strcmp(one->string, "bool")) {
        return cJSON_IsTrue(one);
    }
    double number = 0;
    if (cJSON_IsString(one)) {
        return number_parse(str_of(one->valuestring), &number) ? number : 0;
    }
    return one->valuedouble;
}

static DurationMs unit_of(const char *precision) {
    return !strcmp(precision, "1s")    ? 1000000000
           : !strcmp(precision, "1ms") ? 1000000
           : !strcmp(precision, "1ns") ? 1
                                       : 1000;
}

/* Every point it decodes has to come out with its values. What it refuses we may take: the parser
 * of VictoriaMetrics, which the fleet sends to today, is laxer. */
Test(corpus, influx_reference_points) {
    Arena arena = {0};
    cJSON *root;
    cJSON *list = corpus_cases(&arena, "influx/reference-corpus.json", &root);
    size_t points = 0, refused = 0, errors = 0;
    for (cJSON *item = list->child; item; item = item->next) {
        const char *text = corpus_text(item, "text"), *name = corpus_text(item, "name");
        if (!text) {
            continue; /* not UTF-8: kept as base64, for the fuzzer */
        }
        IngestStreamOptions options = {
            .format = INGEST_INFLUX,
            .influx_precision_ns = unit_of(corpus_text(item, "precision")),
        };
        Outcome outcome = run(&options, str_of(text));
        const cJSON *want = cJSON_GetObjectItem(item, "points");
        if (!want) {
            errors++;
            refused += !accepted(&outcome);
        }
        size_t count = 0;
        for (cJSON *point = want ? want->child : NULL; point; point = point->next) {
            for (cJSON *field = cJSON_GetObjectItem(point, "fields")->child; field;
                 field = field->next) {
                double value = field_number(cJSON_GetObjectItem(field, "value"));
                cr_expect(row_is_there(outcome.shown.ptr, "", value, NULL) || value == 0,
                          "%s: %s\n%s\n%s", name, text, outcome.shown.ptr, outcome.err.text);
                count++;
                points++;
            }
        }
        cr_expect(!want || outcome.rows == count, "%s: %s\n%s", name, text, outcome.shown.ptr);
        buf_finish(&outcome.shown);
    }
    cr_expect(points > 200);
    cr_expect(refused * 2 > errors, "most of what it refuses we refuse as well: %zu of %zu",
              refused, errors);
    cJSON_Delete(root);
    arena_finish(&arena);
}
