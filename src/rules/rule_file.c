/*
 * From YAML to definitions. One reader per level (file, group, rule), each a list of fields.
 */

#include "rules/rule_file.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "rules/rule_duration.h"

enum { GROUPS_MAX = 1000 * 1000 };

static const char *const file_keys[] = {"groups", NULL};

static const char *const group_keys[] = {
    "name",    "interval",         "query_offset", "limit",          "labels",      "rules",
    "type",    "eval_offset",      "eval_delay",   "eval_alignment", "concurrency", "params",
    "headers", "notifier_headers", "debug",        "hold",           NULL};

static const char *const rule_keys[] = {"record",
                                        "alert",
                                        "expr",
                                        "for",
                                        "keep_firing_for",
                                        "labels",
                                        "annotations",
                                        "debug",
                                        "update_entries_limit",
                                        "hold",
                                        NULL};

/* `$schema`: what repositories of resources note for their tools. */
static const char *const resource_keys[] = {"apiVersion", "kind",  "metadata", "spec",
                                            "status",     "items", "$schema",  NULL};

/* Present in Thanos' and the operator's groups; without meaning here. */
static const char *const resource_group_extra = "partial_response_strategy";

/* Keys by which a file shows that it was written for vmalert. */
static const char *const vmalert_group_keys[] = {
    "type",   "eval_offset", "eval_delay",       "eval_alignment", "concurrency",
    "params", "headers",     "notifier_headers", "debug",          NULL};
static const char *const vmalert_rule_keys[] = {"debug", "update_entries_limit", NULL};

/* What one pass over a file carries along. */
typedef struct Loader {
    Arena *arena;
    RuleFile *file;
    const RuleReading *reading;
    Problems *problems;
    const GroupDef *group; /* being read */
    Str resource;          /* namespace/name of the Kubernetes resource being read; else empty */
    size_t resource_from;  /* its first group among `groups` */
    Buf where;
    GroupDef *groups; /* grows on the heap, copied into the arena at the end */
    size_t groups_count, groups_cap;
} Loader;

static YamlReader reader_at(Loader *loader, const char *where) {
    return (YamlReader){.file = loader->file->path, .problems = loader->problems, .where = where};
}

static bool has_key(const YamlNode *map, const char *const *keys) {
    for (; *keys; keys++) {
        if (yaml_get(map, *keys)) {
            return true;
        }
    }
    return false;
}

/* As yaml_check_keys(), but repeated keys pass in lax reading, and resources have one key more in
 * their groups. */
