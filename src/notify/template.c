#include "notify/template.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "notify/integration.h"

enum { TEMPLATE_BYTES_MAX = 4 << 20 };

/* ---- the default templates: names and meaning are Alertmanager's (template/default.tmpl), the
 * words are ours ---- */

static const char default_templates[] =
    "{{ define \"__alertmanager\" }}Belfry{{ end }}"
    "{{ define \"__alertmanagerURL\" }}{{ .ExternalURL }}/#/alerts?receiver={{ .Receiver | "
    "urlquery }}"
    "{{ end }}"
    "{{ define \"__subject\" }}[{{ .Status | toUpper }}{{ if eq .Status \"firing\" }}:"
    "{{ .Alerts.Firing | len }}{{ end }}] {{ .GroupLabels.SortedPairs.Values | join \" \" }} "
    "{{ if gt (len .CommonLabels) (len .GroupLabels) }}({{ with .CommonLabels.Remove"
    " .GroupLabels.Names }}{{ .Values | join \" \" }}{{ end }}){{ end }}{{ end }}"
    "{{ define \"__description\" }}{{ end }}"
    "{{ define \"__text_alert_list\" }}{{ range . }}Labels:\n"
    "{{ range .Labels.SortedPairs }} - {{ .Name }} = {{ .Value }}\n{{ end }}Annotations:\n"
    "{{ range .Annotations.SortedPairs }} - {{ .Name }} = {{ .Value }}\n{{ end }}"
    "Source: {{ .GeneratorURL }}\n{{ end }}{{ end }}"
    "{{ define \"__text_alert_list_markdown\" }}{{ range . }}\nLabels:\n"
    "{{ range .Labels.SortedPairs }}  - {{ .Name }} = {{ .Value }}\n{{ end }}\nAnnotations:\n"
    "{{ range .Annotations.SortedPairs }}  - {{ .Name }} = {{ .Value }}\n{{ end }}\n"
    "Source: {{ .GeneratorURL }}\n{{ end }}{{ end }}"
    "{{ define \"slack.default.title\" }}{{ template \"__subject\" . }}{{ end }}"
    "{{ define \"slack.default.username\" }}{{ template \"__alertmanager\" . }}{{ end }}"
    "{{ define \"slack.default.fallback\" }}{{ template \"slack.default.title\" . }} |"
    " {{ template \"slack.default.titlelink\" . }}{{ end }}"
    "{{ define \"slack.default.callbackid\" }}{{ end }}{{ define \"slack.default.pretext\" }}{{ "
    "end }}"
    "{{ define \"slack.default.titlelink\" }}{{ template \"__alertmanagerURL\" . }}{{ end }}"
    "{{ define \"slack.default.iconemoji\" }}{{ end }}{{ define \"slack.default.iconurl\" }}{{ end "
    "}}"
    "{{ define \"slack.default.text\" }}{{ end }}{{ define \"slack.default.footer\" }}{{ end }}"
    "{{ define \"pagerduty.default.description\" }}{{ template \"__subject\" . }}{{ end }}"
    "{{ define \"pagerduty.default.client\" }}{{ template \"__alertmanager\" . }}{{ end }}"
    "{{ define \"pagerduty.default.clientURL\" }}{{ template \"__alertmanagerURL\" . }}{{ end }}"
    "{{ define \"pagerduty.default.instances\" }}{{ template \"__text_alert_list\" . }}{{ end }}"
    "{{ define \"opsgenie.default.message\" }}{{ template \"__subject\" . }}{{ end }}"
    "{{ define \"opsgenie.default.description\" }}{{ .CommonAnnotations.SortedPairs.Values | join "
    "\" \" }}"
    "{{ end }}{{ define \"opsgenie.default.source\" }}{{ template \"__alertmanagerURL\" . }}{{ end "
    "}}"
    "{{ define \"email.default.subject\" }}{{ template \"__subject\" . }}{{ end }}"
    "{{ define \"email.default.html\" }}<!DOCTYPE html>\n<html><body "
    "style=\"font-family:sans-serif\">\n"
    "<h2>{{ template \"__subject\" . }}</h2>\n"
    "{{ range .Alerts }}<h3 style=\"color:{{ if eq .Status \"firing\" }}#b00020{{ else }}#1b7f3b{{ "
    "end }}"
    "\">{{ .Status | toUpper }} {{ .Labels.alertname }}</h3>\n<table>\n"
    "{{ range .Labels.SortedPairs }}<tr><td>{{ .Name }}</td><td>{{ .Value }}</td></tr>\n{{ end }}"
    "{{ range .Annotations.SortedPairs }}<tr><td><b>{{ .Name }}</b></td><td>{{ .Value "
    "}}</td></tr>\n"
    "{{ end }}</table>\n<p><a href=\"{{ .GeneratorURL }}\">source</a></p>\n{{ end }}"
    "<p><a href=\"{{ template \"__alertmanagerURL\" . }}\">{{ template \"__alertmanager\" . "
    "}}</a></p>\n"
    "</body></html>\n{{ end }}"
    "{{ define \"email.default.text\" }}{{ template \"__subject\" . }}\n"
    "{{ if gt (len .Alerts.Firing) 0 }}\nFiring\n{{ template \"__text_alert_list\" .Alerts.Firing "
    "}}"
    "{{ end }}{{ if gt (len .Alerts.Resolved) 0 }}\nResolved\n"
    "{{ template \"__text_alert_list\" .Alerts.Resolved }}{{ end }}{{ end }}"
    "{{ define \"msteams.default.summary\" }}{{ template \"__subject\" . }}{{ end }}"
    "{{ define \"msteams.default.title\" }}{{ template \"__subject\" . }}{{ end }}"
    "{{ define \"msteams.default.text\" }}{{ if gt (len .Alerts.Firing) 0 }}\n# Alerts Firing:\n"
    "{{ template \"__text_alert_list_markdown\" .Alerts.Firing }}{{ end }}"
    "{{ if gt (len .Alerts.Resolved) 0 }}\n# Alerts Resolved:\n"
    "{{ template \"__text_alert_list_markdown\" .Alerts.Resolved }}{{ end }}{{ end }}"
    "{{ define \"msteamsv2.default.title\" }}{{ template \"__subject\" . }}{{ end }}"
    "{{ define \"msteamsv2.default.text\" }}{{ template \"msteams.default.text\" . }}{{ end }}"
    "{{ define \"telegram.default.message\" }}{{ template \"email.default.text\" . }}{{ end }}"
    "{{ define \"discord.default.title\" }}{{ template \"__subject\" . }}{{ end }}"
    "{{ define \"discord.default.message\" }}{{ template \"email.default.text\" . }}{{ end }}";

