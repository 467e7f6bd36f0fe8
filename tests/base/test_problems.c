/* Complaints about a file, all of them, each with its place. */

#include <criterion/criterion.h>

#include "base/problems.h"

Test(problems, are_printed_in_the_order_of_finding) {
    AUTO(problems_finish) Problems problems = {0};
    char file[] = "cpu.yaml";
    cr_expect_not(problems_add(&problems, str_of(file), 14, 3, "unknown key \"%s\"", "exp"));
    memset(file, '!', sizeof file - 1); /* it was copied */
    problems_add(&problems, STR("net.yaml"), 0, 0, "no groups");
    problems_add(&problems, STR(""), 0, 0, "no file at all");

    AUTO(buf_finish) Buf buf = {0};
    problems_print(&problems, &buf);
    cr_expect(str_eq(buf_view(&buf), STR("cpu.yaml:14:3: unknown key \"exp\"\n"
                                         "net.yaml: no groups\n"
                                         "no file at all\n")));
    Err err = {0};
    cr_expect_not(problems_err(&problems, &err));
    cr_expect_eq(err.kind, ERR_INVALID);
    cr_expect_str_eq(err.text, "cpu.yaml:14:3: unknown key \"exp\" (and 2 more)");
}

Test(problems, name_their_file_once) {
    AUTO(problems_finish) Problems problems = {0};
    AUTO(buf_finish) Buf buf = {0};
    problems_add(&problems, STR("a.yml"), 0, 0, "a.yml: cannot open: No such file or directory");
    problems_add(&problems, STR("a.yml"), 1, 2, "a.yml is no name for a group");
    problems_print(&problems, &buf);
    cr_expect(str_eq(buf_view(&buf), STR("a.yml: cannot open: No such file or directory\n"
                                         "a.yml:1:2: a.yml is no name for a group\n")));
}
