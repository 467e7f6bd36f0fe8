#include "promql/annotations.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/go_text.h"
#include "base/hash.h"
#include "base/number.h"

static void rehash(Notes *notes) {
    size_t slot_count = notes->slot_count ? notes->slot_count * 2 : 16;
    uint32_t *slots = arena_array(notes->arena, uint32_t, slot_count);
    for (size_t i = 0; i < notes->count; i++) {
        size_t at = notes->items[i].hash & (slot_count - 1);
        while (slots[at]) {
            at = (at + 1) & (slot_count - 1);
        }
        slots[at] = (uint32_t)i + 1;
    }
    notes->slots = slots;
    notes->slot_count = slot_count;
}

static void merge_note(Note *into, const Note *from) {
    into->part = from->part;
    into->origin = from->origin;
    into->count += from->count;
    if (from->kind != NOTE_FORCED_MONOTONIC) {
        return;
    }
    into->min_time = from->min_time < into->min_time ? from->min_time : into->min_time;
    into->max_time = from->max_time > into->max_time ? from->max_time : into->max_time;
    into->min_bucket = from->min_bucket < into->min_bucket ? from->min_bucket : into->min_bucket;
    into->max_bucket = from->max_bucket > into->max_bucket ? from->max_bucket : into->max_bucket;
    into->max_diff = from->max_diff > into->max_diff ? from->max_diff : into->max_diff;
}

void notes_add(Notes *notes, Note note) {
    assert(notes->arena);
    note.hash = hash64(note.text);
    if (notes->count * 2 >= notes->slot_count) {
        rehash(notes);
    }
    size_t at = note.hash & (notes->slot_count - 1);
    while (notes->slots[at]) {
        Note *known = &notes->items[notes->slots[at] - 1];
        if (known->hash == note.hash && str_eq(known->text, note.text)) {
            merge_note(known, &note);
            return;
        }
        at = (at + 1) & (notes->slot_count - 1);
    }
    if (notes->count == notes->cap) {
        size_t cap = notes->cap ? notes->cap * 2 : 8;
        Note *items = arena_array(notes->arena, Note, cap);
        if (notes->count) {
            memcpy(items, notes->items, notes->count * sizeof *items);
        }
        notes->items = items;
        notes->cap = cap;
    }
    note.text = arena_str(notes->arena, note.text);
    notes->items[notes->count] = note;
    notes->slots[at] = (uint32_t)++notes->count;
}

void notes_merge(Notes *into, const Notes *from) {
    for (size_t i = 0; i < from->count; i++) {
        notes_add(into, from->items[i]);
    }
}

/* ---- the wording ---- */

