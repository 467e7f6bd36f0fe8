/*
 * The command line of vmalert, and of Prometheus, as they stand in a unit file or a pod: what each
 * flag means here, from a table.
 */

#include <string.h>

#include "app/convert.h"

/* Where a flag's value goes. */
typedef enum FlagUse {
    FLAG_PUT,       /* as text under section.key */
    FLAG_LISTEN,    /* ":8880" listens everywhere */
    FLAG_RULES,     /* a rule pattern */
    FLAG_TEMPLATES, /* a pattern of templates that all rules may use */
    FLAG_LABEL,     /* name=value */
    FLAG_HEADERS,   /* "A: b^^C: d" */
    FLAG_WRITE,     /* remote write: the path is appended */
    FLAG_NOTIFIER,  /* an Alertmanager */
    FLAG_NOTIFIER_HTTP,
    FLAG_CONFIG, /* Prometheus' configuration file */
    FLAG_FINE,   /* holds here anyway: nothing to say */
    FLAG_NOTE,   /* not carried over: `key` says why */
} FlagUse;

typedef struct FlagRow {
    const char *name;
    FlagUse use;
    const char *section, *subsection, *key;
} FlagRow;

static const FlagRow vmalert_flags[] = {
    {"rule", FLAG_RULES, NULL, NULL, NULL},
    {"datasource.url", FLAG_PUT, "datasource", NULL, "url"},
    {"datasource.basicAuth.username", FLAG_PUT, "datasource", "basic_auth", "username"},
    {"datasource.basicAuth.password", FLAG_PUT, "datasource", "basic_auth", "password"},
    {"datasource.basicAuth.passwordFile", FLAG_PUT, "datasource", "basic_auth", "password_file"},
    {"datasource.bearerToken", FLAG_PUT, "datasource", "authorization", "credentials"},
    {"datasource.bearerTokenFile", FLAG_PUT, "datasource", "authorization", "credentials_file"},
    {"datasource.tlsCAFile", FLAG_PUT, "datasource", "tls_config", "ca_file"},
    {"datasource.tlsCertFile", FLAG_PUT, "datasource", "tls_config", "cert_file"},
    {"datasource.tlsKeyFile", FLAG_PUT, "datasource", "tls_config", "key_file"},
    {"datasource.tlsServerName", FLAG_PUT, "datasource", "tls_config", "server_name"},
    {"datasource.tlsInsecureSkipVerify", FLAG_PUT, "datasource", "tls_config",
     "insecure_skip_verify"},
    {"datasource.headers", FLAG_HEADERS, "datasource", NULL, NULL},
    {"datasource.queryStep", FLAG_PUT, "query", NULL, "lookback_delta"},
    {"remoteWrite.url", FLAG_WRITE, "datasource", NULL, "write_url"},
    {"remoteRead.url", FLAG_NOTE, NULL, NULL,
     "the state of alerts is kept in state.db and survives restarts by itself"},
    {"evaluationInterval", FLAG_PUT, "global", NULL, "evaluation_interval"},
    {"disableAlertgroupLabel", FLAG_PUT, "global", NULL, "disable_alertgroup_label"},
    {"external.label", FLAG_LABEL, "global", NULL, "external_labels"},
    {"external.url", FLAG_PUT, "web", NULL, "external_url"},
    {"httpListenAddr", FLAG_LISTEN, "web", NULL, "listen"},
    {"notifier.url", FLAG_NOTIFIER, NULL, NULL, NULL},
    {"notifier.basicAuth.username", FLAG_NOTIFIER_HTTP, NULL, "basic_auth", "username"},
    {"notifier.basicAuth.password", FLAG_NOTIFIER_HTTP, NULL, "basic_auth", "password"},
    {"notifier.basicAuth.passwordFile", FLAG_NOTIFIER_HTTP, NULL, "basic_auth", "password_file"},
    {"notifier.bearerToken", FLAG_NOTIFIER_HTTP, NULL, "authorization", "credentials"},
    {"notifier.bearerTokenFile", FLAG_NOTIFIER_HTTP, NULL, "authorization", "credentials_file"},
    {"notifier.tlsCAFile", FLAG_NOTIFIER_HTTP, NULL, "tls_config", "ca_file"},
    {"notifier.tlsInsecureSkipVerify", FLAG_NOTIFIER_HTTP, NULL, "tls_config",
     "insecure_skip_verify"},
    {"notifier.blackhole", FLAG_FINE, NULL, NULL, NULL},
    {"loggerLevel", FLAG_FINE, NULL, NULL, NULL},
    {"rule.evalDelay", FLAG_NOTE, NULL, NULL,
     "rules are evaluated at their slot; write eval_delay at the groups that need it"},
    {"rule.resendDelay", FLAG_NOTE, NULL, NULL,
     "alerts at an Alertmanager are leases, renewed in time by themselves"},
    {"rule.maxResolveDuration", FLAG_NOTE, NULL, NULL,
     "alerts at an Alertmanager are leases, renewed in time by themselves"},
    {"rule.templates", FLAG_TEMPLATES, NULL, NULL, NULL},
    {"rule.resultsLimit", FLAG_NOTE, NULL, NULL, "write `limit` at the groups"},
    {"notifier.headers", FLAG_NOTE, NULL, NULL,
     "set http_headers in the http_config of the receiver"},
    {"notifier.config", FLAG_NOTE, NULL, NULL,
     "name each Alertmanager by its URL under notify.receivers"},
    {"external.alert.source", FLAG_NOTE, NULL, NULL, "links of alerts lead to web.external_url"},
    {"replay.timeFrom", FLAG_NOTE, NULL, NULL, "belfry replay RULES --from TIME --write"},
    {"replay.timeTo", FLAG_NOTE, NULL, NULL, "belfry replay RULES --from TIME --to TIME --write"},
    {NULL, FLAG_NOTE, NULL, NULL, NULL},
};

