/* What a query may use, and how it is told that it used too much. */

#include "promql/exec.h"

#include <inttypes.h>

void exec_begin(Exec *exec) {
    const QueryBudget *budget = &exec->options->budget;
    exec->deadline_ns = budget->deadline_ns;
    if (budget->timeout_ns) {
        int64_t own = clock_monotonic_ns() + budget->timeout_ns;
        exec->deadline_ns = exec->deadline_ns && exec->deadline_ns < own ? exec->deadline_ns : own;
    }
    exec->bytes_base = atomic_load(&exec->bytes);
    atomic_store(&exec->bytes_peak, exec->bytes_base);
    atomic_store(&exec->samples, 0);
}

bool exec_check(Exec *exec, Err *err) {
    const QueryBudget *budget = &exec->options->budget;
    if (budget->cancelled && atomic_load_explicit(budget->cancelled, memory_order_relaxed)) {
        return err_set(err, ERR_CANCELLED, "query was canceled in expression evaluation");
    }
    if (exec->deadline_ns && clock_monotonic_ns() > exec->deadline_ns) {
        return err_set(
            err, ERR_TIMEOUT,
            "query timed out in expression evaluation: narrow the query or raise query.timeout");
    }
    return true;
}

static void raise_peak(atomic_uint_fast64_t *peak, uint64_t now) {
    uint64_t seen = atomic_load_explicit(peak, memory_order_relaxed);
    while (now > seen && !atomic_compare_exchange_weak_explicit(
                             peak, &seen, now, memory_order_relaxed, memory_order_relaxed)) {
    }
}

bool exec_charge_bytes(Exec *exec, size_t bytes, Err *err) {
    uint64_t now = atomic_fetch_add_explicit(&exec->bytes, bytes, memory_order_relaxed) + bytes;
    uint64_t max = exec->options->budget.bytes_max;
    /* What others of the program held may be given back meanwhile. */
    if (max && now > exec->bytes_base && now - exec->bytes_base > max) {
        exec_refund_bytes(exec, bytes);
        return err_set(err, ERR_LIMIT,
                       "query processing would need more than %" PRIu64
                       " bytes of memory: narrow the query or raise query.memory_max",
                       max);
    }
    raise_peak(&exec->bytes_peak, now);
    return true;
}

void exec_refund_bytes(Exec *exec, size_t bytes) {
    atomic_fetch_sub_explicit(&exec->bytes, bytes, memory_order_relaxed);
}

bool exec_charge_samples(Exec *exec, uint64_t samples, Err *err) {
    uint64_t now =
        atomic_fetch_add_explicit(&exec->samples, samples, memory_order_relaxed) + samples;
    uint64_t max = exec->options->budget.samples_max;
    if (max && now > max) {
        return err_set(err, ERR_LIMIT,
                       "query processing would load too many samples into memory in query "
                       "execution: more than %" PRIu64
                       ", narrow the query or raise query.samples_max",
                       max);
    }
    return true;
}
