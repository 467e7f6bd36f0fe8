#include "notify/recent.h"

#include <stdlib.h>

#include "base/mem.h"

static void free_recent(RecentNotice *recent) {
    if (recent) {
        arena_finish(&recent->arena);
        free(recent);
    }
}

void recent_add(Notify *notify, const OutboxRow *row, const char *status) {
    RecentNotice *recent = mem_zero(1, sizeof *recent);
    RecentNotice **place = &notify->recent[notify->recent_count++ % RECENT_KEPT];
    operate_view(notify, row, status, &recent->arena, &recent->view);
    free_recent(*place);
    *place = recent;
}

void recent_clear(Notify *notify) {
    for (size_t i = 0; i < RECENT_KEPT; i++) {
        free_recent(notify->recent[i]);
        notify->recent[i] = NULL;
    }
}

void recent_copy(const RecentNotice *recent, Arena *arena, NotificationView *ret_view) {
    const NotificationView *from = &recent->view;
    *ret_view = *from;
    ret_view->receiver = arena_str(arena, from->receiver);
    ret_view->integration = arena_str(arena, from->integration);
    ret_view->type = arena_str(arena, from->type);
    ret_view->reason = arena_str(arena, from->reason);
    ret_view->dedup_key = arena_str(arena, from->dedup_key);
    ret_view->answer = arena_str(arena, from->answer);
    ret_view->alerts = arena_array(arena, LabelSet, from->alerts_shown + 1);
    for (size_t i = 0; i < from->alerts_shown; i++) {
        ret_view->alerts[i] = labels_copy(arena, from->alerts[i]);
    }
}
