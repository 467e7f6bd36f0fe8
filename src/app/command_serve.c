/* belfry serve */

#include "app/command.h"
#include "app/commands.h"
#include "app/serve.h"
#include "base/mem.h"

int command_serve(int argc, char **argv) {
    static const ArgOption options[] = {
        {"config", "FILE", "belfry.yml; without one all defaults hold"},
        {"listen", "ADDR:PORT", "where to answer HTTP (default 127.0.0.1:8119)"},
        {"data", "DIR", "data directory (default ./belfry-data)"},
        {"rules", "GLOB",
         "rule files, or a folder of them; may be repeated; `none` for no rules (default "
         "rules.d/**/*.y*ml)"},
        {"self-scrape", "on|off", "watch itself (default on)"},
        {"log-format", "logfmt|json", "form of the log lines (default logfmt)"},
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry serve [OPTIONS]",
        "Runs the server. It needs no configuration: it listens on loopback, keeps its data in "
        "./belfry-data, loads\n"
        "./rules.d and watches itself. SIGHUP reads configuration and rules again, SIGTERM ends it "
        "cleanly.",
        options,
    };
    Args args;
    int status;
    if (!command_args(argc, argv, &spec, &args, &status)) {
        return status;
    }
    mem_give_back();
    const char *self_scrape = args_get(&args, "self-scrape");
    bool off = self_scrape && strcmp(self_scrape, "off") == 0;
    const char *const *rules;
    size_t rules_count = args_all(&args, "rules", &rules);
    ServeOptions serve = {
        .config_file = str_of(args_get(&args, "config")),
        .listen = str_of(args_get(&args, "listen")),
        .data_dir = str_of(args_get(&args, "data")),
        .rules = rules,
        .rules_count = rules_count,
        .self_scrape = !off,
        .log_format = str_of(args_get(&args, "log-format")),
    };
    Err err = {0};
    if (args.word_count) {
        status = command_usage(&spec, "unexpected word \"%s\"", args.words[0]);
    } else if (self_scrape && !off && strcmp(self_scrape, "on") != 0) {
        status = command_usage(&spec, "--self-scrape is on or off, not \"%s\"", self_scrape);
    } else {
        status = serve_run(&serve, &err) ? EXIT_DONE : command_fail(&err);
    }
    args_finish(&args);
    return status;
}
