#include "net/transfer.h"

#include <stdlib.h>

#include "base/file.h"

enum { SECRET_BYTES_MAX = 64 * 1024, REDIRECTS_MAX = 10, CONNECT_TIMEOUT_MS = 10 * 1000 };

/* ---- libcurl's callbacks ---- */

static size_t take_body(char *bytes, size_t one, size_t count, void *ctx) {
    Transfer *transfer = ctx;
    size_t len = one * count;
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    size_t room = transfer->answer_bytes_max - transfer->answer.len;
    if (len > room) {
        buf_put(&transfer->answer, bytes, room);
        transfer->is_cut = status >= 400 || transfer->may_be_cut;
        transfer->too_long = !transfer->is_cut;
        return 0; /* ends the transfer: the rest may never end */
    }
    buf_put(&transfer->answer, bytes, len);
    return len;
}

static size_t give_mail(char *bytes, size_t one, size_t count, void *ctx) {
    Transfer *transfer = ctx;
    Str rest = str_skip(transfer->body, transfer->body_sent);
    size_t len = one * count < rest.len ? one * count : rest.len;
    if (len) {
        memcpy(bytes, rest.ptr, len);
    }
    transfer->body_sent += len;
    return len;
}

/* ---- setting up ---- */

static char *text_of(Transfer *transfer, Str text) {
    return arena_cstr(&transfer->arena, text);
}

static void set_text(Transfer *transfer, CURLoption option, Str text) {
    if (text.len) {
        curl_easy_setopt(transfer->easy, option, text_of(transfer, text)); /* libcurl copies */
    }
}

/* Trailing newlines are no part of a secret in a file. */
static bool read_secret(Transfer *transfer, Str path, Str *ret_secret, Err *err) {
    Str bytes;
    if (!file_read(&transfer->arena, text_of(transfer, path), SECRET_BYTES_MAX, &bytes, err)) {
        err->kind =
            ERR_IO; /* also where it is missing: it may be back when the request is tried again */
        return false;
    }
    *ret_secret = str_trim(bytes);
    return true;
}

static bool add_header(Transfer *transfer, Str header, Err *err) {
    if (memchr(header.ptr, '\n', header.len) || memchr(header.ptr, '\r', header.len) ||
        memchr(header.ptr, '\0', header.len)) {
        return err_set(err, ERR_INVALID, "%.*s: a header with a line break",
                       STR_ARG(transfer->peer));
    }
    struct curl_slist *longer = curl_slist_append(transfer->headers, text_of(transfer, header));
    transfer->headers = longer ? longer : transfer->headers;
    return longer || err_set(err, ERR_IO, "no memory");
}

static bool add_headers(Transfer *transfer, const Str *headers, size_t count, Err *err) {
    for (size_t i = 0; i < count; i++) {
        if (!add_header(transfer, headers[i], err)) {
            return false;
        }
    }
    return true;
}

static void set_mail_login(Transfer *transfer, const NetOptions *options) {
    if (options->mail_auth.len) {
        set_text(transfer, CURLOPT_LOGIN_OPTIONS,
                 arena_printf(&transfer->arena, "AUTH=%.*s", STR_ARG(options->mail_auth)));
    }
    set_text(transfer, CURLOPT_SASL_AUTHZID, options->mail_identity);
}

