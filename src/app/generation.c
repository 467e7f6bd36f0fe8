/* One load of the configuration, and what the doors need of it. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/app.h"
#include "app/rule_options.h"
#include "base/file.h"
#include "base/mem.h"
#include "state/rows_rule_file.h"

/* Where people reach us: as configured, else where we listen; "" before that is known. */
static Str external_url(const App *app, const Config *config) {
    static char fallback[64];
    if (config->web.external_url.len) {
        return config->web.external_url;
    }
    if (app->web) {
        snprintf(fallback, sizeof fallback, "http://127.0.0.1:%d", web_port(app->web));
        return str_of(fallback);
    }
    Str listen = app->options->listen.len ? app->options->listen : config->web.listen;
    if (str_ends(listen, STR(":0"))) {
        return STR("");
    }
    snprintf(fallback, sizeof fallback, "http://%.*s", STR_ARG(listen));
    return str_of(fallback);
}

static bool load_notify(const App *app, Generation *generation, Problems *problems) {
    /* A file that `notify.config` names is read there, so that our keys beside it count. */
    Config *config = generation->config;
    NotifyConfigSource source = {
        .notify = config->notify,
        .severities = config->severities,
        .maintenance = config->maintenance,
        .file = config->file,
        .external_url = external_url(app, config),
    };
    generation->notify = notify_config_load(&source, problems);
    return generation->notify != NULL;
}

/* A YAML scalar, list or map made here and not read from a file. */
static const YamlNode *yaml_text(Arena *arena, Str text, Problems *problems) {
    YamlDocs docs = {0};
    bool good = yaml_parse(arena, text, STR("(self scrape)"), &docs, problems);
    return good && docs.count ? docs.items[0] : NULL;
}

/* The configured scrapes, and our own page. */
static const YamlNode *scrape_list(const App *app, Generation *generation, Problems *problems) {
    const YamlNode *configured = generation->config->scrape_configs;
    if (!app->options->self_scrape) {
        return configured;
    }
    Arena *arena = &generation->arena;
    Str text =
        arena_printf(arena, "job_name: belfry\nstatic_configs: [{targets: ['127.0.0.1:%d']}]\n",
                     web_port(app->web));
    YamlNode *list = arena_new(arena, YamlNode);
    size_t count = configured ? configured->count : 0;
    list->kind = YAML_LIST;
    list->items = arena_array(arena, const YamlNode *, count + 1);
    for (size_t i = 0; i < count; i++) {
        list->items[i] = configured->items[i];
    }
    list->items[count] = yaml_text(arena, text, problems);
    list->count = count + 1;
    return list;
}

static bool load_scraper(const App *app, Generation *generation, Problems *problems) {
    Config *config = generation->config;
    const YamlNode *list = scrape_list(app, generation, problems);
    if (!list || list->count == 0) {
        return true;
    }
    YamlReader reader = {.file = config->file, .problems = problems, .where = "scrape_configs"};
    ScraperOptions options = {
        .net = app->net,
        .interval = config->global.scrape_interval,
        .timeout = config->global.scrape_timeout,
        .external_labels = config->global.external_labels,
        .own_job = app->options->self_scrape ? STR("belfry") : STR(""),
        .metadata = app->metadata,
    };
    generation->scraper = scraper_new(&reader, list, &options);
    return generation->scraper != NULL;
}

static bool load_source_relabel(Generation *generation, IngestSourceRules *rules, size_t index,
                                Problems *problems) {
    Config *config = generation->config;
    const ConfigSource *source = &config->sources.overrides[index];
    YamlReader reader = {.file = config->file, .problems = problems, .where = "sources.overrides"};
    if (!source->write_relabel_configs) {
        return true;
    }
    Relabel **slot = &generation->source_relabels[index];
    if (!relabel_read(&reader, source->write_relabel_configs, slot)) {
        return false;
    }
    rules[generation->labels.source_count++] = (IngestSourceRules){source->source, *slot};
    return true;
}

static bool load_relabel(Generation *generation, Problems *problems) {
    Config *config = generation->config;
    YamlReader reader = {.file = config->file, .problems = problems, .where = "sources.defaults"};
    const YamlNode *list = config->sources.write_relabel_configs;
    size_t count = config->sources.override_count;
    IngestSourceRules *rules = arena_array(&generation->arena, IngestSourceRules, count + 1);
    generation->source_relabels = arena_array(&generation->arena, Relabel *, count + 1);
    bool good = !list || relabel_read(&reader, list, &generation->relabel);
    for (size_t i = 0; i < count; i++) {
        good = load_source_relabel(generation, rules, i, problems) && good;
    }
    generation->labels.relabel = generation->relabel;
    generation->labels.source_label = config->sources.label;
    generation->labels.sources = rules;
    return good;
}

