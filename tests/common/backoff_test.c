// SPDX-License-Identifier: Apache-2.0
#include "common/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

enum { DRAWS = 400 };

static const struct backoff DEFAULT = { .base_ms = 5000, .factor = 2, .cap_ms = 14400000, .jitter = 0.2 };
static const struct backoff BUSY = { .base_ms = 30000, .factor = 2, .cap_ms = 14400000, .jitter = 0.2 };

static struct tiers default_tiers(void)
{
    struct tiers t;
    struct err e = { 0 };
    if (!tiers_parse(&t, "1s,5s,30s,2m,10m,30m,2h", &e))
        fail_msg("%s", e.text);
    return t;
}

static double draw(int i)
{
    return (double)i / DRAWS + 1e-5;
}

static double grown_ms(const struct backoff *b, int retry)
{
    double ms = (double)b->base_ms;
    for (int i = 0; i < retry && ms < (double)b->cap_ms; i++)
        ms *= b->factor;
    return ms < (double)b->cap_ms ? ms : (double)b->cap_ms;
}

static void every_delay_lies_in_the_jitter_range_and_under_the_cap(void **state)
{
    (void)state;
    struct tiers t = default_tiers();
    static const struct backoff shapes[] = {
        { .base_ms = 5000, .factor = 2, .cap_ms = 14400000, .jitter = 0.2 },
        { .base_ms = 100, .factor = 3, .cap_ms = 60000, .jitter = 0.5 },
        { .base_ms = 30000, .factor = 1, .cap_ms = 14400000, .jitter = 0 },
        { .base_ms = 7000, .factor = 1.5, .cap_ms = 600000, .jitter = 0.05 },
    };
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        const struct backoff *b = &shapes[s];
        for (int retry = 0; retry < 40; retry++) {
            double grown = grown_ms(b, retry);
            for (int i = 0; i < DRAWS; i++) {
                double got = (double)backoff_delay_ms(b, &t, (uint32_t)retry, draw(i));
                if (got < grown * (1 - b->jitter) - 1 || got > grown * (1 + b->jitter))
                    fail_msg("shape %d retry %d: got %.0f, want %.0f +-%.0f%%", (int)s, retry, got, grown, b->jitter * 100);
            }
        }
    }
}

static void full_jitter_spreads_from_nothing_to_the_delay(void **state)
{
    (void)state;
    struct tiers t = default_tiers();
    struct backoff b = { .base_ms = 400, .factor = 2, .cap_ms = 14400000, .jitter = 1 };
    int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < DRAWS; i++) {
        int64_t got = backoff_delay_ms(&b, &t, 0, draw(i));
        least = got < least ? got : least;
        most = got > most ? got : most;
    }
    assert_true(least < 10);
    assert_true(most > 390 && most <= 400);
}

static void a_huge_retry_count_waits_about_the_cap(void **state)
{
    (void)state;
    struct tiers t = default_tiers();
    int64_t got = backoff_delay_ms(&DEFAULT, &t, UINT32_MAX, 0.5);
    assert_in_range(got, 14400000 * 8 / 10, 14400000 * 12 / 10);
}

static void later_retries_wait_longer(void **state)
{
    (void)state;
    struct tiers t = default_tiers();
    int64_t longest_before_ms = 0;
    for (uint32_t retry = 0; retry < 11; retry++) { // jitter ranges of neighbours do not overlap below the cap
        int64_t longest_ms = 0;
        for (int i = 0; i < DRAWS; i++) {
            int64_t got = backoff_delay_ms(&DEFAULT, &t, retry, draw(i));
            if (got <= longest_before_ms)
                fail_msg("retry %u: got %d, not longer than %d before it", retry, (int)got, (int)longest_before_ms);
            longest_ms = got > longest_ms ? got : longest_ms;
        }
        longest_before_ms = longest_ms;
    }
}

static int most_hops(const struct backoff *b, uint32_t retry)
{
    struct tiers t = default_tiers();
    int most = 0;
    for (int i = 0; i < DRAWS; i++) {
        int hops = tiers_hops(&t, backoff_delay_ms(b, &t, retry, draw(i)));
        most = hops > most ? hops : most;
    }
    return most;
}

static void the_default_belts_cost_at_most_this_many_rides(void **state)
{
    (void)state;
    static const int rides[12] = { 1, 2, 3, 2, 3, 2, 3, 1, 2, 2, 3, 2 };
    static const int rides_busy[12] = { 1, 2, 1, 2, 4, 3, 1, 2, 1, 2, 2, 2 };
    for (uint32_t retry = 0; retry < 12; retry++) {
        int got = most_hops(&DEFAULT, retry), got_busy = most_hops(&BUSY, retry);
        if (got != rides[retry])
            fail_msg("retry %u: got %d hops, want %d", retry, got, rides[retry]);
        if (got_busy != rides_busy[retry])
            fail_msg("busy retry %u: got %d hops, want %d", retry, got_busy, rides_busy[retry]);
    }
}

static void a_crowd_does_not_come_back_in_one_instant(void **state)
{
    (void)state;
    struct tiers t = default_tiers();
    int64_t least = INT64_MAX, most = 0;
    int same = 0, last = -1;
    for (int i = 0; i < DRAWS; i++) { // retry 7: every draw snaps to the 10 m belt
        int64_t got = backoff_delay_ms(&DEFAULT, &t, 7, draw(i));
        assert_int_equal(tiers_hops(&t, got), 1);
        least = got < least ? got : least;
        most = got > most ? got : most;
        same += got == last;
        last = (int)got;
    }
    assert_in_range(most - least, 400, 500);
    assert_true(same < DRAWS / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_delay_lies_in_the_jitter_range_and_under_the_cap),
        cmocka_unit_test(full_jitter_spreads_from_nothing_to_the_delay),
        cmocka_unit_test(a_huge_retry_count_waits_about_the_cap),
        cmocka_unit_test(later_retries_wait_longer),
        cmocka_unit_test(the_default_belts_cost_at_most_this_many_rides),
        cmocka_unit_test(a_crowd_does_not_come_back_in_one_instant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
