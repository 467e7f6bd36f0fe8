#include "store/blocks.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/headflush.h"

enum { LEVEL_MAX = 2 };

/* Windows per block of a level. */
static const int64_t level_windows[LEVEL_MAX + 1] = {1, 12, 360};

static DurationMs level_span(const Store *store, int level) {
    return store->head.span * level_windows[level];
}

static void path_of(const Store *store, const char *folder, const char *name, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%s/%s%s%s", store->dir, folder, name[0] ? "/" : "", name);
}

/* ---- the list ---- */

BlockList *blocks_list(Store *store) {
    pthread_mutex_lock(&store->list_lock);
    BlockList *list = blocklist_ref(store->blocks);
    pthread_mutex_unlock(&store->list_lock);
    return list;
}

void blocks_put_list(Store *store, BlockList *list) {
    pthread_mutex_lock(&store->list_lock);
    BlockList *old = store->blocks;
    store->blocks = list;
    pthread_mutex_unlock(&store->list_lock);
    select_cache_clear(store->selections);
    blocklist_unref(old);
}

uint64_t blocks_bytes(const BlockList *list) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < list->count; i++) {
        bytes += block_info(list->entries[i].block)->bytes;
    }
    return bytes;
}

static void tombstones_path(const Store *store, char path[PATH_MAX]) {
    path_of(store, "blocks", "tombstones", path);
}

/* ---- loading ---- */

static void quarantine(Store *store, const char *name, const Err *reason) {
    char from[PATH_MAX], to[PATH_MAX];
    path_of(store, "blocks", name, from);
    path_of(store, "quarantine", name, to);
    store->files->rename(store->files->ctx, from, to);
    counter_add(&store->damaged, 1);
    log_event(LOG_ERROR, "block set aside", LOG_STR("path", str_of(to)),
              LOG_STR("reason", str_of(reason->text)));
}

/* Opens one file; true also where it was set aside. */
static bool load_block(Store *store, const char *name, uint64_t number, Err *err) {
    char path[PATH_MAX];
    path_of(store, "blocks", name, path);
    BlockEntry entry = {.number = number};
    bool good = block_open(path, &entry.block, err) &&
                tombstones_resolve(&store->tombstones, entry.block, &entry.hidden, err);
    if (!good) {
        block_unref(entry.block);
        if (err->kind != ERR_CORRUPT) {
            return false;
        }
        quarantine(store, name, err);
        return true;
    }
    blocks_put_list(store, blocklist_change(store->blocks, NULL, 0, &entry));
    store->block_number = number > store->block_number ? number : store->block_number;
    return true;
}

bool blocks_load(Store *store, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    char path[PATH_MAX];
    Str *names;
    size_t count;
    uint64_t damaged;
    tombstones_path(store, path);
    if (!tombstones_load(&store->tombstones, path, &damaged, err)) {
        return false;
    }
    counter_add(&store->damaged, damaged);
    path_of(store, "blocks", "", path);
    if (!dir_list(&arena, path, &names, &count, err)) {
        return false;
    }
    blocks_put_list(store, blocklist_change(NULL, NULL, 0, NULL));
    for (size_t i = 0; i < count; i++) {
        const char *name = arena_cstr(&arena, names[i]);
        uint64_t number;
        if (str_ends(names[i], STR(".tmp"))) {
            path_of(store, "blocks", name, path);
            store->files->unlink(store->files->ctx, path);
        } else if (block_name_parse(names[i], &number) && !load_block(store, name, number, err)) {
            return false;
        }
    }
    return true;
}

/* ---- flushing ---- */

static bool write_flush(Store *store, HeadFlush *flush, TimeMs from, TimeMs to, int level,
                        BlockEntry *ret_entry, Err *err) {
    char name[BLOCK_NAME_MAX], path[PATH_MAX];
    uint64_t number = store->block_number + 1;
    block_name(name, from, to, level, number);
    path_of(store, "blocks", name, path);
    BlockSource source = headflush_source(flush);
    BlockWriteOptions options = {.path = path,
                                 .window = store->head.span,
                                 .level = 0,
                                 .files = store->files,
                                 .pool = store->pool};
    BlockInfo info;
    *ret_entry = (BlockEntry){.number = number};
    if (!block_write(&options, &source, &info, err)) {
        return false;
    }
    if (info.sample_count > 0 && !block_open(path, &ret_entry->block, err)) {
        return err_context(err, "the block just written");
    }
    store->block_number = number;
    return true;
}

