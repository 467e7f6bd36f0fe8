#include "notify/explain.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/number.h"
#include "notify/live.h"

/* ---- sentences ---- */

static Str time_text(TimeMs time, Arena *arena) {
    AUTO(buf_finish) Buf buf = {0};
    time_put(&buf, time);
    return arena_str(arena, buf_view(&buf));
}

static Str span_text(DurationMs span, Arena *arena) {
    AUTO(buf_finish) Buf buf = {0};
    duration_put(&buf, span >= SECOND_MS ? span / SECOND_MS * SECOND_MS : span);
    return arena_str(arena, buf_view(&buf));
}

Str explain_integration(Str id, Arena *arena) {
    size_t receiver = id.len, type = id.len;
    /* From the back: a receiver's name may contain a slash. */
    for (size_t i = id.len; i > 0; i--) {
        if (id.ptr[i - 1] == '/') {
            if (type == id.len) {
                type = i - 1;
            } else {
                receiver = i - 1;
                break;
            }
        }
    }
    if (receiver == id.len) {
        return arena_str(arena, id);
    }
    return arena_printf(arena, "%.*s (%.*s)", (int)receiver, id.ptr, (int)(type - receiver - 1),
                        id.ptr + receiver + 1);
}

/* How each decision reads. %s is the subject, %w who it names, %r the reason, %d the detail, %i the
 * subject as an integration, %u " until TIME" where there is one, %t " at TIME" or " at once". */
static const struct {
    const char *decision, *text;
} sentences[] = {
    {"routed", "routed to receiver %s, group %d, whose members are told%t"},
    {"held", "held%u for the digest (%s)"},
    {"muted", "held%u by time interval %s"},
    {"silenced", "silenced%u by silence %s, %d"},
    {"flagged", "kept quiet%u by maintenance flag %s, %d"},
    {"inhibited", "inhibited by %d (fingerprint %s)"},
    {"damped", "damped%u: %d"},
    {"released", "nothing keeps it quiet any more"},
    {"queued", "to be told to %i: %r"},
    {"superseded", "to be told to %i in place of an older message that had not been sent: %r"},
    {"collapsed", "nothing left to tell to %i: it began and ended before a message was sent"},
    {"shadowed", "would have been told to %i (shadow mode): %r"},
    {"attempted", "sending the %r to %i"},
    {"delivered", "%r taken by %i: %d"},
    {"failed", "%r not taken by %i, to be tried again: %d"},
    {"refused", "%r refused by %i for good: %d"},
    {"acknowledged", "acknowledged by %w, %d"},
    {"unacknowledged", "acknowledgement taken back by %s, %d"},
    {"retried", "sending to %i again, asked for by hand: %d"},
    {"dropped", "taken out of the outbox by hand, not told to %i: %d"},
    {"closed", "closed at the pager by %s, %d"},
};

static Str placeholder(char letter, const ExplainEvent *event, Arena *arena) {
    switch (letter) {
    case 's':
        return event->subject;
    case 'r':
        return event->reason;
    case 'd':
        return event->detail;
    case 'w':
        return event->subject.len ? event->subject : STR("hand");
    case 'i':
        return explain_integration(event->subject, arena);
    case 'u':
        return event->until
                   ? arena_printf(arena, " until %.*s", STR_ARG(time_text(event->until, arena)))
                   : STR("");
    case 't':
        return event->until
                   ? arena_printf(arena, " at %.*s", STR_ARG(time_text(event->until, arena)))
                   : STR(" at once, or when the group is due");
    default:
        return STR("");
    }
}

static Str sentence_of(const ExplainEvent *event, Arena *arena) {
    AUTO(buf_finish) Buf buf = {0};
    const char *text = NULL;
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
        if (str_eq(event->event, str_of(sentences[i].decision))) {
            text = sentences[i].text;
        }
    }
    if (!text) { /* written by another version */
        return arena_printf(arena, "%.*s %.*s %.*s", STR_ARG(event->reason),
                            STR_ARG(event->subject), STR_ARG(event->detail));
    }
    for (; *text; text++) {
        if (*text == '%' && text[1]) {
            buf_str(&buf, placeholder(*++text, event, arena));
        } else {
            buf_byte(&buf, *text);
        }
    }
    Str made = buf_view(&buf);
    while (str_ends(made, STR(", ")) || str_ends(made, STR(": "))) { /* nothing to say there */
        made.len -= 2;
    }
    return arena_str(arena, made);
}

