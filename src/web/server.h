#pragma once

/* The server's state, private to server.c and orders.c. */

#include <pthread.h>

#include "base/pool.h"
#include "web/http.h"
#include "web/scratch.h"
#include "web/usage.h"

struct MHD_Daemon;

/* What handlers see of the rest of the program. Never changes: each change makes a new one, and old
 * ones stay until the server ends, since requests may still read them and changes are rare
 * (reloads). */
typedef struct WebView WebView;
struct WebView {
    WebView *older;
    Arena arena; /* copies of texts */
    WebOptions options;
    WebDoors doors;
    WebInfo info;
    bool ready;
};

struct Web {
    struct MHD_Daemon *daemon;
    int port;
    Pool *pool;
    _Atomic(WebView *) view;

    pthread_mutex_t lock; /* guards running*, and the making of views */
    pthread_cond_t idle;
    pthread_cond_t watch_wake; /* something runs now, or nothing ever will */
    Request *running;          /* suspended ones */
    size_t running_count;

    pthread_mutex_t ack_lock;
    pthread_cond_t ack_wake;
    Request *acks;
    pthread_t ack_thread, watch_thread;

    pthread_mutex_t order_lock;
    pthread_cond_t order_wake;
    Request *orders;       /* not taken yet */
    Request *taken_orders; /* taken, not answered */
    uint64_t order_id;
    bool orders_woken;

    _Atomic bool ending;   /* new requests are refused */
    _Atomic bool finished; /* nothing is running any more: threads end */

    Counter requests[6]; /* by class of status */
    Counter request_ns;
    WebCounters counters;
    ScratchPool scratch;
    Usage *usage;
};

/* Takes a request back from where it waited and lets its worker answer. */
void server_finish(Web *web, Request *request);
/* Takes it from its worker. */
void server_suspend(Web *web, Request *request);
/* The same from a content reader; false, and nothing done, if the server is ending. */
bool server_suspend_reader(Web *web, Request *request);
struct MHD_Response;
/* The answer of a request with a stream; the piece that is in the body goes first. */
struct MHD_Response *stream_response(Request *request);
/* Puts it into the mailbox. */
void orders_put(Web *web, Request *request);
/* Answers all that wait, when the server ends. */
void orders_refuse(Web *web);

/* Shrinks the body by what the client accepts (zstd, gzip), where it pays. */
void compress_response(Request *request);
