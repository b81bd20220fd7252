// SPDX-License-Identifier: Apache-2.0
// envelope: what one worker writes, the next one reads; what somebody else damaged is refused by name.
#include "common/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct envelope FULL = {
    .id = "order-1",
    .epoch = { 2, 7 },
    .attempt = 5,
    .due_ms = 1763700000123,
    .first_seen_ms = 1763600000000,
    .expires_ms = 1763800000000,
    .wait = WAIT_THROTTLED,
    .class = FAILURE_MAILBOX_BUSY,
    .code = 450,
    .rcpt = "0123456789abcdef0123456789abcdef",
    .lane = { "bulk", 4 },
    .reason = { "exhausted", 9 },
    .replay = { "by ann", 6 },
    .origin = { "main-0-17", 9 },
    .approval = { "approved", 8 },
    .trail = { "[{\"try\":1}]", 11 },
    .response = { "450 4.2.2\r\nbusy", 15 },
    .traceparent = { "00-ab-cd-01", 11 },
};

static const char *value_of(const struct headers *h, const char *name)
{
    static char text[64];
    for (size_t i = h->count; i-- > 0;) {
        if (!slice_is(h->list[i].name, name))
            continue;
        snprintf(text, sizeof text, "%.*s", (int)h->list[i].value.len, h->list[i].value.ptr);
        return text;
    }
    return NULL;
}

static void test_round_trip(void **state)
{
    (void)state;
    const struct header foreign[] = {
        { SLICE("content-type"), SLICE("application/json") },
        { SLICE("sf-try"), SLICE("99") }, // ours: not copied, it is written from the fields
        { SLICE("sf-future"), SLICE("x") },
        { SLICE("content-type"), SLICE("again") },
        { SLICE("null"), { NULL, 0 } },
    };
    struct envelope env = FULL, back;
    env.others = foreign;
    env.other_count = 5;
    struct headers h = { 0 };
    struct err e = { 0 };
    envelope_write(&env, &h);
    assert_int_equal(h.count, 19 + 4);
    assert_string_equal(value_of(&h, "sf-generation"), "2");
    assert_string_equal(value_of(&h, "sf-try"), "7");
    assert_string_equal(value_of(&h, "sf-wait"), "throttled");
    assert_string_equal(value_of(&h, "sf-class"), "mailbox_busy");
    assert_string_equal(value_of(&h, "sf-due"), "1763700000123");
    if (!envelope_read(&back, h.list, h.count, &e))
        fail_msg("got \"%s\", want success", e.text);
    assert_string_equal(back.id, env.id);
    assert_int_equal(epoch_compare(back.epoch, env.epoch), 0);
    assert_int_equal(back.attempt, 5);
    assert_true(back.due_ms == env.due_ms && back.first_seen_ms == env.first_seen_ms && back.expires_ms == env.expires_ms);
    assert_true(back.wait == env.wait && back.class == env.class && back.code == env.code);
    assert_string_equal(back.rcpt, env.rcpt);
    assert_true(slice_eq(back.lane, env.lane) && slice_eq(back.reason, env.reason) && slice_eq(back.replay, env.replay));
    assert_true(slice_eq(back.origin, env.origin) && slice_eq(back.approval, env.approval));
    assert_true(slice_eq(back.trail, env.trail) && slice_eq(back.response, env.response));
    assert_true(slice_eq(back.traceparent, env.traceparent));
    struct headers again = { 0 };
    envelope_write(&back, &again);
    assert_int_equal(again.count, h.count);
    assert_string_equal(value_of(&again, "sf-future"), "x");
    assert_string_equal(value_of(&again, "content-type"), "again");
    headers_clear(&again);
    headers_clear(&h);
}

static void test_empty(void **state)
{
    (void)state;
    struct envelope env;
    memset(&env, 0x5a, sizeof env);
    assert_true(envelope_read(&env, NULL, 0, NULL));
    assert_string_equal(env.id, "");
    assert_int_equal(env.epoch.generation + env.epoch.try_no + env.attempt, 0);
    assert_int_equal(env.wait, WAIT_NONE);
    assert_null(env.trail.ptr);
    struct headers h = { 0 };
    envelope_write(&env, &h);
    assert_int_equal(h.count, 0);
    headers_clear(&h);
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *want;
    } bad[] = {
        { "sf-id", "", "header sf-id: is empty" },
        { "sf-id", "a b", "header sf-id: has to be printable ASCII without spaces" },
        { "sf-id", "a\xc3\xa9", "header sf-id: has to be printable ASCII without spaces" },
        { "sf-try", "", "header sf-try: is not a decimal number" },
        { "sf-try", "-1", "header sf-try: is not a decimal number" },
        { "sf-try", "1 ", "header sf-try: is not a decimal number" },
        { "sf-try", "0x1", "header sf-try: is not a decimal number" },
        { "sf-try", "1000001", "header sf-try: is too large" },
        { "sf-generation", "99999999999999999999999", "header sf-generation: is not a decimal number" },
        { "sf-attempt", "one", "header sf-attempt: is not a decimal number" },
        { "sf-due", "253402300800000", "header sf-due: is too large" },
        { "sf-first-seen", "1.5", "header sf-first-seen: is not a decimal number" },
        { "sf-expires", "\x01\x02", "header sf-expires: is not a decimal number" },
        { "sf-wait", "forever", "header sf-wait: is not a known kind of waiting" },
        { "sf-class", "bad", "header sf-class: is not a known failure class" },
        { "sf-code", "1000", "header sf-code: is too large" },
        { "sf-rcpt", "ann@b.example", "header sf-rcpt: is not a hash of 32 hexadecimal digits" },
        { "sf-rcpt", "0123456789ABCDEF0123456789abcdef", "header sf-rcpt: is not a hash of 32 hexadecimal digits" },
        { "sf-reason", "a\nb", "header sf-reason: contains a control character" },
        { "sf-trail", "a\x01", "header sf-trail: contains a control character" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct header h = { slice_of(bad[i].name), slice_of(bad[i].value) };
        struct envelope env = { .attempt = 3 };
        struct err e = { 0 };
        if (envelope_read(&env, &h, 1, &e))
            fail_msg("%s=%s: got success, want \"%s\"", bad[i].name, bad[i].value, bad[i].want);
        if (strcmp(e.text, bad[i].want) != 0 || e.kind != ERR_INPUT)
            fail_msg("%s=%s: got \"%s\", want \"%s\"", bad[i].name, bad[i].value, e.text, bad[i].want);
        assert_int_equal(env.attempt, 3); // untouched
    }
    const struct header null = { SLICE("sf-try"), { NULL, 0 } };
    struct envelope env;
    assert_false(envelope_read(&env, &null, 1, NULL));
}

