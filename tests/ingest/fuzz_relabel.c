#include "fuzz.h"

/* Rules as YAML, applied to one series. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const Label labels[] = {{STR("__address__"), STR("host:9100")},
                                   {STR("__name__"), STR("up")},
                                   {STR("job"), STR("node-$1")}};
    Arena arena = {0};
    Problems problems = {0};
    YamlDocs docs;
    if (yaml_parse(&arena, (Str){(const char *)data, size}, STR("r.yml"), &docs, &problems)) {
        YamlReader reader = {STR("r.yml"), &problems, ""};
        Relabel *relabel;
        if (relabel_read(&reader, docs.count ? docs.items[0] : NULL, &relabel)) {
            LabelSet out;
            if (relabel_apply(relabel, (LabelSet){labels, 3}, &arena, &out)) {
                for (size_t i = 0; i < out.count; i++) {
                    assert(out.items[i].name.len && out.items[i].value.len);
                }
            }
            relabel_free(relabel);
        }
    }
    problems_finish(&problems);
    arena_finish(&arena);
    return 0;
}
