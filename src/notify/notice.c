/* Layout of a notice in an outbox row: flags, time (varint), number of labels, labels, number of
 * annotations, annotations, number of group labels, group labels; texts are length and bytes. */

#include "notify/notice.h"

#include "base/mem.h"
#include "notify/outbox.h"

enum { NOTICE_TEST = 1, NOTICE_ENDS = 2, NOTICE_LABELS_MAX = 256 };

static void put_text(Buf *buf, Str text) {
    buf_varint(buf, text.len);
    buf_str(buf, text);
}

static void put_labels(Buf *buf, LabelSet set) {
    buf_varint(buf, set.count);
    for (size_t i = 0; i < set.count; i++) {
        put_text(buf, set.items[i].name);
        put_text(buf, set.items[i].value);
    }
}

void notice_write(Buf *buf, const Notice *notice, TimeMs now) {
    buf_byte(buf, (char)((notice->is_test ? NOTICE_TEST : 0) | (notice->ends ? NOTICE_ENDS : 0)));
    buf_varint(buf, (uint64_t)now);
    put_labels(buf, notice->labels);
    put_labels(buf, notice->annotations);
    put_labels(buf, notice->group_labels);
}

static LabelSet take_labels(ByteReader *reader, Arena *arena) {
    uint64_t count = reader_varint(reader);
    if (reader->bad || count > NOTICE_LABELS_MAX) {
        return (LabelSet){0};
    }
    Label *items = arena_array(arena, Label, count + 1);
    for (size_t i = 0; i < count; i++) {
        items[i].name = arena_str(arena, reader_bytes(reader, reader_varint(reader)));
        items[i].value = arena_str(arena, reader_bytes(reader, reader_varint(reader)));
    }
    return (LabelSet){items, count};
}

void notice_read(Str members, Arena *arena, Message *message) {
    ByteReader reader = reader_of(members);
    int flags = reader_u8(&reader);
    Alert *alert = arena_new(arena, Alert);
    TimeMs at = (TimeMs)reader_varint(&reader);
    alert->labels = take_labels(&reader, arena);
    alert->annotations = take_labels(&reader, arena);
    message->group_labels = take_labels(&reader, arena);
    alert->phase = flags & NOTICE_ENDS ? ALERT_INACTIVE : ALERT_FIRING;
    alert->active_at = alert->fired_at = alert->updated_at = at;
    alert->rule_key = STR("notice");
    alert->generator_url = STR("");
    message->is_test = (flags & NOTICE_TEST) != 0;
    message->action = flags & NOTICE_ENDS ? OUTBOX_RESOLVE : OUTBOX_TRIGGER;
    message->text = labels_get(alert->annotations, STR("summary"));
    message->alerts = arena_new(arena, MessageAlert);
    message->alert_count = 1;
    message->alerts[0] = (MessageAlert){.alert = alert,
                                        .fingerprint = labels_fingerprint(alert->labels),
                                        .is_firing = !(flags & NOTICE_ENDS),
                                        .starts_at = at,
                                        .ends_at = flags & NOTICE_ENDS ? at : 0};
    message->group_key = STR("{}:{}");
}

bool notice_is_test(Str members) {
    return members.len && ((unsigned char)members.ptr[0] & NOTICE_TEST);
}

bool notice_put(Notify *notify, StateTx *tx, const Integration *integration, const Notice *notice,
                TimeMs now, int64_t *ret_id, Err *err) {
    AUTO(buf_finish) Buf members = {0};
    notice_write(&members, notice, now);
    Alert alert = {.labels = notice->labels};
    char key[65];
    alert_dedup_key(&alert, key);
    OutboxRow row = {.integration = integration->id,
                     .receiver = integration->receiver->name,
                     .dedup_key = str_of(key),
                     .action = OUTBOX_NOTICE,
                     .members = buf_view(&members),
                     .reason = notice->reason,
                     .created_at = now,
                     .due_at = now};
    OutboxPut outcome;
    bool ok = outbox_put(notify, tx, &row, false, &outcome, err);
    *ret_id = row.id;
    return ok;
}

bool notice_queue(Notify *notify, StateTx *tx, Str name, const Notice *notice, TimeMs now,
                  size_t *ret_count, Err *err) {
    const Receiver *receiver = config_receiver(notify->config, name);
    if (!receiver) {
        return err_set(err, ERR_NOT_FOUND, "no receiver \"%.*s\"", STR_ARG(name));
    }
    size_t count = notify->config->policy.shadow ? 0 : receiver->integration_count;
    for (size_t i = 0; i < count; i++) {
        int64_t id;
        if (!notice_put(notify, tx, &receiver->integrations[i], notice, now, &id, err)) {
            return false;
        }
    }
    *ret_count = count;
    return true;
}
