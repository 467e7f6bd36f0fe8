#pragma once

/*
 * What is allowed in a rule file and yet probably not meant: findings, which never keep a file from
 * loading.
 *
 *   templates  a template that nothing defines is executed, or a field used that there is not
 *   labels     a template uses a label that the expression's result cannot have
 *   compare    an alert without any comparison fires whenever there is a result; `bool` at the top
 * gives one always hold       `for` shorter than the interval waits for one interval anyway
 *   duplicate  the same rule twice: name, labels and expression
 *   names      a recording or a label that expressions have to quote
 *   variables  `%{NAME}` that the environment does not have
 *   match      a selector that matches nothing in the store (with one to look into)
 */

#include "rules/rule_file.h"

/* All but `match`, for files that are loaded together. */
void lint_files(RuleFile *const *files, size_t count, DurationMs default_interval,
                Problems *findings);

/* `match`, at `now`, for the rules of several files, which may read each other's recordings. False
 * where the engine cannot be asked: "nothing found" would say too much then. */
bool lint_matches(RuleFile *const *files, size_t count, Engine *engine, TimeMs now,
                  Problems *findings, Err *err) MUST_CHECK;
