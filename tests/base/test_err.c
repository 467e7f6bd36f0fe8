/* Errors: a kind and a sentence that grows at its front on the way up. */

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"

Test(err, context_goes_in_front) {
    Err err = {0};
    cr_expect_not(err_set(&err, ERR_LIMIT, "%d samples", 5));
    cr_expect_not(err_context(&err, "group \"%s\"", "cpu"));
    cr_expect_eq(err.kind, ERR_LIMIT);
    cr_expect_str_eq(err.text, "group \"cpu\": 5 samples");
}

Test(err, errno_becomes_text) {
    Err err = {0};
    errno = ENOSPC;
    cr_expect_not(err_errno(&err, "%s: cannot write", "wal"));
    cr_expect_eq(err.kind, ERR_IO);
    cr_expect_str_eq(err.text, "wal: cannot write: No space left on device");
}

Test(err, long_text_is_cut_short) {
    Err err = {0};
    char text[5000];
    memset(text, 'x', sizeof text);
    cr_expect_not(err_set(&err, ERR_INVALID, "%.*s", (int)sizeof text, text));
    cr_expect_not(err_context(&err, "query"));
    cr_expect_eq(strlen(err.text), sizeof err.text - 1);
    cr_expect_eq(strncmp(err.text, "query: xxx", 10), 0);
}
