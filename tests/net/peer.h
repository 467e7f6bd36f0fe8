#pragma once

/* A real HTTP server on a free loopback port for the tests of net: what it answers is chosen by the
 * path.
 *
 *     /echo          method, some headers and the body of the request, as text
 *     /status/N      status N, body "refused", Retry-After as in the query
 *     /bytes/N       N bytes
 *     /redirect      302 to /echo
 *     /gzip          "unpacked" as gzip
 *     /token         {"access_token": "token-N"} for the form and credentials of the tests, else
 * 401 /wait          answers when peer_release() is called
 */

#include <arpa/inet.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

typedef struct Peer {
    struct MHD_Daemon *daemon;
    int port;
    pthread_mutex_t lock;
    pthread_cond_t released;
    bool open;
    int tokens; /* given out */
} Peer;

static inline enum MHD_Result peer_reply(struct MHD_Connection *connection, unsigned status,
                                         const void *bytes, size_t len, const char *header,
                                         const char *value) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, (void *)(uintptr_t)bytes, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "Content-Type", "text/plain");
    if (header && value) {
        MHD_add_response_header(response, header, value);
    }
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static inline enum MHD_Result peer_echo(struct MHD_Connection *connection, const char *method,
                                        const Buf *body) {
    static const char *const names[] = {"Host", "Content-Type", "Authorization", "X-Extra",
                                        "User-Agent"};
    Buf out = {0};
    buf_printf(&out, "%s\n", method);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, names[i]);
        if (value) {
            buf_printf(&out, "%s: %s\n", names[i], value);
        }
    }
    buf_printf(&out, "\n%.*s", (int)body->len, body->len ? body->ptr : "");
    enum MHD_Result result = peer_reply(connection, 200, out.ptr, out.len, NULL, NULL);
    buf_finish(&out);
    return result;
}

static inline enum MHD_Result peer_answer(Peer *peer, struct MHD_Connection *connection,
                                          const char *path, const char *method, const Buf *body) {
    static const unsigned char gzip[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03,
                                         0x2b, 0xcd, 0x2b, 0x48, 0x4c, 0xce, 0x4e, 0x4d, 0x01, 0x00,
                                         0x96, 0x62, 0x2f, 0xca, 0x08, 0x00, 0x00, 0x00};
    unsigned number = 0;
    if (sscanf(path, "/status/%u", &number) == 1) {
        const char *after = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "after");
        return peer_reply(connection, number, "refused", 7, "Retry-After", after);
    }
    if (sscanf(path, "/bytes/%u", &number) == 1) {
        char *bytes = calloc(number, 1);
        enum MHD_Result result = peer_reply(connection, 200, bytes, number, NULL, NULL);
        free(bytes);
        return result;
    }
    if (!strcmp(path, "/token")) {
        static const char form[] = "grant_type=client_credentials&scope=a+b&audience=x%26y";
        const char *who = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
        bool known = who && !strcmp(who, "Basic bWUlMkZ0b286c2VjcmV0") && /* me%2Ftoo:secret */
                     body->len == strlen(form) && !memcmp(body->ptr, form, body->len);
        char text[64];
        snprintf(text, sizeof text, "{\"access_token\": \"token-%d\", \"expires_in\": 3600}",
                 ++peer->tokens);
        return peer_reply(connection, known ? 200 : 401, text, strlen(text), NULL, NULL);
    }
    if (!strcmp(path, "/redirect")) {
        return peer_reply(connection, 302, "", 0, "Location", "/echo");
    }
    if (!strcmp(path, "/gzip")) {
        return peer_reply(connection, 200, gzip, sizeof gzip, "Content-Encoding", "gzip");
    }
    if (!strcmp(path, "/wait")) {
        pthread_mutex_lock(&peer->lock);
        while (!peer->open) {
            pthread_cond_wait(&peer->released, &peer->lock);
        }
        pthread_mutex_unlock(&peer->lock);
        return peer_reply(connection, 200, "waited", 6, NULL, NULL);
    }
    return peer_echo(connection, method, body);
}

static inline enum MHD_Result peer_handle(void *ctx, struct MHD_Connection *connection,
                                          const char *path, const char *method, const char *version,
                                          const char *data, size_t *size, void **state) {
    (void)version;
    Buf *body = *state;
    if (!body) {
        *state = calloc(1, sizeof *body);
        return MHD_YES;
    }
    if (*size) {
        buf_put(body, data, *size);
        *size = 0;
        return MHD_YES;
    }
    return peer_answer(ctx, connection, path, method, body);
}

static inline void peer_done(void *ctx, struct MHD_Connection *connection, void **state,
                             enum MHD_RequestTerminationCode code) {
    (void)ctx, (void)connection, (void)code;
    if (*state) {
        buf_finish(*state);
        free(*state);
    }
}

static inline Peer *peer_new(void) {
    Peer *peer = calloc(1, sizeof *peer);
    pthread_mutex_init(&peer->lock, NULL);
    pthread_cond_init(&peer->released, NULL);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    peer->daemon =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0, NULL,
                         NULL, peer_handle, peer, MHD_OPTION_SOCK_ADDR, &address,
                         MHD_OPTION_NOTIFY_COMPLETED, peer_done, NULL, MHD_OPTION_END);
    peer->port = MHD_get_daemon_info(peer->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    return peer;
}

static inline void peer_release(Peer *peer) {
    pthread_mutex_lock(&peer->lock);
    peer->open = true;
    pthread_cond_broadcast(&peer->released);
    pthread_mutex_unlock(&peer->lock);
}

static inline void peer_free(Peer *peer) {
    peer_release(peer);
    MHD_stop_daemon(peer->daemon);
    pthread_mutex_destroy(&peer->lock);
    pthread_cond_destroy(&peer->released);
    free(peer);
}
