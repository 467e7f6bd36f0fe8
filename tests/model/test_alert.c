#include "model/alert.h"

#include <criterion/criterion.h>

/* The key of an incident depends on the alert's labels and nothing else. */

Test(alert, dedup_key_follows_the_labels_only) {
    Label items[] = {{STR("alertname"), STR("A")}, {STR("cluster"), STR("c1")}};
    Alert alert = {.labels = {items, 2}, .rule_key = STR("k1"), .fired_at = 1};
    Alert later = {.labels = {items, 2}, .rule_key = STR("k2"), .fired_at = 2};
    Alert other = {.labels = {items, 1}};
    char a[65], b[65], c[65];
    alert_dedup_key(&alert, a);
    alert_dedup_key(&later, b);
    alert_dedup_key(&other, c);
    cr_expect_eq(strlen(a), 64);
    cr_expect_str_eq(a, b);
    cr_expect_str_neq(a, c);
}
