/* Relabelling: Prometheus' own cases, vmagent's where the two agree, and what is refused. */

#include <criterion/criterion.h>

#include "corpus.h"
#include "ingest/ingest.h"
#include "ingest/text.h"

static bool read_rules(const char *yaml, Relabel **ret_relabel, Buf *complaints) {
    Arena arena = {0};
    Problems problems = {0};
    YamlDocs docs;
    bool ok = yaml_parse(&arena, str_of(yaml), STR("r.yml"), &docs, &problems);
    if (ok) {
        YamlReader reader = {STR("r.yml"), &problems, ""};
        ok = relabel_read(&reader, docs.count ? docs.items[0] : NULL, ret_relabel);
    }
    problems_print(&problems, complaints);
    buf_byte(complaints, '\0');
    problems_finish(&problems);
    arena_finish(&arena);
    return ok;
}

/* Labels from a JSON object. */
static LabelSet labels_of(Arena *arena, const cJSON *object) {
    Label *items = arena_array(arena, Label, (size_t)cJSON_GetArraySize(object) + 1);
    size_t count = 0;
    for (cJSON *item = object->child; item; item = item->next) {
        items[count++] = (Label){str_of(item->string), str_of(item->valuestring)};
    }
    LabelSet set;
    Err err;
    cr_assert(labels_build(items, count, &set, &err), "%s", err.text);
    return set;
}

/* Labels from a series as text, which may be without a name. */
static LabelSet labels_of_text(Arena *arena, const char *text) {
    Label *items = arena_array(arena, Label, LABELS_MAX);
    /* Label names beyond [a-zA-Z0-9_] stand unquoted in these cases: quote them. */
    AUTO(buf_finish) Buf quoted = {0};
    bool in_string = false, in_braces = false;
    for (const char *at = text; *at; at++) {
        bool begins =
            in_braces && !in_string && (at[-1] == '{' || at[-1] == ',') && *at != '}' && *at != '"';
        buf_printf(&quoted, "%s%c", begins ? "\"" : *at == '=' && !in_string ? "\"" : "", *at);
        in_string ^= *at == '"';
        in_braces |= *at == '{';
    }
    Str whole = arena_str(arena, buf_view(&quoted));
    size_t brace = str_find(whole, '{');
    if (brace) { /* and so do metric names */
        whole = arena_printf(arena, "{\"%.*s\"%s%.*s", (int)brace, whole.ptr,
                             brace < whole.len ? "," : "}",
                             brace < whole.len ? (int)(whole.len - brace - 1) : 0,
                             whole.ptr + brace + (brace < whole.len));
    }
    size_t count;
    Err err;
    cr_assert(text_labels(whole, arena, items, &count, &err), "%s: %s", text, err.text);
    LabelSet set;
    cr_assert(labels_build(items, count, &set, &err), "%s", err.text);
    return set;
}

static void expect_labels(const char *name, LabelSet got, LabelSet want) {
    AUTO(buf_finish) Buf a = {0};
    AUTO(buf_finish) Buf b = {0};
    labels_print(&a, got);
    labels_print(&b, want);
    cr_expect(labels_eq(got, want), "%s: got %.*s, want %.*s", name, STR_ARG(buf_view(&a)),
              STR_ARG(buf_view(&b)));
}

static void drop_internal(Arena *arena, LabelSet *set) {
    Label *items = arena_array(arena, Label, set->count + 1);
    size_t count = 0;
    for (size_t i = 0; i < set->count; i++) {
        Str name = set->items[i].name;
        if (!str_starts(name, STR("__")) || str_eq(name, LABEL_METRIC_NAME)) {
            items[count++] = set->items[i];
        }
    }
    *set = (LabelSet){items, count};
}

