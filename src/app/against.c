#include "app/against.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool against_open(const char *where, Against *against, Err *err) {
    if (!where) {
        return true;
    }
    if (strstr(where, "://")) {
        if (!net_open(&against->net, err)) {
            return false;
        }
        against->engine = engine_remote_new(against->net, &(EngineRemoteOptions){.url = where});
        return true;
    }
    if (access(where, F_OK) != 0) {
        return err_errno(err, "%s", where);
    }
    /* Opening makes a data directory of any other. */
    char format[4096];
    if (snprintf(format, sizeof format, "%s/FORMAT", where) >= (int)sizeof format ||
        access(format, F_OK) != 0) {
        return err_set(err, ERR_INVALID, "%s: no data directory of Belfry, and no URL", where);
    }
    against->pool = pool_new("work", (int)sysconf(_SC_NPROCESSORS_ONLN), 1000);
    StoreOptions options = {
        .dir = where,
        .sync = STORE_SYNC_ALWAYS,
        .future_max = DAY_MS,
        .block_span = 2 * HOUR_MS,
        .source_label = STR("cluster"),
        .pool = against->pool,
    };
    if (!store_open(&options, &against->store, err)) {
        return err_context(err, "--against %s", where);
    }
    against->engine = engine_local_new(against->store, against->pool);
    return true;
}

void against_close(Against *against) {
    engine_free(against->engine);
    store_close(against->store);
    net_close(against->net);
    pool_free(against->pool);
}