static void check_keys(Loader *loader, const YamlReader *reader, const YamlNode *map,
                       const char *const *known, bool is_group) {
    for (size_t i = 0; i < map->count; i++) {
        const YamlPair *pair = &map->pairs[i];
        bool is_known = is_group && str_eq(pair->key->text, str_of(resource_group_extra));
        for (const char *const *key = known; *key && !is_known; key++) {
            is_known = str_eq(pair->key->text, str_of(*key));
        }
        const char *near = is_known ? NULL : str_suggest(pair->key->text, known);
        if (!is_known) {
            yaml_problem(reader, pair->key, "field %.*s not found%s%s%s", STR_ARG(pair->key->text),
                         near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
        } else if (pair->first_line && !loader->reading->lax_keys) {
            yaml_problem(reader, pair->key, "mapping key \"%.*s\" already defined at line %u",
                         STR_ARG(pair->key->text), pair->first_line);
        }
    }
}

static bool is_map(const YamlReader *reader, const YamlNode *node, const char *what) {
    if (node->kind != YAML_MAP) {
        yaml_problem(reader, node, "%s has to be a mapping", what);
        return false;
    }
    return true;
}

/* A duration field. False also where it is not there. */
static bool read_duration(Loader *loader, const YamlReader *reader, const YamlNode *map,
                          const char *key, bool may_be_negative, DurationMs *ret) {
    const YamlNode *node = yaml_get(map, key);
    if (!node || node->kind == YAML_NULL) {
        return false;
    }
    if (node->kind != YAML_SCALAR) {
        yaml_problem(reader, node, "%s has to be a duration like 5m", key);
        return false;
    }
    Err err = {0};
    DurationMs span = 0;
    if (!rule_duration(node->text, loader->reading->lax_durations, &span, &err)) {
        yaml_problem(reader, node, "%s: %s", key, err.text);
        return false;
    }
    if (span < 0 && !may_be_negative) {
        yaml_problem(reader, node, "%s shouldn't be lower than 0", key);
        return false;
    }
    *ret = span;
    return true;
}

static int by_name(const void *a, const void *b) {
    return str_cmp(((const RuleText *)a)->name, ((const RuleText *)b)->name);
}

static RuleText *find_text(RuleTexts texts, Str name) {
    for (size_t i = 0; i < texts.count; i++) {
        if (str_eq(texts.items[i].name, name)) {
            return &texts.items[i];
        }
    }
    return NULL;
}

/* Labels or annotations: a map of texts. `inherited` are the group's. */
static RuleTexts read_texts(Loader *loader, const YamlReader *reader, const YamlNode *map,
                            const char *key, RuleTexts inherited) {
    const YamlNode *node = NULL;
    (void)yaml_map(reader, map, key, &node);
    size_t own = node ? node->count : 0;
    if (own > LABELS_MAX && strcmp(key, "labels") == 0) {
        /* No alert could carry them; and each rule of a group has all of the group's. */
        yaml_problem(reader, node, "%zu labels, more than the %d that a series can have", own,
                     LABELS_MAX);
        return inherited;
    }
    RuleTexts texts = {arena_array(loader->arena, RuleText, own + inherited.count), 0};
    for (size_t i = 0; i < inherited.count; i++) {
        texts.items[texts.count++] = inherited.items[i];
    }
    for (size_t i = 0; i < own; i++) {
        const YamlNode *name = node->pairs[i].key, *value = node->pairs[i].value;
        if (node->pairs[i].first_line && !loader->reading->lax_keys) {
            yaml_problem(reader, name, "mapping key \"%.*s\" already defined at line %u",
                         STR_ARG(name->text), node->pairs[i].first_line);
            continue;
        }
        if (value->kind != YAML_SCALAR && value->kind != YAML_NULL) {
            yaml_problem(reader, value, "%s: value of \"%.*s\" has to be text", key,
                         STR_ARG(name->text));
            continue;
        }
        RuleText *known = find_text(texts, name->text);
        RuleText *text = known ? known : &texts.items[texts.count++];
        *text = (RuleText){
            .name = arena_str(loader->arena, name->text),
            .text = arena_str(loader->arena, value->kind == YAML_NULL ? STR("") : value->text),
            .line = value->line,
            .column = value->column,
        };
    }
    qsort(texts.items, texts.count, sizeof *texts.items, by_name);
    return texts;
}

/* The plain texts as a set; templates stay as written. */
static LabelSet texts_as_set(Arena *arena, RuleTexts texts) {
    Label *labels = arena_array(arena, Label, texts.count + 1);
    size_t count = 0;
    for (size_t i = 0; i < texts.count; i++) {
        if (texts.items[i].text.len) {
            labels[count++] = (Label){texts.items[i].name, texts.items[i].text};
        }
    }
    return (LabelSet){labels, count};
}

static void read_rule_name(Loader *loader, const YamlReader *reader, const YamlNode *node,
                           RuleDef *rule) {
    Str record = {0}, alert = {0};
    bool has_record = yaml_str(reader, node, "record", &record) && record.len;
    bool has_alert = yaml_str(reader, node, "alert", &alert) && alert.len;
    if (has_record && has_alert) {
        yaml_problem(reader, node, "only one of 'record' and 'alert' must be set");
    } else if (!has_record && !has_alert) {
        yaml_problem(reader, node, "one of 'record' or 'alert' must be set");
    }
    rule->is_alert = has_alert;
    rule->name = arena_str(loader->arena, has_alert ? alert : record);
}

/* "group "g", rule 1, "name"": what every complaint about the rule begins with. */
static const char *rule_where(Loader *loader, const YamlNode *node, size_t number) {
    const YamlNode *name = yaml_get(node, "alert");
    name = name ? name : yaml_get(node, "record");
    Str text = name && name->kind == YAML_SCALAR ? name->text : STR("");
    loader->where.len = 0;
    buf_printf(&loader->where, "group \"%.*s\", rule %zu, \"%.*s\"", STR_ARG(loader->group->name),
               number, STR_ARG(text));
    buf_byte(&loader->where, '\0');
    return loader->where.ptr;
}

/* `for: 0s` and `annotations: {}` say no more than their absence, as Prometheus sees it. */
static bool is_nothing(const YamlNode *field) {
    DurationMs span = 0;
    Err err = {0};
    switch (field->kind) {
    case YAML_NULL:
        return true;
    case YAML_MAP:
        return field->count == 0;
    case YAML_SCALAR:
        return rule_duration(field->text, false, &span, &err) && span == 0;
    default:
        return false;
    }
}

static void read_alert_only_fields(Loader *loader, const YamlReader *reader, const YamlNode *node,
                                   RuleDef *rule) {
    static const char *const alert_only[] = {"annotations", "for", "keep_firing_for", NULL};
    if (!rule->is_alert && !loader->reading->lax_records) {
        for (size_t i = 0; alert_only[i]; i++) {
            const YamlNode *field = yaml_get(node, alert_only[i]);
            if (field && !is_nothing(field)) {
                yaml_problem(reader, field, "invalid field '%s' in recording rule", alert_only[i]);
            }
        }
        return;
    }
    (void)read_duration(loader, reader, node, "for", false, &rule->hold);
    (void)read_duration(loader, reader, node, "keep_firing_for", false, &rule->keep_firing);
    rule->annotations = read_texts(loader, reader, node, "annotations", (RuleTexts){0});
}

static void read_rule(Loader *loader, const YamlNode *node, RuleTexts inherited, bool hold,
                      RuleDef *rule) {
    YamlReader reader = reader_at(loader, rule_where(loader, node, rule->number));
    if (!is_map(&reader, node, "a rule")) {
        return;
    }
    check_keys(loader, &reader, node, rule_keys, false);
    rule->line = node->line;
    rule->column = node->column;
    rule->hold_telemetry = hold;
    rule->updates_max = 20;
    read_rule_name(loader, &reader, node, rule);

    const YamlNode *expr = yaml_get(node, "expr");
    Str text = {0};
    if (yaml_str(&reader, node, "expr", &text) && str_trim(text).len) {
        rule->expr_text = arena_str(loader->arena, text);
        rule->expr_line = expr->line;
        rule->expr_column = expr->column;
    } else if (!expr || expr->kind != YAML_MAP) {
        yaml_problem(&reader, node, "field 'expr' must be set in rule");
    }
    rule->labels = read_texts(loader, &reader, node, "labels", inherited);
    rule->label_set = texts_as_set(loader->arena, rule->labels);
    read_alert_only_fields(loader, &reader, node, rule);
    (void)yaml_bool(&reader, node, "debug", &rule->debug);
    (void)yaml_bool(&reader, node, "hold", &rule->hold_telemetry);
    (void)yaml_int(&reader, node, "update_entries_limit", -1000 * 1000, 1000 * 1000,
                   &rule->updates_max);
}

static bool is_header_name(Str name) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (!isalnum(c) && (!c || !strchr(others, c))) {
            return false;
        }
    }
    return name.len > 0;
}