/* ---- values ---- */

static TmplValue list_value(const TmplValue *items, size_t count) {
    return (TmplValue){.type = TMPL_LIST, .items = items, .count = count};
}

static TmplValue text_list(Arena *arena, const TmplValue *pairs, size_t count, size_t field) {
    TmplValue *items = arena_array(arena, TmplValue, count + 1);
    for (size_t i = 0; i < count; i++) {
        items[i] = *pairs[i].fields[field].value;
    }
    TmplValue list = list_value(items, count);
    list.go_type = "[]string";
    return list;
}

/* Pairs: objects with the fields Name and Value. */

static bool pairs_names(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                        Err *err) {
    (void)count, (void)err;
    *ret = text_list(tmpl_exec_arena(exec), args[0].items, args[0].count, 0);
    return true;
}

static bool pairs_values(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                         Err *err) {
    (void)count, (void)err;
    *ret = text_list(tmpl_exec_arena(exec), args[0].items, args[0].count, 1);
    return true;
}

static bool pairs_string(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                         Err *err) {
    (void)count, (void)err;
    AUTO(buf_finish) Buf text = {0};
    for (size_t i = 0; i < args[0].count; i++) {
        const TmplField *fields = args[0].items[i].fields;
        buf_printf(&text, "%s%.*s=%.*s", i ? ", " : "", STR_ARG(fields[0].value->string),
                   STR_ARG(fields[1].value->string));
    }
    *ret = tmpl_string(arena_str(tmpl_exec_arena(exec), buf_view(&text)));
    return true;
}

static const TmplFunc pairs_methods[] = {{"Names", 0, 0, pairs_names},
                                         {"Values", 0, 0, pairs_values},
                                         {"String", 0, 0, pairs_string},
                                         {0}};

