/* Whether to tell: the decision as a table, and the rules by which what waits in the outbox gives
 * way to what comes later. */

#include "notify/dedup.h"
#include "notify/live.h"
#include "notify/outbox.h"
#include "notify_test.h"

/* Sets are written as digits: "12" are the alerts 1 and 2. */
static IdSet set_of(Arena *arena, const char *digits) {
    IdSet set = {arena_array(arena, int64_t, 10), 0};
    for (; *digits; digits++) {
        set.ids[set.count++] = *digits - '0';
    }
    return set;
}

Test(decide, each_case_gives_its_reason) {
    static const struct {
        const char *name, *told, *firing, *held, *resolved;
        bool was_told, keeps_resolved_to_itself, is_muted;
        int minutes_ago;
        NotifyReason want;
    } rows[] = {
        {"nothing fires, nothing was told", "", "", "", "", .want = NOTIFY_NOTHING_NEW},
        {"the first", "", "1", "", "", .want = NOTIFY_FIRST},
        {"again after all were over", "", "1", "", "", true, .want = NOTIFY_FIRST},
        {"one joins", "1", "12", "", "", true, .want = NOTIFY_NEW_ALERTS},
        {"one joins as another ends", "1", "2", "", "1", true, .want = NOTIFY_NEW_ALERTS},
        {"all end", "12", "", "", "12", true, .want = NOTIFY_ALL_RESOLVED},
        {"all end, and the receiver does not want to know: the set is cleared", "1", "", "", "1",
         true, true, .want = NOTIFY_ALL_RESOLVED},
        {"one of two ends", "12", "1", "", "2", true, .want = NOTIFY_SOME_RESOLVED},
        {"one of two ends, the receiver does not want to know", "12", "1", "", "2", true, true,
         .minutes_ago = 1, .want = NOTIFY_NOTHING_NEW},
        {"the told one is silenced: neither end nor repeat", "1", "", "1", "", true,
         .minutes_ago = 600, .want = NOTIFY_NOTHING_NEW},
        {"one of two is silenced, the other ends", "12", "", "1", "2", true,
         .want = NOTIFY_SOME_RESOLVED},
        {"the silenced one ends: a silence swallows no end", "1", "", "", "1", true,
         .want = NOTIFY_ALL_RESOLVED},
        {"not yet time to repeat", "1", "1", "", "", true, .minutes_ago = 239,
         .want = NOTIFY_NOTHING_NEW},
        {"time to repeat, to the minute", "1", "1", "", "", true, .minutes_ago = 240,
         .want = NOTIFY_REPEAT_DUE},
        {"no repeat while muted", "1", "1", "", "", true, false, true, 600, NOTIFY_NOTHING_NEW},
        {"an end while muted", "1", "", "", "1", true, false, true, 600, NOTIFY_ALL_RESOLVED},
    };
    AUTO(arena_finish) Arena arena = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        DedupInput input = {.told = set_of(&arena, rows[i].told),
                            .was_told = rows[i].was_told,
                            .told_at = T0 - rows[i].minutes_ago * MINUTE_MS,
                            .firing = set_of(&arena, rows[i].firing),
                            .held = set_of(&arena, rows[i].held),
                            .resolved = set_of(&arena, rows[i].resolved),
                            .send_resolved = !rows[i].keeps_resolved_to_itself,
                            .is_muted = rows[i].is_muted,
                            .repeat_interval = 4 * HOUR_MS,
                            .now = T0};
        NotifyReason got = dedup_decide(&input);
        cr_expect_eq(got, rows[i].want, "%s: %s", rows[i].name, notify_reason_text(got));
    }
}

/* ---- the outbox ---- */

/* What waits, oldest first: T and t are triggers (t refused for good), R and r resolves, N a
 * notice.
 */
static void describe(const Notify *notify, char *ret) {
    static const char letters[] = {[OUTBOX_TRIGGER] = 'T',
                                   [OUTBOX_RESOLVE] = 'R',
                                   [OUTBOX_ACKNOWLEDGE] = 'A',
                                   [OUTBOX_NOTICE] = 'N'};
    size_t len = 0;
    for (int64_t id = 1; id < 100; id++) {
        const OutboxEntry *entry = idmap_get(&notify->outbox.by_id, (uint64_t)id);
        if (entry) {
            char letter = letters[entry->row.action];
            bool failed = entry->row.status == OUTBOX_FAILED;
            ret[len++] = failed ? (char)(letter + 'a' - 'A') : entry->in_flight ? '>' : letter;
        }
    }
    ret[len] = '\0';
}

