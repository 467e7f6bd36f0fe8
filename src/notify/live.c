/* The working copy: alerts, groups, sent sets. */

#include "notify/live.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "notify/flag.h"
#include "notify/inhibit.h"
#include "notify/outbox.h"
#include "notify/postings.h"
#include "notify/route.h"
#include "notify/silence.h"
#include "notify/suppress.h"
#include "notify/wake.h"

/* ---- alerts ---- */

static size_t labels_bytes(LabelSet set) {
    size_t bytes = set.count * sizeof(Label);
    for (size_t i = 0; i < set.count; i++) {
        bytes += set.items[i].name.len + set.items[i].value.len;
    }
    return bytes;
}

static Str pack_text(char **at, Str text) {
    if (text.len) {
        memcpy(*at, text.ptr, text.len);
    }
    Str copy = {*at, text.len};
    *at += text.len;
    return copy;
}

/* The array first, for its alignment, then the texts. */
static Label *pack_array(char **at, LabelSet set) {
    Label *items = (Label *)(void *)*at;
    *at += set.count * sizeof(Label);
    return items;
}

static LabelSet pack_texts(char **at, Label *items, LabelSet set) {
    for (size_t i = 0; i < set.count; i++) {
        items[i].name = pack_text(at, set.items[i].name);
        items[i].value = pack_text(at, set.items[i].value);
    }
    return (LabelSet){items, set.count};
}

/* Names are few and in every alert: kept once, they stay in the CPU's cache while labels are
 * compared. Beyond so many they are kept with their alert: whoever makes names up as he goes gets
 * no memory for good. */
enum { SHARED_NAMES_MAX = 4096 };

typedef struct SharedName {
    size_t len;
    char text[];
} SharedName;

static Str share_name(Notify *notify, Str name) {
    uint64_t key = hash64(name) | 1;
    SharedName *shared = idmap_get(&notify->label_names, key);
    if (!shared && notify->label_names.count < SHARED_NAMES_MAX) {
        shared = mem_grow(NULL, sizeof *shared + name.len + 1);
        shared->len = name.len;
        memcpy(shared->text, name.len ? name.ptr : "", name.len);
        idmap_put(&notify->label_names, key, shared);
    }
    bool same = shared && str_eq((Str){shared->text, shared->len}, name);
    return same ? (Str){shared->text, shared->len} : (Str){0};
}

const char *live_share(Notify *notify, Str text) {
    uint64_t key = hash64(text) | 1;
    SharedName *shared;
    while ((shared = idmap_get(&notify->texts, key)) &&
           !str_eq((Str){shared->text, shared->len}, text)) {
        key += 2;
    }
    if (!shared) {
        shared = mem_zero(1, sizeof *shared + text.len + 1);
        shared->len = text.len;
        memcpy(shared->text, text.len ? text.ptr : "", text.len);
        idmap_put(&notify->texts, key ? key : 1, shared);
    }
    return shared->text;
}

static void free_texts(IdMap *map) {
    for (size_t i = 0; i < map->cap; i++) {
        free(map->slots[i].value);
    }
    idmap_finish(map);
}

void live_names_free(Notify *notify) {
    free_texts(&notify->label_names);
    free_texts(&notify->texts);
}

/* The names that are shared; the others have a NULL `ptr`. Returns the bytes of those. */
static size_t share_names(Notify *notify, LabelSet set, Str *names) {
    size_t bytes = 0;
    for (size_t i = 0; i < set.count; i++) {
        names[i] = share_name(notify, set.items[i].name);
        bytes += names[i].ptr ? 0 : set.items[i].name.len;
    }
    return bytes;
}

static size_t values_bytes(LabelSet set) {
    size_t bytes = 0;
    for (size_t i = 0; i < set.count; i++) {
        bytes += set.items[i].value.len;
    }
    return bytes;
}

/* `values` NULL: they are packed, too. */
static LabelSet pack_shared(char **at, Label *items, LabelSet set, const Str *names,
                            const Str *values) {
    for (size_t i = 0; i < set.count; i++) {
        items[i].name = names[i].ptr ? names[i] : pack_text(at, set.items[i].name);
        items[i].value = values ? values[i] : pack_text(at, set.items[i].value);
    }
    return (LabelSet){items, set.count};
}

