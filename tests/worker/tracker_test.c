// SPDX-License-Identifier: Apache-2.0
// Completion in any order never lets the frontier pass unfinished work: checked against a plain model.
#include "worker/tracker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void the_frontier_is_the_lowest_unfinished_offset(void **state)
{
    (void)state;
    struct tracker t = { .frontier = -1 };
    uint64_t a = tracker_add(&t, 100, 10), b = tracker_add(&t, 107, 20), c = tracker_add(&t, 108, 30);
    assert_int_equal(t.frontier, 100);
    assert_false(tracker_finish(&t, b));
    assert_int_equal(t.frontier, 100);
    assert_true(tracker_finish(&t, a)); // over the gap 101..106, which never came
    assert_int_equal(t.frontier, 108);
    assert_int_equal(t.bytes, 30);
    assert_true(tracker_finish(&t, c));
    assert_int_equal(t.frontier, 109);
    assert_int_equal(tracker_window(&t), 0);
    tracker_clear(&t);
}

enum { RECORDS = 5000 };

static void any_order_agrees_with_the_model(void **state)
{
    (void)state;
    static int64_t offsets[RECORDS];
    static uint64_t seqs[RECORDS];
    static int done[RECORDS];
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct tracker t = { .frontier = -1 };
        srand(seed);
        int added = 0, first = 0;
        int64_t offset = rand() % 1000;
        for (int i = 0; i < RECORDS; i++)
            done[i] = 0;
        while (first < RECORDS) {
            if (added < RECORDS && rand() % 2 == 0) {
                offset += 1 + rand() % 3;
                offsets[added] = offset;
                seqs[added++] = tracker_add(&t, offset, 1);
                continue;
            }
            if (first == added)
                continue;
            int pick = first + rand() % (added - first);
            if (done[pick])
                continue;
            done[pick] = 1;
            tracker_finish(&t, seqs[pick]);
            while (first < added && done[first])
                first++;
            int64_t want = first < added ? offsets[first] : offsets[first - 1] + 1;
            if (t.frontier != want)
                fail_msg("seed %u: frontier: got %lld, want %lld", seed, (long long)t.frontier, (long long)want);
            assert_int_equal(tracker_window(&t), added - first);
        }
        tracker_clear(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_frontier_is_the_lowest_unfinished_offset),
        cmocka_unit_test(any_order_agrees_with_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
