#pragma once

/*
 * The labels of a series fall into four parts, by the name of the label alone:
 *
 *     name     __name__
 *     target   who was scraped: cluster, job, instance, ...
 *     object   what the series is about: namespace, pod, container, node, ...
 *     rest     everything else: le, code, device, mode, ...
 *
 * A fleet has few different targets, objects and rests, and combines them over and over, so head
 * and blocks keep each distinct part once and a series as four small numbers. Because a label name
 * belongs to one part, a matcher looks at one part: it is answered once per distinct part, not once
 * per series.
 *
 * Which name belongs where is a matter of size only, never of meaning; but blocks are sorted by it,
 * so the list may only change together with PARTS_ORDER, which block files carry.
 */

#include "model/label.h"

enum { PARTS_ORDER = 1 };

typedef enum LabelPart { PART_NAME, PART_TARGET, PART_OBJECT, PART_REST } LabelPart;
enum { PART_COUNT = 4 };

LabelPart label_part(Str name);

/* The series' labels by part; each keeps the order by name. Views into `labels`; `room` has space
 * for labels.count. */
void parts_split(LabelSet labels, Label *room, LabelSet ret_parts[PART_COUNT]);

/* Puts parts together, sorted by name; `room` has space for all of them. */
LabelSet parts_join(const LabelSet parts[PART_COUNT], Label *room);

/* The order of one part in blocks: labels_cmp(), but `le` and `quantile` come last and by number,
 * so that neighbouring buckets stand together. 0 only for equal sets. */
int part_cmp(LabelSet a, LabelSet b);

/* The order of series in blocks: name, target, object, rest. 0 only for equal sets. */
int parts_order(LabelSet a, LabelSet b);
