/* Writers, readers and changed views at once, then an end in the middle: for ThreadSanitizer. */

#include <pthread.h>

#include "web_test.h"

enum { WRITERS = 3, READERS = 3, CALLS = 60 };

static TestWeb test;

static void *write_samples(void *context) {
    int number = (int)(intptr_t)context;
    for (int i = 0; i < CALLS; i++) {
        char line[64];
        snprintf(line, sizeof line, "raced{writer=\"%d\"} %d\n", number, i);
        NetAnswer answer =
            test_web_call(&test, "POST", "/api/v1/import/prometheus", str_of(line), "text/plain");
        assert(answer.ok && answer.status == 204);
        net_answer_finish(&answer);
    }
    return NULL;
}

static void *read_samples(void *context) {
    static const char *const paths[] = {"/api/v1/query?query=sum(raced)",
                                        "/metrics",
                                        "/api/v1/labels",
                                        "/api/v2/alerts",
                                        "/api/v1/rules",
                                        "/api/v1/status/tsdb"};
    (void)context;
    for (int i = 0; i < CALLS; i++) {
        NetAnswer answer = test_web_call(&test, "GET", paths[i % 6], STR(""), "");
        assert(answer.ok && answer.status == 200);
        net_answer_finish(&answer);
    }
    return NULL;
}

int main(void) {
    pthread_t threads[WRITERS + READERS];
    test_web_open(&test, 0);
    test_web_ready(&test);
    for (int i = 0; i < WRITERS + READERS; i++) {
        pthread_create(&threads[i], NULL, i < WRITERS ? write_samples : read_samples,
                       (void *)(intptr_t)i);
    }
    for (int i = 0; i < 20; i++) {
        web_set_info(test.web, &(WebInfo){.config_yaml = STR("{}"), .flags_json = STR("{}")});
        test_web_ready(&test);
    }
    for (int i = 0; i < WRITERS + READERS; i++) {
        pthread_join(threads[i], NULL);
    }
    test_web_close(&test);
    return 0;
}
