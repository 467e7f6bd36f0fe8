#include "store/slab.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Class c < 4 holds c + 1 units; from there on four classes to a doubling: 5 6 7 8, 10 12 14 16,
 * ... */
static size_t class_units(unsigned class) {
    if (class < 4) {
        return class + 1;
    }
    unsigned octave = (class - 4) / 4;
    return (size_t)(5 + (class - 4) % 4) << octave;
}

unsigned slab_class(size_t bytes) {
    assert(bytes <= SLAB_BYTES_MAX);
    size_t units = (bytes + SLAB_UNIT - 1) / SLAB_UNIT;
    if (units <= 4) {
        return units ? (unsigned)units - 1 : 0;
    }
    unsigned class = 4;
    while (class_units(class) < units) {
        class ++;
    }
    return class;
}

size_t slab_class_bytes(unsigned class) {
    return class_units(class) * SLAB_UNIT;
}

static void add_page(Slab *slab) {
    void *page = mem_grow(NULL, (size_t)SLAB_UNIT << SLAB_PAGE_BITS);
    VEC_PUSH(*slab, pages, page);
    slab->next = slab->pages_count == 1 ? 1 : 0; /* unit 0 of the first page is the handle "none" */
}

SlabRef slab_alloc(Slab *slab, unsigned class) {
    size_t units = class_units(class);
    slab->used_bytes += units * SLAB_UNIT;
    SlabRef ref = slab->free[class];
    if (ref) {
        memcpy(&slab->free[class], slab_at(slab, ref), sizeof ref);
        return ref;
    }
    if (!slab->pages_count || slab->next + units > 1U << SLAB_PAGE_BITS) {
        add_page(slab);
    }
    ref = (SlabRef)((slab->pages_count - 1) << SLAB_PAGE_BITS | slab->next);
    slab->next += (uint32_t)units;
    return ref;
}

void slab_free(Slab *slab, SlabRef ref, unsigned class) {
    assert(ref);
    slab->used_bytes -= class_units(class) * SLAB_UNIT;
    memcpy(slab_at(slab, ref), &slab->free[class], sizeof ref);
    slab->free[class] = ref;
}

size_t slab_bytes(const Slab *slab) {
    return slab->pages_count * ((size_t)SLAB_UNIT << SLAB_PAGE_BITS);
}

void slab_finish(Slab *slab) {
    for (size_t i = 0; i < slab->pages_count; i++) {
        free(slab->pages[i]);
    }
    free(slab->pages);
    *slab = (Slab){0};
}