/* One block an alert: a hundred thousand of them are kept. `values` are those of its labels. */
static char *pack(Notify *notify, const Alert *alert, const Str *values, Alert *ret_alert) {
    size_t count = alert->labels.count + alert->annotations.count;
    Str *names = arena_array(&notify->scratch, Str, count + 1);
    size_t bytes = count * sizeof(Label) + share_names(notify, alert->labels, names) +
                   share_names(notify, alert->annotations, names + alert->labels.count) +
                   values_bytes(alert->annotations) + alert->rule_key.len +
                   alert->generator_url.len;
    char *block = mem_grow(NULL, bytes + 1), *at = block;
    *ret_alert = *alert;
    Label *labels = pack_array(&at, alert->labels);
    Label *annotations = pack_array(&at, alert->annotations);
    ret_alert->labels = pack_shared(&at, labels, alert->labels, names, values);
    ret_alert->annotations =
        pack_shared(&at, annotations, alert->annotations, names + alert->labels.count, NULL);
    ret_alert->rule_key = pack_text(&at, alert->rule_key);
    ret_alert->generator_url = pack_text(&at, alert->generator_url);
    return block;
}

LiveAlert *live_alert(Notify *notify, int64_t id) {
    return idmap_get(&notify->alerts, (uint64_t)id);
}

uint64_t live_posted_key(LabelSet labels) {
    uint64_t key = labels_hash(labels).lo;
    return key ? key : 1;
}

LiveAlert *live_alert_posted(Notify *notify, LabelSet labels) {
    LiveAlert *alert = idmap_get(&notify->posted, live_posted_key(labels));
    return alert && labels_eq(alert->alert.labels, labels) ? alert : NULL;
}

static void put_hex(uint64_t number, char hex[17]) {
    for (int i = 0; i < 16; i++) {
        hex[i] = "0123456789abcdef"[number >> (60 - 4 * i) & 15];
    }
    hex[16] = '\0';
}

static LiveAlert *new_alert(Notify *notify, int64_t id, const Alert *from) {
    LiveAlert *alert = mem_zero(1, sizeof *alert + from->labels.count * sizeof alert->links[0]);
    alert->id = id;
    const char *key = state_stored_key(notify->state, id);
    if (key) {
        memcpy(alert->key, key, sizeof alert->key);
    } else {
        alert_dedup_key(from, alert->key);
    }
    alert->short_key = state_alert_key(alert->key);
    alert->fingerprint = labels_fingerprint(from->labels);
    put_hex(alert->fingerprint, alert->fingerprint_hex);
    idmap_put(&notify->alerts, (uint64_t)id, alert);
    return alert;
}

LiveAlert *live_alert_put(Notify *notify, int64_t id, const Alert *from) {
    LiveAlert *alert = live_alert(notify, id);
    bool is_new = !alert;
    arena_reset(&notify->scratch);
    Str *values = arena_array(&notify->scratch, Str, from->labels.count + 1);
    if (is_new) {
        alert = new_alert(notify, id, from);
        notify->quiet_counts[SUPPRESSED_NOT]++;
        postings_add(notify, alert, from->labels, values);
    } else {
        assert(labels_eq(alert->alert.labels, from->labels)); /* they are its identity */
        inhibit_remove(notify, alert);
        for (size_t i = 0; i < from->labels.count; i++) {
            values[i] = alert->alert.labels.items[i].value;
        }
    }
    char *old = alert->block;
    alert->block = pack(notify, from, values, &alert->alert);
    free(old);
    if (is_new && str_eq(from->rule_key, STR("api"))) {
        idmap_put(&notify->posted, live_posted_key(alert->alert.labels), alert);
    }
    inhibit_add(notify, alert);
    return alert;
}

static void free_sent(Sent *sent) {
    if (sent->owns_key) {
        free((char *)(uintptr_t)sent->dedup_key);
    }
    free(sent->data);
    free(sent->firing.ids);
    free(sent);
}

static void free_sent_list(SentList *list) {
    for (size_t i = 0; i < list->items_count; i++) {
        free_sent(list->items[i]);
    }
    free(list->items);
    *list = (SentList){0};
}

static void free_alert(LiveAlert *alert) {
    free_sent_list(&alert->sent);
    free(alert->groups);
    free(alert->inhibit_bits);
    free(alert->block);
    free(alert);
}

void live_note_quiet(Notify *notify, LiveAlert *alert, Suppressor by, uint64_t subject) {
    notify->quiet_counts[alert->noted_by]--;
    notify->quiet_counts[by]++;
    alert->noted_by = (uint8_t)by;
    alert->noted_subject = subject;
}

