#pragma once

/*
 * One exchange: a request as libcurl wants it, and what came back. The loop (net.c) drives many of
 * them.
 *
 * Threads: made and set up by the thread that sends, then touched by the loop's thread only.
 */

#include <curl/curl.h>

#include "base/buf.h"
#include "net/net.h"

/* Where no timeout is given: an exchange must not hang for ever. */
#define NET_TIMEOUT_DEFAULT (30 * SECOND_MS)

typedef struct Transfer {
    CURL *easy;
    struct curl_slist *headers, *proxy_headers, *recipients, *connect_to;
    Arena arena;      /* copies of the request's texts */
    Str body;         /* to be sent */
    size_t body_sent; /* mail is read piece by piece */
    Str peer; /* "https://host:port": what messages may name, as paths and queries hold secrets */
    bool is_mail;
    size_t answer_bytes_max;
    Buf answer;
    bool may_be_cut;
    bool is_cut;   /* at answer_bytes_max, where that is no trouble */
    bool too_long; /* the answer went over answer_bytes_max, where it is */
    char error[CURL_ERROR_SIZE];
    uint64_t tag;
    int64_t started_ns;
    NetBox *box;
    uint64_t token_key;    /* of the token it brings along, or fetches; 0 = none */
    struct Transfer *then; /* what the token is for, if this fetches one */
    struct Transfer *next;
} Transfer;

/* Copies the request and sets up libcurl; files named in the options are read now. False where the
 * request cannot be sent at all; the transfer can be answered with that error. */
bool transfer_prepare(Transfer *transfer, const NetRequest *request, Err *err) MUST_CHECK;

/* The token the peer wants to see; before it is driven. */
bool transfer_authorize(Transfer *transfer, Str token, Err *err) MUST_CHECK;

/* What the peer said, or why it said nothing. Moves the body out. */
void transfer_answer(Transfer *transfer, CURLcode code, NetAnswer *ret_answer);
/* The answer of an exchange that never began. */
void transfer_refuse(const Transfer *transfer, const Err *err, NetAnswer *ret_answer);

void transfer_free(Transfer *transfer);

/* Seconds or an HTTP date (RFC 9110, 10.2.3) as a span from `now`; -1 if it is neither. */
DurationMs retry_after_parse(Str text, TimeMs now);
