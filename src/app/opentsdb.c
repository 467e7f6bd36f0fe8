#include "app/opentsdb.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    CLIENTS_MAX = 1024,
    READ_BYTES = 64 * 1024,
    EVENTS_MAX = 64,
    POLL_MS = 500,   /* how late the end is noticed */
    WORD_BYTES = 16, /* a line that breaks off so early may become a command */
};

typedef struct Client {
    int fd;
    IngestStream *stream;
    uint64_t bad_told; /* bad lines that were answered */
    bool inside;       /* the stream has the beginning of a line */
    char held[WORD_BYTES];
    size_t held_len; /* the beginning of one it does not have yet */
} Client;

typedef struct Listener {
    int fd;
    int epoll;
    App *app;
    Client *clients[CLIENTS_MAX];
    char buffer[WORD_BYTES + READ_BYTES];
} Listener;

/* Splits "host:port", brackets around IPv6 allowed, and binds. -1 with `err`. */
static int bind_to(Str address, Err *err) {
    char host[256];
    char port[16];
    const char *colon = memrchr(address.ptr, ':', address.len);
    size_t host_len = colon ? (size_t)(colon - address.ptr) : address.len;
    bool brackets = host_len >= 2 && address.ptr[0] == '[';
    snprintf(host, sizeof host, "%.*s", (int)(host_len - 2 * brackets), address.ptr + brackets);
    snprintf(port, sizeof port, "%.*s", colon ? (int)(address.len - host_len - 1) : 0,
             colon ? colon + 1 : "");
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    if (!colon || getaddrinfo(*host ? host : NULL, port, &hints, &found) != 0) {
        err_set(err, ERR_INVALID, "%.*s: no such address", STR_ARG(address));
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, 128) < 0) {
        err_errno(err, "%.*s: cannot listen", STR_ARG(address));
        fd_close(&fd);
    }
    freeaddrinfo(found);
    return fd;
}

static Client **free_slot(Listener *listener) {
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (!listener->clients[i]) {
            return &listener->clients[i];
        }
    }
    return NULL;
}

static void drop_client(Listener *listener, Client *client) {
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (listener->clients[i] == client) {
            listener->clients[i] = NULL;
        }
    }
    ingest_stream_free(client->stream);
    fd_close(&client->fd);
    free(client);
}

static void take_client(Listener *listener) {
    AUTO(fd_close) int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    Client **slot = fd >= 0 ? free_slot(listener) : NULL;
    if (!slot) {
        return; /* over capacity: closed at once, the sender tries again */
    }
    Client *client = mem_zero(1, sizeof *client);
    client->fd = fd;
    client->stream =
        ingest_stream_new(&(IngestStreamOptions){.format = INGEST_OPENTSDB_TELNET,
                                                 .labels = &app_generation(listener->app)->labels,
                                                 .skip_bad = true});
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = client};
    epoll_ctl(listener->epoll, EPOLL_CTL_ADD, fd, &event);
    *slot = client;
    fd = -1;
}

/* A line that does not fit the socket's buffer is lost: whoever sends garbage has to read the
 * answers. */
static void tell(const Client *client, const char *text) {
    ssize_t sent = send(client->fd, text, strlen(text), MSG_NOSIGNAL);
    (void)sent;
}

static void tell_bad_lines(Client *client) {
    const IngestBadLine *bad;
    uint64_t total;
    size_t kept = ingest_stream_bad(client->stream, &bad, &total);
    for (; client->bad_told < total; client->bad_told++) {
        char text[512];
        if (client->bad_told < kept) {
            const IngestBadLine *line = &bad[client->bad_told];
            snprintf(text, sizeof text, "put: %.*s: %.*s\n", STR_ARG(line->reason),
                     STR_ARG(line->text));
        } else {
            snprintf(text, sizeof text, "put: illegal argument\n");
        }
        tell(client, text);
    }
}

/* A line for each sample the store refused; it gives the reason of the first. */
static void tell_refused(const Client *client, const StoreOutcome *outcome) {
    uint64_t refused = outcome->too_new + outcome->over_limit + outcome->invalid;
    char text[sizeof outcome->first_bad + 8];
    snprintf(text, sizeof text, "put: %s\n", outcome->first_bad);
    for (uint64_t i = 0; i < refused; i++) {
        tell(client, text);
    }
}