static ExplainEvent event_of_history(const AlertHistoryRow *row, Arena *arena) {
    static const char *const names[] = {
        [ALERT_BECAME_PENDING] = "pending",
        [ALERT_BECAME_FIRING] = "fired",
        [ALERT_BECAME_RESOLVED] = "resolved",
        [ALERT_BECAME_INACTIVE] = "ended pending",
    };
    static const char *const texts[] = {
        [ALERT_BECAME_PENDING] = "its condition holds; it fires if that lasts",
        [ALERT_BECAME_FIRING] = "fires",
        [ALERT_BECAME_RESOLVED] = "resolved",
        [ALERT_BECAME_INACTIVE] = "its condition went away before it fired",
    };
    AUTO(buf_finish) Buf text = {0};
    buf_str(&text, str_of(texts[row->event]));
    if (row->event == ALERT_BECAME_FIRING) {
        buf_str(&text, STR(", value "));
        number_put(&text, row->alert.value);
        DurationMs held = row->alert.active_at ? row->at - row->alert.active_at : 0;
        if (held > 0) {
            buf_printf(&text, ", after its condition held for %.*s",
                       STR_ARG(span_text(held, arena)));
        }
    } else if (row->event == ALERT_BECAME_RESOLVED && row->alert.fired_at) {
        buf_printf(&text, " after %.*s", STR_ARG(span_text(row->at - row->alert.fired_at, arena)));
    }
    if (row->reason.len && !str_eq(row->reason, STR("condition"))) {
        buf_printf(&text, " (%.*s)", STR_ARG(row->reason));
    }
    return (ExplainEvent){.at = row->at,
                          .event = str_of(names[row->event]),
                          .reason = row->reason,
                          .subject = STR(""),
                          .detail = STR(""),
                          .text = arena_str(arena, buf_view(&text))};
}

static ExplainEvent event_of_ledger(const LedgerRow *row, Arena *arena) {
    ExplainEvent event = {.at = row->at,
                          .event = row->decision,
                          .reason = row->reason,
                          .subject = row->subject,
                          .detail = row->detail,
                          .until = row->until};
    event.text = sentence_of(&event, arena);
    return event;
}

/* ---- summing up ---- */

/* What the newest episode's events come to. */
typedef struct Sum {
    const ExplainEvent *fired, *ended, *told, *shadowed, *queued, *trouble, *quiet, *window;
    const ExplainEvent *routed, *acknowledged;
    Buf receivers; /* those who were told, each once */
    Arena *arena;
} Sum;

static bool is_any(Str word, const char *const *words) {
    for (; *words; words++) {
        if (str_eq(word, str_of(*words))) {
            return true;
        }
    }
    return false;
}

static void add_receiver(Sum *sum, const ExplainEvent *event) {
    Str name = explain_integration(event->subject, sum->arena);
    Str have = buf_view(&sum->receivers);
    for (size_t i = 0; i + name.len <= have.len; i++) {
        if (memcmp(have.ptr + i, name.ptr, name.len) == 0) {
            return;
        }
    }
    if (have.len) {
        buf_str(&sum->receivers, STR(", "));
    }
    buf_str(&sum->receivers, name);
}

