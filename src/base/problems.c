#include "base/problems.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

void problems_finish(Problems *problems) {
    arena_finish(&problems->arena);
    free(problems->items);
    *problems = (Problems){0};
}

/* An error of the file system names the path itself, which is not to be said twice. */
static Str without_file(Str text, Str file) {
    bool named =
        file.len && str_starts(text, file) && str_starts(str_skip(text, file.len), STR(": "));
    return named ? str_skip(text, file.len + 2) : text;
}

bool problems_add(Problems *problems, Str file, uint32_t line, uint32_t column, const char *fmt,
                  ...) {
    char text[sizeof((Err *)0)->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);

    Problem problem = {
        .file = arena_str(&problems->arena, file),
        .line = line,
        .column = column,
        .text = arena_str(&problems->arena, without_file(str_of(text), file)),
    };
    VEC_PUSH(*problems, items, problem);
    return false;
}

void problems_copy(Problems *to, const Problems *from) {
    for (size_t i = 0; i < from->items_count; i++) {
        const Problem *problem = &from->items[i];
        problems_add(to, problem->file, problem->line, problem->column, "%.*s",
                     STR_ARG(problem->text));
    }
}

static void print_problem(const Problem *problem, Buf *buf) {
    buf_str(buf, problem->file);
    if (problem->line) {
        buf_printf(buf, ":%u:%u", problem->line, problem->column);
    }
    if (problem->file.len || problem->line) {
        buf_str(buf, STR(": "));
    }
    buf_str(buf, problem->text);
}

void problems_print(const Problems *problems, Buf *buf) {
    for (size_t i = 0; i < problems->items_count; i++) {
        print_problem(&problems->items[i], buf);
        buf_byte(buf, '\n');
    }
}

bool problems_err(const Problems *problems, Err *err) {
    assert(problems->items_count > 0);
    AUTO(buf_finish) Buf buf = {0};
    print_problem(&problems->items[0], &buf);
    if (problems->items_count > 1) {
        buf_printf(&buf, " (and %zu more)", problems->items_count - 1);
    }
    return err_set(err, ERR_INVALID, "%.*s", STR_ARG(buf_view(&buf)));
}
