/*
 * E-mail, by SMTP: a message in RFC 5322's form with the text and the HTML of the templates as
 * alternatives (RFC 2046), both quoted-printable (RFC 2045). Header values lose line ends, so that
 * no label can add a header; non-ASCII ones are encoded words (RFC 2047).
 */

#include <stdio.h>
#include <strings.h>

#include "base/json.h"
#include "base/number.h"
#include "notify/integration.h"
#include "notify/receivers.h"
#include "notify/template.h"

enum { LINE_CHARS_MAX = 76, ANSWER_CHARS_MAX = 300 };

static bool is_ascii(Str text) {
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] >= 0x7f || (unsigned char)text.ptr[i] < ' ') {
            return false;
        }
    }
    return true;
}

static void put_header(Buf *out, Str name, Str value) {
    static const char hex[] = "0123456789ABCDEF";
    buf_str(out, name);
    buf_printf(out, ": ");
    bool plain = is_ascii(value);
    size_t line = 0;
    if (!plain) {
        buf_printf(out, "=?utf-8?q?");
    }
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c == '\r' || c == '\n') {
            continue;
        }
        if (plain || (c > ' ' && c < 0x7f && !strchr("=?_", c))) {
            buf_byte(out, (char)c);
            line++;
        } else {
            buf_byte(out, '=');
            buf_byte(out, hex[c >> 4]);
            buf_byte(out, hex[c & 15]);
            line += 3;
        }
        bool whole = i + 1 == value.len || ((unsigned char)value.ptr[i + 1] & 0xC0) != 0x80;
        if (!plain && whole && line > 50 && i + 1 < value.len) {
            buf_printf(out, "?=\r\n =?utf-8?q?");
            line = 0;
        }
    }
    buf_printf(out, plain ? "\r\n" : "?=\r\n");
}

static void put_quoted_printable(Buf *out, Str text) {
    size_t line = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '\n') {
            buf_printf(out, "\r\n");
            line = 0;
            continue;
        }
        bool end = i + 1 == text.len || text.ptr[i + 1] == '\n';
        bool plain = (c > ' ' && c < 0x7f && c != '=') || ((c == ' ' || c == '\t') && !end);
        /* A dot alone on a line ends the mail; libcurl doubles it, other relays may not. */
        plain = plain && !(c == '.' && line == 0);
        size_t width = plain ? 1 : 3;
        if (c == '\r') {
            continue;
        }
        if (line + width > LINE_CHARS_MAX - 1) {
            buf_printf(out, "=\r\n");
            line = 0;
        }
        if (plain) {
            buf_byte(out, (char)c);
        } else {
            buf_printf(out, "=%02X", c);
        }
        line += width;
    }
    buf_printf(out, "\r\n");
}

/* The address within "Name <address>", or all of it. */
static Str bare_address(Str text) {
    size_t open = str_find(text, '<'), close = str_find(text, '>');
    text = open < close && close < text.len ? (Str){text.ptr + open + 1, close - open - 1} : text;
    return str_trim(text);
}

/* The next comma that is not within quotes: "Doe, Jane" <jane@example.org>. */
static size_t find_separator(Str text) {
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        if (quoted && text.ptr[i] == '\\') {
            i++;
        } else if (text.ptr[i] == '"') {
            quoted = !quoted;
        } else if (text.ptr[i] == ',' && !quoted) {
            return i;
        }
    }
    return text.len;
}

static size_t split_recipients(Str text, Arena *arena, const Str **ret_list) {
    size_t room = 1, count = 0;
    for (size_t i = 0; i < text.len; i++) {
        room += text.ptr[i] == ',';
    }
    Str *list = arena_array(arena, Str, room);
    while (text.len) {
        size_t comma = find_separator(text);
        Str one = bare_address((Str){text.ptr, comma});
        if (one.len) {
            list[count++] = one;
        }
        text = str_skip(text, comma < text.len ? comma + 1 : text.len);
    }
    *ret_list = list;
    return count;
}

