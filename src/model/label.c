#include "model/label.h"

#include <stdlib.h>

#include "base/json.h"

Str labels_get(LabelSet set, Str name) {
    for (size_t i = 0; i < set.count; i++) {
        if (str_eq(set.items[i].name, name)) {
            return set.items[i].value;
        }
    }
    return STR("");
}

bool labels_has(LabelSet set, Str name) {
    return labels_get(set, name).len > 0;
}

bool labels_eq(LabelSet a, LabelSet b) {
    if (a.count != b.count) {
        return false;
    }
    for (size_t i = 0; i < a.count; i++) {
        if (!str_eq(a.items[i].name, b.items[i].name) ||
            !str_eq(a.items[i].value, b.items[i].value)) {
            return false;
        }
    }
    return true;
}

int labels_cmp(LabelSet a, LabelSet b) {
    for (size_t i = 0; i < a.count && i < b.count; i++) {
        int order = str_cmp(a.items[i].name, b.items[i].name);
        if (order == 0) {
            order = str_cmp(a.items[i].value, b.items[i].value);
        }
        if (order != 0) {
            return order;
        }
    }
    return (a.count > b.count) - (a.count < b.count);
}

/* Writes name 0xFF value 0xFF of each label: 0xFF cannot occur in UTF-8, so no two sets give the
 * same bytes. */
static char *put_hash_form(char *at, LabelSet set) {
    for (size_t i = 0; i < set.count; i++) {
        Label label = set.items[i];
        memcpy(at, label.name.ptr, label.name.len);
        at += label.name.len;
        *at++ = '\xff';
        memcpy(at, label.value.ptr, label.value.len);
        at += label.value.len;
        *at++ = '\xff';
    }
    return at;
}

Hash128 labels_hash(LabelSet set) {
    size_t bytes = 0;
    for (size_t i = 0; i < set.count; i++) {
        bytes += set.items[i].name.len + set.items[i].value.len + 2;
    }
    char small[1024];
    if (bytes <= sizeof small) {
        put_hash_form(small, set);
        return hash128((Str){small, bytes});
    }
    Buf buf = {0};
    buf_reserve(&buf, bytes);
    put_hash_form(buf.ptr, set);
    Hash128 hash = hash128((Str){buf.ptr, bytes});
    buf_finish(&buf);
    return hash;
}

uint64_t labels_fingerprint(LabelSet set) {
    uint64_t hash = FNV1A_START;
    for (size_t i = 0; i < set.count; i++) {
        hash = fnv1a(hash, set.items[i].name);
        hash = fnv1a(hash, STR("\xff"));
        hash = fnv1a(hash, set.items[i].value);
        hash = fnv1a(hash, STR("\xff"));
    }
    return hash;
}

static int label_name_cmp(const void *a, const void *b) {
    return str_cmp(((const Label *)a)->name, ((const Label *)b)->name);
}

bool labels_build(Label *items, size_t count, LabelSet *ret_set, Err *err) {
    size_t kept = 0;
    bool sorted = true;
    for (size_t i = 0; i < count; i++) {
        if (items[i].value.len > 0) {
            sorted = sorted && (kept == 0 || str_cmp(items[kept - 1].name, items[i].name) < 0);
            items[kept++] = items[i];
        }
    }
    if (!sorted) {
        qsort(items, kept, sizeof *items, label_name_cmp);
    }
    for (size_t i = 1; i < kept; i++) {
        if (str_eq(items[i - 1].name, items[i].name)) {
            return err_set(err, ERR_INVALID, "label name \"%.*s\" is not unique",
                           STR_ARG(items[i].name));
        }
    }
    *ret_set = (LabelSet){items, kept};
    return true;
}

/* The words for a label that breaks a rule, cut so that a hostile name cannot fill the message. */
static bool refuse(Err *err, Str name, const char *complaint) {
    int shown = name.len > 100 ? 100 : (int)name.len;
    return err_set(err, ERR_INVALID, "label name \"%.*s\": %s", shown, name.ptr, complaint);
}

