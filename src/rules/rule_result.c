#include "rules/rule_result.h"

#include <assert.h>

#include "rules/hash_index.h"
#include "rules/label_overlay.h"
#include "rules/rule_text.h"

static const Str ALERTNAME = {"alertname", 9};
static const Str ALERTGROUP = {"alertgroup", 10};

/* ---- the template function `query` ---- */

/* {Labels, Value}; vmalert's have a Timestamp between them. */
static TmplValue sample_value(Arena *arena, const ValueSeries *series, bool vmalert, TimeMs at) {
    TmplValue *fields_values = arena_array(arena, TmplValue, 3);
    Str *names = arena_array(arena, Str, series->labels.count + 1);
    Str *values = arena_array(arena, Str, series->labels.count + 1);
    for (size_t i = 0; i < series->labels.count; i++) {
        names[i] = series->labels.items[i].name;
        values[i] = series->labels.items[i].value;
    }
    fields_values[0] = tmpl_string_map(arena, names, values, series->labels.count);
    fields_values[1] = tmpl_int(at / SECOND_MS);
    fields_values[1].go_type = "int64";
    fields_values[2] = tmpl_float(series->count ? series->values[series->count - 1] : 0);
    TmplField *fields = arena_array(arena, TmplField, 3);
    size_t count = 0;
    fields[count++] = (TmplField){STR("Labels"), &fields_values[0]};
    if (vmalert) {
        fields[count++] = (TmplField){STR("Timestamp"), &fields_values[1]};
    }
    fields[count++] = (TmplField){STR("Value"), &fields_values[2]};
    return (TmplValue){.type = TMPL_OBJECT,
                       .fields = fields,
                       .count = count,
                       .go_type = vmalert ? "templates.metric" : "*template.sample"};
}

static bool answer_list(Arena *arena, const Value *value, bool vmalert, TimeMs at,
                        TmplValue *ret_list, Err *err) {
    ValueSeries scalar = {.values = &value->scalar, .count = 1};
    const ValueSeries *series = value->series;
    size_t count = value->series_count;
    if (value->type == VALUE_SCALAR) {
        series = &scalar;
        count = 1;
    } else if (value->type != VALUE_VECTOR) {
        return err_set(err, ERR_INVALID, "rule result is not a vector or scalar");
    }
    TmplValue *items = arena_array(arena, TmplValue, count + 1);
    for (size_t i = 0; i < count; i++) {
        items[i] = sample_value(arena, &series[i], vmalert, at);
    }
    *ret_list = (TmplValue){.type = TMPL_LIST,
                            .items = items,
                            .count = count,
                            .go_type = vmalert ? "[]templates.metric" : "template.queryResult"};
    return true;
}

typedef struct TemplateQuery {
    const RuleWorld *world;
    bool vmalert;
} TemplateQuery;

static bool run_template_query(void *ctx, Str text, Arena *arena, TmplValue *ret_list, Err *err) {
    const TemplateQuery *query = ctx;
    const Expr *expr = NULL;
    PromqlFlavour flavour = query->vmalert ? PROMQL_METRICSQL : PROMQL_PROMETHEUS;
    if (!promql_parse(arena, text, flavour, &expr, err)) {
        return false;
    }
    Value value = {0};
    bool ok = false;
    engine_instant(query->world->engine, &(EngineExpr){.expr = expr, .text = text}, 1,
                   query->world->slot, &query->world->query, arena, &value, &ok, err);
    expr_finish(expr);
    return ok && answer_list(arena, &value, query->vmalert, query->world->slot, ret_list, err);
}

static TmplWorld template_world(TemplateQuery *query) {
    return (TmplWorld){
        .now = query->world->slot,
        .external_url = query->world->options->external_url,
        .query = run_template_query,
        .query_ctx = query,
    };
}

static Str print_histogram(Arena *arena, const Histogram *histogram) {
    AUTO(buf_finish) Buf text = {0};
    histogram_print(&text, histogram);
    return arena_str(arena, buf_view(&text));
}