static Str mail_date(Arena *arena, TimeMs now) {
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    CivilTime at = civil_of(now);
    return arena_printf(arena, "%s, %02d %s %04d %02d:%02d:%02d +0000", days[at.weekday], at.day,
                        months[at.month - 1], (int)at.year, at.hour, at.minute, at.second);
}

typedef struct Mail {
    const Integration *integration;
    const Message *message;
    MessageWorld *world;
    TmplValue data;
    Str from, to, text, html;
    Err *err;
} Mail;

/* Headers of the configuration replace ours of the same name. */
static const YamlNode *own_header(const Mail *mail, const char *name) {
    const YamlNode *headers = integration_tree(mail->integration, "headers");
    for (size_t i = 0; headers && i < headers->count; i++) {
        Str key = headers->pairs[i].key->text;
        if (key.len == strlen(name) && strncasecmp(key.ptr, name, key.len) == 0) {
            return headers->pairs[i].value;
        }
    }
    return NULL;
}

static bool put_default_header(const Mail *mail, Buf *out, const char *name, Str value) {
    if (!own_header(mail, name)) {
        put_header(out, str_of(name), value);
    }
    return true;
}

/* One thread a group: each mail answers the same first one, which need not exist. With `threading`,
 * as it says: none, or one a day. */
static Str thread_of(const Mail *mail, Str key) {
    const YamlNode *threading = integration_tree(mail->integration, "threading");
    const YamlNode *enabled = yaml_get(threading, "enabled");
    const YamlNode *by_date = yaml_get(threading, "thread_by_date");
    Arena *arena = mail->world->arena;
    if (threading && !(enabled && str_eq(enabled->text, STR("true")))) {
        return STR("");
    }
    if (!threading || (by_date && str_eq(by_date->text, STR("none")))) {
        return arena_printf(arena, "<alert-%.*s@belfry>", STR_ARG(key));
    }
    CivilTime day = civil_of(mail->world->now);
    return arena_printf(arena, "<alert-%.*s-%04d-%02d-%02d@belfry>", STR_ARG(key), (int)day.year,
                        day.month, day.day);
}

static bool put_headers(const Mail *mail, Buf *out) {
    Arena *arena = mail->world->arena;
    Str subject;
    if (!template_expand(STR("{{ template \"email.default.subject\" . }}"), &mail->data,
                         mail->world, &subject, mail->err)) {
        return false;
    }
    if (mail->message->is_test) {
        subject = arena_printf(arena, "[TEST] %.*s", STR_ARG(subject));
    }
    if (mail->message->is_repeat) {
        subject = arena_printf(arena, "(repeat) %.*s", STR_ARG(subject));
    }
    (void)put_default_header(mail, out, "Subject", str_trim(subject));
    (void)put_default_header(mail, out, "To", mail->to);
    (void)put_default_header(mail, out, "From", mail->from);
    (void)put_default_header(mail, out, "Date", mail_date(arena, mail->world->now));
    Str key = {mail->message->dedup_key.ptr,
               mail->message->dedup_key.len < 16 ? mail->message->dedup_key.len : 16};
    (void)put_default_header(
        mail, out, "Message-Id",
        arena_printf(arena, "<%lld.%.*s@belfry>", (long long)mail->world->now, STR_ARG(key)));
    Str thread = thread_of(mail, key);
    if (thread.len) {
        (void)put_default_header(mail, out, "References", thread);
    }
    const YamlNode *headers = integration_tree(mail->integration, "headers");
    for (size_t i = 0; headers && i < headers->count; i++) {
        Str value;
        if (!template_expand(headers->pairs[i].value->text, &mail->data, mail->world, &value,
                             mail->err)) {
            return err_context(mail->err, "headers");
        }
        put_header(out, headers->pairs[i].key->text, value);
    }
    buf_printf(out, "MIME-Version: 1.0\r\n");
    return true;
}

static void put_part(Buf *out, const char *boundary, const char *type, Str text) {
    buf_printf(out,
               "--%s\r\nContent-Type: %s; charset=UTF-8\r\n"
               "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
               boundary, type);
    put_quoted_printable(out, text);
}

