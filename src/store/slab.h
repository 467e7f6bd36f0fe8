#pragma once

/*
 * Memory for the many small byte runs of the head, by handle.
 *
 * Half a million series hold a run of 16 to some hundred bytes each that grows step by step.
 * malloc() would add 16 bytes to each and scatter them; a slab adds none: blocks are whole units of
 * 16 bytes, in classes a quarter apart, freed blocks wait in a list of their class. A handle (4
 * bytes) instead of a pointer halves what the series has to store. Blocks do not move and pages are
 * not given back before the end: what one window of samples needed, the next one uses again.
 *
 * Threads: as its owner, a shard of the head, which has a lock.
 */

#include <stddef.h>
#include <stdint.h>

enum {
    SLAB_UNIT = 16,
    SLAB_PAGE_BITS = 17, /* units per page: 2 MiB, touched only as far as it is used */
    SLAB_CLASSES = 64,
    SLAB_BYTES_MAX = 1 << 20, /* largest block */
};

typedef uint32_t SlabRef; /* 0 = none */

/* {0} is empty and ready. */
typedef struct Slab {
    uint8_t **pages;
    size_t pages_count, pages_cap;
    uint32_t next; /* first unit never used of the last page */
    SlabRef free[SLAB_CLASSES];
    size_t used_bytes;
} Slab;

void slab_finish(Slab *slab);

/* The smallest class whose blocks hold `bytes`, and how many they hold. */
unsigned slab_class(size_t bytes);
size_t slab_class_bytes(unsigned class);

SlabRef slab_alloc(Slab *slab, unsigned class);
void slab_free(Slab *slab, SlabRef ref, unsigned class);

static inline void *slab_at(const Slab *slab, SlabRef ref) {
    return slab->pages[ref >> SLAB_PAGE_BITS] +
           (size_t)(ref & ((1U << SLAB_PAGE_BITS) - 1)) * SLAB_UNIT;
}

/* Memory taken from the system. */
size_t slab_bytes(const Slab *slab);