static const FlagRow prometheus_flags[] = {
    {"config.file", FLAG_CONFIG, NULL, NULL, NULL},
    {"web.listen-address", FLAG_LISTEN, "web", NULL, "listen"},
    {"web.external-url", FLAG_PUT, "web", NULL, "external_url"},
    {"storage.tsdb.retention.time", FLAG_PUT, "storage", "retention", "time"},
    {"storage.tsdb.retention", FLAG_PUT, "storage", "retention", "time"},
    {"storage.tsdb.retention.size", FLAG_PUT, "storage", "retention", "size"},
    {"storage.tsdb.path", FLAG_NOTE, NULL, NULL,
     "blocks of Prometheus are not read; docs/migrate.md tells how history comes over"},
    {"query.timeout", FLAG_PUT, "query", NULL, "timeout"},
    {"query.lookback-delta", FLAG_PUT, "query", NULL, "lookback_delta"},
    {"query.max-concurrency", FLAG_PUT, "query", NULL, "concurrency"},
    {"query.max-samples", FLAG_PUT, "query", NULL, "samples_max"},
    {"log.level", FLAG_PUT, "log", NULL, "level"},
    {"log.format", FLAG_PUT, "log", NULL, "format"},
    {"web.enable-lifecycle", FLAG_FINE, NULL, NULL, NULL},
    {"web.enable-remote-write-receiver", FLAG_FINE, NULL, NULL, NULL},
    {"web.console.libraries", FLAG_FINE, NULL, NULL, NULL},
    {"web.console.templates", FLAG_FINE, NULL, NULL, NULL},
    {"storage.tsdb.wal-compression", FLAG_FINE, NULL, NULL, NULL},
    {"rules.alert.for-outage-tolerance", FLAG_NOTE, NULL, NULL,
     "the state of alerts survives restarts of any length"},
    {"rules.alert.for-grace-period", FLAG_NOTE, NULL, NULL,
     "no `for` starts over at a restart, short ones included"},
    {"rules.alert.resend-delay", FLAG_NOTE, NULL, NULL,
     "alerts at an Alertmanager are leases, renewed in time by themselves"},
    {"web.config.file", FLAG_NOTE, NULL, NULL, "put a proxy in front for TLS and passwords"},
    {"enable-feature", FLAG_NOTE, NULL, NULL,
     "PromQL's experimental functions and native histograms are always on"},
    {NULL, FLAG_NOTE, NULL, NULL, NULL},
};

typedef struct Flag {
    Str name, value;
    bool has_value;
} Flag;

