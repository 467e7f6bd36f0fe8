#include "engine/remote_writer.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/engine_remote.h"

enum {
    REQUEST_SAMPLES_MAX = 10000,
    REQUEST_BYTES_MAX = 4 << 20,  /* before compression */
    WAITING_BYTES_MAX = 64 << 20, /* some hundred thousand samples */
    FAILURES_MAX = 256,           /* tickets remembered */
};
static const int64_t MS = 1000000;
static const int64_t TRY_FOR_NS = 30 * SECOND_MS * 1000000;
static const int64_t STUCK_NS = SECOND_MS * 1000000; /* nobody waits for what waits longer */
static const int64_t CLOSE_NS = 5 * SECOND_MS * 1000000;
static const DurationMs PAUSE_FIRST = SECOND_MS, PAUSE_MAX = 8 * SECOND_MS;

typedef struct Part {
    struct Part *next;
    uint64_t ticket;
    int64_t added_ns;
    size_t samples;
    Buf plain;
} Part;

typedef struct Failure {
    uint64_t ticket;
    Err err;
} Failure;

struct RemoteWriter {
    Net *net;
    Str url;
    const NetOptions *options;

    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t work, done;
    pthread_t thread;
    bool has_thread, closing;
    int64_t close_by_ns;
    Part *first, *last; /* those of the request under way stay until it is decided */
    size_t waiting_samples, waiting_bytes;
    size_t alone; /* so many of the first parts are sent one by one */
    uint64_t tickets, decided;
    Err trouble; /* of the last try; kind NONE: it went well */
    Failure failures[FAILURES_MAX];
    uint64_t failure_count;
    Counter written, failed, requests;
};

/* ---- time ---- */

static bool is_over(RemoteWriter *writer) {
    pthread_mutex_lock(&writer->lock);
    bool is_over = writer->closing && clock_monotonic_ns() > writer->close_by_ns;
    pthread_mutex_unlock(&writer->lock);
    return is_over;
}

/* ---- one request ---- */

/* How many of the first parts go together. */
static size_t count_parts(const RemoteWriter *writer) {
    size_t count = 0, samples = 0, bytes = 0;
    for (const Part *part = writer->first; part; part = part->next) {
        samples += part->samples;
        bytes += part->plain.len;
        bool fits = samples <= REQUEST_SAMPLES_MAX && bytes <= REQUEST_BYTES_MAX;
        if (count && (!fits || writer->alone)) {
            break;
        }
        count++;
    }
    return count;
}

/* WriteRequests one after the other are one of all their series. */
static Buf join_parts(const Part *part, size_t count) {
    Buf plain = {0};
    for (size_t i = 0; i < count; i++) {
        part = i ? part->next : part; /* the last one's is changed by who adds */
        buf_str(&plain, buf_view(&part->plain));
    }
    return plain;
}

typedef enum Outcome { SENT, REFUSED, TROUBLE } Outcome;

static Outcome judge(const NetAnswer *answer, Err *err) {
    return remote_write_judge(answer, err)                     ? SENT
           : err->kind == ERR_INVALID && answer->status != 429 ? REFUSED
                                                               : TROUBLE;
}

static Outcome send_request(RemoteWriter *writer, Str body, Err *err) {
    NetBox *box = net_box_new(writer->net);
    remote_write_send(box, writer->url, writer->options, body);
    NetAnswer answer;
    Outcome outcome = TROUBLE;
    err_set(err, ERR_CANCELLED, "the program ends before the remote write was answered");
    while (!is_over(writer)) {
        if (net_take(box, 100, &answer)) {
            outcome = judge(&answer, err);
            net_answer_finish(&answer);
            break;
        }
    }
    net_box_free(box);
    return outcome;
}

static Outcome try_parts(RemoteWriter *writer, const Part *first, size_t count, Err *err) {
    AUTO(buf_finish) Buf plain = join_parts(first, count);
    AUTO(buf_finish) Buf body = {0};
    if (!remote_write_compress(buf_view(&plain), &body, err)) {
        return REFUSED;
    }
    counter_add(&writer->requests, 1);
    return send_request(writer, buf_view(&body), err);
}

