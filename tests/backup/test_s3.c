/* Listings of buckets, and what a target has to have. */

#include <criterion/criterion.h>
#include <stdlib.h>

#include "backup/s3.h"

/* The names of a listing, each followed by a space, then the token. */
static const char *listed(Arena *arena, const char *xml, const char *prefix) {
    S3Names names = {0};
    Str token;
    Err err = {0};
    Buf out = {0};
    if (s3_read_listing(str_of(xml), str_of(prefix), arena, &names, &token, &err)) {
        for (size_t i = 0; i < names.items_count; i++) {
            buf_printf(&out, "%.*s ", STR_ARG(names.items[i]));
        }
        buf_printf(&out, "|%.*s", STR_ARG(token));
    } else {
        buf_str(&out, STR("refused"));
    }
    const char *text = arena_cstr(arena, buf_view(&out));
    buf_finish(&out);
    free(names.items);
    return text;
}

#define LIST(inner)                                                                                \
    "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\">" inner "</ListBucketResult>"
#define FOLDER(name) "<CommonPrefixes><Prefix>" name "</Prefix></CommonPrefixes>"

Test(s3, folders_of_a_listing_and_where_it_goes_on) {
    static const struct {
        const char *xml, *prefix, *want;
    } cases[] = {
        {LIST(""), "", "|"},
        {LIST("<Prefix>p/</Prefix>" FOLDER("p/a/") FOLDER("p/b/")), "p/", "a b |"},
        {LIST("<NextContinuationToken>1/x==</NextContinuationToken>" FOLDER("a/")), "", "a |1/x=="},
        {LIST(FOLDER("p&amp;q/a&lt;/")), "p&q/", "a< |"},
        {LIST(FOLDER("other/a/") FOLDER("p/b")), "p/", "|"},
        {LIST(FOLDER("p/")), "p/", " |"},
        {LIST("<CommonPrefixes></CommonPrefixes><CommonPrefixes><Prefix>a/"), "", "|"},
        {"<html>no such thing</html>", "", "refused"},
        {"", "", "refused"},
    };
    Arena arena = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_str_eq(listed(&arena, cases[i].xml, cases[i].prefix), cases[i].want, "%s",
                         cases[i].xml);
    }
    arena_finish(&arena);
}

Test(s3, a_target_needs_a_place_and_a_bucket_needs_keys) {
    static const struct {
        const char *to, *access, *secret, *endpoint, *complaint;
    } cases[] = {
        {"", "", "", "", "which place?"},
        {"/backups", "", "", "", NULL},
        {"gs://bucket", "", "", "", "neither"},
        {"s3://bucket/x", "", "", "", "needs an access key"},
        {"s3://bucket/x", "a", "", "", "needs an access key"},
        {"s3://bucket/x", "a", "b", "", NULL},
        {"s3://bucket/x", "a", "b", "127.0.0.1:9000", "no http"},
        {"s3://bucket/x", "a", "b", "http://127.0.0.1:9000", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BackupTarget target = {.to = str_of(cases[i].to),
                               .access_key = str_of(cases[i].access),
                               .secret_key = str_of(cases[i].secret),
                               .endpoint = str_of(cases[i].endpoint)};
        Err err = {0};
        bool good = backup_target_check(&target, &err);
        cr_expect_eq(good, cases[i].complaint == NULL, "%zu: %s", i, err.text);
        cr_expect(good || strstr(err.text, cases[i].complaint), "%zu: %s", i, err.text);
    }
}

/* Keys of the configuration must not be signed for somebody else's endpoint. */
Test(s3, configured_keys_stay_with_the_configured_place) {
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    BackupTarget configured = {.to = STR("s3://ours/x"),
                               .access_key = STR("key"),
                               .secret_key = STR("secret"),
                               .endpoint = STR("http://ours")};
    BackupTarget same = {0};
    BackupTarget other = {.to = STR("s3://theirs/x"), .endpoint = STR("http://theirs")};
    backup_target_fill(&same, &configured);
    backup_target_fill(&other, &configured);
    cr_expect(str_eq(same.to, configured.to) && str_eq(same.secret_key, STR("secret")));
    cr_expect_eq(other.access_key.len + other.secret_key.len, 0);
}

Test(s3, the_environment_fills_what_is_left_open) {
    setenv("AWS_ACCESS_KEY_ID", "env-key", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "env-secret", 1);
    setenv("AWS_REGION", "eu-north-1", 1);
    BackupTarget bucket = {.to = STR("s3://b/x")};
    BackupTarget folder = {.to = STR("/x")};
    backup_target_fill(&bucket, NULL);
    backup_target_fill(&folder, NULL);
    cr_expect(str_eq(bucket.access_key, STR("env-key")));
    cr_expect(str_eq(bucket.region, STR("eu-north-1")));
    cr_expect_eq(folder.access_key.len, 0);
}
