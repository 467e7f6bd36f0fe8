#include "model/alert.h"

#include <stdlib.h>

const char *alert_phase_text(AlertPhase phase) {
    static const char *const texts[] = {"inactive", "pending", "firing"};
    return texts[phase];
}

void alert_dedup_key(const Alert *alert, char hex[65]) {
    Buf text = {0};
    buf_reserve(&text, 512); /* enough for most, without growing on the way */
    /* The rule's name is the label alertname; "api" and our own rules share a key on purpose:
     * whoever reports the same label set reports the same incident. */
    labels_print(&text, alert->labels);
    sha256_hex(buf_view(&text), hex);
    buf_finish(&text);
}
