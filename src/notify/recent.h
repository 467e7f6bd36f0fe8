#pragma once

/*
 * The last notices (tests, heartbeats, reminders) that were answered: their rows are gone, and who
 * sent a test wants to know what came of it. In memory only.
 */

#include "notify/live.h"

struct RecentNotice {
    NotificationView view;
    Arena arena;
};

/* Under the lock for writing. */
void recent_add(Notify *notify, const OutboxRow *row, const char *status);
void recent_clear(Notify *notify);

void recent_copy(const RecentNotice *recent, Arena *arena, NotificationView *ret_view);

/* A row as it is shown (operate.c). */
void operate_view(Notify *notify, const OutboxRow *row, const char *status, Arena *arena,
                  NotificationView *ret_view);