Test(relabel, prometheus_cases) {
    Arena arena = {0};
    cJSON *root;
    cJSON *list = corpus_cases(&arena, "relabel/prometheus-apply.json", &root);
    for (cJSON *item = list->child; item; item = item->next) {
        char *yaml = cJSON_Print(cJSON_GetObjectItem(item, "relabel_configs"));
        const char *name = corpus_text(item, "name");
        Buf complaints = {0};
        Relabel *relabel;
        cr_assert(read_rules(yaml, &relabel, &complaints), "%s: %s", name, complaints.ptr);
        LabelSet got = {0};
        bool kept = relabel_apply(relabel, labels_of(&arena, cJSON_GetObjectItem(item, "input")),
                                  &arena, &got);
        cr_expect_eq(kept, !cJSON_IsTrue(cJSON_GetObjectItem(item, "drop")), "%s", name);
        if (kept) {
            expect_labels(name, got, labels_of(&arena, cJSON_GetObjectItem(item, "output")));
        }
        relabel_free(relabel);
        buf_finish(&complaints);
        cJSON_free(yaml);
    }
    cJSON_Delete(root);
    arena_finish(&arena);
}

Test(relabel, vmagent_cases) {
    static const CorpusException exceptions[] = {
        {"TestParsedRelabelConfigsApply:696", "hashmod is MD5 in Prometheus, xxhash in vmagent"},
        {"TestParsedRelabelConfigsApply:705", "hashmod is MD5 in Prometheus, xxhash in vmagent"},
        {"TestParsedRelabelConfigsApply:897", "action graphite is not taken over"},
        {"TestParsedRelabelConfigsApply:916", "{{label}} is plain text in Prometheus"},
        {"TestParsedRelabelConfigsApply:922", "{{label}} is plain text in Prometheus"},
        {NULL, NULL},
    };
    Arena arena = {0};
    cJSON *root;
    cJSON *list = corpus_cases(&arena, "relabel/apply.json", &root);
    for (cJSON *item = list->child; item; item = item->next) {
        const char *name = corpus_text(item, "name");
        if (corpus_excepted(exceptions, name)) {
            continue;
        }
        Buf complaints = {0};
        Relabel *relabel;
        cr_assert(read_rules(corpus_text(item, "config"), &relabel, &complaints), "%s: %s", name,
                  complaints.ptr);
        LabelSet got = {0};
        if (!relabel_apply(relabel, labels_of_text(&arena, corpus_text(item, "metric")), &arena,
                           &got)) {
            got = (LabelSet){0};
        }
        if (cJSON_IsTrue(cJSON_GetObjectItem(item, "finalize"))) {
            drop_internal(&arena, &got);
        }
        expect_labels(name, got, labels_of_text(&arena, corpus_text(item, "expect")));
        relabel_free(relabel);
        buf_finish(&complaints);
    }
    cJSON_Delete(root);
    arena_finish(&arena);
}

Test(relabel, vmagent_refuses_and_so_do_we) {
    Arena arena = {0};
    cJSON *root;
    cJSON *list = corpus_cases(&arena, "relabel/config-invalid.json", &root);
    for (cJSON *item = list->child; item; item = item->next) {
        char *yaml = cJSON_Print(cJSON_GetObjectItem(item, "relabel_configs"));
        Buf complaints = {0};
        Relabel *relabel;
        cr_expect(!read_rules(yaml, &relabel, &complaints), "%s: %s", corpus_text(item, "name"),
                  yaml);
        cr_expect(strstr(complaints.ptr, "r.yml:"), "%s", complaints.ptr);
        buf_finish(&complaints);
        cJSON_free(yaml);
    }
    cJSON_Delete(root);
    arena_finish(&arena);
}

