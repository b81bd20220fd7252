// SPDX-License-Identifier: Apache-2.0
// An ending survives the dedup record: what is read back files the same record, letter or event.
#include "worker/ending.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_same(const struct ending *got, const struct ending *want)
{
    assert_int_equal(got->kind, want->kind);
    assert_int_equal(got->wait, want->wait);
    assert_int_equal(got->due_ms, want->due_ms);
    assert_int_equal(got->continues, want->continues);
    assert_int_equal(got->attempt, want->attempt);
    assert_int_equal(got->class, want->class);
    assert_int_equal(got->code, want->code);
    assert_string_equal(got->reason, want->reason);
    assert_string_equal(got->entry, want->entry);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    static const struct ending cases[] = {
        { .kind = ENDING_WAIT, .wait = WAIT_RETRY, .due_ms = 1763000000123, .continues = true, .attempt = 3,
          .class = FAILURE_MAILBOX_BUSY, .code = 450, .reason = "try \"later\" |please|", .entry = "{\"at\":1,\"text\":\"x\"}" },
        { .kind = ENDING_LETTER, .class = FAILURE_PERMANENT, .code = 550, .attempt = 1, .reason = "permanent: no \xc3\xbc such user" },
        { .kind = ENDING_WAIT, .wait = WAIT_UNKNOWN, .due_ms = 1, .continues = true, .class = FAILURE_UNKNOWN },
        { .kind = ENDING_REVIEW, .reason = "approval: required and not given" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b = { 0 };
        struct ending got;
        ending_format(&cases[i], &b);
        assert_true(ending_parse(&got, buf_slice(&b)));
        assert_same(&got, &cases[i]);
        buf_clear(&b);
    }
}

static void a_name_is_no_ending(void **state)
{
    (void)state;
    static const char *const cases[] = { "", "w1", "{", "{}", "[1]", "{\"kind\":\"nonsense\"}", "{\"worker\":\"w1\"}" };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ending got;
        if (ending_parse(&got, slice_of(cases[i])))
            fail_msg("\"%s\": got an ending, want none", cases[i]);
    }
}

static void the_longest_one_fits_a_dedup_record(void **state)
{
    (void)state;
    struct ending e = { .kind = ENDING_LETTER, .class = FAILURE_MAILBOX_BUSY, .due_ms = INT64_MAX, .attempt = UINT32_MAX, .code = 599 };
    memset(e.reason, 'r', sizeof e.reason - 1);
    memset(e.entry, 'e', sizeof e.entry - 1);
    struct buf b = { 0 };
    ending_format(&e, &b);
    assert_true(b.len <= 2048);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_name_is_no_ending),
        cmocka_unit_test(the_longest_one_fits_a_dedup_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
