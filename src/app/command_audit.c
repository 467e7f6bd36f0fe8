/* belfry audit: who changed what, when, as JSON lines. */

#include <stdio.h>

#include "app/client.h"
#include "app/command.h"
#include "app/commands.h"
#include "app/when.h"

static bool add_time(Arena *arena, const Args *args, const char *name, Str *path, Err *err) {
    const char *text = args_get(args, name);
    TimeMs time;
    if (!text) {
        return true;
    }
    if (!when_parse_past(str_of(text), clock_now(), &time, err)) {
        return err_context(err, "--%s", name);
    }
    *path = arena_printf(arena, "%.*s&%s=%lld.%03d", STR_ARG(*path), name,
                         (long long)(time / SECOND_MS), (int)(time % SECOND_MS));
    return true;
}

static void add_text(Arena *arena, const Args *args, const char *name, Str *path) {
    const char *text = args_get(args, name);
    if (text) {
        Str value = client_escape(arena, str_of(text));
        *path = arena_printf(arena, "%.*s&%s=%.*s", STR_ARG(*path), name, STR_ARG(value));
    }
}

static int print_audit(const Args *args, Arena *arena, Err *err) {
    Str path = STR("/api/v1/audit?"), answer;
    if (args->word_count) {
        return command_usage(args->spec, "there are options only; an id is --subject ID");
    }
    add_text(arena, args, "subject", &path);
    add_text(arena, args, "action", &path);
    add_text(arena, args, "limit", &path);
    if (!add_time(arena, args, "from", &path, err) || !add_time(arena, args, "to", &path, err) ||
        !client_call(client_url(args, arena), "GET", path, STR(""), arena, &answer, err)) {
        return EXIT_FAILED;
    }
    fwrite(answer.ptr, 1, answer.len, stdout);
    return EXIT_DONE;
}

int command_audit(int argc, char **argv) {
    static const ArgOption options[] = {
        {"from", "TIME", "-7d for a week ago, 2030-01-31, RFC 3339 or Unix seconds"},
        {"to", "TIME", "the same"},
        {"subject", "ID", "of one silence or maintenance flag"},
        {"action", "NAME", "silence.create, or all that begins so: silence., maintenance."},
        {"limit", "N", "the newest N only"},
        CLIENT_URL_OPTION,
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry audit [OPTIONS]",
        "Prints the audit trail as JSON lines, oldest first: who did what, when, why, from which "
        "address,\nwith the state before and after. An actor that only the client named is marked "
        "as claimed.",
        options,
    };
    return command_run(argc, argv, &spec, print_audit);
}
