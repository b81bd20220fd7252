// SPDX-License-Identifier: Apache-2.0
// json: what is accepted, what is refused and where, and what the tokens say afterwards.
#include "common/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static bool parse(struct json_doc *doc, const char *text, struct err *e)
{
    // A copy without a NUL behind it, so that Asan sees a read past the end.
    size_t len = strlen(text);
    static char *copy;
    free(copy);
    copy = malloc(len > 0 ? len : 1);
    memcpy(copy, text, len);
    bool ok = json_parse(doc, copy, len, e);
    if (text[0] == '\0') { // the last call of a test
        free(copy);
        copy = NULL;
    }
    return ok;
}

static void release(struct json_doc *doc)
{
    assert_false(parse(doc, "", NULL));
    json_clear(doc);
}

static void test_accepts(void **state)
{
    (void)state;
    static const char *const good[] = {
        "null", "true", " false ", "0", "-0", "1.5", "-12.25e+10", "1E5", "\"\"", "\"\\u0041\"", "[]", "[ ]", "{}", "{ }",
        "[1,2,[3]]", "{\"a\":1,\"b\":{\"a\":2}}", "\t\r\n{\"a\" : [ 1 , 2 ] } \n", "\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"",
        "\"\\/\\b\\f\\n\\r\\t\\\\\\\"\"", "\"\x7f\"", "{\"\":1}", "\"0123456789abcdef \xc3\xa9 0123456789\"",
        "{\"a\":1,\"A\":2,\"ab\":3,\"ba\":4}",
    };
    struct json_doc doc = { 0 };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct err e = { 0 };
        if (!parse(&doc, good[i], &e))
            fail_msg("%s: got \"%s\", want success", good[i], e.text);
    }
    release(&doc);
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } bad[] = {
        { "", "byte 0: the text ends too early" },
        { "  ", "byte 2: the text ends too early" },
        { "{} {}", "byte 3: something follows the value" },
        { "01", "byte 1: something follows the value" },
        { "1.", "byte 2: the text ends too early" },
        { "1.x", "byte 2: expected a digit after '.'" },
        { "1e+", "byte 3: the text ends too early" },
        { "-x", "byte 1: expected a value" },
        { "+1", "byte 0: expected a value" },
        { ".5", "byte 0: expected a value" },
        { "NaN", "byte 0: expected a value" },
        { "nul", "byte 0: expected a value" },
        { "truefalse", "byte 4: something follows the value" },
        { "[1,]", "byte 3: expected a value" },
        { "[1 2]", "byte 3: expected ',' or ']' after a value" },
        { "[1", "byte 2: the text ends too early" },
        { "{\"a\" 1}", "byte 5: expected ':' after a key" },
        { "{\"a\":1,}", "byte 7: expected a key" },
        { "{a:1}", "byte 1: expected a key" },
        { "{\"a\":1]", "byte 6: expected ',' or '}' after a value" },
        { "{\"a\":", "byte 5: the text ends too early" },
        { "\"abc", "byte 0: a string without an end" },
        { "\"a\nb\"", "byte 2: control character in a string, it has to be escaped" },
        { "\"a\\x\"", "byte 2: unknown or incomplete escape in a string" },
        { "\"a\\u12\"", "byte 2: unknown or incomplete escape in a string" },
        { "\"\\u12g4\"", "byte 1: unknown or incomplete escape in a string" },
        { "\"\\", "byte 1: unknown or incomplete escape in a string" },
        { "\"\\u0000\"", "byte 1: NUL in a string" },
        { "\"\\ud83d\"", "byte 1: lone surrogate in a string" },
        { "\"\\ud83dx\"", "byte 1: lone surrogate in a string" },
        { "\"\\ud83d\\u0041\"", "byte 1: lone surrogate in a string" },
        { "\"\\ude00\"", "byte 1: lone surrogate in a string" },
        { "\"\xed\xa0\x80\"", "byte 1: not UTF-8" },
        { "\"\xc0\xaf\"", "byte 1: not UTF-8" },
        { "\"abcdefgh\xff\"", "byte 9: not UTF-8" },
        { "\"\xe2\x82", "byte 1: not UTF-8" },
        { "\xef\xbb\xbf{}", "byte 0: expected a value" },
        { "{\"a\":1,\"b\":2,\"a\":3}", "byte 13: duplicate key \"a\"" },
        { "{\"a\":1,\"\\u0061\":3}", "byte 7: duplicate key \"\\u0061\"" },
        { "{\"x\":{\"k\":1,\"k\":1}}", "byte 12: duplicate key \"k\"" },
        { "{\"\":1,\"\":2}", "byte 6: duplicate key \"\"" },
    };
    struct json_doc doc = { 0 };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e = { 0 };
        if (parse(&doc, bad[i].text, &e))
            fail_msg("%s: got success, want \"%s\"", bad[i].text, bad[i].want);
        if (strcmp(e.text, bad[i].want) != 0 || e.kind != ERR_INPUT)
            fail_msg("%s: got \"%s\", want \"%s\"", bad[i].text, e.text, bad[i].want);
    }
    release(&doc);
}