static TmplValue pair_value(Arena *arena, Str name, Str value) {
    TmplValue *values = arena_array(arena, TmplValue, 2);
    TmplField *fields = arena_array(arena, TmplField, 2);
    values[0] = tmpl_string(name);
    values[1] = tmpl_string(value);
    fields[0] = (TmplField){STR("Name"), &values[0]};
    fields[1] = (TmplField){STR("Value"), &values[1]};
    return (TmplValue){
        .type = TMPL_OBJECT, .fields = fields, .count = 2, .go_type = "template.Pair"};
}

/* alertname first, then by name. */
static TmplValue sorted_pairs(Arena *arena, const TmplValue *map) {
    TmplValue *items = arena_array(arena, TmplValue, map->count + 1);
    size_t count = 0;
    for (int first = 1; first >= 0; first--) {
        for (size_t i = 0; i < map->count; i++) {
            if (str_eq(map->fields[i].name, STR("alertname")) == (first == 1)) {
                items[count++] =
                    pair_value(arena, map->fields[i].name, map->fields[i].value->string);
            }
        }
    }
    TmplValue list = list_value(items, count);
    list.methods = pairs_methods;
    list.go_type = "template.Pairs";
    return list;
}

/* KV: a map with methods. */

static bool kv_sorted_pairs(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                            Err *err) {
    (void)count, (void)err;
    *ret = sorted_pairs(tmpl_exec_arena(exec), &args[0]);
    return true;
}

static bool is_in(const TmplValue *list, Str text) {
    for (size_t i = 0; i < list->count; i++) {
        if (str_eq(list->items[i].string, text)) {
            return true;
        }
    }
    return false;
}

static bool kv_remove(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                      Err *err) {
    (void)count;
    if (args[1].type != TMPL_LIST) {
        return err_set(err, ERR_INVALID, "wrong type for value; expected []string");
    }
    Arena *arena = tmpl_exec_arena(exec);
    TmplField *fields = arena_array(arena, TmplField, args[0].count + 1);
    *ret = args[0];
    ret->fields = fields;
    ret->count = 0;
    for (size_t i = 0; i < args[0].count; i++) {
        if (!is_in(&args[1], args[0].fields[i].name)) {
            fields[ret->count++] = args[0].fields[i];
        }
    }
    return true;
}

static bool kv_names(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                     Err *err) {
    TmplValue pairs = sorted_pairs(tmpl_exec_arena(exec), &args[0]);
    return pairs_names(exec, &pairs, count, ret, err);
}

static bool kv_values(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                      Err *err) {
    TmplValue pairs = sorted_pairs(tmpl_exec_arena(exec), &args[0]);
    return pairs_values(exec, &pairs, count, ret, err);
}

static bool kv_string(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                      Err *err) {
    TmplValue pairs = sorted_pairs(tmpl_exec_arena(exec), &args[0]);
    return pairs_string(exec, &pairs, count, ret, err);
}

static const TmplFunc kv_methods[] = {{"SortedPairs", 0, 0, kv_sorted_pairs},
                                      {"Remove", 1, 1, kv_remove},
                                      {"Names", 0, 0, kv_names},
                                      {"Values", 0, 0, kv_values},
                                      {"String", 0, 0, kv_string},
                                      {0}};

static TmplValue kv_value(Arena *arena, LabelSet set) {
    TmplField *fields = arena_array(arena, TmplField, set.count + 1);
    TmplValue *values = arena_array(arena, TmplValue, set.count + 1);
    for (size_t i = 0; i < set.count; i++) {
        values[i] = tmpl_string(set.items[i].value);
        fields[i] = (TmplField){set.items[i].name, &values[i]};
    }
    return (TmplValue){.type = TMPL_MAP,
                       .zero_missing = true,
                       .fields = fields,
                       .count = set.count,
                       .methods = kv_methods,
                       .go_type = "template.KV"};
}

/* Alerts: a list with methods. */

static bool alerts_with(TmplExec *exec, const TmplValue *args, Str status, TmplValue *ret) {
    TmplValue *items = arena_array(tmpl_exec_arena(exec), TmplValue, args[0].count + 1);
    size_t count = 0;
    for (size_t i = 0; i < args[0].count; i++) {
        if (str_eq(args[0].items[i].fields[0].value->string, status)) {
            items[count++] = args[0].items[i];
        }
    }
    *ret = args[0];
    ret->items = items;
    ret->count = count;
    return true;
}

static bool alerts_firing(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                          Err *err) {
    (void)count, (void)err;
    return alerts_with(exec, args, STR("firing"), ret);
}