bool labels_valid(LabelSet set, Err *err) {
    if (set.count > LABELS_MAX) {
        return err_set(err, ERR_LIMIT, "%zu labels, more than the %d allowed", set.count,
                       LABELS_MAX);
    }
    for (size_t i = 0; i < set.count; i++) {
        Label label = set.items[i];
        int order = i ? str_cmp(set.items[i - 1].name, label.name) : -1;
        if (label.name.len == 0) {
            return err_set(err, ERR_INVALID, "a label has an empty name");
        }
        if (label.name.len > LABEL_NAME_BYTES_MAX) {
            return refuse(err, label.name, "longer than allowed");
        }
        if (!str_is_utf8(label.name)) {
            return err_set(err, ERR_INVALID, "a label name is not UTF-8");
        }
        if (order >= 0) {
            return refuse(err, label.name, order ? "out of order" : "is not unique");
        }
        if (label.value.len == 0) {
            return refuse(err, label.name, "has an empty value");
        }
        if (label.value.len > LABEL_VALUE_BYTES_MAX) {
            return refuse(err, label.name, "its value is longer than allowed");
        }
        if (!str_is_utf8(label.value)) {
            return refuse(err, label.name, "its value is not UTF-8");
        }
    }
    return true;
}

static bool is_word(Str name, bool colon) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(colon && c == ':') && !(i > 0 && c >= '0' && c <= '9')) {
            return false;
        }
    }
    return name.len > 0;
}

bool label_name_is_legacy(Str name) {
    return is_word(name, false);
}

bool metric_name_is_legacy(Str name) {
    return is_word(name, true);
}

LabelSet labels_copy(Arena *arena, LabelSet set) {
    Label *items = arena_array(arena, Label, set.count);
    for (size_t i = 0; i < set.count; i++) {
        items[i] =
            (Label){arena_str(arena, set.items[i].name), arena_str(arena, set.items[i].value)};
    }
    return (LabelSet){items, set.count};
}

LabelSet labels_with(Arena *arena, LabelSet set, Str name, Str value) {
    Label *items = arena_array(arena, Label, set.count + 1);
    size_t count = 0;
    bool placed = value.len == 0;
    for (size_t i = 0; i < set.count; i++) {
        int order = str_cmp(set.items[i].name, name);
        if (order >= 0 && !placed) {
            items[count++] = (Label){name, value};
            placed = true;
        }
        if (order != 0) {
            items[count++] = set.items[i];
        }
    }
    if (!placed) {
        items[count++] = (Label){name, value};
    }
    return (LabelSet){items, count};
}

static bool is_among(Str name, const Str *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (str_eq(name, names[i])) {
            return true;
        }
    }
    return false;
}

LabelSet labels_filter(Arena *arena, LabelSet set, const Str *names, size_t count, bool keep) {
    Label *items = arena_array(arena, Label, set.count);
    size_t kept = 0;
    for (size_t i = 0; i < set.count; i++) {
        if (is_among(set.items[i].name, names, count) == keep) {
            items[kept++] = set.items[i];
        }
    }
    return (LabelSet){items, kept};
}

void labels_print(Buf *buf, LabelSet set) {
    Str metric = labels_get(set, LABEL_METRIC_NAME);
    bool bare = metric_name_is_legacy(metric);
    const char *comma = "";
    if (bare) {
        buf_str(buf, metric);
        if (set.count == 1) {
            return;
        }
    }
    buf_byte(buf, '{');
    if (metric.len && !bare) {
        json_quote(buf, metric);
        comma = ", ";
    }
    for (size_t i = 0; i < set.count; i++) {
        Label label = set.items[i];
        if (str_eq(label.name, LABEL_METRIC_NAME)) {
            continue;
        }
        buf_str(buf, str_of(comma));
        if (label_name_is_legacy(label.name)) {
            buf_str(buf, label.name);
        } else {
            json_quote(buf, label.name);
        }
        buf_byte(buf, '=');
        json_quote(buf, label.value);
        comma = ", ";
    }
    buf_byte(buf, '}');
}

void labels_json(struct JsonWriter *json, LabelSet set) {
    json_object(json);
    for (size_t i = 0; i < set.count; i++) {
        json_key(json, set.items[i].name);
        json_str(json, set.items[i].value);
    }
    json_end(json);
}
