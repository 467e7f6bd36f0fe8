#include "app/serve.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/app.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/number.h"
#include "state/rows_source_gap.h"

/* All problems on stderr, one a line; a sentence that sums them up in `err`. */
static bool refuse_problems(Problems *problems, Err *err) {
    AUTO(buf_finish) Buf text = {0};
    problems_print(problems, &text);
    fwrite(text.ptr, 1, text.len, stderr);
    return err_set(err, ERR_INVALID, "%zu problem%s, not started", problems->items_count,
                   problems->items_count == 1 ? "" : "s");
}

static bool open_state(App *app, const char *dir, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Str path = arena_printf(&arena, "%s/state.db", dir);
    return state_open(&(StateOptions){.path = path.ptr, .busy_timeout = 10 * SECOND_MS},
                      &app->state, err);
}

/* `params: {key: value}` or `{key: [values]}`: arguments of every query. */
static void read_params(const YamlReader *reader, const YamlNode *source, Arena *arena,
                        Str **ret_params, size_t *ret_count) {
    const YamlNode *map = NULL;
    if (!yaml_map(reader, source, "params", &map)) {
        return;
    }
    size_t total = 0;
    for (size_t i = 0; i < map->count; i++) {
        const YamlNode *values = map->pairs[i].value;
        total += values->kind == YAML_LIST ? values->count : 1;
    }
    *ret_params = arena_array(arena, Str, total + 1);
    for (size_t i = 0; i < map->count; i++) {
        const YamlNode *values = map->pairs[i].value;
        size_t count = values->kind == YAML_LIST ? values->count : 1;
        for (size_t k = 0; k < count; k++) {
            const YamlNode *value = values->kind == YAML_LIST ? values->items[k] : values;
            if (value->kind != YAML_SCALAR) {
                yaml_problem(reader, value, "params: expected a text or a list of texts");
                continue;
            }
            (*ret_params)[(*ret_count)++] = arena_printf(
                arena, "%.*s=%.*s", STR_ARG(map->pairs[i].key->text), STR_ARG(value->text));
        }
    }
}

static bool open_engine(App *app, Generation *generation, Problems *problems) {
    const YamlNode *source = generation->config->datasource;
    if (!source || source->count == 0) {
        app->engine = engine_local_new(app->store, app->pool);
        return true;
    }
    static const char *const known[] = {
        "url",        "write_url",     "params",     "headers",   "http_headers",
        "basic_auth", "authorization", "tls_config", "proxy_url", "follow_redirects",
        NULL};
    Str *params = NULL;
    size_t param_count = 0;
    YamlReader reader = {
        .file = generation->config->file, .problems = problems, .where = "datasource"};
    size_t before = problems->items_count;
    Str url;
    Str write_url = {0};
    NetOptions net = {0};
    yaml_check_keys(&reader, source, known);
    if (!yaml_str(&reader, source, "url", &url)) {
        return yaml_problem(&reader, source, "needs a url");
    }
    yaml_str(&reader, source, "write_url", &write_url);
    read_params(&reader, source, &generation->arena, &params, &param_count);
    if (!net_options_read(&reader, source, &generation->arena, &net) ||
        problems->items_count > before) {
        return false;
    }
    app->engine = engine_remote_new(
        app->net, &(EngineRemoteOptions){
                      .url = arena_cstr(&generation->arena, url),
                      .write_url = write_url.len ? arena_cstr(&generation->arena, write_url) : NULL,
                      .net = &net,
                      .params = params,
                      .param_count = param_count});
    return true;
}

/* A start after which nothing says that it stopped was a crash. */
static void audit_start(App *app) {
    AUTO(arena_finish) Arena arena = {0};
    AuditRow *rows;
    size_t count = 0;
    Err err = {0};
    bool read = state_load_audit_of(app->state, "server", 0, TIME_MAX, &arena, &rows, &count, &err);
    bool crashed = read && count && !str_eq(rows[count - 1].action, STR("server.stop"));
    app_audit(app, NULL, "server.start",
              arena_printf(&arena, "version %s%s", BELFRY_VERSION,
                           crashed ? ", after an end that was not clean" : ""),
              app->started_at);
}

