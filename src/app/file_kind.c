#include "app/file_kind.h"

FileKind file_kind(const YamlNode *root) {
    static const struct {
        const char *key;
        FileKind kind;
    } tells[] = {
        {"groups", KIND_RULES},
        {"spec", KIND_RULES},
        {"items", KIND_RULES},
        {"tests", KIND_TESTS},
        {"kind", KIND_RULES},
        {"route", KIND_NOTIFY},
        {"receivers", KIND_NOTIFY},
        {"inhibit_rules", KIND_NOTIFY},
        {"time_intervals", KIND_NOTIFY},
        {"templates", KIND_NOTIFY},
        {"mute_time_intervals", KIND_NOTIFY},
    };
    for (size_t i = 0; i < sizeof tells / sizeof *tells; i++) {
        if (yaml_get(root, tells[i].key)) {
            return tells[i].kind;
        }
    }
    return KIND_CONFIG;
}
