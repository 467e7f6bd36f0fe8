#pragma once

/*
 * What a type of integration (pagerduty, webhook, ...) is to the rest: its settings, and how a
 * message for it is made and its answer judged. Each type is a row of the table in integration.c.
 */

#include "notify/config.h"
#include "notify/message.h"

typedef enum FieldKind {
    FIELD_TEXT,
    FIELD_TEMPLATE, /* expanded when a message is made */
    FIELD_SECRET,   /* printed as <secret> */
    FIELD_URL,
    FIELD_SECRET_URL, /* printed as <secret> */
    FIELD_BOOL,
    FIELD_INT,
    FIELD_DURATION,
    FIELD_TREE, /* a list or map, looked at where it is used */
    FIELD_HTTP,
    FIELD_TLS,
} FieldKind;

typedef struct FieldSpec {
    const char *key;
    FieldKind kind;
    const char *preset; /* NULL = empty */
    const char *global; /* the key of `global` that stands in; NULL = none */
} FieldSpec;

/* How messages of a type relate to incidents. */
typedef enum IntegrationScope {
    SCOPE_GROUP,  /* one message tells of a whole group */
    SCOPE_ALERT,  /* one per alert, when the group is due */
    SCOPE_DIRECT, /* one per alert, at once: the receiver groups by itself */
} IntegrationScope;

struct IntegrationType {
    const char *name;        /* "pagerduty" */
    const char *key;         /* "pagerduty_configs" */
    const FieldSpec *fields; /* ends with {0} */
    bool send_resolved;      /* the default */
    bool has_keys;           /* repeats under the same key are harmless to it */
    bool is_ours;            /* not in Alertmanager's files */
    size_t batch_max;        /* messages that may share a request; 1 = none */
    bool (*check)(ConfigLoader *loader, const Integration *integration);
    IntegrationScope (*scope)(const Integration *integration, const Route *route);
    /* What it is pointed at: part of its id, and remembered with each incident. May be NULL. */
    const char *target_key;
    /* NULL where we cannot deliver (configurations that name such a type load, and say so). */
    bool (*build)(const Integration *integration, const Message *const *messages, size_t count,
                  MessageWorld *world, MessageRequest *ret_request, Err *err);
    MessageVerdict (*judge)(const Integration *integration, const NetAnswer *answer, Arena *arena,
                            MessageAnswer *ret_answer);
};

extern const IntegrationType integration_types[]; /* ends with {0} */

/* Told of suppressed alerts, too, with a label that says so: `forward: all`. */
bool integration_forwards_all(const Integration *integration);

/* A setting's text: as configured, else the global's, else the preset; "" if none. Valid as long as
 * the configuration. */
Str integration_text(const Integration *integration, const char *key);
bool integration_bool(const Integration *integration, const char *key);
DurationMs integration_duration(const Integration *integration, const char *key);
/* The setting as a tree, NULL if it is not there. */
const YamlNode *integration_tree(const Integration *integration, const char *key);
/* True if the key is written in the configuration itself. */
bool integration_has(const Integration *integration, const char *key);
