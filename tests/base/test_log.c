/* One event, one line, in either format. */

#include <criterion/criterion.h>

#include "base/log.h"

static void assert_line(LogFormat format, const char *want) {
    const LogField fields[] = {
        LOG_STR("path", STR("/var/lib/x")),
        LOG_STR("reason", STR("breaks off\nat \"5\"")),
        LOG_STR("empty", STR("")),
        LOG_INT("bytes", -12),
    };
    AUTO(buf_finish) Buf buf = {0};
    log_format(&buf, format, LOG_WARN, "block set aside", fields, sizeof fields / sizeof fields[0]);
    cr_expect(str_eq(buf_view(&buf), str_of(want)), "got %.*s", STR_ARG(buf_view(&buf)));
}

Test(log, quotes_in_logfmt_only_what_needs_it) {
    assert_line(LOG_LOGFMT, "level=warn msg=\"block set aside\" path=/var/lib/x "
                            "reason=\"breaks off\\nat \\\"5\\\"\" empty=\"\" bytes=-12\n");
}

Test(log, writes_an_object_in_json) {
    assert_line(LOG_JSON,
                "{\"level\":\"warn\",\"msg\":\"block set aside\",\"path\":\"/var/lib/x\","
                "\"reason\":\"breaks off\\nat \\\"5\\\"\",\"empty\":\"\",\"bytes\":-12}\n");
}

Test(log, an_event_may_come_without_fields) {
    AUTO(buf_finish) Buf buf = {0};
    log_format(&buf, LOG_LOGFMT, LOG_INFO, "started", NULL, 0);
    cr_expect(str_eq(buf_view(&buf), STR("level=info msg=started\n")));
    log_event(LOG_DEBUG, "kept back below the level set up");
}
