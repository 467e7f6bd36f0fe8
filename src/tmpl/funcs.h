#pragma once

/* Helpers that the files of functions share. */

#include "tmpl/tmpl.h"
#include "tmpl/value.h"

/* The string result `text`, copied into the execution's arena. */
TmplValue tmpl_text_result(TmplExec *exec, const Buf *text);

/* Text arguments in a row; false at the first that is none. */
bool tmpl_text_args(const TmplValue *args, size_t count, Str *ret_texts, Err *err) MUST_CHECK;

/* Humanized numbers, shared by the sets. humanize.c */
void tmpl_humanize(Buf *buf, double number);
void tmpl_humanize_1024(Buf *buf, double number);
void tmpl_humanize_duration(Buf *buf, double seconds);
void tmpl_humanize_percentage(Buf *buf, double ratio);

/* encoding/json of a value. */
bool tmpl_json_put(Buf *buf, const TmplValue *value, int depth, Err *err) MUST_CHECK;

/* `match` and `reReplaceAll`, the same in rules and notifications. */
bool tmpl_func_match(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                     Err *err) MUST_CHECK;
bool tmpl_func_re_replace_all(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret,
                              Err *err) MUST_CHECK;
