/* belfry: the command line. What each subcommand does is in src/app. */

#include <stdio.h>
#include <string.h>

#include "app/commands.h"
#include "base/str.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *purpose;
} commands[] = {
    {"serve", command_serve, "run the server"},
    {"route", command_route, "show where an alert with given labels goes, or the whole tree"},
    {"notify", command_notify, "list, retry and drop notifications; send a test"},
    {"check", command_check, "check rule files, configurations and unit tests"},
    {"test", command_test, "run unit tests of rules, or PromQL scripts"},
    {"convert", command_convert,
     "turn a Prometheus configuration or a vmalert command line into belfry.yml"},
    {"replay", command_replay, "show how often rules would have rung over stored history"},
    {"query", command_query, "ask a running server a PromQL query"},
    {"status", command_status, "show what a running server sees: sources, rules, alerts"},
    {"explain", command_explain, "why was I paged, why was I not?"},
    {"quality", command_quality, "how often each rule rang, and whether it was worth it"},
    {"shadow", command_shadow, "compare with the Alertmanager beside which Belfry runs"},
    {"silence", command_silence, "add, list and expire silences"},
    {"maintenance", command_maintenance, "set, list and clear maintenance flags"},
    {"store", command_store, "look into a data directory, check it, repair it, export from it"},
    {"backup", command_backup, "make, list and restore backups"},
    {"cardinality", command_cardinality, "show what a server's store is full of, and who uses it"},
    {"sources", command_sources, "list who sends telemetry, forget who is gone"},
    {"audit", command_audit, "print who changed silences and flags"},
    {"version", command_version, "print the version"},
};

enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void print_help(FILE *out) {
    fputs("usage: belfry COMMAND [OPTIONS]\n\n", out);
    for (int i = 0; i < COMMAND_COUNT; i++) {
        fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].purpose);
    }
    fputs("\n`belfry COMMAND --help` tells more of each.\n", out);
}

int main(int argc, char **argv) {
    const char *word = argc > 1 ? argv[1] : "";
    const char *names[COMMAND_COUNT + 1] = {NULL};
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(word, commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
        names[i] = commands[i].name;
    }
    if (strcmp(word, "--version") == 0) {
        return command_version(1, argv);
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_help(stdout);
        return 0;
    }
    const char *near = str_suggest(str_of(word), names);
    if (*word) {
        fprintf(stderr, "belfry: unknown command \"%s\"%s%s%s\n\n", word,
                near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    }
    print_help(stderr);
    return 2;
}