static void test_every_control_character(void **state)
{
    (void)state;
    struct json_doc doc = { 0 };
    // At every place of an 8-byte step, so that both ways of scanning are met.
    for (int c = 0; c < 256; c++) {
        for (int place = 1; place < 20; place++) {
            char text[24];
            memset(text, 'x', sizeof text);
            text[0] = text[21] = '"';
            text[place] = (char)c;
            bool ok = json_parse(&doc, text, 22, NULL);
            bool want = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
            if (ok != want)
                fail_msg("byte %02x at %d: got %d, want %d", (unsigned)c, place, ok, want);
        }
    }
    release(&doc);
}

static void test_depth(void **state)
{
    (void)state;
    struct json_doc doc = { 0 };
    for (int depth = 31; depth <= 34; depth++) {
        char text[80] = { 0 };
        for (int i = 0; i < depth; i++) {
            text[i] = '[';
            text[2 * depth - 1 - i] = ']';
        }
        struct err e = { 0 };
        bool ok = parse(&doc, text, &e);
        if (ok != (depth <= JSON_MAX_DEPTH))
            fail_msg("depth %d: got %d, want %d", depth, ok, depth <= JSON_MAX_DEPTH);
        if (!ok)
            assert_string_equal(e.text, "byte 32: nested deeper than 32");
    }
    struct buf deep = { 0 }; // far more than any stack would bear
    for (int i = 0; i < 1000000; i++)
        buf_putc(&deep, '[');
    assert_false(json_parse(&doc, deep.data, deep.len, NULL));
    buf_clear(&deep);
    release(&doc);
}

static void test_tokens(void **state)
{
    (void)state;
    struct json_doc doc = { 0 };
    assert_true(parse(&doc, "{\"a\":[1,{\"b\":2}],\"c\":\"d\\n\",\"e\":null}", NULL));
    static const struct {
        uint8_t type;
        uint32_t next;
        const char *raw;
    } want[] = {
        { JSON_TYPE_OBJECT, 11, "{\"a\":[1,{\"b\":2}],\"c\":\"d\\n\",\"e\":null}" },
        { JSON_TYPE_STRING, 2, "a" },
        { JSON_TYPE_ARRAY, 7, "[1,{\"b\":2}]" },
        { JSON_TYPE_NUMBER, 4, "1" },
        { JSON_TYPE_OBJECT, 7, "{\"b\":2}" },
        { JSON_TYPE_STRING, 6, "b" },
        { JSON_TYPE_NUMBER, 7, "2" },
        { JSON_TYPE_STRING, 8, "c" },
        { JSON_TYPE_STRING, 9, "d\\n" },
        { JSON_TYPE_STRING, 10, "e" },
        { JSON_TYPE_NULL, 11, "null" },
    };
    assert_int_equal(doc.count, 11);
    for (uint32_t i = 0; i < doc.count; i++) {
        assert_int_equal(doc.tokens[i].type, want[i].type);
        assert_int_equal(doc.tokens[i].next, want[i].next);
        assert_true(slice_is(json_raw(&doc, i), want[i].raw));
        assert_int_equal(doc.tokens[i].escaped, i == 8);
    }
    assert_int_equal(json_member(&doc, 0, "a"), 2);
    assert_int_equal(json_member(&doc, 0, "e"), 10);
    assert_int_equal(json_member(&doc, 0, "b"), 0); // a member of a member
    assert_int_equal(json_member(&doc, 4, "b"), 6);
    assert_int_equal(json_member(&doc, 2, "a"), 0); // not an object
    release(&doc);
}

static void test_text(void **state)
{
    (void)state;
    static const struct {
        const char *json, *want;
    } cases[] = {
        { "\"\"", "" },
        { "\"plain\"", "plain" },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
        { "\"a\\u00e9\\u20ac\\ud83d\\ude00z\"", "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z" },
        { "\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf" },
        { "\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"", "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf" },
    };
    struct json_doc doc = { 0 };
    struct buf scratch = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(parse(&doc, cases[i].json, NULL));
        struct slice got = json_text(&doc, 0, &scratch);
        if (!slice_is(got, cases[i].want))
            fail_msg("%s: got %.*s, want %s", cases[i].json, (int)got.len, got.ptr, cases[i].want);
    }
    assert_true(parse(&doc, "{\"t\\u006f\":1}", NULL));
    assert_int_equal(json_member(&doc, 0, "to"), 2);
    buf_clear(&scratch);
    release(&doc);
}

static void test_int(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool ok;
        int64_t want;
    } cases[] = {
        { "0", true, 0 },
        { "-0", true, 0 },
        { "42", true, 42 },
        { "9223372036854775807", true, INT64_MAX },
        { "-9223372036854775808", true, INT64_MIN },
        { "9223372036854775808", false, 0 },
        { "-9223372036854775809", false, 0 },
        { "99999999999999999999999999", false, 0 },
        { "1.0", false, 0 },
        { "1e3", false, 0 },
        { "\"1\"", false, 0 },
        { "true", false, 0 },
    };
    struct json_doc doc = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t got = 0;
        assert_true(parse(&doc, cases[i].json, NULL));
        bool ok = json_int(&doc, 0, &got);
        if (ok != cases[i].ok || got != cases[i].want)
            fail_msg("%s: got %d %lld, want %d %lld", cases[i].json, ok, (long long)got, cases[i].ok,
                     (long long)cases[i].want);
    }
    release(&doc);
}