static bool restore_alerts(App *app, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Alert *alerts;
    size_t count;
    if (!state_load_alerts(app->state, false, &arena, &alerts, &count, err)) {
        return false;
    }
    rules_restore(app->rules, alerts, count);
    return true;
}

static bool restore_gaps(App *app, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    SourceGapRow *rows;
    size_t count;
    if (!state_load_source_gaps(app->state, &arena, &rows, &count, err)) {
        return false;
    }
    RulesGap *gaps = arena_array(&arena, RulesGap, count + 1);
    for (size_t i = 0; i < count; i++) {
        gaps[i] = (RulesGap){rows[i].source, rows[i].from, rows[i].to};
    }
    rules_restore_gaps(app->rules, gaps, count);
    return true;
}

/* A broken rule file keeps no other from being evaluated, and itself runs as it last was. */
static void note_bad_rules(App *app, const Problems *problems) {
    app->reload_ok = false;
    for (size_t i = 0; i < problems->items_count; i++) {
        Problems one = {.items = &problems->items[i], .items_count = 1};
        AUTO(buf_finish) Buf text = {0};
        problems_print(&one, &text);
        log_event(LOG_ERROR, "bad rule file, its last good version is live if there was one",
                  LOG_STR("problem", str_trim(buf_view(&text))));
    }
}

/* Before Belfry has evaluated anything, another may have: its alerts keep their `for`. Only at the
 * very first start, whose mark is set at once; this run goes on taking over. */
static bool take_over_alerts(App *app, Err *err) {
    static const char key[] = "rules_began_at";
    AUTO(arena_finish) Arena arena = {0};
    AUTO(state_rollbackp) StateTx *tx = NULL;
    Str began;
    Err absent = {0};
    if (state_meta_get(app->state, key, &arena, &began, &absent)) {
        return true;
    }
    if (absent.kind != ERR_NOT_FOUND) {
        *err = absent;
        return false;
    }
    RulesFile *files;
    size_t count;
    rules_files(app->rules, &arena, &files, &count);
    rules_take_over(app->rules, true);
    AUTO(buf_finish) Buf now = {0};
    number_put_int(&now, clock_now());
    return count == 0 ||
           (state_begin(app->state, &tx, err) && state_meta_set(tx, key, buf_view(&now), err) &&
            state_commit(TAKE(tx), err));
}

/* Opens what holds data. Web listens already and answers "not ready". */
static bool open_doors(App *app, Err *err) {
    Generation *generation = app->now;
    StoreOptions store = app_store_options(app, generation);
    if (!dir_make(store.dir, err) || !store_open(&store, &app->store, err) ||
        !open_state(app, store.dir, err)) {
        return false;
    }
    app->backups = backups_new(app->store, app->state, app->net, store.dir);
    BackupTarget target = app_backup_target(generation);
    backups_set_target(app->backups, &target);
    Problems problems = {0};
    bool good = open_engine(app, generation, &problems);
    if (good) {
        RulesOptions rules = app_rules_options(app, generation);
        app->rules = rules_new(app->engine, &rules);
        good = app_recall_rules(app, err);
    } else {
        refuse_problems(&problems, err);
    }
    if (good && !app_load_rules(app, generation, clock_now(), &problems)) {
        note_bad_rules(app, &problems);
    }
    problems_finish(&problems);
    NotifyOptions notify = {
        .state = app->state,
        .net = app->net,
        .config = generation->notify,
        .silences_max = generation->config->limits.silences_max,
        .alerts_max = generation->config->limits.alerts_max,
        .now = clock_now(),
    };
    good = good && ((restore_alerts(app, err) && restore_gaps(app, err) &&
                     take_over_alerts(app, err) && notify_open(&notify, &app->notify, err)) ||
                    state_say_damaged(app->state, err));
    if (good) {
        app_set_headers(app, clock_now());
    }
    return good;
}

