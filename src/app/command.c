#include "app/command.h"

#include <stdarg.h>
#include <stdio.h>

bool command_args(int argc, char **argv, const ArgSpec *spec, Args *ret_args, int *ret_status) {
    Err err = {0};
    if (!args_parse(argc, argv, spec, ret_args, &err)) {
        *ret_status = command_usage(spec, "%s", err.text);
        return false;
    }
    if (ret_args->help) {
        args_help(spec);
        args_finish(ret_args);
        *ret_status = EXIT_DONE;
        return false;
    }
    return true;
}

int command_run(int argc, char **argv, const ArgSpec *spec, CommandBody body) {
    Args args;
    int status;
    if (!command_args(argc, argv, spec, &args, &status)) {
        return status;
    }
    AUTO(arena_finish) Arena arena = {0};
    Err err = {0};
    status = body(&args, &arena, &err);
    if (err.kind != ERR_NONE) {
        command_fail(&err);
    }
    args_finish(&args);
    return status;
}

int command_fail(const Err *err) {
    fprintf(stderr, "belfry: %s\n", err->text);
    return EXIT_FAILED;
}

int command_usage(const ArgSpec *spec, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fputs("belfry: ", stderr);
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\nusage: %s  (--help tells more)\n", spec->usage);
    va_end(args);
    return EXIT_USAGE;
}

static void print_actions(FILE *out, const char *usage, const CommandAction *actions) {
    fprintf(out, "usage: %s\n\n", usage);
    for (const CommandAction *action = actions; action->name; action++) {
        fprintf(out, "  %-10s %s\n", action->name, action->purpose);
    }
}

int command_dispatch(int argc, char **argv, const char *usage, const CommandAction *actions) {
    const char *word = argc > 1 ? argv[1] : "";
    for (const CommandAction *action = actions; action->name; action++) {
        if (strcmp(word, action->name) == 0) {
            return action->run(argc - 1, argv + 1);
        }
    }
    bool help = strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
    if (!help && *word) {
        fprintf(stderr, "belfry: unknown word \"%s\"\n", word);
    }
    print_actions(help ? stdout : stderr, usage, actions);
    return help ? EXIT_DONE : EXIT_USAGE;
}
