// SPDX-License-Identifier: Apache-2.0
// address: the three forms that are accepted, and what is said about the others.
#include "common/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN

static void test_accepts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *display, *local, *domain;
    } good[] = {
        { "a@b.example", NULL, "a", "b.example" },
        { "  a@b.example ", NULL, "a", "b.example" },
        { "<a@b.example>", NULL, "a", "b.example" },
        { "Ann Other <ann.other+x@b.example>", "Ann Other", "ann.other+x", "b.example" },
        { "Ann<a@b.example>", "Ann", "a", "b.example" },
        { "\"Other, Ann\" <a@b.example>", "Other, Ann", "a", "b.example" },
        { "\"x <y@z>\"<a@b.example>", "x <y@z>", "a", "b.example" },
        { "\"say \\\"hi\\\"\" <a@b.example>", "\"say \\\"hi\\\"\"", "a", "b.example" },
        { "\"\" <a@b.example>", "", "a", "b.example" },
        { "J\xc3\xb6rg <j\xc3\xb6rg@b\xc3\xbc" "cher.example>", "J\xc3\xb6rg", "j\xc3\xb6rg", "b\xc3\xbc" "cher.example" },
        { "!#$%&'*+-/=?^_`{|}~@b.example", NULL, "!#$%&'*+-/=?^_`{|}~", "b.example" },
        { "root@localhost", NULL, "root", "localhost" },
        { "a@1.2.3.4", NULL, "a", "1.2.3.4" },
        { SIXTY "1234@" SIXTY "123.example", NULL, SIXTY "1234", SIXTY "123.example" },
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct address a;
        struct err e = { 0 };
        if (!address_parse(&a, slice_of(good[i].text), &e))
            fail_msg("%s: got \"%s\", want success", good[i].text, e.text);
        assert_true(slice_is(a.local, good[i].local));
        assert_true(slice_is(a.domain, good[i].domain));
        assert_true(a.spec.ptr == a.local.ptr && a.spec.len == a.local.len + 1 + a.domain.len);
        if (!slice_eq(a.display, slice_of(good[i].display)) || (a.display.ptr == NULL) != (good[i].display == NULL))
            fail_msg("%s: got display \"%.*s\", want \"%s\"", good[i].text, (int)a.display.len, a.display.ptr,
                     good[i].display);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } bad[] = {
        { "", "is empty" },
        { "   ", "is empty" },
        { "<>", "is empty" },
        { "a", "has no '@'" },
        { "@b.example", "has nothing before '@'" },
        { "a@", "has nothing after '@'" },
        { "a@b.example, c@d.example", "contains a second address" },
        { "a@b.example,c@d.example", "contains a second address" },
        { "a@b.example;c@d.example", "contains a second address" },
        { "a@b.example c@d.example", "contains a second address" },
        { "a@b.example,c", "contains a second address" },
        { "a@b.example;", "contains a second address" },
        { "a@b@c.example", "contains a second address" },
        { "<a@b.example><c@d.example>", "contains a second address" },
        { "<a@b.example>, <c@d.example>", "contains a second address" },
        { "a@b.example <c@d.example>", "contains a second address (or a display name that needs quotes)" },
        { "Other, Ann <a@b.example>", "contains a second address (or a display name that needs quotes)" },
        { "\"Ann\" a@b.example <c@d.example>", "has something between the display name and '<'" },
        { "\"Ann\", <c@d.example>", "has something between the display name and '<'" },
        { "Ann (x) <a@b.example>", "has a display name with '(', which needs quotes" },
        { "\"Ann <a@b.example>", "has a display name without a closing quote" },
        { "\"Ann\\\" <a@b.example>", "has a display name without a closing quote" },
        { "Ann <a@b.example", "has no '>'" },
        { "<a@b.example> Ann", "has something behind '>'" },
        { "\"a b\"@c.example", "has a quoted part before '@', which is not supported" },
        { "a b@c.example", "contains ' ' before '@'" },
        { ".a@c.example", "has a misplaced dot before '@'" },
        { "a.@c.example", "has a misplaced dot before '@'" },
        { "a..b@c.example", "has a misplaced dot before '@'" },
        { "a@c..example", "has an empty part in its domain" },
        { "a@.example", "has an empty part in its domain" },
        { "a@example.", "has an empty part in its domain" },
        { "a@-c.example", "has a part of its domain that begins or ends with '-'" },
        { "a@c-.example", "has a part of its domain that begins or ends with '-'" },
        { "a@[127.0.0.1]", "contains '[' in its domain" },
        { "a@c_d.example", "contains '_' in its domain" },
        { "a@" SIXTY "1234.example", "has a part of more than 63 bytes in its domain" },
        { SIXTY "12345@c.example", "has more than 64 bytes before '@'" },
        { "a@" SIXTY "." SIXTY "." SIXTY "." SIXTY ".0123456789", "is longer than 254 bytes" },
        { "a@b.example\r\nRCPT TO:<x@y>", "contains a line break" },
        { "a@b.example\n", "contains a line break" },
        { "Ann\r\nBcc: x@y <a@b.example>", "contains a line break" },
        { "a\tb@c.example", "contains a control character" },
        { "a\x7f@c.example", "contains a control character" },
        { "a\xc2\x85@c.example", "contains a control character" },
        { "a\xff@c.example", "is not UTF-8" },
        { "undisclosed:;", "contains a second address" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct address a = { .spec = SLICE("untouched") };
        struct err e = { 0 };
        if (address_parse(&a, slice_of(bad[i].text), &e))
            fail_msg("%s: got success, want \"%s\"", bad[i].text, bad[i].want);
        if (strcmp(e.text, bad[i].want) != 0 || e.kind != ERR_INPUT)
            fail_msg("%s: got \"%s\", want \"%s\"", bad[i].text, e.text, bad[i].want);
        assert_true(slice_is(a.spec, "untouched"));
    }
    struct address a;
    assert_false(address_parse(&a, SLICE("a\0@b.example"), NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "three plain forms are accepted", test_accepts, NULL, NULL, NULL },
        { "everything else is refused by name", test_refuses, NULL, NULL, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
