#include "base/number.h"
#include "net/transfer.h"

DurationMs retry_after_parse(Str text, TimeMs now) {
    text = str_trim(text);
    int64_t seconds;
    if (number_parse_int(text, &seconds)) {
        return seconds >= 0 && seconds < INT64_MAX / SECOND_MS ? seconds * SECOND_MS : -1;
    }
    char date[64];
    if (text.len == 0 || text.len >= sizeof date) {
        return -1;
    }
    memcpy(date, text.ptr, text.len);
    date[text.len] = '\0';
    time_t when = curl_getdate(date, NULL);
    if (when == -1) {
        return -1;
    }
    DurationMs span = (TimeMs)when * SECOND_MS - now;
    return span > 0 ? span : 0;
}

static DurationMs retry_after(const Transfer *transfer) {
    struct curl_header *header;
    if (curl_easy_header(transfer->easy, "Retry-After", 0, CURLH_HEADER, -1, &header) !=
        CURLHE_OK) {
        return -1;
    }
    return retry_after_parse(str_of(header->value), clock_now());
}

static ErrKind kind_of(CURLcode code) {
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return ERR_INVALID;
    default:
        return ERR_IO;
    }
}

/* An answer that is no HTTP is an "unsupported protocol", too. */
static void set_error(const Transfer *transfer, CURLcode code, bool sent, Err *err) {
    if (transfer->too_long) {
        err_set(err, ERR_LIMIT, "%.*s: answer of more than the %zu bytes allowed",
                STR_ARG(transfer->peer), transfer->answer_bytes_max);
        return;
    }
    bool garbage = sent && code == CURLE_UNSUPPORTED_PROTOCOL;
    err_set(err, garbage ? ERR_IO : kind_of(code), "%.*s: %s", STR_ARG(transfer->peer),
            transfer->error[0] ? transfer->error : curl_easy_strerror(code));
}

void transfer_answer(Transfer *transfer, CURLcode code, NetAnswer *ret_answer) {
    long status = 0;
    char *type = NULL;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &type);
    NetAnswer answer = {
        .tag = transfer->tag,
        .status = (int)status,
        .retry_after = retry_after(transfer),
        .took = (clock_monotonic_ns() - transfer->started_ns) / 1000000,
    };
    /* libcurl fails where a mail server refuses; to us that is an answer like any other. */
    bool mail_refused = transfer->is_mail && code != CURLE_OK && status >= 400;
    answer.ok = code == CURLE_OK || mail_refused || transfer->is_cut;
    if (!answer.ok) {
        curl_off_t begun_us = 0; /* 0: the request's first byte never left */
        curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &begun_us);
        answer.not_sent = begun_us == 0;
        set_error(transfer, code, !answer.not_sent, &answer.err);
    }
    Str body = mail_refused ? str_of(transfer->error) : buf_view(&transfer->answer);
    answer.body = arena_str(&answer.arena, body);
    answer.content_type = arena_str(&answer.arena, str_of(type));
    *ret_answer = answer;
}

void transfer_refuse(const Transfer *transfer, const Err *err, NetAnswer *ret_answer) {
    *ret_answer =
        (NetAnswer){.tag = transfer->tag, .not_sent = true, .retry_after = -1, .err = *err};
    ret_answer->body = ret_answer->content_type = STR("");
}
