// SPDX-License-Identifier: Apache-2.0
// One letter as a page: why it is here, in words, and what is hidden.
#include "dlq-inspector/commands/shown.h"
#include "dlq-inspector/explain.h"
#include "dlq-inspector/fields.h"
#include "dlq-inspector/format.h"
#include "tests/dlq-inspector/fixture.h"

#define TRAIL                                                                                                          \
    "[{\"at\":1699999000000,\"gen\":0,\"try\":2,\"worker\":\"w1\",\"transport\":\"smtp\",\"phase\":\"rcpt\","           \
    "\"code\":550,\"enhanced\":\"5.1.1\",\"class\":\"permanent\",\"text\":\"<ada@x.example> unknown\"}]"

static const struct {
    const char *name, *reason, *trail, *want;
} WHY[] = {
    { "a refusal quotes the server, without the address", "permanent", TRAIL,
      "The last attempt (try 2, smtp, phase rcpt, worker w1) at 2023-11-14T21:56:40.000Z was refused for good: "
      "550 5.1.1 <a***@x.example> unknown." },
    { "a detail is added", "exhausted: 12 attempts", TRAIL,
      "The last attempt (try 2, smtp, phase rcpt, worker w1) at 2023-11-14T21:56:40.000Z failed and was the last one "
      "allowed: 550 5.1.1 <a***@x.example> unknown. Detail: 12 attempts." },
    { "a letter that was never tried says so", "expired: deadline passed in the queue", NULL,
      "No attempt was made: deadline passed in the queue." },
    { "an invalid record was not tried, whatever trail it brought", "invalid: byte 17: expected ':'", TRAIL,
      "No attempt was made: byte 17: expected ':'." },
    { "an unknown outcome is not called a failure", "unknown", TRAIL,
      "The last attempt (try 2, smtp, phase rcpt, worker w1) at 2023-11-14T21:56:40.000Z was completely written and "
      "never answered: 550 5.1.1 <a***@x.example> unknown." },
};

static void says_why(void **state)
{
    (void)state;
    struct letter l = { 0 };
    for (size_t i = 0; i < sizeof WHY / sizeof WHY[0]; i++) {
        const struct sample sample = { .id = "j", .reason = WHY[i].reason, .trail = WHY[i].trail };
        struct record *r = sample_record(&sample);
        struct buf out = { 0 };
        letter_read(&l, r);
        explain_why(&l, false, &out);
        expect_text(WHY[i].name, buf_slice(&out), WHY[i].want);
        assert_true(strlen(explain_remedy(l.reason)) > 0);
        buf_clear(&out);
        record_free(r);
    }
    letter_clear(&l);
}

static void put_field(void *arg, const struct field *field)
{
    struct buf *out = arg;
    buf_put_slice(out, field->name);
    buf_putc(out, '=');
    buf_put_slice(out, field->value);
    buf_putc(out, '\n');
}

static void hides_content(void **state)
{
    (void)state;
    struct buf out = { 0 };
    struct slice value = SLICE("{\"id\":\"j\",\"to\":\"Ada <ada@x.example>\",\"subject\":\"Your code 1234\",\"v\":1,"
                               "\"metadata\":{\"card\":\"4111\"},\"idempotency_key\":\"welcome:ada@x.example\",\"pin\":\"77\"}");
    assert_true(fields_each(value, false, put_field, &out));
    expect_text("masked", buf_slice(&out),
                "id=j\nto=a***@x.example\nsubject=(14 bytes; --reveal shows them)\nv=1\n"
                "metadata=(15 bytes; --reveal shows them)\nidempotency_key=welcome:a***@x.example\n"
                "pin=(2 bytes; --reveal shows them)\n");
    buf_reset(&out);
    assert_true(fields_each(value, true, put_field, &out));
    assert_non_null(strstr(out.data, "subject=Your code 1234\n"));
    assert_false(fields_each(SLICE("[1]"), false, put_field, &out));
    assert_false(fields_each((struct slice){ 0 }, false, put_field, &out));
    buf_clear(&out);
}

static void whole_page(void **state)
{
    (void)state;
    const struct sample sample = {
        .id = "j", .generation = "1", .reason = "permanent", .trail = TRAIL, .response = "550 one\r\n550 ada@x.example two\n",
        .value = "{\"to\":\"ada@x.example\",\"text\":\"secret words\"}", .age_ms = 90000,
    };
    struct session session = { .now_ms = NOW_MS, .width = 80 };
    struct record *r = sample_record(&sample);
    struct shown shown = { .session = &session };
    struct letter l = { 0 };
    struct buf out = { 0 };
    letter_read(&l, r);
    shown_text(&shown, &l, &out);
    shown_json(&shown, &l, &out);
    const char *const wanted[] = { "j, generation 1: permanent, open\n", "(1m30s ago)\n", "  550 a***@x.example two\n",
                                   "\"state\":\"open\"", "\"reason\":\"permanent\"", "0/2", NULL };
    for (int i = 0; wanted[i] != NULL; i++)
        if (strstr(out.data, wanted[i]) == NULL)
            fail_msg("got a page without \"%s\":\n%s", wanted[i], out.data);
    if (strstr(out.data, "ada@") != NULL || strstr(out.data, "secret") != NULL)
        fail_msg("got a page that shows what it should hide:\n%s", out.data);
    buf_clear(&out);
    letter_clear(&l);
    record_free(r);
}

static const struct {
    int64_t ms;
    const char *age, *span;
} TIMES[] = {
    { 0, "0s", "0s" },
    { 999, "0s", "999ms" },
    { 59999, "59s", "59s" },
    { 90000, "1m", "1m30s" },
    { 7500000, "2h", "2h5m" },
    { 100000000, "27h", "1d3h" },
    { 800000000, "9d", "9d6h" },
    { -5, "0s", "-5ms" },
};

static void times(void **state)
{
    (void)state;
    char out[FORMAT_COUNT_SIZE];
    for (size_t i = 0; i < sizeof TIMES / sizeof TIMES[0]; i++) {
        expect_text("age", slice_of(format_age(TIMES[i].ms, out)), TIMES[i].age);
        expect_text("span", slice_of(format_span(TIMES[i].ms, out)), TIMES[i].span);
    }
    expect_text("count", slice_of(format_count(1234567, out)), "1,234,567");
    expect_text("count", slice_of(format_count(-999, out)), "-999");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_why),
        cmocka_unit_test(hides_content),
        cmocka_unit_test(whole_page),
        cmocka_unit_test(times),
    };
    return cmocka_run_group_tests_name("shown", tests, NULL, NULL);
}
