/* Arenas: pieces are aligned, keep their bytes, and cost few calls of malloc however many there
 * are. */

#include <criterion/criterion.h>
#include <stdalign.h>

#include "base/arena.h"

Test(arena, pieces_are_aligned_zeroed_and_do_not_overlap) {
    enum { PIECES = 1000 };
    AUTO(arena_finish) Arena arena = {0};
    unsigned char *pieces[PIECES];
    for (size_t i = 0; i < PIECES; i++) {
        pieces[i] = arena_alloc(&arena, i);
        cr_assert_eq((uintptr_t)pieces[i] % alignof(max_align_t), 0, "piece %zu", i);
        for (size_t j = 0; j < i; j++) {
            cr_assert_eq(pieces[i][j], 0, "byte %zu of piece %zu", j, i);
        }
        memset(pieces[i], (int)(i % 256), i);
    }
    for (size_t i = 1; i < PIECES; i++) {
        cr_assert_eq(pieces[i][0], i % 256, "piece %zu", i);
        cr_assert_eq(pieces[i][i - 1], i % 256, "piece %zu", i);
    }
}

Test(arena, a_huge_piece_does_not_end_the_block_in_use) {
    AUTO(arena_finish) Arena arena = {0};
    char *before = arena_alloc(&arena, 16);
    memset(arena_raw(&arena, 50 << 20), 1, 50 << 20);
    char *after = arena_alloc(&arena, 16);
    cr_expect_eq(after, before + 16);
}

Test(arena, reset_forgets_all_and_reuses_the_newest_block) {
    AUTO(arena_finish) Arena arena = {0};
    for (int i = 0; i < 1000; i++) {
        memset(arena_alloc(&arena, 1000), 1, 1000);
    }
    arena_reset(&arena);
    cr_expect_eq(arena.used_bytes, 0);
    void *first = arena_alloc(&arena, 64);
    arena_reset(&arena);
    cr_expect_eq(arena_alloc(&arena, 64), first);
}

Test(arena, texts_are_copied_with_a_nul_behind) {
    AUTO(arena_finish) Arena arena = {0};
    char source[] = "up{job=\"x\"}";
    Str copy = arena_str(&arena, (Str){source, 2});
    memset(source, '!', sizeof source);

    cr_expect_eq(copy.len, 2);
    cr_expect_str_eq(copy.ptr, "up");
    cr_expect_str_eq(arena_cstr(&arena, STR("cut\0here")), "cut");
    cr_expect_str_eq(arena_str(&arena, (Str){0}).ptr, "");
    cr_expect_str_eq(arena_printf(&arena, "%s=%d", "n", 5).ptr, "n=5");
}
