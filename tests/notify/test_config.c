/* Alertmanager's own configuration files: the good ones load, the bad ones are refused with its
 * words. Expectations are those of
 * ../shared/corpus/alertmanager/expect.json. */

#include <cjson/cJSON.h>

#include "notify/config.h"
#include "notify/config_print.h"
#include "notify_test.h"

static const char *corpus(void) {
    const char *shared = getenv("BELFRY_SHARED");
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/corpus/alertmanager", shared ? shared : "../shared");
    return path;
}

static Str read_corpus(Arena *arena, const char *name) {
    char path[2 * PATH_MAX];
    Str text;
    Err err;
    snprintf(path, sizeof path, "%s/%s", corpus(), name);
    if (!file_read(arena, path, 16 << 20, &text, &err)) {
        cr_skip_test("no corpus: %s", err.text);
    }
    return text;
}

static NotifyConfig *load(Arena *arena, const char *name, Str text, Buf *complaint) {
    char path[2 * PATH_MAX];
    Problems problems = {0};
    YamlDocs docs;
    NotifyConfig *config = NULL;
    static const YamlNode nothing = {.kind = YAML_NULL};
    snprintf(path, sizeof path, "%s/%s", corpus(), name);
    if (yaml_parse(arena, text, str_of(path), &docs, &problems)) {
        config = notify_config_load(
            &(NotifyConfigSource){.notify = docs.count ? docs.items[0] : &nothing,
                                  .file = str_of(path),
                                  .external_url = STR("http://belfry")},
            &problems);
    }
    problems_print(&problems, complaint);
    problems_finish(&problems);
    return config;
}

Test(config, every_file_of_the_corpus_is_taken_or_refused_as_alertmanager_does) {
    AUTO(arena_finish) Arena arena = {0};
    Str expect = read_corpus(&arena, "expect.json");
    cJSON *json = cJSON_ParseWithLength(expect.ptr, expect.len);
    cr_assert(json);
    int count = 0;
    for (cJSON *entry = json->child; entry; entry = entry->next, count++) {
        AUTO(buf_finish) Buf complaint = {0};
        AUTO(arena_finish) Arena file_arena = {0};
        Str text = read_corpus(&file_arena, entry->string);
        NotifyConfig *config = load(&file_arena, entry->string, text, &complaint);
        buf_byte(&complaint, '\0');
        bool valid = cJSON_IsTrue(cJSON_GetObjectItem(entry, "valid"));
        const cJSON *error = cJSON_GetObjectItem(entry, "error");
        const cJSON *part = cJSON_GetObjectItem(entry, "error_contains");
        error = cJSON_IsString(part) ? part : error;
        cr_expect_eq(config != NULL, valid, "%s: %s", entry->string, complaint.ptr);
        if (!valid && cJSON_IsString(error)) {
            cr_expect(strstr(complaint.ptr, error->valuestring), "%s: \"%s\" is not in: %s",
                      entry->string, error->valuestring, complaint.ptr);
        }
        notify_config_unref(config);
    }
    cr_expect_gt(count, 50);
    cJSON_Delete(json);
}

/* Texts that stand for a URL in a manual, which Alertmanager refuses too. */
static const char *const not_loadable[] = {
    "projects/rabbitmq-slack.yml", "operator-golden/valid_global_config_with_Pagerduty_URL.yml",
    "docs/notification_examples.1.yml"};

static bool is_loadable(const char *name) {
    for (size_t i = 0; i < sizeof not_loadable / sizeof *not_loadable; i++) {
        if (strcmp(name, not_loadable[i]) == 0) {
            return false;
        }
    }
    return true;
}

static void load_folder(const char *folder) {
    AUTO(arena_finish) Arena arena = {0};
    char path[PATH_MAX + 64];
    Str *names;
    size_t count;
    Err err;
    snprintf(path, sizeof path, "%s/%s", corpus(), folder);
    if (!dir_list(&arena, path, &names, &count, &err)) {
        cr_skip_test("no corpus: %s", err.text);
    }
    for (size_t i = 0; i < count; i++) {
        char name[512];
        AUTO(buf_finish) Buf complaint = {0};
        AUTO(arena_finish) Arena file_arena = {0};
        snprintf(name, sizeof name, "%s/%.*s", folder, STR_ARG(names[i]));
        NotifyConfig *config = load(&file_arena, name, read_corpus(&file_arena, name), &complaint);
        cr_expect_eq(config != NULL, is_loadable(name), "%s: %.*s", name,
                     STR_ARG(buf_view(&complaint)));
        if (config) {
            /* What is printed can be loaded again. */
            AUTO(buf_finish) Buf printed = {0};
            AUTO(buf_finish) Buf again = {0};
            config_print(config, &printed);
            NotifyConfig *second = load(&file_arena, name, buf_view(&printed), &again);
            cr_expect(second, "%s: %.*s\n%.*s", name, STR_ARG(buf_view(&again)),
                      STR_ARG(buf_view(&printed)));
            notify_config_unref(second);
        }
        notify_config_unref(config);
    }
}

Test(config, files_of_real_projects_load_and_print_back) {
    load_folder("projects");
    load_folder("operator-golden");
    load_folder("doc-examples");
    load_folder("docs");
    load_folder("examples-ha");
}
