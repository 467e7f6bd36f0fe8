#pragma once

/*
 * Our own counters, in Prometheus' text format.
 *
 * There is no registry: each service keeps plain atomics in its handle, and its door has one
 * function `void x_metrics(X *x, MetricWriter *out)` that writes them when /metrics is asked for.
 */

#include <stdatomic.h>

#include "base/buf.h"

typedef _Atomic uint64_t Counter;

static inline void counter_add(Counter *counter, uint64_t by) {
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static inline uint64_t counter_get(const Counter *counter) {
    return atomic_load_explicit((Counter *)counter, memory_order_relaxed);
}

typedef struct MetricLabel {
    const char *name;
    Str value;
} MetricLabel;

typedef struct MetricWriter {
    Buf *buf;
    const char *family; /* the one being written */
} MetricWriter;

/* Starts a family: "# HELP" and "# TYPE" (counter, gauge, histogram, summary). */
void metric_family(MetricWriter *out, const char *name, const char *type, const char *help);

/* A value of the family; `suffix` is "", "_sum", "_count" or "_bucket". */
void metric_value(MetricWriter *out, const char *suffix, const MetricLabel *labels, size_t count,
                  double value);

/* A family with a single value without labels. */
void metric_counter(MetricWriter *out, const char *name, const char *help, uint64_t value);
void metric_gauge(MetricWriter *out, const char *name, const char *help, double value);