void live_alert_drop(Notify *notify, LiveAlert *alert) {
    assert(alert->groups_count == 0);
    notify->quiet_counts[alert->noted_by]--;
    inhibit_remove(notify, alert);
    if (idmap_get(&notify->posted, live_posted_key(alert->alert.labels)) == alert) {
        idmap_remove(&notify->posted, live_posted_key(alert->alert.labels));
    }
    idmap_remove(&notify->alerts, (uint64_t)alert->id);
    postings_remove(notify, alert); /* and with it the texts of its labels */
    free_alert(alert);
}

/* ---- groups ---- */

static uint64_t group_hash(Str key) {
    uint64_t hash = hash64(key);
    return hash ? hash : 1;
}

static Group *find_group(Notify *notify, Str key) {
    Group *group = idmap_get(&notify->groups, group_hash(key));
    return group && str_eq(str_of(group->key), key) ? group : NULL;
}

/* The key of a group's incident: of its receiver and labels, not of where its route stands in the
 * tree. */
static void make_dedup_key(Group *group) {
    AUTO(buf_finish) Buf buf = {0};
    buf_printf(&buf, "group %s ", group->receiver);
    labels_print(&buf, group->labels);
    sha256_hex(buf_view(&buf), group->dedup_key);
}

static Group *new_group(Notify *notify, const GroupRow *row) {
    Group *group = mem_zero(1, sizeof *group);
    AUTO(arena_finish) Arena arena = {0};
    group->id = row->id;
    group->key = mem_strdup(arena_cstr(&arena, row->key));
    group->receiver = mem_strdup(arena_cstr(&arena, row->receiver));
    group->block = mem_grow(NULL, labels_bytes(row->labels) + 1);
    char *at = group->block;
    Label *labels = pack_array(&at, row->labels);
    group->labels = pack_texts(&at, labels, row->labels);
    group->is_direct = str_ends(row->key, STR(":direct"));
    group->retired = row->retired;
    group->next_due = group->stored_due = row->next_due;
    group->created_at = row->created_at;
    group->flushed_at = row->flushed_at;
    make_dedup_key(group);
    idmap_put(&notify->groups, group_hash(row->key), group);
    idmap_put(&notify->groups_by_id, (uint64_t)row->id, group);
    group->list_at = notify->group_list_count;
    VEC_PUSH(*notify, group_list, group);
    return group;
}

static void free_group(Group *group) {
    free_sent_list(&group->sent);
    free(group->block);
    free(group->noted_muted.ids);
    free(group->members);
    free(group->changed);
    free(group->key);
    free(group->receiver);
    free(group);
}

/* A route has one group for what goes out at once, whatever it groups by. */
static void put_key(Buf *buf, const Route *route, bool direct, LabelSet labels) {
    buf_str(buf, route->receiver->name);
    buf_byte(buf, '@');
    if (direct) {
        buf_str(buf, route->key);
        buf_str(buf, STR(":direct"));
    } else {
        route_group_key(route, labels, buf);
    }
}

bool live_group(Notify *notify, StateTx *tx, const Route *route, bool direct, LabelSet labels,
                TimeMs now, Group **ret_group, Err *err) {
    AUTO(buf_finish) Buf buf = {0};
    put_key(&buf, route, direct, labels);
    Str key = buf_view(&buf);
    Group *group = find_group(notify, key);
    if (!group) {
        GroupRow row = {.key = key,
                        .receiver = route->receiver->name,
                        .labels = direct ? (LabelSet){0} : labels,
                        .next_due = TIME_MAX,
                        .created_at = now};
        if (!state_add_group(tx, &row, &row.id, err)) {
            return false;
        }
        group = new_group(notify, &row);
    }
    group->route = route;
    *ret_group = group;
    return true;
}

