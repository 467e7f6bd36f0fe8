#include "notify/targets.h"

#include "base/file.h"
#include "notify/integration.h"
#include "notify/names.h"

enum { TARGETS_MAX = 64, TARGET_FILE_BYTES_MAX = 1 << 20 };

typedef struct TargetList {
    const Integration *integration;
    Arena *arena;
    Str *urls;
    size_t count;
} TargetList;

static void add_url(TargetList *list, Str url) {
    for (size_t i = 0; i < list->count; i++) {
        if (str_eq(list->urls[i], url)) {
            return;
        }
    }
    if (list->count < TARGETS_MAX) {
        list->urls[list->count++] = url;
    }
}

static void add_address(TargetList *list, Str address) {
    Str scheme = integration_text(list->integration, "scheme");
    Str prefix = integration_text(list->integration, "path_prefix");
    add_url(list, arena_printf(list->arena, "%.*s://%.*s%.*s/api/v2/alerts", STR_ARG(scheme),
                               STR_ARG(address), STR_ARG(prefix)));
}

/* [{targets: [...]}, ...], as static_configs and the files of file_sd_configs have it. */
static void add_groups(TargetList *list, const YamlNode *groups) {
    for (size_t i = 0; groups && groups->kind == YAML_LIST && i < groups->count; i++) {
        const YamlNode *targets = yaml_get(groups->items[i], "targets");
        for (size_t j = 0; targets && targets->kind == YAML_LIST && j < targets->count; j++) {
            add_address(list, targets->items[j]->text);
        }
    }
}

static bool add_file(TargetList *list, Str path, Err *err) {
    Str bytes;
    YamlDocs docs;
    Problems problems = {0};
    bool ok = file_read(list->arena, path.ptr, TARGET_FILE_BYTES_MAX, &bytes, err);
    if (ok && !yaml_parse(list->arena, bytes, path, &docs, &problems)) {
        ok = problems_err(&problems, err);
    }
    if (ok && docs.count) {
        add_groups(list, docs.items[0]); /* JSON is YAML */
    }
    problems_finish(&problems);
    return ok;
}

static bool add_files(TargetList *list, const YamlNode *configs, Err *err) {
    for (size_t i = 0; configs && configs->kind == YAML_LIST && i < configs->count; i++) {
        const YamlNode *files = yaml_get(configs->items[i], "files");
        for (size_t j = 0; files && files->kind == YAML_LIST && j < files->count; j++) {
            Str name = files->items[j]->text;
            Str pattern = name.len && name.ptr[0] == '/'
                              ? arena_str(list->arena, name)
                              : arena_printf(list->arena, "%.*s/%.*s",
                                             STR_ARG(list->integration->folder), STR_ARG(name));
            Str *paths;
            size_t count;
            if (!file_glob(list->arena, pattern.ptr, &paths, &count, err)) {
                return false;
            }
            for (size_t k = 0; k < count; k++) {
                if (!add_file(list, paths[k], err)) {
                    return false;
                }
            }
        }
    }
    return true;
}

/* The delivering thread is held up once for a new name, and no longer than this. */
static const DurationMs names_wait = 2 * SECOND_MS;

static void add_names(TargetList *list, const YamlNode *configs) {
    for (size_t i = 0; configs && configs->kind == YAML_LIST && i < configs->count; i++) {
        const YamlNode *names = yaml_get(configs->items[i], "names");
        const YamlNode *type = yaml_get(configs->items[i], "type");
        const YamlNode *port = yaml_get(configs->items[i], "port");
        bool is_service = !type || str_eq(type->text, STR("SRV"));
        const char *number = port ? arena_cstr(list->arena, port->text) : "9093";
        for (size_t j = 0; names && names->kind == YAML_LIST && j < names->count; j++) {
            Str found[NAMES_ADDRESSES_MAX];
            size_t count = names_find(names->items[j]->text, is_service ? NULL : number, names_wait,
                                      list->arena, found);
            for (size_t k = 0; k < count; k++) {
                add_address(list, found[k]);
            }
        }
    }
}

bool targets_find(const Integration *integration, Arena *arena, const Str **ret_urls,
                  size_t *ret_count, Err *err) {
    TargetList list = {integration, arena, arena_array(arena, Str, TARGETS_MAX), 0};
    Str url = integration_text(integration, "url");
    if (url.len) {
        while (url.len && url.ptr[url.len - 1] == '/') {
            url.len--;
        }
        add_url(&list, str_ends(url, STR("/api/v2/alerts"))
                           ? url
                           : arena_printf(arena, "%.*s/api/v2/alerts", STR_ARG(url)));
    }
    add_groups(&list, integration_tree(integration, "static_configs"));
    if (!add_files(&list, integration_tree(integration, "file_sd_configs"), err)) {
        return false;
    }
    add_names(&list, integration_tree(integration, "dns_sd_configs"));
    if (list.count == 0) {
        return err_set(err, ERR_NOT_FOUND, "no Alertmanager found");
    }
    *ret_urls = list.urls;
    *ret_count = list.count;
    return true;
}