/* One block from the windows that begin in [from, to]. */
static bool flush_group(Store *store, TimeMs from, TimeMs to, int level, Err *err) {
    HeadFlush flush;
    BlockEntry entry;
    if (!headflush_begin(&store->head, from, to, &flush, err)) {
        return false;
    }
    if (flush.count == 0) {
        headflush_finish(&flush);
        return true;
    }
    if (!write_flush(store, &flush, from, to + store->head.span - 1, level, &entry, err)) {
        headflush_abort(&flush);
        headflush_finish(&flush);
        return false;
    }
    BlockList *list = blocklist_change(store->blocks, NULL, 0, entry.block ? &entry : NULL);
    head_gate_shut(&store->head);
    headflush_publish(&flush);
    blocks_put_list(store, list);
    head_gate_open(&store->head);
    headflush_finish(&flush);
    headflush_collect(&store->head);
    counter_add(&store->flushes, 1);
    return true;
}

/* Windows that go into one block with `windows[first]`: those of its thirty days if they are spread
 * over more than two days, else those of its day if there is more than one. */
static size_t group_end(const Store *store, const HeadWindow *windows, size_t count, size_t first,
                        int *ret_level) {
    size_t end[LEVEL_MAX + 1];
    for (int level = 0; level <= LEVEL_MAX; level++) {
        TimeMs bucket = window_of(windows[first].start, level_span(store, level));
        end[level] = first + 1;
        while (end[level] < count &&
               window_of(windows[end[level]].start, level_span(store, level)) == bucket) {
            end[level]++;
        }
    }
    TimeMs last = windows[end[2] - 1].start;
    bool spread = last - windows[first].start > 2 * level_span(store, 1);
    *ret_level = spread ? 2 : end[1] - first > 1 ? 1 : 0;
    return end[*ret_level];
}

bool blocks_flush(Store *store, TimeMs from, TimeMs to, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    HeadWindow *windows;
    size_t count;
    headflush_windows(&store->head, &arena, &windows, &count);
    for (size_t i = 0; i < count;) {
        if (windows[i].start < from || windows[i].start > to) {
            i++;
            continue;
        }
        int level;
        size_t end = group_end(store, windows, count, i, &level);
        while (windows[end - 1].start > to) {
            end--;
        }
        if (!flush_group(store, windows[i].start, windows[end - 1].start, level, err)) {
            return err_context(err, "cannot flush");
        }
        i = end;
    }
    return true;
}

/* ---- merging ---- */

static void remove_files(Store *store, const BlockEntry *entries, size_t count, const char *but) {
    for (size_t i = 0; i < count; i++) {
        const char *path = block_path(entries[i].block);
        if (!but || strcmp(path, but) != 0) {
            store->files->unlink(store->files->ctx, path);
        }
    }
    if (tombstones_forget(&store->tombstones, entries, count)) {
        Err err;
        char path[PATH_MAX];
        tombstones_path(store, path);
        if (!tombstones_save(&store->tombstones, store->files, path, &err)) {
            log_event(LOG_WARN, "old deletions stay listed", LOG_STR("reason", str_of(err.text)));
        }
    }
}

static TimeMs keep_from(Store *store, TimeMs now) {
    pthread_rwlock_rdlock(&store->config_lock);
    DurationMs retention = store->config.retention_time;
    pthread_rwlock_unlock(&store->config_lock);
    return retention > 0 ? now - retention : TIME_MIN;
}

static TimeMs earliest(const BlockEntry *inputs, size_t count) {
    TimeMs min = TIME_MAX;
    for (size_t i = 0; i < count; i++) {
        TimeMs time = block_info(inputs[i].block)->min;
        min = time < min ? time : min;
    }
    return min;
}

static TimeMs latest(const BlockEntry *inputs, size_t count) {
    TimeMs max = TIME_MIN;
    for (size_t i = 0; i < count; i++) {
        TimeMs time = block_info(inputs[i].block)->max;
        max = time > max ? time : max;
    }
    return max;
}