static bool alerts_resolved(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                            Err *err) {
    (void)count, (void)err;
    return alerts_with(exec, args, STR("resolved"), ret);
}

static const TmplFunc alerts_methods[] = {
    {"Firing", 0, 0, alerts_firing}, {"Resolved", 0, 0, alerts_resolved}, {0}};

typedef struct ObjectWriter {
    TmplField *fields;
    TmplValue *values;
    size_t count;
} ObjectWriter;

static ObjectWriter object_writer(Arena *arena, size_t room) {
    return (ObjectWriter){arena_array(arena, TmplField, room), arena_array(arena, TmplValue, room),
                          0};
}

static void put_field(ObjectWriter *object, const char *name, TmplValue value) {
    object->values[object->count] = value;
    object->fields[object->count] = (TmplField){str_of(name), &object->values[object->count]};
    object->count++;
}

/* Go's zero time, for alerts that have no end yet. */
static TmplValue end_value(const MessageAlert *alert) {
    static const TimeMs year_one = INT64_C(-62135596800000);
    return alert->is_firing
               ? (TmplValue){.type = TMPL_TIME, .integer = INT64_MIN, .zone_name = "UTC"}
               : tmpl_time(alert->ends_at ? alert->ends_at : year_one);
}

static TmplValue alert_value(Arena *arena, const MessageAlert *alert) {
    ObjectWriter object = object_writer(arena, 7);
    put_field(&object, "Status", tmpl_string(alert->is_firing ? STR("firing") : STR("resolved")));
    put_field(&object, "Labels", kv_value(arena, alert->alert->labels));
    put_field(&object, "Annotations", kv_value(arena, alert->alert->annotations));
    put_field(&object, "StartsAt", tmpl_time(alert->starts_at));
    put_field(&object, "EndsAt", end_value(alert));
    put_field(&object, "GeneratorURL", tmpl_string(alert->alert->generator_url));
    put_field(&object, "Fingerprint",
              tmpl_string(arena_printf(arena, "%016llx", (unsigned long long)alert->fingerprint)));
    return (TmplValue){.type = TMPL_OBJECT,
                       .fields = object.fields,
                       .count = object.count,
                       .go_type = "template.Alert"};
}

LabelSet message_common(Arena *arena, const Message *message, size_t shown, bool annotations) {
    if (shown == 0) {
        return (LabelSet){0};
    }
    const Alert *first = message->alerts[0].alert;
    LabelSet set = annotations ? first->annotations : first->labels;
    Label *items = arena_array(arena, Label, set.count + 1);
    size_t count = 0;
    for (size_t i = 0; i < set.count; i++) {
        bool same = true;
        for (size_t j = 1; j < shown && same; j++) {
            const Alert *other = message->alerts[j].alert;
            same = str_eq(
                labels_get(annotations ? other->annotations : other->labels, set.items[i].name),
                set.items[i].value);
        }
        if (same) {
            items[count++] = set.items[i];
        }
    }
    return (LabelSet){items, count};
}

/* regexp.QuoteMeta, which Alertmanager applies to the receiver's name. */
Str message_receiver(Arena *arena, Str name) {
    char *text = arena_raw(arena, name.len * 2 + 1);
    size_t len = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (strchr("\\.+*?()|[]{}^$", name.ptr[i])) {
            text[len++] = '\\';
        }
        text[len++] = name.ptr[i];
    }
    return (Str){text, len};
}

TmplValue template_data(const Message *message, const MessageWorld *world) {
    Arena *arena = world->arena;
    TmplValue *alerts = arena_array(arena, TmplValue, message->alert_count + 1);
    bool firing = false;
    for (size_t i = 0; i < message->alert_count; i++) {
        alerts[i] = alert_value(arena, &message->alerts[i]);
        firing |= message->alerts[i].is_firing;
    }
    TmplValue list = list_value(alerts, message->alert_count);
    list.methods = alerts_methods;
    list.go_type = "template.Alerts";
    ObjectWriter object = object_writer(arena, 9);
    put_field(&object, "Receiver", tmpl_string(message_receiver(arena, message->receiver)));
    put_field(&object, "Status", tmpl_string(firing ? STR("firing") : STR("resolved")));
    put_field(&object, "Alerts", list);
    put_field(&object, "NotificationReason", tmpl_string(message->reason));
    put_field(&object, "GroupLabels", kv_value(arena, message->group_labels));
    put_field(&object, "CommonLabels",
              kv_value(arena, message_common(arena, message, message->alert_count, false)));
    put_field(&object, "CommonAnnotations",
              kv_value(arena, message_common(arena, message, message->alert_count, true)));
    put_field(&object, "RouteLabels", kv_value(arena, message->route_labels));
    put_field(&object, "ExternalURL", tmpl_string(world->external_url));
    return (TmplValue){.type = TMPL_OBJECT,
                       .fields = object.fields,
                       .count = object.count,
                       .go_type = "template.Data"};
}

