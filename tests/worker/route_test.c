// SPDX-License-Identifier: Apache-2.0
// A route pauses, doubles its pause, lets one probe through and opens again.
#include "worker/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct route_config config = { .name = "api" };
static struct routes all = { .first_pause_ms = 30000, .longest_pause_ms = 100000 };

static bool admits(struct route *r, int64_t now_ms)
{
    int64_t until_ms;
    return route_admit(r, now_ms, &until_ms);
}

static void a_refused_credential_pauses_and_one_probe_opens(void **state)
{
    (void)state;
    struct route r = { .config = &config };
    assert_true(admits(&r, 1000));
    route_learn(&all, &r, FAILURE_ROUTE, 1000);
    int64_t until_ms = 0;
    assert_false(route_admit(&r, 2000, &until_ms));
    assert_int_equal(until_ms, 31000);
    assert_true(admits(&r, 31000));  // the probe
    assert_false(admits(&r, 31001)); // nobody else meanwhile
    route_learn(&all, &r, FAILURE_NONE, 31500);
    assert_true(admits(&r, 31501));
    assert_true(admits(&r, 31502));
}

static void pauses_double_up_to_the_cap(void **state)
{
    (void)state;
    struct route r = { .config = &config };
    static const int64_t want_ms[] = { 30000, 60000, 100000, 100000 };
    int64_t now_ms = 1000;
    for (size_t i = 0; i < sizeof want_ms / sizeof want_ms[0]; i++) {
        route_learn(&all, &r, FAILURE_ROUTE, now_ms);
        if (r.paused_until_ms - now_ms != want_ms[i])
            fail_msg("pause %zu: got %lld, want %lld", i, (long long)(r.paused_until_ms - now_ms), (long long)want_ms[i]);
        now_ms = r.paused_until_ms;
        assert_true(admits(&r, now_ms));
    }
}

static void those_under_way_do_not_lengthen_a_pause(void **state)
{
    (void)state;
    struct route r = { .config = &config };
    route_learn(&all, &r, FAILURE_ROUTE, 1000);
    route_learn(&all, &r, FAILURE_ROUTE, 1001);
    route_learn(&all, &r, FAILURE_NONE, 1002); // an earlier one that got through is no proof either
    assert_int_equal(r.paused_until_ms, 31000);
}

static void ten_unknowns_in_a_row_pause_and_fewer_do_not(void **state)
{
    (void)state;
    struct route r = { .config = &config };
    for (int i = 0; i < 9; i++)
        route_learn(&all, &r, FAILURE_UNKNOWN, 1000);
    route_learn(&all, &r, FAILURE_PERMANENT, 1000); // a verdict: it works
    for (int i = 0; i < 9; i++)
        route_learn(&all, &r, FAILURE_UNKNOWN, 1000);
    assert_true(admits(&r, 1001));
    route_learn(&all, &r, FAILURE_UNKNOWN, 1002);
    assert_false(admits(&r, 1003));
}

static void a_probe_that_ended_without_an_answer_makes_room_for_another(void **state)
{
    (void)state;
    struct route r = { .config = &config };
    route_learn(&all, &r, FAILURE_ROUTE, 1000);
    assert_true(admits(&r, 31000));
    route_forget_probe(&r);
    assert_true(admits(&r, 31001));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_credential_pauses_and_one_probe_opens),
        cmocka_unit_test(pauses_double_up_to_the_cap),
        cmocka_unit_test(those_under_way_do_not_lengthen_a_pause),
        cmocka_unit_test(ten_unknowns_in_a_row_pause_and_fewer_do_not),
        cmocka_unit_test(a_probe_that_ended_without_an_answer_makes_room_for_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