static void sum_event(Sum *sum, const ExplainEvent *event) {
    static const char *const quiet[] = {"silenced", "flagged", "inhibited", "damped", NULL};
    static const char *const window[] = {"held", "muted", NULL};
    static const char *const trouble[] = {"failed", "refused", NULL};
    static const char *const queued[] = {"queued", "superseded", NULL};
    if (str_eq(event->event, STR("fired"))) {
        buf_finish(&sum->receivers);
        *sum = (Sum){.fired = event, .arena = sum->arena};
    } else if (str_eq(event->event, STR("resolved"))) {
        sum->ended = event;
    } else if (str_eq(event->event, STR("delivered")) && str_eq(event->reason, STR("trigger"))) {
        sum->told = sum->told ? sum->told : event;
        add_receiver(sum, event);
    } else if (str_eq(event->event, STR("shadowed"))) {
        sum->shadowed = sum->shadowed ? sum->shadowed : event;
        add_receiver(sum, event);
    } else if (str_eq(event->event, STR("released"))) {
        sum->quiet = NULL;
    } else if (str_eq(event->event, STR("acknowledged"))) {
        sum->acknowledged = event;
    } else if (str_eq(event->event, STR("routed"))) {
        sum->routed = event;
    } else if (is_any(event->event, quiet)) {
        sum->quiet = event;
    } else if (is_any(event->event, window)) {
        sum->window = event;
    } else if (is_any(event->event, trouble)) {
        sum->trouble = event;
    } else if (is_any(event->event, queued)) {
        sum->queued = sum->queued ? sum->queued : event;
    }
}

static Str told_verdict(const Sum *sum, const ExplainEvent *told, const char *how) {
    const ExplainEvent *queued = sum->queued ? sum->queued : told;
    Str after = sum->fired && told->at > sum->fired->at
                    ? arena_printf(sum->arena, ", %.*s after it fired",
                                   STR_ARG(span_text(told->at - sum->fired->at, sum->arena)))
                    : STR("");
    Str acknowledged = sum->acknowledged
                           ? arena_printf(sum->arena, "; %.*s", STR_ARG(sum->acknowledged->text))
                           : STR("");
    return arena_printf(sum->arena, "%s %.*s at %.*s%.*s: %.*s%.*s", how,
                        STR_ARG(buf_view(&sum->receivers)),
                        STR_ARG(time_text(told->at, sum->arena)), STR_ARG(after),
                        STR_ARG(queued->reason), STR_ARG(acknowledged));
}

static Str not_verdict(const Sum *sum, const ExplainEvent *because, TimeMs now) {
    bool over = sum->ended && sum->ended->at <= now;
    return arena_printf(sum->arena, "%s: %.*s%s", over ? "Not paged" : "Not paged so far",
                        STR_ARG(because->text), over ? "; it ended before that" : "");
}

static Str verdict_of(const Sum *sum, AlertPhase phase, TimeMs now) {
    if (sum->told) {
        return told_verdict(sum, sum->told, "Paged: told");
    }
    if (sum->shadowed) {
        return told_verdict(sum, sum->shadowed,
                            "Not paged, in shadow mode; it would have been told to");
    }
    if (sum->trouble) {
        return arena_printf(sum->arena, "Not paged: %.*s", STR_ARG(sum->trouble->text));
    }
    if (sum->queued) {
        return arena_printf(sum->arena, "%s: %.*s", sum->ended ? "Not paged" : "About to be paged",
                            STR_ARG(sum->queued->text));
    }
    if (sum->quiet) {
        return arena_printf(sum->arena, "Not paged: %.*s", STR_ARG(sum->quiet->text));
    }
    if (sum->window) {
        return not_verdict(sum, sum->window, now);
    }
    if (sum->routed && sum->ended) {
        return STR("Not paged: it was over before its group was due to be told");
    }
    if (sum->routed && sum->routed->until > now) {
        return arena_printf(sum->arena, "Not paged so far: receiver %.*s is told at %.*s",
                            STR_ARG(sum->routed->subject),
                            STR_ARG(time_text(sum->routed->until, sum->arena)));
    }
    if (sum->routed) {
        return arena_printf(sum->arena,
                            "Not paged: receiver %.*s has told nobody (see what it is configured "
                            "to do)",
                            STR_ARG(sum->routed->subject));
    }
    if (sum->fired) {
        return STR("Not paged: no decision is on record; it may be older than the ledger");
    }
    return phase == ALERT_PENDING ? STR("Not paged: it does not fire yet, its condition has not "
                                        "lasted long enough")
                                  : STR("Not paged: it never fired");
}

/* ---- one alert ---- */

