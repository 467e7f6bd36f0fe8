#pragma once

/* The further actions of `belfry silence` (command_quiet.c). */

#include "app/command.h"

int silence_preview(int argc, char **argv);
int silence_history(int argc, char **argv);
int silence_export(int argc, char **argv);
int silence_import(int argc, char **argv);

/* Prints what the matchers in `args->words` would keep quiet: a CommandBody. */
int quiet_preview(const Args *args, Arena *arena, Err *err);
