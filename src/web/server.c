/*
 * The server under the routes: libmicrohttpd, suspended connections, the acknowledging thread, and
 * the end.
 *
 * The life of a request:
 *
 *   headers -> body (bounded) -> handler -> answer                       ROUTE_INLINE
 *                             -> handler -> suspended until lsn synced -> answer    ROUTE_WRITE
 *                             -> suspended, handler on the pool -> answer           ROUTE_POOL
 *                             -> suspended, order in the mailbox, app answers       ROUTE_ORDER
 *
 * What libmicrohttpd 0.9.75 asks for: a handler must not block, since connections are pinned to
 * their worker; a client that leaves while suspended is not noticed, so a watcher polls the
 * sockets; and the daemon may be stopped only when nothing is suspended, so web_stop() first lets
 * all work end.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "web/api.h"
#include "web/import.h"
#include "web/origin.h"
#include "web/routes.h"
#include "web/server.h"

enum {
    CONNECTIONS_MAX = 2048,
    IDLE_TIMEOUT_S = 75,
    BODY_BYTES_DEFAULT = 64 << 20,
    BODY_RESERVE_MAX = 1 << 20,
    WATCH_MS = 200,
    QUEUE_DEFAULT = 1000,
};

/* ---- views ---- */

static WebView *current(const Web *web) {
    return atomic_load_explicit((_Atomic(WebView *) *)&web->view, memory_order_acquire);
}

const WebDoors *web_doors(const Web *web) {
    return &current(web)->doors;
}

const WebOptions *web_options(const Web *web) {
    return &current(web)->options;
}

const WebInfo *web_info(const Web *web) {
    return &current(web)->info;
}

bool web_is_ready(const Web *web) {
    return current(web)->ready;
}

WebCounters *web_counters(Web *web) {
    return &web->counters;
}

ScratchPool *web_scratch(Web *web) {
    return &web->scratch;
}

/* A copy of the current view to change and then publish; the lock is held in between. */
static WebView *begin_view(Web *web) {
    pthread_mutex_lock(&web->lock);
    WebView *view = mem_zero(1, sizeof *view);
    WebView *older = current(web);
    if (older) {
        *view = *older;
    }
    view->arena = (Arena){0};
    view->older = older;
    return view;
}

static void publish_view(Web *web, WebView *view) {
    atomic_store_explicit(&web->view, view, memory_order_release);
    pthread_mutex_unlock(&web->lock);
}

static const Str *copy_texts(Arena *arena, const Str *texts, size_t count) {
    Str *copy = arena_array(arena, Str, count + 1);
    for (size_t i = 0; i < count; i++) {
        copy[i] = arena_str(arena, texts[i]);
    }
    return copy;
}

void web_set_options(Web *web, const WebOptions *options) {
    WebView *view = begin_view(web);
    Arena *arena = &view->arena;
    view->options = *options;
    view->options.listen = arena_str(arena, options->listen);
    view->options.external_url = arena_str(arena, options->external_url);
    view->options.actor_header = arena_str(arena, options->actor_header);
    view->options.trusted_proxies =
        copy_texts(arena, options->trusted_proxies, options->trusted_proxy_count);
    view->options.allowed_origins =
        copy_texts(arena, options->allowed_origins, options->allowed_origin_count);
    publish_view(web, view);
}

void web_open_doors(Web *web, const WebDoors *doors) {
    WebView *view = begin_view(web);
    view->doors = *doors;
    view->ready = true;
    publish_view(web, view);
}

void web_set_info(Web *web, const WebInfo *info) {
    WebView *view = begin_view(web);
    view->info = *info;
    view->info.config_yaml = arena_str(&view->arena, info->config_yaml);
    view->info.flags_json = arena_str(&view->arena, info->flags_json);
    view->info.metrics = arena_str(&view->arena, info->metrics);
    publish_view(web, view);
}

static void free_views(Web *web) {
    for (WebView *view = current(web); view;) {
        WebView *older = view->older;
        arena_finish(&view->arena);
        free(view);
        view = older;
    }
}

/* ---- the way back to the worker ---- */