Generation *generation_load(App *app, Problems *problems) {
    Generation *generation = mem_zero(1, sizeof *generation);
    generation->config = config_load(app->options->config_file, problems);
    bool good = generation->config != NULL;
    if (good) {
        good = load_notify(app, generation, problems);
        good = load_relabel(generation, problems) && good;
        good = load_scraper(app, generation, problems) && good;
    }
    if (!good) {
        generation_free(generation);
        return NULL;
    }
    return generation;
}

void generation_free(Generation *generation) {
    scraper_free(generation->scraper);
    relabel_free(generation->relabel);
    for (size_t i = 0;
         generation->source_relabels && i < generation->config->sources.override_count; i++) {
        relabel_free(generation->source_relabels[i]);
    }
    notify_config_unref(generation->notify);
    config_free(generation->config);
    arena_finish(&generation->arena);
    free(generation);
}

Generation *app_generation(App *app) {
    pthread_mutex_lock(&app->generation_lock);
    Generation *generation = app->now;
    pthread_mutex_unlock(&app->generation_lock);
    return generation;
}

StoreOptions app_store_options(const App *app, Generation *generation) {
    const Config *config = generation->config;
    StoreSeriesLimit *limits =
        arena_array(&generation->arena, StoreSeriesLimit, config->sources.override_count);
    size_t limit_count = 0;
    for (size_t i = 0; i < config->sources.override_count; i++) {
        const ConfigSource *source = &config->sources.overrides[i];
        if (source->has_series_max) {
            limits[limit_count++] = (StoreSeriesLimit){source->source, source->series_max};
        }
    }
    Str dir = app->options->data_dir.len ? app->options->data_dir : config->storage.path;
    StoreSync sync = str_eq(config->storage.sync, STR("always"))     ? STORE_SYNC_ALWAYS
                     : str_eq(config->storage.sync, STR("interval")) ? STORE_SYNC_INTERVAL
                                                                     : STORE_SYNC_NEVER;
    return (StoreOptions){
        .dir = arena_cstr(&generation->arena, dir),
        .sync = sync,
        .sync_interval = SECOND_MS,
        .retention_time = config->storage.retention_time,
        .retention_bytes = config->storage.retention_bytes,
        .retention_percent = config->storage.retention_percent,
        .future_max = config->storage.future_max,
        .block_span = config->storage.block_span,
        .dedup_interval = config->storage.dedup_interval,
        .replica_labels = config->storage.replica_labels,
        .replica_label_count = config->storage.replica_label_count,
        .source_label = config->sources.label,
        .source_series_max = config->sources.series_max,
        .limits = limits,
        .limit_count = limit_count,
        .pool = app->pool,
    };
}

static QueryBudget query_budget(const Config *config) {
    return (QueryBudget){
        .series_max = config->query.series_max,
        .samples_max = config->query.samples_max,
        .bytes_max = config->query.memory_max,
    };
}

/* A rule that takes too long fails alone. */
static QueryBudget rule_budget(const Config *config) {
    QueryBudget budget = query_budget(config);
    budget.timeout_ns = config->query.timeout * 1000000;
    return budget;
}

RulesOptions app_rules_options(const App *app, const Generation *generation) {
    const Config *config = generation->config;
    RulesOptions options = config_rule_options(config);
    options.external_url = external_url(app, config);
    options.budget = rule_budget(config);
    options.alerts_max = config->limits.alerts_max;
    options.started_at = app->started_at;
    options.has_aside = true;
    return options;
}

BackupTarget app_backup_target(const Generation *generation) {
    const Config *config = generation->config;
    return (BackupTarget){.to = config->backup.to,
                          .endpoint = config->backup.endpoint,
                          .region = config->backup.region,
                          .access_key = config->backup.access_key,
                          .secret_key = config->backup.secret_key};
}

WebDoors app_web_doors(const App *app, const Generation *generation) {
    return (WebDoors){.store = app->store,
                      .engine = app->engine,
                      .rules = app->rules,
                      .state = app->state,
                      .notify = app->notify,
                      .net = app->net,
                      .backups = app->backups,
                      .scraper = generation->scraper,
                      .metadata = app->metadata};
}

