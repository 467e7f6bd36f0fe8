/* belfry store inspect | verify | repair | export: a data directory without its server. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/command.h"
#include "app/commands.h"
#include "app/config.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"
#include "ingest/ingest.h"
#include "promql/promql.h"
#include "store/tools.h"

#define DATA_OPTIONS                                                                               \
    {"data", "DIR", "data directory (default ./belfry-data, or what --config says)"}, {            \
        "config", "FILE", "belfry.yml, for storage.path"                                           \
    }

/* Where the data is: a word, --data, storage.path of --config, or the default. NULL with `err`. */
static const char *data_dir(const Args *args, Arena *arena, Err *err) {
    const char *file = args_get(args, "config");
    if (args->word_count > 1) {
        err_set(err, ERR_INVALID, "one data directory at a time, not also %s", args->words[1]);
        return NULL;
    }
    if (args->word_count == 1 || args_get(args, "data")) {
        return args->word_count == 1 ? args->words[0] : args_get(args, "data");
    }
    if (!file) {
        return "./belfry-data";
    }
    Problems problems = {0};
    Config *config = config_load(str_of(file), &problems);
    const char *dir = config ? arena_cstr(arena, config->storage.path) : NULL;
    if (!dir) {
        AUTO(buf_finish) Buf text = {0};
        problems_print(&problems, &text);
        err_set(err, ERR_INVALID, "%.*s", STR_ARG(str_trim(buf_view(&text))));
    }
    config_free(config);
    problems_finish(&problems);
    return dir;
}

/* ---- inspect and verify ---- */

typedef struct SectionName {
    const char *name;
    size_t offset;
} SectionName;

/* Together with `index` and `table` they are the files. */
static const SectionName section_names[] = {
    {"headers", offsetof(BlockSections, headers)},
    {"times", offsetof(BlockSections, times)},
    {"directory", offsetof(BlockSections, directory)},
    {"meta", offsetof(BlockSections, meta)},
    {"low", offsetof(BlockSections, low)},
    {"wide", offsetof(BlockSections, wide)},
    {"index", offsetof(BlockSections, index)},
    {"table", offsetof(BlockSections, table)},
};
enum { SECTION_COUNT = sizeof section_names / sizeof *section_names };

static uint64_t section_bytes(const BlockSections *sections, size_t i) {
    return *(const uint64_t *)(const void *)((const char *)sections + section_names[i].offset);
}

static void put_sections(JsonWriter *json, const BlockSections *sections) {
    json_put_object(json, "sections");
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        json_put_int(json, section_names[i].name, (int64_t)section_bytes(sections, i));
    }
    json_end(json);
}

static void put_block(JsonWriter *json, const StoreBlockView *block) {
    json_object(json);
    json_put_str(json, "name", block->name);
    if (!block->damaged || block->samples) {
        json_put_time(json, "min_time", block->min);
        json_put_time(json, "max_time", block->max);
    }
    json_put_int(json, "level", block->level);
    json_put_int(json, "series", (int64_t)block->series);
    json_put_int(json, "samples", (int64_t)block->samples);
    json_put_int(json, "bytes", (int64_t)block->bytes);
    json_put_int(json, "index_bytes", (int64_t)block->index_bytes);
    json_put_int(json, "deletions", (int64_t)block->deletions);
    put_sections(json, &block->sections);
    json_put_bool(json, "damaged", block->damaged);
    if (block->damaged) {
        json_put_str(json, "damage", block->damage);
    }
    json_end(json);
}

static double ratio(uint64_t part, uint64_t whole) {
    return whole ? (double)part / (double)whole : 0;
}