/* Lets the worker go on with a request whose answer is ready. */
void server_finish(Web *web, Request *request) {
    pthread_mutex_lock(&web->lock);
    if (request->previous_running) {
        request->previous_running->next_running = request->next_running;
    } else {
        web->running = request->next_running;
    }
    if (request->next_running) {
        request->next_running->previous_running = request->previous_running;
    }
    request->running = false;
    web->running_count--;
    pthread_cond_broadcast(&web->idle);
    struct MHD_Connection *connection = request->connection;
    MHD_resume_connection(
        connection); /* under the lock: web_stop() must not see idle before this */
    pthread_mutex_unlock(&web->lock);
}

/* Counts the request among those worked on and takes it from the worker. Under the lock. */
static void suspend(Web *web, Request *request) {
    request->running = true;
    request->previous_running = NULL;
    request->next_running = web->running;
    if (web->running) {
        web->running->previous_running = request;
    } else {
        pthread_cond_signal(&web->watch_wake);
    }
    web->running = request;
    web->running_count++;
    MHD_suspend_connection(request->connection);
}

void server_suspend(Web *web, Request *request) {
    pthread_mutex_lock(&web->lock);
    suspend(web, request);
    pthread_mutex_unlock(&web->lock);
}

/* web_stop() sets `ending` before it looks, under the lock, for what is running. */
bool server_suspend_reader(Web *web, Request *request) {
    pthread_mutex_lock(&web->lock);
    bool ending = web->ending;
    if (!ending) {
        suspend(web, request);
    }
    pthread_mutex_unlock(&web->lock);
    return !ending;
}

/* ---- writers waiting for the log ---- */

static void queue_ack(Web *web, Request *request) {
    server_suspend(web, request);
    pthread_mutex_lock(&web->ack_lock);
    request->next = web->acks;
    web->acks = request;
    pthread_cond_signal(&web->ack_wake);
    pthread_mutex_unlock(&web->ack_lock);
}

static void acknowledge(Web *web, Request *request) {
    Err err = {0};
    if (!store_wait_synced(web_doors(web)->store, request->lsn, &err)) {
        respond_unsynced(request, &err);
    }
    server_finish(web, request);
}

/* Takes all who wait; the first sync serves most of them, so the later waits return at once. */
static void *run_acks(void *context) {
    Web *web = context;
    pthread_mutex_lock(&web->ack_lock);
    for (;;) {
        while (!web->acks && !web->finished) {
            pthread_cond_wait(&web->ack_wake, &web->ack_lock);
        }
        Request *request = web->acks;
        web->acks = NULL;
        if (!request) {
            break;
        }
        pthread_mutex_unlock(&web->ack_lock);
        while (request) {
            Request *next = request->next;
            acknowledge(web, request);
            request = next;
        }
        pthread_mutex_lock(&web->ack_lock);
    }
    pthread_mutex_unlock(&web->ack_lock);
    return NULL;
}

/* ---- clients that leave ---- */

