/*
 * The loop: one thread that owns the curl_multi handle and sleeps in curl_multi_poll().
 *
 *     net_send() -> `inbox` -> [loop] curl_multi -> the box's `done` list -> net_take()
 *
 * Where a token is needed that is not known, the transfer that fetches it goes first and carries
 * the other one with it (Transfer.then).
 *
 * One lock covers the lists; libcurl is only ever called without it, from the loop. A box that goes
 * away asks for its transfers to be removed and waits until the loop has let go of the last one.
 */

#include "net/net.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "net/oauth2.h"
#include "net/transfer.h"

typedef struct Done {
    NetAnswer answer;
    struct Done *next;
} Done;

struct NetBox {
    Net *net;
    pthread_cond_t changed;
    Done *first, **last;
    size_t pending; /* sent and not yet taken */
    size_t flying;  /* in the inbox or in the loop */
    bool closing, woken;
};

typedef enum NetResult {
    NET_OK,
    NET_REFUSED, /* the peer answered 400 or above */
    NET_TIMEOUT,
    NET_LIMIT,
    NET_ERROR,
    NET_RESULTS,
} NetResult;

static const char *const result_names[NET_RESULTS] = {"ok", "refused", "timeout", "limit", "error"};

struct Net {
    pthread_t thread;
    pthread_mutex_t lock;
    CURLM *multi;
    Transfer *inbox, **inbox_last;
    Transfer *flying; /* the loop's own list, through `next` */
    bool closing, cancel;
    Tokens tokens;
    Counter results[NET_RESULTS];
    Counter took_ms, bytes_in, bytes_out, in_flight;
};

/* ---- boxes ---- */

/* Under the lock. */
static void put_answer(Net *net, NetBox *box, const NetAnswer *answer) {
    Done *done = mem_grow(NULL, sizeof *done);
    *done = (Done){.answer = *answer};
    *box->last = done;
    box->last = &done->next;
    box->flying--;
    pthread_cond_broadcast(&box->changed);
    (void)net;
}

static NetResult result_of(const NetAnswer *answer) {
    if (answer->ok) {
        return answer->status >= 400 ? NET_REFUSED : NET_OK;
    }
    switch (answer->err.kind) {
    case ERR_TIMEOUT:
        return NET_TIMEOUT;
    case ERR_LIMIT:
        return NET_LIMIT;
    default:
        return NET_ERROR;
    }
}

static void count_answer(Net *net, const Transfer *transfer, const NetAnswer *answer) {
    counter_add(&net->results[result_of(answer)], 1);
    counter_add(&net->took_ms, (uint64_t)answer->took);
    counter_add(&net->bytes_in, answer->body.len);
    counter_add(&net->bytes_out, transfer->body.len);
}

/* ---- the loop ---- */

static void finish_transfer(Net *net, Transfer *transfer, const NetAnswer *answer) {
    count_answer(net, transfer, answer);
    pthread_mutex_lock(&net->lock);
    put_answer(net, transfer->box, answer);
    pthread_mutex_unlock(&net->lock);
    transfer_free(transfer);
}

static void unlink_flying(Net *net, const Transfer *transfer) {
    Transfer **slot = &net->flying;
    while (*slot != transfer) {
        slot = &(*slot)->next;
    }
    *slot = transfer->next;
    atomic_fetch_sub_explicit(&net->in_flight, 1, memory_order_relaxed);
}

static void start(Net *net, Transfer *transfer) {
    transfer->next = net->flying;
    net->flying = transfer;
    counter_add(&net->in_flight, 1);
    CURLMcode code = curl_multi_add_handle(net->multi, transfer->easy);
    assert(code == CURLM_OK); /* a fresh handle is only refused for mistakes of ours */
    (void)code;
}

static void start_transfers(Net *net) {
    pthread_mutex_lock(&net->lock);
    Transfer *list = net->inbox;
    net->inbox = NULL;
    net->inbox_last = &net->inbox;
    pthread_mutex_unlock(&net->lock);
    while (list) {
        Transfer *transfer = list;
        list = transfer->next;
        start(net, transfer);
    }
}

/* A token came, or did not: what it is for goes on its way, or is answered why not. */
static void take_token(Net *net, Transfer *transfer, const NetAnswer *answer) {
    Transfer *then = TAKE(transfer->then);
    Str token;
    DurationMs lives;
    Err err;
    bool ok = oauth2_answer(answer, &transfer->arena, &token, &lives, &err);
    if (ok) {
        pthread_mutex_lock(&net->lock);
        tokens_put(&net->tokens, transfer->token_key, arena_cstr(&transfer->arena, token),
                   clock_monotonic_ns() + lives * 1000000);
        pthread_mutex_unlock(&net->lock);
        ok = transfer_authorize(then, token, &err);
    }
    if (ok) {
        start(net, then);
    } else {
        NetAnswer refused;
        transfer_refuse(then, &err, &refused);
        finish_transfer(net, then, &refused);
    }
}

