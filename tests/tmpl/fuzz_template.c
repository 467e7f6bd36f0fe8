/* Any bytes as a template with all functions: it parses or says why not, and runs within its
 * bounds. */

#include <assert.h>

#include "tmpl/tmpl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool one_result(void *ctx, Str expr, Arena *arena, TmplValue *ret_list, Err *err) {
    (void)expr;
    (void)err;
    TmplValue *items = arena_array(arena, TmplValue, 1);
    items[0] = *(const TmplValue *)ctx;
    *ret_list = (TmplValue){.type = TMPL_LIST, .items = items, .count = 1};
    return true;
}

static void run(Str text, bool html) {
    static const TmplFunc *const funcs[] = {tmpl_funcs_prometheus, tmpl_funcs_vmalert,
                                            tmpl_funcs_alertmanager, NULL};
    AUTO(arena_finish) Arena arena = {0};
    AUTO(buf_finish) Buf out = {0};
    AUTO(tmpl_freep) Tmpl *tmpl = NULL;
    Err err = {0};
    static const Str names[] = {{"instance", 8}, {"job", 3}};
    static const Str values[] = {{"host:9100", 9}, {"<node>", 6}};
    TmplValue labels = tmpl_string_map(&arena, names, values, 2);
    TmplValue value = tmpl_float(1.5), now = tmpl_time(INT64_C(1700000000000));
    TmplField fields[] = {{STR("Labels"), &labels}, {STR("Value"), &value}, {STR("Time"), &now}};
    TmplValue dot = {.type = TMPL_OBJECT, .fields = fields, .count = 3};
    TmplWorld world = {
        .query = one_result, .query_ctx = &dot, .output_bytes_max = 4096, .steps_max = 2000};
    TmplOptions options = {.funcs = funcs, .missing_zero = true, .html = html};
    bool ok = tmpl_parse(STR("fuzz"), text, &options, &tmpl, &err) &&
              tmpl_execute(tmpl, STR(""), &dot, &world, &arena, &out, &err);
    assert(ok || err.kind != ERR_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    run((Str){(const char *)data, size}, false);
    run((Str){(const char *)data, size}, true);
    return 0;
}
