/* Reading everything again while it runs: what is good takes effect, what is not is named and
 * leaves the old in place. */

#include <stdlib.h>

#include "app/app.h"
#include "base/json.h"

/* The configuration as YAML for /api/v1/status/config, and the command line's part as flags. */
void app_publish_info(App *app) {
    Generation *generation = app_generation(app);
    AUTO(buf_finish) Buf yaml = {0};
    AUTO(buf_finish) Buf flags = {0};
    app_config_print(generation->config, &yaml);
    JsonWriter json = json_writer(&flags);
    WebOptions web = app_web_options(app, generation);
    StoreOptions store = app_store_options(app, generation);
    json_object(&json);
    json_put_str(&json, "config.file", app->options->config_file);
    json_put_str(&json, "web.listen-address", web.listen);
    json_put_str(&json, "storage.tsdb.path", str_of(store.dir));
    json_put_str(&json, "web.external-url", web.external_url);
    json_end(&json);
    web_set_info(app->web, &(WebInfo){.config_yaml = buf_view(&yaml),
                                      .flags_json = buf_view(&flags),
                                      .reload_ok = app->reload_ok,
                                      .reload_at = app->reload_at});
}

void app_audit(App *app, const AppActor *actor, const char *action, Str reason, TimeMs now) {
    Err err = {0};
    StateTx *tx;
    AuditRow row = {.at = now,
                    .actor = actor ? actor->name : STR("belfry"),
                    .address = actor ? actor->address : STR(""),
                    .action = str_of(action),
                    .subject = app->options->config_file,
                    .reason = reason,
                    .before = STR(""),
                    .after = STR("")};
    bool good = state_begin(app->state, &tx, &err);
    if (good && !state_audit(tx, &row, &err)) {
        state_rollback(tx);
        good = false;
    }
    if (!good || !state_commit(tx, &err)) {
        log_event(LOG_WARN, "not written to the audit log", LOG_STR("action", str_of(action)),
                  LOG_STR("reason", str_of(err.text)));
    }
}

static void apply(App *app, Generation *generation, TimeMs now) {
    Err err = {0};
    StoreOptions store = app_store_options(app, generation);
    RulesOptions rules = app_rules_options(app, generation);
    WebOptions web = app_web_options(app, generation);
    log_setup(generation->config->log.level, generation->config->log.format);
    store_set_options(app->store, &store);
    rules_set_options(app->rules, &rules);
    if (!notify_reload(app->notify, generation->notify, now, &err)) {
        log_event(LOG_ERROR, "notify configuration not taken over",
                  LOG_STR("reason", str_of(err.text)));
    }
    pthread_mutex_lock(&app->generation_lock);
    generation->older = app->now;
    app->now = generation;
    pthread_mutex_unlock(&app->generation_lock);
    web_set_options(app->web, &web);
    WebDoors doors = app_web_doors(app, generation);
    web_open_doors(app->web, &doors);
    BackupTarget target = app_backup_target(generation);
    backups_set_target(app->backups, &target);
    if (generation->older->scraper) {
        scraper_wake(generation->older->scraper); /* its loop goes on with the new one */
    }
}

bool app_reload(App *app, const AppActor *actor, Buf *report) {
    pthread_mutex_lock(&app->reload_lock);
    Problems problems = {0};
    TimeMs now = clock_now();
    Generation *generation = generation_load(app, &problems);
    if (generation) {
        apply(app, generation, now);
        app_load_rules(app, generation, now, &problems);
    } else {
        /* The rest stays as it was; rule files are read where they were before. */
        app_load_rules(app, app_generation(app), now, &problems);
    }
    app->reload_ok = problems.items_count == 0;
    app->reload_at = now;
    problems_print(&problems, report);
    problems_finish(&problems);
    app_audit(app, actor, "server.reload", app->reload_ok ? STR("good") : buf_view(report), now);
    app_publish_info(app);
    pthread_mutex_lock(&app->wake_lock);
    pthread_cond_signal(&app->wake); /* new rules may be due earlier */
    pthread_mutex_unlock(&app->wake_lock);
    log_event(app->reload_ok ? LOG_INFO : LOG_ERROR,
              app->reload_ok ? "reloaded" : "reload failed in part",
              LOG_STR("problems", buf_view(report)));
    bool good = app->reload_ok;
    pthread_mutex_unlock(&app->reload_lock);
    return good;
}
