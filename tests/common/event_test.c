// SPDX-License-Identifier: Apache-2.0
// event: the exact text of an event, and which events are the same step.
#include "common/event.h"

#include "common/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void test_full(void **state)
{
    (void)state;
    const struct event ev = {
        .type = EVENT_WAITING, .at_ms = 10, .job = SLICE("j\"1"), .worker = SLICE("w"), .route = SLICE("mail"),
        .transport = SLICE("smtp"), .epoch = { 1, 2 }, .attempt = 3, .source_topic = "sf.main", .source_partition = 4,
        .source_offset = 55, .source_ms = 6, .first_seen_ms = 7, .wait = WAIT_RETRY, .due_ms = 8, .tier = SLICE("5s"),
        .class = FAILURE_TRANSIENT, .code = 451, .phase = SLICE("data"), .enhanced = SLICE("4.3.0"), .rule = SLICE("r"),
        .text = SLICE("t\n"), .reason = SLICE("why"), .detail = SLICE("d"), .provider_id = SLICE("p"),
        .duplicate_of = SLICE("o"), .attempt_us = 9, .lateness_ms = 0, .unfenced = true, .refiled = true,
    };
    struct buf out = { 0 };
    event_format(&ev, &out);
    struct json_doc doc = { 0 };
    assert_true(json_parse(&doc, out.data, out.len, NULL));
    struct slice id = json_raw(&doc, json_member(&doc, 0, "id"));
    assert_int_equal(id.len, 16);
    struct buf want = { 0 };
    buf_printf(&want,
               "{\"v\":1,\"event\":\"waiting\",\"id\":\"%.*s\",\"job\":\"j\\\"1\",\"at\":10,\"worker\":\"w\",\"route\":\"mail\","
               "\"transport\":\"smtp\",\"gen\":1,\"try\":2,\"attempt\":3,\"source\":\"sf.main-4-55\",\"source_at\":6,"
               "\"first_seen\":7,\"wait\":\"retry\",\"due\":8,\"tier\":\"5s\",\"class\":\"transient\",\"code\":451,"
               "\"phase\":\"data\",\"enhanced\":\"4.3.0\",\"rule\":\"r\",\"text\":\"t\\n\",\"reason\":\"why\",\"detail\":\"d\","
               "\"provider_id\":\"p\",\"duplicate_of\":\"o\",\"attempt_us\":9,\"lateness_ms\":0,\"unfenced\":true,"
               "\"refiled\":true}",
               (int)id.len, id.ptr);
    assert_string_equal(out.data, want.data);
    buf_clear(&want);
    buf_clear(&out);
    json_clear(&doc);
}

static void test_small(void **state)
{
    (void)state;
    struct buf out = { 0 };
    event_format(&(struct event){ .type = EVENT_ACCEPTED, .at_ms = 1, .job = SLICE("j"), .lateness_ms = -1 }, &out);
    const char *rest = strstr(out.data, "\",\"job\"");
    assert_non_null(rest);
    assert_string_equal(rest, "\",\"job\":\"j\",\"at\":1,\"gen\":0,\"try\":0}");
    buf_clear(&out);
}

static struct slice id_of(const struct event *ev, struct buf *out)
{
    buf_reset(out);
    event_format(ev, out);
    const char *id = strstr(out->data, "\"id\":\"") + 6;
    return (struct slice){ id, 16 };
}

static void test_ids(void **state)
{
    (void)state;
    const struct event base = { .type = EVENT_WAITING, .job = SLICE("job-1"), .wait = WAIT_RETRY, .epoch = { 1, 2 } };
    struct event refiled = base, other[6] = { base, base, base, base, base, base };
    refiled.at_ms = 99;
    refiled.worker = SLICE("another");
    refiled.refiled = true;
    other[0].job = SLICE("job-2");
    other[1].epoch.generation = 2;
    other[2].epoch.try_no = 1;
    other[3].type = EVENT_UNKNOWN;
    other[4].wait = WAIT_BUSY;
    other[5].epoch = (struct epoch){ 2, 1 };
    struct buf a = { 0 }, b = { 0 };
    struct slice id = id_of(&base, &a);
    assert_true(slice_eq(id, id_of(&refiled, &b)));
    for (int i = 0; i < 6; i++)
        if (slice_eq(id, id_of(&other[i], &b)))
            fail_msg("variant %d: got the same id, want another one", i);
    struct event start = { .type = EVENT_WORKER, .worker = SLICE("w"), .at_ms = 5 }, stop = start;
    stop.at_ms = 6;
    id = id_of(&start, &a);
    assert_false(slice_eq(id, id_of(&stop, &b)));
    buf_clear(&a);
    buf_clear(&b);
}

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < EVENT_TYPE_COUNT; i++) {
        enum event_type t = EVENT_TYPE_COUNT;
        assert_true(event_parse_name(slice_of(event_name((enum event_type)i)), &t));
        assert_int_equal(t, i);
    }
    enum event_type t;
    assert_false(event_parse_name(SLICE("delivered"), &t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "an event has every member under its name", test_full, NULL, NULL, NULL },
        { "what is absent is left out", test_small, NULL, NULL, NULL },
        { "the same step has the same id, any other one another", test_ids, NULL, NULL, NULL },
        { "every type has its name, and none is called delivered", test_names, NULL, NULL, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
