// SPDX-License-Identifier: Apache-2.0
// What may be seen of recipients and of what servers write.
#include "dlq-inspector/mask.h"
#include "tests/dlq-inspector/fixture.h"

static const struct {
    const char *name, *text, *want;
} TEXTS[] = {
    { "an address in angle brackets keeps its first letter and domain", "550 <ada@example.com>: unknown",
      "550 <a***@example.com>: unknown" },
    { "a bare address is masked too", "no such user ada.lovelace+x@mail.example.com here",
      "no such user a***@mail.example.com here" },
    { "two addresses are two", "a@b.example, c@d.example", "a***@b.example, c***@d.example" },
    { "a neighbouring address is not swallowed", "to=<bob@x.example>cc=<eve@y.example>",
      "to=<b***@x.example>cc=<e***@y.example>" },
    { "two at signs in one word do not mask twice", "a@b.example@c.example", "a***@b.example@c.example" },
    { "an at sign alone is text", "meet @ noon", "meet @ noon" },
    { "an address at the end is masked", "rejected zoe@z.example", "rejected z***@z.example" },
    { "UTF-8 local parts are masked by character", "5.1.1 \xc3\xa9ve@x.example", "5.1.1 \xc3\xa9***@x.example" },
    { "escape sequences cannot drive the terminal", "ok\x1b[31mred\r\nnext", "ok [31mred  next" },
    { "C1 controls are controls", "a\xc2\x9b""31m", "a 31m" },
    { "broken UTF-8 becomes a question mark", "caf\xe9 closed", "caf? closed" },
    { "empty text stays empty", "", "" },
};

static void texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        struct buf out = { 0 };
        mask_text(&out, slice_of(TEXTS[i].text), false);
        expect_text(TEXTS[i].name, buf_slice(&out), TEXTS[i].want);
        buf_clear(&out);
    }
}

static const struct {
    const char *name, *address;
    bool reveal;
    const char *want;
} ADDRESSES[] = {
    { "a plain address", "ada@example.com", false, "a***@example.com" },
    { "a display name goes, it names the person", "Ada Lovelace <ada@example.com>", false, "a***@example.com" },
    { "what is no address shows nothing", "+49 170 1234567", false, "***" },
    { "reveal shows all of it", "Ada <ada@example.com>", true, "Ada <ada@example.com>" },
    { "reveal still cleans control characters", "ada\x1b@example.com", true, "ada @example.com" },
    { "an empty address", "", false, "***" },
};

static void addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ADDRESSES / sizeof ADDRESSES[0]; i++) {
        struct buf out = { 0 };
        mask_address(&out, slice_of(ADDRESSES[i].address), ADDRESSES[i].reveal);
        expect_text(ADDRESSES[i].name, buf_slice(&out), ADDRESSES[i].want);
        buf_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(addresses),
    };
    return cmocka_run_group_tests_name("mask", tests, NULL, NULL);
}
