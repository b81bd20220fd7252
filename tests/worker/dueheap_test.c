// SPDX-License-Identifier: Apache-2.0
// The due-heap gives records back in due order and forgets those of a partition that is given back.
#include "worker/dueheap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static int one, two; // stand for sources

static struct dueheap_item item(int64_t due_ms, int *source)
{
    struct record shape = { .topic = "t", .has_value = true, .value = SLICE("x") };
    return (struct dueheap_item){ .due_ms = due_ms, .record = record_new(&shape, NULL, 0), .source = (struct source *)source };
}

static void records_come_out_in_due_order(void **state)
{
    (void)state;
    struct dueheap h = { 0 };
    srand(7);
    for (int i = 0; i < 1000; i++) {
        struct dueheap_item it = item(rand() % 500, &one);
        dueheap_push(&h, &it);
    }
    int64_t last = -1;
    while (dueheap_top(&h) != NULL) {
        struct dueheap_item it = dueheap_pop(&h);
        assert_true(it.due_ms >= last);
        last = it.due_ms;
        record_free(it.record);
    }
    assert_int_equal(h.bytes, 0);
    dueheap_clear(&h);
}

static void a_source_that_goes_takes_its_records_along(void **state)
{
    (void)state;
    struct dueheap h = { 0 };
    for (int i = 0; i < 100; i++) {
        struct dueheap_item it = item(1000 - i, i % 3 == 0 ? &one : &two);
        dueheap_push(&h, &it);
    }
    dueheap_drop(&h, (struct source *)&one);
    assert_int_equal(h.count, 66);
    int64_t last = -1;
    while (dueheap_top(&h) != NULL) {
        struct dueheap_item it = dueheap_pop(&h);
        assert_ptr_equal(it.source, &two);
        assert_true(it.due_ms >= last);
        last = it.due_ms;
        record_free(it.record);
    }
    assert_int_equal(h.bytes, 0);
    dueheap_clear(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_out_in_due_order),
        cmocka_unit_test(a_source_that_goes_takes_its_records_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
