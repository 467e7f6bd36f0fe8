#pragma once

/*
 * Where backups are, as folders and buckets have it in common.
 *
 *   begin    a new backup of this name is started
 *   put      a file of the staged directory becomes part of it; fills bytes, parts and hash
 *   finish   the manifest makes it a backup
 *   abandon  removes what there is of it, as far as that can be done
 *
 *   names     of what may be backups
 *   manifest  of one; ERR_NOT_FOUND where it was never finished
 *   get       one of its files, checked, at `path`
 */

#include "backup/manifest.h"
#include "backup/s3.h"

enum { PART_BYTES = 32 << 20 };

typedef struct Place Place;
struct Place {
    const struct PlaceKind *kind;
    const char *dir; /* of a folder */
    S3 s3;
    const char *partial; /* of the folder's backup that is being made */
    int lock_fd;         /* held meanwhile */
    Arena arena;
};

typedef struct PlaceKind {
    bool (*begin)(Place *place, Str name, Err *err);
    bool (*put)(Place *place, Str name, const char *staged, ManifestFile *file, Err *err);
    bool (*finish)(Place *place, Str name, Str manifest, Err *err);
    void (*abandon)(Place *place, Str name);
    bool (*names)(Place *place, Arena *arena, Str **ret_names, size_t *ret_count, Err *err);
    bool (*manifest)(Place *place, Str name, Arena *arena, Str *ret_text, Err *err);
    bool (*get)(Place *place, Str name, const ManifestFile *file, const char *path, Err *err);
} PlaceKind;

extern const PlaceKind place_folder, place_bucket;

bool place_open(Net *net, const BackupTarget *target, const _Atomic bool *cancelled,
                Place *ret_place, Err *err) MUST_CHECK;
void place_close(Place *place);

/* "0123...": the hash of a part, behind those before it. */
void place_hash(Buf *hashes, Str part);