static bool is_header_value(Str value) {
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7F) {
            return false;
        }
    }
    return true;
}

/* Of the connection, or of the body: whoever sends the request sets them. */
static bool is_senders_own(Str name) {
    static const char *const names[] = {"Connection",
                                        "Content-Encoding",
                                        "Content-Length",
                                        "Content-Type",
                                        "Expect",
                                        "Host",
                                        "Keep-Alive",
                                        "Proxy-Connection",
                                        "TE",
                                        "Trailer",
                                        "Upgrade",
                                        "Proxy-Authenticate",
                                        "Transfer-Encoding",
                                        "Proxy-Authorization",
                                        NULL};
    for (size_t i = 0; names[i]; i++) {
        if (strlen(names[i]) == name.len && strncasecmp(names[i], name.ptr, name.len) == 0) {
            return true;
        }
    }
    return false;
}

/* False, and said, if it cannot be sent. */
static bool check_header(const YamlReader *reader, const YamlNode *item, const char *key) {
    size_t colon = item->kind == YAML_SCALAR ? str_find(item->text, ':') : item->text.len;
    if (colon == item->text.len) {
        yaml_problem(reader, item,
                     "missing ':' in header \"%.*s\"; expecting \"key: value\" format",
                     STR_ARG(item->text));
        return false;
    }
    Str name = str_trim((Str){item->text.ptr, colon});
    if (!is_header_name(name)) {
        yaml_problem(reader, item, "%s: \"%.*s\" is no name of a header", key, STR_ARG(name));
        return false;
    }
    if (!is_header_value(str_trim(str_skip(item->text, colon + 1)))) {
        yaml_problem(reader, item,
                     "%s: the value of \"%.*s\" has a line break or another control "
                     "character",
                     key, STR_ARG(name));
        return false;
    }
    if (strcmp(key, "notifier_headers") == 0 && is_senders_own(name)) {
        yaml_problem(reader, item,
                     "%s: \"%.*s\" is set by the connection or the body, not by a rule", key,
                     STR_ARG(name));
        return false;
    }
    return true;
}

