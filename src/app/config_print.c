/* The configuration as YAML: what the file says, secrets hidden. Without a file there is nothing
 * that differs from the defaults, which belfry.example.yml documents. */

#include "app/config.h"

void app_config_print(const Config *config, Buf *out) {
    if (!config->root) {
        buf_str(out, STR("{}\n"));
        return;
    }
    AUTO(arena_finish) Arena arena = {0};
    yaml_print(out, yaml_hide(&arena, config->root), 0);
}
