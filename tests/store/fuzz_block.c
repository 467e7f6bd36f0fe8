/* Block files from outside: opening one says no or yields a block that can be read, with what is
 * damaged left out. The checksums that the footer holds are put right first. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "store/block_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void set_u32(char *at, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        at[i] = (char)(value >> (8 * i));
    }
}

/* Offsets as drawn in blockfile.c. */
static void correct_checksums(char *bytes, size_t size) {
    char *footer = bytes + size - BLOCK_FOOTER_BYTES;
    ByteReader reader = reader_of((Str){footer + 32, 32});
    uint64_t index_at = reader_u64(&reader), index_len = reader_u64(&reader);
    uint64_t table_at = reader_u64(&reader), table_len = reader_u64(&reader);
    if (index_at <= size && index_len <= size - index_at) {
        set_u32(footer + 20, crc32c(0, bytes + index_at, index_len));
    }
    if (table_at <= size && table_len <= size - table_at) {
        set_u32(footer + 24, crc32c(0, bytes + table_at, table_len));
    }
    set_u32(footer + BLOCK_FOOTER_BYTES - 4, crc32c(0, footer, BLOCK_FOOTER_BYTES - 4));
}

static void read_all(const Block *block) {
    AUTO(arena_finish) Arena arena = {0};
    uint32_t *ordinals;
    size_t count;
    Err err;
    if (!block_select(block, NULL, 0, TIME_MIN, TIME_MAX, &arena, &ordinals, &count, &err)) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        SeriesData data;
        block_labels(block, ordinals[i], &arena);
        block_read(block, ordinals[i], TIME_MIN, TIME_MAX, &arena, &data);
        for (size_t j = 1; j < data.count; j++) {
            if (data.times[j] <= data.times[j - 1]) {
                abort(); /* promised to every reader */
            }
        }
    }
    if (block_verify(block, &err) && block_damaged(block)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < BLOCK_HEADER_BYTES + BLOCK_FOOTER_BYTES) {
        return 0;
    }
    log_setup(LOG_ERROR + 1, LOG_LOGFMT);
    char *bytes = malloc(size), path[64];
    memcpy(bytes, data, size);
    correct_checksums(bytes, size);
    AUTO(fd_close) int fd = memfd_create("block", MFD_CLOEXEC);
    Err err;
    if (fd < 0 || !fd_write_all(fd, bytes, size, "memory", &err)) {
        abort();
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    Block *block = NULL;
    if (block_open(path, &block, &err)) {
        read_all(block);
    }
    block_unref(block);
    free(bytes);
    return 0;
}