static void read_headers(Loader *loader, const YamlReader *reader, const YamlNode *node,
                         const char *key, Str **ret_headers, size_t *ret_count) {
    const YamlNode *list = NULL;
    if (!yaml_list(reader, node, key, &list)) {
        return;
    }
    Str *headers = arena_array(loader->arena, Str, list->count + 1);
    *ret_headers = headers;
    for (size_t i = 0; i < list->count; i++) {
        const YamlNode *item = list->items[i];
        if (!check_header(reader, item, key)) {
            continue;
        }
        size_t colon = str_find(item->text, ':');
        Str name = str_trim((Str){item->text.ptr, colon});
        Str value = str_trim(str_skip(item->text, colon + 1));
        headers[(*ret_count)++] =
            arena_printf(loader->arena, "%.*s: %.*s", STR_ARG(name), STR_ARG(value));
    }
}

static void read_params(Loader *loader, const YamlReader *reader, const YamlNode *node,
                        GroupDef *group) {
    const YamlNode *map = NULL;
    if (!yaml_map(reader, node, "params", &map)) {
        return;
    }
    size_t total = 0;
    for (size_t i = 0; i < map->count; i++) {
        total += map->pairs[i].value->kind == YAML_LIST ? map->pairs[i].value->count : 0;
    }
    group->params = arena_array(loader->arena, Label, total + 1);
    for (size_t i = 0; i < map->count; i++) {
        const YamlNode *values = map->pairs[i].value;
        if (values->kind != YAML_LIST) {
            yaml_problem(reader, values, "params: value of \"%.*s\" has to be a list of texts",
                         STR_ARG(map->pairs[i].key->text));
            continue;
        }
        for (size_t k = 0; k < values->count; k++) {
            group->params[group->param_count++] =
                (Label){arena_str(loader->arena, map->pairs[i].key->text),
                        arena_str(loader->arena, values->items[k]->text)};
        }
    }
}

static void read_timing(Loader *loader, const YamlReader *reader, const YamlNode *node,
                        GroupDef *group) {
    (void)read_duration(loader, reader, node, "interval", false, &group->interval);
    group->has_query_offset =
        read_duration(loader, reader, node, "query_offset", true, &group->query_offset);
    group->has_eval_offset =
        read_duration(loader, reader, node, "eval_offset", true, &group->eval_offset);
    group->has_eval_delay =
        read_duration(loader, reader, node, "eval_delay", false, &group->eval_delay);
    (void)yaml_bool(reader, node, "eval_alignment", &group->align);
    if (group->has_eval_offset && group->has_eval_delay) {
        yaml_problem(reader, yaml_get(node, "eval_offset"),
                     "eval_offset cannot be used with eval_delay");
    }
    DurationMs size = group->eval_offset < 0 ? -group->eval_offset : group->eval_offset;
    if (group->has_eval_offset && size > group->interval) {
        yaml_problem(reader, yaml_get(node, "eval_offset"),
                     "the abs value of eval_offset should be smaller than interval");
    }
}

static void read_type(const YamlReader *reader, const YamlNode *node, GroupDef *group) {
    group->type = STR("prometheus");
    Str type = {0};
    if (!yaml_str(reader, node, "type", &type) || str_eq(type, group->type)) {
        return;
    }
    if (str_eq(type, STR("graphite")) || str_eq(type, STR("vlogs"))) {
        yaml_problem(
            reader, yaml_get(node, "type"),
            "type \"%.*s\" needs a datasource of that kind; only prometheus is supported here",
            STR_ARG(type));
        return;
    }
    yaml_problem(reader, yaml_get(node, "type"),
                 "unknown datasource type=\"%.*s\", want prometheus, graphite or vlogs",
                 STR_ARG(type));
}

static void read_rules(Loader *loader, const YamlReader *reader, const YamlNode *node, bool hold,
                       RuleTexts inherited, GroupDef *group) {
    const YamlNode *list = NULL;
    if (!yaml_list(reader, node, "rules", &list)) {
        return;
    }
    group->rules = arena_array(loader->arena, RuleDef, list->count + 1);
    group->rule_count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        group->rules[i].number = (uint32_t)i + 1;
        read_rule(loader, list->items[i], inherited, hold, &group->rules[i]);
    }
}

static const GroupDef *find_group(const Loader *loader, size_t from, Str name) {
    for (size_t i = from; i < loader->groups_count; i++) {
        if (str_eq(loader->groups[i].name, name)) {
            return &loader->groups[i];
        }
    }
    return NULL;
}

/* A name stands once in a file. Resources are files of their own to the operator, and what `kubectl
 * get -o yaml` gives has many in one: a name that an earlier one has gets the resource's beside it.
 */
