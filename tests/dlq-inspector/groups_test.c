// SPDX-License-Identifier: Apache-2.0
// Counting by words, and staying small while doing so.
#include "dlq-inspector/groups.h"
#include "dlq-inspector/pace.h"
#include "tests/dlq-inspector/fixture.h"

static void count(struct groups *g, const char *reason, const char *domain, int64_t at_ms, int64_t due_ms)
{
    struct slice fields[] = { slice_of(reason), slice_of(domain) };
    group_count(groups_at(g, fields), at_ms, due_ms);
}

static void counts_and_sorts(void **state)
{
    (void)state;
    struct groups g = { .fields = 2, .open_field = 1 };
    count(&g, "expired", "a.example", 30, 0);
    count(&g, "permanent", "a.example", 50, 9);
    count(&g, "permanent", "a.example", 40, 4);
    count(&g, "permanent", NULL, 60, 0);
    groups_sort(&g);
    expect_int("groups", (int64_t)g.count, 3);
    expect_text("the largest", slice_of(g.list[0].fields[0]), "permanent");
    expect_int("its count", g.list[0].count, 2);
    expect_int("its oldest", g.list[0].oldest_ms, 40);
    expect_int("its first due", g.list[0].first_due_ms, 4);
    expect_int("its last due", g.list[0].last_due_ms, 9);
    expect_text("ties are sorted by name", slice_of(g.list[1].fields[0]), "expired");
    expect_text("an absent word shows as a dash", slice_of(g.list[2].fields[1]), "-");
    groups_clear(&g);
}

static void stays_small(void **state)
{
    (void)state;
    struct groups g = { .fields = 2, .open_field = 1 };
    char domain[32];
    enum { MANY = GROUPS_MAX + 5000 };
    for (int i = 0; i < MANY; i++) {
        snprintf(domain, sizeof domain, "d%d.example", i);
        count(&g, "permanent", domain, 1, 0);
    }
    expect_int("groups", (int64_t)g.count, GROUPS_MAX + 1);
    groups_sort(&g);
    expect_text("the rest has a name", slice_of(g.list[0].fields[1]), "other");
    expect_int("and is counted", g.list[0].count, 5000);
    groups_clear(&g);
}

static void keeps_pace(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 100);
    int64_t now_us = 5000000, start_us = now_us;
    int taken = 0;
    while (now_us < start_us + 1000000) {
        int64_t wait_us = pace_take(&p, now_us);
        taken += wait_us == 0;
        now_us += wait_us;
    }
    if (taken < 99 || taken > 103)
        fail_msg("got %d in a second, want about 100", taken);
    now_us += 60000000; // a long pause is not made up for
    for (taken = 0; pace_take(&p, now_us) == 0; taken++)
        ;
    if (taken > 4)
        fail_msg("got a burst of %d after a pause, want 4 at most", taken);
    pace_init(&p, 0);
    for (int i = 0; i < 1000; i++)
        expect_int("no limit, no wait", pace_take(&p, now_us), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_and_sorts),
        cmocka_unit_test(stays_small),
        cmocka_unit_test(keeps_pace),
    };
    return cmocka_run_group_tests_name("groups", tests, NULL, NULL);
}
