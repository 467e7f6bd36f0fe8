#include "notify/shadow.h"

#include <stdlib.h>

#include "base/mem.h"

static const char shadow_data[] = "shadow";

void shadow_mark(Sent *sent) {
    sent_set_data(sent, str_of(shadow_data));
}

static bool forget(StateTx *tx, SentList *list, Err *err) {
    for (size_t i = list->items_count; i > 0; i--) {
        Sent *sent = list->items[i - 1];
        if (strcmp(sent_data(sent), shadow_data) == 0 && !sent_drop(tx, list, sent, err)) {
            return false;
        }
    }
    return true;
}

bool shadow_forget(Notify *notify, StateTx *tx, Err *err) {
    if (notify->config->policy.shadow) {
        return true;
    }
    for (size_t i = 0; i < notify->alerts.cap; i++) {
        LiveAlert *alert = notify->alerts.slots[i].value;
        if (alert && !forget(tx, &alert->sent, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < notify->group_list_count; i++) {
        if (!forget(tx, &notify->group_list[i]->sent, err)) {
            return false;
        }
    }
    return true;
}
