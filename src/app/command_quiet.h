#pragma once

/* The further actions of `belfry silence` (command_quiet.c). */

#include "app/client.h"

int silence_preview(int argc, char **argv);
int silence_history(int argc, char **argv);
int silence_export(int argc, char **argv);
int silence_import(int argc, char **argv);

/* Prints what the matchers in `args->words` would keep quiet. */
bool quiet_preview(const Args *args, Err *err) MUST_CHECK;
