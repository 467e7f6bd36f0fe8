#include "backup/place.h"

#include "base/file.h"
#include "base/hash.h"

bool place_open(Net *net, const BackupTarget *target, const _Atomic bool *cancelled,
                Place *ret_place, Err *err) {
    Place place = {.lock_fd = -1};
    if (!backup_target_check(target, err)) {
        return false;
    }
    if (str_starts(target->to, STR("s3://"))) {
        place.kind = &place_bucket;
        if (!s3_open(net, target, &place.arena, &place.s3, err)) {
            arena_finish(&place.arena);
            return false;
        }
        place.s3.cancelled = cancelled;
    } else {
        place.kind = &place_folder;
        place.dir = arena_cstr(&place.arena, target->to);
    }
    *ret_place = place;
    return true;
}

void place_close(Place *place) {
    fd_close(&place->lock_fd);
    arena_finish(&place->arena);
}

void place_hash(Buf *hashes, Str part) {
    Hash128 hash = hash128(part);
    buf_printf(hashes, "%016llx%016llx", (unsigned long long)hash.hi, (unsigned long long)hash.lo);
}
