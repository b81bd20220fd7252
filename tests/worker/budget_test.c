// SPDX-License-Identifier: Apache-2.0
// No lane takes everything, no destination more than its share, and parked jobs come back at the pace it is served.
#include "worker/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct budget make(void)
{
    static struct config c;
    c.worker.max_inflight = 100;
    c.worker.max_inflight_bytes = 1000;
    c.worker.destination_share = 0.2;
    struct budget b;
    budget_init(&b, &c);
    return b;
}

static int take_all(struct budget *b, enum lane lane)
{
    int n = 0;
    while (budget_has_room(b, lane)) {
        b->inflight++;
        b->by_lane[lane]++;
        n++;
    }
    return n;
}

static void every_flood_leaves_room_for_the_others(void **state)
{
    (void)state;
    static const struct {
        enum lane flood;
        int want, left;
    } cases[] = { { LANE_BULK, 70, 30 }, { LANE_NORMAL, 85, 15 }, { LANE_RETRY, 85, 15 } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct budget b = make();
        assert_int_equal(take_all(&b, cases[i].flood), cases[i].want);
        assert_int_equal(take_all(&b, LANE_CRITICAL), cases[i].left);
        budget_clear(&b);
    }
}

static void bytes_are_bounded_too(void **state)
{
    (void)state;
    struct budget b = make();
    b.bytes = 1000;
    assert_false(budget_has_room(&b, LANE_CRITICAL));
    budget_clear(&b);
}

static void what_waits_for_kafka_is_bounded_in_number_and_bytes(void **state)
{
    (void)state;
    struct budget b = make();
    b.settling = 100000;
    assert_false(budget_has_room(&b, LANE_CRITICAL));
    b.settling = 1;
    assert_true(budget_has_room(&b, LANE_CRITICAL));
    b.settling_bytes = 100 << 20;
    assert_false(budget_has_room(&b, LANE_CRITICAL));
    budget_clear(&b);
}

static void a_destination_keeps_to_its_share_unless_it_is_alone(void **state)
{
    (void)state;
    struct budget b = make();
    assert_int_equal(budget_destination(&b, SLICE("slow.example"), false)->share, 20);
    assert_int_equal(budget_destination(&b, SLICE("only.example"), true)->share, 100);
    budget_clear(&b);
}

static void idle_slots_are_anybodys_but_half_of_them_are_kept(void **state)
{
    (void)state;
    struct budget b = make();
    struct destination *slow = budget_destination(&b, SLICE("slow.example"), false);
    int taken = 0;
    for (; !budget_is_over_share(&b, slow, 1300); taken++) { // nothing of it ended for 300 ms
        destination_begin(slow, 1000);
        b.inflight++;
    }
    assert_int_equal(taken, 51);
    assert_false(budget_is_over_share(&b, budget_destination(&b, SLICE("other.example"), false), 1300));
    budget_clear(&b);
}

static void a_quick_destination_is_never_parked_and_a_slow_one_is(void **state)
{
    (void)state;
    struct budget b = make();
    struct destination *d = budget_destination(&b, SLICE("provider.example"), false);
    for (b.inflight = 0; b.inflight < 90; b.inflight++)
        destination_begin(d, 1000);
    for (int i = 0; i < 30; i++)
        destination_end(d, 20000, 1290); // 20 ms each
    assert_false(budget_is_over_share(&b, d, 1300));
    for (int i = 0; i < 30; i++)
        destination_end(d, 900000, 1290);
    assert_true(budget_is_over_share(&b, d, 1300));
    budget_clear(&b);
}

static void the_same_name_is_the_same_destination_while_it_is_busy(void **state)
{
    (void)state;
    struct budget b = make();
    struct destination *first = budget_destination(&b, SLICE("a"), false);
    destination_begin(first, 1000);
    for (int i = 0; i < 20000; i++) { // far more names than the table holds
        char name[32];
        snprintf(name, sizeof name, "host-%d", i);
        budget_destination(&b, slice_of(name), false);
    }
    assert_ptr_equal(budget_destination(&b, SLICE("a"), false), first);
    assert_int_equal(first->inflight, 1);
    budget_clear(&b);
}

static void parked_jobs_are_spaced_by_what_the_destination_serves(void **state)
{
    (void)state;
    struct budget b = make();
    struct destination *d = budget_destination(&b, SLICE("slow"), false);
    d->latency_us = 2000000; // 20 at once, 2 s each: ten a second
    int64_t first_ms = destination_park(d, 5000000), last_ms = first_ms;
    assert_int_equal(first_ms, 5001000);
    for (int i = 0; i < 100; i++)
        last_ms = destination_park(d, 5000000);
    assert_int_equal(last_ms - first_ms, 10000);
    budget_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flood_leaves_room_for_the_others),
        cmocka_unit_test(bytes_are_bounded_too),
        cmocka_unit_test(what_waits_for_kafka_is_bounded_in_number_and_bytes),
        cmocka_unit_test(a_destination_keeps_to_its_share_unless_it_is_alone),
        cmocka_unit_test(idle_slots_are_anybodys_but_half_of_them_are_kept),
        cmocka_unit_test(a_quick_destination_is_never_parked_and_a_slow_one_is),
        cmocka_unit_test(the_same_name_is_the_same_destination_while_it_is_busy),
        cmocka_unit_test(parked_jobs_are_spaced_by_what_the_destination_serves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
