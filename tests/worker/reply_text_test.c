// SPDX-License-Identifier: Apache-2.0
// Replies as rules see them: one line, no codes, and the waits that can be read out of them.
#include "worker/classify.h"
#include "worker/reply_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void lines_become_one_line_without_codes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int code;
        const char *enhanced, *reply, *text;
        struct status status;
    } cases[] = {
        { "a plain reply", 550, "", "550 No Such  User", "no such user", { 0 } },
        { "a text without its code", 550, "", "no such user", "no such user", { 0 } },
        { "an enhanced code", 550, "", "550 5.1.1 nobody", "nobody", { 5, 1, 1 } },
        { "an enhanced code without reply code", 550, "", "5.1.1 nobody", "nobody", { 5, 1, 1 } },
        { "a class that disagrees is not trusted", 450, "", "450 5.1.1 nobody", "5.1.1 nobody", { 0 } },
        { "nor when the transport read it", 450, "5.1.1", "450 nobody", "nobody", { 0 } },
        { "what the transport read goes first", 550, "5.7.1", "550 5.1.1 nobody", "nobody", { 5, 7, 1 } },
        { "several lines",
          550,
          "",
          "550-5.1.1 The account\r\n550-5.1.1 you tried\r\n550 5.1.1 is gone\r\n",
          "the account you tried is gone",
          { 5, 1, 1 } },
        { "lines put into one by somebody",
          550,
          "",
          "550-5.1.1 The account 550-5.1.1 you tried 550 5.1.1 is gone",
          "the account you tried is gone",
          { 5, 1, 1 } },
        { "lines that are only codes", 550, "", "550-\r\n550-\r\n550", "", { 0 } },
        { "qmail's place for it",
          553,
          "",
          "553 sorry, no mailbox (#5.1.1)",
          "sorry, no mailbox (#5.1.1)",
          { 5, 1, 1 } },
        { "a colon behind it", 550, "", "550 5.1.1: nobody", ": nobody", { 5, 1, 1 } },
        { "a number that goes on is no code", 550, "", "550 5.1.1.1 nobody", "5.1.1.1 nobody", { 0 } },
        { "an address is no code", 550, "", "550 host 5.6.7.8 is bad", "host 5.6.7.8 is bad", { 0 } },
        { "another number in the text stays", 554, "", "554 30 Sorry (554.30)", "30 sorry (554.30)", { 0 } },
        { "control characters", 550, "", "550 a\x01z\x7f", "a?z?", { 0 } },
        { "other bytes stay",
          550,
          "",
          "550 \xc3\x84"
          "B",
          "\xc3\x84"
          "b",
          { 0 } },
        { "nothing", 550, "", "", "", { 0 } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct outcome o = { .code = cases[i].code,
                             .result = ATTEMPT_REFUSED,
                             .response = slice_of(cases[i].reply) };
        snprintf(o.enhanced, sizeof o.enhanced, "%s", cases[i].enhanced);
        struct reply_text r;
        reply_text_read(&r, &o, true);
        const struct status *got = &r.status, *want = &cases[i].status;
        if (strcmp(r.text, cases[i].text) != 0 || r.len != strlen(r.text))
            fail_msg("%s: got \"%s\", want \"%s\"", cases[i].name, r.text, cases[i].text);
        if (got->class != want->class || got->subject != want->subject || got->detail != want->detail)
            fail_msg("%s: got %d.%d.%d, want %d.%d.%d", cases[i].name, got->class, got->subject, got->detail,
                     want->class, want->subject, want->detail);
    }
}

static void waits_are_read_out_of_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t want_s;
    } cases[] = {
        { "please try again in 300 seconds", 300 },
        { "retry in 5 minutes", 300 },
        { "after 1 hour", 3600 },
        { "try again in an hour", 3600 },
        { "greylisted for 5 minutes", 300 },
        { "wait 90s", 90 },
        { "please wait at least 2 hours", 7200 },
        { "come back in 00:04:58", 298 },
        { "come back in 04:58", 298 },
        { "in 10 minutes.", 600 },
        { "in 1 min", 60 },
        { "retry in 2 days", 172800 },
        { "try again in 5-minute", 300 },
        { "blocked for 24 hours", 86400 },
        { "try again later", -1 },
        { "in 5 mails", -1 },
        { "in 500ms", -1 },
        { "within 4 hours", -1 },
        { "see http://example.com/in 5", -1 },
        { "mail in 2026", -1 },
        { "in ", -1 },
        { "", -1 },
        { "in 99999999999999999999 hours", 1000000 * INT64_C(36000) },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t got = reply_text_wait_ms(cases[i].text);
        bool good = cases[i].want_s < 0                     ? got == -1
                    : i + 1 == sizeof cases / sizeof *cases ? got > 0
                                                            : got == cases[i].want_s * 1000;
        if (!good)
            fail_msg("%s: got %lld ms, want %lld s", cases[i].text, (long long)got,
                     (long long)cases[i].want_s);
    }
}

static void a_long_reply_is_cut_and_a_late_word_in_it_still_counts(void **state)
{
    (void)state;
    char reply[4096];
    size_t n = 0;
    for (int i = 0; i < 20; i++)
        n += (size_t)snprintf(reply + n, sizeof reply - n,
                              "554-This is line %d of a very long greeting of ours\r\n", i);
    snprintf(reply + n, sizeof reply - n, "554 listed at zen.spamhaus.org\r\n");
    struct outcome o = { .code = 554,
                         .result = ATTEMPT_REFUSED,
                         .phase = PHASE_RCPT,
                         .retry_after_ms = -1,
                         .response = slice_of(reply) };
    snprintf(o.text, sizeof o.text, "%.*s", OUTCOME_TEXT_MAX, reply);
    assert_int_equal(classify("smtp", &o, false).class, FAILURE_REPUTATION);
    char huge[OUTCOME_RESPONSE_MAX];
    memset(huge, 'x', sizeof huge);
    o.response = (struct slice){ huge, sizeof huge };
    struct reply_text r;
    reply_text_read(&r, &o, true);
    assert_int_equal(r.len, REPLY_TEXT_MAX);
    classify_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_one_line_without_codes),
        cmocka_unit_test(waits_are_read_out_of_texts),
        cmocka_unit_test(a_long_reply_is_cut_and_a_late_word_in_it_still_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
