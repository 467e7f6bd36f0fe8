/*
 * Native histograms as text: as PromQL prints them, {count:4, sum:8, (0.5,1]:2}, and as the API's
 * JSON,
 *
 *     {"count":"4","sum":"8","buckets":[[0,"0.5","1","2"]]}
 *
 * where the first number of a bucket says which bounds belong to it: 0 the upper, 1 the lower, 2
 * none, 3 both.
 */

#include <math.h>

#include "base/go_text.h"
#include "base/json.h"
#include "base/number.h"
#include "promql/histogram_ops.h"
#include "promql/value_json.h"

/* Which bounds belong to a bucket. */
typedef struct BucketEnds {
    bool lower, upper;
} BucketEnds;

static BucketEnds ends_of(const Histogram *histogram, const Bucket *bucket) {
    if (histogram->schema == HISTOGRAM_SCHEMA_CUSTOM) {
        return (BucketEnds){.lower = bucket->lower == -INFINITY, .upper = true};
    }
    bool zero = bucket->lower == -bucket->upper;
    return (BucketEnds){.lower = zero || bucket->lower < 0, .upper = zero || bucket->upper > 0};
}

static void put_general(Buf *buf, double value) {
    number_put_general(buf, value, GO_EXPONENT_MIN);
}

void histogram_print(Buf *buf, const Histogram *histogram) {
    buf_str(buf, STR("{count:"));
    put_general(buf, histogram->count);
    buf_str(buf, STR(", sum:"));
    put_general(buf, histogram->sum);

    AUTO(arena_finish) Arena arena = {0};
    Bucket *buckets;
    size_t count = histogram_buckets(&arena, histogram, &buckets);
    for (size_t i = 0; i < count; i++) {
        if (buckets[i].count == 0) {
            continue;
        }
        BucketEnds ends = ends_of(histogram, &buckets[i]);
        buf_str(buf, ends.lower ? STR(", [") : STR(", ("));
        put_general(buf, buckets[i].lower);
        buf_byte(buf, ',');
        put_general(buf, buckets[i].upper);
        buf_str(buf, ends.upper ? STR("]:") : STR("):"));
        put_general(buf, buckets[i].count);
    }
    buf_byte(buf, '}');
}

static void put_bucket(Buf *buf, const Histogram *histogram, const Bucket *bucket) {
    BucketEnds ends = ends_of(histogram, bucket);
    int which = ends.lower ? (ends.upper ? 3 : 1) : (ends.upper ? 0 : 2);
    buf_printf(buf, "[%d,", which);
    value_number_put(buf, bucket->lower);
    buf_byte(buf, ',');
    value_number_put(buf, bucket->upper);
    buf_byte(buf, ',');
    value_number_put(buf, bucket->count);
    buf_byte(buf, ']');
}

void value_histogram_put(Buf *buf, const Histogram *histogram) {
    buf_str(buf, STR("{\"count\":"));
    value_number_put(buf, histogram->count);
    buf_str(buf, STR(",\"sum\":"));
    value_number_put(buf, histogram->sum);

    AUTO(arena_finish) Arena arena = {0};
    Bucket *buckets;
    size_t count = histogram_buckets(&arena, histogram, &buckets);
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (buckets[i].count == 0) {
            continue;
        }
        buf_str(buf, any ? STR(",") : STR(",\"buckets\":["));
        put_bucket(buf, histogram, &buckets[i]);
        any = true;
    }
    buf_str(buf, any ? STR("]}") : STR("}"));
}

void histogram_json(JsonWriter *json, const Histogram *histogram) {
    AUTO(buf_finish) Buf text = {0};
    value_histogram_put(&text, histogram);
    json_raw(json, buf_view(&text));
}
