#include "rules/rule_text.h"

#include <stdio.h>
#include <stdlib.h>

static const char prometheus_prelude[] =
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}"
    "{{$value := .Value}}";

static const char vmalert_prelude[] =
    "{{ $value := .Value }}{{ $labels := .Labels }}{{ $expr := .Expr }}"
    "{{ $externalLabels := .ExternalLabels }}{{ $externalURL := .ExternalURL }}"
    "{{ $alertID := .AlertID }}{{ $groupID := .GroupID }}{{ $activeAt := .ActiveAt }}"
    "{{ $for := .For }}{{ $interval := .Interval }}{{ $type := .Type }}{{ $isPartial := .IsPartial "
    "}}";

static const TmplFunc *const prometheus_funcs[] = {tmpl_funcs_prometheus, NULL};
static const TmplFunc *const vmalert_funcs[] = {tmpl_funcs_vmalert, NULL};

static bool contains(Str text, const char *part) {
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

static Str template_name(Arena *arena, bool vmalert, Str rule_name) {
    return vmalert ? STR("") : arena_printf(arena, "__alert_%.*s", STR_ARG(rule_name));
}

bool rule_text_parse(bool vmalert, const RuleTemplates *templates, Str name, Str text,
                     Tmpl **ret_tmpl, Err *err) {
    if (!contains(text, "{{") || (vmalert && !contains(text, "}}"))) {
        return true;
    }
    AUTO(arena_finish) Arena arena = {0};
    TmplOptions options = {.funcs = vmalert ? vmalert_funcs : prometheus_funcs,
                           .missing_zero = true};
    Str whole = arena_printf(&arena, "%s%.*s", vmalert ? vmalert_prelude : prometheus_prelude,
                             STR_ARG(text));
    Str own_name = template_name(&arena, vmalert, name);
    const Tmpl *base = rule_templates_base(templates, vmalert);
    return base ? tmpl_derive(base, own_name, whole, ret_tmpl, err)
                : tmpl_parse(own_name, whole, &options, ret_tmpl, err);
}

/* What stands in quotes behind `before`; empty if that does not occur. */
static Str quoted_after(Str text, const char *before) {
    size_t len = strlen(before);
    const char *at = memmem(text.ptr, text.len, before, len);
    if (!at) {
        return STR("");
    }
    Str rest = {at + len, text.len - (size_t)(at + len - text.ptr)};
    return (Str){rest.ptr, str_find(rest, '"')};
}

const char *rule_text_suggest(bool vmalert, Str error) {
    static const char *const prometheus_variables[] = {"$labels", "$value", "$externalLabels",
                                                       "$externalURL", NULL};
    static const char *const vmalert_variables[] = {
        "$value",   "$labels",   "$expr", "$externalLabels", "$externalURL", "$alertID",
        "$groupID", "$activeAt", "$for",  "$interval",       "$type",        "$isPartial",
        NULL};
    Str func = quoted_after(error, "function \"");
    Str variable = quoted_after(error, "undefined variable \"");
    if (func.len) {
        return tmpl_suggest_func(vmalert ? vmalert_funcs : prometheus_funcs, func);
    }
    const char *near = str_suggest(variable, vmalert ? vmalert_variables : prometheus_variables);
    /* Inside a `define` they do not exist, however well they are spelt. */
    return near && !str_eq(variable, str_of(near)) ? near : NULL;
}

static TmplValue label_map(Arena *arena, LabelSet labels) {
    Str *names = arena_array(arena, Str, labels.count + 1);
    Str *values = arena_array(arena, Str, labels.count + 1);
    for (size_t i = 0; i < labels.count; i++) {
        names[i] = labels.items[i].name;
        values[i] = labels.items[i].value;
    }
    return tmpl_string_map(arena, names, values, labels.count);
}

static TmplValue duration_value(DurationMs span) {
    return (TmplValue){.type = TMPL_DURATION, .integer = span * 1000000};
}

enum { DOT_FIELDS_MAX = 12 };

typedef struct DotBuilder {
    TmplField fields[DOT_FIELDS_MAX];
    TmplValue values[DOT_FIELDS_MAX];
    size_t count;
} DotBuilder;

static void add_field(DotBuilder *dot, Str name, TmplValue value) {
    dot->values[dot->count] = value;
    dot->fields[dot->count] = (TmplField){name, &dot->values[dot->count]};
    dot->count++;
}

TmplValue rule_text_dot(Arena *arena, bool vmalert, const RuleTextData *data) {
    DotBuilder *dot = arena_new(arena, DotBuilder);
    add_field(dot, STR("Labels"), label_map(arena, data->labels));
    add_field(dot, STR("ExternalLabels"), label_map(arena, data->external_labels));
    add_field(dot, STR("ExternalURL"), tmpl_string(data->external_url));
    add_field(dot, STR("Value"),
              data->histogram.len ? tmpl_string(data->histogram) : tmpl_float(data->value));
    if (vmalert) {
        add_field(dot, STR("Type"), tmpl_string(STR("prometheus")));
        add_field(dot, STR("Expr"), tmpl_string(data->expr));
        add_field(dot, STR("AlertID"), tmpl_int((int64_t)data->alert_id));
        add_field(dot, STR("GroupID"), tmpl_int((int64_t)data->group_id));
        add_field(dot, STR("ActiveAt"), tmpl_time(data->active_at));
        add_field(dot, STR("For"), duration_value(data->hold));
        add_field(dot, STR("Interval"), duration_value(data->interval));
        add_field(dot, STR("IsPartial"), tmpl_bool(false));
    }
    return (TmplValue){
        .type = TMPL_OBJECT,
        .fields = dot->fields,
        .count = dot->count,
        .go_type = vmalert ? "notifier.tplData"
                           : "struct { Labels map[string]string; ExternalLabels "
                             "map[string]string; ExternalURL string; Value "
                             "interface {} }",
    };
}

Str rule_text_expand(const RuleText *text, bool vmalert, Str name, const TmplValue *dot,
                     const TmplWorld *world, Arena *arena, Str *ret_error) {
    if (!text->tmpl) {
        return text->text;
    }
    AUTO(buf_finish) Buf out = {0};
    Err err = {0};
    if (tmpl_execute(text->tmpl, STR(""), dot, world, arena, &out, &err)) {
        return arena_str(arena, buf_view(&out));
    }
    *ret_error = arena_str(arena, str_of(err.text));
    if (vmalert) {
        return arena_printf(arena, "error evaluating template: %s", err.text);
    }
    return arena_printf(arena,
                        "<error expanding template: error executing template __alert_%.*s: %s>",
                        STR_ARG(name), err.text);
}
