// SPDX-License-Identifier: Apache-2.0
#include "common/clock.h"
#include "common/config.h"
#include "common/topics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct topics make(const char *prefix)
{
    struct tiers tiers;
    struct topics t;
    struct err e = { 0 };
    if (!tiers_parse(&tiers, "1s,5s,2h", &e) || !topics_init(&t, prefix, &tiers, &e))
        fail_msg("%s", e.text);
    return t;
}

static void every_name_starts_with_the_prefix(void **state)
{
    (void)state;
    struct topics t = make("acme.mail");
    assert_string_equal(t.fixed[TOPIC_MAIN], "acme.mail.main");
    assert_string_equal(t.fixed[TOPIC_MAIN_CRITICAL], "acme.mail.main.critical");
    assert_string_equal(t.fixed[TOPIC_MAIN_BULK], "acme.mail.main.bulk");
    assert_string_equal(t.fixed[TOPIC_DLQ], "acme.mail.dlq");
    assert_string_equal(t.fixed[TOPIC_REVIEW], "acme.mail.review");
    assert_string_equal(t.fixed[TOPIC_EVENTS], "acme.mail.events");
    assert_string_equal(t.fixed[TOPIC_FEEDBACK], "acme.mail.feedback");
    assert_string_equal(t.fixed[TOPIC_DLQ_LOG], "acme.mail.dlq.log");
    assert_string_equal(t.retry[0], "acme.mail.retry.1s");
    assert_string_equal(t.retry[2], "acme.mail.retry.2h");
    assert_string_equal(t.main_group, "acme.mail.main");
    assert_string_equal(t.retry_group, "acme.mail.retry");
}

static void a_priority_has_its_lane_and_a_belt_its_tier(void **state)
{
    (void)state;
    struct topics t = make("s");
    assert_string_equal(topics_lane(&t, JOB_NORMAL), "s.main");
    assert_string_equal(topics_lane(&t, JOB_CRITICAL), "s.main.critical");
    assert_string_equal(topics_lane(&t, JOB_BULK), "s.main.bulk");
    assert_int_equal(topics_tier_of(&t, "s.retry.1s"), 0);
    assert_int_equal(topics_tier_of(&t, "s.retry.2h"), 2);
    assert_int_equal(topics_tier_of(&t, "s.retry.3h"), -1);
    assert_int_equal(topics_tier_of(&t, "s.main"), -1);
}

static void a_prefix_that_is_no_topic_name_is_refused(void **state)
{
    (void)state;
    static const char *const prefixes[] = { "", "a b", "a/b", "ä", "a\n",
                                            "0123456789012345678901234567890123456789012345678901234567890123x" };
    struct tiers tiers = { 0 };
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        struct topics t;
        struct err e = { 0 };
        if (topics_init(&t, prefixes[i], &tiers, &e))
            fail_msg("\"%s\" was accepted", prefixes[i]);
        assert_int_equal(e.kind, ERR_CONFIG);
    }
}

static const struct topic_plan *planned(const struct topic_plan *plan, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(plan[i].name, name) == 0)
            return &plan[i];
    fail_msg("%s is not planned", name);
    return NULL;
}

static void the_plan_gives_each_role_what_it_needs(void **state)
{
    (void)state;
    static const int64_t day = CLOCK_DAY_MS, kib = 1024;
    struct config c = {
        .layout = { .partitions_main = 6, .partitions_retry = 5, .partitions_other = 3, .replication = 2,
                    .retention_main_ms = 7 * day, .retention_retry_extra_ms = 8 * day, .retention_dlq_ms = 30 * day,
                    .retention_events_ms = 9 * day },
        .max_job_bytes = 1024 * kib,
    };
    static const struct topic_plan want[] = {
        { "p.main", 6, 2, 7 * day, 1088 * kib, false, false },
        { "p.main.critical", 6, 2, 7 * day, 1088 * kib, false, false },
        { "p.main.bulk", 6, 2, 7 * day, 1088 * kib, false, false },
        { "p.dlq", 3, 2, 30 * day, 1152 * kib, false, false },
        { "p.review", 3, 2, 30 * day, 1152 * kib, false, false },
        { "p.events", 3, 2, 9 * day, 1152 * kib, false, true },
        { "p.feedback", 3, 2, 9 * day, 1152 * kib, false, true },
        { "p.dlq.log", 3, 2, -1, 1152 * kib, true, false },
        { "p.retry.1s", 5, 2, 8 * day + 1000, 1152 * kib, false, true },
        { "p.retry.5s", 5, 2, 8 * day + 5000, 1152 * kib, false, true },
        { "p.retry.2h", 5, 2, 8 * day + 7200000, 1152 * kib, false, true },
    };
    enum { WANTED = sizeof want / sizeof want[0] };
    struct topics t = make("p");
    struct topic_plan plan[TOPIC_FIXED_COUNT + TIERS_MAX];
    int count = topics_plan(&t, &c, plan);
    assert_int_equal(count, WANTED);
    for (int i = 0; i < WANTED; i++) {
        const struct topic_plan *got = planned(plan, count, want[i].name);
        if (got->partitions != want[i].partitions || got->replication != want[i].replication ||
            got->retention_ms != want[i].retention_ms || got->max_message_bytes != want[i].max_message_bytes ||
            got->compacted != want[i].compacted || got->log_append_time != want[i].log_append_time)
            fail_msg("%s: got %d/%d retention %lld max %lld compacted %d append %d", got->name, got->partitions,
                     got->replication, (long long)got->retention_ms, (long long)got->max_message_bytes, got->compacted,
                     got->log_append_time);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_starts_with_the_prefix),
        cmocka_unit_test(a_priority_has_its_lane_and_a_belt_its_tier),
        cmocka_unit_test(a_prefix_that_is_no_topic_name_is_refused),
        cmocka_unit_test(the_plan_gives_each_role_what_it_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