/* ---- expanding ---- */

bool template_expand(Str text, const TmplValue *data, const MessageWorld *world, Str *ret_text,
                     Err *err) {
    if (!memmem(text.ptr, text.len, "{{", 2)) {
        *ret_text = text;
        return true;
    }
    AUTO(tmpl_freep) Tmpl *tmpl = NULL;
    AUTO(buf_finish) Buf out = {0};
    TmplWorld tmpl_world = {.now = world->now, .external_url = world->external_url};
    if (!tmpl_derive(world->templates, STR(""), text, &tmpl, err) ||
        !tmpl_execute(tmpl, STR(""), data, &tmpl_world, world->arena, &out, err)) {
        return false;
    }
    *ret_text = arena_str(world->arena, buf_view(&out));
    return true;
}

/* ---- loading ---- */

static bool add_files(NotifyConfig *config, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    for (size_t i = 0; i < config->template_pattern_count; i++) {
        Str *paths;
        size_t count;
        if (!file_glob(&arena, config->template_patterns[i].ptr, &paths, &count, err)) {
            return false;
        }
        for (size_t j = 0; j < count; j++) {
            Str text;
            if (!file_read(&arena, arena_cstr(&arena, paths[j]), TEMPLATE_BYTES_MAX, &text, err) ||
                !tmpl_add(config->templates, paths[j], text, err)) {
                return err_context(err, "templates");
            }
        }
    }
    return true;
}

static const Alert *example_alert(Arena *arena) {
    static const Label labels[] = {{{"alertname", 9}, {"Example", 7}},
                                   {{"cluster", 7}, {"example-1", 9}},
                                   {{"severity", 8}, {"warning", 7}}};
    static const Label annotations[] = {{{"description", 11}, {"made up", 7}},
                                        {{"summary", 7}, {"made up", 7}}};
    Alert *alert = arena_new(arena, Alert);
    *alert = (Alert){.labels = {labels, 3},
                     .annotations = {annotations, 2},
                     .generator_url = STR("http://localhost/graph"),
                     .phase = ALERT_FIRING};
    return alert;
}

/* Every template setting of every integration, with an alert that fires and one that is over. */
static bool try_integration(const Integration *integration, const TmplValue *data,
                            const MessageWorld *world, Err *err) {
    for (const FieldSpec *spec = integration->type->fields; spec->key; spec++) {
        Str text;
        if (spec->kind == FIELD_TEMPLATE &&
            !template_expand(integration_text(integration, spec->key), data, world, &text, err)) {
            return err_context(err, "receiver %.*s: %s: %s", STR_ARG(integration->receiver->name),
                               integration->type->key, spec->key);
        }
    }
    return true;
}

static bool try_all(const NotifyConfig *config, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    MessageWorld world = {.arena = &arena,
                          .now = INT64_C(1700000000000),
                          .external_url = config->external_url,
                          .templates = config->templates};
    MessageAlert alerts[2] = {{.alert = example_alert(&arena), .is_firing = true},
                              {.alert = example_alert(&arena)}};
    Message message = {.receiver = STR("example"), .alerts = alerts, .alert_count = 2};
    TmplValue data = template_data(&message, &world);
    for (size_t i = 0; i < config->receiver_count; i++) {
        const Receiver *receiver = &config->receivers[i];
        for (size_t j = 0; j < receiver->integration_count; j++) {
            if (!try_integration(&receiver->integrations[j], &data, &world, err)) {
                return false;
            }
        }
    }
    return true;
}

bool template_load(NotifyConfig *config, Err *err) {
    static const TmplFunc *const funcs[] = {tmpl_funcs_alertmanager, NULL};
    TmplOptions options = {.funcs = funcs, .missing_zero = true};
    return tmpl_parse(STR("default"), str_of(default_templates), &options, &config->templates,
                      err) &&
           add_files(config, err) && try_all(config, err);
}