static void print_json(const char *dir, const StoreInspection *inspection) {
    AUTO(buf_finish) Buf out = {0};
    JsonWriter json = json_writer(&out);
    uint64_t bytes = inspection->block_bytes + inspection->log_bytes + inspection->head_bytes;
    json_object(&json);
    json_put_str(&json, "path", str_of(dir));
    json_put_bool(&json, "in_use", inspection->in_use);
    json_put_int(&json, "series", (int64_t)inspection->series);
    json_put_int(&json, "samples", (int64_t)inspection->samples);
    json_put_int(&json, "bytes", (int64_t)bytes);
    json_put_int(&json, "block_bytes", (int64_t)inspection->block_bytes);
    json_put_int(&json, "index_bytes", (int64_t)inspection->index_bytes);
    json_put_int(&json, "log_bytes", (int64_t)inspection->log_bytes);
    json_put_int(&json, "head_bytes", (int64_t)inspection->head_bytes);
    json_put_int(&json, "quarantine_bytes", (int64_t)inspection->quarantine_bytes);
    json_put_number(&json, "bytes_per_sample", ratio(inspection->block_bytes, inspection->samples));
    json_put_number(&json, "index_bytes_per_series",
                    ratio(inspection->index_bytes, inspection->series));
    put_sections(&json, &inspection->sections);
    json_put_int(&json, "log_records", (int64_t)inspection->log_records);
    json_put_int(&json, "log_damaged", (int64_t)inspection->log_damaged);
    json_put_int(&json, "damaged", (int64_t)inspection->damaged);
    json_put_int(&json, "block_count", (int64_t)inspection->block_count);
    json_put_array(&json, "blocks");
    for (size_t i = 0; i < inspection->block_count; i++) {
        put_block(&json, &inspection->blocks[i]);
    }
    json_end(&json);
    json_end(&json);
    buf_byte(&out, '\n');
    fwrite(out.ptr, 1, out.len, stdout);
}

/* "2026-11-28T00:00:00Z": whole seconds are enough for people. */
static const char *short_time(TimeMs time, Buf *scratch) {
    scratch->len = 0;
    time_put(scratch, time);
    size_t dot = str_find(buf_view(scratch), '.');
    scratch->len = dot;
    buf_str(scratch, STR("Z"));
    buf_byte(scratch, '\0');
    return scratch->ptr;
}

static void print_block_line(const StoreBlockView *block) {
    AUTO(buf_finish) Buf from = {0};
    AUTO(buf_finish) Buf to = {0};
    if (block->damaged) {
        printf("%.*s  DAMAGED: %.*s\n", STR_ARG(block->name), STR_ARG(block->damage));
        return;
    }
    printf("%.*s  level %d  %s .. %s  %llu series  %llu samples  %llu bytes (%llu of index)",
           STR_ARG(block->name), block->level, short_time(block->min, &from),
           short_time(block->max, &to), (unsigned long long)block->series,
           (unsigned long long)block->samples, (unsigned long long)block->bytes,
           (unsigned long long)block->index_bytes);
    if (block->deletions) {
        printf("  %llu deletions waiting", (unsigned long long)block->deletions);
    }
    putchar('\n');
}

static void print_text(const StoreInspection *inspection) {
    for (size_t i = 0; i < inspection->block_count; i++) {
        print_block_line(&inspection->blocks[i]);
    }
    printf("blocks      %zu, %llu damaged\n", inspection->block_count,
           (unsigned long long)inspection->damaged);
    printf("series      %llu (each counts once per block)\n",
           (unsigned long long)inspection->series);
    printf("samples     %llu\n", (unsigned long long)inspection->samples);
    printf("bytes       %llu in blocks, %.3f a sample\n",
           (unsigned long long)inspection->block_bytes,
           ratio(inspection->block_bytes, inspection->samples));
    printf("index       %llu, %.2f a series\n", (unsigned long long)inspection->index_bytes,
           ratio(inspection->index_bytes, inspection->series));
    fputs("sections   ", stdout);
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        printf(" %s %llu", section_names[i].name,
               (unsigned long long)section_bytes(&inspection->sections, i));
    }
    if (inspection->in_use) {
        printf("\nlog         %llu bytes; not looked at, as a server has this directory\n",
               (unsigned long long)inspection->log_bytes);
    } else {
        printf("\nlog         %llu bytes, %llu records, %llu damaged places\n",
               (unsigned long long)inspection->log_bytes,
               (unsigned long long)inspection->log_records,
               (unsigned long long)inspection->log_damaged);
    }
    printf("checkpoints %llu bytes\n", (unsigned long long)inspection->head_bytes);
    if (inspection->quarantine_bytes) {
        printf("quarantine  %llu bytes\n", (unsigned long long)inspection->quarantine_bytes);
    }
}

static void print_verdict(const StoreInspection *inspection) {
    for (size_t i = 0; i < inspection->block_count; i++) {
        if (inspection->blocks[i].damaged) {
            print_block_line(&inspection->blocks[i]);
        }
    }
    printf("%zu blocks, %llu samples: %llu damaged; log: %llu damaged places%s\n",
           inspection->block_count, (unsigned long long)inspection->samples,
           (unsigned long long)inspection->damaged, (unsigned long long)inspection->log_damaged,
           inspection->in_use ? " (not looked at, as a server has this directory)" : "");
}