static void store_lines(Listener *listener, Client *client, Str bytes, bool last) {
    Err err = {0};
    if (!ingest_stream_push(client->stream, bytes, last, &err)) {
        tell(client, "put: line too long\n");
        return;
    }
    tell_bad_lines(client);
    const SampleBatch *batch = ingest_stream_batch(client->stream);
    uint64_t lsn;
    StoreOutcome outcome;
    if (!batch) {
        return;
    }
    if (!store_append(listener->app->store, batch, clock_now(), &lsn, &outcome, &err)) {
        char text[512];
        snprintf(text, sizeof text, "put: %.400s\n", err.text);
        tell(client, text);
    } else {
        tell_refused(client, &outcome);
    }
}

/* Lines that ask for an answer. False: the client is done with. */
static bool answer_command(const Client *client, Str word) {
    if (str_eq(word, STR("version"))) {
        tell(client, "belfry " BELFRY_VERSION "\n");
    } else if (str_eq(word, STR("help"))) {
        tell(client, "available commands: exit help put version\n");
    }
    return !str_eq(word, STR("exit"));
}

static bool is_command(Str word) {
    static const char *const words[] = {"version", "help", "exit"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (str_eq(word, str_of(words[i]))) {
            return true;
        }
    }
    return false;
}

/* Puts up to the next command, the command, and so on. A short beginning of a line at the end is
 * kept for the next time: it may be one. False when the client is done with. */
static bool take_lines(Listener *listener, Client *client, Str bytes, bool last) {
    size_t from = 0;
    for (size_t at = 0; at < bytes.len;) {
        Str rest = str_skip(bytes, at);
        size_t len = str_find(rest, '\n');
        bool whole = len < rest.len, begins = !(client->inside && at == 0);
        Str word = str_trim((Str){rest.ptr, len});
        if (begins && !whole && !last && len < WORD_BYTES) {
            memcpy(client->held, rest.ptr, len);
            client->held_len = len;
            bytes.len = at;
            break;
        }
        size_t next = at + len + whole;
        if (begins && (whole || last) && is_command(word)) {
            store_lines(listener, client, (Str){bytes.ptr + from, at - from}, false);
            from = next;
            if (!answer_command(client, word)) {
                return false;
            }
        }
        at = next;
    }
    if (bytes.len > from || last) {
        store_lines(listener, client, str_skip(bytes, from), last);
        client->inside = bytes.len > from && bytes.ptr[bytes.len - 1] != '\n';
    } else if (bytes.len > 0) {
        client->inside = false;
    }
    return !last;
}

/* False when the client is done with. */
static bool serve_client(Listener *listener, Client *client) {
    memcpy(listener->buffer, client->held, client->held_len);
    ssize_t got = recv(client->fd, listener->buffer + client->held_len, READ_BYTES, 0);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    Str bytes = {listener->buffer, client->held_len + (size_t)got};
    client->held_len = 0;
    return take_lines(listener, client, bytes, got == 0);
}

static void run(Listener *listener) {
    while (!listener->app->stopping) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(listener->epoll, events, EVENTS_MAX, POLL_MS);
        for (int i = 0; i < count; i++) {
            Client *client = events[i].data.ptr;
            if (!client) {
                take_client(listener);
            } else if (!serve_client(listener, client)) {
                drop_client(listener, client);
            }
        }
    }
}

void opentsdb_listen(Str address, App *app) {
    Err err = {0};
    Listener *listener = mem_zero(1, sizeof *listener);
    listener->app = app;
    listener->fd = bind_to(address, &err);
    if (listener->fd < 0) {
        log_event(LOG_ERROR, "no OpenTSDB listener", LOG_STR("reason", str_of(err.text)));
        free(listener);
        return;
    }
    listener->epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(listener->epoll, EPOLL_CTL_ADD, listener->fd, &event);
    log_event(LOG_INFO, "OpenTSDB put", LOG_STR("listen", address));
    run(listener);
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (listener->clients[i]) {
            drop_client(listener, listener->clients[i]);
        }
    }
    fd_close(&listener->epoll);
    fd_close(&listener->fd);
    free(listener);
}