Test(relabel, prometheus_words_for_what_it_refuses) {
    static const struct {
        const char *yaml, *want;
    } rows[] = {
        {"[{action: replace}]",
         "relabel configuration for replace action requires 'target_label' value"},
        {"[{action: lowercase}]", "requires 'target_label' value"},
        {"[{action: lowercase, target_label: '${3}'}]",
         "\"${3}\" is invalid 'target_label' for lowercase action"},
        {"[{action: hashmod, target_label: a, source_labels: [b]}]", "requires 'modulus' value"},
        {"[{action: labeldrop, source_labels: [a]}]",
         "labeldrop action does not take 'source_labels'"},
        {"[{action: keepequal, source_labels: [a], target_label: b, separator: x}]",
         "does not take 'separator'"},
        {"[{action: replac, target_label: a}]",
         "unknown relabel action \"replac\", did you mean \"replace\"?"},
        {"[{regexp: a}]", "regexp"},
        {"[{regex: '(', target_label: a}]", "regex \"(\""},
        {"[{if: '{', target_label: a}]", "if: "},
        {"[3]", "expected a relabel configuration"},
        {"{a: b}", "expected a list"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Buf complaints = {0};
        Relabel *relabel;
        cr_expect(!read_rules(rows[i].yaml, &relabel, &complaints), "%s", rows[i].yaml);
        cr_expect(strstr(complaints.ptr, rows[i].want), "%s: %s", rows[i].yaml, complaints.ptr);
        buf_finish(&complaints);
    }
}

/* ---- vmagent's `if` and regex verdicts, through a rule that keeps ---- */

static bool keeps(const char *rule, LabelSet labels, const char *name) {
    Buf complaints = {0};
    Relabel *relabel;
    cr_assert(read_rules(rule, &relabel, &complaints), "%s: %s: %s", name, rule, complaints.ptr);
    Arena arena = {0};
    LabelSet out;
    bool kept = relabel_apply(relabel, labels, &arena, &out);
    relabel_free(relabel);
    buf_finish(&complaints);
    arena_finish(&arena);
    return kept;
}

Test(relabel, conditions_match_as_in_vmagent) {
    Arena arena = {0};
    cJSON *root;
    cJSON *list = corpus_cases(&arena, "relabel/if-match.json", &root);
    for (cJSON *item = list->child; item; item = item->next) {
        const char *name = corpus_text(item, "name");
        Str rule = arena_printf(&arena, "- action: keep\n  if: %s\n", corpus_text(item, "if"));
        bool want = cJSON_IsTrue(cJSON_GetObjectItem(item, "match"));
        LabelSet labels = labels_of_text(&arena, corpus_text(item, "metric"));
        cr_expect_eq(keeps(rule.ptr, labels, name), want, "%s: %s on %s", name,
                     corpus_text(item, "if"), corpus_text(item, "metric"));
    }
    cJSON_Delete(root);
    arena_finish(&arena);
}

Test(relabel, conditions_that_are_none_are_refused) {
    Arena arena = {0};
    cJSON *root;
    cJSON *list = corpus_cases(&arena, "relabel/if-unmarshal.json", &root);
    for (cJSON *item = list->child; item; item = item->next) {
        const char *yaml = corpus_text(item, "yaml");
        Str rule = arena_printf(&arena, "- action: keep\n  if: %s\n", yaml);
        Buf complaints = {0};
        Relabel *relabel = NULL;
        bool valid = read_rules(rule.ptr, &relabel, &complaints);
        cr_expect_eq(valid, cJSON_IsTrue(cJSON_GetObjectItem(item, "valid")), "%s: %s", yaml,
                     complaints.ptr);
        relabel_free(relabel);
        buf_finish(&complaints);
    }
    cJSON_Delete(root);
    arena_finish(&arena);
}

Test(relabel, expressions_match_the_whole_text) {
    Arena arena = {0};
    cJSON *root;
    cJSON *list = corpus_cases(&arena, "relabel/regex-match.json", &root);
    for (cJSON *item = list->child; item; item = item->next) {
        const char *pattern = corpus_text(item, "pattern"), *text = corpus_text(item, "text");
        Str rule =
            arena_printf(&arena, "- {action: keep, source_labels: [a], regex: '%s'}\n", pattern);
        Label label = {STR("a"), str_of(text)};
        LabelSet labels = {&label, text[0] != 0};
        cr_expect_eq(keeps(rule.ptr, labels, corpus_text(item, "name")),
                     cJSON_IsTrue(cJSON_GetObjectItem(item, "match")), "%s on \"%s\"", pattern,
                     text);
    }
    cJSON_Delete(root);
    arena_finish(&arena);
}
