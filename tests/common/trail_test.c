// SPDX-License-Identifier: Apache-2.0
// trail: entries as they are written, and a list that never grows over its limit or loses its ends.
#include "common/trail.h"

#include "common/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void test_format(void **state)
{
    (void)state;
    struct buf out = { 0 };
    const struct trail_entry full = { .at_ms = 1763700000000, .generation = 0, .try_no = 2, .worker = SLICE("w1"),
                                      .transport = SLICE("smtp"), .phase = SLICE("rcpt"), .code = 450,
                                      .enhanced = SLICE("4.2.2"), .class = FAILURE_MAILBOX_BUSY, .rule = SLICE("smtp-4xx"),
                                      .text = SLICE("busy\r\n\"now\"\x7f") };
    trail_format(&full, &out);
    assert_string_equal(out.data, "{\"at\":1763700000000,\"gen\":0,\"try\":2,\"worker\":\"w1\",\"transport\":\"smtp\","
                                  "\"phase\":\"rcpt\",\"code\":450,\"enhanced\":\"4.2.2\",\"class\":\"mailbox_busy\","
                                  "\"rule\":\"smtp-4xx\",\"text\":\"busy  \\\"now\\\" \"}");
    buf_reset(&out);
    trail_format(&(struct trail_entry){ .at_ms = 5 }, &out);
    assert_string_equal(out.data, "{\"at\":5,\"gen\":0,\"try\":0}");
    buf_clear(&out);
}

static void test_cut(void **state)
{
    (void)state;
    struct buf text = { 0 }, out = { 0 };
    for (int shift = 0; shift < 4; shift++) { // the limit falls on each byte of a character once
        buf_reset(&text);
        buf_reset(&out);
        buf_put(&text, "abc", (size_t)shift);
        for (int i = 0; i < 200; i++)
            buf_puts(&text, "\xf0\x9f\x98\x80");
        trail_format(&(struct trail_entry){ .at_ms = 1, .text = buf_slice(&text) }, &out);
        struct json_doc doc = { 0 };
        assert_true(json_parse(&doc, out.data, out.len, NULL));
        struct slice got = json_raw(&doc, json_member(&doc, 0, "text"));
        size_t want = (size_t)shift + (size_t)(TRAIL_TEXT_MAX - shift) / 4 * 4;
        if (got.len != want || memcmp(got.ptr, text.data, got.len) != 0)
            fail_msg("shift %d: got %zu bytes, want %zu", shift, got.len, want);
        json_clear(&doc);
    }
    buf_reset(&out);
    trail_format(&(struct trail_entry){ .text = SLICE("\xff\xfe bad") }, &out);
    assert_non_null(strstr(out.data, "\xef\xbf\xbd\xef\xbf\xbd bad"));
    buf_clear(&text);
    buf_clear(&out);
}

static void test_append(void **state)
{
    (void)state;
    static const struct {
        const char *trail, *want;
    } cases[] = {
        { NULL, "[{\"n\":1}]" },
        { "", "[{\"n\":1}]" },
        { "[]", "[{\"n\":1}]" },
        { "[{\"a\":0}]", "[{\"a\":0},{\"n\":1}]" },
        { " [ {\"a\":0} , {\"b\":[1]} ] ", "[{\"a\":0},{\"b\":[1]},{\"n\":1}]" },
        { "[{\"a\":0},{\"omitted\":7},{\"b\":0}]", "[{\"a\":0},{\"omitted\":7},{\"b\":0},{\"n\":1}]" },
        { "[{\"a\":0},{\"omitted\":-7}]", "[{\"a\":0},{\"omitted\":-7},{\"n\":1}]" },
        { "[{\"a\":0},{\"omitted\":99999999999999}]", "[{\"a\":0},{\"omitted\":99999999999999},{\"n\":1}]" },
        { "[{\"a\":0},5]", "[{\"n\":1}]" },
        { "[{\"a\":0}", "[{\"n\":1}]" },
        { "{\"a\":0}", "[{\"n\":1}]" },
        { "garbage", "[{\"n\":1}]" },
    };
    struct buf out = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buf_reset(&out);
        trail_append(slice_of(cases[i].trail), SLICE("{\"n\":1}"), &out);
        if (strcmp(out.data, cases[i].want) != 0)
            fail_msg("%s: got %s, want %s", cases[i].trail, out.data, cases[i].want);
    }
    buf_clear(&out);
}

