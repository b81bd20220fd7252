// SPDX-License-Identifier: Apache-2.0
// How many wait, from offsets and first records alone.
#include "dlq-inspector/belts.h"
#include "tests/dlq-inspector/fixture.h"

static const struct {
    const char *name;
    struct broker_range range;
    int64_t start;
} RANGES[] = {
    { "what is committed does not wait", { .low = 0, .high = 100, .committed = 60 }, 60 },
    { "without a commit all that is kept waits", { .low = 10, .high = 100, .committed = -1 }, 10 },
    { "retention may have passed the commit", { .low = 80, .high = 100, .committed = 60 }, 80 },
    { "an empty partition has nothing", { .low = 100, .high = 100, .committed = 100 }, 100 },
    { "a commit beyond the end counts nothing", { .low = 0, .high = 5, .committed = 9 }, 5 },
};

static void starts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof RANGES / sizeof RANGES[0]; i++)
        expect_int(RANGES[i].name, belts_start(&RANGES[i].range), RANGES[i].start);
}

static void head(struct belts *b, const char *topic, int64_t on_belt_ms, const char *due)
{
    struct header h = { SLICE("sf-due"), slice_of(due) };
    struct record shape = { .topic = topic, .timestamp_ms = NOW_MS - on_belt_ms };
    struct record *r = record_new(&shape, &h, due != NULL ? 1 : 0);
    belts_head(b, r, NOW_MS);
    record_free(r);
}

static void tiers(void **state)
{
    (void)state;
    struct err e;
    struct tiers lengths;
    struct topics topics;
    if (!tiers_parse(&lengths, "5s,30s", &e) || !topics_init(&topics, "sendfleet", &lengths, &e))
        fail_msg("%s", e.text);
    struct belts b = { .topics = &topics };
    belts_count(&b, &(struct broker_range){ .topic = "sendfleet.retry.5s", .low = 0, .high = 10, .committed = 7 });
    belts_count(&b, &(struct broker_range){ .topic = "sendfleet.retry.5s", .partition = 1, .low = 0, .high = 4, .committed = -1 });
    belts_count(&b, &(struct broker_range){ .topic = "sendfleet.retry.30s", .low = 0, .high = 2, .committed = 2 });
    belts_count(&b, &(struct broker_range){ .topic = "sendfleet.main", .low = 0, .high = 50, .committed = -1 });
    head(&b, "sendfleet.retry.5s", 2000, "1700000003000");
    head(&b, "sendfleet.retry.5s", 4000, "1700000001000");
    head(&b, "sendfleet.retry.30s", 90000, NULL);
    expect_int("on the 5s belt", b.list[0].waiting, 7);
    expect_int("on the 30s belt", b.list[1].waiting, 0);
    expect_int("in all, main is not retry", belts_waiting(&b), 7);
    expect_int("the oldest of two heads", b.list[0].oldest_ms, NOW_MS - 4000);
    expect_int("the first due of two heads", b.list[0].next_due_ms, NOW_MS + 1000);
    expect_int("a belt in time is not overdue", b.list[0].overdue_ms, 0);
    expect_int("a head that should be off is overdue", b.list[1].overdue_ms, 60000);
    expect_int("a head that says no due time", b.list[1].next_due_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(starts), cmocka_unit_test(tiers) };
    return cmocka_run_group_tests_name("belts", tests, NULL, NULL);
}