static void PRINTF_LIKE(4, 5) add(Notes *notes, bool warning, int part, const char *fmt, ...) {
    char text[4096];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    size_t used = len < 0 ? 0 : (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
    notes_add(notes, (Note){.warning = warning, .part = part, .text = {text, used}, .count = 1});
}

#define WARNING "PromQL warning: "
#define INFO "PromQL info: "

typedef struct NumberText {
    char text[NUMBER_TEXT_MAX];
} NumberText;

/* %g as Go prints it. */
static const char *go_g(NumberText *out, double value) {
    Buf buf = {0};
    number_put_general(&buf, value, GO_EXPONENT_MIN);
    size_t len = buf.len < sizeof out->text ? buf.len : sizeof out->text - 1;
    memcpy(out->text, buf_view(&buf).ptr, len);
    out->text[len] = 0;
    buf_finish(&buf);
    return out->text;
}

/* " for metric name "x"", or nothing. */
typedef struct NameText {
    char text[2 * LABEL_NAME_BYTES_MAX];
} NameText;

static const char *for_name(NameText *out, Str metric) {
    out->text[0] = 0;
    if (metric.len) {
        snprintf(out->text, sizeof out->text, " for metric name \"%.*s\"", STR_ARG(metric));
    }
    return out->text;
}

void note_invalid_quantile(Notes *notes, double q, int part) {
    NumberText number;
    add(notes, true, part, WARNING "quantile value should be between 0 and 1, got %s",
        go_g(&number, q));
}

void note_invalid_ratio(Notes *notes, double ratio, double cap, int part) {
    NumberText a, b;
    add(notes, true, part, WARNING "ratio value should be between -1 and 1, got %s, capping to %s",
        go_g(&a, ratio), go_g(&b, cap));
}

void note_bad_bucket(Notes *notes, Str metric, Str label, int part) {
    NameText name;
    add(notes, true, part,
        WARNING "bucket label \"le\" is missing or has a malformed value of \"%.*s\"%s",
        STR_ARG(label), for_name(&name, metric));
}

void note_mixed_samples(Notes *notes, Str metric, int part) {
    add(notes, true, part,
        WARNING "encountered a mix of histograms and floats for metric name \"%.*s\"",
        STR_ARG(metric));
}

void note_mixed_samples_in_aggregation(Notes *notes, int part) {
    add(notes, true, part, WARNING "encountered a mix of histograms and floats for aggregation");
}

void note_mixed_classic_native(Notes *notes, Str metric, int part) {
    NameText name;
    add(notes, true, part, WARNING "vector contains a mix of classic and native histograms%s",
        for_name(&name, metric));
}

void note_not_counter(Notes *notes, Str metric, int part) {
    add(notes, true, part, WARNING "this native histogram metric is not a counter: \"%.*s\"",
        STR_ARG(metric));
}

void note_not_gauge(Notes *notes, Str metric, int part) {
    add(notes, true, part, WARNING "this native histogram metric is not a gauge: \"%.*s\"",
        STR_ARG(metric));
}

void note_mixed_schemas(Notes *notes, Str metric, int part) {
    add(notes, true, part,
        WARNING "vector contains a mix of histograms with exponential and custom buckets schemas "
                "for metric name \"%.*s\"",
        STR_ARG(metric));
}

void note_incompatible_buckets(Notes *notes, const char *op, int part) {
    add(notes, true, part, WARNING "incompatible bucket layout encountered for binary operator %s",
        op);
}

void note_sort_in_range(Notes *notes) {
    add(notes, true, NOTE_SELF,
        WARNING "sort is ineffective for range queries since results are always ordered by labels");
}

void note_possible_non_counter(Notes *notes, Str metric, int part) {
    add(notes, false, part,
        INFO "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "
             "\"%.*s\"",
        STR_ARG(metric));
}

void note_incompatible_types(Notes *notes, const char *left, const char *op, const char *right) {
    add(notes, false, NOTE_SELF,
        INFO "incompatible sample types encountered for binary operator \"%s\": %s %s %s", op, left,
        op, right);
}

void note_histogram_ignored_in(Notes *notes, const char *aggregation, int part) {
    add(notes, false, part, INFO "ignored histogram in %s aggregation", aggregation);
}

void note_histogram_ignored_in_range(Notes *notes, Str metric, int part) {
    add(notes, false, part,
        INFO "ignored histograms in a range containing both floats and histograms for metric name "
             "\"%.*s\"",
        STR_ARG(metric));
}

void note_quantile_nan_result(Notes *notes, Str metric, int part) {
    NameText name;
    add(notes, false, part,
        INFO "input to histogram_quantile has NaN observations, result is NaN%s",
        for_name(&name, metric));
}

void note_quantile_nan_skew(Notes *notes, Str metric, int part) {
    NameText name;
    add(notes, false, part,
        INFO "input to histogram_quantile has NaN observations, result is skewed higher%s",
        for_name(&name, metric));
}

void note_fraction_nans(Notes *notes, Str metric, int part) {
    NameText name;
    add(notes, false, part,
        INFO "input to histogram_fraction has NaN observations, which are excluded from all "
             "fractions%s",
        for_name(&name, metric));
}

void note_reset_collision(Notes *notes, const char *op, int part) {
    add(notes, true, part, WARNING "conflicting counter resets during histogram %s", op);
}

void note_reconciled_buckets(Notes *notes, const char *op, int part) {
    add(notes, false, part, INFO "mismatched custom buckets were reconciled during %s", op);
}

void note_start_overlap(Notes *notes, Str metric, int part) {
    char text[4096];
    int len = snprintf(text, sizeof text,
                       WARNING "sample has start time that overlaps with previous sample timestamp "
                               "for metric \"%.*s\"",
                       STR_ARG(metric));
    notes_add(notes,
              (Note){.kind = NOTE_START_OVERLAP,
                     .warning = true,
                     .part = part,
                     .text = {text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1},
                     .count = 1});
}

void note_forced_monotonic(Notes *notes, Str metric, TimeMs time, double min_bucket,
                           double max_bucket, double max_diff, int part) {
    char text[4096];
    NameText name;
    int len = snprintf(text, sizeof text,
                       INFO "input to histogram_quantile needed to be fixed for monotonicity (see "
                            "https://prometheus.io/docs/prometheus/latest/querying/functions/"
                            "#histogram_quantile)%s",
                       for_name(&name, metric));
    notes_add(notes,
              (Note){.kind = NOTE_FORCED_MONOTONIC,
                     .part = part,
                     .text = {text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1},
                     .count = 1,
                     .min_time = time,
                     .max_time = time,
                     .min_bucket = min_bucket,
                     .max_bucket = max_bucket,
                     .max_diff = max_diff});
}

/* ---- rendering ---- */

static const Expr *part_of(const Expr *origin, int part) {
    if (part == NOTE_SELF) {
        return origin;
    }
    if (origin->kind == EXPR_AGGREGATE) {
        const ExprAggregate *aggregate = &origin->aggregate;
        return part == NOTE_PARAM && aggregate->param ? aggregate->param : aggregate->expr;
    }
    if (origin->kind == EXPR_CALL && part >= 0 && (size_t)part < origin->call.arg_count) {
        return origin->call.args[part];
    }
    return origin;
}

/* Prometheus evaluates a subquery argument into a selector that has no place of its own, and so
 * reports the text's beginning. */
static uint32_t place_of(const Expr *origin, int part) {
    const Expr *expr = part_of(origin, part);
    if (expr != origin) {
        expr = expr_unwrap(expr);
        if (expr->kind == EXPR_SUBQUERY && origin->kind == EXPR_CALL) {
            return 0;
        }
    }
    return expr->span.start;
}

static void put_seconds(Buf *buf, TimeMs time) {
    CivilTime civil = civil_of(time);
    buf_printf(buf, "%04lld-%02d-%02dT%02d:%02d:%02dZ", (long long)civil.year, civil.month,
               civil.day, civil.hour, civil.minute, civil.second);
}

Str note_render(Arena *arena, const Note *note, Str text) {
    Buf buf = {0};
    buf_str(&buf, note->text);
    if (note->kind == NOTE_FORCED_MONOTONIC) {
        NumberText a, b;
        buf_printf(&buf,
                   ", from buckets %s to %s, with a max diff of %.2g, over %llu samples from ",
                   go_g(&a, note->min_bucket), go_g(&b, note->max_bucket), note->max_diff,
                   (unsigned long long)note->count);
        put_seconds(&buf, note->min_time);
        buf_printf(&buf, " to ");
        put_seconds(&buf, note->max_time);
    }
    if (note->kind == NOTE_START_OVERLAP && note->count > 1) {
        buf_printf(&buf, " (%llu occurrences)", (unsigned long long)note->count);
    }
    buf_printf(&buf, " (");
    expr_position(&buf, text, place_of(note->origin, note->part));
    buf_byte(&buf, ')');
    Str rendered = arena_str(arena, buf_view(&buf));
    buf_finish(&buf);
    return rendered;
}
