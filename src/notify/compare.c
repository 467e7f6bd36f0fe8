#include "notify/compare.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/number.h"
#include "notify/episode.h"
#include "notify/explain.h"
#include "notify/live.h"

enum { ALERTS_MAX = 50000 }; /* in one notification */

/* ---- changes: tellings without the repeats ---- */

typedef struct Change {
    const Telling *telling; /* the first of its like */
    LabelSet labels;        /* without the ignored ones */
    uint64_t key;           /* of receiver and labels */
    bool matched;
} Change;

static int compare_changes(const void *a, const void *b) {
    const Change *x = a, *y = b;
    if (x->key != y->key) {
        return x->key < y->key ? -1 : 1;
    }
    return (x->telling->at > y->telling->at) - (x->telling->at < y->telling->at);
}

/* Sorted by key and time. An end that follows nothing, and a beginning that follows a beginning,
 * are what they are: the first is kept, repeats go. */
static Change *changes_of(const CompareInput *input, const Telling *tellings, size_t count,
                          Arena *arena, size_t *ret_count) {
    Change *all = arena_array(arena, Change, count + 1);
    for (size_t i = 0; i < count; i++) {
        LabelSet labels =
            labels_filter(arena, tellings[i].labels, input->ignored, input->ignored_count, false);
        all[i] = (Change){.telling = &tellings[i],
                          .labels = labels,
                          .key = fnv1a(labels_fingerprint(labels), tellings[i].receiver)};
    }
    qsort(all, count, sizeof *all, compare_changes);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool repeat = kept && all[kept - 1].key == all[i].key &&
                      all[kept - 1].telling->is_firing == all[i].telling->is_firing;
        if (!repeat) {
            all[kept++] = all[i];
        }
    }
    *ret_count = kept;
    return all;
}

/* ---- matching ---- */

typedef struct Matching {
    const CompareInput *input;
    Compare *result;
    CompareRow *rows;
    size_t rows_count, rows_cap;
    DurationMs *lags;
    size_t lags_count, lags_cap;
} Matching;

static DurationMs distance(TimeMs a, TimeMs b) {
    return a > b ? a - b : b - a;
}

static Change *partner(const Change *change, Change *others, size_t count, DurationMs within) {
    Change *best = NULL;
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (others[middle].key < change->key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (size_t i = low; i < count && others[i].key == change->key; i++) {
        DurationMs apart = distance(others[i].telling->at, change->telling->at);
        bool same = others[i].telling->is_firing == change->telling->is_firing;
        bool nearer = !best || apart < distance(best->telling->at, change->telling->at);
        if (same && !others[i].matched && apart <= within && nearer) {
            best = &others[i];
        }
    }
    return best;
}

static CompareRow row_of(const Change *change, CompareSide side) {
    return (CompareRow){.side = side,
                        .receiver = change->telling->receiver,
                        .labels = change->labels,
                        .is_firing = change->telling->is_firing,
                        .why = change->telling->why};
}

static bool is_undecided(const CompareInput *input, TimeMs at) {
    return at > input->to - input->within || at < input->from + input->within;
}

static void match_theirs(Matching *matching, Change *theirs, size_t theirs_count, Change *ours,
                         size_t ours_count) {
    for (size_t i = 0; i < theirs_count; i++) {
        Change *mine = partner(&theirs[i], ours, ours_count, matching->input->within);
        if (!mine && is_undecided(matching->input, theirs[i].telling->at)) {
            matching->result->undecided++;
            continue;
        }
        CompareRow row = row_of(&theirs[i], mine ? COMPARE_BOTH : COMPARE_ONLY_ALERTMANAGER);
        row.theirs_at = theirs[i].telling->at;
        if (mine) {
            mine->matched = true;
            row.ours_at = mine->telling->at;
            row.why = mine->telling->why;
            VEC_PUSH(*matching, lags, row.ours_at - row.theirs_at);
            matching->result->both++;
        } else {
            matching->result->only_theirs++;
        }
        VEC_PUSH(*matching, rows, row);
    }
}

static void take_ours(Matching *matching, const Change *ours, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (ours[i].matched) {
            continue;
        }
        if (is_undecided(matching->input, ours[i].telling->at)) {
            matching->result->undecided++;
            continue;
        }
        CompareRow row = row_of(&ours[i], COMPARE_ONLY_BELFRY);
        row.ours_at = ours[i].telling->at;
        matching->result->only_ours++;
        VEC_PUSH(*matching, rows, row);
    }
}

static TimeMs time_of(const CompareRow *row) {
    return row->theirs_at ? row->theirs_at : row->ours_at;
}

