#include "ingest/target.h"

#include "base/number.h"

/* Sets a label that is not there yet. */
static LabelSet with_default(Arena *arena, LabelSet set, Str name, Str value) {
    return labels_has(set, name) ? set : labels_with(arena, set, name, value);
}

static Str duration_text(Arena *arena, DurationMs span) {
    AUTO(buf_finish) Buf text = {0};
    duration_put(&text, span);
    return arena_str(arena, buf_view(&text));
}

static LabelSet discovered_labels(const ScrapeJob *job, Str address, LabelSet group, Arena *arena) {
    LabelSet set = labels_copy(arena, group); /* the group may be read again while we live */
    set = labels_with(arena, set, STR("__address__"), arena_str(arena, address));
    set = with_default(arena, set, STR("job"), job->name);
    set = with_default(arena, set, STR("__scrape_interval__"), duration_text(arena, job->interval));
    set = with_default(arena, set, STR("__scrape_timeout__"), duration_text(arena, job->timeout));
    set = with_default(arena, set, STR("__metrics_path__"), job->metrics_path);
    set = with_default(arena, set, STR("__scheme__"), job->scheme);
    for (size_t i = 0; i < job->param_count; i++) {
        if (job->params[i].value_count) {
            Str name = arena_printf(arena, "__param_%.*s", STR_ARG(job->params[i].name));
            set = with_default(arena, set, name, job->params[i].values[0]);
        }
    }
    return set;
}

/* ---- the URL ---- */

static void put_escaped(Buf *url, Str text, const char *plain) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (letter || (c && strchr(plain, c))) {
            buf_byte(url, c);
        } else {
            buf_printf(url, "%%%02X", (unsigned char)c);
        }
    }
}

static void put_param(Buf *url, Str name, Str value, bool *first) {
    buf_byte(url, *first ? '?' : '&');
    *first = false;
    put_escaped(url, name, "-_.~");
    buf_byte(url, '=');
    put_escaped(url, value, "-_.~");
}

static const ScrapeParam *find_param(const ScrapeJob *job, Str name) {
    for (size_t i = 0; i < job->param_count; i++) {
        if (str_eq(job->params[i].name, name)) {
            return &job->params[i];
        }
    }
    return NULL;
}

/* The label __param_x is the first value of x, the configured further ones follow. Labels are
 * sorted, so the query is. */
static void put_query(Buf *url, const ScrapeJob *job, LabelSet set) {
    bool first = true;
    for (size_t i = 0; i < set.count; i++) {
        if (!str_starts(set.items[i].name, STR("__param_"))) {
            continue;
        }
        Str name = str_skip(set.items[i].name, strlen("__param_"));
        put_param(url, name, set.items[i].value, &first);
        const ScrapeParam *param = find_param(job, name);
        for (size_t k = 1; param && k < param->value_count; k++) {
            put_param(url, name, param->values[k], &first);
        }
    }
}

static Str build_url(const ScrapeJob *job, LabelSet set, Arena *arena) {
    AUTO(buf_finish) Buf url = {0};
    Str path = labels_get(set, STR("__metrics_path__"));
    buf_printf(&url, "%.*s://%.*s%s", STR_ARG(labels_get(set, STR("__scheme__"))),
               STR_ARG(labels_get(set, STR("__address__"))),
               path.len && path.ptr[0] == '/' ? "" : "/");
    put_escaped(&url, path, "/-_.~!$&'()*+,;=:@%");
    put_query(&url, job, set);
    return arena_str(arena, buf_view(&url));
}

/* ---- making ---- */

static bool check_address(Str address, Err *err) {
    if (address.len == 0) {
        return err_set(err, ERR_INVALID, "no address");
    }
    if (memchr(address.ptr, '/', address.len)) {
        return err_set(err, ERR_INVALID, "\"%.*s\" is not a valid hostname", STR_ARG(address));
    }
    return true;
}

static bool read_times(LabelSet set, Target *target, Err *err) {
    if (!duration_parse(labels_get(set, STR("__scrape_interval__")), &target->interval, err) ||
        !duration_parse(labels_get(set, STR("__scrape_timeout__")), &target->timeout, err)) {
        return err_context(err, "error parsing scrape interval or timeout");
    }
    if (target->interval <= 0 || target->timeout <= 0) {
        return err_set(err, ERR_INVALID, "scrape interval and timeout cannot be 0");
    }
    if (target->timeout > target->interval) {
        return err_set(err, ERR_INVALID, "scrape timeout cannot be greater than scrape interval");
    }
    return true;
}

static LabelSet visible_labels(LabelSet set, Arena *arena) {
    Label *items = arena_array(arena, Label, set.count + 1);
    size_t count = 0;
    for (size_t i = 0; i < set.count; i++) {
        if (!str_starts(set.items[i].name, STR("__"))) {
            items[count++] = set.items[i];
        }
    }
    return (LabelSet){items, count};
}

TargetResult target_make(const ScrapeJob *job, Str address, LabelSet group_labels, Arena *arena,
                         Target *ret_target, Err *err) {
    Target target = {.job = job};
    target.discovered = discovered_labels(job, address, group_labels, arena);
    LabelSet set = target.discovered;
    if (job->target_relabel && !relabel_apply(job->target_relabel, set, arena, &set)) {
        return TARGET_DROPPED;
    }
    Str final_address = labels_get(set, STR("__address__"));
    if (!check_address(final_address, err) || !read_times(set, &target, err)) {
        return TARGET_INVALID;
    }
    target.url = build_url(job, set, arena);
    set = with_default(arena, set, STR("instance"), final_address);
    target.labels = visible_labels(set, arena);
    if (!labels_valid(target.labels, err)) {
        return TARGET_INVALID;
    }
    *ret_target = target;
    return TARGET_OK;
}

static Str exported_name(Arena *arena, LabelSet set, Str name) {
    do {
        name = arena_printf(arena, "exported_%.*s", STR_ARG(name));
    } while (labels_has(set, name));
    return name;
}

LabelSet target_label_series(const Target *target, LabelSet series, bool honor_labels,
                             Arena *arena) {
    LabelSet set = series;
    for (size_t i = 0; i < target->labels.count; i++) {
        Label label = target->labels.items[i];
        Str own = labels_get(series, label.name);
        if (own.len && honor_labels) {
            continue;
        }
        set = labels_with(arena, set, label.name, label.value);
        if (own.len) {
            set = labels_with(arena, set, exported_name(arena, set, label.name), own);
        }
    }
    return set;
}
