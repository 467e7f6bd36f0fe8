/* Any bytes as a rule file, in every flavour: it loads or says why not; what loads can be linted.
 */

#include <assert.h>

#include "rules/lint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const RulesFlavour flavours[] = {RULES_AUTO, RULES_PROMETHEUS, RULES_VMALERT};
    for (size_t i = 0; i < sizeof flavours / sizeof flavours[0]; i++) {
        AUTO(problems_finish) Problems problems = {0};
        AUTO(problems_finish) Problems findings = {0};
        AUTO(rule_file_unrefp) RuleFile *file = NULL;
        bool ok = rule_file_load(STR("fuzz.yml"), (Str){(const char *)data, size}, flavours[i],
                                 &file, &problems);
        assert(ok == (problems.items_count == 0));
        if (ok) {
            lint_files(&file, 1, MINUTE_MS, &findings);
        }
    }
    return 0;
}
