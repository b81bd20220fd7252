// SPDX-License-Identifier: Apache-2.0
// The broker's time is never overestimated (a retry would be early) and follows a broker whose clock was corrected.
#include "worker/brokerclock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void it_is_never_ahead_of_the_broker(void **state)
{
    (void)state;
    struct brokerclock c = { 0 };
    const int64_t offset_ms = 1700000000000; // broker = mono + offset
    srand(3);
    int64_t closest = INT64_MAX;
    for (int64_t mono = 1000; mono < 300000; mono += 1 + rand() % 40) {
        int64_t on_the_way_ms = rand() % 30;
        brokerclock_sample(&c, mono - on_the_way_ms + offset_ms, mono);
        int64_t behind = mono + offset_ms - brokerclock_now_ms(&c, mono);
        assert_true(behind >= 0);
        closest = behind < closest ? behind : closest;
    }
    assert_true(closest <= 1);
}

// Clocks are read in whole milliseconds but tick between them.
static void it_is_not_ahead_by_a_part_of_a_millisecond(void **state)
{
    (void)state;
    const int64_t offset_us = 1700000000000700; // broker = mono + offset
    struct brokerclock c = { 0 };
    int64_t closest_us = INT64_MAX;
    srand(4);
    for (int64_t mono_us = 1000000; mono_us < 60000000; mono_us += 300 + rand() % 40000) {
        int64_t stamped_us = mono_us + offset_us - rand() % 400;
        brokerclock_sample(&c, stamped_us / 1000, mono_us / 1000);
        int64_t behind_us = mono_us + offset_us - brokerclock_now_ms(&c, mono_us / 1000) * 1000;
        assert_true(behind_us >= 0);
        closest_us = behind_us < closest_us ? behind_us : closest_us;
    }
    assert_true(closest_us < 2000);
}

static void it_follows_a_clock_that_was_set_back_within_two_windows(void **state)
{
    (void)state;
    struct brokerclock c = { 0 };
    brokerclock_sample(&c, 500000, 1000);
    for (int64_t mono = 2000; mono < 150000; mono += 1000)
        brokerclock_sample(&c, 400000 + mono, mono);
    assert_int_equal(brokerclock_now_ms(&c, 150000), 550000 - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_never_ahead_of_the_broker),
        cmocka_unit_test(it_is_not_ahead_by_a_part_of_a_millisecond),
        cmocka_unit_test(it_follows_a_clock_that_was_set_back_within_two_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
