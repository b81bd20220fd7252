// SPDX-License-Identifier: Apache-2.0
#include "common/tiers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char DEFAULT_TIERS[] = "1s,5s,30s,2m,10m,30m,2h";

static struct tiers parse(const char *names)
{
    struct tiers t;
    struct err e = { 0 };
    if (!tiers_parse(&t, names, &e))
        fail_msg("tiers_parse(\"%s\"): %s", names, e.text);
    return t;
}

static void names_are_sorted_and_made_canonical(void **state)
{
    (void)state;
    struct tiers t = parse(" 2h, 60s,1s ,90s,250ms");
    static const char *const names[] = { "250ms", "1s", "1m", "1m30s", "2h" };
    assert_int_equal(t.count, 5);
    for (int i = 0; i < t.count; i++)
        assert_string_equal(t.list[i].name, names[i]);
    assert_int_equal(t.list[3].length_ms, 90000);
}

static void bad_lists_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *names, *reason;
    } cases[] = {
        { "", "not a list" },
        { "1s,", "not a list" },
        { ",1s", "not a list" },
        { "1s 5s", "comma" },
        { "1s,soon", "\"soon\"" },
        { "-1s", "\"-1s\"" },
        { "99ms", "outside" },
        { "25h", "outside" },
        { "1s,5s,1s", "twice" },
        { "60s,1m", "twice" },
        { "1s,2s,3s,4s,5s,6s,7s,8s,9s,10s,11s,12s,13s,14s,15s,16s,17s", "more than 16" },
        { "1ssssssssssssssssssssssssssssssssssssssssssss", "not a list" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tiers t = { .count = 77 };
        struct err e = { 0 };
        if (tiers_parse(&t, cases[i].names, &e))
            fail_msg("\"%s\" was accepted", cases[i].names);
        assert_int_equal(e.kind, ERR_CONFIG);
        if (strstr(e.text, cases[i].reason) == NULL)
            fail_msg("\"%s\": got \"%s\", want it to say %s", cases[i].names, e.text, cases[i].reason);
        assert_int_equal(t.count, 77); // untouched
    }
}