static int64_t number(const struct json_doc *doc, uint32_t object, const char *name)
{
    int64_t n = -1;
    uint32_t index = json_member(doc, object, name);
    return index != 0 && json_int(doc, index, &n) ? n : -1;
}

static void test_full(void **state)
{
    (void)state;
    struct buf trail = { 0 }, next = { 0 }, entry = { 0 };
    char text[400];
    memset(text, 't', sizeof text);
    for (int i = 0; i < 1000; i++) {
        buf_reset(&entry);
        buf_reset(&next);
        trail_format(&(struct trail_entry){ .at_ms = i, .try_no = (uint32_t)i, .text = { text, (size_t)(i % 400) } }, &entry);
        trail_append(buf_slice(&trail), buf_slice(&entry), &next);
        if (next.len > TRAIL_MAX)
            fail_msg("entry %d: got %zu bytes, want at most %d", i, next.len, TRAIL_MAX);
        struct buf swap = trail;
        trail = next;
        next = swap;
    }
    assert_true(trail.len > TRAIL_MAX / 2); // what fits is kept
    struct json_doc doc = { 0 };
    assert_true(json_parse(&doc, trail.data, trail.len, NULL));
    uint32_t second = doc.tokens[1].next;
    assert_int_equal(number(&doc, 1, "try"), 0);
    int64_t omitted = number(&doc, second, "omitted"), kept = 1, previous = omitted;
    assert_true(omitted > 0);
    for (uint32_t i = doc.tokens[second].next; i < doc.count; i = doc.tokens[i].next, kept++) {
        assert_int_equal(number(&doc, i, "try"), previous + 1);
        previous = number(&doc, i, "try");
    }
    assert_int_equal(previous, 999);
    assert_int_equal(kept + omitted, 1000);
    json_clear(&doc);
    buf_clear(&trail);
    buf_clear(&next);
    buf_clear(&entry);
}

static void test_huge_first(void **state)
{
    (void)state;
    struct buf trail = { 0 }, out = { 0 };
    buf_puts(&trail, "[{\"x\":\"");
    for (int i = 0; i < 3000; i++)
        buf_puts(&trail, "123456789 ");
    buf_puts(&trail, "\"},{\"b\":1}]");
    trail_append(buf_slice(&trail), SLICE("{\"n\":1}"), &out);
    assert_string_equal(out.data, "[{\"n\":1},{\"omitted\":2}]");
    buf_clear(&trail);
    buf_clear(&out);
}

static void test_finds_how_an_attempt_ended(void **state)
{
    (void)state;
    static const struct {
        const char *trail;
        bool want;
    } cases[] = {
        { "[{\"gen\":1,\"class\":\"unknown\"}]", true },
        { "[{\"gen\":1,\"class\":\"transient\"},{\"omitted\":3},{\"gen\":1,\"class\":\"unknown\"}]", true },
        { "[{\"gen\":0,\"class\":\"unknown\"}]", false }, // another generation
        { "[{\"gen\":1,\"class\":\"permanent\",\"text\":\"user unknown\"}]", false },
        { "[{\"gen\":1,\"class\":\"unknown\"", false }, // broken: no trail
        { "", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (trail_has(slice_of(cases[i].trail), 1, FAILURE_UNKNOWN) != cases[i].want)
            fail_msg("%s: got %d, want %d", cases[i].trail, !cases[i].want, cases[i].want);
    assert_false(trail_has((struct slice){ 0 }, 1, FAILURE_UNKNOWN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "an entry names what happened and leaves out the rest", test_format, NULL, NULL, NULL },
        { "text is cut between characters", test_cut, NULL, NULL, NULL },
        { "a broken trail counts as empty", test_append, NULL, NULL, NULL },
        { "a full trail keeps its first and its last entries", test_full, NULL, NULL, NULL },
        { "a foreign entry that cannot fit is left out", test_huge_first, NULL, NULL, NULL },
        cmocka_unit_test(test_finds_how_an_attempt_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
