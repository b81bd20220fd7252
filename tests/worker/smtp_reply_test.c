// SPDX-License-Identifier: Apache-2.0
// What an SMTP server may say, and what we make of it.
#include "worker/transport/smtp_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

struct reply_case {
    const char *name;
    const char *lines[6];
    enum smtp_reply_step step; // of the last line; those before must be MORE
    int code;
    const char *enhanced, *text;
};

static const struct reply_case REPLIES[] = {
    { "a single line", { "250 ok" }, SMTP_REPLY_DONE, 250, "", "ok" },
    { "a code alone", { "250" }, SMTP_REPLY_DONE, 250, "", "" },
    { "a code and a blank", { "250 " }, SMTP_REPLY_DONE, 250, "", "" },
    { "several lines become one text", { "550-no", "550-such  user", "550 here" }, SMTP_REPLY_DONE, 550, "",
      "no such user here" },
    { "an empty continuation leaves no double blank", { "250-a", "250-", "250 b" }, SMTP_REPLY_DONE, 250, "", "a b" },
    { "the enhanced code is taken out of every line", { "550-5.1.1 no such user", "550 5.1.1 ask the postmaster" },
      SMTP_REPLY_DONE, 550, "5.1.1", "no such user ask the postmaster" },
    { "three-digit details are kept", { "550 5.7.606 blocked" }, SMTP_REPLY_DONE, 550, "5.7.606", "blocked" },
    { "an enhanced code without text", { "250 2.0.0" }, SMTP_REPLY_DONE, 250, "2.0.0", "" },
    { "an enhanced code of another class is not trusted", { "450 5.1.1 odd" }, SMTP_REPLY_DONE, 450, "",
      "5.1.1 odd" },
    { "four digits are no detail", { "550 5.1.1234 odd" }, SMTP_REPLY_DONE, 550, "", "5.1.1234 odd" },
    { "an address is no enhanced code", { "550 5.1.1.9 is blocked" }, SMTP_REPLY_DONE, 550, "",
      "5.1.1.9 is blocked" },
    { "control characters become blanks", { "550 a\tb\x01\x1b[31mc\x7f" }, SMTP_REPLY_DONE, 550, "", "a b [31mc" },
    { "a C1 control is one too", { "550 a\xc2\x9b" "31mb" }, SMTP_REPLY_DONE, 550, "", "a 31mb" },
    { "bytes that are not UTF-8 become question marks", { "550 caf\xe9 caf\xc3\xa9" }, SMTP_REPLY_DONE, 550, "",
      "caf? caf\xc3\xa9" },
    { "another code on the second line is no reply", { "250-ok", "550 no" }, SMTP_REPLY_BAD, 0, NULL, "550 no" },
    { "words are no reply", { "hello there" }, SMTP_REPLY_BAD, 0, NULL, "hello there" },
    { "an empty line is no reply", { "" }, SMTP_REPLY_BAD, 0, NULL, "" },
    { "two digits are no code", { "25 ok" }, SMTP_REPLY_BAD, 0, NULL, "25 ok" },
    { "four digits are no code", { "2500 ok" }, SMTP_REPLY_BAD, 0, NULL, "2500 ok" },
    { "a code above 599 is none", { "650 ok" }, SMTP_REPLY_BAD, 0, NULL, "650 ok" },
    { "a code below 200 is none", { "150 wait" }, SMTP_REPLY_BAD, 0, NULL, "150 wait" },
    { "an HTTP server is no SMTP server", { "HTTP/1.1 400 Bad Request" }, SMTP_REPLY_BAD, 0, NULL,
      "HTTP/1.1 400 Bad Request" },
};

static enum smtp_reply_step feed(struct smtp_reply *r, const char *const *lines, size_t max)
{
    enum smtp_reply_step step = SMTP_REPLY_MORE;
    for (size_t i = 0; i < max && lines[i] != NULL && step == SMTP_REPLY_MORE; i++)
        step = smtp_reply_line(r, slice_of(lines[i]));
    return step;
}

static void replies_are_read(void **state)
{
    (void)state;
    struct smtp_reply r = { 0 };
    for (size_t i = 0; i < sizeof REPLIES / sizeof REPLIES[0]; i++) {
        const struct reply_case *c = &REPLIES[i];
        smtp_reply_reset(&r);
        enum smtp_reply_step step = feed(&r, c->lines, 6);
        if (step != c->step)
            fail_msg("%s: got step %d, want %d", c->name, step, c->step);
        if (step == SMTP_REPLY_DONE && r.code != c->code)
            fail_msg("%s: got code %d, want %d", c->name, r.code, c->code);
        if (c->enhanced != NULL && strcmp(r.enhanced, c->enhanced) != 0)
            fail_msg("%s: got enhanced \"%s\", want \"%s\"", c->name, r.enhanced, c->enhanced);
        if (strcmp(r.text, c->text) != 0)
            fail_msg("%s: got text \"%s\", want \"%s\"", c->name, r.text, c->text);
    }
    smtp_reply_clear(&r);
}

