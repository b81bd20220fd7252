// SPDX-License-Identifier: Apache-2.0
// The parts of the HTTP transport that need no peer: reading replies, waits, and which addresses are public.
#include "worker/transport/http.h"
#include "worker/transport/http_wait.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1763719200000) // 2025-11-21T10:00:00Z

static void resets_are_read_in_every_form(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *date;
        int64_t want_ms;
    } cases[] = {
        { "seconds from now", "30", NULL, 30000 },
        { "fractions", "0.5", NULL, 500 },
        { "an epoch", "1763719245", NULL, 45000 },
        { "an epoch by their clock", "1763719245", "Fri, 21 Nov 2025 10:00:40 GMT", 5000 },
        { "an epoch in milliseconds", "1763719200250", NULL, 250 },
        { "an epoch that is over", "1763719000", NULL, 0 },
        { "a date", "Fri, 21 Nov 2025 10:01:00 GMT", NULL, 60000 },
        { "a list", "limit=100, remaining=0, reset=12", NULL, 12000 },
        { "a structured field", "\"default\";r=0;t=9", NULL, 9000 },
        { "a negative number", "-3", NULL, 0 },
        { "nonsense", "soon", NULL, -1 },
        { "nothing", "", NULL, -1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t got = http_reset_ms(cases[i].value, cases[i].date, NOW_MS);
        if (got != cases[i].want_ms)
            fail_msg("%s: got %lld, want %lld", cases[i].name, (long long)got, (long long)cases[i].want_ms);
    }
}

static void waits_are_read_in_every_form(void **state)
{
    (void)state;
    static const struct {
        const char *name, *after, *after_ms, *date;
        int64_t want_ms;
    } cases[] = {
        { "nobody asked", NULL, NULL, NULL, -1 },
        { "seconds", "120", NULL, NULL, 120000 },
        { "no wait at all", "0", NULL, NULL, 0 },
        { "fractions", "1.5", NULL, NULL, 1500 },
        { "milliseconds win", "7", "250", NULL, 250 },
        { "broken milliseconds do not", "7", "soon", NULL, 7000 },
        { "a date by our clock", "Fri, 21 Nov 2025 10:01:00 GMT", NULL, NULL, 60000 },
        { "a date by their clock", "Fri, 21 Nov 2025 10:01:00 GMT", NULL, "Fri, 21 Nov 2025 10:00:58 GMT",
          2000 },
        { "a date in the past", "Fri, 21 Nov 2025 09:00:00 GMT", NULL, NULL, 0 },
        { "nonsense", "later", NULL, NULL, -1 },
        { "a negative number", "-5", NULL, NULL, 0 },
        { "more than a year", "99999999999999999999", NULL, NULL, HTTP_WAIT_MAX_MS },
        { "not a number", "nan", NULL, NULL, -1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t got = http_wait_ms(cases[i].after, cases[i].after_ms, cases[i].date, NOW_MS);
        if (got != cases[i].want_ms)
            fail_msg("%s: got %lld, want %lld", cases[i].name, (long long)got, (long long)cases[i].want_ms);
    }
}

static void replies_say_why_and_what_for(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int status;
        const char *body, *text, *id;
    } cases[] = {
        { "an id", 200, "{\"id\":\"a\"}", "HTTP 200", "a" },
        { "a number as id", 200, "{\"id\":17}", "HTTP 200", "17" },
        { "the other name of it", 202, " {\"x\":1}", "HTTP 202", "" },
        { "message_id", 202, "{\"message_id\":\"<m@x>\",\"message\":\"Queued.\"}", "Queued.", "<m@x>" },
        { "an id that would break a line", 200, "{\"id\":\"a\\r\\nb\"}", "HTTP 200", "a b" },
        { "a refusal has no id", 400, "{\"id\":\"a\",\"message\":\"bad\"}", "bad", "" },
        { "error as text", 400, "{\"error\":\"bad from\"}", "bad from", "" },
        { "error as object", 400, "{\"error\":{\"message\":\"nested\"}}", "nested", "" },
        { "errors as a list of objects", 400,
          "{\"errors\":[{\"message\":\"first\"},{\"message\":\"second\"}]}", "first", "" },
        { "errors as a list of texts", 400, "{\"errors\":[\"first\",\"second\"]}", "first", "" },
        { "an empty list", 400, "{\"errors\":[]}", "{\"errors\":[]}", "" },
        { "problem details", 422, "{\"type\":\"x\",\"title\":\"Unprocessable\",\"detail\":\"no subject\"}",
          "no subject", "" },
        { "plain text", 500, "\n  oops\tit broke \nsecond line", "oops it broke", "" },
        { "control characters", 500, "a\x01\x7f\xc2\x85z", "a z", "" },
        { "bytes that are no text", 500, "caf\xe9", "caf?", "" },
        { "broken JSON", 500, "{\"message\":", "{\"message\":", "" },
        { "nothing", 503, "", "HTTP 503", "" },
    };
    struct transport t = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct outcome o = { 0 };
        struct http_reply r = { .status = cases[i].status, .body = slice_of(cases[i].body), .whole = true };
        http_reply_read(&t, &r, NOW_MS, &o);
        if (strcmp(o.text, cases[i].text) != 0 || strcmp(o.provider_id, cases[i].id) != 0)
            fail_msg("%s: got \"%s\" \"%s\", want \"%s\" \"%s\"", cases[i].name, o.text, o.provider_id,
                     cases[i].text, cases[i].id);
    }
    json_clear(&t.doc);
    buf_clear(&t.scratch);
}

