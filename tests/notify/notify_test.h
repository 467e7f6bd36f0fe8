#pragma once

/*
 * What the tests of notification share: a database in a folder of its own, a configuration from
 * text, a listener on a free port that keeps what it is sent and answers as told, and a clock in
 * the hand.
 */

#include <criterion/criterion.h>
#include <limits.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "notify/notify.h"

#define T0 INT64_C(1767225600000) /* 2026-01-01T00:00:00Z, a Thursday */

/* ---- the listener ---- */

typedef struct Listener {
    struct MHD_Daemon *daemon;
    int port;
    pthread_mutex_t lock;
    char *bodies[4096];
    char *paths[4096];
    char *tenants[4096]; /* header X-Scope-OrgID; "" = none */
    size_t count;
    int status;         /* of answers; 0 = hang up */
    const char *answer; /* body */
    const char *retry_after;
} Listener;

typedef struct Upload {
    char *bytes;
    size_t len;
} Upload;

static enum MHD_Result listener_answer(Listener *listener, struct MHD_Connection *connection) {
    pthread_mutex_lock(&listener->lock);
    int status = listener->status;
    const char *text = listener->answer ? listener->answer : "{}";
    const char *retry_after = listener->retry_after;
    pthread_mutex_unlock(&listener->lock);
    if (!status) {
        return MHD_NO;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
    if (retry_after) {
        MHD_add_response_header(response, "Retry-After", retry_after);
    }
    enum MHD_Result queued = MHD_queue_response(connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result listener_take(void *cls, struct MHD_Connection *connection, const char *url,
                                     const char *method, const char *version, const char *data,
                                     size_t *size, void **ctx) {
    Listener *listener = cls;
    Upload *upload = *ctx;
    (void)method, (void)version;
    if (!upload) {
        *ctx = mem_zero(1, sizeof *upload);
        return MHD_YES;
    }
    if (*size) {
        upload->bytes = mem_grow(upload->bytes, upload->len + *size + 1);
        memcpy(upload->bytes + upload->len, data, *size);
        upload->len += *size;
        upload->bytes[upload->len] = '\0';
        *size = 0;
        return MHD_YES;
    }
    pthread_mutex_lock(&listener->lock);
    if (listener->count < 4096) {
        const char *tenant =
            MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-Scope-OrgID");
        listener->tenants[listener->count] = mem_strdup(tenant ? tenant : "");
        listener->paths[listener->count] = mem_strdup(url);
        listener->bodies[listener->count++] = upload->bytes ? upload->bytes : mem_strdup("");
    }
    pthread_mutex_unlock(&listener->lock);
    free(upload);
    *ctx = NULL;
    return listener_answer(listener, connection);
}

static inline void listener_start(Listener *listener, int status) {
    *listener = (Listener){.status = status};
    pthread_mutex_init(&listener->lock, NULL);
    listener->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL,
                                        listener_take, listener, MHD_OPTION_END);
    cr_assert(listener->daemon);
    listener->port = MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

static inline void listener_stop(Listener *listener) {
    MHD_stop_daemon(listener->daemon);
    for (size_t i = 0; i < listener->count; i++) {
        free(listener->bodies[i]);
        free(listener->paths[i]);
        free(listener->tenants[i]);
    }
}

static inline void listener_set(Listener *listener, int status, const char *answer) {
    pthread_mutex_lock(&listener->lock);
    listener->status = status;
    listener->answer = answer;
    pthread_mutex_unlock(&listener->lock);
}

static inline size_t listener_count(Listener *listener) {
    pthread_mutex_lock(&listener->lock);
    size_t count = listener->count;
    pthread_mutex_unlock(&listener->lock);
    return count;
}

static inline bool listener_has(Listener *listener, size_t index, const char *text) {
    return index < listener_count(listener) && strstr(listener->bodies[index], text);
}

/* ---- the engine under test ---- */

typedef struct Rig {
    char dir[PATH_MAX];
    char path[PATH_MAX + 16];
    State *state;
    Net *net;
    Notify *notify;
    NotifyConfig *config;
    TimeMs now;
    int64_t ids[64];
    const char *rule_key; /* of alerts that change; NULL = "rule" */
} Rig;

/* NULL if it is refused; then `complaint` says why, ended by a NUL. */
static inline NotifyConfig *rig_try(const char *notify_yaml, const char *severities,
                                    const char *maintenance, Buf *complaint) {
    AUTO(arena_finish) Arena arena = {0};
    Problems problems = {0};
    const char *texts[3] = {notify_yaml, severities, maintenance};
    const YamlNode *nodes[3] = {NULL};
    for (int i = 0; i < 3; i++) {
        YamlDocs docs;
        if (texts[i]) {
            cr_assert(yaml_parse(&arena, str_of(texts[i]), STR("test.yml"), &docs, &problems),
                      "test.yml is no YAML");
            nodes[i] = docs.items[0];
        }
    }
    NotifyConfig *config =
        notify_config_load(&(NotifyConfigSource){.notify = nodes[0],
                                                 .severities = nodes[1],
                                                 .maintenance = nodes[2],
                                                 .file = STR("test.yml"),
                                                 .external_url = STR("http://belfry")},
                           &problems);
    problems_print(&problems, complaint);
    buf_byte(complaint, '\0');
    problems_finish(&problems);
    return config;
}

static inline NotifyConfig *rig_config(const char *notify_yaml, const char *severities,
                                       const char *maintenance) {
    AUTO(buf_finish) Buf complaint = {0};
    NotifyConfig *config = rig_try(notify_yaml, severities, maintenance, &complaint);
    cr_assert(config, "%s", complaint.ptr);
    return config;
}

static inline bool rig_refuses(const char *notify_yaml, const char *severities, Buf *complaint) {
    NotifyConfig *config = rig_try(notify_yaml, severities, NULL, complaint);
    notify_config_unref(config);
    return config == NULL;
}

static inline void rig_open_again(Rig *rig) {
    Err err = {0};
    cr_assert(state_open(&(StateOptions){.path = rig->path}, &rig->state, &err), "%s", err.text);
    cr_assert(net_open(&rig->net, &err), "%s", err.text);
    cr_assert(notify_open(
                  &(NotifyOptions){
                      .state = rig->state, .net = rig->net, .config = rig->config, .now = rig->now},
                  &rig->notify, &err),
              "%s", err.text);
}

static inline void rig_shut(Rig *rig) {
    notify_close(rig->notify);
    net_close(rig->net);
    state_close(rig->state);
}

static inline void rig_open_at(Rig *rig, NotifyConfig *config, TimeMs now) {
    *rig = (Rig){.config = config, .now = now};
    snprintf(rig->dir, sizeof rig->dir, "/tmp/belfry-notify-XXXXXX");
    cr_assert(mkdtemp(rig->dir));
    snprintf(rig->path, sizeof rig->path, "%s/state.db", rig->dir);
    rig_open_again(rig);
}

static inline void rig_open(Rig *rig, NotifyConfig *config) {
    rig_open_at(rig, config, T0);
}

static inline void rig_close(Rig *rig) {
    Err err;
    rig_shut(rig);
    notify_config_unref(rig->config);
    cr_assert(dir_remove(rig->dir, &err));
}

/* "a=1 b=2" as labels. */
static inline LabelSet rig_labels(Arena *arena, const char *text) {
    Label *items = arena_array(arena, Label, 16);
    size_t count = 0;
    Str rest = str_of(text);
    while (rest.len) {
        size_t space = str_find(rest, ' ');
        Str pair = {rest.ptr, space};
        size_t equals = str_find(pair, '=');
        items[count++] = (Label){{pair.ptr, equals}, str_skip(pair, equals + 1)};
        rest = str_skip(rest, space < rest.len ? space + 1 : rest.len);
    }
    LabelSet set;
    Err err;
    cr_assert(labels_build(items, count, &set, &err), "%s", err.text);
    return set;
}

/* One alert changes, with all that belongs to it, in one transaction. */
static inline void rig_change_of(Rig *rig, AlertEvent event, const char *labels, TimeMs fired_at) {
    AUTO(arena_finish) Arena arena = {0};
    Label summary = {STR("summary"), STR("something is wrong")};
    bool firing = event == ALERT_BECAME_FIRING || event == ALERT_CHANGED;
    Alert alert = {.rule_key = str_of(rig->rule_key ? rig->rule_key : "rule"),
                   .labels = rig_labels(&arena, labels),
                   .annotations = {&summary, 1},
                   .generator_url = STR("http://belfry/graph"),
                   .phase = firing ? ALERT_FIRING : ALERT_INACTIVE,
                   .active_at = fired_at,
                   .fired_at = fired_at,
                   .resolved_at = firing ? 0 : rig->now,
                   .updated_at = rig->now,
                   .interval = MINUTE_MS,
                   .value = 1};
    AlertChange change = {.event = event, .alert = alert, .reason = "condition"};
    StateTx *tx;
    Err err = {0};
    int64_t id;
    cr_assert(state_begin(rig->state, &tx, &err), "%s", err.text);
    cr_assert(state_put_alerts(tx, &change, 1, &id, &err), "%s", err.text);
    cr_assert(notify_accept(rig->notify, tx, &change, &id, 1, rig->now, &err), "%s", err.text);
    cr_assert(state_commit(tx, &err), "%s", err.text);
    notify_accepted(rig->notify, true);
}

static inline void rig_change(Rig *rig, AlertEvent event, const char *labels) {
    rig_change_of(rig, event, labels, rig->now);
}

static inline void rig_fire(Rig *rig, const char *labels) {
    rig_change(rig, ALERT_BECAME_FIRING, labels);
}

static inline void rig_resolve(Rig *rig, const char *labels) {
    rig_change(rig, ALERT_BECAME_RESOLVED, labels);
}

/* Lets what is due be decided and sent, and waits for the answers. */
static inline void rig_run(Rig *rig) {
    (void)notify_flush(rig->notify, rig->now);
    for (int i = 0; i < 200; i++) {
        TimeMs next = notify_deliver(rig->notify, rig->now, 20);
        (void)notify_flush(rig->notify, rig->now);
        if (next > rig->now && notify_in_flight(rig->notify) == 0) {
            break;
        }
    }
}

static inline void rig_pass(Rig *rig, DurationMs span, DurationMs step) {
    for (TimeMs end = rig->now + span; rig->now < end;) {
        rig->now += step;
        rig_run(rig);
    }
}
