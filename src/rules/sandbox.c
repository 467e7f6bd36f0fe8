#include "rules/sandbox.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"

bool sandbox_open(Sandbox *sandbox, Pool *pool, Err *err) {
    const char *parent = getenv("TMPDIR");
    *sandbox = (Sandbox){0};
    int len = snprintf(sandbox->dir, sizeof sandbox->dir, "%s/belfry-rules-XXXXXX",
                       parent && *parent ? parent : "/tmp");
    if (len < 0 || (size_t)len >= sizeof sandbox->dir) {
        sandbox->dir[0] = '\0';
        return err_set(err, ERR_INVALID, "TMPDIR is too long");
    }
    if (!mkdtemp(sandbox->dir)) {
        sandbox->dir[0] = '\0';
        return err_errno(err, "%s: cannot make a temporary folder", parent ? parent : "/tmp");
    }
    StoreOptions options = {
        .dir = sandbox->dir,
        .sync = STORE_SYNC_NEVER,
        .future_max = 1000 * 365 * DAY_MS,
        .block_span = 2 * HOUR_MS,
        .source_label = STR("cluster"),
        .pool = pool,
    };
    if (!store_open(&options, &sandbox->store, err)) {
        return false;
    }
    sandbox->engine = engine_local_new(sandbox->store, pool);
    return true;
}

void sandbox_close(Sandbox *sandbox) {
    engine_free(sandbox->engine);
    store_close(sandbox->store);
    Err err = {0};
    if (sandbox->dir[0] && !dir_remove(sandbox->dir, &err)) {
        log_event(LOG_WARN, "temporary folder left behind", LOG_STR("reason", str_of(err.text)));
    }
    *sandbox = (Sandbox){0};
}
