#pragma once

/*
 * As much of S3 as backups need: put, get, list. Requests are signed by libcurl (AWS signature
 * version 4); buckets are addressed by path (http://endpoint/bucket/key), which every
 * S3-compatible server knows. What fails for a reason that may pass (no connection, 429, 5xx) is
 * tried again a few times.
 */

#include "backup/backup.h"
#include "base/buf.h"

typedef struct S3 {
    Net *net;
    Str base;      /* "http://endpoint/bucket" */
    Str prefix;    /* of keys: "" or "a/b/" */
    Str signature; /* for libcurl: "aws:amz:REGION:s3" */
    const BackupTarget *target;
    const _Atomic bool *cancelled; /* may be NULL */
} S3;

/* Nothing is sent. Texts in `arena`; `target` is kept. */
bool s3_open(Net *net, const BackupTarget *target, Arena *arena, S3 *ret_s3, Err *err) MUST_CHECK;

bool s3_put(const S3 *s3, Str key, Str bytes, Err *err) MUST_CHECK;
/* ERR_NOT_FOUND where there is none. */
bool s3_get(const S3 *s3, Str key, size_t bytes_max, Arena *arena, Str *ret_bytes,
            Err *err) MUST_CHECK;
/* Names of the "folders" right under the prefix, without slashes. */
bool s3_list_folders(const S3 *s3, Arena *arena, Str **ret_names, size_t *ret_count,
                     Err *err) MUST_CHECK;

/* The answer of ListObjectsV2: adds the names of CommonPrefixes, cut to what stands behind
 * `prefix`; gives the token for the next page ("" = that was all). For s3_list_folders(), and for
 * tests. */
typedef struct S3Names {
    Str *items; /* on the heap */
    size_t items_count, items_cap;
} S3Names;
bool s3_read_listing(Str xml, Str prefix, Arena *arena, S3Names *names, Str *ret_token,
                     Err *err) MUST_CHECK;
