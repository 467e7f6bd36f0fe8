#include "notify/episode.h"

#include <stdlib.h>

#include "base/mem.h"
#include "notify/idmap.h"

typedef struct Draft {
    Episode episode;
    bool fires; /* now */
} Draft;

typedef struct Building {
    Arena *arena;
    Draft **items; /* each by itself, so that `newest` may point to them */
    size_t items_count, items_cap;
    IdMap newest; /* of each alert, by key */
} Building;

static Draft *add(Building *building, const Alert *alert, const char dedup_key[65], uint64_t key) {
    Draft *draft = arena_new(building->arena, Draft);
    draft->episode = (Episode){.key = state_alert_key(dedup_key),
                               .rule_key = alert->rule_key,
                               .labels = alert->labels,
                               .annotations = alert->annotations,
                               .url = alert->generator_url,
                               .pending_at = alert->active_at,
                               .fired_at = alert->fired_at ? alert->fired_at : alert->active_at,
                               .end_reason = STR("")};
    memcpy(draft->episode.dedup_key, dedup_key, 65);
    VEC_PUSH(*building, items, draft);
    if (idmap_get(&building->newest, key)) {
        idmap_remove(&building->newest, key);
    }
    idmap_put(&building->newest, key, draft);
    return draft;
}

/* Its end was never written down. */
static void end_unknown(Draft *draft) {
    draft->episode.ended_at = draft->episode.ended_known_at = draft->episode.fired_at;
    draft->episode.end_reason = STR("unknown");
}

static void end_at(Draft *draft, const AlertHistoryRow *row) {
    Episode *episode = &draft->episode;
    TimeMs end = row->alert.resolved_at ? row->alert.resolved_at : row->at;
    episode->fired_at = episode->fired_at ? episode->fired_at : row->at;
    episode->ended_at = end > episode->fired_at ? end : episode->fired_at;
    episode->ended_known_at = row->at > episode->ended_at ? row->at : episode->ended_at;
    episode->end_reason = row->reason;
}

static void take_row(Building *building, const AlertHistoryRow *row) {
    char dedup_key[65];
    if (row->event != ALERT_BECAME_FIRING && row->event != ALERT_BECAME_RESOLVED) {
        return;
    }
    alert_dedup_key(&row->alert, dedup_key);
    uint64_t key = (uint64_t)state_alert_key(dedup_key);
    key = key ? key : 1;
    Draft *newest = idmap_get(&building->newest, key);
    bool is_open = newest && !newest->episode.ended_at;
    if (row->event == ALERT_BECAME_FIRING) {
        if (is_open) {
            end_unknown(newest);
        }
        add(building, &row->alert, dedup_key, key);
    } else {
        end_at(is_open ? newest : add(building, &row->alert, dedup_key, key), row);
    }
}

/* What fires now is open, whether or not the rows go back to its beginning. */
static void take_alert(Building *building, const Alert *alert) {
    char dedup_key[65];
    if (alert->phase != ALERT_FIRING) {
        return;
    }
    alert_dedup_key(alert, dedup_key);
    uint64_t key = (uint64_t)state_alert_key(dedup_key);
    key = key ? key : 1;
    Draft *newest = idmap_get(&building->newest, key);
    if (!newest || (newest->episode.ended_at && newest->episode.fired_at < alert->fired_at)) {
        newest = add(building, alert, dedup_key, key);
    }
    newest->fires = true;
}

static int compare(const void *a, const void *b) {
    const Episode *x = a, *y = b;
    if (x->fired_at != y->fired_at) {
        return x->fired_at < y->fired_at ? -1 : 1;
    }
    return labels_cmp(x->labels, y->labels);
}

void episodes_of(const AlertHistoryRow *rows, size_t row_count, const Alert *alerts,
                 size_t alert_count, Arena *arena, Episode **ret_episodes, size_t *ret_count) {
    Building building = {.arena = arena};
    for (size_t i = 0; i < row_count; i++) {
        take_row(&building, &rows[i]);
    }
    for (size_t i = 0; i < alert_count; i++) {
        take_alert(&building, &alerts[i]);
    }
    idmap_finish(&building.newest);
    Episode *episodes = arena_array(arena, Episode, building.items_count + 1);
    for (size_t i = 0; i < building.items_count; i++) {
        if (!building.items[i]->episode.ended_at && !building.items[i]->fires) {
            end_unknown(building.items[i]);
        }
        episodes[i] = building.items[i]->episode;
    }
    free(building.items);
    qsort(episodes, building.items_count, sizeof *episodes, compare);
    *ret_episodes = episodes;
    *ret_count = building.items_count;
}

bool episodes_load(State *state, TimeMs from, TimeMs to, Arena *arena, Episode **ret_episodes,
                   size_t *ret_count, Err *err) {
    AlertHistoryRow *rows;
    Alert *alerts[2], *all;
    size_t row_count, counts[2], count = 0;
    /* Alerts first: one that ends in between has its end in the rows, which counts. */
    if (!state_load_alerts(state, false, arena, &alerts[0], &counts[0], err) ||
        !state_load_alerts(state, true, arena, &alerts[1], &counts[1], err) ||
        !state_load_episode_rows(state, from, to, 0, arena, &rows, &row_count, err)) {
        return false;
    }
    all = arena_array(arena, Alert, counts[0] + counts[1] + 1);
    for (int i = 0; i < 2; i++) {
        for (size_t j = 0; j < counts[i]; j++) {
            if (alerts[i][j].fired_at <= to) {
                all[count++] = alerts[i][j];
            }
        }
    }
    episodes_of(rows, row_count, all, count, arena, ret_episodes, ret_count);
    return true;
}