static void long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    char body[2000];
    for (size_t i = 0; i + 3 < sizeof body; i += 3)
        memcpy(body + i, "\xe2\x82\xac", 3);
    struct transport t = { 0 };
    struct outcome o = { 0 };
    struct http_reply r = { .status = 400, .body = { body, 1998 }, .whole = true };
    http_reply_read(&t, &r, NOW_MS, &o);
    assert_int_equal(strlen(o.text), 300);
}

static void only_public_addresses_pass_the_guard(void **state)
{
    (void)state;
    static const struct {
        const char *address, *kind;
    } cases[] = {
        { "127.0.0.1", "loopback" },
        { "127.255.255.255", "loopback" },
        { "10.1.2.3", "private" },
        { "172.15.255.255", NULL },
        { "172.16.0.0", "private" },
        { "172.31.255.255", "private" },
        { "172.32.0.0", NULL },
        { "192.168.7.7", "private" },
        { "169.254.169.254", "link-local" },
        { "100.63.255.255", NULL },
        { "100.64.0.1", "carrier-grade NAT" },
        { "100.128.0.0", NULL },
        { "0.0.0.0", "this network" },
        { "224.0.0.1", "multicast" },
        { "239.255.255.255", "multicast" },
        { "255.255.255.255", "reserved" },
        { "198.19.0.1", "benchmarking" },
        { "8.8.8.8", NULL },
        { "192.0.2.1", "documentation" },
        { "::1", "loopback" },
        { "::", "unspecified" },
        { "::ffff:10.0.0.1", "private" },
        { "::ffff:8.8.8.8", NULL },
        { "::127.0.0.1", "unspecified" },
        { "64:ff9b::7f00:1", "loopback" },
        { "64:ff9b::808:808", NULL },
        { "2002:a00:1::", "private" },
        { "2002:808:808::", NULL },
        { "fc00::1", "unique local" },
        { "fdff::1", "unique local" },
        { "fe80::1", "link-local" },
        { "febf::1", "link-local" },
        { "ff02::1", "multicast" },
        { "2001:db8::1", "documentation" },
        { "2606:4700::1111", NULL },
        { "2001:0:1::1", "Teredo" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sockaddr_in v4 = { .sin_family = AF_INET };
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
        bool is_v4 = inet_pton(AF_INET, cases[i].address, &v4.sin_addr) == 1;
        if (!is_v4)
            assert_int_equal(inet_pton(AF_INET6, cases[i].address, &v6.sin6_addr), 1);
        const char *got = http_guard(is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6);
        const char *want = cases[i].kind;
        if ((got == NULL) != (want == NULL) || (want != NULL && strcmp(got, want) != 0))
            fail_msg("%s: got %s, want %s", cases[i].address, got != NULL ? got : "public",
                     want != NULL ? want : "public");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_are_read_in_every_form),
        cmocka_unit_test(resets_are_read_in_every_form),
        cmocka_unit_test(replies_say_why_and_what_for),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(only_public_addresses_pass_the_guard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