/* A token that is not taken any more is not tried again. */
static void forget_refused_token(Net *net, const Transfer *transfer, const NetAnswer *answer) {
    if (transfer->token_key && answer->ok && answer->status == 401) {
        pthread_mutex_lock(&net->lock);
        tokens_drop(&net->tokens, transfer->token_key);
        pthread_mutex_unlock(&net->lock);
    }
}

static void collect_answers(Net *net) {
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(net->multi, &left));) {
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode code = message->data.result;
        Transfer *transfer = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        curl_multi_remove_handle(net->multi, transfer->easy);
        unlink_flying(net, transfer);
        NetAnswer answer;
        transfer_answer(transfer, code, &answer);
        if (transfer->then) {
            take_token(net, transfer, &answer);
            net_answer_finish(&answer);
            transfer_free(transfer);
            continue;
        }
        forget_refused_token(net, transfer, &answer);
        finish_transfer(net, transfer, &answer);
    }
}

static void drop_transfer(Net *net, Transfer *transfer) {
    curl_multi_remove_handle(net->multi, transfer->easy);
    unlink_flying(net, transfer);
    if (transfer->then) {
        Transfer *then = TAKE(transfer->then);
        transfer_free(transfer);
        transfer = then;
    }
    Err err;
    err_set(&err, ERR_CANCELLED, "%.*s: cancelled", STR_ARG(transfer->peer));
    NetAnswer answer;
    transfer_refuse(transfer, &err, &answer);
    pthread_mutex_lock(&net->lock);
    put_answer(net, transfer->box, &answer);
    pthread_mutex_unlock(&net->lock);
    transfer_free(transfer);
}

/* Lets go of the transfers of closing boxes, or of all. */
static void drop_cancelled(Net *net, bool all) {
    for (Transfer *transfer = net->flying; transfer;) {
        Transfer *next = transfer->next;
        pthread_mutex_lock(&net->lock);
        bool drop = all || transfer->box->closing;
        pthread_mutex_unlock(&net->lock);
        if (drop) {
            drop_transfer(net, transfer);
        }
        transfer = next;
    }
}

static void *run_loop(void *ctx) {
    Net *net = ctx;
    for (bool closing = false; !closing;) {
        int running, ready;
        curl_multi_poll(net->multi, NULL, 0, 60 * 1000, &ready);
        pthread_mutex_lock(&net->lock);
        closing = net->closing;
        bool cancel = net->cancel;
        net->cancel = false;
        pthread_mutex_unlock(&net->lock);
        start_transfers(net);
        if (cancel || closing) {
            drop_cancelled(net, closing);
        }
        curl_multi_perform(net->multi, &running);
        collect_answers(net);
    }
    return NULL;
}

/* ---- the door ---- */

static void init_curl(void) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

bool net_open(Net **ret_net, Err *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    Net *net = mem_zero(1, sizeof *net);
    net->inbox_last = &net->inbox;
    net->multi = curl_multi_init();
    pthread_mutex_init(&net->lock, NULL);
    if (!net->multi || pthread_create(&net->thread, NULL, run_loop, net) != 0) {
        curl_multi_cleanup(net->multi);
        free(net);
        return err_set(err, ERR_IO, "cannot start the thread for outgoing requests");
    }
    pthread_setname_np(net->thread, "net");
    *ret_net = net;
    return true;
}

void net_close(Net *net) {
    if (!net) {
        return;
    }
    pthread_mutex_lock(&net->lock);
    net->closing = true;
    pthread_mutex_unlock(&net->lock);
    curl_multi_wakeup(net->multi);
    pthread_join(net->thread, NULL);
    assert(!net->flying);
    curl_multi_cleanup(net->multi);
    pthread_mutex_destroy(&net->lock);
    tokens_finish(&net->tokens);
    free(net);
}

NetBox *net_box_new(Net *net) {
    NetBox *box = mem_zero(1, sizeof *box);
    box->net = net;
    box->last = &box->first;
    pthread_cond_init(&box->changed, NULL);
    return box;
}

void net_box_free(NetBox *box) {
    if (!box) {
        return;
    }
    Net *net = box->net;
    pthread_mutex_lock(&net->lock);
    box->closing = true;
    net->cancel = true;
    curl_multi_wakeup(net->multi);
    while (box->flying) {
        pthread_cond_wait(&box->changed, &net->lock);
    }
    pthread_mutex_unlock(&net->lock);
    while (box->first) {
        Done *done = box->first;
        box->first = done->next;
        net_answer_finish(&done->answer);
        free(done);
    }
    pthread_cond_destroy(&box->changed);
    free(box);
}

/* What is to be started: the transfer, or the one that fetches a token for it. NULL: it cannot be
 * sent. */
