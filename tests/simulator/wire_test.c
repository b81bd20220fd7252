// SPDX-License-Identifier: Apache-2.0
// wire, peek, script and timers: what is recognised, and above all what is not.
#include "wire.h"

#include "peek.h"
#include "script.h"
#include "timers.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void requests_are_recognised_at_every_cut(void **state)
{
    (void)state;
    struct slice whole = SLICE("POST /dedup/send?x=1 HTTP/1.1\r\nHost: h\r\nIDEMPOTENCY-KEY:  k 1 \r\n"
                               "x-sendfleet-id: j\r\nContent-Length: 4\r\n\r\nbodyGET");
    size_t head = whole.len - strlen("bodyGET"), end = whole.len - strlen("GET");
    for (size_t len = 0; len <= whole.len; len++) {
        struct request r;
        enum wire_state want = len < head ? WIRE_HEAD : len < end ? WIRE_BODY : WIRE_COMPLETE;
        enum wire_state got = wire_parse((struct slice){ whole.ptr, len }, &r);
        if (got != want)
            fail_msg("cut at %zu: got %d, want %d", len, got, want);
        if (got != WIRE_COMPLETE)
            continue;
        assert_int_equal(r.total, end);
        assert_true(slice_is(r.method, "POST") && slice_is(r.path, "/dedup/send") &&
                    slice_is(r.query, "x=1"));
        assert_true(slice_is(r.idempotency_key, "k 1") && slice_is(r.job_id, "j") &&
                    slice_is(r.body, "body"));
        assert_true(r.keep_alive);
    }
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int want;
    } rows[] = {
        { "nonsense\r\n\r\n", 400 },
        { "GET / SPDY/3\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nno colon\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n", 413 },
        { "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411 },
        { "\r\n\r\n", 400 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct request r;
        enum wire_state got = wire_parse(slice_of(rows[i].text), &r);
        if (got != WIRE_BAD || r.refusal != rows[i].want)
            fail_msg("row %zu: got %d/%d, want %d", i, got, r.refusal, rows[i].want);
    }
}

static void only_the_jobs_own_members_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *json, *to, *id;
    } rows[] = {
        { "{\"to\":\"a@b\",\"id\":\"1\"}", "a@b", "1" },
        { "{ \"id\" : \"1\" , \"to\" : \"a@b\" }", "a@b", "1" },
        { "{\"vars\":{\"to\":\"x\",\"id\":\"2\"},\"to\":\"a@b\"}", "a@b", NULL },
        { "{\"text\":\"\\\"to\\\":\\\"x\\\"\\\\\",\"to\":\"a@b\"}", "a@b", NULL },
        { "{\"tags\":[\"to\",\"x\"],\"to\":\"a@b\"}", "a@b", NULL },
        { "{\"subject\":\"to\",\"from\":\"x\",\"to\":\"a@b\"}", "a@b", NULL },
        { "{\"v\":1,\"to\":\"a@b\",\"html\":\"cut of", "a@b", NULL },
        { "{\"to\":\"cut of", NULL, NULL },
        { "", NULL, NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct peek p;
        peek_job(slice_of(rows[i].json), &p);
        if (!slice_eq(p.to, slice_of(rows[i].to)) || !slice_eq(p.id, slice_of(rows[i].id)))
            fail_msg("%s: got to %.*s id %.*s", rows[i].json, (int)p.to.len, p.to.ptr, (int)p.id.len,
                     p.id.ptr);
    }
}

static void words_that_are_no_script_are_none(void **state)
{
    (void)state;
    static const char *const wrong[] = { "",        "fail-",        "fail-99",    "fail-600",
                                         "fail-x",  "fail-500-1-1", "flaky-0",    "flaky--1",
                                         "dropped", "slow-1-1",     "newsletter", "accept-1" };
    static const char *const right[] = { "fail",       "fail-404",  "fail-404-2",  "flaky",   "flaky-3",
                                         "throttle-0", "drop-once", "slow",        "slow-50", "hang",
                                         "reset",      "accept",    "throttle-2-3" };
    struct script s;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (script_parse(slice_of(wrong[i]), &s))
            fail_msg("\"%s\" was taken", wrong[i]);
    }
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        if (!script_parse(slice_of(right[i]), &s))
            fail_msg("\"%s\" was not taken", right[i]);
    }
}

static void timers_come_in_order_and_not_early(void **state)
{
    (void)state;
    struct timers t = { 0 };
    uint32_t seed = 1;
    for (int i = 0; i < 1000; i++) {
        seed = seed * 1664525u + 1013904223u;
        timers_add(&t, seed % 5000, seed % 5000);
    }
    int64_t now = 0, due;
    uint64_t what, last = 0;
    int taken = 0;
    while (timers_next(&t, &due)) {
        assert_false(timers_take(&t, due - 1, &what));
        now = due;
        assert_true(timers_take(&t, now, &what));
        assert_true(what >= last && (int64_t)what <= now);
        last = what;
        taken++;
    }
    assert_int_equal(taken, 1000);
    timers_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_recognised_at_every_cut),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(only_the_jobs_own_members_are_found),
        cmocka_unit_test(words_that_are_no_script_are_none),
        cmocka_unit_test(timers_come_in_order_and_not_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