static YamlNode *place_of(Convert *convert, const FlagRow *row) {
    YamlNode *map = tree_child(convert->arena, convert->root, row->section);
    return row->subsection ? tree_child(convert->arena, map, row->subsection) : map;
}

static Str bare_text(Flag flag) {
    return flag.has_value ? flag.value : STR("true");
}

static void put_label(Convert *convert, const FlagRow *row, Str value) {
    AUTO(arena_finish) Arena arena = {0};
    size_t at = str_find(value, '=');
    YamlNode *labels = tree_child(convert->arena, place_of(convert, row), row->key);
    tree_put_text(convert->arena, labels, arena_cstr(&arena, (Str){value.ptr, at}),
                  at < value.len ? str_skip(value, at + 1) : STR(""));
}

/* "Name: value^^Other: value" -> http_headers. */
static void put_headers(Convert *convert, const FlagRow *row, Str value) {
    YamlNode *headers = tree_child(convert->arena, place_of(convert, row), "http_headers");
    while (value.len) {
        AUTO(arena_finish) Arena arena = {0};
        const char *end = memmem(value.ptr, value.len, "^^", 2);
        Str one = {value.ptr, end ? (size_t)(end - value.ptr) : value.len};
        value = end ? str_skip(value, one.len + 2) : STR("");
        size_t colon = str_find(one, ':');
        YamlNode *header = tree_map(convert->arena);
        YamlNode *values = tree_list(convert->arena);
        Str text = colon < one.len ? str_trim(str_skip(one, colon + 1)) : STR("");
        tree_add(convert->arena, values, tree_text(convert->arena, text));
        tree_put(convert->arena, header, "values", values);
        tree_put(convert->arena, headers, arena_cstr(&arena, str_trim((Str){one.ptr, colon})),
                 header);
    }
}

static void put_rules(Convert *convert, Str pattern) {
    YamlNode *rules = (YamlNode *)yaml_get(convert->root, "rules");
    if (!rules) {
        rules = tree_list(convert->arena);
        tree_put(convert->arena, convert->root, "rules", rules);
    }
    if (memmem(pattern.ptr, pattern.len, "://", 3)) {
        (void)problems_add(convert->notes, convert->file, 0, 0,
                           "-rule=%.*s: rule files are read from disk; fetch it there",
                           STR_ARG(pattern));
        return;
    }
    YamlNode *entry = tree_map(convert->arena);
    tree_put_text(convert->arena, entry, "files", convert_path(convert, pattern));
    tree_put_text(convert->arena, entry, "flavour", STR("vmalert"));
    tree_add(convert->arena, rules, entry);
}

/* The flag holds for the rules of all others, wherever it stands among them. */
static void put_templates(Convert *convert, Str templates) {
    const YamlNode *rules = yaml_get(convert->root, "rules");
    for (size_t i = 0; templates.len && rules && i < rules->count; i++) {
        tree_put_text(convert->arena, (YamlNode *)rules->items[i], "templates", templates);
    }
}

static Str write_url(Convert *convert, Str url) {
    while (url.len && url.ptr[url.len - 1] == '/') {
        url.len--;
    }
    return str_ends(url, STR("/api/v1/write"))
               ? url
               : arena_printf(convert->arena, "%.*s/api/v1/write", STR_ARG(url));
}

/* What several flags say together. */
typedef struct Gathered {
    Str urls[64];
    size_t count;
    YamlNode *http;
    Str templates; /* globs with commas between */
} Gathered;