static Str group_name(Loader *loader, const YamlReader *reader, const YamlNode *node, Str name) {
    if (name.len == 0 || !find_group(loader, 0, name)) {
        return arena_str(loader->arena, name);
    }
    Str longer =
        arena_printf(loader->arena, "%.*s (%.*s)", STR_ARG(name), STR_ARG(loader->resource));
    if (loader->resource.len == 0 || find_group(loader, loader->resource_from, name) ||
        find_group(loader, 0, longer)) {
        yaml_problem(reader, node, "groupname: \"%.*s\" is repeated in the same file",
                     STR_ARG(name));
    }
    return longer;
}

static void read_group(Loader *loader, const YamlNode *node) {
    YamlReader nameless = reader_at(loader, "");
    if (!is_map(&nameless, node, "a group")) {
        return;
    }
    GroupDef group = {.file = loader->file->path,
                      .align = true,
                      .concurrency = 1,
                      .line = node->line,
                      .column = node->column,
                      .vmalert = loader->reading->flavour == RULES_VMALERT};
    Str name = {0};
    if (!yaml_str(&nameless, node, "name", &name) || name.len == 0) {
        yaml_problem(&nameless, node, "Groupname must not be empty");
    }
    group.name = group_name(loader, &nameless, node, name);
    Str where = arena_printf(loader->arena, "group \"%.*s\"", STR_ARG(name));
    YamlReader reader = reader_at(loader, where.ptr);
    check_keys(loader, &reader, node, group_keys, true);

    bool hold = true;
    (void)yaml_bool(&reader, node, "hold", &hold);
    (void)yaml_bool(&reader, node, "debug", &group.debug);
    int64_t lowest = group.vmalert ? 0 : INT64_MIN;
    (void)yaml_int(&reader, node, "limit", lowest, INT64_MAX, &group.limit);
    (void)yaml_int(&reader, node, "concurrency", 0, 1000 * 1000, &group.concurrency);
    read_timing(loader, &reader, node, &group);
    read_type(&reader, node, &group);
    read_headers(loader, &reader, node, "headers", &group.headers, &group.header_count);
    read_headers(loader, &reader, node, "notifier_headers", &group.notifier_headers,
                 &group.notifier_header_count);
    read_params(loader, &reader, node, &group);

    group.extra = (EngineExtra){group.params, group.param_count, group.headers, group.header_count,
                                yaml_get(node, "concurrency") ? group.concurrency : 0};

    RuleTexts inherited = read_texts(loader, &reader, node, "labels", (RuleTexts){0});
    group.labels = texts_as_set(loader->arena, inherited);
    loader->group = &group;
    read_rules(loader, &reader, node, hold, inherited, &group);
    VEC_PUSH(*loader, groups, group);
}

static void read_groups(Loader *loader, const YamlReader *reader, const YamlNode *map) {
    const YamlNode *list = NULL;
    if (!yaml_list(reader, map, "groups", &list)) {
        return;
    }
    if (list->count > GROUPS_MAX) {
        yaml_problem(reader, list, "more than %d groups", GROUPS_MAX);
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        read_group(loader, list->items[i]);
    }
}

static bool is_kind(const YamlNode *doc, const char *kind) {
    const YamlNode *node = yaml_get(doc, "kind");
    return node && node->kind == YAML_SCALAR && str_eq(node->text, str_of(kind));
}

/* Resources that carry groups under `spec`: those of the Prometheus operator, VictoriaMetrics'
 * operator, Google's managed Prometheus and OpenShift. */
static const char *const rule_kinds[] = {"PrometheusRule", "VMRule",       "Rules", "ClusterRules",
                                         "GlobalRules",    "AlertingRule", NULL};

static bool is_rule_resource(const YamlNode *doc) {
    for (const char *const *kind = rule_kinds; *kind; kind++) {
        if (is_kind(doc, *kind)) {
            return true;
        }
    }
    return false;
}

/* "List", "PrometheusRuleList" and so on. */
static bool is_list_resource(const YamlNode *doc) {
    const YamlNode *kind = yaml_get(doc, "kind"), *items = yaml_get(doc, "items");
    return kind && kind->kind == YAML_SCALAR && str_ends(kind->text, STR("List")) && items &&
           items->kind == YAML_LIST;
}

/* A Kubernetes resource that is about something else. */
static bool is_other_resource(const YamlNode *doc) {
    const YamlNode *kind = yaml_get(doc, "kind");
    return kind && kind->kind == YAML_SCALAR && !yaml_get(doc, "groups") &&
           !is_rule_resource(doc) && !is_list_resource(doc);
}