/* Puts `inputs` (by number) into one block. */
static bool merge(Store *store, const BlockEntry *inputs, size_t count, int level, TimeMs now,
                  Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    BlockInput *from = arena_array(&arena, BlockInput, count);
    for (size_t i = 0; i < count; i++) {
        const HiddenSet *hidden = inputs[i].hidden;
        from[i] = (BlockInput){inputs[i].block, hidden ? hidden->ranges : NULL,
                               hidden ? hidden->count : 0};
    }
    BlockEntry merged = {.number = inputs[count - 1].number};
    char name[BLOCK_NAME_MAX], path[PATH_MAX];
    block_name(name, earliest(inputs, count), latest(inputs, count), level, merged.number);
    path_of(store, "blocks", name, path);
    BlockWriteOptions options = {.path = path,
                                 .window = store->head.span,
                                 .level = level,
                                 .files = store->files,
                                 .pool = store->pool};
    BlockInfo info;
    if (!block_merge(&options, from, count, keep_from(store, now), &info, err) ||
        (info.sample_count > 0 && !block_open(path, &merged.block, err))) {
        return err_context(err, "cannot merge blocks");
    }
    BlockList *list = blocklist_change(store->blocks, inputs, count, merged.block ? &merged : NULL);
    BlockList *old = blocks_list(store); /* keeps `inputs` readable */
    blocks_put_list(store, list);
    remove_files(store, inputs, count, merged.block ? path : NULL);
    blocklist_unref(old);
    counter_add(&store->merges, 1);
    return true;
}

/* Blocks that lie within [from, to), by number. On the heap. */
static size_t within(const BlockList *list, TimeMs from, TimeMs to, BlockEntry **ret_entries) {
    BlockEntry *entries = mem_grow(NULL, (list->count + 1) * sizeof *entries);
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        const BlockInfo *info = block_info(list->entries[i].block);
        if (info->min >= from && info->max < to) {
            entries[count++] = list->entries[i];
        }
    }
    *ret_entries = entries;
    return count;
}

/* Rewriting a big block for a few late samples is not worth it: merged is when the others together
 * are a tenth of the biggest, or many. */
static bool worth_merging(const BlockEntry *entries, size_t count) {
    enum { MANY = 8, SHARE = 10 };
    uint64_t all = 0, biggest = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t bytes = block_info(entries[i].block)->bytes;
        all += bytes;
        biggest = bytes > biggest ? bytes : biggest;
    }
    return count > 1 && (count >= MANY || (all - biggest) * SHARE >= biggest);
}

/* Blocks of one level's span around `time` become one, if that is due. */
static bool merge_around(Store *store, TimeMs time, int level, TimeMs now, bool all, bool *ret_any,
                         Err *err) {
    DurationMs span = level_span(store, level);
    TimeMs from = window_of(time, span);
    *ret_any = false;
    if (!all && from + span + store->head.span > now) {
        return true;
    }
    BlockList *list = blocks_list(store);
    BlockEntry *entries;
    size_t count = within(list, from, from + span, &entries);
    bool good = true;
    if (all ? count > 1 : worth_merging(entries, count)) {
        *ret_any = true;
        good = merge(store, entries, count, level, now, err);
    }
    free(entries);
    blocklist_unref(list);
    return good;
}

/* One merge of a level, if there is any to do. */
static bool merge_one(Store *store, int level, TimeMs now, bool all, bool *ret_any, Err *err) {
    BlockList *list = blocks_list(store);
    bool good = true;
    *ret_any = false;
    for (size_t i = 0; i < list->count && good && !*ret_any; i++) {
        TimeMs min = block_info(list->entries[i].block)->min;
        good = merge_around(store, min, level, now, all, ret_any, err);
    }
    blocklist_unref(list);
    return good;
}

bool blocks_clean(Store *store, TimeMs now, Err *err) {
    BlockList *list = blocks_list(store);
    bool good = true;
    for (size_t i = 0; i < list->count && good; i++) {
        if (list->entries[i].hidden) {
            int level = block_info(list->entries[i].block)->level;
            good = merge(store, &list->entries[i], 1, level > 0 ? level : 1, now, err);
        }
    }
    blocklist_unref(list);
    return good;
}