static size_t member_at(const Group *group, int64_t id) {
    size_t low = 0, high = group->members_count;
    if (high && group->members[high - 1]->id < id) {
        return high; /* alerts mostly come in this order */
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (group->members[middle]->id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_member(const Group *group, const LiveAlert *alert) {
    size_t at = member_at(group, alert->id);
    return at < group->members_count && group->members[at] == alert;
}

static void link_member(Group *group, LiveAlert *alert) {
    size_t at = member_at(group, alert->id);
    VEC_PUSH(*group, members, alert);
    memmove(group->members + at + 1, group->members + at,
            (group->members_count - 1 - at) * sizeof *group->members);
    group->members[at] = alert;
    VEC_PUSH(*alert, groups, group);
}

bool live_join(Notify *notify, StateTx *tx, Group *group, LiveAlert *alert, Err *err) {
    (void)notify;
    if (is_member(group, alert)) {
        return true;
    }
    link_member(group, alert);
    return state_add_member(tx, group->id, alert->id, err);
}

static void unlink_member(Group *group, LiveAlert *alert) {
    size_t at = member_at(group, alert->id);
    assert(group->members[at] == alert);
    memmove(group->members + at, group->members + at + 1,
            (group->members_count - 1 - at) * sizeof *group->members);
    group->members_count--;
    if (at < group->cursor) {
        group->cursor--;
    }
    for (size_t i = 0; alert->queued_count && i < group->changed_count; i++) {
        if (group->changed[i] == alert) {
            group->changed[i--] = group->changed[--group->changed_count];
            alert->queued_count--;
        }
    }
    for (size_t i = 0; i < alert->groups_count; i++) {
        if (alert->groups[i] == group) {
            alert->groups[i] = alert->groups[--alert->groups_count];
            break;
        }
    }
}

bool live_leave(Notify *notify, StateTx *tx, Group *group, LiveAlert *alert, Err *err) {
    for (size_t i = 0; i < alert->sent.items_count; i++) {
        Sent *sent = alert->sent.items[i];
        if (sent->group == group) {
            if (!sent_drop(tx, &alert->sent, sent, err)) {
                return false;
            }
            i--;
        }
    }
    unlink_member(group, alert);
    if (!state_remove_member(tx, group->id, alert->id, err)) {
        return false;
    }
    if (alert->groups_count == 0) {
        live_alert_drop(notify, alert);
    }
    return true;
}

bool live_group_drop(Notify *notify, StateTx *tx, Group *group, Err *err) {
    assert(group->members_count == 0);
    while (group->sent.items_count) {
        if (!sent_drop(tx, &group->sent, group->sent.items[0], err)) {
            return false;
        }
    }
    if (!state_delete_group(tx, group->id, err)) {
        return false;
    }
    idmap_remove(&notify->groups, group_hash(str_of(group->key)));
    idmap_remove(&notify->groups_by_id, (uint64_t)group->id);
    Group *last = notify->group_list[--notify->group_list_count];
    last->list_at = group->list_at;
    notify->group_list[group->list_at] = last;
    free_group(group);
    return true;
}

bool live_group_store(StateTx *tx, Group *group, Err *err) {
    GroupRow row = {.id = group->id,
                    .next_due = group->next_due,
                    .flushed_at = group->flushed_at,
                    .retired = group->retired};
    group->stored_due = group->next_due;
    return state_update_group(tx, &row, err);
}

void live_group_changed(Group *group, LiveAlert *alert) {
    VEC_PUSH(*group, changed, alert);
    alert->queued_count++;
}

/* ---- sent ---- */

Sent *sent_find(const SentList *list, const Group *group, Str integration) {
    for (size_t i = 0; i < list->items_count; i++) {
        if (list->items[i]->group == group &&
            str_eq(str_of(list->items[i]->integration), integration)) {
            return list->items[i];
        }
    }
    return NULL;
}

static char *dup_str(Str text) {
    char *copy = mem_grow(NULL, text.len + 1);
    if (text.len) {
        memcpy(copy, text.ptr, text.len);
    }
    copy[text.len] = '\0';
    return copy;
}

Sent *sent_add(Notify *notify, SentList *list, Group *group, const LiveAlert *alert,
               Str integration, Str dedup_key, Str target) {
    Sent *sent = mem_zero(1, sizeof *sent);
    bool own = !alert || !str_eq(str_of(alert->key), dedup_key);
    *sent = (Sent){.group = group,
                   .alert_id = alert ? alert->id : 0,
                   .integration = live_share(notify, integration),
                   .dedup_key = own ? dup_str(dedup_key) : alert->key,
                   .owns_key = own,
                   .target = live_share(notify, target)};
    VEC_PUSH(*list, items, sent);
    return sent;
}

void sent_set_data(Sent *sent, Str data) {
    free(sent->data);
    sent->data = data.len ? dup_str(data) : NULL;
}

void sent_set_firing(Sent *sent, const int64_t *ids, size_t count) {
    int64_t *copy = mem_grow(NULL, (count + 1) * sizeof *copy);
    if (count) {
        memcpy(copy, ids, count * sizeof *copy);
    }
    free(sent->firing.ids);
    sent->firing = (IdSet){copy, count};
}

bool sent_store(StateTx *tx, Sent *sent, Err *err) {
    SentRow row = {.id = sent->id,
                   .group_id = sent->group->id,
                   .alert_id = sent->alert_id,
                   .integration = str_of(sent->integration),
                   .dedup_key = str_of(sent->dedup_key),
                   .target = str_of(sent->target),
                   .at = sent->at,
                   .delivered = sent->delivered,
                   .firing = sent->firing.ids,
                   .firing_count = sent->firing.count,
                   .data = str_of(sent_data(sent))};
    bool ok = state_put_sent(tx, &row, err);
    sent->id = row.id;
    return ok;
}

bool sent_drop(StateTx *tx, SentList *list, Sent *sent, Err *err) {
    for (size_t i = 0; i < list->items_count; i++) {
        if (list->items[i] == sent) {
            list->items[i] = list->items[--list->items_count];
            break;
        }
    }
    bool ok = !sent->id || state_delete_sent(tx, sent->id, err);
    free_sent(sent);
    return ok;
}

static Sent *in_list(const SentList *list, int64_t id) {
    for (size_t i = 0; i < list->items_count; i++) {
        if (list->items[i]->id == id) {
            return list->items[i];
        }
    }
    return NULL;
}

Sent *sent_by_id(Notify *notify, const OutboxRow *row) {
    if (row->alert_id) {
        const LiveAlert *alert = live_alert(notify, row->alert_id);
        return alert ? in_list(&alert->sent, row->sent_id) : NULL;
    }
    const Group *group = idmap_get(&notify->groups_by_id, (uint64_t)row->group_id);
    return group ? in_list(&group->sent, row->sent_id) : NULL;
}

/* ---- the ledger ---- */

bool ledger_row(Notify *notify, StateTx *tx, const LedgerRow *row, Err *err) {
    counter_add(&notify->counters.ledger_rows, 1);
    return state_put_ledger(tx, row, err);
}

bool ledger_alert(Notify *notify, StateTx *tx, TimeMs now, const LiveAlert *alert,
                  const Group *group, const char *decision, const char *reason, Str subject,
                  Str detail, Err *err) {
    return ledger_row(notify, tx,
                      &(LedgerRow){.at = now,
                                   .alert_key = alert->short_key,
                                   .group_id = group ? group->id : 0,
                                   .decision = str_of(decision),
                                   .reason = str_of(reason),
                                   .subject = subject,
                                   .detail = detail},
                      err);
}

bool ledger_group(Notify *notify, StateTx *tx, TimeMs now, const Group *group,
                  const LiveAlert *const *members, size_t count, const char *decision,
                  const char *reason, Str subject, Str detail, Err *err) {
    int64_t *keys = mem_grow(NULL, (count + 1) * sizeof *keys);
    for (size_t i = 0; i < count; i++) {
        keys[i] = members[i]->short_key;
    }
    bool ok = ledger_row(notify, tx,
                         &(LedgerRow){.at = now,
                                      .group_id = group ? group->id : 0,
                                      .decision = str_of(decision),
                                      .reason = str_of(reason),
                                      .subject = subject,
                                      .detail = detail,
                                      .members = keys,
                                      .member_count = count},
                         err);
    free(keys);
    return ok;
}

/* ---- reading everything ---- */

void live_clear(Notify *notify) {
    for (size_t i = 0; i < notify->group_list_count; i++) {
        free_group(notify->group_list[i]);
    }
    free(notify->group_list);
    notify->group_list = NULL;
    notify->group_list_count = notify->group_list_cap = 0;
    inhibit_clear(notify);
    for (size_t i = 0; i < notify->alerts.cap; i++) {
        if (notify->alerts.slots[i].key) {
            free_alert(notify->alerts.slots[i].value);
        }
    }
    memset(notify->quiet_counts, 0, sizeof notify->quiet_counts);
    idmap_finish(&notify->alerts);
    idmap_finish(&notify->posted);
    postings_clear(notify);
    notify->posted_expiry = 0;
    idmap_finish(&notify->groups);
    idmap_finish(&notify->groups_by_id);
    outbox_clear(notify);
    silences_clear(notify);
    flags_clear(notify);
}

static void load_sent(Notify *notify, const SentRow *row) {
    Group *group = idmap_get(&notify->groups_by_id, (uint64_t)row->group_id);
    LiveAlert *alert = row->alert_id ? live_alert(notify, row->alert_id) : NULL;
    if (!group || (row->alert_id && !alert)) {
        return;
    }
    Sent *sent = sent_add(notify, alert ? &alert->sent : &group->sent, group, alert,
                          row->integration, row->dedup_key, row->target);
    sent->id = row->id;
    sent->at = row->at;
    sent->delivered = row->delivered;
    sent_set_firing(sent, row->firing, row->firing_count);
    sent_set_data(sent, row->data);
}

static bool load_groups(Notify *notify, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    GroupRows rows;
    if (!state_load_groups(notify->state, &arena, &rows, err)) {
        return false;
    }
    for (size_t i = 0; i < rows.group_count; i++) {
        (void)new_group(notify, &rows.groups[i]);
    }
    for (size_t i = 0; i < rows.member_count; i++) {
        Group *group = idmap_get(&notify->groups_by_id, (uint64_t)rows.members[i].group_id);
        LiveAlert *alert = live_alert(notify, rows.members[i].alert_id);
        if (group && alert) {
            link_member(group, alert);
        }
    }
    for (size_t i = 0; i < rows.sent_count; i++) {
        load_sent(notify, &rows.sent[i]);
    }
    return true;
}

/* Only alerts that fire or whose end is still to be told; pending ones are the rules' affair. */
static bool load_alerts(Notify *notify, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    AlertRow *rows;
    size_t count;
    if (!state_load_alert_rows(notify->state, &arena, &rows, &count, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (rows[i].alert.phase != ALERT_PENDING) {
            live_alert_put(notify, rows[i].id, &rows[i].alert);
        }
    }
    return true;
}

/* ---- what has been written down already ---- */

static void restore_quiet(Notify *notify, IdMap *by_key, const LedgerRow *row) {
    LiveAlert *alert = idmap_get(by_key, (uint64_t)row->alert_key);
    Suppressor by = suppressor_of(row->decision);
    if (alert && by != SUPPRESSED_NOT && row->at >= alert->alert.fired_at) {
        live_note_quiet(notify, alert, by, fnv1a(FNV1A_START, row->subject));
        if (by == SUPPRESSED_FLAPPING) {
            alert->damped_until = row->until;
            notify->next_damped_end =
                row->until < notify->next_damped_end ? row->until : notify->next_damped_end;
        }
    }
}

static void restore_muted(Notify *notify, const LedgerRow *row) {
    Group *group = idmap_get(&notify->groups_by_id, (uint64_t)row->group_id);
    if (!group || row->at < group->created_at) {
        return;
    }
    int64_t *ids = mem_grow(NULL, (group->members_count + 1) * sizeof *ids);
    size_t count = 0;
    for (size_t i = 0; i < group->members_count; i++) {
        if (live_is_firing(group->members[i]) && group->members[i]->alert.fired_at <= row->at) {
            ids[count++] = group->members[i]->id;
        }
    }
    free(group->noted_muted.ids);
    group->noted_muted = (IdSet){ids, count};
}

/* The ledger has a row where a decision differs from the last one; so the last ones are read. */
static bool restore_notes(Notify *notify, TimeMs now, Err *err) {
    AUTO(arena_finish) Arena arena = {0};
    IdMap by_key = {0};
    TimeMs oldest = now;
    for (size_t i = 0; i < notify->alerts.cap; i++) {
        LiveAlert *alert = notify->alerts.slots[i].value;
        if (alert && live_is_firing(alert) && alert->short_key) {
            idmap_put(&by_key, (uint64_t)alert->short_key, alert);
            oldest = alert->alert.fired_at < oldest ? alert->alert.fired_at : oldest;
        }
    }
    LedgerRow *rows;
    size_t count;
    bool ok = state_load_quiet(notify->state, oldest, &arena, &rows, &count, err);
    for (size_t i = 0; ok && i < count; i++) {
        restore_quiet(notify, &by_key, &rows[i]);
    }
    idmap_finish(&by_key);
    ok = ok && state_load_muted(notify->state, now, &arena, &rows, &count, err);
    for (size_t i = 0; ok && i < count; i++) {
        restore_muted(notify, &rows[i]);
    }
    return ok;
}

bool live_reload(Notify *notify, TimeMs now, Err *err) {
    live_clear(notify);
    wake_clear(notify);
    wake_all(notify);
    notify->next_damped_end = TIME_MAX;
    bool ok = load_alerts(notify, err) && load_groups(notify, err) && outbox_load(notify, err) &&
              restore_notes(notify, now, err) && silences_load(notify, now, err) &&
              flags_load(notify, now, err);
    notify->stale = !ok;
    return ok;
}
