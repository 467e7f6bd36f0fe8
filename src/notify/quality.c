#include "notify/quality.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/number.h"
#include "notify/live.h"

static const DurationMs short_max = 5 * MINUTE_MS;

/* ---- what the ledger says of each episode ---- */

typedef struct Fate {
    const Episode *episode;
    TimeMs rang_at, acknowledged_at; /* 0 = not */
    size_t notifications;
    bool silenced, flapped;
} Fate;

/* By alert, then by time. */
typedef struct FateList {
    Fate *items;
    size_t count;
} FateList;

static int compare_fates(const void *a, const void *b) {
    const Fate *x = a, *y = b;
    if (x->episode->key != y->episode->key) {
        return x->episode->key < y->episode->key ? -1 : 1;
    }
    return (x->episode->fired_at > y->episode->fired_at) -
           (x->episode->fired_at < y->episode->fired_at);
}

static void list_fates(const QualityInput *input, Arena *arena, FateList *list) {
    list->items = arena_array(arena, Fate, input->episode_count + 1);
    list->count = input->episode_count;
    for (size_t i = 0; i < list->count; i++) {
        list->items[i] = (Fate){.episode = &input->episodes[i]};
    }
    qsort(list->items, list->count, sizeof *list->items, compare_fates);
    for (size_t i = 0; i < list->count; i++) {
        const Episode *episode = list->items[i].episode;
        const Episode *last = i ? list->items[i - 1].episode : NULL;
        list->items[i].flapped = last && last->key == episode->key && last->ended_at &&
                                 episode->fired_at - last->ended_at <= input->flap_window;
    }
}