static void use_flag(Convert *convert, const FlagRow *row, Flag flag, Gathered *gathered,
                     Str *ret_config_file) {
    Arena *arena = convert->arena;
    switch (row->use) {
    case FLAG_PUT:
        tree_put_text(arena, place_of(convert, row), row->key, bare_text(flag));
        break;
    case FLAG_LISTEN:
        tree_put_text(arena, place_of(convert, row), row->key,
                      str_starts(flag.value, STR(":"))
                          ? arena_printf(arena, "0.0.0.0%.*s", STR_ARG(flag.value))
                          : flag.value);
        (void)problems_add(convert->notes, convert->file, 0, 0,
                           "-%.*s: carried over; while the old server has this address, start "
                           "with --listen 127.0.0.1:8119",
                           STR_ARG(flag.name));
        break;
    case FLAG_RULES:
        put_rules(convert, flag.value);
        break;
    case FLAG_TEMPLATES:
        gathered->templates = arena_printf(arena, "%.*s%s%.*s", STR_ARG(gathered->templates),
                                           gathered->templates.len ? "," : "",
                                           STR_ARG(convert_path(convert, flag.value)));
        break;
    case FLAG_LABEL:
        put_label(convert, row, flag.value);
        break;
    case FLAG_HEADERS:
        put_headers(convert, row, flag.value);
        break;
    case FLAG_WRITE:
        tree_put_text(arena, place_of(convert, row), row->key, write_url(convert, flag.value));
        break;
    case FLAG_NOTIFIER:
        if (gathered->count < sizeof gathered->urls / sizeof *gathered->urls) {
            gathered->urls[gathered->count++] = arena_str(arena, flag.value);
        }
        break;
    case FLAG_NOTIFIER_HTTP:
        tree_put_text(arena, tree_child(arena, gathered->http, row->subsection), row->key,
                      bare_text(flag));
        break;
    case FLAG_CONFIG:
        *ret_config_file = arena_str(arena, flag.value);
        break;
    case FLAG_FINE:
        break;
    case FLAG_NOTE:
        (void)problems_add(convert->notes, convert->file, 0, 0, "-%.*s: %s", STR_ARG(flag.name),
                           row->key ? row->key : "has no counterpart");
        break;
    }
}

/* A switch of Go's flags takes no word of its own: `-x` and then something else. */
static bool takes_next_word(int at, int argc, char **argv) {
    return at + 1 < argc && argv[at + 1][0] != '-';
}

static bool read_flag(int argc, char **argv, int *at, Flag *ret_flag, Err *err) {
    Str word = str_of(argv[*at]);
    size_t dashes = str_starts(word, STR("--")) ? 2 : str_starts(word, STR("-")) ? 1 : 0;
    if (dashes == 0 || word.len == dashes) {
        return err_set(err, ERR_INVALID, "\"%s\" is no flag: -name=value", argv[*at]);
    }
    word = str_skip(word, dashes);
    size_t equals = str_find(word, '=');
    *ret_flag = (Flag){.name = {word.ptr, equals}, .has_value = equals < word.len};
    if (ret_flag->has_value) {
        ret_flag->value = str_skip(word, equals + 1);
    } else if (takes_next_word(*at, argc, argv)) {
        ret_flag->value = str_of(argv[++*at]);
        ret_flag->has_value = true;
    } else {
        ret_flag->value = STR("");
    }
    ++*at;
    return true;
}

/* The row of a flag; the last row, which only says so, where it is not known. */
static const FlagRow *find_row(const FlagRow *rows, Str name) {
    while (rows->name && !str_eq(str_of(rows->name), name)) {
        rows++;
    }
    return rows;
}

/* vmalert takes several values of one flag with commas between. */
static bool is_list(const FlagRow *row) {
    return row->use == FLAG_RULES || row->use == FLAG_TEMPLATES || row->use == FLAG_NOTIFIER ||
           row->use == FLAG_LABEL;
}

bool convert_flags(Convert *convert, bool is_vmalert, int argc, char **argv, Str *ret_config_file,
                   Err *err) {
    Gathered gathered = {.http = tree_map(convert->arena)};
    *ret_config_file = STR("");
    if (is_vmalert) {
        tree_put_text(convert->arena, tree_child(convert->arena, convert->root, "global"),
                      "evaluation_interval", STR("1m"));
    }
    for (int at = 0; at < argc;) {
        Flag flag;
        if (!read_flag(argc, argv, &at, &flag, err)) {
            return false;
        }
        const FlagRow *row = find_row(is_vmalert ? vmalert_flags : prometheus_flags, flag.name);
        for (Str rest = flag.value; is_list(row) && str_find(rest, ',') < rest.len;) {
            size_t comma = str_find(rest, ',');
            use_flag(convert, row, (Flag){flag.name, {rest.ptr, comma}, true}, &gathered,
                     ret_config_file);
            rest = str_skip(rest, comma + 1);
            flag.value = rest;
        }
        use_flag(convert, row, flag, &gathered, ret_config_file);
    }
    put_templates(convert, gathered.templates);
    convert_alertmanagers(convert, gathered.urls, gathered.count, gathered.http);
    return true;
}
