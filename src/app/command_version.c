/* belfry version */

#include <stdio.h>

#include "app/command.h"
#include "app/commands.h"

int command_version(int argc, char **argv) {
    static const ArgOption options[] = {{NULL, NULL, NULL}};
    static const ArgSpec spec = {"belfry version", "Prints the version.", options};
    Args args;
    int status;
    if (!command_args(argc, argv, &spec, &args, &status)) {
        return status;
    }
    printf("belfry %s\n", BELFRY_VERSION);
    args_finish(&args);
    return EXIT_DONE;
}
