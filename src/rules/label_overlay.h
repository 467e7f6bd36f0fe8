#pragma once

/*
 * Label sets as rules make them: a result's labels with the rule's laid over.
 */

#include "model/label.h"

/* `base` without `__name__`, with the labels of `over` set; an empty value in `over` removes the
 * label. `over` is sorted by name, each name once, and may hold `__name__`. The array comes from
 * `arena`, texts are shared. */
LabelSet label_overlay(Arena *arena, LabelSet base, const Label *over, size_t over_count);

/* As vmalert does it: where `base` has another value already, that one is kept as
 * `exported_<name>`. */
LabelSet label_overlay_exported(Arena *arena, LabelSet base, const Label *over, size_t over_count);

/* A copy in one block of the heap; release with label_block_free(). The empty set has no block. */
LabelSet label_block_copy(LabelSet set);
void label_block_free(LabelSet set);