static int look(const Args *args, Arena *arena, bool verify, Err *err) {
    StoreInspection inspection;
    const char *dir = data_dir(args, arena, err);
    if (!dir || !store_inspect(dir, verify, arena, &inspection, err)) {
        return EXIT_FAILED;
    }
    if (args_has(args, "json")) {
        print_json(dir, &inspection);
    } else if (verify) {
        print_verdict(&inspection);
    } else {
        print_text(&inspection);
    }
    bool bad = inspection.damaged || (verify && inspection.log_damaged);
    return bad ? EXIT_FAILED : EXIT_DONE;
}

static int inspect(const Args *args, Arena *arena, Err *err) {
    return look(args, arena, false, err);
}

static int verify(const Args *args, Arena *arena, Err *err) {
    return look(args, arena, true, err);
}

static int store_inspect_command(int argc, char **argv) {
    static const ArgOption options[] = {
        DATA_OPTIONS, {"json", NULL, "print JSON"}, {NULL, NULL, NULL}};
    static const ArgSpec spec = {
        "belfry store inspect [DIR] [--json]",
        "Tells what is in a data directory: blocks, series, samples, and where the bytes are.\n"
        "Changes nothing; works beside a running server. Exit 1 if a block cannot be opened.",
        options};
    return command_run(argc, argv, &spec, inspect);
}

static int store_verify_command(int argc, char **argv) {
    static const ArgOption options[] = {
        DATA_OPTIONS, {"json", NULL, "print JSON"}, {NULL, NULL, NULL}};
    static const ArgSpec spec = {
        "belfry store verify [DIR] [--json]",
        "Reads every block whole and checks every checksum and that every sample decodes, and the\n"
        "log. Changes nothing; works beside a running server. Exit 1 if something is damaged.",
        options};
    return command_run(argc, argv, &spec, verify);
}

/* ---- repair ---- */

static int repair(const Args *args, Arena *arena, Err *err) {
    uint64_t moved = 0;
    const char *dir = data_dir(args, arena, err);
    if (!dir || !store_repair(dir, &moved, err)) {
        return EXIT_FAILED;
    }
    printf("%llu damaged block%s moved to %s/quarantine\n", (unsigned long long)moved,
           moved == 1 ? "" : "s", dir);
    return EXIT_DONE;
}

static int store_repair_command(int argc, char **argv) {
    static const ArgOption options[] = {DATA_OPTIONS, {NULL, NULL, NULL}};
    static const ArgSpec spec = {
        "belfry store repair [DIR]",
        "Moves damaged blocks to quarantine/ in the data directory, so that the rest can be used.\n"
        "The server has to be stopped. (Damage in the log needs no repair: the next start skips\n"
        "it and says so.)",
        options};
    return command_run(argc, argv, &spec, repair);
}

/* ---- export ---- */

typedef struct Export {
    bool (*encode)(const IngestSeries *series, Buf *out);
    const char *end; /* of the whole */
    TimeMs from, to;
    const Expr **exprs; /* of the matchers */
    size_t expr_count;
    MatcherSet *sets;
    size_t set_count;
    Arena arena;
} Export;

static void export_finish(Export *export) {
    for (size_t i = 0; i < export->expr_count; i++) {
        expr_finish(export->exprs[i]);
    }
    free(export->sets);
    arena_finish(&export->arena);
}

static bool add_match(Export *export, const char *text, Err *err) {
    const MatcherSet *sets;
    size_t count;
    if (!promql_parse_selector(&export->arena, str_of(text), PROMQL_PROMETHEUS,
                               &export->exprs[export->expr_count], &sets, &count, err)) {
        return err_context(err, "--match %s", text);
    }
    export->expr_count++;
    export->sets = mem_grow(export->sets, (export->set_count + count) * sizeof *export->sets);
    memcpy(export->sets + export->set_count, sets, count * sizeof *sets);
    export->set_count += count;
    return true;
}

static bool read_export(const Args *args, Export *export, Err *err) {
    const char *format = args_get(args, "format");
    const char *from = args_get(args, "start");
    const char *to = args_get(args, "end");
    bool open_metrics = format && strcmp(format, "openmetrics") == 0;
    if (format && !open_metrics && strcmp(format, "jsonl") != 0) {
        return err_set(err, ERR_INVALID, "--format is jsonl or openmetrics, not \"%s\"", format);
    }
    export->encode = open_metrics ? ingest_encode_openmetrics : ingest_encode_json_line;
    export->end = open_metrics ? "# EOF\n" : "";
    export->from = TIME_MIN;
    export->to = TIME_MAX;
    if ((from && !time_parse(str_of(from), &export->from, err)) ||
        (to && !time_parse(str_of(to), &export->to, err))) {
        return false;
    }
    const char *const *matches;
    size_t count = args_all(args, "match", &matches);
    export->exprs = arena_array(&export->arena, const Expr *, count + 1);
    for (size_t i = 0; i < count; i++) {
        if (!add_match(export, matches[i], err)) {
            return false;
        }
    }
    return true;
}