static void close_doors(App *app) {
    web_stop(app->web, 10 * SECOND_MS);
    if (app->thread_count) { /* it ran, and its loops have ended */
        app_audit(app, NULL, "server.stop", STR("a signal"), clock_now());
    }
    notify_close(app->notify);
    backups_free(app->backups);
    rules_free(app->rules);
    engine_free(app->engine);
    state_close(app->state);
    store_close(app->store);
    for (Generation *generation = app->now; generation;) {
        Generation *older = generation->older;
        generation_free(generation);
        generation = older;
    }
    net_close(app->net);
    net_close(app->watch_net);
    pool_free(app->pool);
    metadata_free(app->metadata);
}

static int cpu_count(void) {
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > 64 ? 64 : (int)count;
}

/* Everything up to the first answered request. */
static bool open_all(App *app, Err *err) {
    Problems problems = {0};
    Config *config = config_load(app->options->config_file, &problems);
    if (!config) {
        refuse_problems(&problems, err);
        problems_finish(&problems);
        return false;
    }
    LogFormat format =
        str_eq(app->options->log_format, STR("json")) ? LOG_JSON : config->log.format;
    log_setup(config->log.level, format);
    Generation first = {.config = config};
    WebOptions web = app_web_options(app, &first);
    app->pool = pool_new("work", cpu_count(), 10000);
    app->metadata = metadata_new();
    bool good = net_open(&app->net, err) && net_open(&app->watch_net, err) &&
                web_start(&web, &app->web, err);
    config_free(config);
    if (good) {
        app->now = generation_load(app, &problems);
        good = app->now ? open_doors(app, err) : refuse_problems(&problems, err);
    }
    problems_finish(&problems);
    return good;
}

/* Serves until a signal ends it. */
static void wait_for_end(App *app, const sigset_t *signals) {
    for (;;) {
        int signal = 0;
        sigwait(signals, &signal);
        if (signal != SIGHUP) {
            log_event(LOG_INFO, "ending", LOG_INT("signal", signal));
            return;
        }
        AUTO(buf_finish) Buf report = {0};
        app_reload(app, NULL, &report);
    }
}

bool serve_run(const ServeOptions *options, Err *err) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals,
                    NULL); /* every thread inherits it; only sigwait() sees them */
    signal(SIGPIPE, SIG_IGN);

    App app = {
        .options = options,
        .started_at = clock_now(),
        .reload_lock = PTHREAD_MUTEX_INITIALIZER,
        .generation_lock = PTHREAD_MUTEX_INITIALIZER,
        .wake_lock = PTHREAD_MUTEX_INITIALIZER,
        .observe_lock = PTHREAD_MUTEX_INITIALIZER,
        .wake = PTHREAD_COND_INITIALIZER,
        .backlog = {.lock = PTHREAD_MUTEX_INITIALIZER},
        .reload_ok = true,
        .reload_at = clock_now(),
    };
    bool good = open_all(&app, err);
    if (good) {
        rules_begin(app.rules, clock_now());
        good = app_start_loops(&app, err);
    }
    if (good) {
        audit_start(&app);
        app_publish_info(&app);
        /* Relabelling was not loaded yet when the server began to listen. */
        WebOptions web = app_web_options(&app, app.now);
        web_set_options(app.web, &web);
        WebDoors doors = app_web_doors(&app, app.now);
        web_open_doors(app.web, &doors);
        log_event(LOG_INFO, "ready", LOG_INT("port", web_port(app.web)),
                  LOG_INT("rules", (int64_t)rules_count(app.rules)),
                  LOG_INT("took_ms", clock_now() - app.started_at));
        wait_for_end(&app, &signals);
        app_stop_loops(&app);
    }
    close_doors(&app);
    return good;
}