/* What happened to the alert goes before what was decided in the same millisecond. */
static void merge(const AlertHistoryRow *history, size_t history_count, const LedgerRow *ledger,
                  size_t ledger_count, Arena *arena, Explanation *explanation) {
    explanation->events = arena_array(arena, ExplainEvent, history_count + ledger_count + 1);
    size_t at = 0, left = ledger_count;
    while (at < history_count || left > 0) {
        bool history_next = at < history_count && (!left || history[at].at <= ledger[left - 1].at);
        explanation->events[explanation->event_count++] =
            history_next ? event_of_history(&history[at], arena)
                         : event_of_ledger(&ledger[left - 1], arena);
        if (history_next) {
            at++;
        } else {
            left--;
        }
    }
}

void explain_alert(const Alert *alert, const AlertHistoryRow *history, size_t history_count,
                   const LedgerRow *ledger, size_t ledger_count, TimeMs now, Arena *arena,
                   Explanation *ret_explanation) {
    *ret_explanation = (Explanation){.alert = *alert};
    snprintf(ret_explanation->fingerprint, sizeof ret_explanation->fingerprint, "%016llx",
             (unsigned long long)labels_fingerprint(alert->labels));
    alert_dedup_key(alert, ret_explanation->dedup_key);
    merge(history, history_count, ledger, ledger_count, arena, ret_explanation);
    Sum sum = {.arena = arena};
    for (size_t i = 0; i < ret_explanation->event_count; i++) {
        sum_event(&sum, &ret_explanation->events[i]);
    }
    ret_explanation->since = alert->phase == ALERT_FIRING    ? alert->fired_at
                             : alert->phase == ALERT_PENDING ? alert->active_at
                                                             : alert->resolved_at;
    ret_explanation->paged = sum.told != NULL;
    ret_explanation->verdict = verdict_of(&sum, alert->phase, now);
    buf_finish(&sum.receivers);
}

/* ---- finding them ---- */

typedef struct Found {
    Alert alert;
    int64_t key;
    TimeMs from; /* when its timeline begins */
    TimeMs at;   /* its newest event */
} Found;

typedef struct FoundList {
    Found *items;
    size_t items_count, items_cap;
    IdMap by_key; /* place + 1 */
} FoundList;

static bool is_asked(const ExplainQuery *query, const Alert *alert, const char dedup_key[65]) {
    char fingerprint[17];
    Str name = labels_get(alert->labels, STR("alertname"));
    snprintf(fingerprint, sizeof fingerprint, "%016llx",
             (unsigned long long)labels_fingerprint(alert->labels));
    bool named = !query->alert.len || str_eq(query->alert, name) ||
                 str_eq(query->alert, str_of(fingerprint)) ||
                 str_eq(query->alert, str_of(dedup_key));
    named = named && (!query->wants || query->wants(alert->labels, query->context));
    return named && (!query->matchers || matcher_set_matches(query->matchers, alert->labels));
}

static void note_found(FoundList *list, const ExplainQuery *query, const Alert *alert, TimeMs at) {
    char dedup_key[65];
    alert_dedup_key(alert, dedup_key);
    uint64_t key = (uint64_t)state_alert_key(dedup_key);
    key = key ? key : 1;
    if (!is_asked(query, alert, dedup_key)) {
        return;
    }
    TimeMs from = alert->active_at ? alert->active_at : at;
    from = alert->fired_at && alert->fired_at < from ? alert->fired_at : from;
    from = from < query->from ? from : query->from;
    size_t place = (size_t)(uintptr_t)idmap_get(&list->by_key, key);
    if (!place) {
        VEC_PUSH(*list, items, ((Found){.key = state_alert_key(dedup_key), .from = from}));
        place = list->items_count;
        idmap_put(&list->by_key, key, (void *)(uintptr_t)place);
    }
    Found *found = &list->items[place - 1];
    found->alert = *alert;
    found->from = from < found->from ? from : found->from;
    found->at = at > found->at ? at : found->at;
}

static int compare_found(const void *a, const void *b) {
    const Found *x = a, *y = b;
    if (x->at != y->at) {
        return x->at > y->at ? -1 : 1;
    }
    return labels_cmp(x->alert.labels, y->alert.labels);
}

