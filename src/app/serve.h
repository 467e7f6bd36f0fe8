#pragma once

/*
 * The server: opens every door in order, runs the loops, reloads, and closes all again.
 *
 *   scheduler   rules_tick -> one state transaction with notify_accept -> ALERTS series -> one log
 * sync delivery    notify_flush, notify_deliver scraper     pages of targets -> store opentsdb
 * telnet puts -> store, where configured orders      reloads asked for over HTTP; SIGHUP does the
 * same
 *
 * Everything a reload replaces while others may still read it (configuration, scraper, relabelling)
 * is kept until the server ends: a reload is rare and these are small.
 */

#include "base/err.h"
#include "base/str.h"

typedef struct ServeOptions {
    Str config_file; /* "" = none */
    Str listen;      /* these override the file where not empty */
    Str data_dir;
    const char *const *rules; /* globs; the single word "none" = no rules at all */
    size_t rules_count;       /* 0 = as the file says */
    bool self_scrape;
    Str log_format;
} ServeOptions;

/* Runs until SIGTERM or SIGINT. False: it could not start (every problem is on stderr). */
bool serve_run(const ServeOptions *options, Err *err);