static int compare_rows(const void *a, const void *b) {
    const CompareRow *x = a, *y = b;
    if (time_of(x) != time_of(y)) {
        return time_of(x) < time_of(y) ? -1 : 1;
    }
    int order = str_cmp(x->receiver, y->receiver);
    return order ? order : labels_cmp(x->labels, y->labels);
}

static int compare_spans(const void *a, const void *b) {
    const DurationMs *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void find_unheard(const CompareInput *input, Arena *arena, Compare *result) {
    result->unheard = arena_array(arena, Str, input->ours_count + 1);
    for (size_t i = 0; i < input->ours_count; i++) {
        Str receiver = input->ours[i].receiver;
        bool known = false;
        for (size_t j = 0; j < input->theirs_count && !known; j++) {
            known = str_eq(input->theirs[j].receiver, receiver);
        }
        for (size_t j = 0; j < result->unheard_count && !known; j++) {
            known = str_eq(result->unheard[j], receiver);
        }
        if (!known) {
            result->unheard[result->unheard_count++] = receiver;
        }
    }
}

void compare_tellings(const CompareInput *input, Arena *arena, Compare *ret_compare) {
    *ret_compare = (Compare){0};
    Matching matching = {.input = input, .result = ret_compare};
    size_t theirs_count, ours_count;
    Change *theirs = changes_of(input, input->theirs, input->theirs_count, arena, &theirs_count);
    Change *ours = changes_of(input, input->ours, input->ours_count, arena, &ours_count);
    match_theirs(&matching, theirs, theirs_count, ours, ours_count);
    take_ours(&matching, ours, ours_count);
    if (matching.lags_count) {
        qsort(matching.lags, matching.lags_count, sizeof *matching.lags, compare_spans);
        ret_compare->lag_median = matching.lags[matching.lags_count / 2];
        ret_compare->lag_max = matching.lags[matching.lags_count - 1];
    }
    if (matching.rows_count) {
        qsort(matching.rows, matching.rows_count, sizeof *matching.rows, compare_rows);
    }
    ret_compare->rows = arena_array(arena, CompareRow, matching.rows_count + 1);
    for (size_t i = 0; i < matching.rows_count; i++) {
        ret_compare->rows[i] = matching.rows[i];
    }
    ret_compare->row_count = matching.rows_count;
    find_unheard(input, arena, ret_compare);
    free(matching.rows);
    free(matching.lags);
}

/* ---- taking what Alertmanager sends ---- */

/* Alertmanager quotes the receiver's name as a regular expression. */
static Str unquote(Str quoted, Arena *arena) {
    char *text = arena_alloc(arena, quoted.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < quoted.len; i++) {
        bool escapes = quoted.ptr[i] == '\\' && i + 1 < quoted.len &&
                       ispunct((unsigned char)quoted.ptr[i + 1]);
        i += escapes;
        text[len++] = quoted.ptr[i];
    }
    return (Str){text, len};
}

static Str text_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? str_of(item->valuestring) : STR("");
}

/* The zero time is "none". */
static TimeMs time_member(const cJSON *object, const char *key) {
    TimeMs time;
    Err ignored;
    bool good = time_parse_rfc3339(text_of(object, key), &time, &ignored);
    return good && time > 0 ? time : 0;
}

static bool read_labels(const cJSON *object, Arena *arena, LabelSet *ret_labels, Err *err) {
    if (!cJSON_IsObject(object)) {
        return err_set(err, ERR_INVALID, "no labels");
    }
    int count = cJSON_GetArraySize(object);
    Label *items = arena_array(arena, Label, (size_t)count + 1);
    size_t used = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, object) {
        if (!cJSON_IsString(item)) {
            return err_set(err, ERR_INVALID, "label \"%s\" is no text", item->string);
        }
        items[used++] = (Label){arena_str(arena, str_of(item->string)),
                                arena_str(arena, str_of(item->valuestring))};
    }
    return labels_build(items, used, ret_labels, err) && labels_valid(*ret_labels, err);
}

static bool read_alert(const cJSON *alert, Arena *arena, ShadowRow *row, Err *err) {
    Str status = text_of(alert, "status");
    row->is_firing = str_eq(status, STR("firing"));
    if (!row->is_firing && !str_eq(status, STR("resolved"))) {
        return err_set(err, ERR_INVALID, "status is neither firing nor resolved");
    }
    row->starts_at = time_member(alert, "startsAt");
    row->ends_at = time_member(alert, "endsAt");
    return read_labels(cJSON_GetObjectItemCaseSensitive(alert, "labels"), arena, &row->labels, err);
}

