/* The page for people: / and /ui/NAME, out of the binary; and the addresses that Prometheus' pages
 * have, since alerts (generatorURL), bookmarks and templates (graphLink, tableLink) lead there. */

#include "web/routes.h"
#include "web/ui.h"

static const char *type_of(Str name) {
    return str_ends(name, STR(".css"))  ? "text/css; charset=utf-8"
           : str_ends(name, STR(".js")) ? "text/javascript; charset=utf-8"
                                        : "text/html; charset=utf-8";
}

static void respond_file(Request *request, Str name) {
    for (const UiFile *file = ui_files; file->name; file++) {
        if (str_eq(name, str_of(file->name))) {
            respond_text(request, 200, (Str){(const char *)file->bytes, file->len});
            request->response.content_type = type_of(name);
            /* Scripts and styles are ours alone, so nothing injected into a label could run. */
            respond_header(request, "Content-Security-Policy",
                           STR("default-src 'self'; frame-ancestors 'self'"));
            respond_header(request, "Cache-Control", STR("no-cache"));
            return;
        }
    }
    respond_text(request, 404, STR("404 page not found\n"));
}

void handle_page(Web *web, Request *request) {
    (void)web;
    respond_file(request, STR("index.html"));
}

/* Relative, so that it holds behind a proxy that serves us below a path. */
static void redirect(Request *request, Str place) {
    respond_text(request, 302, arena_printf(&request->arena, "see %.*s\n", STR_ARG(place)));
    respond_header(request, "Location", place);
}

/* As encodeURIComponent(): the page decodes it. */
static void put_escaped(Buf *buf, Str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || (c && strchr("-_.!~*'()", c));
        if (is_plain) {
            buf_byte(buf, c);
        } else {
            buf_printf(buf, "%%%02X", (unsigned)(uint8_t)c);
        }
    }
}

void handle_graph_link(Web *web, Request *request) {
    (void)web;
    AUTO(buf_finish) Buf place = {0};
    Str expr = params_get(&request->params, STR("g0.expr"));
    buf_str(&place, STR("./#query"));
    buf_str(&place, expr.len ? STR("/") : STR(""));
    put_escaped(&place, expr);
    redirect(request, arena_str(&request->arena, buf_view(&place)));
}

void handle_alerts_link(Web *web, Request *request) {
    (void)web;
    redirect(request, STR("./#burning"));
}

void handle_rules_link(Web *web, Request *request) {
    (void)web;
    redirect(request, STR("./#rules"));
}

void handle_ui_file(Web *web, Request *request) {
    (void)web;
    respond_file(request, request->path_args[0]);
}
