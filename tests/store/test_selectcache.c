/* What selections found stays while it is in use, whatever else is asked, and is right about the
 * series it knows. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/selectcache.h"

static SelectKey key_of(char *room, size_t size, int question, const BlockList *blocks) {
    int len = snprintf(room, size, "question %d", question);
    return (SelectKey){.question = {room, (size_t)len}, .blocks = blocks, .births = 7};
}

static BlockList no_blocks = {.refs = 1};

/* A finding that takes some bytes. */
static Finding *make_finding(size_t bytes) {
    Finding *finding = finding_new(&no_blocks);
    (void)arena_raw(&finding->arena, bytes);
    return finding;
}

static bool ask(SelectCache *cache, const SelectKey *key) {
    Finding *finding = select_cache_get(cache, key);
    finding_unref(finding);
    return finding != NULL;
}

static void answer(SelectCache *cache, const SelectKey *key, size_t bytes) {
    Finding *finding = make_finding(bytes);
    select_cache_put(cache, key, finding);
    finding_unref(finding);
}

/* Rounds of rules: the second finds what the first has put, for any number of questions that fit.
 */
Test(selectcache, remembers_what_rounds_of_rules_ask) {
    enum { QUESTIONS = 1000 };
    SelectCache *cache = select_cache_new();
    int hits = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < QUESTIONS; i++) {
            char room[32];
            SelectKey key = key_of(room, sizeof room, i, NULL);
            bool known = ask(cache, &key);
            hits += known;
            if (!known) {
                answer(cache, &key, 100);
            }
        }
    }
    cr_expect_geq(hits, 2 * QUESTIONS - 20, "%d hits", hits); /* some buckets may be full */
    select_cache_free(cache);
}

Test(selectcache, what_is_in_use_stays_when_there_is_no_room) {
    enum { QUESTIONS = 100, BYTES = 1 << 20 };
    SelectCache *cache = select_cache_new();
    int hits[2] = {0};
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < QUESTIONS; i++) {
            char room[32];
            SelectKey key = key_of(room, sizeof room, i, NULL);
            bool known = ask(cache, &key);
            hits[round] += known;
            if (!known) {
                answer(cache, &key, BYTES);
            }
        }
    }
    cr_expect_eq(hits[0], 0);
    cr_expect_geq(hits[1], 20, "%d of 100 stayed where 30 have room", hits[1]);
    select_cache_free(cache);
}

Test(selectcache, forgets_what_holds_no_more) {
    SelectCache *cache = select_cache_new();
    char room[32];
    SelectKey key = key_of(room, sizeof room, 1, NULL);
    answer(cache, &key, 10);
    cr_expect(ask(cache, &key));
    SelectKey later = key;
    later.births++;
    cr_expect_not(ask(cache, &later), "series were made since");
    later = key;
    later.deaths++;
    cr_expect_not(ask(cache, &later), "series were forgotten since");
    later.deaths = 9;
    answer(cache, &later, 10);
    cr_expect(ask(cache, &later));
    cr_expect_not(ask(cache, &key), "the newer answer takes its place");
    select_cache_clear(cache);
    cr_expect_not(ask(cache, &later));
    answer(cache, &later, 64 << 20);
    cr_expect_not(ask(cache, &later), "too big to remember");
    select_cache_free(cache);
}
