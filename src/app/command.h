#pragma once

/* What all subcommands share: parsing with help, and how a failure is told. */

#include "app/args.h"
#include "app/client.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_FINDINGS = 3 };

/* Parses; true to go on. False: *ret_status is what to exit with (help was printed, or the
 * complaint). */
bool command_args(int argc, char **argv, const ArgSpec *spec, Args *ret_args, int *ret_status);

/* What a subcommand does once its options are read; gives the exit status. A failure it leaves in
 * `err` is printed by command_run(). */
typedef int (*CommandBody)(const Args *args, Arena *arena, Err *err);

/* The way of most subcommands: command_args(), then `body` with an arena for what it builds. */
int command_run(int argc, char **argv, const ArgSpec *spec, CommandBody body);

/* "belfry: text" on stderr; returns EXIT_FAILED. */
int command_fail(const Err *err);

/* "belfry NAME: ..." for wrong usage; returns EXIT_USAGE. */
int command_usage(const ArgSpec *spec, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* One action of a subcommand that has several: `belfry silence add ...`. */
typedef struct CommandAction {
    const char *name; /* NULL ends the table */
    int (*run)(int argc, char **argv);
    const char *purpose;
} CommandAction;

/* Runs the action argv[1] names, with argv moved on by one; without or with an unknown one prints
 * the table. */
int command_dispatch(int argc, char **argv, const char *usage, const CommandAction *actions);