WebOptions app_web_options(const App *app, const Generation *generation) {
    const Config *config = generation->config;
    return (WebOptions){
        .listen = app->options->listen.len ? app->options->listen : config->web.listen,
        .external_url = external_url(app, generation->config),
        .actor_header = config->web.actor_header,
        .trusted_proxies = config->web.trusted_proxies,
        .trusted_proxy_count = config->web.trusted_proxy_count,
        .allowed_origins = config->web.allowed_origins,
        .allowed_origin_count = config->web.allowed_origin_count,
        .limits =
            {
                .body_bytes_max = config->limits.body_bytes_max,
                .query_concurrency = (int)config->query.concurrency,
                .query_queue = (int)config->query.queue_max,
                .query_timeout = config->query.timeout,
                .budget = query_budget(config),
                .lookback = config->query.lookback,
            },
        .ingest_labels = generation->labels,
        .started_at = app->started_at,
    };
}

/* The files that are live now, for the next start. */
static void remember_rule_files(App *app, TimeMs now) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(state_rollbackp) StateTx *tx = NULL;
    RulesFile *files;
    size_t count;
    Err err = {0};
    rules_files(app->rules, &arena, &files, &count);
    RuleFileRow *rows = arena_array(&arena, RuleFileRow, count + 1);
    for (size_t i = 0; i < count; i++) {
        rows[i] = (RuleFileRow){
            .path = files[i].path, .flavour = files[i].flavour, .content = files[i].content};
    }
    bool good = state_begin(app->state, &tx, &err) &&
                state_put_rule_files(tx, rows, count, now, &err) && state_commit(TAKE(tx), &err);
    if (!good) {
        log_event(LOG_ERROR, "rule files not remembered", LOG_STR("reason", str_of(err.text)));
    }
}

bool app_recall_rules(App *app, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    RuleFileRow *rows;
    size_t count;
    if (!state_load_rule_files(app->state, &arena, &rows, &count, err)) {
        return false;
    }
    RulesFile *files = arena_array(&arena, RulesFile, count + 1);
    for (size_t i = 0; i < count; i++) {
        files[i] = (RulesFile){.path = rows[i].path,
                               .flavour = (RulesFlavour)rows[i].flavour,
                               .content = rows[i].content};
    }
    rules_remember(app->rules, files, count);
    return true;
}

void app_set_headers(App *app, TimeMs now) {
    AUTO(arena_finish) Arena arena = {0};
    AlertHeaders *list;
    size_t count;
    Err err = {0};
    rules_notifier_headers(app->rules, &arena, &list, &count);
    if (!notify_set_headers(app->notify, list, count, now, &err)) {
        log_event(LOG_ERROR, "notifier_headers of the rules not taken over",
                  LOG_STR("reason", str_of(err.text)));
    }
}

/* A pattern may match nothing, for now; and it may be a path that begins somewhere else. */
static void tell_of_no_files(const RulesSource *source) {
    AUTO(arena_finish) Arena arena = {0};
    Str *paths = NULL;
    size_t count = 0;
    Err ignored = {0};
    char cwd[4096];
    const char *pattern = arena_cstr(&arena, source->pattern);
    if (file_glob_yaml(&arena, pattern, &paths, &count, &ignored) && count == 0) {
        log_event(LOG_WARN, "no rule file matches", LOG_STR("pattern", source->pattern),
                  LOG_STR("folder", str_of(getcwd(cwd, sizeof cwd) ? cwd : "")));
    }
}

bool app_load_rules(App *app, const Generation *generation, TimeMs now, Problems *problems) {
    const ServeOptions *options = app->options;
    const Config *config = generation->config;
    AUTO(arena_finish) Arena arena = {0};
    bool none = options->rules_count == 1 && strcmp(options->rules[0], "none") == 0;
    size_t count = none ? 0 : options->rules_count ? options->rules_count : config->rules_count;
    RulesSource *sources = arena_array(&arena, RulesSource, count);
    for (size_t i = 0; i < count; i++) {
        sources[i] = options->rules_count ? (RulesSource){.pattern = str_of(options->rules[i])}
                                          : config_rule_source(&config->rules[i]);
    }
    bool asked = options->rules_count || (config->root && yaml_get(config->root, "rules"));
    for (size_t i = 0; asked && i < count; i++) {
        tell_of_no_files(&sources[i]);
    }
    bool good = rules_load(app->rules, sources, count, now, problems);
    if (app->notify) {
        app_set_headers(app, now);
    }
    remember_rule_files(app, now);
    return good;
}
