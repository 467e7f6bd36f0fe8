/* belfry version */

#include <stdio.h>

#include "app/commands.h"

int command_version(int argc, char **argv) {
    (void)argc;
    (void)argv;
    printf("belfry %s\n", BELFRY_VERSION);
    return 0;
}