static RuleTextData text_data(const GroupDef *group, const RuleDef *rule, const RuleHit *hit,
                              const RuleWorld *world, Arena *arena) {
    return (RuleTextData){
        .labels = hit->sample,
        .value = hit->value,
        .histogram = hit->histogram ? print_histogram(arena, hit->histogram) : (Str){0},
        .external_labels = world->options->external_labels,
        .external_url = world->options->external_url,
        .expr = rule->expr_text,
        .interval = group->interval ? group->interval : world->options->evaluation_interval,
        .hold = rule->hold,
        .alert_id = hit->id.lo,
    };
}

/* ---- labels ---- */

typedef struct HitBuilder {
    const GroupDef *group;
    const RuleDef *rule;
    const RuleWorld *world;
    Arena *arena;
    bool is_dynamic; /* some label is a template */
    Label *over;     /* what is laid over each sample, sorted by name */
    size_t over_count;
    Str text_error;
} HitBuilder;

static void put_over(HitBuilder *builder, Str name, Str value) {
    size_t at = 0;
    while (at < builder->over_count && str_cmp(builder->over[at].name, name) < 0) {
        at++;
    }
    bool is_there = at < builder->over_count && str_eq(builder->over[at].name, name);
    if (!is_there) {
        memmove(builder->over + at + 1, builder->over + at,
                (builder->over_count - at) * sizeof *builder->over);
        builder->over_count++;
    }
    builder->over[at] = (Label){name, value};
}

static void put_missing(HitBuilder *builder, Str name, Str value) {
    for (size_t i = 0; i < builder->over_count; i++) {
        if (str_eq(builder->over[i].name, name)) {
            return;
        }
    }
    put_over(builder, name, value);
}

static bool has_alertgroup(const HitBuilder *builder) {
    return builder->group->vmalert && !builder->world->options->no_alertgroup;
}

static void lay_fixed_labels(HitBuilder *builder) {
    const RuleDef *rule = builder->rule;
    LabelSet external = builder->world->options->external_labels;
    builder->over = arena_array(builder->arena, Label, rule->labels.count + external.count + 3);
    builder->over_count = 0;
    for (size_t i = 0; i < rule->labels.count; i++) {
        builder->is_dynamic |= rule->labels.items[i].tmpl != NULL;
        builder->over[builder->over_count++] =
            (Label){rule->labels.items[i].name, rule->labels.items[i].text};
    }
    /* vmalert stores them with everything; Prometheus adds them when it sends. */
    for (size_t i = 0; builder->group->vmalert && i < external.count; i++) {
        put_missing(builder, external.items[i].name, external.items[i].value);
    }
    if (!rule->is_alert) {
        put_over(builder, LABEL_METRIC_NAME, rule->name);
        return;
    }
    put_over(builder, ALERTNAME, rule->name);
    if (has_alertgroup(builder)) {
        put_over(builder, ALERTGROUP, builder->group->name);
    }
}

/* Replaces the templates among the laid-over labels by their text for this hit. */
static void expand_labels(HitBuilder *builder, const RuleHit *hit) {
    TemplateQuery query = {builder->world, builder->group->vmalert};
    TmplWorld world = template_world(&query);
    RuleTextData data =
        text_data(builder->group, builder->rule, hit, builder->world, builder->arena);
    TmplValue dot = rule_text_dot(builder->arena, builder->group->vmalert, &data);
    size_t at = 0;
    for (size_t i = 0; i < builder->rule->labels.count; i++) {
        const RuleText *label = &builder->rule->labels.items[i];
        while (!str_eq(builder->over[at].name, label->name)) {
            at++;
        }
        bool is_overridden = str_eq(label->name, ALERTNAME) ||
                             (has_alertgroup(builder) && str_eq(label->name, ALERTGROUP));
        if (!is_overridden) {
            builder->over[at].value =
                rule_text_expand(label, builder->group->vmalert, builder->rule->name, &dot, &world,
                                 builder->arena, &builder->text_error);
        }
    }
}

static void build_hit(HitBuilder *builder, RuleHit *hit) {
    if (builder->is_dynamic) {
        expand_labels(builder, hit);
    }
    LabelSet (*overlay)(Arena *, LabelSet, const Label *, size_t) =
        builder->group->vmalert ? label_overlay_exported : label_overlay;
    hit->labels = overlay(builder->arena, hit->sample, builder->over, builder->over_count);
    hit->id = labels_hash(hit->labels);
}