static void the_full_reply_is_kept_as_received(void **state)
{
    (void)state;
    struct smtp_reply r = { 0 };
    const char *const lines[] = { "550-5.1.1 no", "550 5.1.1 user" };
    assert_int_equal(feed(&r, lines, 2), SMTP_REPLY_DONE);
    assert_string_equal(r.full.data, "550-5.1.1 no\n550 5.1.1 user\n");
    smtp_reply_clear(&r);
}

static void a_reply_is_bounded(void **state)
{
    (void)state;
    struct smtp_reply r = { 0 };
    char line[SMTP_REPLY_LINE_MAX];
    memset(line, 'x', sizeof line);
    memcpy(line, "550-", 4);
    line[5] = ' ';
    for (int i = 0; i < SMTP_REPLY_LINES_MAX; i++)
        assert_int_equal(smtp_reply_line(&r, (struct slice){ line, sizeof line }), SMTP_REPLY_MORE);
    assert_true(r.text_len <= OUTCOME_TEXT_MAX);
    assert_true(r.full.len <= OUTCOME_RESPONSE_MAX);
    assert_int_equal(smtp_reply_line(&r, SLICE("550 end")), SMTP_REPLY_BAD);
    smtp_reply_clear(&r);
}

static void a_text_is_never_cut_inside_a_character(void **state)
{
    (void)state;
    struct smtp_reply r = { 0 };
    char line[512] = "550 x";
    for (int i = 0; i < 200; i++)
        strcat(line, "\xc3\xa9");
    assert_int_equal(smtp_reply_line(&r, slice_of(line)), SMTP_REPLY_DONE);
    assert_int_equal(r.text_len, 299); // one x and 149 characters of two octets
    smtp_reply_clear(&r);
}

static void the_id_of_a_taken_message_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *line, *want;
    } CASES[] = {
        { "250 2.0.0 Ok: queued as 4B7F21A0B3", "4B7F21A0B3" },
        { "250 Queued as ABC123.", "ABC123" },
        { "250 OK id=1tEabc-0000Xy-2Z", "1tEabc-0000Xy-2Z" },
        { "250 2.6.0 <a@b> [InternalId=77, Hostname=h] Queued mail for delivery",
          "<a@b> [InternalId=77, Hostname=h] Queued mail for delivery" },
        { "250 2.0.0 u7AB Message accepted for delivery", "u7AB Message accepted for delivery" },
        { "250 ok (queued as X9, 3 bytes)", "X9" },
        { "250", "" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct smtp_reply r = { 0 };
        char id[OUTCOME_PROVIDER_ID_MAX];
        assert_int_equal(smtp_reply_line(&r, slice_of(CASES[i].line)), SMTP_REPLY_DONE);
        smtp_reply_provider_id(&r, id);
        if (strcmp(id, CASES[i].want) != 0)
            fail_msg("\"%s\": got \"%s\", want \"%s\"", CASES[i].line, id, CASES[i].want);
        smtp_reply_clear(&r);
    }
}

static void an_overlong_id_is_cut(void **state)
{
    (void)state;
    struct smtp_reply r = { 0 };
    char line[400] = "250 ", id[OUTCOME_PROVIDER_ID_MAX];
    memset(line + 4, 'i', 300);
    assert_int_equal(smtp_reply_line(&r, slice_of(line)), SMTP_REPLY_DONE);
    smtp_reply_provider_id(&r, id);
    assert_int_equal(strlen(id), OUTCOME_PROVIDER_ID_MAX - 1);
    smtp_reply_clear(&r);
}

static void ehlo_lines_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        unsigned extensions;
        int64_t size_max;
    } CASES[] = {
        { "PIPELINING", SMTP_PIPELINING, 0 },
        { "8bitmime", SMTP_8BITMIME, 0 },
        { "SIZE 10485760", SMTP_SIZE, 10485760 },
        { "SIZE", SMTP_SIZE, 0 },
        { "SIZE 0", SMTP_SIZE, 0 },
        { "SIZEABLE 5", 0, 0 },
        { "SMTPUTF8", SMTP_SMTPUTF8, 0 },
        { "STARTTLS", SMTP_STARTTLS, 0 },
        { "AUTH PLAIN LOGIN", SMTP_AUTH, 0 },
        { "AUTH=LOGIN", SMTP_AUTH, 0 },
        { "", 0, 0 },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct smtp_offer o = { 0 };
        smtp_offer_line(&o, slice_of(CASES[i].line));
        if (o.extensions != CASES[i].extensions || o.size_max != CASES[i].size_max)
            fail_msg("\"%s\": got %x %lld, want %x %lld", CASES[i].line, o.extensions, (long long)o.size_max,
                     CASES[i].extensions, (long long)CASES[i].size_max);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_read),
        cmocka_unit_test(the_full_reply_is_kept_as_received),
        cmocka_unit_test(a_reply_is_bounded),
        cmocka_unit_test(a_text_is_never_cut_inside_a_character),
        cmocka_unit_test(the_id_of_a_taken_message_is_found),
        cmocka_unit_test(an_overlong_id_is_cut),
        cmocka_unit_test(ehlo_lines_are_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