static bool has_left(int socket) {
    struct pollfd poll_fd = {.fd = socket, .events = POLLRDHUP};
    return socket >= 0 && poll(&poll_fd, 1, 0) > 0 &&
           (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void *run_watcher(void *context) {
    Web *web = context;
    pthread_mutex_lock(&web->lock);
    while (!web->finished) {
        if (!web->running) {
            pthread_cond_wait(&web->watch_wake, &web->lock);
            continue;
        }
        for (Request *request = web->running; request; request = request->next_running) {
            if (!request->cancelled && has_left(request->socket)) {
                request->cancelled = true;
            }
        }
        pthread_mutex_unlock(&web->lock);
        usleep(WATCH_MS * 1000);
        pthread_mutex_lock(&web->lock);
    }
    pthread_mutex_unlock(&web->lock);
    return NULL;
}

/* ---- handlers ---- */

static void count_request(Web *web, const Request *request) {
    int64_t took = clock_monotonic_ns() - request->started_ns;
    int class = request->response.status / 100;
    counter_add(&web->requests[class >= 1 && class <= 5 ? class : 0], 1);
    counter_add(&web->request_ns, (uint64_t)took);
}

static void run_in_pool(void *job) {
    Request *request = job;
    if (request->cancelled) {
        Err err = {0};
        err_set(&err, ERR_CANCELLED, "the client went away");
        respond_error(request, &err);
    } else {
        request->route->handle(request->web, request);
    }
    server_finish(request->web, request);
}

static bool to_pool(Web *web, Request *request) {
    server_suspend(web, request);
    if (pool_submit(web->pool, run_in_pool, request)) {
        return true;
    }
    Err err = {0};
    err_set(&err, ERR_BUSY,
            "too many queries are waiting: try again later, or raise query.concurrency or "
            "query.queue_max");
    respond_error(request, &err);
    server_finish(web, request);
    return true;
}

static void respond_unready(Request *request) {
    Err err = {0};
    err_set(&err, ERR_BUSY, "starting: the log is being replayed");
    respond_error(request, &err);
}

/* Runs the handler, or takes care that it is run. False if the answer comes later. */
static bool answer_now(Web *web, Request *request) {
    const Route *route = request->route;
    if (!route) {
        respond_no_route(request);
    } else if (!web_is_ready(web) && !route->before_ready) {
        respond_unready(request);
    } else if (route->where == ROUTE_POOL) {
        to_pool(web, request);
        return false;
    } else if (route->where == ROUTE_ORDER) {
        orders_put(web, request);
        return false;
    } else {
        route->handle(web, request);
        if (request->lsn) {
            queue_ack(web, request);
            return false;
        }
    }
    return true;
}

/* ---- libmicrohttpd's side ---- */

static enum MHD_Result add_header(void *context, enum MHD_ValueKind kind, const char *name,
                                  size_t name_len, const char *value, size_t value_len) {
    (void)kind;
    Request *request = context;
    char *lower = arena_cstr(&request->arena, (Str){name, name_len});
    for (char *c = lower; *c; c++) {
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    }
    Str copy = arena_str(&request->arena, (Str){value ? value : "", value ? value_len : 0});
    Param header = {str_of(lower), copy};
    VEC_PUSH(request->headers, items, header);
    return MHD_YES;
}

/* The escape callback leaves parameters alone, too, so they are decoded here; what is no escape
 * stays as it is. */
static Str decoded(Arena *arena, const char *text, size_t len) {
    Str raw = arena_str(arena, (Str){text ? text : "", text ? len : 0});
    Err ignored = {0};
    Str plain;
    return param_unescape(arena, raw, &plain, &ignored) ? plain : raw;
}

static enum MHD_Result add_param(void *context, enum MHD_ValueKind kind, const char *name,
                                 size_t name_len, const char *value, size_t value_len) {
    (void)kind;
    Request *request = context;
    if (request->params.items_count < PARAMS_MAX) {
        Param param = {decoded(&request->arena, name, name_len),
                       decoded(&request->arena, value, value_len)};
        VEC_PUSH(request->params, items, param);
    }
    return MHD_YES;
}

static Str client_address(Arena *arena, struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char text[INET6_ADDRSTRLEN] = "";
    if (info && info->client_addr->sa_family == AF_INET) {
        struct sockaddr_in *address = (struct sockaddr_in *)(void *)info->client_addr;
        inet_ntop(AF_INET, &address->sin_addr, text, sizeof text);
    } else if (info && info->client_addr->sa_family == AF_INET6) {
        struct sockaddr_in6 *address = (struct sockaddr_in6 *)(void *)info->client_addr;
        inet_ntop(AF_INET6, &address->sin6_addr, text, sizeof text);
    }
    return arena_str(arena, str_of(text));
}

static Request *begin_request(Web *web, struct MHD_Connection *connection, const char *url,
                              const char *method) {
    Request *request = mem_zero(1, sizeof *request);
    request->web = web;
    request->connection = connection;
    request->started_ns = clock_monotonic_ns();
    request->method = arena_str(&request->arena, str_of(method));
    request->path = arena_str(&request->arena, str_of(url));
    request->address = client_address(&request->arena, connection);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    request->socket = info ? info->connect_fd : -1;
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, add_header, request);
    MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, add_param, request);
    request->route = route_find(request);
    request->foreign = request->refused = origin_is_foreign(request);
    request->import = request->route && !request->foreign ? import_begin(web, request) : NULL;
    return request;
}

static size_t body_bytes_max(const Web *web) {
    size_t max = web_options(web)->limits.body_bytes_max;
    return max ? max : BODY_BYTES_DEFAULT;
}

/* What the client announces is reserved at once, within bounds: growing step by step copies. */
static void reserve_body(const Web *web, Request *request) {
    Str announced = request_header(request, STR("content-length"));
    size_t bytes = announced.len ? strtoull(arena_cstr(&request->arena, announced), NULL, 10) : 0;
    size_t max = body_bytes_max(web) < BODY_RESERVE_MAX ? body_bytes_max(web) : BODY_RESERVE_MAX;
    buf_reserve(&request->body, bytes < max ? bytes : max);
}