static bool set_credentials(Transfer *transfer, const NetOptions *options, Err *err) {
    if (options->username.len || options->username_file.len) {
        Str username = options->username, password = options->password;
        if (options->username_file.len &&
            !read_secret(transfer, options->username_file, &username, err)) {
            return false;
        }
        if (options->password_file.len &&
            !read_secret(transfer, options->password_file, &password, err)) {
            return false;
        }
        set_text(transfer, CURLOPT_USERNAME, username);
        curl_easy_setopt(transfer->easy, CURLOPT_PASSWORD, text_of(transfer, password));
        if (options->aws_sigv4.len) {
            set_text(transfer, CURLOPT_AWS_SIGV4, options->aws_sigv4);
        } else if (transfer->is_mail) {
            set_mail_login(transfer, options);
        } else {
            curl_easy_setopt(transfer->easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        }
    }
    Str bearer = options->bearer;
    if (options->bearer_file.len && !read_secret(transfer, options->bearer_file, &bearer, err)) {
        return false;
    }
    if (bearer.len == 0) {
        return true;
    }
    Str type = options->auth_type.len ? options->auth_type : STR("Bearer");
    Str header =
        arena_printf(&transfer->arena, "Authorization: %.*s %.*s", STR_ARG(type), STR_ARG(bearer));
    return add_header(transfer, header, err);
}

static Str url_part(CURLU *url, CURLUPart part, unsigned flags, Arena *arena) {
    char *text = NULL;
    if (curl_url_get(url, part, &text, flags) != CURLUE_OK) {
        return STR("");
    }
    Str copy = arena_str(arena, str_of(text));
    curl_free(text);
    return copy;
}

/* A certificate for another name than the URL's: the name goes into the URL, so that SNI and the
 * check use it, while the connection and the Host header stay with the real one. */
static bool set_server_name(Transfer *transfer, CURLU *url, Str server_name, Err *err) {
    Arena *arena = &transfer->arena;
    Str host = url_part(url, CURLUPART_HOST, 0, arena);
    Str port = url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, arena);
    Str named_port = url_part(url, CURLUPART_PORT, 0, arena);
    Str route = arena_printf(arena, "%.*s:%.*s:%.*s:%.*s", STR_ARG(server_name), STR_ARG(port),
                             STR_ARG(host), STR_ARG(port));
    transfer->connect_to = curl_slist_append(NULL, route.ptr);
    curl_easy_setopt(transfer->easy, CURLOPT_CONNECT_TO, transfer->connect_to);
    Str header = arena_printf(arena, "Host: %.*s%s%.*s", STR_ARG(host), named_port.len ? ":" : "",
                              STR_ARG(named_port));
    return curl_url_set(url, CURLUPART_HOST, text_of(transfer, server_name), 0) == CURLUE_OK
               ? add_header(transfer, header, err)
               : err_set(err, ERR_INVALID, "%.*s: server_name \"%.*s\" is no host name",
                         STR_ARG(transfer->peer), STR_ARG(server_name));
}

static void set_pem(Transfer *transfer, CURLoption option, Str pem) {
    struct curl_blob blob = {
        .data = (void *)(uintptr_t)pem.ptr, .len = pem.len, .flags = CURL_BLOB_COPY};
    if (pem.len) {
        curl_easy_setopt(transfer->easy, option, &blob);
    }
}

static void set_tls_versions(Transfer *transfer, const NetOptions *options) {
    static const long least[] = {CURL_SSLVERSION_DEFAULT, CURL_SSLVERSION_TLSv1_0,
                                 CURL_SSLVERSION_TLSv1_1, CURL_SSLVERSION_TLSv1_2,
                                 CURL_SSLVERSION_TLSv1_3};
    static const long most[] = {CURL_SSLVERSION_MAX_NONE, CURL_SSLVERSION_MAX_TLSv1_0,
                                CURL_SSLVERSION_MAX_TLSv1_1, CURL_SSLVERSION_MAX_TLSv1_2,
                                CURL_SSLVERSION_MAX_TLSv1_3};
    curl_easy_setopt(transfer->easy, CURLOPT_SSLVERSION,
                     least[options->tls_min] | most[options->tls_max]);
}