/* ---- the queue, under the lock ---- */

static void drop_first(RemoteWriter *writer) {
    Part *part = writer->first;
    writer->first = part->next;
    writer->last = part->next ? writer->last : NULL;
    writer->waiting_samples -= part->samples;
    writer->waiting_bytes -= part->plain.len;
    writer->decided = part->ticket;
    writer->alone -= writer->alone > 0;
    buf_finish(&part->plain);
    free(part);
}

static void give_up_first(RemoteWriter *writer, const Err *err) {
    const Part *part = writer->first;
    Failure *failure = &writer->failures[writer->failure_count++ % FAILURES_MAX];
    *failure = (Failure){.ticket = part->ticket, .err = *err};
    counter_add(&writer->failed, part->samples);
    log_event(LOG_ERROR, "results not written to the remote engine",
              LOG_STR("reason", str_of(err->text)), LOG_INT("samples", (int64_t)part->samples));
    drop_first(writer);
}

/* True if it is worth to go on at once. */
static bool settle(RemoteWriter *writer, Outcome outcome, size_t count, const Err *err) {
    writer->trouble = outcome == TROUBLE ? *err : (Err){0};
    if (outcome == REFUSED && count > 1) {
        writer->alone = count;
        return true;
    }
    if (outcome == REFUSED) {
        give_up_first(writer, err);
        return true;
    }
    int64_t now_ns = clock_monotonic_ns();
    for (size_t i = 0; i < count && outcome == SENT; i++) {
        counter_add(&writer->written, writer->first->samples);
        drop_first(writer);
    }
    while (outcome == TROUBLE && writer->first && now_ns - writer->first->added_ns > TRY_FOR_NS) {
        give_up_first(writer, err);
    }
    return outcome == SENT;
}

static bool goes_on(const RemoteWriter *writer) {
    return writer->first && !(writer->closing && clock_monotonic_ns() > writer->close_by_ns);
}

static void *run_thread(void *context) {
    RemoteWriter *writer = context;
    DurationMs pause = PAUSE_FIRST;
    pthread_mutex_lock(&writer->lock);
    while (!writer->closing || goes_on(writer)) {
        if (!writer->first) {
            pthread_cond_wait(&writer->work, &writer->lock);
            continue;
        }
        const Part *first = writer->first;
        size_t count = count_parts(writer);
        Err err = {0};
        pthread_mutex_unlock(&writer->lock);
        Outcome outcome = try_parts(writer, first, count, &err);
        pthread_mutex_lock(&writer->lock);
        bool at_once = settle(writer, outcome, count, &err);
        pthread_cond_broadcast(&writer->done);
        int64_t until_ns = clock_monotonic_ns() + pause * MS;
        pause = at_once ? PAUSE_FIRST : pause * 2 < PAUSE_MAX ? pause * 2 : PAUSE_MAX;
        while (!at_once && !writer->closing && clock_monotonic_ns() < until_ns) {
            (void)clock_wait(&writer->work, &writer->lock, until_ns);
        }
        if (!at_once && writer->closing && goes_on(writer)) {
            (void)clock_wait(&writer->work, &writer->lock, clock_monotonic_ns() + 100 * MS);
        }
    }
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

/* ---- the verbs ---- */

RemoteWriter *remote_writer_new(Net *net, Str url, const NetOptions *options) {
    RemoteWriter *writer = mem_zero(1, sizeof *writer);
    writer->net = net;
    writer->url = url;
    writer->options = options;
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->work, NULL);
    pthread_cond_init(&writer->done, NULL);
    return writer;
}

void remote_writer_free(RemoteWriter *writer) {
    if (!writer) {
        return;
    }
    pthread_mutex_lock(&writer->lock);
    writer->closing = true;
    writer->close_by_ns = clock_monotonic_ns() + CLOSE_NS;
    pthread_cond_broadcast(&writer->work);
    bool has_thread = writer->has_thread;
    pthread_mutex_unlock(&writer->lock);
    if (has_thread) {
        pthread_join(writer->thread, NULL);
    }
    Err err = {0};
    err_set(&err, ERR_CANCELLED, "the program ends%s%s", writer->trouble.kind ? "; " : "",
            writer->trouble.text);
    while (writer->first) {
        give_up_first(writer, &err);
    }
    pthread_cond_destroy(&writer->work);
    pthread_cond_destroy(&writer->done);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}