/* Text imports are streams of any size; they take their body piece by piece (api_import.c) and are
 * not bounded here. */
static void take_body(Web *web, Request *request, const char *bytes, size_t len) {
    if (request->import) {
        import_take(web, request->import, (Str){bytes, len});
        return;
    }
    if (request->refused) {
        return;
    }
    if (request->body.len + len > body_bytes_max(web)) {
        request->refused = true;
        buf_finish(&request->body);
        return;
    }
    if (request->body.len == 0) {
        reserve_body(web, request);
    }
    buf_put(&request->body, bytes, len);
}

static void refuse_body(Web *web, Request *request) {
    Err err = {0};
    err_set(&err, ERR_LIMIT, "the body has more than the %zu bytes allowed (limits.body_bytes_max)",
            body_bytes_max(web));
    respond_error(request, &err);
    request->response.status = 413;
}

/* An urlencoded body counts as parameters, after those of the URL. */
static bool take_form(Request *request, Err *err) {
    Str type = request_header(request, STR("content-type"));
    return !str_starts(type, STR("application/x-www-form-urlencoded")) ||
           params_decode(&request->arena, buf_view(&request->body), &request->params, err);
}

static enum MHD_Result send_response(Web *web, Request *request) {
    Response *response = &request->response;
    bool streams = response->stream.fill != NULL;
    origin_let_read(request);
    if (!streams) {
        compress_response(request);
    }
    count_request(web, request);
    Buf body = response->body;
    response->body = streams ? body : (Buf){0}; /* libmicrohttpd frees it */
    struct MHD_Response *mhd =
        streams ? stream_response(request)
        : body.ptr
            ? MHD_create_response_from_buffer_with_free_callback(body.len, body.ptr, free)
            : MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    if (response->content_type) {
        MHD_add_response_header(mhd, "Content-Type", response->content_type);
    }
    for (size_t i = 0; i < response->headers.items_count; i++) {
        MHD_add_response_header(mhd, arena_cstr(&request->arena, response->headers.items[i].name),
                                arena_cstr(&request->arena, response->headers.items[i].value));
    }
    enum MHD_Result result =
        MHD_queue_response(request->connection, (unsigned)response->status, mhd);
    MHD_destroy_response(mhd);
    return result;
}

static enum MHD_Result handle_access(void *context, struct MHD_Connection *connection,
                                     const char *url, const char *method, const char *version,
                                     const char *upload, size_t *upload_len, void **slot) {
    (void)version;
    Web *web = context;
    Request *request = *slot;
    if (!request) {
        *slot = begin_request(web, connection, url, method);
        return MHD_YES;
    }
    if (*upload_len) {
        take_body(web, request, upload, *upload_len);
        *upload_len = 0;
        return MHD_YES;
    }
    Err err = {0};
    if (request->response.status == 0) {
        if (request->foreign) {
            respond_foreign(request);
        } else if (request->refused) {
            refuse_body(web, request);
        } else if (web->ending) {
            err_set(&err, ERR_BUSY, "the server is ending");
            respond_error(request, &err);
        } else if (!take_form(request, &err)) {
            respond_error(request, &err);
        } else if (!answer_now(web, request)) {
            return MHD_YES; /* resumed later, with an answer */
        }
    }
    return send_response(web, request);
}

static void request_done(void *context, struct MHD_Connection *connection, void **slot,
                         enum MHD_RequestTerminationCode code) {
    (void)context;
    (void)connection;
    (void)code;
    Request *request = *slot;
    if (request) {
        params_finish(&request->headers);
        params_finish(&request->params);
        params_finish(&request->response.headers);
        import_free(request->import);
        if (request->response.stream.free) {
            request->response.stream.free(request->response.stream.ctx);
        }
        buf_finish(&request->body);
        buf_finish(&request->response.body);
        arena_finish(&request->arena);
        free(request);
        *slot = NULL;
    }
}

/* libmicrohttpd must leave '+' and %XX of paths alone: segments are decoded after they were split.
 */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text) {
    (void)context;
    (void)connection;
    return strlen(text);
}

