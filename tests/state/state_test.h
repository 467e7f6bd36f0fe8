#pragma once

/* A fresh database in a folder of its own, for each test. */

#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "state/state.h"

static char test_dir[PATH_MAX];
static char test_path[PATH_MAX + 16];

static inline void test_folder(void) {
    snprintf(test_dir, sizeof test_dir, "/tmp/belfry-state-XXXXXX");
    cr_assert(mkdtemp(test_dir));
    snprintf(test_path, sizeof test_path, "%s/state.db", test_dir);
}

static inline void test_folder_remove(void) {
    Err err;
    cr_assert(dir_remove(test_dir, &err), "%s", err.text);
}

static inline State *test_open(void) {
    State *state = NULL;
    Err err = {0};
    cr_assert(state_open(&(StateOptions){.path = test_path, .busy_timeout = 2000}, &state, &err),
              "%s", err.text);
    return state;
}

static inline StateTx *test_begin(State *state) {
    StateTx *tx = NULL;
    Err err = {0};
    cr_assert(state_begin(state, &tx, &err), "%s", err.text);
    return tx;
}

static inline void test_commit(StateTx *tx) {
    Err err = {0};
    cr_assert(state_commit(tx, &err), "%s", err.text);
}
