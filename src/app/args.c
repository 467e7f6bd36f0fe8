#include "app/args.h"

#include <assert.h>
#include <stdio.h>

#include "base/mem.h"

static int option_index(const ArgSpec *spec, Str name) {
    for (int i = 0; spec->options[i].name; i++) {
        if (str_eq(name, str_of(spec->options[i].name))) {
            return i;
        }
    }
    return -1;
}

static bool refuse_option(const ArgSpec *spec, Str name, Err *err) {
    const char *known[ARGS_OPTIONS_MAX + 2] = {NULL};
    size_t count = 0;
    for (; spec->options[count].name; count++) {
        known[count] = spec->options[count].name;
    }
    known[count] = "help";
    const char *near = str_suggest(name, known);
    return err_set(err, ERR_INVALID, "unknown option --%.*s%s%s%s", STR_ARG(name),
                   near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
}

static void add_value(Args *args, int index, const char *value, int argc) {
    if (!args->values[index]) {
        args->values[index] = arena_array(&args->arena, const char *, (size_t)argc);
    }
    args->values[index][args->counts[index]++] = value;
}

/* `--name`, `--name=value` or `--name value`; `*at` moves behind what was taken. */
static bool take_option(Args *args, int argc, char **argv, int *at, Err *err) {
    Str text = str_skip(str_of(argv[*at]), 2);
    size_t name_len = str_find(text, '=');
    Str name = {text.ptr, name_len};
    *at += 1;
    if (str_eq(name, STR("help"))) {
        args->help = true;
        return true;
    }
    int index = option_index(args->spec, name);
    if (index < 0) {
        return refuse_option(args->spec, name, err);
    }
    bool wants_value = args->spec->options[index].value != NULL;
    if (!wants_value) {
        add_value(args, index, "", argc);
        return name_len == text.len ||
               err_set(err, ERR_INVALID, "--%.*s takes no value", STR_ARG(name));
    }
    if (name_len < text.len) {
        add_value(args, index, text.ptr + name_len + 1, argc);
        return true;
    }
    if (*at >= argc) {
        return err_set(err, ERR_INVALID, "--%.*s needs a value: %s", STR_ARG(name),
                       args->spec->options[index].value);
    }
    add_value(args, index, argv[(*at)++], argc);
    return true;
}

bool args_parse(int argc, char **argv, const ArgSpec *spec, Args *ret_args, Err *err) {
    Args args = {.spec = spec};
    args.words = arena_array(&args.arena, const char *, (size_t)argc + 1);
    bool only_words = false;
    for (int at = 1; at < argc;) {
        const char *text = argv[at];
        if (only_words || text[0] != '-' || text[1] == '\0') {
            args.words[args.word_count++] = text;
            at++;
        } else if (strcmp(text, "--") == 0) {
            only_words = true;
            at++;
        } else if (strcmp(text, "-h") == 0) {
            args.help = true;
            at++;
        } else if (text[1] != '-') {
            args_finish(&args);
            return err_set(err, ERR_INVALID, "unknown option %s; options are long, see --help",
                           text);
        } else if (!take_option(&args, argc, argv, &at, err)) {
            args_finish(&args);
            return false;
        }
    }
    *ret_args = args;
    return true;
}

void args_finish(Args *args) {
    arena_finish(&args->arena);
}

const char *args_get(const Args *args, const char *name) {
    const char *const *values;
    size_t count = args_all(args, name, &values);
    return count ? values[count - 1] : NULL;
}

bool args_has(const Args *args, const char *name) {
    return args_get(args, name) != NULL;
}

size_t args_all(const Args *args, const char *name, const char *const **ret_values) {
    int index = option_index(args->spec, str_of(name));
    assert(index >= 0); /* a subcommand asks only for what its table has */
    *ret_values = args->values[index];
    return args->counts[index];
}

void args_help(const ArgSpec *spec) {
    printf("usage: %s\n\n%s\n", spec->usage, spec->purpose);
    if (spec->options[0].name) {
        printf("\noptions:\n");
    }
    for (const ArgOption *option = spec->options; option->name; option++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", option->name, option->value ? " " : "",
                 option->value ? option->value : "");
        printf("  %-28s %s\n", left, option->help);
    }
}