static bool write_out(Buf *out, Err *err) {
    bool good = fwrite(out->ptr, 1, out->len, stdout) == out->len || out->len == 0;
    out->len = 0;
    return good || err_errno(err, "cannot write the export");
}

static bool write_series(const Export *export, const StoreSelection *selection, Err *err) {
    enum { WRITE_BYTES = 1 << 20 };
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf out = {0};
    for (size_t i = 0; i < selection_count(selection); i++) {
        SeriesData data;
        selection_read(selection, i, export->from, export->to, &arena, &data);
        export->encode(&(IngestSeries){.labels = selection_labels(selection, i),
                                       .times = data.times,
                                       .values = data.values,
                                       .histograms = data.histograms,
                                       .count = data.count},
                       &out);
        arena_reset(&arena);
        if (out.len > WRITE_BYTES && !write_out(&out, err)) {
            return false;
        }
    }
    buf_str(&out, str_of(export->end));
    return write_out(&out, err) && (fflush(stdout) == 0 || err_errno(err, "cannot write"));
}

static bool export_store(const char *dir, Export *export, Err *err) {
    Arena *arena = &export->arena;
    AUTO(store_closep) Store *store = NULL;
    if (access(arena_printf(arena, "%s/blocks", dir).ptr, F_OK) != 0) {
        return err_set(err, ERR_NOT_FOUND, "%s: is no data directory", dir);
    }
    StoreOptions options = {.dir = dir,
                            .sync = STORE_SYNC_ALWAYS,
                            .future_max = DAY_MS,
                            .block_span = 2 * HOUR_MS,
                            .source_label = STR("cluster")};
    if (!store_open(&options, &store, err)) {
        if (err->kind == ERR_CONFLICT) {
            err_set(err, ERR_CONFLICT,
                    "%s: a server has this directory; ask it instead: "
                    "curl -gs 'http://ADDR:PORT/api/v1/export?match[]={__name__!=\"\"}'",
                    dir);
        }
        return false;
    }
    AUTO(snapshot_releasep) StoreSnapshot *snapshot = store_snapshot(store);
    AUTO(selection_freep) StoreSelection *selection = NULL;
    return snapshot_select(snapshot, export->sets, export->set_count, export->from, export->to, 0,
                           &selection, err) &&
           write_series(export, selection, err);
}

static int export(const Args *args, Arena *arena, Err *err) {
    Export export = {0};
    log_setup(LOG_WARN, LOG_LOGFMT);
    const char *dir = data_dir(args, arena, err);
    bool good = dir && read_export(args, &export, err) && export_store(dir, &export, err);
    export_finish(&export);
    return good ? EXIT_DONE : EXIT_FAILED;
}

static int store_export_command(int argc, char **argv) {
    static const ArgOption options[] = {
        DATA_OPTIONS,
        {"match", "SELECTOR", "series to export, may be repeated (default all)"},
        {"start", "TIME", "RFC 3339 or Unix seconds (default the oldest sample)"},
        {"end", "TIME", "the same (default the newest sample)"},
        {"format", "FORM", "jsonl (default; VictoriaMetrics' JSON lines) or openmetrics"},
        {NULL, NULL, NULL},
    };
    static const ArgSpec spec = {
        "belfry store export [DIR] [OPTIONS]",
        "Writes the samples of a data directory to standard output, as /api/v1/import takes them\n"
        "back. The server has to be stopped; a running one answers /api/v1/export.",
        options};
    return command_run(argc, argv, &spec, export);
}

int command_store(int argc, char **argv) {
    static const CommandAction actions[] = {
        {"inspect", store_inspect_command, "what is in a data directory, and where its bytes are"},
        {"verify", store_verify_command, "read everything and check it"},
        {"repair", store_repair_command, "set damaged blocks aside"},
        {"export", store_export_command, "write samples as JSON lines or OpenMetrics"},
        {NULL, NULL, NULL},
    };
    return command_dispatch(argc, argv, "belfry store ACTION [OPTIONS]", actions);
}
