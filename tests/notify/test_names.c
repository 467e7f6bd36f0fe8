/* Names of Alertmanager instances, with a resolver that may not answer. */

#include <criterion/criterion.h>
#include <pthread.h>
#include <unistd.h>

#include "notify/names.h"

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* who asks has to pass it */
static _Atomic int asked, last_byte = 1;

static size_t resolve(const char *name, const char *port, Arena *arena, Str *ret_list) {
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    ret_list[0] = arena_printf(arena, "10.0.0.%d:%s", last_byte, port ? port : "SRV");
    asked++;
    return strcmp(name, "nobody") ? 1 : 0;
}

static void setup(void) {
    names_set_resolver(resolve);
}

TestSuite(names, .init = setup);

static void expect_found(const char *name, const char *port, DurationMs wait, const char *want) {
    AUTO(arena_finish) Arena arena = {0};
    Str list[NAMES_ADDRESSES_MAX];
    size_t count = names_find(str_of(name), port, wait, &arena, list);
    cr_assert_eq(count, want != NULL, "%s", name);
    cr_expect(!want || str_eq(list[0], str_of(want)), "%.*s", STR_ARG(list[0]));
}

Test(names, are_asked_for_once_and_kept) {
    for (int i = 0; i < 3; i++) {
        expect_found("am", "9093", MINUTE_MS, "10.0.0.1:9093");
        expect_found("am", NULL, MINUTE_MS, "10.0.0.1:SRV");
        expect_found("nobody", "9093", MINUTE_MS, NULL);
    }
    cr_expect_eq(asked, 3);
}

/* While the resolver hangs, one call waits a little, later ones not at all; and once it answers,
 * its answer is there. */
Test(names, a_resolver_that_hangs_holds_up_nobody_for_long, .timeout = 30) {
    pthread_mutex_lock(&gate);
    expect_found("slow", "1", 10, NULL);
    expect_found("slow", "1", HOUR_MS, NULL);
    pthread_mutex_unlock(&gate);
    while (!asked) {
        usleep(1000);
    }
    AUTO(arena_finish) Arena arena = {0};
    Str list[NAMES_ADDRESSES_MAX];
    while (!names_find(STR("slow"), "1", HOUR_MS, &arena, list)) {
        usleep(1000); /* between answering and its being taken */
    }
    cr_expect(str_eq(list[0], STR("10.0.0.1:1")));
}
