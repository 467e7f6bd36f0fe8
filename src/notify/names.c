#include "notify/names.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <resolv.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"

enum { DNS_ANSWER_BYTES_MAX = 4096, NAMES_MAX = 256 };

static const int64_t fresh_ns = INT64_C(30) * 1000000000;

/* Never freed: configurations have few, and a thread may be asking for it when the last one who
 * wants it is gone. */
typedef struct Name {
    char *name, *port; /* port NULL = SRV */
    Arena arena;       /* of the list */
    Str list[NAMES_ADDRESSES_MAX];
    size_t count;
    int64_t asked_ns; /* when the last answer came; 0 = never */
    bool is_asking;
} Name;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;
static Name *names[NAMES_MAX];
static size_t name_count;

/* ---- the system's resolver ---- */

static void add(Str *list, size_t *count, Str address) {
    if (*count < NAMES_ADDRESSES_MAX) {
        list[(*count)++] = address;
    }
}

static size_t find_hosts(const char *name, const char *port, Arena *arena, Str *list) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    size_t count = 0;
    if (getaddrinfo(name, port, &hints, &found) != 0) {
        return 0;
    }
    for (struct addrinfo *at = found; at; at = at->ai_next) {
        char host[NI_MAXHOST], service[NI_MAXSERV];
        if (getnameinfo(at->ai_addr, at->ai_addrlen, host, sizeof host, service, sizeof service,
                        NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
            add(list, &count,
                arena_printf(arena, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, service));
        }
    }
    freeaddrinfo(found);
    return count;
}

static size_t find_services(const char *name, Arena *arena, Str *list) {
    unsigned char answer[DNS_ANSWER_BYTES_MAX];
    ns_msg message;
    size_t count = 0;
    int len = res_query(name, ns_c_in, ns_t_srv, answer, sizeof answer);
    if (len < 0 ||
        ns_initparse(answer, len > (int)sizeof answer ? (int)sizeof answer : len, &message) < 0) {
        return 0;
    }
    for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
        ns_rr record;
        char host[NS_MAXDNAME];
        /* priority, weight, port: 2 bytes each, then the host */
        if (ns_parserr(&message, ns_s_an, i, &record) == 0 && ns_rr_type(record) == ns_t_srv &&
            ns_rr_rdlen(record) > 6 &&
            ns_name_uncompress(ns_msg_base(message), ns_msg_end(message), ns_rr_rdata(record) + 6,
                               host, sizeof host) >= 0) {
            unsigned port = (unsigned)ns_get16(ns_rr_rdata(record) + 4);
            add(list, &count, arena_printf(arena, "%s:%u", host, port));
        }
    }
    return count;
}

static size_t ask_system(const char *name, const char *port, Arena *arena, Str *list) {
    return port ? find_hosts(name, port, arena, list) : find_services(name, arena, list);
}

static NamesResolver *resolver = ask_system;

void names_set_resolver(NamesResolver *other) {
    pthread_mutex_lock(&lock);
    resolver = other ? other : ask_system;
    pthread_mutex_unlock(&lock);
}

/* ---- asking ---- */

static void *run_question(void *context) {
    Name *name = context;
    Arena arena = {0};
    Str list[NAMES_ADDRESSES_MAX];
    pthread_mutex_lock(&lock);
    NamesResolver *ask = resolver;
    pthread_mutex_unlock(&lock);
    size_t count = ask(name->name, name->port, &arena, list);
    pthread_mutex_lock(&lock);
    if (count) {
        arena_finish(&name->arena);
        name->arena = arena;
        arena = (Arena){0};
        memcpy(name->list, list, count * sizeof *list);
        name->count = count;
    }
    name->asked_ns = clock_monotonic_ns();
    name->is_asking = false;
    pthread_cond_broadcast(&answered);
    pthread_mutex_unlock(&lock);
    arena_finish(&arena);
    return NULL;
}

/* Under the lock, as all that follows. */
static void ask(Name *name) {
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    name->is_asking = pthread_create(&thread, &attr, run_question, name) == 0;
    pthread_attr_destroy(&attr);
}

static Name *name_of(Str text, const char *port) {
    for (size_t i = 0; i < name_count; i++) {
        bool same_port =
            names[i]->port && port ? !strcmp(names[i]->port, port) : names[i]->port == port;
        if (same_port && str_eq(str_of(names[i]->name), text)) {
            return names[i];
        }
    }
    if (name_count == NAMES_MAX) {
        return NULL;
    }
    Name *name = mem_zero(1, sizeof *name);
    name->name = mem_zero(text.len + 1, 1);
    memcpy(name->name, text.ptr, text.len);
    name->port = port ? mem_strdup(port) : NULL;
    names[name_count++] = name;
    return name;
}

static void wait_for_first(const Name *name, DurationMs wait) {
    int64_t until = clock_monotonic_ns() + wait * 1000000;
    while (name->is_asking && !name->asked_ns && clock_wait(&answered, &lock, until)) {
    }
}

size_t names_find(Str text, const char *port, DurationMs wait, Arena *arena, Str *ret_list) {
    size_t count = 0;
    pthread_mutex_lock(&lock);
    Name *name = name_of(text, port);
    if (name) {
        bool is_fresh = name->asked_ns && clock_monotonic_ns() - name->asked_ns < fresh_ns;
        bool is_first = !name->asked_ns && !name->is_asking;
        if (!is_fresh && !name->is_asking) {
            ask(name);
        }
        if (is_first) { /* who comes while the first question is open has waited already */
            wait_for_first(name, wait);
        }
        for (size_t i = 0; i < name->count; i++) {
            ret_list[count++] = arena_str(arena, name->list[i]);
        }
    }
    pthread_mutex_unlock(&lock);
    return count;
}
