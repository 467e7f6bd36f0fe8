#pragma once

/* The further actions of `belfry silence` (command_quiet.c). */

#include "app/client.h"
#include "app/command.h"

int silence_preview(int argc, char **argv);
int silence_history(int argc, char **argv);
int silence_export(int argc, char **argv);
int silence_import(int argc, char **argv);

/* True of a maintenance flag, which /api/v2/silences lists, too, for programs that know none. */
bool quiet_is_flag(const cJSON *silence);

/* Prints what the matchers in `args->words` would keep quiet: a CommandBody. */
int quiet_preview(const Args *args, Arena *arena, Err *err);
