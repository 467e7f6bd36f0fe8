/* The mailbox between requests that only app can serve, and app. */

#include <stdio.h>
#include <time.h>

#include "web/server.h"

void orders_put(Web *web, Request *request) {
    server_suspend(web, request);
    pthread_mutex_lock(&web->order_lock);
    request->next = NULL;
    Request **end = &web->orders;
    while (*end) {
        end = &(*end)->next;
    }
    *end = request;
    pthread_cond_broadcast(&web->order_wake);
    pthread_mutex_unlock(&web->order_lock);
}

static WebOrder order_of(Request *request) {
    WebOrder order = {.kind = WEB_RELOAD, .id = request->order_id};
    Actor actor = request_actor(request, params_get(&request->params, STR("actor")));
    Str who = actor_text(&request->arena, &actor);
    snprintf(order.actor, sizeof order.actor, "%.*s", STR_ARG(who));
    snprintf(order.address, sizeof order.address, "%.*s", STR_ARG(actor.address));
    return order;
}

bool web_take_order(Web *web, DurationMs wait, WebOrder *ret_order) {
    int64_t until_ns = clock_monotonic_ns() + wait * 1000000;
    pthread_mutex_lock(&web->order_lock);
    while (!web->orders && !web->orders_woken &&
           clock_wait(&web->order_wake, &web->order_lock, until_ns)) {
    }
    web->orders_woken = false;
    Request *request = web->orders;
    if (request) {
        web->orders = request->next;
        request->order_id = ++web->order_id;
        request->next = web->taken_orders;
        web->taken_orders = request;
        *ret_order = order_of(request);
    }
    pthread_mutex_unlock(&web->order_lock);
    return request != NULL;
}

static Request *unlink_taken(Web *web, uint64_t id) {
    for (Request **slot = &web->taken_orders; *slot; slot = &(*slot)->next) {
        if ((*slot)->order_id == id) {
            Request *request = *slot;
            *slot = request->next;
            return request;
        }
    }
    return NULL;
}

void web_answer_order(Web *web, const WebOrder *order, bool ok, Str text) {
    pthread_mutex_lock(&web->order_lock);
    Request *request = unlink_taken(web, order->id);
    pthread_mutex_unlock(&web->order_lock);
    if (!request) {
        return;
    }
    if (ok) {
        respond_text(request, 200, text);
    } else {
        respond_text(request, 500, STR("failed to reload config: "));
        buf_str(&request->response.body, text);
    }
    server_finish(web, request);
}

void web_wake_orders(Web *web) {
    pthread_mutex_lock(&web->order_lock);
    web->orders_woken = true;
    pthread_cond_broadcast(&web->order_wake);
    pthread_mutex_unlock(&web->order_lock);
}

void orders_refuse(Web *web) {
    WebOrder order;
    while (web_take_order(web, 0, &order)) {
        web_answer_order(web, &order, false, STR("the server is ending"));
    }
    pthread_mutex_lock(&web->order_lock);
    Request *taken = web->taken_orders;
    web->taken_orders = NULL;
    pthread_mutex_unlock(&web->order_lock);
    while (taken) {
        Request *next = taken->next;
        respond_text(taken, 503, STR("the server is ending"));
        server_finish(web, taken);
        taken = next;
    }
}
