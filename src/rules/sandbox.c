#include "rules/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

static const uint64_t MEMORY_ROOM = 256 << 20; /* left there for others, too */

/* Making and removing folders a hundred times over takes a disk longer than the tests do. */
static bool memory_has_room(void) {
    struct statvfs info;
    return statvfs("/dev/shm", &info) == 0 && access("/dev/shm", W_OK) == 0 &&
           (uint64_t)info.f_bavail * info.f_frsize >= MEMORY_ROOM;
}

static const char *parent_folder(uint64_t points) {
    const char *told = getenv("TMPDIR");
    if (told && *told) {
        return told;
    }
    return points && points < SANDBOX_SMALL_POINTS && memory_has_room() ? "/dev/shm" : "/tmp";
}

bool sandbox_open(Sandbox *sandbox, Pool *pool, uint64_t points, Err *err) {
    const char *parent = parent_folder(points);
    *sandbox = (Sandbox){0};
    int len = snprintf(sandbox->dir, sizeof sandbox->dir, "%s/belfry-rules-XXXXXX", parent);
    if (len < 0 || (size_t)len >= sizeof sandbox->dir) {
        sandbox->dir[0] = '\0';
        return err_set(err, ERR_INVALID, "TMPDIR is too long");
    }
    if (!mkdtemp(sandbox->dir)) {
        sandbox->dir[0] = '\0';
        return err_errno(err, "%s: cannot make a temporary folder", parent);
    }
    StoreOptions options = {
        .dir = sandbox->dir,
        .sync = STORE_SYNC_NEVER,
        .is_scratch = true,
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
