/* Our own metrics in the text format. */

#include <criterion/criterion.h>
#include <math.h>

#include "base/metrics.h"

Test(metrics, families_are_written_in_the_text_format) {
    AUTO(buf_finish) Buf buf = {0};
    MetricWriter out = {.buf = &buf};
    Counter requests = 0;
    counter_add(&requests, 3);
    metric_counter(&out, "requests_total", "All of them.\nEven \\ bad ones.",
                   counter_get(&requests));
    metric_gauge(&out, "load", "Now.", 0.5);
    metric_family(&out, "wait_seconds", "histogram", "Waiting.");
    metric_value(&out, "_bucket",
                 (const MetricLabel[]){{"path", STR("C:\\\"x\"\n")}, {"le", STR("+Inf")}}, 2, 7);
    metric_value(&out, "_sum", NULL, 0, NAN);

    Str want = STR("# HELP requests_total All of them.\\nEven \\\\ bad ones.\n"
                   "# TYPE requests_total counter\n"
                   "requests_total 3\n"
                   "# HELP load Now.\n"
                   "# TYPE load gauge\n"
                   "load 0.5\n"
                   "# HELP wait_seconds Waiting.\n"
                   "# TYPE wait_seconds histogram\n"
                   "wait_seconds_bucket{path=\"C:\\\\\\\"x\\\"\\n\",le=\"+Inf\"} 7\n"
                   "wait_seconds_sum NaN\n");
    cr_expect(str_eq(buf_view(&buf), want), "got %.*s", STR_ARG(buf_view(&buf)));
}