static void refuse_resource(const YamlReader *reader, const YamlNode *doc) {
    const YamlNode *kind = yaml_get(doc, "kind");
    const char *near = str_suggest(kind->text, rule_kinds);
    yaml_problem(reader, kind, "a resource of kind \"%.*s\" holds no rules, %s%s%s",
                 STR_ARG(kind->text), near ? "did you mean \"" : "PrometheusRule does",
                 near ? near : "", near ? "\"?" : "");
}

static void read_resource(Loader *loader, const YamlNode *doc) {
    YamlReader reader = reader_at(loader, "");
    check_keys(loader, &reader, doc, resource_keys, false);
    const YamlNode *spec = NULL, *metadata = yaml_get(doc, "metadata");
    const YamlNode *namespace = yaml_get(metadata, "namespace"), *name = yaml_get(metadata, "name");
    bool is_named = name && name->kind == YAML_SCALAR;
    bool is_placed = is_named && namespace && namespace->kind == YAML_SCALAR;
    loader->resource =
        arena_printf(loader->arena, "%.*s%s%.*s", STR_ARG(is_placed ? namespace->text : STR("")),
                     is_placed ? "/" : "", STR_ARG(is_named ? name->text : STR("")));
    loader->resource_from = loader->groups_count;
    if (yaml_map(&reader, doc, "spec", &spec)) {
        check_keys(loader, &reader, spec, file_keys, false);
        read_groups(loader, &reader, spec);
    }
    loader->resource = STR("");
    loader->resource_from = 0;
}

/* `is_alone`: no document of the file holds rules. */
static void read_document(Loader *loader, const YamlNode *doc, bool is_alone) {
    YamlReader reader = reader_at(loader, "");
    if (doc->kind == YAML_NULL) {
        return;
    }
    if (!is_map(&reader, doc, "a rule file")) {
        return;
    }
    const YamlNode *items = yaml_get(doc, "items");
    if (items && is_list_resource(doc)) {
        for (size_t i = 0; i < items->count; i++) {
            if (is_rule_resource(items->items[i])) {
                read_resource(loader, items->items[i]);
            }
        }
    } else if (is_rule_resource(doc)) {
        read_resource(loader, doc);
    } else if (is_other_resource(doc)) {
        /* What a chart renders has rules among much else. */
        if (is_alone) {
            refuse_resource(&reader, doc);
        }
    } else {
        check_keys(loader, &reader, doc, file_keys, false);
        read_groups(loader, &reader, doc);
    }
}

static bool has_rules(const YamlDocs *docs) {
    for (size_t i = 0; i < docs->count; i++) {
        if (docs->items[i]->kind != YAML_NULL && !is_other_resource(docs->items[i])) {
            return true;
        }
    }
    return false;
}

static bool groups_show_vmalert(const YamlNode *map) {
    const YamlNode *groups = yaml_get(map, "groups");
    for (size_t i = 0; groups && groups->kind == YAML_LIST && i < groups->count; i++) {
        if (has_key(groups->items[i], vmalert_group_keys)) {
            return true;
        }
        const YamlNode *rules = yaml_get(groups->items[i], "rules");
        for (size_t k = 0; rules && rules->kind == YAML_LIST && k < rules->count; k++) {
            if (has_key(rules->items[k], vmalert_rule_keys)) {
                return true;
            }
        }
    }
    return false;
}

static bool shows_vmalert(const YamlDocs *docs) {
    for (size_t i = 0; i < docs->count; i++) {
        const YamlNode *doc = docs->items[i];
        if (groups_show_vmalert(doc) || groups_show_vmalert(yaml_get(doc, "spec")) ||
            is_kind(doc, "VMRule")) {
            return true;
        }
    }
    return false;
}

/* Longer names are none: so text full of `%{` is not looked through again and again. */
enum { VARIABLE_NAME_MAX = 256 };

/* Where the name after `%{` ends; `text.len` if it is none. */
static size_t variable_end(Str text) {
    size_t most = text.len < VARIABLE_NAME_MAX ? text.len : VARIABLE_NAME_MAX;
    for (size_t i = 2; i < most; i++) {
        if (text.ptr[i] == '}') {
            return i;
        }
        if (text.ptr[i] == '%' || text.ptr[i] == '\n' || text.ptr[i] == '\0') {
            break;
        }
    }
    return text.len;
}

/* vmalert's `%{NAME}`: the environment variable's value, anywhere in the bytes; unknown ones stay.
 */