static bool set_proxy_headers(Transfer *transfer, const NetOptions *options, Err *err) {
    struct curl_slist *others = transfer->headers;
    transfer->headers = NULL;
    bool ok = add_headers(transfer, options->proxy_headers, options->proxy_header_count, err);
    transfer->proxy_headers = transfer->headers;
    transfer->headers = others;
    curl_easy_setopt(transfer->easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    curl_easy_setopt(transfer->easy, CURLOPT_PROXYHEADER, transfer->proxy_headers);
    return ok;
}

static bool add_header_files(Transfer *transfer, const NetOptions *options, Err *err) {
    for (size_t i = 0; i < options->header_file_count; i++) {
        const NetHeaderFile *file = &options->header_files[i];
        Str value;
        if (!read_secret(transfer, file->path, &value, err) ||
            !add_header(
                transfer,
                arena_printf(&transfer->arena, "%.*s: %.*s", STR_ARG(file->name), STR_ARG(value)),
                err)) {
            return false;
        }
    }
    return true;
}

static void set_tls_and_proxy(Transfer *transfer, const NetOptions *options) {
    set_text(transfer, CURLOPT_CAINFO, options->ca_file);
    set_text(transfer, CURLOPT_SSLCERT, options->cert_file);
    set_text(transfer, CURLOPT_SSLKEY, options->key_file);
    set_pem(transfer, CURLOPT_CAINFO_BLOB, options->ca);
    set_pem(transfer, CURLOPT_SSLCERT_BLOB, options->cert);
    set_pem(transfer, CURLOPT_SSLKEY_BLOB, options->key);
    set_tls_versions(transfer, options);
    if (options->insecure_skip_verify) {
        curl_easy_setopt(transfer->easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(transfer->easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (options->proxy_from_environment) {
        curl_easy_setopt(transfer->easy, CURLOPT_PROXY, NULL);
    }
    set_text(transfer, CURLOPT_PROXY, options->proxy_url);
    set_text(transfer, CURLOPT_NOPROXY, options->no_proxy);
}

static bool set_options(Transfer *transfer, const NetOptions *options, CURLU *url, Err *err) {
    /* libcurl would take a proxy from the environment, Prometheus only where it is told to. */
    curl_easy_setopt(transfer->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(transfer->easy, CURLOPT_FOLLOWLOCATION,
                     options && options->no_redirects ? 0L : 1L);
    if (!options) {
        return true;
    }
    set_tls_and_proxy(transfer, options);
    if (options->server_name.len && !set_server_name(transfer, url, options->server_name, err)) {
        return false;
    }
    return set_credentials(transfer, options, err) &&
           add_headers(transfer, options->headers, options->header_count, err) &&
           add_header_files(transfer, options, err) &&
           (!options->proxy_header_count || set_proxy_headers(transfer, options, err));
}

static void set_method(Transfer *transfer, const NetRequest *request) {
    CURL *easy = transfer->easy;
    bool post = str_eq(request->method, STR("POST"));
    if (str_eq(request->method, STR("HEAD"))) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (post || transfer->body.len) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->body.ptr);
    }
    /* Only where it has to be: a method set this way would also be used after a 303. */
    if (!post && request->method.len && !str_eq(request->method, STR("HEAD")) &&
        (transfer->body.len || !str_eq(request->method, STR("GET")))) {
        set_text(transfer, CURLOPT_CUSTOMREQUEST, request->method);
    }
}

static bool set_http(Transfer *transfer, const NetRequest *request, Err *err) {
    set_method(transfer, request);
    curl_easy_setopt(transfer->easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    Str type = request->content_type.len ? arena_printf(&transfer->arena, "Content-Type: %.*s",
                                                        STR_ARG(request->content_type))
                                         : STR("Content-Type:");
    if (request->options && request->options->aws_sigv4.len) {
        /* Headers that only take libcurl's own away would be signed, and not sent. */
        return (request->content_type.len == 0 || add_header(transfer, type, err)) &&
               add_headers(transfer, request->headers, request->header_count, err);
    }
    /* "Expect: 100-continue" costs a round trip, and some receivers never answer it. */
    return add_header(transfer, type, err) && add_header(transfer, STR("Expect:"), err) &&
           add_headers(transfer, request->headers, request->header_count, err);
}

static bool set_mail(Transfer *transfer, const NetRequest *request, Err *err) {
    CURL *easy = transfer->easy;
    set_text(transfer, CURLOPT_MAIL_FROM, request->mail_from);
    for (size_t i = 0; i < request->mail_to_count; i++) {
        struct curl_slist *longer =
            curl_slist_append(transfer->recipients, text_of(transfer, request->mail_to[i]));
        if (!longer) {
            return err_set(err, ERR_IO, "no memory");
        }
        transfer->recipients = longer;
    }
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, transfer->recipients);
    curl_easy_setopt(easy, CURLOPT_USE_SSL,
                     (long)(request->mail_require_tls ? CURLUSESSL_ALL : CURLUSESSL_TRY));
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_mail);
    curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
    return true;
}

static void set_common(Transfer *transfer, const NetRequest *request) {
    CURL *easy = transfer->easy;
    DurationMs timeout = request->timeout > 0 ? request->timeout : NET_TIMEOUT_DEFAULT;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https,smtp,smtps");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "Belfry/" BELFRY_VERSION);
}

static bool prepare(Transfer *transfer, const NetRequest *request, CURLU *url, Err *err) {
    if (curl_url_set(url, CURLUPART_URL, text_of(transfer, request->url), 0) != CURLUE_OK) {
        return err_set(err, ERR_INVALID, "not a URL that can be reached");
    }
    Str scheme = url_part(url, CURLUPART_SCHEME, 0, &transfer->arena);
    Str host = url_part(url, CURLUPART_HOST, 0, &transfer->arena);
    Str port = url_part(url, CURLUPART_PORT, 0, &transfer->arena);
    transfer->peer = arena_printf(&transfer->arena, "%.*s://%.*s%s%.*s", STR_ARG(scheme),
                                  STR_ARG(host), port.len ? ":" : "", STR_ARG(port));
    transfer->is_mail = str_starts(scheme, STR("smtp"));
    set_common(transfer, request);
    if (!set_options(transfer, request->options, url, err)) {
        return false;
    }
    if (!(transfer->is_mail ? set_mail(transfer, request, err)
                            : set_http(transfer, request, err))) {
        return false;
    }
    Str whole = url_part(url, CURLUPART_URL, 0, &transfer->arena);
    set_text(transfer, CURLOPT_URL, whole);
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
    return true;
}

bool transfer_authorize(Transfer *transfer, Str token, Err *err) {
    bool ok = add_header(
        transfer, arena_printf(&transfer->arena, "Authorization: Bearer %.*s", STR_ARG(token)),
        err);
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
    return ok;
}

bool transfer_prepare(Transfer *transfer, const NetRequest *request, Err *err) {
    transfer->tag = request->tag;
    transfer->body = arena_str(&transfer->arena, request->body);
    transfer->answer_bytes_max = request->answer_bytes_max;
    transfer->may_be_cut = request->answer_may_be_cut;
    transfer->peer = STR("request");
    transfer->started_ns = clock_monotonic_ns();
    transfer->easy = curl_easy_init();
    CURLU *url = curl_url();
    bool ok = transfer->easy && url ? prepare(transfer, request, url, err)
                                    : err_set(err, ERR_IO, "no memory");
    curl_url_cleanup(url);
    return ok;
}

void transfer_free(Transfer *transfer) {
    if (!transfer) {
        return;
    }
    if (transfer->easy) {
        curl_easy_cleanup(transfer->easy);
    }
    curl_slist_free_all(transfer->headers);
    curl_slist_free_all(transfer->proxy_headers);
    curl_slist_free_all(transfer->recipients);
    curl_slist_free_all(transfer->connect_to);
    buf_finish(&transfer->answer);
    arena_finish(&transfer->arena);
    free(transfer);
}