static bool read_message(const cJSON *message, TimeMs now, Arena *arena, ShadowRow **ret_rows,
                         size_t *ret_count, Err *err) {
    const cJSON *alerts = cJSON_GetObjectItemCaseSensitive(message, "alerts");
    Str receiver = text_of(message, "receiver");
    if (!receiver.len || !cJSON_IsArray(alerts)) {
        return err_set(err, ERR_INVALID,
                       "expected Alertmanager's webhook message: {receiver, alerts: [...], ...}");
    }
    int count = cJSON_GetArraySize(alerts);
    if (count > ALERTS_MAX) {
        return err_set(err, ERR_LIMIT, "%d alerts in one message, more than the %d allowed", count,
                       ALERTS_MAX);
    }
    ShadowRow *rows = arena_array(arena, ShadowRow, (size_t)count + 1);
    size_t used = 0;
    const cJSON *alert;
    cJSON_ArrayForEach(alert, alerts) {
        rows[used] = (ShadowRow){.at = now,
                                 .receiver = unquote(receiver, arena),
                                 .group_key = arena_str(arena, text_of(message, "groupKey"))};
        if (!read_alert(alert, arena, &rows[used], err)) {
            return err_context(err, "alerts[%zu]", used);
        }
        used++;
    }
    *ret_rows = rows;
    *ret_count = used;
    return true;
}

bool shadow_message_read(Str body, TimeMs now, Arena *arena, ShadowRow **ret_rows,
                         size_t *ret_count, Err *err) {
    cJSON *message = cJSON_ParseWithLength(body.ptr, body.len);
    bool ok = read_message(message, now, arena, ret_rows, ret_count, err);
    cJSON_Delete(message);
    return ok;
}

bool notify_shadow_take(Notify *notify, Str body, TimeMs now, size_t *ret_count, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AUTO(state_rollbackp) StateTx *tx = NULL;
    ShadowRow *rows = NULL;
    size_t count = 0;
    if (!shadow_message_read(body, now, &arena, &rows, &count, err) ||
        !state_begin(notify->state, &tx, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!state_put_shadow(tx, &rows[i], err)) {
            return false;
        }
    }
    *ret_count = count;
    return state_commit(TAKE(tx), err);
}

/* ---- both sides from the database ---- */

static Telling *theirs_of(const ShadowRow *rows, size_t count, Arena *arena) {
    Telling *tellings = arena_array(arena, Telling, count + 1);
    for (size_t i = 0; i < count; i++) {
        tellings[i] = (Telling){.receiver = rows[i].receiver,
                                .labels = rows[i].labels,
                                .is_firing = rows[i].is_firing,
                                .at = rows[i].at,
                                .why = STR("")};
    }
    return tellings;
}

typedef struct Ours {
    const Episode *episodes; /* in order of `fired_at` */
    IdMap newest;            /* key -> the newest episode so far, while rows are walked by time */
    size_t next;
    Telling *items;
    size_t items_count, items_cap;
} Ours;

static void add_member(Ours *ours, int64_t key, const LedgerRow *row, Str receiver) {
    const Episode *episode = idmap_get(&ours->newest, key ? (uint64_t)key : 1);
    if (!episode) {
        return; /* older than the history */
    }
    bool over = episode->ended_at && episode->ended_known_at <= row->at;
    VEC_PUSH(*ours, items,
             ((Telling){.receiver = receiver,
                        .labels = episode->labels,
                        .is_firing = !over,
                        .at = row->at,
                        .why = row->reason}));
}

static void add_row(Ours *ours, const LedgerRow *row, size_t episode_count) {
    static const char *const told[] = {"shadowed", "queued", "superseded"};
    bool wanted = false;
    for (size_t i = 0; i < 3; i++) {
        wanted |= str_eq(row->decision, str_of(told[i]));
    }
    for (; ours->next < episode_count && ours->episodes[ours->next].fired_at <= row->at;
         ours->next++) {
        const Episode *episode = &ours->episodes[ours->next];
        uint64_t key = episode->key ? (uint64_t)episode->key : 1;
        if (idmap_get(&ours->newest, key)) {
            idmap_remove(&ours->newest, key);
        }
        idmap_put(&ours->newest, key, (void *)(uintptr_t)episode);
    }
    Str receiver = row->subject; /* receiver/type/hash */
    for (int slashes = 0; wanted && receiver.len && slashes < 2;) {
        slashes += receiver.ptr[--receiver.len] == '/';
    }
    if (wanted && row->alert_key) {
        add_member(ours, row->alert_key, row, receiver);
    }
    for (size_t i = 0; wanted && i < row->member_count; i++) {
        add_member(ours, row->members[i], row, receiver);
    }
}

