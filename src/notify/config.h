#pragma once

/*
 * A notification configuration, loaded and checked: Alertmanager's file shape, and what Belfry adds
 * to it.
 *
 * Everything lives in the configuration's arena and never changes after loading, so that any thread
 * may hold a reference and read. Integrations keep their settings as the YAML map they came in; the
 * table in integration.c says which keys a type has, of what kind, with which default, and which
 * key of `global` stands in. So loading, checking, printing with secrets hidden, and reading at
 * delivery are one table.
 */

#include <stdatomic.h>

#include "base/yaml.h"
#include "model/matcher.h"
#include "notify/calendar.h"
#include "notify/notify.h"

typedef struct Integration Integration;
typedef struct IntegrationType IntegrationType;

typedef struct Receiver {
    Str name;
    LabelSet labels; /* with name=<its name> */
    Integration *integrations;
    size_t integration_count;
    bool is_used; /* some route leads here */
} Receiver;

struct Integration {
    const IntegrationType *type;
    const Receiver *receiver;
    Str id; /* names it across reloads: receiver, type, and what it is pointed at */
    const YamlNode *settings;
    const YamlNode *global; /* may be NULL */
    Str folder;             /* relative file names start here */
    NetOptions http;
    bool send_resolved;
};

typedef struct Route {
    MatcherSet matchers;
    const Receiver *receiver;
    const Str *group_by;
    size_t group_by_count;
    bool group_by_all;
    DurationMs group_wait, group_interval, repeat_interval;
    const Calendar *const *mute; /* silent in any of these */
    size_t mute_count;
    const Calendar *const *active; /* silent outside of all of these, if there are any */
    size_t active_count;
    LabelSet labels;
    bool continues;
    const Calendar *digest; /* held, and told at once when this begins; NULL = no digest */
    Str key;                /* Alertmanager's: "{}/{severity=\"critical\"}" */
    const struct Route *routes;
    size_t route_count;
} Route;

typedef struct InhibitRule {
    Str name;
    MatcherSet source, target;
    const Str *equal;
    size_t equal_count;
} InhibitRule;

/* One word of `severities.map`, and which of the four it counts as. */
typedef struct SeverityWord {
    Str word, severity;
} SeverityWord;

/* How a source asks, by a label of its series, not to be alerted on: alerting="off". */
typedef struct FlagLabel {
    Str text;       /* as configured; "" = in no way */
    MatcherSet set; /* empty then */
} FlagLabel;

typedef struct NotifyPolicy {
    const SeverityWord *severity_words;
    size_t severity_word_count;
    bool unknown_is_critical; /* words that are none of them */
    bool shadow;              /* decide and record, send nothing */
    DurationMs ledger_keep;   /* 90 d */
    DurationMs silence_max;   /* longest silence; 0 = any */
    Regex *silence_comment;   /* NULL = any */
    Str remind_receiver;      /* told of silences and flags that are about to end; "" = nobody */
    DurationMs remind_before;
    FlagLabel flag_labels[FLAG_MODES];
    Str flag_metric;        /* belfry_maintenance: series of it are flags; "" = none */
    Str heartbeat_receiver; /* "" = none */
    Str stall_receiver;     /* "" = the default route's */
    DurationMs heartbeat_interval;
    DurationMs stall_after; /* evaluation or delivery that stands still this long is told
                               (stall.h); 0 = never */
    int64_t flap_changes;   /* damped after so many starts within flap_window; 0 = never */
    DurationMs flap_window;
    Str severity_label;                  /* "severity" */
    Str pager_secret, pager_secret_file; /* of PagerDuty's webhooks; "" = none are taken */
} NotifyPolicy;

typedef struct ConfigFlag {
    Flag flag;
    const Calendar *when; /* NULL = from starts_at to ends_at */
} ConfigFlag;

struct NotifyConfig {
    Arena arena;
    atomic_int references;
    Str file, folder;
    Str external_url;
    const YamlNode *root; /* the notification file as a tree, `severities` expanded */
    const YamlNode *global;
    DurationMs resolve_timeout;
    Route *route;
    Receiver *receivers;
    size_t receiver_count;
    InhibitRule *inhibit_rules;
    size_t inhibit_rule_count;
    Calendar **calendars;
    size_t calendar_count;
    Str *template_patterns; /* absolute */
    size_t template_pattern_count;
    Tmpl *templates; /* defaults and the files' */
    ConfigFlag *flags;
    size_t flag_count;
    NotifyPolicy policy;
    /* The heap parts of matchers, to be released with the configuration. */
    MatcherSet **matcher_sets;
    size_t matcher_sets_count, matcher_sets_cap;
};

const Receiver *config_receiver(const NotifyConfig *config, Str name);
const Calendar *config_calendar(const NotifyConfig *config, Str name);
/* By id; NULL where a reload has removed it. */
const Integration *config_integration(const NotifyConfig *config, Str id);

/* What the loader's files share. */
typedef struct ConfigLoader {
    NotifyConfig *config;
    YamlReader yaml;
    bool failed;
} ConfigLoader;

/* Remembers a matcher set for release. */
void config_keep_matchers(NotifyConfig *config, MatcherSet *set);
/* Adds a problem at `node` (at the file where NULL) and marks the load as failed. Returns false. */
bool config_problem(ConfigLoader *loader, const YamlNode *node, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Nodes of our own making, for what is expanded. */
const YamlNode *yaml_text_node(Arena *arena, const char *text);
YamlNode *yaml_map_node(Arena *arena, size_t room);
void yaml_map_set(Arena *arena, YamlNode *map, const char *key, const YamlNode *value);
YamlNode *yaml_list_node(Arena *arena, size_t room);
/* A deep copy. */
const YamlNode *yaml_copy(Arena *arena, const YamlNode *node);

/* config_route.c */
bool config_load_routes(ConfigLoader *loader);
bool config_load_inhibit_rules(ConfigLoader *loader);
/* config_receiver.c */
bool config_load_receivers(ConfigLoader *loader);
/* config_time.c */
bool config_load_calendars(ConfigLoader *loader);
/* severities.c: rewrites the tree */
bool severities_expand(ConfigLoader *loader, const YamlNode *severities, const YamlNode **root);
/* config_flag.c */
bool config_load_flags(ConfigLoader *loader, const YamlNode *maintenance);
/* flag_label: one for all of a source's alerts, or a map from modes. */
bool config_load_flag_labels(ConfigLoader *loader, const YamlNode *notify);
