#pragma once

/*
 * Labels: a name and a value each; a set of them names a series or an alert. The metric's name is
 * the label `__name__`.
 *
 * A LabelSet is a plain value: sorted by name (byte order), each name once, no empty value (an
 * empty value and an absent label are the same thing in Prometheus). Whoever builds one keeps that
 * promise through labels_build() or checks foreign ones with labels_valid(). The text is owned by
 * the arena or the service it came from, which says how long it lives.
 */

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"

#define LABEL_METRIC_NAME STR("__name__")

typedef struct Label {
    Str name;
    Str value;
} Label;

typedef struct LabelSet {
    const Label *items;
    size_t count;
} LabelSet;

/* Bounds for what comes from outside; larger is refused, never cut. */
enum {
    LABELS_MAX = 256, /* labels in a set */
    LABEL_NAME_BYTES_MAX =
        1024, /* Prometheus has no limit by default; ours keeps records bounded */
    LABEL_VALUE_BYTES_MAX = 64 * 1024,
};

/* The value of `name`, or an empty Str. */
Str labels_get(LabelSet set, Str name);
bool labels_has(LabelSet set, Str name);

bool labels_eq(LabelSet a, LabelSet b);

/* Prometheus' order of sets: label by label by name, then value; fewer labels first on a tie. */
int labels_cmp(LabelSet a, LabelSet b);

/* XXH3-128 over name 0xFF value 0xFF of each label: what the store finds a series by. */
Hash128 labels_hash(LabelSet set);

/* Alertmanager's fingerprint: FNV-1a 64 over the same bytes. */
uint64_t labels_fingerprint(LabelSet set);

/* Sorts and cleans any list in place: drops empty values. A repeated name is ERR_INVALID
 * (`label name "x" is not unique`). The result shares `items`. */
bool labels_build(Label *items, size_t count, LabelSet *ret_set, Err *err) MUST_CHECK;

/* A set from outside: sorted, unique, no empty names or values, UTF-8, within the bounds above.
 * Names the first offender. */
bool labels_valid(LabelSet set, Err *err) MUST_CHECK;

/* [a-zA-Z_][a-zA-Z0-9_]*; and with ':' for metric names. Names outside of these are legal since
 * Prometheus 3 (any UTF-8) and printed in quotes. */
bool label_name_is_legacy(Str name);
bool metric_name_is_legacy(Str name);

/* Deep copy. */
LabelSet labels_copy(Arena *arena, LabelSet set);

/* With `name` set to `value` (an empty value removes it). Shares the rest's text. */
LabelSet labels_with(Arena *arena, LabelSet set, Str name, Str value);

/* The labels whose name is (keep = true) or is not (keep = false) among `names`. Shares the text.
 */
LabelSet labels_filter(Arena *arena, LabelSet set, const Str *names, size_t count, bool keep);

/* `metric{a="b", c="d"}` as Prometheus prints it: {} for the empty set, quoted names where needed.
 */
void labels_print(Buf *buf, LabelSet set);

/* JSON object of strings. */
struct JsonWriter;
void labels_json(struct JsonWriter *json, LabelSet set);
