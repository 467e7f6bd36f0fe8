#pragma once

/*
 * Escaping for HTML mail, as html/template would do it for the places notification templates print
 * to: text, attribute values, and the query of a URL in an attribute. Where a value stands is told
 * by what was printed before it. Scripts and styles are not for templates: inside them a value is
 * escaped as text, which breaks the script and not the reader's safety.
 */

#include "tmpl/tmpl.h"

/* The marker type of what `safeHtml` and `safeUrl` return. */
#define HTML_SAFE_TYPE "template.HTML"
#define URL_SAFE_TYPE "template.URL"

/* Prints `value` after `before`. */
void html_put_value(Buf *out, Str before, Arena *arena, const TmplValue *value);

/* html.EscapeString as text/template's `html` does it: < > & ' " and NUL. */
void html_escape(Buf *out, Str text);

/* url.PathEscape. */
void url_path_escape(Buf *out, Str text);