static void test_limits(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t most;
    } cases[] = {
        { "sf-id", ENVELOPE_ID_SIZE - 1 },
        { "sf-trail", ENVELOPE_TRAIL_MAX },
        { "sf-response", ENVELOPE_RESPONSE_MAX },
        { "foreign", ENVELOPE_FOREIGN_MAX - 7 },
        { "traceparent", ENVELOPE_FOREIGN_MAX - 11 },
    };
    static char bytes[ENVELOPE_MAX];
    memset(bytes, 'x', sizeof bytes);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct envelope env;
        struct header h = { slice_of(cases[i].name), { bytes, cases[i].most } };
        if (!envelope_read(&env, &h, 1, NULL))
            fail_msg("%s of %zu bytes: got refused, want accepted", cases[i].name, cases[i].most);
        h.value.len++;
        if (envelope_read(&env, &h, 1, NULL))
            fail_msg("%s of %zu bytes: got accepted, want refused", cases[i].name, cases[i].most + 1);
    }
}

static void test_writes_readably(void **state)
{
    (void)state;
    struct buf junk = { 0 };
    for (int i = 0; i < 40000; i++)
        buf_puts(&junk, i % 7 == 0 ? "\n" : "\xc3\xa9");
    static char bytes[ENVELOPE_FOREIGN_MAX - 1];
    memset(bytes, 'x', sizeof bytes);
    const struct header foreign[] = { { SLICE("x"), { bytes, sizeof bytes } }, { SLICE("y"), SLICE("one too many") } };
    struct slice text = buf_slice(&junk);
    struct envelope env = { .epoch = { UINT32_MAX, UINT32_MAX }, .attempt = UINT32_MAX, .due_ms = INT64_MAX,
                            .first_seen_ms = INT64_MAX, .expires_ms = INT64_MAX, .wait = WAIT_SCHEDULED,
                            .class = FAILURE_MAILBOX_BUSY, .code = 5000, .lane = text, .reason = text, .replay = text,
                            .origin = text, .approval = text, .trail = text, .response = text, .others = foreign,
                            .other_count = 2 };
    memset(env.id, 'i', sizeof env.id - 1);
    memset(env.rcpt, 'a', sizeof env.rcpt - 1);
    struct headers h = { 0 };
    struct envelope back;
    struct err e = { 0 };
    envelope_write(&env, &h);
    assert_true(headers_bytes(&h) <= ENVELOPE_MAX);
    if (!envelope_read(&back, h.list, h.count, &e))
        fail_msg("got \"%s\", want success", e.text);
    assert_memory_equal(back.reason.ptr, " \xc3\xa9", 3);
    headers_clear(&h);
    buf_clear(&junk);
}

static void test_epochs(void **state)
{
    (void)state;
    static const struct epoch ascending[] = { { 0, 0 }, { 0, 1 }, { 0, 900000 }, { 1, 0 }, { 1, 1 }, { 2, 0 } };
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++)
            assert_int_equal(epoch_compare(ascending[i], ascending[j]), (i > j) - (i < j));
}

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < WAIT_KIND_COUNT; i++) {
        enum wait_kind w = WAIT_KIND_COUNT;
        assert_true(wait_parse(slice_of(wait_name((enum wait_kind)i)), &w));
        assert_int_equal(w, i);
    }
    enum wait_kind w;
    assert_false(wait_parse(SLICE(""), &w));
    assert_false(wait_parse(SLICE("Retry"), &w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "what is written is read back, foreign headers included", test_round_trip, NULL, NULL, NULL },
        { "a record without headers is a new job", test_empty, NULL, NULL, NULL },
        { "a damaged header is refused by name", test_refuses, NULL, NULL, NULL },
        { "every header has its limit", test_limits, NULL, NULL, NULL },
        { "whatever is put in, what is written can be read", test_writes_readably, NULL, NULL, NULL },
        { "a later generation or try is newer", test_epochs, NULL, NULL, NULL },
        { "every kind of waiting has its name", test_names, NULL, NULL, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