static Str expand_environment(Arena *arena, Str bytes) {
    Buf out = {0};
    while (bytes.len) {
        size_t at = str_find(bytes, '%');
        buf_put(&out, bytes.ptr, at);
        bytes = str_skip(bytes, at);
        size_t end = bytes.len >= 2 && bytes.ptr[1] == '{' ? variable_end(bytes) : bytes.len;
        const char *value = NULL;
        if (end < bytes.len) {
            value = getenv(arena_cstr(arena, (Str){bytes.ptr + 2, end - 2}));
        }
        if (value) {
            buf_str(&out, str_of(value));
            bytes = str_skip(bytes, end + 1);
        } else if (bytes.len) {
            buf_byte(&out, bytes.ptr[0]);
            bytes = str_skip(bytes, 1);
        }
    }
    Str expanded = arena_str(arena, buf_view(&out));
    buf_finish(&out);
    return expanded;
}

void rule_file_unset_variables(Str path, Str bytes, Problems *findings) {
    uint32_t line = 1, column = 1;
    for (size_t i = 0; i < bytes.len; i++) {
        Str rest = str_skip(bytes, i);
        size_t end = str_starts(rest, STR("%{")) ? variable_end(rest) : rest.len;
        if (end > 2 && end < rest.len) {
            AUTO(arena_finish) Arena arena = {0};
            Str name = {rest.ptr + 2, end - 2};
            if (!getenv(arena_cstr(&arena, name))) {
                problems_add(findings, path, line, column,
                             "%%{%.*s} stays as it is: the environment has no such variable",
                             STR_ARG(name));
            }
        }
        column++;
        if (bytes.ptr[i] == '\n') {
            line++;
            column = 1;
        }
    }
}

/* One way of reading the documents. */
static bool try_reading(Str path, const YamlDocs *docs, const RuleReading *reading, Str content,
                        RuleFile **ret_file, Problems *problems) {
    AUTO(rule_file_unrefp) RuleFile *file = mem_zero(1, sizeof *file);
    file->refs = 1;
    file->flavour = reading->flavour;
    file->content = arena_str(&file->arena, content);
    file->content_hash = hash64(content);
    file->templates = rule_templates_ref(reading->templates);
    file->path = arena_str(&file->arena, path);
    Loader loader = {.arena = &file->arena, .file = file, .reading = reading, .problems = problems};
    size_t before = problems->items_count;
    for (size_t i = 0; i < docs->count; i++) {
        read_document(&loader, docs->items[i], !has_rules(docs));
    }
    file->groups = arena_array(&file->arena, GroupDef, loader.groups_count + 1);
    if (loader.groups_count) {
        memcpy(file->groups, loader.groups, loader.groups_count * sizeof *file->groups);
    }
    file->group_count = loader.groups_count;
    free(loader.groups);
    buf_finish(&loader.where);
    (void)rule_file_compile(file, reading, problems);
    if (problems->items_count > before) {
        return false;
    }
    *ret_file = TAKE(file);
    return true;
}

static int by_place(const void *a, const void *b) {
    const Problem *x = a, *y = b;
    int order = (x->line > y->line) - (x->line < y->line);
    return order ? order : (x->column > y->column) - (x->column < y->column);
}

/* What PromQL finds wrong in an expression it can read. MetricsQL lets most of that pass, above all
 * a function without its window, but it is also what is most often done by mistake in PromQL: a
 * file that nothing else makes vmalert's runs with a window nobody chose, so it is told. */
static const char *const type_errors[] = {"parse error: expected type ",
                                          "parse error: set operator ",
                                          "parse error: comparisons between scalars must ",
                                          "parse error: bool modifier can only ",
                                          "parse error: binary expression must contain only ",
                                          "parse error: unary expression only allowed ",
                                          NULL};

static bool is_type_error(Str text) {
    for (size_t i = 0; type_errors[i]; i++) {
        if (memmem(text.ptr, text.len, type_errors[i], strlen(type_errors[i]))) {
            return true;
        }
    }
    return false;
}

static bool are_type_errors(const Problems *problems) {
    for (size_t i = 0; i < problems->items_count; i++) {
        if (!is_type_error(problems->items[i].text)) {
            return false;
        }
    }
    return true;
}

static void note_doubts(Problems *doubts, const Problems *found) {
    for (size_t i = 0; i < found->items_count; i++) {
        const Problem *problem = &found->items[i];
        problems_add(doubts, problem->file, problem->line, problem->column,
                     "%.*s (so the file is read in the flavour vmalert, which allows it)",
                     STR_ARG(problem->text));
    }
}

/* No key told the flavour: Prometheus if that goes, else vmalert if that does, else what is wrong
 * where less is: a file of MetricsQL with one slip has that slip, not every expression. */
