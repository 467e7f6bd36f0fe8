#pragma once

/* The page's files (src/web/ui), compiled in. */

#include <stddef.h>

typedef struct UiFile {
    const char *name; /* NULL ends the table */
    const unsigned char *bytes;
    size_t len;
} UiFile;

extern const UiFile ui_files[];