/* History tells what was, the alerts what is. */
static void note_rows(FoundList *list, const ExplainQuery *query, const RowsOf *rows) {
    for (size_t i = 0; i < rows->history_count; i++) {
        note_found(list, query, &rows->history[i].alert, rows->history[i].at);
    }
    for (size_t i = 0; i < rows->alert_count; i++) {
        const Alert *alert = &rows->alerts[i].alert;
        if (alert->phase != ALERT_INACTIVE && alert->active_at <= query->to) {
            note_found(list, query, alert, alert->updated_at);
        }
    }
}

/* All there is: of times that are long ago, or of one whom only his dedup key names. */
static bool load_all(State *state, const ExplainQuery *query, Arena *arena, RowsOf *ret_rows,
                     Err *err) {
    return state_load_episode_rows(state, query->from, query->to, 0, arena, &ret_rows->history,
                                   &ret_rows->history_count, err) &&
           state_load_alert_rows(state, arena, &ret_rows->alerts, &ret_rows->alert_count, err);
}

enum { DEDUP_KEY_LEN = 64 };

/* Among a hundred thousand alerts those that are asked about are known before they are read. */
static bool load_rows(Notify *notify, const ExplainQuery *query, TimeMs now, Arena *arena,
                      RowsOf *ret_rows, Err *err) {
    WeekSearch search = {.filter = query->matchers, .name = query->alert};
    int64_t *numbers;
    size_t count;
    if (query->alert.len == DEDUP_KEY_LEN) {
        return load_all(notify->state, query, arena, ret_rows, err);
    }
    if (!week_find(&notify->week, notify->state, &search, query->from, now, arena, &numbers, &count,
                   err)) {
        bool is_older = err->kind == ERR_NOT_FOUND;
        *err = is_older ? (Err){0} : *err;
        return is_older && load_all(notify->state, query, arena, ret_rows, err);
    }
    return state_load_rows_of(notify->state, numbers, count, query->from, query->to, arena,
                              ret_rows, err);
}

static bool find_alerts(Notify *notify, const ExplainQuery *query, TimeMs now, Arena *arena,
                        FoundList *list, Err *err) {
    RowsOf rows = {0};
    if (!load_rows(notify, query, now, arena, &rows, err)) {
        return false;
    }
    note_rows(list, query, &rows);
    if (list->items_count) {
        qsort(list->items, list->items_count, sizeof *list->items, compare_found);
    }
    return true;
}

static bool explain_found(State *state, const Found *found, const ExplainQuery *query, TimeMs now,
                          Arena *arena, Explanation *explanation, Err *err) {
    AlertHistoryRow *history;
    LedgerRow *ledger;
    size_t history_count, ledger_count;
    LedgerFilter filter = {.from = found->from, .to = query->to, .alert_key = found->key};
    char key[65];
    alert_dedup_key(&found->alert, key);
    if (!state_alert_history(state, found->from, query->to, key, 0, arena, &history, &history_count,
                             err) ||
        !state_load_ledger(state, &filter, arena, &ledger, &ledger_count, err)) {
        return false;
    }
    for (size_t i = 0; i < history_count / 2; i++) { /* newest first, as state gives it */
        AlertHistoryRow row = history[i];
        history[i] = history[history_count - 1 - i];
        history[history_count - 1 - i] = row;
    }
    explain_alert(&found->alert, history, history_count, ledger, ledger_count, now, arena,
                  explanation);
    return true;
}

bool notify_explain(Notify *notify, const ExplainQuery *query, TimeMs now, Arena *arena,
                    Explanation **ret_explanations, size_t *ret_count, size_t *ret_matched,
                    Err *err) {
    FoundList list = {0};
    bool ok = find_alerts(notify, query, now, arena, &list, err);
    size_t count =
        query->limit && list.items_count > query->limit ? query->limit : list.items_count;
    Explanation *explanations = arena_array(arena, Explanation, count + 1);
    for (size_t i = 0; ok && i < count; i++) {
        ok = explain_found(notify->state, &list.items[i], query, now, arena, &explanations[i], err);
    }
    *ret_matched = list.items_count;
    *ret_count = count;
    *ret_explanations = explanations;
    free(list.items);
    idmap_finish(&list.by_key);
    return ok;
}