static bool try_both(Str path, const YamlDocs *docs, Str content, RuleTemplates *templates,
                     RuleFile **ret_file, Problems *problems) {
    AUTO(problems_finish) Problems first = {0};
    AUTO(problems_finish) Problems second = {0};
    RuleReading prometheus = {.flavour = RULES_PROMETHEUS, .templates = templates};
    RuleReading vmalert = {.flavour = RULES_VMALERT, .templates = templates};
    if (try_reading(path, docs, &prometheus, content, ret_file, &first)) {
        return true;
    }
    bool are_types = are_type_errors(&first);
    if (try_reading(path, docs, &vmalert, content, ret_file, &second)) {
        if (are_types) {
            note_doubts(&(*ret_file)->doubts, &first);
        }
        return true;
    }
    bool is_vmalert = !are_types && second.items_count < first.items_count;
    problems_copy(problems, is_vmalert ? &second : &first);
    return false;
}

/* A line that begins with `{{`, as in the templates of a chart. */
static bool is_of_chart(Str bytes) {
    while (bytes.len) {
        size_t len = str_find(bytes, '\n');
        if (str_starts(str_trim((Str){bytes.ptr, len}), STR("{{"))) {
            return true;
        }
        bytes = str_skip(bytes, len < bytes.len ? len + 1 : len);
    }
    return false;
}

static void tell_syntax(Problems *problems, const Problems *syntax, Str bytes) {
    const char *hint =
        is_of_chart(bytes) ? "; is it a template of a chart? `helm template` makes YAML of it" : "";
    for (size_t i = 0; i < syntax->items_count; i++) {
        const Problem *problem = &syntax->items[i];
        problems_add(problems, problem->file, problem->line, problem->column, "%.*s%s",
                     STR_ARG(problem->text), hint);
    }
}

static bool load_bytes(Str path, Str bytes, RulesFlavour flavour, RuleTemplates *templates,
                       RuleFile **ret_file, Problems *problems) {
    AUTO(arena_finish) Arena arena = {0};
    YamlDocs docs = {0};
    Str content = bytes;
    if (flavour == RULES_VMALERT) {
        bytes = expand_environment(&arena, bytes);
    }
    /* With `%{NAME}` in it, bytes need not be YAML before it is replaced: they are vmalert's then.
     */
    AUTO(problems_finish) Problems syntax = {0};
    bool is_yaml = yaml_parse(&arena, bytes, path, &docs, &syntax);
    bool has_variables = memmem(bytes.ptr, bytes.len, "%{", 2) != NULL;
    bool is_vmalert = flavour == RULES_AUTO && (is_yaml ? shows_vmalert(&docs) : has_variables);
    if (!is_yaml && !is_vmalert) {
        tell_syntax(problems, &syntax, bytes);
        return false;
    }
    if (is_vmalert) {
        bytes = expand_environment(&arena, bytes);
        if (!yaml_parse(&arena, bytes, path, &docs, problems)) {
            rule_file_unset_variables(path, bytes, problems);
            return false;
        }
        RuleReading shown = {.flavour = RULES_VMALERT,
                             .lax_durations = true,
                             .lax_records = true,
                             .templates = templates};
        return try_reading(path, &docs, &shown, content, ret_file, problems);
    }
    if (flavour == RULES_AUTO) {
        return try_both(path, &docs, content, templates, ret_file, problems);
    }
    bool lax = flavour == RULES_VMALERT;
    RuleReading named = {.flavour = flavour,
                         .lax_durations = lax,
                         .lax_keys = lax,
                         .lax_records = lax,
                         .templates = templates};
    return try_reading(path, &docs, &named, content, ret_file, problems);
}

bool rule_file_load(Str path, Str bytes, RulesFlavour flavour, RuleFile **ret_file,
                    Problems *problems) {
    return rule_file_load_upon(path, bytes, flavour, NULL, ret_file, problems);
}

bool rule_file_load_upon(Str path, Str bytes, RulesFlavour flavour, RuleTemplates *templates,
                         RuleFile **ret_file, Problems *problems) {
    size_t before = problems->items_count;
    if (load_bytes(path, bytes, flavour, templates, ret_file, problems)) {
        return true;
    }
    /* What is wrong is found file first, then expressions, then templates; people read downwards.
     */
    qsort(problems->items + before, problems->items_count - before, sizeof *problems->items,
          by_place);
    return false;
}

RuleFile *rule_file_ref(RuleFile *file) {
    file->refs++;
    return file;
}

void rule_file_unref(RuleFile *file) {
    if (!file || --file->refs > 0) {
        return;
    }
    rule_file_decompile(file);
    problems_finish(&file->doubts);
    rule_templates_unref(file->templates);
    arena_finish(&file->arena);
    free(file);
}
