/* Looking after the store, Prometheus' admin API among it. */

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/number.h"
#include "web/api.h"

bool api_audit(Web *web, Request *request, const char *action, Str subject, Err *err) {
    const WebDoors *doors = web_doors(web);
    Actor actor = request_actor(request, params_get(&request->params, STR("actor")));
    AuditRow row = {.at = clock_now(),
                    .actor = actor_text(&request->arena, &actor),
                    .address = actor.address,
                    .action = str_of(action),
                    .subject = subject};
    AUTO(state_rollbackp) StateTx *tx = NULL;
    return state_begin(doors->state, &tx, err) && state_audit(tx, &row, err) &&
           state_commit(TAKE(tx), err);
}

static void respond_done(Request *request, bool good, const Err *err) {
    if (!good) {
        respond_error(request, err);
        return;
    }
    request->response.status = 204;
}

void handle_flush(Web *web, Request *request) {
    Err err = {0};
    bool good = api_audit(web, request, "store.flush", STR(""), &err) &&
                store_flush(web_doors(web)->store, &err);
    respond_done(request, good, &err);
}

void handle_compact(Web *web, Request *request) {
    Err err = {0};
    bool good = api_audit(web, request, "store.compact", STR(""), &err) &&
                store_compact(web_doors(web)->store, &err);
    respond_done(request, good, &err);
}

void handle_clean_tombstones(Web *web, Request *request) {
    Err err = {0};
    bool good = api_audit(web, request, "store.clean_tombstones", STR(""), &err) &&
                store_clean_tombstones(web_doors(web)->store, &err);
    respond_done(request, good, &err);
}

/* The selectors as they were asked for, and the span. */
static Str what_of(Request *request, TimeMs from, TimeMs to) {
    AUTO(buf_finish) Buf text = {0};
    for (size_t i = 0; i < request->params.items_count; i++) {
        const Param *param = &request->params.items[i];
        if (str_eq(param->name, STR("match[]"))) {
            buf_str(&text, text.len ? STR(" ") : STR(""));
            buf_str(&text, param->value);
        }
    }
    if (from != TIME_MIN) {
        buf_str(&text, STR(" from "));
        time_put(&text, from);
    }
    if (to != TIME_MAX) {
        buf_str(&text, STR(" to "));
        time_put(&text, to);
    }
    return arena_str(&request->arena, buf_view(&text));
}

void handle_delete_series(Web *web, Request *request) {
    Err err = {0};
    ApiMatches matches = {0};
    TimeMs from;
    TimeMs to;
    bool good = (api_matches(request, &matches, &err) ||
                 err_context(&err, "invalid parameter \"match[]\"")) &&
                api_time(request, "start", TIME_MIN, &from, &err) &&
                api_time(request, "end", TIME_MAX, &to, &err);
    if (good && matches.count == 0) {
        good = err_set(&err, ERR_INVALID, "no match[] parameter provided");
    }
    good = good && api_audit(web, request, "store.delete_series", what_of(request, from, to), &err);
    good = good && store_delete(web_doors(web)->store, matches.sets, matches.count, from, to, &err);
    api_matches_finish(&matches);
    respond_done(request, good, &err);
}

void handle_tsdb_snapshot(Web *web, Request *request) {
    Err err = {0};
    AUTO(arena_finish) Arena arena = {0};
    CivilTime now = civil_of(clock_now());
    Str name =
        arena_printf(&arena, "%04lld%02d%02dT%02d%02d%02dZ-%08x", (long long)now.year, now.month,
                     now.day, now.hour, now.minute, now.second, (unsigned)clock_monotonic_ns());
    Str dir =
        arena_printf(&arena, "%s/snapshots/%.*s", store_dir(web_doors(web)->store), STR_ARG(name));
    if (!api_audit(web, request, "store.snapshot", name, &err) ||
        !dir_make(arena_printf(&arena, "%s/snapshots", store_dir(web_doors(web)->store)).ptr,
                  &err) ||
        !store_backup(web_doors(web)->store, dir.ptr, &err)) {
        respond_error(request, &err);
        return;
    }
    JsonWriter json = respond_success(request);
    json_object(&json);
    json_put_str(&json, "name", name);
    json_end(&json);
    respond_success_end(&json);
}
