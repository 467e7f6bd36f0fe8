#pragma once

/*
 * The configuration as Alertmanager would print it: secrets as <secret>, and without what only
 * Belfry knows, since amtool parses it strictly.
 */

#include "notify/config.h"

void config_print(const NotifyConfig *config, Buf *out);