static OutboxEntry *last_entry(const Notify *notify) {
    return notify->outbox.entries[notify->outbox.entries_count - 1];
}

/* 'T' 'R' 'A' 'N' 'H' (heartbeat) come; '>' sends the last one, '?' and its answer is lost, 'x' and
 * it is refused for good, '*' makes the receiver know of the incident. */
static void put(Notify *notify, StateTx *tx, char what, bool *heard) {
    Err err = {0};
    OutboxPut outcome;
    OutboxEntry *last = notify->outbox.entries_count ? last_entry(notify) : NULL;
    static const char letters[] = "TRANH";
    static const OutboxAction actions[] = {OUTBOX_TRIGGER, OUTBOX_RESOLVE, OUTBOX_ACKNOWLEDGE,
                                           OUTBOX_NOTICE, OUTBOX_NOTICE};
    switch (what) {
    case '>':
        last->in_flight = true;
        return;
    case '?':
        last->in_flight = false;
        last->row.maybe_delivered = true;
        return;
    case 'x':
        last->in_flight = false;
        last->row.status = OUTBOX_FAILED;
        return;
    case '*':
        *heard = true;
        return;
    }
    OutboxRow row = {.integration = STR("r/webhook/1"),
                     .receiver = STR("r"),
                     .dedup_key = STR("k"),
                     .target = STR(""),
                     .action = actions[strchr(letters, what) - letters],
                     .members = STR(""),
                     .reason = what == 'H' ? STR("heartbeat") : STR("test"),
                     .answer = STR("")};
    cr_assert(outbox_put(notify, tx, &row, *heard, &outcome, &err), "%s", err.text);
}

Test(decide, what_waits_gives_way_to_what_comes_later) {
    static const struct {
        const char *name, *story, *left;
    } rows[] = {
        {"a trigger", "T", "T"},
        {"a newer trigger takes the place", "TT", "T"},
        {"fire and resolve, nobody heard: nothing is left", "TR", ""},
        {"fire, resolve, fire: one", "TRT", "T"},
        {"an end of what was told", "*TR", "R"},
        {"the end of a trigger whose answer was lost", "T>?R", "R"},
        {"on its way: the end waits", "T>R", ">R"},
        {"on its way, end, beginning: three at most", "T>RTT", ">RT"},
        {"on its way, end, beginning, end: the end that waits says it all", "T>RTR", ">R"},
        {"a refused trigger and its end", "T>xR", ""},
        {"a refused trigger gives its place to a newer one", "T>xT", "T"},
        {"an acknowledgement after its trigger", "TA", "TA"},
        {"and an end after both", "*TAR", "TAR"},
        {"notices are all told", "NN", "NN"},
        {"of heartbeats the latest", "HHH", "N"},
        {"a refused heartbeat gives its place to the next", "H>xH", "N"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Rig rig;
        StateTx *tx;
        Err err = {0};
        char left[100];
        bool heard = false;
        rig_open(&rig, rig_config(NULL, NULL, NULL));
        cr_assert(state_begin(rig.state, &tx, &err), "%s", err.text);
        for (const char *at = rows[i].story; *at; at++) {
            put(rig.notify, tx, *at, &heard);
        }
        describe(rig.notify, left);
        cr_expect_str_eq(left, rows[i].left, "%s: %s leaves \"%s\"", rows[i].name, rows[i].story,
                         left);
        state_rollback(tx);
        rig_close(&rig);
    }
}

Test(decide, an_id_is_never_given_twice) {
    Rig rig;
    StateTx *tx;
    Err err = {0};
    OutboxPut outcome;
    int64_t last = 0;
    rig_open(&rig, rig_config(NULL, NULL, NULL));
    for (int i = 0; i < 3; i++) {
        OutboxRow row = {.integration = STR("r/webhook/1"),
                         .receiver = STR("r"),
                         .dedup_key = STR("k"),
                         .target = STR(""),
                         .action = OUTBOX_NOTICE,
                         .members = STR(""),
                         .reason = STR("test"),
                         .answer = STR("")};
        cr_assert(state_begin(rig.state, &tx, &err), "%s", err.text);
        cr_assert(outbox_put(rig.notify, tx, &row, false, &outcome, &err), "%s", err.text);
        cr_expect_gt(row.id, last);
        last = row.id;
        cr_assert(outbox_remove(rig.notify, tx, last_entry(rig.notify), T0, &err), "%s", err.text);
        cr_assert(state_commit(tx, &err), "%s", err.text);
    }
    rig_close(&rig);
}
