/*
 * Loading and reloading: every file on its own, so that a bad one holds back nobody but itself.
 */

#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "rules/rules_internal.h"

static LoadedFile *find_file(const Rules *rules, Str path) {
    for (size_t i = 0; i < rules->files_count; i++) {
        if (str_eq(str_of(rules->files[i].path), path)) {
            return &rules->files[i];
        }
    }
    return NULL;
}

static void file_forget(LoadedFile *file) {
    rule_file_unref(file->live);
    free(file->path);
    free(file->error);
    free(file->remembered);
}

/* What is loaded instead of a version that is no good. */
static RuleFile *last_good(const LoadedFile *known, Str path, RuleTemplates *templates) {
    RuleFile *file = NULL;
    if (known && known->live) {
        return rule_file_ref(known->live);
    }
    if (known && known->remembered) {
        AUTO(problems_finish) Problems ignored = {0};
        Str bytes = {known->remembered, known->remembered_len};
        (void)!rule_file_load_upon(path, bytes, known->flavour, templates, &file, &ignored);
    }
    return file;
}

static void log_doubts(const RuleFile *file) {
    for (size_t i = 0; i < file->doubts.items_count; i++) {
        AUTO(buf_finish) Buf text = {0};
        Problems one = {.items = &file->doubts.items[i], .items_count = 1};
        problems_print(&one, &text);
        log_event(LOG_WARN, "rule is not PromQL", LOG_STR("reason", str_trim(buf_view(&text))));
    }
}

/* Reads one file's newest version; `known` is what was loaded before, or NULL. */
static LoadedFile load_file(const LoadedFile *known, Str path, RulesFlavour flavour,
                            RuleTemplates *templates, Problems *problems) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(problems_finish) Problems own = {0};
    LoadedFile loaded = {.path = mem_strdup(arena_cstr(&arena, path)), .flavour = flavour};
    Str bytes = {0};
    Err err = {0};
    if (!file_read(&arena, loaded.path, YAML_BYTES_MAX, &bytes, &err)) {
        problems_add(&own, path, 0, 0, "%s", err.text);
    } else if (known && known->live && known->flavour == flavour &&
               known->live->content_hash == hash64(bytes) &&
               rule_templates_eq(known->live->templates, templates)) {
        loaded.live = rule_file_ref(known->live);
        return loaded;
    } else if (rule_file_load_upon(path, bytes, flavour, templates, &loaded.live, &own)) {
        log_doubts(loaded.live);
        return loaded;
    }
    loaded.live = last_good(known, path, templates);
    AUTO(buf_finish) Buf text = {0};
    problems_print(&own, &text);
    buf_byte(&text, '\0');
    loaded.error = mem_strdup(text.ptr);
    problems_copy(problems, &own);
    return loaded;
}

typedef struct FileList {
    LoadedFile *files;
    size_t files_count, files_cap;
} FileList;

static bool is_listed(const FileList *list, Str path) {
    for (size_t i = 0; i < list->files_count; i++) {
        if (str_eq(str_of(list->files[i].path), path)) {
            return true;
        }
    }
    return false;
}

static void load_source(Rules *rules, const RulesSource *source, FileList *list,
                        Problems *problems) {
    AUTO(arena_finish) Arena arena = {0};
    Str *paths = NULL;
    size_t count = 0;
    Err err = {0};
    if (!file_glob_yaml(&arena, arena_cstr(&arena, source->pattern), &paths, &count, &err)) {
        problems_add(problems, source->pattern, 0, 0, "%s", err.text);
        return;
    }
    /* Templates that are no good leave each file with those it had. */
    AUTO(rule_templates_unrefp) RuleTemplates *templates = NULL;
    bool are_good = rule_templates_load(source->templates, &templates, problems);
    for (size_t i = 0; i < count; i++) {
        if (!is_listed(list, paths[i])) {
            LoadedFile *known = find_file(rules, paths[i]);
            RuleTemplates *had = known && known->live ? known->live->templates : NULL;
            VEC_PUSH(
                *list, files,
                load_file(known, paths[i], source->flavour, are_good ? templates : had, problems));
        }
    }
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const LoadedFile *)a)->path, ((const LoadedFile *)b)->path);
}

bool rules_load(Rules *rules, const RulesSource *sources, size_t count, TimeMs now,
                Problems *problems) {
    pthread_mutex_lock(&rules->work);
    size_t before = problems->items_count;
    FileList list = {0};
    for (size_t i = 0; i < count; i++) {
        load_source(rules, &sources[i], &list, problems);
    }
    if (list.files_count) {
        qsort(list.files, list.files_count, sizeof *list.files, by_path);
    }
    pthread_mutex_lock(&rules->lock);
    for (size_t i = 0; i < rules->files_count; i++) {
        file_forget(&rules->files[i]);
    }
    free(rules->files);
    rules->files = list.files;
    rules->files_count = list.files_count;
    rules->files_cap = list.files_cap;
    rules->last_load_ok = problems->items_count == before;
    rules->last_load_at = now;
    counter_add(&rules->loads, 1);
    counter_add(&rules->load_failures, !rules->last_load_ok);
    pthread_mutex_unlock(&rules->lock);
    rules_rebuild(rules, now);
    bool ok = rules->last_load_ok;
    pthread_mutex_unlock(&rules->work);
    return ok;
}

void rules_remember(Rules *rules, const RulesFile *files, size_t count) {
    pthread_mutex_lock(&rules->work);
    pthread_mutex_lock(&rules->lock);
    for (size_t i = 0; i < count; i++) {
        if (find_file(rules, files[i].path)) {
            continue;
        }
        AUTO(arena_finish) Arena arena = {0};
        LoadedFile file = {.path = mem_strdup(arena_cstr(&arena, files[i].path)),
                           .flavour = files[i].flavour,
                           .remembered = mem_grow(NULL, files[i].content.len + 1),
                           .remembered_len = files[i].content.len};
        memcpy(file.remembered, files[i].content.ptr, files[i].content.len);
        VEC_PUSH(*rules, files, file);
    }
    pthread_mutex_unlock(&rules->lock);
    pthread_mutex_unlock(&rules->work);
}

void rules_files(Rules *rules, Arena *arena, RulesFile **ret_files, size_t *ret_count) {
    pthread_mutex_lock(&rules->lock);
    *ret_files = arena_array(arena, RulesFile, rules->files_count + 1);
    *ret_count = 0;
    for (size_t i = 0; i < rules->files_count; i++) {
        const LoadedFile *file = &rules->files[i];
        if (file->live) {
            (*ret_files)[(*ret_count)++] =
                (RulesFile){.path = arena_str(arena, str_of(file->path)),
                            .flavour = file->flavour,
                            .content = arena_str(arena, file->live->content)};
        }
    }
    pthread_mutex_unlock(&rules->lock);
}

void rules_problems(Rules *rules, Buf *out) {
    pthread_mutex_lock(&rules->lock);
    for (size_t i = 0; i < rules->files_count; i++) {
        if (rules->files[i].error) {
            buf_str(out, str_of(rules->files[i].error));
        }
    }
    pthread_mutex_unlock(&rules->lock);
}