static void put_body(const Mail *mail, Buf *out) {
    char boundary[65];
    sha256_hex(buf_view(out), boundary); /* of the headers, which hold time and key */
    boundary[32] = '\0';
    buf_printf(out, "Content-Type: multipart/alternative; boundary=%s\r\n\r\n", boundary);
    if (mail->text.len) {
        put_part(out, boundary, "text/plain", mail->text);
    }
    if (mail->html.len) {
        put_part(out, boundary, "text/html", mail->html);
    }
    buf_printf(out, "--%s--\r\n", boundary);
}

static bool fill_request(const Mail *mail, const Buf *body, MessageRequest *ret_request) {
    const Integration *integration = mail->integration;
    Arena *arena = mail->world->arena;
    Str smarthost = integration_text(integration, "smarthost"), password, secret;
    bool implicit =
        integration_bool(integration, "force_implicit_tls") || str_ends(smarthost, STR(":465"));
    if (!receiver_secret(integration, "auth_password", "auth_password_file", arena, &password,
                         mail->err) ||
        !receiver_secret(integration, "auth_secret", "auth_secret_file", arena, &secret,
                         mail->err)) {
        return false;
    }
    NetOptions *options = arena_new(arena, NetOptions);
    *options = integration->http;
    options->username = integration_text(integration, "auth_username");
    /* The secret is for CRAM-MD5 alone, as in Alertmanager; the password for what else the server
     * offers. */
    options->password = secret.len ? secret : password;
    options->mail_auth = secret.len ? STR("CRAM-MD5") : STR("");
    options->mail_identity = integration_text(integration, "auth_identity");
    const Str *to;
    size_t to_count = split_recipients(mail->to, arena, &to);
    NetRequest request = {.url = arena_printf(arena, "%s://%.*s/%.*s", implicit ? "smtps" : "smtp",
                                              STR_ARG(smarthost),
                                              STR_ARG(integration_text(integration, "hello"))),
                          .body = arena_str(arena, buf_view(body)),
                          .options = options,
                          .timeout = 30 * SECOND_MS,
                          .answer_bytes_max = 64 << 10,
                          .mail_from = bare_address(mail->from),
                          .mail_to = to,
                          .mail_to_count = to_count,
                          .mail_require_tls = integration_bool(integration, "require_tls")};
    *ret_request = (MessageRequest){.request = request};
    return request.mail_to_count > 0 ||
           err_set(mail->err, ERR_INVALID, "to: no recipient in \"%.*s\"", STR_ARG(mail->to));
}

RECEIVER_BUILD(email) {
    (void)count;
    Mail mail = {.integration = integration, .message = messages[0], .world = world, .err = err};
    AUTO(buf_finish) Buf body = {0};
    mail.data = template_data(messages[0], world);
    if (!receiver_expand(integration, "to", &mail.data, world, &mail.to, err) ||
        !receiver_expand(integration, "from", &mail.data, world, &mail.from, err) ||
        !receiver_expand(integration, "text", &mail.data, world, &mail.text, err) ||
        !receiver_expand(integration, "html", &mail.data, world, &mail.html, err) ||
        !put_headers(&mail, &body)) {
        return false;
    }
    put_body(&mail, &body);
    return fill_request(&mail, &body, ret_request);
}

/* SMTP: 4yz is "not now", 5yz "never" (RFC 5321, 4.2.1). */
RECEIVER_JUDGE(email) {
    (void)integration;
    if (!answer->ok) {
        ret_answer->text = arena_str(arena, str_of(answer->err.text));
        return answer->not_sent ? VERDICT_RETRY : VERDICT_UNKNOWN;
    }
    ret_answer->text =
        arena_printf(arena, "%d %.*s", answer->status,
                     STR_ARG(receiver_cut(arena, str_trim(answer->body), ANSWER_CHARS_MAX)));
    return answer->status / 100 == 2   ? VERDICT_DELIVERED
           : answer->status / 100 == 5 ? VERDICT_REFUSED
                                       : VERDICT_RETRY;
}
