#pragma once

/* What the two halves of the index code share: numbers of the format drawn in index_write.c. */

#include "store/index.h"

/* target, object and rest; the name has its own section. */
enum { INDEX_PARTS = 3 };

enum {
    INDEX_SYMBOLS,
    INDEX_NAMES,
    INDEX_SETS,
    INDEX_TARGETS, /* and, after it, objects and rests */
    INDEX_SECTIONS = INDEX_TARGETS + INDEX_PARTS,
};

/* A label as two symbols. */
typedef struct IndexPair {
    uint32_t name, value;
} IndexPair;
