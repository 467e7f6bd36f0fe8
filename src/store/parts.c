#include "store/parts.h"

#include <assert.h>
#include <stdlib.h>

/* What Prometheus, its operator and vmagent attach to a target, and what exporters call their
 * objects. */
static const char *const target_names[] = {
    "cluster",
    "dc",
    "datacenter",
    "endpoint",
    "env",
    "environment",
    "host",
    "hostname",
    "instance",
    "job",
    "metrics_path",
    "prometheus",
    "prometheus_replica",
    "region",
    "replica",
    "service",
    "tenant",
    "vm",
    "zone",
};
static const char *const object_names[] = {
    "container",
    "container_id",
    "created_by_name",
    "deployment",
    "exported_container",
    "exported_instance",
    "exported_job",
    "exported_namespace",
    "exported_node",
    "exported_pod",
    "host_ip",
    "id",
    "image",
    "image_id",
    "interface",
    "name",
    "namespace",
    "node",
    "owner_name",
    "persistentvolumeclaim",
    "pod",
    "pod_ip",
    "replicaset",
    "uid",
};

static bool listed(Str name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (names[i][0] == name.ptr[0] && str_eq(name, str_of(names[i]))) {
            return true;
        }
    }
    return false;
}

LabelPart label_part(Str name) {
    if (name.len == 0) {
        return PART_REST;
    }
    if (name.ptr[0] == '_' && str_eq(name, LABEL_METRIC_NAME)) {
        return PART_NAME;
    }
    if (listed(name, target_names, sizeof target_names / sizeof *target_names)) {
        return PART_TARGET;
    }
    if (listed(name, object_names, sizeof object_names / sizeof *object_names)) {
        return PART_OBJECT;
    }
    return PART_REST;
}

void parts_split(LabelSet labels, Label *room, LabelSet ret_parts[PART_COUNT]) {
    assert(labels.count <= LABELS_MAX);
    uint8_t part_of[LABELS_MAX];
    for (size_t i = 0; i < labels.count; i++) {
        part_of[i] = (uint8_t)label_part(labels.items[i].name);
    }
    size_t at = 0;
    for (int part = 0; part < PART_COUNT; part++) {
        size_t first = at;
        for (size_t i = 0; i < labels.count; i++) {
            if (part_of[i] == part) {
                room[at++] = labels.items[i];
            }
        }
        ret_parts[part] = (LabelSet){room + first, at - first};
    }
}

LabelSet parts_join(const LabelSet parts[PART_COUNT], Label *room) {
    size_t at[PART_COUNT] = {0};
    size_t count = 0;
    for (;;) {
        int least = -1;
        for (int part = 0; part < PART_COUNT; part++) {
            if (at[part] < parts[part].count &&
                (least < 0 || str_cmp(parts[part].items[at[part]].name,
                                      parts[least].items[at[least]].name) < 0)) {
                least = part;
            }
        }
        if (least < 0) {
            return (LabelSet){room, count};
        }
        room[count++] = parts[least].items[at[least]++];
    }
}

static bool is_bound(Str name) {
    return str_eq(name, STR("le")) || str_eq(name, STR("quantile"));
}

/* The next label of `set` from `*at` on that is no bound, or NULL. */
static const Label *next_plain(LabelSet set, size_t *at) {
    while (*at < set.count && is_bound(set.items[*at].name)) {
        (*at)++;
    }
    return *at < set.count ? &set.items[(*at)++] : NULL;
}

static double bound_of(Str text) {
    char copy[64];
    size_t len = text.len < sizeof copy - 1 ? text.len : sizeof copy - 1;
    memcpy(copy, text.ptr, len);
    copy[len] = '\0';
    return strtod(copy, NULL);
}

static int bound_cmp(Str a, Str b) {
    double x = bound_of(a), y = bound_of(b);
    return x < y ? -1 : x > y ? 1 : str_cmp(a, b);
}

int part_cmp(LabelSet a, LabelSet b) {
    for (size_t i = 0, j = 0;;) {
        const Label *x = next_plain(a, &i);
        const Label *y = next_plain(b, &j);
        if (!x || !y) {
            if (x || y) {
                return x ? 1 : -1;
            }
            break;
        }
        int order = str_cmp(x->name, y->name);
        order = order ? order : str_cmp(x->value, y->value);
        if (order) {
            return order;
        }
    }
    int order = bound_cmp(labels_get(a, STR("le")), labels_get(b, STR("le")));
    return order ? order
                 : bound_cmp(labels_get(a, STR("quantile")), labels_get(b, STR("quantile")));
}

int parts_order(LabelSet a, LabelSet b) {
    Label rooms[2][LABELS_MAX];
    LabelSet x[PART_COUNT], y[PART_COUNT];
    parts_split(a, rooms[0], x);
    parts_split(b, rooms[1], y);
    for (int part = 0; part < PART_COUNT; part++) {
        int order = part_cmp(x[part], y[part]);
        if (order) {
            return order;
        }
    }
    return 0;
}
