#pragma once

/*
 * The subcommands of `belfry`. Each parses its own part of the command line (argv[0] is its name)
 * and returns the exit status: 0 done, 1 failed or found something, 2 wrong usage.
 */

int command_serve(int argc, char **argv);
int command_backup(int argc, char **argv);
int command_cardinality(int argc, char **argv);
int command_check(int argc, char **argv);
int command_convert(int argc, char **argv);
int command_test(int argc, char **argv);
int command_replay(int argc, char **argv);
int command_query(int argc, char **argv);
int command_silence(int argc, char **argv);
int command_notify(int argc, char **argv);
int command_route(int argc, char **argv);
int command_maintenance(int argc, char **argv);
int command_sources(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_quality(int argc, char **argv);
int command_shadow(int argc, char **argv);
int command_audit(int argc, char **argv);
int command_status(int argc, char **argv);
int command_store(int argc, char **argv);
int command_version(int argc, char **argv);