/* A block that was never merged gets its final, denser form. */
static bool finish_lone(Store *store, TimeMs now, Err *err) {
    BlockList *list = blocks_list(store);
    bool good = true;
    for (size_t i = 0; i < list->count && good; i++) {
        if (block_info(list->entries[i].block)->level == 0) {
            good = merge(store, &list->entries[i], 1, 1, now, err);
        }
    }
    blocklist_unref(list);
    return good;
}

bool blocks_merge(Store *store, TimeMs now, bool all, Err *err) {
    for (int level = all ? LEVEL_MAX : 1; level <= LEVEL_MAX; level++) {
        for (bool any = true; any;) {
            if (!merge_one(store, level, now, all, &any, err)) {
                return false;
            }
        }
    }
    return !all || (blocks_clean(store, now, err) && finish_lone(store, now, err));
}

/* ---- retention ---- */

static uint64_t bytes_allowed(Store *store) {
    pthread_rwlock_rdlock(&store->config_lock);
    uint64_t bytes = store->config.retention_bytes;
    int percent = store->config.retention_percent;
    pthread_rwlock_unlock(&store->config_lock);
    struct statvfs disk;
    if (percent > 0 && statvfs(store->dir, &disk) == 0) {
        uint64_t share = (uint64_t)disk.f_blocks * disk.f_frsize / 100 * (uint64_t)percent;
        bytes = bytes == 0 || share < bytes ? share : bytes;
    }
    return bytes;
}

static void drop_block(Store *store, const BlockEntry *entry, const char *why) {
    BlockList *old = blocks_list(store);
    BlockEntry dropped = *entry;
    blocks_put_list(store, blocklist_change(store->blocks, &dropped, 1, NULL));
    log_event(LOG_INFO, "block removed", LOG_STR("path", str_of(block_path(dropped.block))),
              LOG_STR("reason", str_of(why)));
    remove_files(store, &dropped, 1, NULL);
    blocklist_unref(old);
}

static const BlockEntry *oldest_block(const BlockList *list) {
    const BlockEntry *oldest = NULL;
    for (size_t i = 0; i < list->count; i++) {
        if (!oldest || block_info(list->entries[i].block)->max < block_info(oldest->block)->max) {
            oldest = &list->entries[i];
        }
    }
    return oldest;
}

void blocks_retain(Store *store, TimeMs now) {
    TimeMs from = keep_from(store, now);
    uint64_t allowed = bytes_allowed(store);
    while (store->blocks->count > 0) {
        const BlockEntry *oldest = oldest_block(store->blocks);
        bool too_old = block_info(oldest->block)->max < from;
        bool too_much = allowed > 0 && blocks_bytes(store->blocks) > allowed;
        if (!too_old && !too_much) {
            return;
        }
        drop_block(store, oldest, too_old ? "retention time" : "retention size");
    }
}

/* ---- deletion ---- */

bool blocks_hide(Store *store, const RecordDelete *deletion, BlockList **ret_list, Err *err) {
    AUTO(blocklist_unrefp) BlockList *list = blocks_list(store);
    size_t added = 0;
    for (size_t i = 0; i < list->count; i++) {
        AUTO(arena_finish) Arena arena = {0};
        const BlockEntry *entry = &list->entries[i];
        uint32_t *ordinals;
        size_t count;
        if (!block_select(entry->block, deletion->sets, deletion->set_count, deletion->from,
                          deletion->to, &arena, &ordinals, &count, err)) {
            tombstones_undo(&store->tombstones, added);
            return false;
        }
        if (count > 0) {
            tombstones_add(&store->tombstones, block_file_name(entry->block), deletion);
            added++;
            HiddenSet *hidden =
                hidden_with(entry->hidden, ordinals, count, deletion->from, deletion->to);
            BlockList *changed = blocklist_hide(list, i, hidden);
            blocklist_unref(list);
            list = changed;
        }
    }
    char path[PATH_MAX];
    tombstones_path(store, path);
    if (added > 0 && !tombstones_save(&store->tombstones, store->files, path, err)) {
        tombstones_undo(&store->tombstones, added);
        return false;
    }
    *ret_list = TAKE(list);
    return true;
}
