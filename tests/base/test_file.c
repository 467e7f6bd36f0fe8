/* Files and folders, in a fresh folder for each test. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"

static char dir[] = "/tmp/belfry-file-XXXXXX";
static Arena arena;
static Err err;

static void enter_dir(void) {
    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(chdir(dir), 0);
}

static void remove_dir(void) {
    arena_finish(&arena);
    cr_expect(dir_remove(dir, &err), "%s", err.text);
}

TestSuite(file, .init = enter_dir, .fini = remove_dir);

static void put_file(const char *path, const char *text) {
    cr_assert(file_replace(path, str_of(text), &err), "%s", err.text);
}

Test(file, replaces_a_file_and_leaves_nothing_else) {
    put_file("a.yaml", "old and longer");
    put_file("a.yaml", "new");

    Str bytes, *names;
    size_t count;
    cr_assert(file_read(&arena, "a.yaml", 3, &bytes, &err), "%s", err.text);
    cr_expect(str_eq(bytes, STR("new")));
    cr_assert(dir_list(&arena, ".", &names, &count, &err), "%s", err.text);
    cr_expect_eq(count, 1);
}

Test(file, reading_names_the_path_and_the_kind_of_trouble) {
    Str bytes;
    put_file("big", "12345");
    cr_expect_not(file_read(&arena, "big", 4, &bytes, &err));
    cr_expect_eq(err.kind, ERR_LIMIT);
    cr_expect_str_eq(err.text, "big: more than the 4 bytes allowed");

    cr_expect_not(file_read(&arena, "missing", 4, &bytes, &err));
    cr_expect_eq(err.kind, ERR_NOT_FOUND);
    cr_expect_str_eq(err.text, "missing: cannot open: No such file or directory");

    cr_expect_not(file_read(&arena, ".", 1 << 20, &bytes, &err));
    cr_expect_eq(err.kind, ERR_IO);
}

Test(file, reads_standard_input_to_its_end) {
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], "piped", 5), 5);
    close(ends[1]);
    dup2(ends[0], STDIN_FILENO);

    Str bytes;
    cr_assert(file_read(&arena, "-", 100, &bytes, &err), "%s", err.text);
    cr_expect(str_eq(bytes, STR("piped")));
}

Test(file, reads_parts_and_notices_that_they_break_off) {
    char part[4] = {0};
    put_file("a", "0123456789");
    AUTO(fd_close) int fd = open("a", O_RDONLY | O_CLOEXEC);
    cr_assert(fd_read_at(fd, part, 3, 7, "a", &err), "%s", err.text);
    cr_expect_str_eq(part, "789");
    cr_expect_not(fd_read_at(fd, part, 3, 8, "a", &err));
    cr_expect_eq(err.kind, ERR_CORRUPT);
    cr_expect_str_eq(err.text, "a: breaks off at byte 10, 1 bytes early");
}

Test(file, makes_and_removes_whole_trees) {
    cr_assert(dir_make("x/y/z", &err), "%s", err.text);
    cr_assert(dir_make("x/y/z/", &err), "%s", err.text);
    put_file("x/y/file", "");
    cr_expect_eq(symlink("../..", "x/y/link"), 0);
    cr_expect_not(dir_make("x/y/file/z", &err));

    cr_assert(dir_remove("x", &err), "%s", err.text);
    cr_assert(dir_remove("x", &err), "%s", err.text);
    cr_expect_neq(access("x", F_OK), 0);
    cr_expect_eq(access(dir, F_OK), 0);
}

/* Each found path, with a blank behind. */
static void assert_glob(const char *pattern, const char *want) {
    Str *paths;
    size_t count;
    cr_assert(file_glob(&arena, pattern, &paths, &count, &err), "%s", err.text);
    Str got = STR("");
    for (size_t i = 0; i < count; i++) {
        got = arena_printf(&arena, "%.*s%.*s ", STR_ARG(got), STR_ARG(paths[i]));
    }
    cr_expect(str_eq(got, str_of(want)), "%s gave %.*s", pattern, STR_ARG(got));
}

Test(file, globs_names_and_any_depth_of_folders) {
    cr_assert(dir_make("r/team/.hidden", &err) && dir_make("r/team/deep", &err), "%s", err.text);
    put_file("r/b.yaml", "");
    put_file("r/a.yaml", "");
    put_file("r/a.yml", "");
    put_file("r/.dot.yaml", "");
    put_file("r/team/c.yaml", "");
    put_file("r/team/deep/d.yaml", "");
    put_file("r/team/.hidden/e.yaml", "");
    cr_expect_eq(symlink("..", "r/team/up"), 0);

    assert_glob("r/a.yaml", "r/a.yaml ");
    assert_glob("r/missing.yaml", "");
    assert_glob("missing/*.yaml", "");
    assert_glob("r/a.yaml/*", "");
    assert_glob("r/*.yaml", "r/a.yaml r/b.yaml ");
    assert_glob("r/?.y*ml", "r/a.yaml r/a.yml r/b.yaml ");
    assert_glob("*/[ab].yaml", "r/a.yaml r/b.yaml ");
    assert_glob("r/**/*.yaml", "r/a.yaml r/b.yaml r/team/c.yaml r/team/deep/d.yaml ");
    assert_glob("**/d.yaml", "r/team/deep/d.yaml ");
    assert_glob("r/**/**/c.yaml", "r/team/c.yaml ");
    assert_glob("r/team/deep/**", "r/team/deep/d.yaml ");

    Str *paths;
    size_t count;
    cr_assert(file_glob_yaml(&arena, "r", &paths, &count, &err), "%s", err.text);
    cr_assert_eq(count, 5, "all YAML files below a folder");
    cr_expect(str_eq(paths[1], STR("r/a.yml")) && str_eq(paths[4], STR("r/team/deep/d.yaml")));
    cr_assert(file_glob_yaml(&arena, "r/?.yaml", &paths, &count, &err), "%s", err.text);
    cr_expect_eq(count, 2, "a file stands for itself");

    const char *absolute = arena_printf(&arena, "%s/r/*.yml", dir).ptr;
    assert_glob(absolute, arena_printf(&arena, "%s/r/a.yml ", dir).ptr);
}