static void the_longest_belt_that_leaves_the_time_in_hand_is_picked(void **state)
{
    (void)state;
    struct tiers t = parse(DEFAULT_TIERS);
    static const struct {
        int64_t remaining_ms;
        const char *belt;
        bool is_short;
    } cases[] = {
        { -5, "1s", true },         { 0, "1s", true },          { 1049, "1s", true },
        { 1050, "1s", false },      { 5049, "1s", false },      { 5050, "5s", false },
        { 30000, "5s", false },     { 30050, "30s", false },    { 7200049, "30m", false },
        { 7200050, "2h", false },   { INT64_C(172800000), "2h", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *got = t.list[tiers_pick(&t, cases[i].remaining_ms)].name;
        if (strcmp(got, cases[i].belt) != 0)
            fail_msg("%d ms: got belt %s, want %s", (int)cases[i].remaining_ms, got, cases[i].belt);
        if (tiers_is_short(&t, cases[i].remaining_ms) != cases[i].is_short)
            fail_msg("%d ms: got short %d, want %d", (int)cases[i].remaining_ms, !cases[i].is_short, cases[i].is_short);
    }
}

// A record really riding: every ride costs its length and what filing took.
static int ride(const struct tiers *t, int64_t delay_ms, int64_t filing_ms, int64_t *left_ms)
{
    int rides = 0;
    do {
        delay_ms -= t->list[tiers_pick(t, delay_ms)].length_ms + filing_ms;
        rides++;
    } while (!tiers_is_short(t, delay_ms));
    *left_ms = delay_ms;
    return rides;
}

static void hops_are_what_a_record_really_rides(void **state)
{
    (void)state;
    static const char *const lists[] = { DEFAULT_TIERS, "1s", "100ms", "100ms,150ms,1s", "3s,7s,11s,1m" };
    for (size_t l = 0; l < sizeof lists / sizeof lists[0]; l++) {
        struct tiers t = parse(lists[l]);
        for (int64_t delay_ms = 1; delay_ms < 200000; delay_ms += 37) {
            int64_t left_ms;
            int prompt = ride(&t, delay_ms, 0, &left_ms);
            int slow = ride(&t, delay_ms, TIERS_IN_HAND_MS, &left_ms);
            int want = prompt > slow ? prompt : slow, got = tiers_hops(&t, delay_ms);
            if (got != want)
                fail_msg("%s: %d ms: got %d hops, want %d", lists[l], (int)delay_ms, got, want);
            if (!tiers_is_short(&t, delay_ms) && left_ms < 0)
                fail_msg("%s: %d ms comes off %d ms late", lists[l], (int)delay_ms, (int)-left_ms);
        }
    }
    struct tiers t = parse(DEFAULT_TIERS);
    assert_int_equal(tiers_hops(&t, 0), 0);
    assert_int_equal(tiers_hops(&t, -1), 0);
}

static void no_delay_in_the_range_needs_fewer_rides_than_the_snapped_one(void **state)
{
    (void)state;
    static const char *const lists[] = { DEFAULT_TIERS, "1s", "2s,3s,20s", "3s,7s,11s,1m", "1s,4s,16s,64s" };
    srand(7);
    for (size_t l = 0; l < sizeof lists / sizeof lists[0]; l++) {
        struct tiers t = parse(lists[l]);
        for (int round = 0; round < 150; round++) {
            int64_t low_ms = rand() % 60000, high_ms = low_ms + rand() % 20000;
            int64_t want_ms = low_ms + rand() % (high_ms - low_ms + 1);
            int64_t got_ms = tiers_snap(&t, low_ms, want_ms, high_ms);
            if (got_ms < low_ms || got_ms > high_ms)
                fail_msg("%s: got %d outside %d..%d", lists[l], (int)got_ms, (int)low_ms, (int)high_ms);
            for (int64_t d = low_ms > 1050 ? low_ms : 1050; d <= high_ms; d += 3)
                if (tiers_hops(&t, d) < tiers_hops(&t, got_ms))
                    fail_msg("%s: %d..%d: got %d (%d hops), but %d needs %d", lists[l], (int)low_ms, (int)high_ms,
                             (int)got_ms, tiers_hops(&t, got_ms), (int)d, tiers_hops(&t, d));
        }
    }
}

static void of_equally_few_rides_the_closest_sum_to_the_wanted_delay_wins(void **state)
{
    (void)state;
    struct tiers t = parse(DEFAULT_TIERS);
    static const struct {
        int low_ms, want_ms, high_ms, snapped_ms;
    } cases[] = {
        { 4000, 4200, 6000, 5050 },        // one ride, below and above
        { 4000, 5900, 6000, 5050 },
        { 4000, 10000, 40000, 5050 },      // 5 s or 30 s: the nearer one
        { 4000, 20000, 40000, 30050 },
        { 8000, 9000, 12000, 10100 },      // 5 s + 5 s
        { 32000, 45000, 48000, 35100 },    // 30 s + 5 s
        { 5200, 5500, 5900, 5200 },        // no sum inside: 5 s and the rest in memory
        { 100, 600, 900, 600 },            // too short for any belt
        { 0, 300, 5000, 1050 },            // never below the shortest belt when the range allows
        { 14400000, 14400000, 14400000, 14400000 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int got = (int)tiers_snap(&t, cases[i].low_ms, cases[i].want_ms, cases[i].high_ms);
        if (got != cases[i].snapped_ms)
            fail_msg("%d..%d wanting %d: got %d, want %d", cases[i].low_ms, cases[i].high_ms, cases[i].want_ms, got,
                     cases[i].snapped_ms);
    }
    t = parse("1s,1m"); // 192 rides of a minute and nothing else
    assert_int_equal(tiers_snap(&t, 11520000, 14400000, 17280000), 192 * 60050);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_sorted_and_made_canonical),
        cmocka_unit_test(bad_lists_are_refused_with_a_reason),
        cmocka_unit_test(the_longest_belt_that_leaves_the_time_in_hand_is_picked),
        cmocka_unit_test(hops_are_what_a_record_really_rides),
        cmocka_unit_test(no_delay_in_the_range_needs_fewer_rides_than_the_snapped_one),
        cmocka_unit_test(of_equally_few_rides_the_closest_sum_to_the_wanted_delay_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