static void start_thread(RemoteWriter *writer) {
    if (pthread_create(&writer->thread, NULL, run_thread, writer) != 0) {
        fprintf(stderr, "cannot start the thread for remote writes\n");
        abort();
    }
    pthread_setname_np(writer->thread, "remote write");
    writer->has_thread = true;
}

bool remote_writer_add(RemoteWriter *writer, Buf *plain, size_t samples, uint64_t *ret_ticket,
                       Err *err) {
    pthread_mutex_lock(&writer->lock);
    bool has_room =
        !writer->first || writer->waiting_bytes + plain->len <= (size_t)WAITING_BYTES_MAX;
    if (has_room) {
        Part *part = mem_zero(1, sizeof *part);
        *part = (Part){.ticket = ++writer->tickets,
                       .added_ns = clock_monotonic_ns(),
                       .samples = samples,
                       .plain = *plain};
        *plain = (Buf){0};
        *(writer->last ? &writer->last->next : &writer->first) = part;
        writer->last = part;
        writer->waiting_samples += samples;
        writer->waiting_bytes += part->plain.len;
        *ret_ticket = part->ticket;
        if (!writer->has_thread) {
            start_thread(writer);
        }
        pthread_cond_signal(&writer->work);
    } else {
        counter_add(&writer->failed, samples);
        err_set(err, ERR_LIMIT,
                "%zu samples wait already to be written to the remote engine, no more are "
                "taken%s%s",
                writer->waiting_samples, writer->trouble.kind ? ": " : "", writer->trouble.text);
    }
    pthread_mutex_unlock(&writer->lock);
    return has_room;
}

static const Failure *find_failure(const RemoteWriter *writer, uint64_t ticket) {
    for (size_t i = 0; i < FAILURES_MAX; i++) {
        if (writer->failures[i].ticket == ticket) {
            return &writer->failures[i];
        }
    }
    return NULL;
}

static bool is_stuck(const RemoteWriter *writer, int64_t now_ns) {
    return writer->trouble.kind || (writer->first && now_ns - writer->first->added_ns > STUCK_NS);
}

EngineWritten remote_writer_wait(RemoteWriter *writer, uint64_t ticket, DurationMs wait, Err *err) {
    EngineWritten written = ENGINE_WRITTEN;
    int64_t now_ns = clock_monotonic_ns(), until_ns = now_ns + wait * MS;
    pthread_mutex_lock(&writer->lock);
    while (writer->decided < ticket && now_ns < until_ns && !is_stuck(writer, now_ns)) {
        (void)clock_wait(&writer->done, &writer->lock, until_ns);
        now_ns = clock_monotonic_ns();
    }
    const Failure *failure = find_failure(writer, ticket);
    if (writer->decided < ticket) {
        *err = writer->trouble;
        written = ENGINE_WAITING;
    } else if (failure) {
        *err = failure->err;
        written = ENGINE_NOT_WRITTEN;
    }
    pthread_mutex_unlock(&writer->lock);
    return written;
}

void remote_writer_metrics(RemoteWriter *writer, MetricWriter *out) {
    pthread_mutex_lock(&writer->lock);
    size_t waiting = writer->waiting_samples;
    pthread_mutex_unlock(&writer->lock);
    metric_counter(out, "belfry_remote_write_requests_total",
                   "Requests with results sent to the remote engine.",
                   counter_get(&writer->requests));
    metric_counter(out, "belfry_remote_write_samples_total",
                   "Results that the remote engine has taken.", counter_get(&writer->written));
    metric_counter(out, "belfry_remote_write_samples_failed_total",
                   "Results that could not be written to the remote engine.",
                   counter_get(&writer->failed));
    metric_gauge(out, "belfry_remote_write_samples_waiting",
                 "Results on their way to the remote engine.", (double)waiting);
}