static Transfer *with_token(Net *net, Transfer *transfer, const NetOauth2 *oauth2, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    NetOptions options;
    NetRequest request;
    transfer->token_key = oauth2_key(oauth2);
    pthread_mutex_lock(&net->lock);
    const char *known = tokens_find(&net->tokens, transfer->token_key, clock_monotonic_ns());
    Str token = known ? arena_str(&arena, str_of(known)) : STR("");
    pthread_mutex_unlock(&net->lock);
    if (known) {
        return transfer_authorize(transfer, token, err) ? transfer : NULL;
    }
    Transfer *first = mem_zero(1, sizeof *first);
    if (!oauth2_request(oauth2, &arena, &options, &request, err) ||
        !transfer_prepare(first, &request, err)) {
        transfer_free(first);
        (void)err_context(err, "oauth2");
        return NULL;
    }
    first->box = transfer->box;
    first->token_key = transfer->token_key;
    first->then = transfer;
    return first;
}

void net_send(NetBox *box, const NetRequest *request) {
    Net *net = box->net;
    Transfer *transfer = mem_zero(1, sizeof *transfer), *first = transfer;
    const NetOauth2 *oauth2 = request->options ? request->options->oauth2 : NULL;
    transfer->box = box;
    Err err;
    bool ready = transfer_prepare(transfer, request, &err);
    if (ready && oauth2 && !transfer->is_mail) {
        first = with_token(net, transfer, oauth2, &err);
        ready = first != NULL;
    }
    pthread_mutex_lock(&net->lock);
    box->pending++;
    box->flying++;
    if (ready) {
        *net->inbox_last = first;
        net->inbox_last = &first->next;
    }
    pthread_mutex_unlock(&net->lock);
    if (ready) {
        curl_multi_wakeup(net->multi);
        return;
    }
    NetAnswer answer;
    transfer_refuse(transfer, &err, &answer);
    finish_transfer(net, transfer, &answer);
}

/* Waits under the lock until something is there, somebody woke us, or the time is over. */
static void wait_for_answer(NetBox *box, DurationMs wait) {
    int64_t until = clock_monotonic_ns() + wait * 1000000;
    while (!box->first && !box->woken && clock_wait(&box->changed, &box->net->lock, until)) {
    }
}

bool net_take(NetBox *box, DurationMs wait, NetAnswer *ret_answer) {
    Net *net = box->net;
    pthread_mutex_lock(&net->lock);
    if (wait > 0) {
        wait_for_answer(box, wait);
    }
    box->woken = false;
    Done *done = box->first;
    if (done) {
        box->first = done->next;
        box->last = box->first ? box->last : &box->first;
        box->pending--;
    }
    pthread_mutex_unlock(&net->lock);
    if (!done) {
        return false;
    }
    *ret_answer = done->answer;
    free(done);
    return true;
}

void net_answer_finish(NetAnswer *answer) {
    arena_finish(&answer->arena);
    *answer = (NetAnswer){0};
}

void net_box_wake(NetBox *box) {
    pthread_mutex_lock(&box->net->lock);
    box->woken = true;
    pthread_cond_broadcast(&box->changed);
    pthread_mutex_unlock(&box->net->lock);
}

size_t net_box_pending(NetBox *box) {
    pthread_mutex_lock(&box->net->lock);
    size_t pending = box->pending;
    pthread_mutex_unlock(&box->net->lock);
    return pending;
}

bool net_call(Net *net, const NetRequest *request, NetAnswer *ret_answer, Err *err) {
    NetBox *box = net_box_new(net);
    net_send(box, request);
    NetAnswer answer;
    while (!net_take(box, HOUR_MS, &answer)) {
    }
    net_box_free(box);
    if (!answer.ok && answer.err.kind == ERR_CANCELLED) {
        *err = answer.err;
        net_answer_finish(&answer);
        return false;
    }
    *ret_answer = answer;
    return true;
}

void net_metrics(Net *net, MetricWriter *out) {
    metric_family(out, "belfry_net_requests_total", "counter",
                  "Outgoing requests that ended, by how they did.");
    for (int i = 0; i < NET_RESULTS; i++) {
        MetricLabel label = {"result", str_of(result_names[i])};
        metric_value(out, "", &label, 1, (double)counter_get(&net->results[i]));
    }
    metric_gauge(out, "belfry_net_requests_in_flight", "Outgoing requests under way.",
                 (double)counter_get(&net->in_flight));
    metric_family(out, "belfry_net_request_seconds_total", "counter",
                  "Time that outgoing requests took, summed.");
    metric_value(out, "", NULL, 0, (double)counter_get(&net->took_ms) / 1000);
    metric_counter(out, "belfry_net_received_bytes_total", "Bytes of answers, uncompressed.",
                   counter_get(&net->bytes_in));
    metric_counter(out, "belfry_net_sent_bytes_total", "Bytes of request bodies.",
                   counter_get(&net->bytes_out));
}
