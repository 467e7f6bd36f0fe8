#pragma once

/*
 * manifest.json: what a backup consists of.
 *
 *     {"format": 1, "name": "belfry-20261128T003812Z", "created_at": "...", "version": "0.1.0",
 *      "series": 1, "samples": 2, "min_time": "...", "max_time": "...",
 *      "files": [{"path": "blocks/b-0-1-0-1.tsb", "bytes": 561, "parts": 1,
 *                 "hash": "2f...", the XXH3-128 of each part after the other }]}
 *
 * It comes from outside when it is read: every path is one of those a data directory has.
 */

#include "backup/backup.h"
#include "base/buf.h"

enum { MANIFEST_BYTES_MAX = 256 << 20, MANIFEST_FILES_MAX = 1000 * 1000 };
#define MANIFEST_NAME "manifest.json"

typedef struct ManifestFile {
    Str path; /* "FORMAT", "state.db", "blocks/NAME" */
    uint64_t bytes;
    uint64_t parts; /* a bucket's; 0 for an empty file, which has no object */
    Str hash; /* "" = not known: the file is a link to the block, which has its own checksums */
} ManifestFile;

typedef struct Manifest {
    BackupInfo info;
    ManifestFile *files;
    size_t file_count;
} Manifest;

void manifest_write(const Manifest *manifest, Buf *out);
/* ERR_CORRUPT says what is wrong. Texts in `arena`. */
bool manifest_read(Str text, Arena *arena, Manifest *ret_manifest, Err *err) MUST_CHECK;

/* True for a name a backup can have: letters, digits, '.', '-', '_', no leading dot. */
bool backup_name_ok(Str name);