/* Only of what Alertmanager alone told it is asked why. */
typedef struct Asked {
    IdMap fingerprints; /* without the labels that are ignored */
    const Str *ignored;
    size_t ignored_count;
} Asked;

static bool is_asked(LabelSet labels, const void *context) {
    AUTO(arena_finish) Arena arena = {0};
    const Asked *asked = context;
    labels = labels_filter(&arena, labels, asked->ignored, asked->ignored_count, false);
    uint64_t key = labels_fingerprint(labels);
    return idmap_get(&asked->fingerprints, key ? key : 1) != NULL;
}

static void ask(Asked *asked, Compare *result) {
    for (size_t i = 0; i < result->row_count; i++) {
        CompareRow *row = &result->rows[i];
        uint64_t key = labels_fingerprint(row->labels);
        if (row->side == COMPARE_ONLY_ALERTMANAGER) {
            *idmap_at(&asked->fingerprints, key ? key : 1) = row;
        }
    }
}

/* What Belfry decided about an alert instead of telling it. */
static void add_verdicts(const Explanation *explanations, size_t count, const Str *ignored,
                         size_t ignored_count, Arena *arena, Compare *result) {
    IdMap by_labels = {0};
    for (size_t i = count; i > 0; i--) {
        LabelSet labels =
            labels_filter(arena, explanations[i - 1].alert.labels, ignored, ignored_count, false);
        uint64_t key = labels_fingerprint(labels);
        if (idmap_get(&by_labels, key)) {
            idmap_remove(&by_labels, key);
        }
        idmap_put(&by_labels, key, (void *)(uintptr_t)&explanations[i - 1]);
    }
    for (size_t i = 0; i < result->row_count; i++) {
        CompareRow *row = &result->rows[i];
        if (row->side == COMPARE_ONLY_ALERTMANAGER) {
            const Explanation *explanation = idmap_get(&by_labels, labels_fingerprint(row->labels));
            row->why = explanation ? explanation->verdict
                                   : STR("Belfry has no such alert: its rules do not fire it, or "
                                         "with other labels");
        }
    }
    idmap_finish(&by_labels);
}

bool notify_shadow_compare(Notify *notify, TimeMs from, TimeMs to, DurationMs within,
                           const Str *ignored, size_t ignored_count, TimeMs now, Arena *arena,
                           Compare *ret_compare, Err *err) {
    ShadowRow *shadow;
    LedgerRow *ledger;
    Episode *episodes;
    size_t shadow_count, ledger_count, episode_count;
    LedgerFilter filter = {.from = from, .to = to};
    TimeMs first;
    if (!state_first_shadow(notify->state, &first, err) ||
        !state_load_shadow(notify->state, from, to, arena, &shadow, &shadow_count, err) ||
        !state_load_ledger(notify->state, &filter, arena, &ledger, &ledger_count, err) ||
        !episodes_load(notify->state, from, to, arena, &episodes, &episode_count, err)) {
        return false;
    }
    /* Before the first notification came nobody knows what Alertmanager told. */
    TimeMs compared_from = first && first - within > from ? first - within : from;
    Ours ours = {.episodes = episodes};
    for (size_t i = ledger_count; i > 0; i--) {
        add_row(&ours, &ledger[i - 1], episode_count);
    }
    CompareInput input = {.theirs = theirs_of(shadow, shadow_count, arena),
                          .theirs_count = shadow_count,
                          .ours = ours.items,
                          .ours_count = ours.items_count,
                          .within = within,
                          .ignored = ignored,
                          .ignored_count = ignored_count,
                          .from = compared_from,
                          .to = to};
    compare_tellings(&input, arena, ret_compare);
    idmap_finish(&ours.newest);
    free(ours.items);
    if (!ret_compare->only_theirs) {
        return true;
    }
    Asked asked = {.ignored = ignored, .ignored_count = ignored_count};
    ExplainQuery query = {
        .alert = STR(""), .from = from, .to = to, .wants = is_asked, .context = &asked};
    Explanation *explanations;
    size_t count, matched;
    ask(&asked, ret_compare);
    bool ok = notify_explain(notify, &query, now, arena, &explanations, &count, &matched, err);
    if (ok) {
        add_verdicts(explanations, count, ignored, ignored_count, arena, ret_compare);
    }
    idmap_finish(&asked.fingerprints);
    return ok;
}