/* Two results with one label set: Prometheus' sentence, and which labels it is about. */
static bool check_distinct(const RuleHits *hits, bool is_alert, Err *err) {
    AUTO(hash_index_finish) HashIndex seen = {0};
    for (size_t i = 0; i < hits->count; i++) {
        if (hits->count > 1 && !hash_index_put(&seen, hits->items[i].id, (uint32_t)i)) {
            AUTO(buf_finish) Buf labels = {0};
            labels_print(&labels, hits->items[i].labels);
            return err_set(
                err, ERR_INVALID,
                "vector contains metrics with the same labelset after applying %s labels: %.*s",
                is_alert ? "alert" : "rule", STR_ARG(buf_view(&labels)));
        }
    }
    return true;
}

bool rule_hits(const GroupDef *group, const RuleDef *rule, const Value *value,
               const RuleWorld *world, Arena *arena, RuleHits *ret_hits, Err *err) {
    HitBuilder builder = {.group = group, .rule = rule, .world = world, .arena = arena};
    lay_fixed_labels(&builder);
    RuleHits hits = {0};
    if (value->type == VALUE_SCALAR) {
        hits.items = arena_array(arena, RuleHit, 1);
        hits.items[hits.count++] = (RuleHit){.value = value->scalar};
    } else if (value->type == VALUE_VECTOR) {
        hits.items = arena_array(arena, RuleHit, value->series_count + 1);
        for (size_t i = 0; i < value->series_count; i++) {
            const ValueSeries *series = &value->series[i];
            assert(series->count == 1);
            hits.items[hits.count++] = (RuleHit){
                .sample = series->labels,
                .value = series->values[0],
                .histogram = series->histograms ? series->histograms[0] : NULL,
            };
        }
    } else {
        return err_set(err, ERR_INVALID, "rule result is not a vector or scalar");
    }
    for (size_t i = 0; i < hits.count; i++) {
        build_hit(&builder, &hits.items[i]);
    }
    if (!check_distinct(&hits, rule->is_alert, err)) {
        return false;
    }
    hits.text_error = builder.text_error;
    *ret_hits = hits;
    return true;
}

/* vmalert's annotations see the alert's labels too, the sample's first. */
static LabelSet annotation_labels(Arena *arena, const GroupDef *group, const RuleHit *hit) {
    if (!group->vmalert) {
        return hit->sample;
    }
    Label *items = arena_array(arena, Label, hit->sample.count + hit->labels.count + 1);
    size_t count = 0;
    for (size_t i = 0; i < hit->sample.count; i++) {
        items[count++] = hit->sample.items[i];
    }
    for (size_t i = 0; i < hit->labels.count; i++) {
        if (!labels_has(hit->sample, hit->labels.items[i].name)) {
            items[count++] = hit->labels.items[i];
        }
    }
    LabelSet set = {0};
    Err err = {0};
    bool is_unique = labels_build(items, count, &set, &err);
    assert(is_unique);
    (void)is_unique;
    return set;
}

LabelSet rule_annotations(const GroupDef *group, const RuleDef *rule, const RuleHit *hit,
                          TimeMs active_at, const RuleWorld *world, Arena *arena, Str *ret_error) {
    TemplateQuery query = {world, group->vmalert};
    TmplWorld templates = template_world(&query);
    RuleTextData data = text_data(group, rule, hit, world, arena);
    data.labels = annotation_labels(arena, group, hit);
    data.active_at = active_at;
    TmplValue dot = rule_text_dot(arena, group->vmalert, &data);
    Label *items = arena_array(arena, Label, rule->annotations.count + 1);
    size_t count = 0;
    for (size_t i = 0; i < rule->annotations.count; i++) {
        const RuleText *text = &rule->annotations.items[i];
        Str value =
            rule_text_expand(text, group->vmalert, rule->name, &dot, &templates, arena, ret_error);
        items[count++] = (Label){text->name, value};
    }
    return (LabelSet){items, count};
}
