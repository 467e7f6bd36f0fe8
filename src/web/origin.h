#pragma once

/*
 * Who may make a browser act on us. There are no passwords here, so a page from anywhere, open in
 * the browser of somebody whose network reaches us, could set silences or delete series: browsers
 * send such requests, and only keep the answer from the page. What they add is the page's origin;
 * programs send none.
 *
 * Reading is open to all pages (Grafana's data sources in browser mode). What changes something is
 * taken from our own pages and from `web.allowed_origins`; the others' browsers are told so, by
 * Cross-Origin Resource Sharing (the Fetch standard, 3.2).
 */

#include "web/http.h"

/* True if another site's page sends this and it would change something. */
bool origin_is_foreign(const Request *request);
void respond_foreign(Request *request);
/* What the origin's pages may do on this path: the value of Access-Control-Allow-Methods. A browser
 * that asks beforehand sends nothing else. */
Str origin_methods(const Request *request);
/* Lets the page that asked read the answer, unless it says already who may. */
void origin_let_read(Request *request);
