/* Many threads send, take, cancel and wake at once against a real server, for the thread sanitizer.
 */

#include <assert.h>

#include "net/net.h"
#include "peer.h"

enum { THREADS = 6, ROUNDS = 30 };

typedef struct Rig {
    Net *net;
    int port;
} Rig;

static void *use(void *ctx) {
    const Rig *rig = ctx;
    char quick[64], slow[64];
    snprintf(quick, sizeof quick, "http://127.0.0.1:%d/echo", rig->port);
    snprintf(slow, sizeof slow, "http://127.0.0.1:%d/wait", rig->port);
    for (int round = 0; round < ROUNDS; round++) {
        NetBox *box = net_box_new(rig->net);
        NetRequest request = {.method = STR("POST"),
                              .url = str_of(quick),
                              .body = STR("x"),
                              .answer_bytes_max = 4096};
        net_send(box, &request);
        request.url = str_of(slow);
        net_send(box, &request); /* still under way when the box goes */
        NetAnswer answer;
        net_box_wake(box);
        bool taken = net_take(box, 10 * SECOND_MS, &answer);
        taken = taken || net_take(box, 10 * SECOND_MS, &answer);
        assert(taken && answer.ok && answer.status == 200);
        net_answer_finish(&answer);
        net_box_free(box);
    }
    return NULL;
}

int main(void) {
    Peer *peer = peer_new();
    Err err;
    Rig rig = {.port = peer->port};
    if (!net_open(&rig.net, &err)) {
        return EXIT_FAILURE;
    }
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, use, &rig);
    }
    Buf text = {0};
    MetricWriter writer = {.buf = &text};
    net_metrics(rig.net, &writer);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    buf_finish(&text);
    net_close(rig.net);
    peer_free(peer);
    return EXIT_SUCCESS;
}
