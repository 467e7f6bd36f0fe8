#pragma once

/* The wiring between the doors, private to serve.c, loops.c and reload.c. */

#include <pthread.h>
#include <stdatomic.h>

#include "app/config.h"
#include "app/serve.h"
#include "web/web.h"

/* What one load of the configuration made; replaced by the next, freed at the end. */
typedef struct Generation Generation;
struct Generation {
    Generation *older;
    Config *config;
    Scraper *scraper;          /* NULL = nothing to scrape */
    Relabel *relabel;          /* of write_relabel_configs; NULL = none */
    Relabel **source_relabels; /* of sources.overrides, as many; NULL where one has none */
    IngestLabels labels;       /* made of both */
    NotifyConfig *notify;      /* taken over by Notify; NULL afterwards */
    Arena arena;               /* option structs that doors read while they are called */
};

/* Ticks whose changes are not in SQLite yet, oldest first: a full disk must lose none of them.
 * Those who evaluate add and settle, under the lock. */
typedef struct PendingTick PendingTick;
typedef struct Backlog {
    pthread_mutex_t lock;
    PendingTick *first, *last;
    size_t count;
} Backlog;

typedef struct App {
    const ServeOptions *options;
    TimeMs started_at;
    Generation *now; /* under reload_lock to replace; loops read it through app_generation() */
    pthread_mutex_t reload_lock;
    pthread_mutex_t generation_lock;
    Pool *pool;
    Metadata *metadata; /* what is said about metrics */
    Net *net;
    Net *watch_net; /* of the thread that watches the others */
    Web *web;
    Store *store;
    State *state;
    Backups *backups;
    Engine *engine;
    Notify *notify;
    Rules *rules;
    Backlog backlog;
    bool reload_ok; /* of the last load */
    TimeMs reload_at;

    _Atomic bool stopping;
    pthread_mutex_t wake_lock;
    pthread_mutex_t observe_lock; /* what was observed later is told later */
    pthread_cond_t wake;          /* ends the scheduler's sleep */
    pthread_t threads[8];
    int thread_count;
    Pool *aside_pool; /* evaluates groups that would hold up the others */
    _Atomic int aside_busy;
} App;

/* Reads the configuration and everything in it that can be wrong; NULL with all problems. */
Generation *generation_load(App *app, Problems *problems);
void generation_free(Generation *generation);
Generation *app_generation(App *app);

/* The option structs of the doors, from a configuration. */
StoreOptions app_store_options(const App *app, Generation *generation);
RulesOptions app_rules_options(const App *app, const Generation *generation);
BackupTarget app_backup_target(const Generation *generation);
WebDoors app_web_doors(const App *app, const Generation *generation);
WebOptions app_web_options(const App *app, const Generation *generation);

/* Gives the rules the last good versions that an earlier run remembered. Before the first load. */
bool app_recall_rules(App *app, Err *err) MUST_CHECK;

/* Tells notify what `notifier_headers` the rules have; app_load_rules() does where there is one. */
void app_set_headers(App *app, TimeMs now);

/* Loads rule files as the command line or the configuration says. True if all were good. */
bool app_load_rules(App *app, const Generation *generation, TimeMs now, Problems *problems);

/* Who makes the program do something, as the audit trail names it; NULL = itself, or a signal. */
typedef struct AppActor {
    Str name, address;
} AppActor;

/* Reads everything again. What is good takes effect; `report` says what was not. False if anything
 * was bad. */
bool app_reload(App *app, const AppActor *actor, Buf *report);

/* A row of the audit log: "server.start", "server.stop", "server.reload". It tells, and stops
 * nothing where it cannot be written. */
void app_audit(App *app, const AppActor *actor, const char *action, Str reason, TimeMs now);

/* Tells web what it shows of the configuration. */
void app_publish_info(App *app);

/* Starts the loops; stops and joins them. */
bool app_start_loops(App *app, Err *err);
void app_stop_loops(App *app);
