// SPDX-License-Identifier: Apache-2.0
// record: headers under construction and records as one block.
#include "common/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_many_headers(void **state)
{
    (void)state;
    struct headers h = { 0 };
    for (int round = 0; round < 2; round++) {
        size_t bytes = 0;
        for (int i = 0; i < 500; i++) {
            char name[16], value[32];
            int n = snprintf(name, sizeof name, "h%d", i), v = snprintf(value, sizeof value, "value-%d", i * i);
            headers_add(&h, name, slice_of(value));
            bytes += (size_t)(n + v);
        }
        assert_int_equal(headers_bytes(&h), bytes);
        for (size_t i = 0; i < 500; i++) { // the arena has moved several times since the first was added
            char name[16], value[32];
            snprintf(name, sizeof name, "h%zu", i);
            snprintf(value, sizeof value, "value-%zu", i * i);
            assert_true(slice_is(headers_at(&h, i).name, name));
            assert_true(slice_is(headers_at(&h, i).value, value));
            assert_true(slice_is(h.list[i].value, value));
        }
        headers_reset(&h);
        assert_int_equal(h.count, 0);
        assert_int_equal(headers_bytes(&h), 0);
    }
    headers_clear(&h);
    headers_clear(&h);
    headers_clear(NULL);
}

static void test_values(void **state)
{
    (void)state;
    struct headers h = { 0 };
    headers_add_i64(&h, "zero", 0);
    headers_add_i64(&h, "low", INT64_MIN);
    headers_add_i64(&h, "high", INT64_MAX);
    headers_add(&h, "empty", SLICE(""));
    headers_add(&h, "null", (struct slice){ 0 });
    headers_add(&h, "bytes", SLICE("a\0b"));
    assert_true(slice_is(headers_at(&h, 0).value, "0"));
    assert_true(slice_is(headers_at(&h, 1).value, "-9223372036854775808"));
    assert_true(slice_is(headers_at(&h, 2).value, "9223372036854775807"));
    assert_non_null(headers_at(&h, 3).value.ptr);
    assert_int_equal(headers_at(&h, 3).value.len, 0);
    assert_null(headers_at(&h, 4).value.ptr);
    assert_true(slice_eq(headers_at(&h, 5).value, SLICE("a\0b")));
    headers_clear(&h);
}

static void test_record(void **state)
{
    (void)state;
    struct headers h = { 0 };
    headers_add(&h, "sf-id", SLICE("first"));
    headers_add(&h, "x", SLICE(""));
    headers_add(&h, "none", (struct slice){ 0 });
    headers_add(&h, "sf-id", SLICE("last"));
    const struct record shape = { .topic = "main", .partition = 3, .offset = 77, .timestamp_ms = 5, .has_key = true,
                                  .has_value = true, .key = SLICE("k"), .value = SLICE("{\"v\":1}") };
    struct record *r = record_new(&shape, h.list, h.count);
    headers_clear(&h);
    assert_string_equal(r->topic, "main");
    assert_int_equal(r->partition, 3);
    assert_int_equal(r->offset, 77);
    assert_int_equal(r->timestamp_ms, 5);
    assert_true(r->has_key && r->has_value);
    assert_true(slice_is(r->key, "k"));
    assert_true(slice_is(r->value, "{\"v\":1}"));
    assert_int_equal(r->header_count, 4);
    assert_true(slice_is(record_header(r, "sf-id"), "last"));
    assert_true(slice_is(r->headers[0].value, "first"));
    assert_non_null(record_header(r, "x").ptr);
    assert_null(record_header(r, "none").ptr);
    assert_null(record_header(r, "absent").ptr);
    assert_true(r->bytes >= sizeof *r + 4 * sizeof(struct header) + 8);
    record_free(r);
}

static void test_null_and_empty(void **state)
{
    (void)state;
    const struct record shape = { .topic = "t", .has_value = true, .value = SLICE("") };
    struct record *r = record_new(&shape, NULL, 0);
    assert_false(r->has_key);
    assert_null(r->key.ptr);
    assert_true(r->has_value);
    assert_non_null(r->value.ptr);
    assert_int_equal(r->value.len, 0);
    record_free(r);
    record_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "a header stays readable while others are added", test_many_headers, NULL, NULL, NULL },
        { "numbers, empty and absent values are kept apart", test_values, NULL, NULL, NULL },
        { "a record owns its bytes, and the last of two headers wins", test_record, NULL, NULL, NULL },
        { "a null key and an empty value stay what they are", test_null_and_empty, NULL, NULL, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
