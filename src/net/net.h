#pragma once

/*
 * HTTP (and SMTP) out: one libcurl multi loop in one thread, any number of requests at once. A slow
 * or dead peer delays nobody else.
 *
 * Threads: every function may be called from any thread. Answers are collected by net_take() or
 * waited for by net_call(); nothing is called back.
 */

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/metrics.h"
#include "base/yaml.h"

typedef struct Net Net;

/* Prometheus' http_config. Strings are copied where a request is made; secrets are never printed.
 * `*_file` are read at send time. */
/* TLS versions a peer may speak, as Go's tls_config names them. */
typedef enum NetTls { NET_TLS_ANY, NET_TLS_1_0, NET_TLS_1_1, NET_TLS_1_2, NET_TLS_1_3 } NetTls;

/* A header whose value is in a file. */
typedef struct NetHeaderFile {
    Str name, path;
} NetHeaderFile;

/* OAuth 2.0 client credentials: a token is fetched and kept before the request. */
typedef struct NetOauth2 {
    Str client_id, client_secret, client_secret_file, token_url;
    Str form;                         /* further fields of the form: "&scope=a+b" */
    const struct NetOptions *options; /* how `token_url` is reached */
} NetOauth2;

typedef struct NetOptions {
    Str proxy_url;
    Str ca_file, cert_file, key_file, server_name;
    Str ca, cert, key; /* PEM, instead of the files */
    NetTls tls_min, tls_max;
    bool insecure_skip_verify;
    Str username, username_file, password, password_file;
    Str bearer, bearer_file, auth_type; /* auth_type: "Bearer" by default */
    Str aws_sigv4; /* "aws:amz:REGION:s3": signs with username and password as the two keys; not
                      in the file */
    Str mail_auth; /* of mail: the one SASL mechanism to use, "CRAM-MD5"; "" = the best both know */
    Str mail_identity;       /* of mail: who to act as (RFC 4616, authzid) */
    const NetOauth2 *oauth2; /* NULL = none; not for mail */
    const Str *headers;      /* "Name: value" */
    size_t header_count;
    const NetHeaderFile *header_files;
    size_t header_file_count;
    const Str *proxy_headers; /* for the proxy's CONNECT alone */
    size_t proxy_header_count;
    bool no_redirects;
    bool proxy_from_environment; /* else none unless proxy_url */
    Str no_proxy;                /* hosts to reach directly, comma separated */
} NetOptions;

/* Reads `http_config:` (and the same keys of scrape configs, remote engines). Checks the maps
 * inside; unknown keys of `map` itself are the caller's to refuse, as other keys may stand beside
 * these: net_options_keys (NULL at the end) lists them. Texts go into `arena`. */
extern const char *const net_options_keys[];
bool net_options_read(const YamlReader *reader, const YamlNode *map, Arena *arena,
                      NetOptions *ret_options);

typedef struct NetRequest {
    Str method; /* "GET", "POST"... */
    Str url;
    Str body;
    Str content_type;          /* "" = none */
    const NetOptions *options; /* NULL = plain; only read during the call */
    const Str *headers;        /* further "Name: value" */
    size_t header_count;
    DurationMs timeout;      /* of the whole exchange; 0 = 30 s */
    size_t answer_bytes_max; /* more is ERR_LIMIT, but of a refusal the beginning is enough */
    bool answer_may_be_cut;  /* and of what is no refusal, too */
    /* E-mail instead, where `url` is smtp:// or smtps://: `body` is the message. */
    Str mail_from;
    const Str *mail_to;
    size_t mail_to_count;
    bool mail_require_tls;
    uint64_t tag; /* comes back with the answer */
} NetRequest;

typedef struct NetAnswer {
    uint64_t tag;
    bool ok; /* an answer came; else `err` says what happened (ERR_IO, ERR_TIMEOUT, ERR_LIMIT,
                ERR_INVALID for what    cannot be sent). It names scheme and host only: paths and
                queries may hold secrets */
    bool
        not_sent; /* not ok, and the peer certainly got nothing: refused connection, unknown name */
    int status;   /* HTTP or SMTP status */
    Str body;     /* cut at answer_bytes_max for refusals, and where it may be */
    Str content_type;
    DurationMs retry_after; /* from Retry-After, seconds or date; -1 = none */
    DurationMs took;
    Err err;
    Arena arena; /* owns body and content_type; net_answer_finish() */
} NetAnswer;

bool net_open(Net **ret_net, Err *err) MUST_CHECK;
/* Ends what is under way (answers are lost) and the thread. Accepts NULL. */
void net_close(Net *net);
DEFINE_AUTO(Net, net_close)

/* A mailbox for one user of the loop, so that several (delivery, scraper, engine) do not take each
 * other's answers. */
typedef struct NetBox NetBox;
NetBox *net_box_new(Net *net);  /* free it before net_close() */
void net_box_free(NetBox *box); /* cancels what it has under way */

/* Queues a request; all of it is copied. */
void net_send(NetBox *box, const NetRequest *request);

/* The next answer, waiting for at most `wait` (0 = not at all). False if none came. */
bool net_take(NetBox *box, DurationMs wait, NetAnswer *ret_answer) MUST_CHECK;
void net_answer_finish(NetAnswer *answer);
/* Makes a waiting net_take() return false now. */
void net_box_wake(NetBox *box);
size_t net_box_pending(NetBox *box);

/* Sends one and waits. `ret_answer->ok` as above; false only where cancelled. */
bool net_call(Net *net, const NetRequest *request, NetAnswer *ret_answer, Err *err) MUST_CHECK;

void net_metrics(Net *net, MetricWriter *out);
