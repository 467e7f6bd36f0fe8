/* manifest.json: what is written is read back; what leads out of the data directory is refused. */

#include <criterion/criterion.h>

#include "backup/manifest.h"

static Manifest example(void) {
    static ManifestFile files[] = {
        {{"FORMAT", 6}, 15, 1, {"", 0}},
        {{"state.db", 8}, 4096, 1, {"00112233445566778899aabbccddeeff", 32}},
        {{"blocks/b-0-1-0-1.tsb", 20}, 100, 1, {"", 0}},
        {{"blocks/tombstones", 17}, 0, 0, {"", 0}},
    };
    return (Manifest){.info = {.name = STR("belfry-20261128T003812Z"),
                               .created_at = 1795826292000,
                               .min = -5,
                               .max = 1700000000123,
                               .series = 3,
                               .samples = 1u << 31,
                               .version = STR("0.1.0")},
                      .files = files,
                      .file_count = 4};
}

Test(manifest, what_is_written_is_read_back) {
    Arena arena = {0};
    Buf text = {0};
    Manifest before = example();
    Manifest after;
    Err err = {0};
    manifest_write(&before, &text);
    cr_assert(manifest_read(buf_view(&text), &arena, &after, &err), "%s", err.text);
    cr_expect(str_eq(after.info.name, before.info.name));
    cr_expect_eq(after.info.created_at, before.info.created_at);
    cr_expect_eq(after.info.min, before.info.min);
    cr_expect_eq(after.info.max, before.info.max);
    cr_expect_eq(after.info.samples, before.info.samples);
    cr_expect_eq(after.info.bytes, 15 + 4096 + 100);
    cr_assert_eq(after.file_count, 4);
    for (size_t i = 0; i < 4; i++) {
        cr_expect(str_eq(after.files[i].path, before.files[i].path));
        cr_expect(str_eq(after.files[i].hash, before.files[i].hash));
        cr_expect_eq(after.files[i].bytes, before.files[i].bytes);
        cr_expect_eq(after.files[i].parts, before.files[i].parts);
    }
    buf_finish(&text);
    arena_finish(&arena);
}

#define HEAD                                                                                       \
    "{\"format\":1,\"name\":\"a\",\"created_at\":\"2026-11-28T00:00:00Z\",\"series\":0,"           \
    "\"samples\":0,\"files\":["
#define FORMAT_FILE "{\"path\":\"FORMAT\",\"bytes\":1,\"parts\":1}"

Test(manifest, what_makes_no_sense_is_refused) {
    static const struct {
        const char *text, *complaint;
    } cases[] = {
        {HEAD FORMAT_FILE "]}", NULL},
        {"", "no JSON object"},
        {"[]", "no JSON object"},
        {"{}", "no format"},
        {"{\"format\":2}", "newer"},
        {"{\"format\":1,\"name\":\"../a\"}", "no name"},
        {"{\"format\":1,\"name\":\".a\"}", "no name"},
        {HEAD "]}", "list of files"},
        {HEAD "{\"path\":\"state.db\",\"bytes\":1,\"parts\":1}]}", "no FORMAT"},
        {HEAD FORMAT_FILE ",{\"path\":\"/etc/passwd\",\"bytes\":1,\"parts\":1}]}", "no file of"},
        {HEAD FORMAT_FILE ",{\"path\":\"blocks/../x\",\"bytes\":1,\"parts\":1}]}", "no file of"},
        {HEAD FORMAT_FILE ",{\"path\":\"blocks/a/b\",\"bytes\":1,\"parts\":1}]}", "no file of"},
        {HEAD FORMAT_FILE ",{\"path\":\"blocks/.x\",\"bytes\":1,\"parts\":1}]}", "no file of"},
        {HEAD FORMAT_FILE ",{\"path\":\"blocks/\",\"bytes\":1,\"parts\":1}]}", "no file of"},
        {HEAD FORMAT_FILE ",{\"path\":\"log\",\"bytes\":1,\"parts\":1}]}", "no file of"},
        {HEAD FORMAT_FILE ",{\"path\":\"state.db\",\"bytes\":1,\"parts\":2}]}", "lengths"},
        {HEAD FORMAT_FILE ",{\"path\":\"state.db\",\"bytes\":1,\"parts\":0}]}", "lengths"},
        {HEAD FORMAT_FILE ",{\"path\":\"state.db\",\"bytes\":-1,\"parts\":0}]}", "lengths"},
        {HEAD FORMAT_FILE ",{\"path\":\"state.db\",\"bytes\":1.5,\"parts\":1}]}", "lengths"},
        {HEAD FORMAT_FILE ",{\"path\":\"state.db\",\"bytes\":1e99,\"parts\":1}]}", "lengths"},
    };
    Arena arena = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Manifest manifest;
        Err err = {0};
        bool good = manifest_read(str_of(cases[i].text), &arena, &manifest, &err);
        cr_expect_eq(good, cases[i].complaint == NULL, "%s: %s", cases[i].text, err.text);
        cr_expect(good || strstr(err.text, cases[i].complaint), "%s: %s", cases[i].text, err.text);
    }
    arena_finish(&arena);
}

Test(manifest, every_prefix_of_a_good_one_is_refused) {
    Arena arena = {0};
    Buf text = {0};
    Manifest manifest = example();
    manifest_write(&manifest, &text);
    for (size_t len = 0; len + 2 < text.len; len++) {
        Err err = {0};
        cr_expect_not(manifest_read((Str){text.ptr, len}, &arena, &manifest, &err), "%zu", len);
    }
    buf_finish(&text);
    arena_finish(&arena);
}
