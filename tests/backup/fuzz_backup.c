/* What comes from a bucket: a listing, and a manifest whose paths must stay inside. */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "backup/manifest.h"
#include "backup/s3.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    Str text = {(const char *)bytes, len};
    Arena arena = {0};
    Err err = {0};
    Manifest manifest;
    if (manifest_read(text, &arena, &manifest, &err)) {
        for (size_t i = 0; i < manifest.file_count; i++) {
            Str path = manifest.files[i].path;
            assert(path.len && path.ptr[0] != '/' && path.ptr[0] != '.' &&
                   !memmem(path.ptr, path.len, "/.", 2));
        }
    }
    S3Names names = {0};
    Str token;
    if (s3_read_listing(text, STR("p/"), &arena, &names, &token, &err)) {
        assert(token.len <= len);
    }
    free(names.items);
    arena_finish(&arena);
    return 0;
}
