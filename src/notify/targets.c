#include "notify/targets.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>

#include "base/file.h"
#include "notify/integration.h"

enum { TARGETS_MAX = 64, TARGET_FILE_BYTES_MAX = 1 << 20, DNS_ANSWER_BYTES_MAX = 4096 };

typedef struct TargetList {
    const Integration *integration;
    Arena *arena;
    Str *urls;
    size_t count;
} TargetList;

static void add_url(TargetList *list, Str url) {
    for (size_t i = 0; i < list->count; i++) {
        if (str_eq(list->urls[i], url)) {
            return;
        }
    }
    if (list->count < TARGETS_MAX) {
        list->urls[list->count++] = url;
    }
}

static void add_address(TargetList *list, Str address) {
    Str scheme = integration_text(list->integration, "scheme");
    Str prefix = integration_text(list->integration, "path_prefix");
    add_url(list, arena_printf(list->arena, "%.*s://%.*s%.*s/api/v2/alerts", STR_ARG(scheme),
                               STR_ARG(address), STR_ARG(prefix)));
}

/* [{targets: [...]}, ...], as static_configs and the files of file_sd_configs have it. */
static void add_groups(TargetList *list, const YamlNode *groups) {
    for (size_t i = 0; groups && groups->kind == YAML_LIST && i < groups->count; i++) {
        const YamlNode *targets = yaml_get(groups->items[i], "targets");
        for (size_t j = 0; targets && targets->kind == YAML_LIST && j < targets->count; j++) {
            add_address(list, targets->items[j]->text);
        }
    }
}

static bool add_file(TargetList *list, Str path, Err *err) {
    Str bytes;
    YamlDocs docs;
    Problems problems = {0};
    bool ok = file_read(list->arena, path.ptr, TARGET_FILE_BYTES_MAX, &bytes, err);
    if (ok && !yaml_parse(list->arena, bytes, path, &docs, &problems)) {
        ok = problems_err(&problems, err);
    }
    if (ok && docs.count) {
        add_groups(list, docs.items[0]); /* JSON is YAML */
    }
    problems_finish(&problems);
    return ok;
}

static bool add_files(TargetList *list, const YamlNode *configs, Err *err) {
    for (size_t i = 0; configs && configs->kind == YAML_LIST && i < configs->count; i++) {
        const YamlNode *files = yaml_get(configs->items[i], "files");
        for (size_t j = 0; files && files->kind == YAML_LIST && j < files->count; j++) {
            Str name = files->items[j]->text;
            Str pattern = name.len && name.ptr[0] == '/'
                              ? arena_str(list->arena, name)
                              : arena_printf(list->arena, "%.*s/%.*s",
                                             STR_ARG(list->integration->folder), STR_ARG(name));
            Str *paths;
            size_t count;
            if (!file_glob(list->arena, pattern.ptr, &paths, &count, err)) {
                return false;
            }
            for (size_t k = 0; k < count; k++) {
                if (!add_file(list, paths[k], err)) {
                    return false;
                }
            }
        }
    }
    return true;
}

/* ---- DNS ---- */

static void add_hosts(TargetList *list, const char *name, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    if (getaddrinfo(name, port, &hints, &found) != 0) {
        return;
    }
    for (struct addrinfo *at = found; at; at = at->ai_next) {
        char host[NI_MAXHOST], service[NI_MAXSERV];
        if (getnameinfo(at->ai_addr, at->ai_addrlen, host, sizeof host, service, sizeof service,
                        NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
            add_address(list, arena_printf(list->arena, strchr(host, ':') ? "[%s]:%s" : "%s:%s",
                                           host, service));
        }
    }
    freeaddrinfo(found);
}

static void add_services(TargetList *list, const char *name) {
    unsigned char answer[DNS_ANSWER_BYTES_MAX];
    ns_msg message;
    int len = res_query(name, ns_c_in, ns_t_srv, answer, sizeof answer);
    if (len < 0 ||
        ns_initparse(answer, len > (int)sizeof answer ? (int)sizeof answer : len, &message) < 0) {
        return;
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
            add_address(list, arena_printf(list->arena, "%s:%u", host, port));
        }
    }
}

static void add_names(TargetList *list, const YamlNode *configs) {
    for (size_t i = 0; configs && configs->kind == YAML_LIST && i < configs->count; i++) {
        const YamlNode *names = yaml_get(configs->items[i], "names");
        const YamlNode *type = yaml_get(configs->items[i], "type");
        const YamlNode *port = yaml_get(configs->items[i], "port");
        bool is_service = !type || str_eq(type->text, STR("SRV"));
        for (size_t j = 0; names && names->kind == YAML_LIST && j < names->count; j++) {
            const char *name = arena_cstr(list->arena, names->items[j]->text);
            if (is_service) {
                add_services(list, name);
            } else {
                add_hosts(list, name, port ? arena_cstr(list->arena, port->text) : "9093");
            }
        }
    }
}

bool targets_find(const Integration *integration, Arena *arena, const Str **ret_urls,
                  size_t *ret_count, Err *err) {
    TargetList list = {integration, arena, arena_array(arena, Str, TARGETS_MAX), 0};
    Str url = integration_text(integration, "url");
    if (url.len) {
        while (url.len && url.ptr[url.len - 1] == '/') {
            url.len--;
        }
        add_url(&list, str_ends(url, STR("/api/v2/alerts"))
                           ? url
                           : arena_printf(arena, "%.*s/api/v2/alerts", STR_ARG(url)));
    }
    add_groups(&list, integration_tree(integration, "static_configs"));
    if (!add_files(&list, integration_tree(integration, "file_sd_configs"), err)) {
        return false;
    }
    add_names(&list, integration_tree(integration, "dns_sd_configs"));
    if (list.count == 0) {
        return err_set(err, ERR_NOT_FOUND, "no Alertmanager found");
    }
    *ret_urls = list.urls;
    *ret_count = list.count;
    return true;
}
