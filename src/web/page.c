/* The page for people: / and /ui/NAME, out of the binary. */

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

void handle_ui_file(Web *web, Request *request) {
    (void)web;
    respond_file(request, request->path_args[0]);
}