/* Resolves "host:port" into a socket that listens. -1 with `err`. */
static int listen_on(Str address, int *ret_port, Err *err) {
    char host[256];
    char port[16];
    const char *colon = memrchr(address.ptr, ':', address.len);
    size_t host_len = colon ? (size_t)(colon - address.ptr) : 0;
    bool brackets = host_len >= 2 && address.ptr[0] == '[';
    snprintf(host, sizeof host, "%.*s", (int)(host_len - 2 * brackets), address.ptr + brackets);
    snprintf(port, sizeof port, "%.*s", colon ? (int)(address.len - host_len - 1) : 0,
             colon ? colon + 1 : "");
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    if (!colon || getaddrinfo(*host ? host : NULL, port, &hints, &found) != 0) {
        err_set(err, ERR_INVALID, "cannot listen on \"%.*s\": expected ADDRESS:PORT",
                STR_ARG(address));
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bool good =
        fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 1024) == 0;
    freeaddrinfo(found);
    if (!good) {
        err_errno(err, "cannot listen on %.*s", STR_ARG(address));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    struct sockaddr_storage bound = {0};
    socklen_t bound_len = sizeof bound;
    getsockname(fd, (struct sockaddr *)&bound, &bound_len);
    *ret_port =
        ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&bound)->sin6_port
                                          : ((struct sockaddr_in *)(void *)&bound)->sin_port);
    return fd;
}

/* ---- opening and ending ---- */

bool web_start(const WebOptions *options, Web **ret_web, Err *err) {
    Web *web = mem_zero(1, sizeof *web);
    pthread_mutex_init(&web->lock, NULL);
    pthread_mutex_init(&web->ack_lock, NULL);
    pthread_mutex_init(&web->order_lock, NULL);
    pthread_cond_init(&web->idle, NULL);
    pthread_cond_init(&web->watch_wake, NULL);
    pthread_cond_init(&web->ack_wake, NULL);
    pthread_cond_init(&web->order_wake, NULL);
    scratch_init(&web->scratch);
    web->usage = usage_new();
    web_set_options(web, options);
    int fd = listen_on(options->listen, &web->port, err);
    if (fd < 0) {
        free(web);
        return false;
    }
    int concurrency = options->limits.query_concurrency;
    int queue = options->limits.query_queue;
    web->pool = pool_new("query", concurrency > 0 ? concurrency : 20,
                         queue > 0 ? (size_t)queue : QUEUE_DEFAULT);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned workers = cpus < 2 ? 2 : cpus > 16 ? 16 : (unsigned)cpus;
    web->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, 0, NULL, NULL,
        handle_access, web, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE, workers,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_NOTIFY_COMPLETED, request_done, NULL,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_END);
    if (!web->daemon) {
        close(fd);
        pool_free(web->pool);
        free(web);
        return err_set(err, ERR_IO, "cannot start the HTTP server on %.*s",
                       STR_ARG(options->listen));
    }
    pthread_create(&web->ack_thread, NULL, run_acks, web);
    pthread_create(&web->watch_thread, NULL, run_watcher, web);
    *ret_web = web;
    return true;
}

int web_port(const Web *web) {
    return web->port;
}

/* Waits for running requests to end; from `grace` on they are cancelled. */
static void wait_idle(Web *web, DurationMs grace) {
    int64_t cancel_at = clock_monotonic_ns() + grace * 1000000;
    pthread_mutex_lock(&web->lock);
    while (web->running_count > 0) {
        (void)clock_wait(&web->idle, &web->lock, clock_monotonic_ns() + SECOND_MS * 1000000);
        for (Request *request = web->running; clock_monotonic_ns() >= cancel_at && request;
             request = request->next_running) {
            request->cancelled = true;
        }
    }
    pthread_mutex_unlock(&web->lock);
}

void web_stop(Web *web, DurationMs grace) {
    if (!web) {
        return;
    }
    int fd = MHD_quiesce_daemon(web->daemon);
    web->ending = true;
    orders_refuse(web);
    wait_idle(web, grace);
    pthread_mutex_lock(&web->ack_lock);
    web->finished = true;
    pthread_cond_broadcast(&web->ack_wake);
    pthread_mutex_unlock(&web->ack_lock);
    pthread_mutex_lock(&web->lock); /* the watcher waits or has yet to look */
    pthread_cond_signal(&web->watch_wake);
    pthread_mutex_unlock(&web->lock);
    pthread_join(web->ack_thread, NULL);
    pthread_join(web->watch_thread, NULL);
    pool_free(web->pool);
    MHD_stop_daemon(web->daemon);
    if (fd >= 0) {
        close(fd);
    }
    free_views(web);
    scratch_finish(&web->scratch);
    usage_free(web->usage);
    free(web);
}
