#pragma once

/*
 * The target files of one job: read again when one of them changes, appears or goes.
 *
 * A file that cannot be read or parsed (an editor is just writing it) leaves the targets as they
 * were, and the log says so once.
 *
 * Threads: belongs to the thread that scrapes.
 */

#include "ingest/scrape_config.h"

/* How often files are looked at; refresh_interval only where it is shorter. */
#define FILE_SD_LOOK (5 * SECOND_MS)

typedef struct FileSdGroup {
    const TargetGroup *groups;
    size_t count;
    Str path; /* label __meta_filepath */
} FileSdGroup;

typedef struct FileSdState {
    Arena arena; /* of the groups */
    FileSdGroup *files;
    size_t file_count;
    uint64_t signature; /* of names, sizes and change times */
    TimeMs next_look;
    bool read_once;
} FileSdState;

/* Looks if it is time. True if the groups changed. */
bool file_sd_look(FileSdState *state, const ScrapeJob *job, TimeMs now);
void file_sd_finish(FileSdState *state);
