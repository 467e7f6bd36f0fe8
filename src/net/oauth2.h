#pragma once

/*
 * OAuth 2.0 client credentials (RFC 6749, 4.4): before a request whose options ask for it, a token
 * is fetched, and kept for the requests that follow until it ends or is refused (401).
 *
 * Threads: under the lock of the loop.
 */

#include "net/net.h"

typedef struct Token Token;

typedef struct Tokens {
    Token *first;
} Tokens;

/* What tells one token from another: who asks for it, where, and for what. Never 0. */
uint64_t oauth2_key(const NetOauth2 *oauth2);

/* Valid until the next change; NULL = there is none that holds. */
const char *tokens_find(const Tokens *tokens, uint64_t key, int64_t now_ns);
void tokens_put(Tokens *tokens, uint64_t key, const char *text, int64_t until_ns);
void tokens_drop(Tokens *tokens, uint64_t key);
void tokens_finish(Tokens *tokens);

/* The request for a token; texts are in `arena`, as are `ret_options`. Reads the secret's file. */
bool oauth2_request(const NetOauth2 *oauth2, Arena *arena, NetOptions *ret_options,
                    NetRequest *ret_request, Err *err) MUST_CHECK;
/* What came back. */
bool oauth2_answer(const NetAnswer *answer, Arena *arena, Str *ret_token, DurationMs *ret_lives,
                   Err *err) MUST_CHECK;

/* As form fields and Basic credentials have it (WHATWG URL, 5.2). */
void oauth2_encode(Buf *buf, Str text);
