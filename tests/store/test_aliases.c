/* What writers call a series: found in order, out of order, among look-alikes, after forgetting. */

#include <criterion/criterion.h>
#include <stdlib.h>

#include "store/aliases.h"

enum { NONE = UINT32_MAX, KEYS = 5000 };

static Hash128 key_of(uint32_t number) {
    return hash128((Str){(const char *)&number, sizeof number});
}

static void put_all(Aliases *aliases, uint32_t count) {
    aliases_lock(aliases);
    for (uint32_t i = 0; i < count; i++) {
        aliases_put(aliases, key_of(i), i * 3);
    }
    aliases_unlock(aliases);
}

/* Looks up `count` numbers in one call. */
static void expect_refs(Aliases *aliases, const uint32_t *numbers, size_t count, uint32_t known) {
    Hash128 *keys = malloc(count * sizeof *keys);
    uint32_t *refs = malloc(count * sizeof *refs);
    for (size_t i = 0; i < count; i++) {
        keys[i] = key_of(numbers[i]);
    }
    aliases_find(aliases, keys, count, NONE, refs);
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(refs[i], numbers[i] < known ? numbers[i] * 3 : NONE, "number %u", numbers[i]);
    }
    free(keys);
    free(refs);
}

Test(aliases, are_found_in_any_order) {
    Aliases aliases;
    aliases_init(&aliases);
    uint32_t numbers[KEYS + 100];
    expect_refs(&aliases, (uint32_t[]){1, 2}, 2, 0); /* nothing there yet */
    put_all(&aliases, KEYS);
    for (uint32_t i = 0; i < KEYS + 100; i++) {
        numbers[i] = i; /* the last ones are not known */
    }
    expect_refs(&aliases, numbers, KEYS + 100, KEYS);
    for (uint32_t i = 0; i < KEYS; i++) {
        numbers[i] = KEYS - 1 - i;
    }
    expect_refs(&aliases, numbers, KEYS, KEYS);
    for (uint32_t i = 0; i < KEYS; i++) {
        numbers[i] = i * 2741 % (KEYS + 100);
    }
    expect_refs(&aliases, numbers, KEYS, KEYS);
    aliases_finish(&aliases);
}

Test(aliases, remember_what_was_put_last) {
    Aliases aliases;
    aliases_init(&aliases);
    put_all(&aliases, 10);
    aliases_lock(&aliases);
    aliases_put(&aliases, key_of(4), 77);
    aliases_unlock(&aliases);
    cr_expect_eq(aliases.count, 10);
    uint32_t ref;
    aliases_find(&aliases, &(Hash128){key_of(4).lo, key_of(4).hi}, 1, NONE, &ref);
    cr_expect_eq(ref, 77);
    aliases_finish(&aliases);
}

/* Keys that share place and tag, and all of the first half but for one bit. */
Test(aliases, tell_look_alikes_apart) {
    enum { COUNT = 200 };
    Aliases aliases;
    aliases_init(&aliases);
    Hash128 keys[COUNT + 1];
    uint32_t refs[COUNT + 1];
    aliases_lock(&aliases);
    for (uint32_t i = 0; i <= COUNT; i++) {
        keys[i] = (Hash128){UINT64_C(0x1122334455667788), UINT64_C(0xFFFFFFFF00000000) + i};
        if (i < COUNT) {
            aliases_put(&aliases, keys[i], i);
        }
    }
    aliases_unlock(&aliases);
    aliases_find(&aliases, keys, COUNT + 1, NONE, refs);
    for (uint32_t i = 0; i < COUNT; i++) {
        cr_expect_eq(refs[i], i);
    }
    cr_expect_eq(refs[COUNT], NONE);
    aliases_finish(&aliases);
}

static bool is_even(void *ctx, uint32_t ref) {
    (void)ctx;
    return ref % 2 == 0;
}

Test(aliases, forget_what_is_not_wanted_any_more) {
    Aliases aliases;
    aliases_init(&aliases);
    put_all(&aliases, KEYS);
    aliases_filter(&aliases, is_even, NULL);
    cr_expect_eq(aliases.count, KEYS / 2);
    for (uint32_t i = 0; i < KEYS; i++) {
        Hash128 key = key_of(i);
        uint32_t ref;
        aliases_find(&aliases, &key, 1, NONE, &ref);
        cr_assert_eq(ref, i % 2 == 0 ? i * 3 : NONE);
    }
    put_all(&aliases, KEYS);
    cr_expect_eq(aliases.count, KEYS);
    aliases_finish(&aliases);
}
