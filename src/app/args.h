#pragma once

/*
 * The command line of one subcommand: long options from a table, the rest are positional. The same
 * table prints the help.
 */

#include "base/arena.h"
#include "base/err.h"

enum { ARGS_OPTIONS_MAX = 32 };

typedef struct ArgOption {
    const char *name;  /* without dashes; NULL ends the table */
    const char *value; /* what the help calls its value, e.g. "ADDR:PORT"; NULL = a switch */
    const char *help;
} ArgOption;

typedef struct ArgSpec {
    const char *usage;   /* "belfry serve [OPTIONS]" */
    const char *purpose; /* a paragraph */
    const ArgOption *options;
} ArgSpec;

/* Values stay in argv. */
typedef struct Args {
    const ArgSpec *spec;
    const char **values[ARGS_OPTIONS_MAX]; /* per option, in order given; a switch counts as "" */
    size_t counts[ARGS_OPTIONS_MAX];
    const char **words; /* positional */
    size_t word_count;
    bool help;
    Arena arena;
} Args;

/* argv[0] is the subcommand's name. An unknown or incomplete option is ERR_INVALID with a
 * suggestion. */
bool args_parse(int argc, char **argv, const ArgSpec *spec, Args *ret_args, Err *err) MUST_CHECK;
void args_finish(Args *args);

/* The last value given, or NULL. */
const char *args_get(const Args *args, const char *name);
bool args_has(const Args *args, const char *name);
/* All values of a repeatable option. */
size_t args_all(const Args *args, const char *name, const char *const **ret_values);

void args_help(const ArgSpec *spec);
