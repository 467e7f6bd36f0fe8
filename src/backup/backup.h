#pragma once

/*
 * Backups: everything a data directory has, as it stands at one moment, while the server runs.
 *
 *     store_backup()   blocks, hard-linked   \
 *     state_backup()   state.db, a copy       >  snapshots/.backup-NAME  -->  TO/NAME
 *     manifest.json    what belongs to it    /   (in the data directory)
 *
 * TO is a folder of the machine, where blocks are linked if it is on the same file system and
 * copied if it is not, or `s3://BUCKET/PREFIX`. A backup exists from the moment its manifest does:
 * in a folder it is built under a name that starts with a dot and renamed at the end, in a bucket
 * the manifest is the last object that is written. So whatever ends a backup early, half a one is
 * never listed.
 *
 * What is in TO/NAME of a folder is a data directory: it can be inspected, verified and even served
 * in place. In a bucket large files are cut into parts.
 *
 * Threads: every function may be called from any thread; one backup is made at a time, a second one
 * is ERR_CONFLICT.
 */

#include "net/net.h"
#include "state/state.h"
#include "store/store.h"

/* Where backups are. Texts belong to the caller. */
typedef struct BackupTarget {
    Str to;                                    /* "/var/backups/belfry" or "s3://bucket/prefix" */
    Str endpoint;                              /* of the bucket; "" = AWS in `region` */
    Str region;                                /* "" = us-east-1 */
    Str access_key, secret_key, session_token; /* session_token may be "" */
} BackupTarget;

/* Fills what is empty: from `fallback` (may be NULL), then from the environment as AWS' own tools
 * do (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_DEFAULT_REGION,
 * AWS_ENDPOINT_URL). Keys are only taken from `fallback` together with its `to`: they are not sent
 * to another bucket. */
void backup_target_fill(BackupTarget *target, const BackupTarget *fallback);
bool backup_target_check(const BackupTarget *target, Err *err) MUST_CHECK;

/* One backup. Texts in the arena of whoever asked. */
typedef struct BackupInfo {
    Str name;
    TimeMs created_at;
    TimeMs min, max; /* of the samples; TIME_MAX, TIME_MIN where it has none */
    uint64_t series, samples, bytes, files;
    Str version; /* of the program that made it */
    Str problem; /* why it cannot be restored; "" if it can */
} BackupInfo;

typedef struct Backups Backups;

/* `dir` is the data directory; what an earlier process left half done in it is removed. Nothing is
 * owned. */
Backups *backups_new(Store *store, State *state, Net *net, const char *dir);
void backups_free(Backups *backups); /* accepts NULL */
/* Where backups go unless the caller says otherwise, and whether the caller may: copied. */
void backups_set_target(Backups *backups, const BackupTarget *target);
/* The configured target, completed by the environment: texts in `arena`. */
void backups_target(Backups *backups, Arena *arena, BackupTarget *ret_target);

/* Makes one. `asked` names the place; what it leaves empty comes from the configured target. With a
 * configured target another `to` is ERR_INVALID: who may ask for a backup need not be who decides
 * where the data goes. Stops early, leaving nothing, when `*cancelled`. */
bool backups_create(Backups *backups, const BackupTarget *asked, TimeMs now,
                    const _Atomic bool *cancelled, Arena *arena, BackupInfo *ret_info,
                    Err *err) MUST_CHECK;
void backups_metrics(Backups *backups, MetricWriter *out);

/* All finished backups, oldest first; damaged ones among them with their `problem`. */
bool backup_list(Net *net, const BackupTarget *target, Arena *arena, BackupInfo **ret_infos,
                 size_t *ret_count, Err *err) MUST_CHECK;

/* Brings backup `name` ("" or "latest": the newest that is sound) into `dir`, which must be empty
 * or not exist (ERR_CONFLICT). Every file's length and hash is checked. Until it is complete no
 * server starts on `dir`. */
bool backup_restore(Net *net, const BackupTarget *target, Str name, const char *dir, Arena *arena,
                    BackupInfo *ret_info, Err *err) MUST_CHECK;
