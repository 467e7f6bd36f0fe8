#include "rules/unittest_compare.h"

#include <math.h>
#include <stdlib.h>

#include "base/number.h"

static int by_alert(const void *a, const void *b) {
    const ExpectedAlert *x = a, *y = b;
    int order = labels_cmp(x->labels, y->labels);
    order = order ? order : labels_cmp(x->annotations, y->annotations);
    return order ? order : (x->state > y->state) - (x->state < y->state);
}

static void put_alert(Buf *out, const ExpectedAlert *alert, bool with_state) {
    static const char *const names[] = {
        [EXPECT_FIRING] = "firing", [EXPECT_PENDING] = "pending", [EXPECT_RESOLVED] = "resolved"};
    buf_str(out, STR("\n            Labels:"));
    labels_print(out, alert->labels);
    buf_str(out, STR("\n            Annotations:"));
    labels_print(out, alert->annotations);
    if (with_state) {
        buf_printf(out, "\n            State:%s", names[alert->state]);
    }
}

static void put_alerts(Buf *out, const char *title, const ExpectedAlert *alerts, size_t count,
                       bool with_state) {
    buf_printf(out, "        %s:[", title);
    for (size_t i = 0; i < count; i++) {
        if (i) {
            buf_byte(out, ',');
        }
        put_alert(out, &alerts[i], with_state);
    }
    buf_str(out, STR("]\n"));
}

/* Gives an alert that may have any annotations those of the one it is compared with. */
static void take_annotations(ExpectedAlert *alert, const ExpectedAlert *got, size_t got_count) {
    for (size_t i = 0; i < got_count; i++) {
        if (labels_eq(got[i].labels, alert->labels) && got[i].state == alert->state) {
            alert->annotations = got[i].annotations;
            return;
        }
    }
}

bool unittest_alerts_match(const AlertCase *test, ExpectedAlert *got, size_t got_count, Buf *out) {
    for (size_t i = 0; i < test->alert_count; i++) {
        if (test->alerts[i].any_annotations) {
            take_annotations(&test->alerts[i], got, got_count);
        }
    }
    qsort(test->alerts, test->alert_count, sizeof *test->alerts, by_alert);
    if (got_count) {
        qsort(got, got_count, sizeof *got, by_alert);
    }
    bool same = got_count == test->alert_count;
    for (size_t i = 0; i < got_count && same; i++) {
        same = by_alert(&got[i], &test->alerts[i]) == 0;
    }
    if (!same) {
        put_alerts(out, "exp", test->alerts, test->alert_count, test->names_states);
        put_alerts(out, "got", got, got_count, test->names_states);
    }
    return same;
}

static int by_labels(const void *a, const void *b) {
    return labels_cmp(((const ExpectedSample *)a)->labels, ((const ExpectedSample *)b)->labels);
}

static bool numbers_match(double a, double b, bool fuzzy) {
    if (isnan(a) || isnan(b)) {
        return isnan(a) && isnan(b);
    }
    return a == b || (fuzzy && (nextafter(a, INFINITY) == b || nextafter(a, -INFINITY) == b));
}

/* By what they show: bucket layout may differ between equal histograms. */
static bool histograms_match(const Histogram *a, const Histogram *b) {
    AUTO(buf_finish) Buf left = {0};
    AUTO(buf_finish) Buf right = {0};
    histogram_print(&left, a);
    histogram_print(&right, b);
    return a->schema == b->schema && str_eq(buf_view(&left), buf_view(&right));
}

static bool sample_matches(const ExpectedSample *a, const ExpectedSample *b, bool fuzzy) {
    if (!labels_eq(a->labels, b->labels) || (a->histogram != NULL) != (b->histogram != NULL)) {
        return false;
    }
    return a->histogram ? histograms_match(a->histogram, b->histogram)
                        : numbers_match(a->value, b->value, fuzzy);
}

static void put_samples(Buf *out, const char *title, const ExpectedSample *samples, size_t count) {
    buf_printf(out, "        %s:", title);
    for (size_t i = 0; i < count; i++) {
        buf_str(out, i ? STR("\n            ") : STR(" "));
        labels_print(out, samples[i].labels);
        buf_byte(out, ' ');
        if (samples[i].histogram) {
            histogram_print(out, samples[i].histogram);
        } else {
            number_put_exp(out, samples[i].value);
        }
    }
    buf_str(out, count ? STR("\n") : STR("nil\n"));
}

static ExpectedSample *samples_of(Arena *arena, const Value *value, size_t *ret_count) {
    bool is_scalar = value->type == VALUE_SCALAR;
    size_t count = is_scalar ? 1 : value->series_count;
    ExpectedSample *samples = arena_array(arena, ExpectedSample, count + 1);
    samples[0].value = value->scalar;
    for (size_t i = 0; i < count && !is_scalar; i++) {
        const ValueSeries *series = &value->series[i];
        samples[i] = (ExpectedSample){
            .labels = series->labels,
            .value = series->values[0],
            .histogram = series->histograms ? series->histograms[0] : NULL,
        };
    }
    *ret_count = count;
    return samples;
}

bool unittest_samples_match(const ExprCase *test, const Value *got, bool fuzzy, Buf *out) {
    AUTO(arena_finish) Arena arena = {0};
    size_t count = 0;
    ExpectedSample *samples = samples_of(&arena, got, &count);
    qsort(samples, count, sizeof *samples, by_labels);
    qsort(test->samples, test->sample_count, sizeof *test->samples, by_labels);
    bool same = count == test->sample_count;
    for (size_t i = 0; i < count && same; i++) {
        same = sample_matches(&samples[i], &test->samples[i], fuzzy);
    }
    if (!same) {
        put_samples(out, "exp", test->samples, test->sample_count);
        put_samples(out, "got", samples, count);
    }
    return same;
}