static void test_canonical(void **state)
{
    (void)state;
    static const struct {
        const char *json, *want;
    } cases[] = {
        { " { \"b\" : [ 1 , 2.50 , { } ] , \"a\" : null } ", "{\"a\":null,\"b\":[1,2.50,{}]}" },
        { "{\"ab\":1,\"a\":2,\"\":3,\"B\":4}", "{\"\":3,\"B\":4,\"a\":2,\"ab\":1}" },
        { "\"\\/\\u002f\\u0022\\u005C\\u000A\\u001F\\u0007\\u007f\\u00e9\"", "\"//\\\"\\\\\\n\\u001f\\u0007\x7f\xc3\xa9\"" },
        { "{\"\\u0062\":1,\"a\":2,\"c\":3}", "{\"a\":2,\"b\":1,\"c\":3}" },
        { "{\"\xf0\x9f\x98\x80\":1,\"\xef\xbf\xbd\":2}", "{\"\xef\xbf\xbd\":2,\"\xf0\x9f\x98\x80\":1}" },
        { "[true,false,[],\"\"]", "[true,false,[],\"\"]" },
    };
    struct json_doc doc = { 0 };
    struct buf out = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(parse(&doc, cases[i].json, NULL));
        buf_reset(&out);
        json_canonical(&doc, 0, &out);
        if (strcmp(out.data, cases[i].want) != 0)
            fail_msg("%s: got %s, want %s", cases[i].json, out.data, cases[i].want);
    }
    buf_clear(&out);
    release(&doc);
}

// Writes an object of n members whose names all share a prefix and nearly all bits of the short hash.
static void put_object(struct buf *b, int n, int twice)
{
    buf_reset(b);
    buf_putc(b, '{');
    for (int i = n - 1; i >= 0; i--)
        buf_printf(b, "\"k%07dz\":%d,", i, i);
    buf_printf(b, "\"k%07dz\":0}", twice);
}

static void test_many_members(void **state)
{
    (void)state;
    static const int counts[] = { 1, 2, 16, 17, 63, 64, 65, 1000, 100000 };
    struct json_doc doc = { 0 };
    struct buf text = { 0 }, out = { 0 };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        int n = counts[i];
        put_object(&text, n, n); // all different
        assert_true(json_parse(&doc, text.data, text.len, NULL));
        buf_reset(&out);
        json_canonical(&doc, 0, &out);
        assert_int_equal(out.len, text.len);
        assert_memory_equal(out.data, "{\"k0000000z\":", 13);
        struct err e = { 0 };
        put_object(&text, n, n / 2);
        if (json_parse(&doc, text.data, text.len, &e))
            fail_msg("%d members: got success, want a duplicate key", n);
        assert_non_null(strstr(e.text, "duplicate key"));
    }
    buf_clear(&text);
    buf_clear(&out);
    json_clear(&doc);
}

static void test_memory(void **state)
{
    (void)state;
    struct buf text = { 0 };
    struct json_doc doc = { 0 };
    buf_puts(&text, "[0");
    for (int i = 0; i < 100000; i++)
        buf_puts(&text, ",0");
    buf_puts(&text, "]");
    assert_true(json_parse(&doc, text.data, text.len, NULL));
    assert_true(doc.cap >= 100000);
    assert_true(json_parse(&doc, "[1,2]", 5, NULL));
    assert_true(doc.cap <= 4096); // what one text blew up is not kept
    uint32_t cap = doc.cap;
    struct json_token *tokens = doc.tokens;
    for (int i = 0; i < 100; i++)
        assert_true(json_parse(&doc, "[1,2,{\"a\":4}]", 13, NULL));
    assert_ptr_equal(doc.tokens, tokens);
    assert_int_equal(doc.cap, cap);
    json_clear(&doc);
    json_clear(&doc);
    json_clear(NULL);
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "well-formed texts are accepted", test_accepts, NULL, NULL, NULL },
        { "a refusal names the byte and the reason", test_refuses, NULL, NULL, NULL },
        { "a string holds no bare control character at any place", test_every_control_character, NULL, NULL, NULL },
        { "32 levels are the limit, a million do no harm", test_depth, NULL, NULL, NULL },
        { "tokens give type, bytes and the next value", test_tokens, NULL, NULL, NULL },
        { "escapes are decoded", test_text, NULL, NULL, NULL },
        { "only integers within 64 bits are integers", test_int, NULL, NULL, NULL },
        { "the canonical form sorts keys and writes the shortest escapes", test_canonical, NULL, NULL, NULL },
        { "100,000 members are compared in no time", test_many_members, NULL, NULL, NULL },
        { "token memory is reused, excess is given back", test_memory, NULL, NULL, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
