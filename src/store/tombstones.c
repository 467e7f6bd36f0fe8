/*
 * TOMBSTONES  blocks/tombstones
 *
 *   records in the frames of journal.c, of type DELETE: varint length of the block's file name, the
 * name, and what record.c draws as DELETE.
 *
 * The file is replaced as a whole: deletions are rare and few.
 */

#include "store/tombstones.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/journal.h"

enum { TOMBSTONES_BYTES_MAX = 256 << 20 };

static void free_item(Tombstone *item) {
    free(item->block);
    free((char *)item->deletion.ptr);
}

void tombstones_finish(Tombstones *tombstones) {
    for (size_t i = 0; i < tombstones->items_count; i++) {
        free_item(&tombstones->items[i]);
    }
    free(tombstones->items);
    *tombstones = (Tombstones){0};
}

static void put(Tombstones *tombstones, Str block, Str deletion) {
    Tombstone item = {mem_grow(NULL, block.len + 1), {mem_grow(NULL, deletion.len + 1), 0}};
    memcpy(item.block, block.ptr, block.len);
    item.block[block.len] = '\0';
    memcpy((char *)item.deletion.ptr, deletion.ptr, deletion.len);
    item.deletion.len = deletion.len;
    VEC_PUSH(*tombstones, items, item);
}

static bool take_record(Tombstones *tombstones, uint32_t type, Str payload) {
    ByteReader reader = reader_of(payload);
    uint64_t len = reader_varint(&reader);
    Str block = reader_bytes(&reader, len);
    if (reader.bad || type != RECORD_DELETE) {
        return false;
    }
    put(tombstones, block, (Str){(const char *)reader.at, reader_left(&reader)});
    return true;
}

bool tombstones_load(Tombstones *tombstones, const char *path, uint64_t *ret_damaged, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    Str bytes;
    *ret_damaged = 0;
    if (access(path, F_OK) != 0) {
        return true;
    }
    if (!file_read(&arena, path, TOMBSTONES_BYTES_MAX, &bytes, err)) {
        return false;
    }
    while (bytes.len > 0) {
        uint32_t type, len, crc;
        if (bytes.len < JOURNAL_FRAME ||
            !journal_unframe((const uint8_t *)bytes.ptr, &type, &len, &crc) ||
            len > bytes.len - JOURNAL_FRAME) {
            (*ret_damaged)++;
            break;
        }
        Str payload = {bytes.ptr + JOURNAL_FRAME, len};
        if (journal_crc(type, payload) != crc || !take_record(tombstones, type, payload)) {
            (*ret_damaged)++;
        }
        bytes = str_skip(bytes, JOURNAL_FRAME + len);
    }
    if (*ret_damaged > 0) {
        log_event(LOG_ERROR, "deletions damaged, deleted samples may show again",
                  LOG_STR("path", str_of(path)));
    }
    return true;
}

bool tombstones_save(const Tombstones *tombstones, const StoreFiles *files, const char *path,
                     Err *err) {
    AUTO(buf_finish) Buf all = {0};
    AUTO(buf_finish) Buf payload = {0};
    for (size_t i = 0; i < tombstones->items_count; i++) {
        const Tombstone *item = &tombstones->items[i];
        payload.len = 0;
        buf_varint(&payload, strlen(item->block));
        buf_str(&payload, str_of(item->block));
        buf_str(&payload, item->deletion);
        journal_frame(&all, RECORD_DELETE, buf_view(&payload));
    }
    return files_replace(files, path, buf_view(&all), err);
}

void tombstones_add(Tombstones *tombstones, Str block, const RecordDelete *deletion) {
    AUTO(buf_finish) Buf coded = {0};
    record_put_delete(&coded, deletion);
    put(tombstones, block, buf_view(&coded));
}

static bool is_about(const Tombstone *item, const BlockEntry *entries, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (str_eq(block_file_name(entries[i].block), str_of(item->block))) {
            return true;
        }
    }
    return false;
}

bool tombstones_forget(Tombstones *tombstones, const BlockEntry *entries, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < tombstones->items_count; i++) {
        if (is_about(&tombstones->items[i], entries, count)) {
            free_item(&tombstones->items[i]);
        } else {
            tombstones->items[kept++] = tombstones->items[i];
        }
    }
    bool changed = kept < tombstones->items_count;
    tombstones->items_count = kept;
    return changed;
}

void tombstones_undo(Tombstones *tombstones, size_t count) {
    while (count-- > 0) {
        free_item(&tombstones->items[--tombstones->items_count]);
    }
}

static bool resolve_one(const Tombstone *item, const Block *block, HiddenSet **hidden, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    MatcherSet *sets;
    RecordDelete deletion;
    if (!record_get_delete(item->deletion, &arena, &sets, &deletion, err)) {
        return false;
    }
    uint32_t *ordinals;
    size_t count;
    bool good = block_select(block, sets, deletion.set_count, deletion.from, deletion.to, &arena,
                             &ordinals, &count, err);
    if (good && count > 0) {
        HiddenSet *more = hidden_with(*hidden, ordinals, count, deletion.from, deletion.to);
        hidden_unref(*hidden);
        *hidden = more;
    }
    for (size_t i = 0; i < deletion.set_count; i++) {
        matcher_set_finish(&sets[i]);
    }
    return good;
}

bool tombstones_resolve(const Tombstones *tombstones, const Block *block, HiddenSet **ret_hidden,
                        Err *err) {
    HiddenSet *hidden = NULL;
    for (size_t i = 0; i < tombstones->items_count; i++) {
        if (str_eq(block_file_name(block), str_of(tombstones->items[i].block)) &&
            !resolve_one(&tombstones->items[i], block, &hidden, err)) {
            hidden_unref(hidden);
            return false;
        }
    }
    *ret_hidden = hidden;
    return true;
}