/* The episode of an alert that was the newest at a time: a decision is about that one. */
static Fate *fate_at(const FateList *list, int64_t key, TimeMs at) {
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const Episode *episode = list->items[middle].episode;
        if (episode->key > key || (episode->key == key && episode->fired_at > at)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low && list->items[low - 1].episode->key == key ? &list->items[low - 1] : NULL;
}

/* An alert is shown among others also when it had ended: then it did not ring. */
static bool burnt_at(const Fate *fate, TimeMs at) {
    return !fate->episode->ended_at || at <= fate->episode->ended_known_at + SECOND_MS;
}

static void note(const LedgerRow *row, Fate *fate) {
    bool told = (str_eq(row->decision, STR("delivered")) && str_eq(row->reason, STR("trigger"))) ||
                (str_eq(row->decision, STR("shadowed")) &&
                 !str_eq(row->reason, STR("all alerts resolved")) &&
                 !str_eq(row->reason, STR("some alerts resolved")));
    if (told && burnt_at(fate, row->at)) {
        fate->rang_at = fate->rang_at && fate->rang_at < row->at ? fate->rang_at : row->at;
        fate->notifications++;
    } else if (str_eq(row->decision, STR("silenced")) || str_eq(row->decision, STR("flagged"))) {
        fate->silenced = true;
    } else if (str_eq(row->decision, STR("acknowledged")) &&
               (!fate->acknowledged_at || row->at < fate->acknowledged_at)) {
        fate->acknowledged_at = row->at;
    }
}

static void note_row(const FateList *list, const LedgerRow *row) {
    for (size_t i = 0; i < row->member_count + (row->alert_key != 0); i++) {
        int64_t key = row->alert_key ? row->alert_key : row->members[i];
        Fate *fate = fate_at(list, key, row->at);
        if (fate) {
            note(row, fate);
        }
    }
}

/* ---- counting ---- */

typedef struct Tally {
    QualityRow row;
    DurationMs *resolves, *acknowledges;
    size_t resolves_count, resolves_cap, acknowledges_count, acknowledges_cap;
} Tally;

static bool is_night(const QualityInput *input, TimeMs at) {
    if (input->business_hours) {
        return !calendar_contains(input->business_hours, at);
    }
    int hour = civil_of(at).hour;
    return hour >= 22 || hour < 7;
}

static void count_fate(const QualityInput *input, const Fate *fate, Tally *tally) {
    QualityCounts *counts = &tally->row.counts;
    const Episode *episode = fate->episode;
    bool ended = episode->ended_at && !str_eq(episode->end_reason, STR("unknown"));
    DurationMs lasted = episode->ended_at - episode->fired_at;
    counts->fired++;
    counts->rang += fate->rang_at != 0;
    counts->notifications += fate->notifications;
    counts->night += fate->rang_at && is_night(input, fate->rang_at);
    counts->short_lived += ended && lasted <= short_max;
    counts->flapped += fate->flapped;
    counts->silenced += fate->silenced;
    counts->acknowledged += fate->rang_at && fate->acknowledged_at;
    counts->unacknowledged += fate->rang_at && !fate->acknowledged_at;
    if (ended) {
        VEC_PUSH(*tally, resolves, lasted);
    }
    if (fate->rang_at && fate->acknowledged_at) {
        DurationMs took = fate->acknowledged_at - fate->rang_at;
        VEC_PUSH(*tally, acknowledges, took > 0 ? took : 0);
    }
}

static int compare_spans(const void *a, const void *b) {
    const DurationMs *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static DurationMs median(DurationMs *spans, size_t count) {
    if (!count) {
        return -1;
    }
    qsort(spans, count, sizeof *spans, compare_spans);
    DurationMs upper = spans[count / 2];
    return count % 2 ? upper : (spans[count / 2 - 1] + upper) / 2;
}

static void finish_tally(Tally *tally) {
    tally->row.counts.resolve_median = median(tally->resolves, tally->resolves_count);
    tally->row.counts.acknowledge_median = median(tally->acknowledges, tally->acknowledges_count);
    free(tally->resolves);
    free(tally->acknowledges);
}

typedef struct TallyList {
    Tally **items;
    size_t items_count, items_cap;
    IdMap by_name;
} TallyList;

static Tally *tally_of(TallyList *list, Str rule, Str team, Arena *arena) {
    uint64_t key = fnv1a(fnv1a(fnv1a(FNV1A_START, rule), STR("\xff")), team);
    key = key ? key : 1;
    Tally *tally = idmap_get(&list->by_name, key);
    if (!tally) {
        tally = arena_new(arena, Tally);
        tally->row = (QualityRow){.rule = rule, .team = team};
        idmap_put(&list->by_name, key, tally);
        VEC_PUSH(*list, items, tally);
    }
    return tally;
}

static int compare_rows(const void *a, const void *b) {
    const QualityRow *x = a, *y = b;
    if (x->counts.rang != y->counts.rang) {
        return x->counts.rang > y->counts.rang ? -1 : 1;
    }
    if (x->counts.fired != y->counts.fired) {
        return x->counts.fired > y->counts.fired ? -1 : 1;
    }
    int order = str_cmp(x->rule, y->rule);
    return order ? order : str_cmp(x->team, y->team);
}

static QualityRow *finish_list(TallyList *list, Arena *arena, size_t *ret_count) {
    QualityRow *rows = arena_array(arena, QualityRow, list->items_count + 1);
    for (size_t i = 0; i < list->items_count; i++) {
        finish_tally(list->items[i]);
        rows[i] = list->items[i]->row;
    }
    *ret_count = list->items_count;
    qsort(rows, list->items_count, sizeof *rows, compare_rows);
    free(list->items);
    idmap_finish(&list->by_name);
    return rows;
}

/* ---- the ledger is looked at row by row: there are more of them than of all else ---- */

typedef struct QualityBuild {
    const QualityInput *input;
    FateList fates;
    bool has_acknowledgements;
} QualityBuild;

static void begin(QualityBuild *build, const QualityInput *input, Arena *arena) {
    *build = (QualityBuild){.input = input};
    list_fates(input, arena, &build->fates);
}

static void take_row(const LedgerRow *row, void *context) {
    QualityBuild *build = context;
    note_row(&build->fates, row);
    build->has_acknowledgements |= str_eq(row->decision, STR("acknowledged"));
}

static void finish(const QualityBuild *build, Arena *arena, Quality *ret_quality) {
    const QualityInput *input = build->input;
    TallyList rules = {0}, teams = {0};
    Tally total = {0};
    *ret_quality = (Quality){
        .from = input->from, .to = input->to, .has_acknowledgements = build->has_acknowledgements};
    for (size_t i = 0; i < build->fates.count; i++) {
        const Fate *fate = &build->fates.items[i];
        const Episode *episode = fate->episode;
        if (episode->fired_at < input->from || episode->fired_at > input->to) {
            continue; /* only there to tell whether another one flapped */
        }
        Str rule = labels_get(episode->labels, STR("alertname"));
        Str team = labels_get(episode->labels, input->team_label);
        count_fate(input, fate, tally_of(&rules, rule, team, arena));
        count_fate(input, fate, tally_of(&teams, STR(""), team, arena));
        count_fate(input, fate, &total);
    }
    finish_tally(&total);
    ret_quality->total = total.row.counts;
    ret_quality->rules = finish_list(&rules, arena, &ret_quality->rule_count);
    ret_quality->teams = finish_list(&teams, arena, &ret_quality->team_count);
    ret_quality->night = input->business_hours ? arena_printf(arena, "outside of %.*s",
                                                              STR_ARG(input->business_hours->name))
                                               : STR("22:00 to 07:00 UTC");
}

void quality_build(const QualityInput *input, Arena *arena, Quality *ret_quality) {
    QualityBuild build;
    begin(&build, input, arena);
    for (size_t i = 0; i < input->ledger_count; i++) {
        take_row(&input->ledger[i], &build);
    }
    finish(&build, arena, ret_quality);
}

bool notify_quality(Notify *notify, TimeMs from, TimeMs to, Str team_label, Arena *arena,
                    Quality *ret_quality, Err *err) {
    Episode *episodes;
    QualityBuild build;
    pthread_rwlock_rdlock(&notify->lock);
    NotifyConfig *config = notify_config_ref(notify->config);
    pthread_rwlock_unlock(&notify->lock);
    QualityInput input = {.from = from,
                          .to = to,
                          .team_label = team_label.len ? team_label : STR("team"),
                          .flap_window = config->policy.flap_window,
                          .business_hours = config_calendar(config, STR("business_hours"))};
    TimeMs before = from - input.flap_window;
    bool ok = episodes_load(notify->state, before, to, arena, &episodes, &input.episode_count, err);
    if (ok) {
        input.episodes = episodes;
        begin(&build, &input, arena);
        ok = state_each_ledger(notify->state, &(LedgerFilter){.from = before, .to = TIME_MAX},
                               take_row, &build, err);
    }
    if (ok) {
        finish(&build, arena, ret_quality);
    }
    notify_config_unref(config);
    return ok;
}
