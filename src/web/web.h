#pragma once

/*
 * The HTTP server: the Prometheus API, Alertmanager's API v2, our own JSON API, feeds, and pages
 * for people.
 *
 * libmicrohttpd with epoll and a pool of workers. A worker receives a body, decodes and appends it,
 * and suspends the connection; one acknowledging thread waits for the log and resumes all writers
 * up to that point. Queries, exports and whatever may take over a millisecond or touch SQLite run
 * on a bounded pool while their connection is suspended. Routes are one table in web/routes.c.
 *
 * Before the doors are open (log replay, migrations) only /-/healthy, /-/ready (503) and /metrics
 * answer; web_open_doors() lets the rest in.
 */

#include "backup/backup.h"
#include "engine/engine.h"
#include "ingest/ingest.h"
#include "notify/notify.h"
#include "rules/rules.h"
#include "state/state.h"
#include "store/store.h"

typedef struct Web Web;

/* What web shows of the rest of the program: copied by web_set_info(). */
typedef struct WebInfo {
    Str config_yaml; /* /api/v1/status/config, secrets hidden */
    Str flags_json;  /* /api/v1/status/flags: a JSON object of strings */
    Str metrics;     /* further families in text format, e.g. the last reload's success */
    bool reload_ok;  /* of the last load of the configuration */
    TimeMs reload_at;
} WebInfo;

/* Something asked for by a request that only app can do. The connection waits, suspended, for
 * web_answer_order(). */
typedef enum WebOrderKind { WEB_RELOAD, WEB_QUIT } WebOrderKind;
typedef struct WebOrder {
    WebOrderKind kind;
    uint64_t id;
    char actor[128], address[64]; /* who asks, as the audit trail names it, and from where; cut */
} WebOrder;

typedef struct WebDoors {
    Store *store; /* NULL with a remote engine only */
    Engine *engine;
    Rules *rules;
    State *state;
    Notify *notify;
    Net *net;
    Backups *backups;
    Metadata *metadata;
    Scraper *scraper; /* NULL = none; replaced by web_open_doors() after a reload */
} WebDoors;

typedef struct WebLimits {
    size_t body_bytes_max;    /* 0 = 64 MiB (compressed); decompressed 8 x */
    int query_concurrency;    /* 20 */
    int query_queue;          /* further ones that wait; 1000 */
    DurationMs query_timeout; /* 2 m */
    QueryBudget budget;
    DurationMs lookback;
} WebLimits;

typedef struct WebOptions {
    Str listen; /* "127.0.0.1:8119", "[::1]:0" */
    Str external_url;
    Str actor_header;
    const Str *trusted_proxies;
    size_t trusted_proxy_count;
    const Str *allowed_origins; /* whose pages may change things: "https://grafana.example"; "*" */
    size_t allowed_origin_count;
    WebLimits limits;
    IngestLabels ingest_labels;
    TimeMs started_at;
} WebOptions;

/* Listens and answers /-/healthy. */
bool web_start(const WebOptions *options, Web **ret_web, Err *err) MUST_CHECK;
int web_port(const Web *web);
void web_open_doors(Web *web, const WebDoors *doors);
/* New limits, ingest labels, external url after a reload. */
void web_set_options(Web *web, const WebOptions *options);
void web_set_info(Web *web, const WebInfo *info);

/* The next order, waiting for at most `wait`; false if none came. Each has to be answered: `text`
 * goes to the client, as 200 where `ok`, else 500. web_wake_orders() makes a waiting call return.
 */
bool web_take_order(Web *web, DurationMs wait, WebOrder *ret_order) MUST_CHECK;
void web_answer_order(Web *web, const WebOrder *order, bool ok, Str text);
void web_wake_orders(Web *web);

/* Stops taking connections, finishes what is under way (at most `grace`), resumes all that is
 * suspended, ends. Accepts NULL. */
void web_stop(Web *web, DurationMs grace);
