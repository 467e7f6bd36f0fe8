/* Where backups go: what was asked for, what is configured, what the environment says. */

#include <stdlib.h>

#include "backup/backup.h"

static void fill(Str *text, Str fallback) {
    if (text->len == 0) {
        *text = fallback;
    }
}

static void fill_from_environment(Str *text, const char *name) {
    fill(text, str_of(getenv(name)));
}

void backup_target_fill(BackupTarget *target, const BackupTarget *fallback) {
    if (fallback && (target->to.len == 0 || str_eq(target->to, fallback->to))) {
        fill(&target->to, fallback->to);
        fill(&target->endpoint, fallback->endpoint);
        fill(&target->region, fallback->region);
        if (target->access_key.len == 0) {
            target->access_key = fallback->access_key;
            target->secret_key = fallback->secret_key;
            target->session_token = fallback->session_token;
        }
    }
    if (!str_starts(target->to, STR("s3://"))) {
        return;
    }
    fill_from_environment(&target->endpoint, "AWS_ENDPOINT_URL_S3");
    fill_from_environment(&target->endpoint, "AWS_ENDPOINT_URL");
    fill_from_environment(&target->region, "AWS_REGION");
    fill_from_environment(&target->region, "AWS_DEFAULT_REGION");
    if (target->access_key.len == 0) {
        fill_from_environment(&target->access_key, "AWS_ACCESS_KEY_ID");
        fill_from_environment(&target->secret_key, "AWS_SECRET_ACCESS_KEY");
        fill_from_environment(&target->session_token, "AWS_SESSION_TOKEN");
    }
}

bool backup_target_check(const BackupTarget *target, Err *err) {
    if (target->to.len == 0) {
        return err_set(err, ERR_INVALID,
                       "which place? A folder or s3://BUCKET/PREFIX, or backup.to of the "
                       "configuration");
    }
    if (!str_starts(target->to, STR("s3://"))) {
        return !memmem(target->to.ptr, target->to.len, "://", 3) ||
               err_set(err, ERR_INVALID, "%.*s: neither a folder nor s3://BUCKET/PREFIX",
                       STR_ARG(target->to));
    }
    if (target->access_key.len == 0 || target->secret_key.len == 0) {
        return err_set(err, ERR_INVALID,
                       "%.*s: needs an access key and a secret key: AWS_ACCESS_KEY_ID and "
                       "AWS_SECRET_ACCESS_KEY, or backup.access_key and backup.secret_key",
                       STR_ARG(target->to));
    }
    return !target->endpoint.len || str_starts(target->endpoint, STR("http://")) ||
           str_starts(target->endpoint, STR("https://")) ||
           err_set(err, ERR_INVALID, "endpoint \"%.*s\" is no http:// or https:// URL",
                   STR_ARG(target->endpoint));
}
