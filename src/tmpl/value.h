#pragma once

/* What Go's reflection would say of values: type names, truth, formatting by verb, comparison. */

#include "tmpl/tmpl.h"

/* "string", "float64", "map[string]string", ... */
Str tmpl_type_name(const TmplValue *value);

/* False for nil, false, 0, "", and empty lists and maps. */
bool tmpl_truth(const TmplValue *value);

/* fmt.Fprintf(format, args...). */
void tmpl_printf(Buf *buf, Str format, const TmplValue *args, size_t count);

/* fmt.Sprint and Sprintln. */
void tmpl_sprint(Buf *buf, const TmplValue *args, size_t count);
void tmpl_sprintln(Buf *buf, const TmplValue *args, size_t count);

/* Number as tmpl_humanize and its like take it: float64, int, or text in ParseFloat's form. False
 * with `err` in Go's words. */
bool tmpl_to_float(const TmplValue *value, double *ret_number, Err *err) MUST_CHECK;

/* The text of a string argument; false with "wrong type for value; expected string; got ...". */
bool tmpl_to_text(const TmplValue *value, Str *ret_text, Err *err) MUST_CHECK;

/* The value under `key` of a map or object; NULL if there is none. */
const TmplValue *tmpl_field(const TmplValue *value, Str key);
