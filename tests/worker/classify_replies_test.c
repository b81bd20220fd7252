// SPDX-License-Identifier: Apache-2.0
// What real servers say, as tables of whole replies: the class and whether the mailbox is dead. Which rule
// decides is the rule file's business (its examples say so), and is not asked here, but for one thing: hardly
// any of these replies may be left to the generic rules, or the words of real servers are not known.
#include "worker/classify.h"
#include "worker/ruleset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum sense { D, P, B, H, T, R, O, U };

static const struct {
    enum failure_class class;
    bool suppress;
} SENSES[] = {
    [D] = { FAILURE_PERMANENT, true },     [P] = { FAILURE_PERMANENT, false },
    [B] = { FAILURE_MAILBOX_BUSY, false }, [H] = { FAILURE_THROTTLED, false },
    [T] = { FAILURE_TRANSIENT, false },    [R] = { FAILURE_REPUTATION, false },
    [O] = { FAILURE_ROUTE, false },        [U] = { FAILURE_UNKNOWN, false },
};

struct reply {
    const char *who;
    enum sense sense;
    enum attempt_phase phase;
    const char *provider, *text; // with the code in front
};

static const struct reply REFERENCE[] = {
#include "replies_reference.h"
};

static const struct reply SEEN[] = {
#include "replies_seen.h"
};

static struct verdict verdict_of(const struct reply *r)
{
    struct outcome o = {
        .result = ATTEMPT_REFUSED, .phase = r->phase, .code = atoi(r->text), .retry_after_ms = -1
    };
    bool smtp = provider_family(r->provider) == RULE_SMTP;
    o.response = slice_of(r->text + (smtp ? 0 : 4));
    return classify(r->provider, &o, false);
}

static size_t check(const struct reply *list, size_t count)
{
    size_t wrong = 0, generic = 0;
    for (size_t i = 0; i < count; i++) {
        const struct reply *r = &list[i];
        struct verdict v = verdict_of(r);
        generic += v.generic;
        if (v.class == SENSES[r->sense].class && v.suppress == SENSES[r->sense].suppress)
            continue;
        wrong++;
        print_error("%s: %s\n    got %s%s by %s, want %s%s\n", r->who, r->text, failure_name(v.class),
                    v.suppress ? " (suppress)" : "", v.rule, failure_name(SENSES[r->sense].class),
                    SENSES[r->sense].suppress ? " (suppress)" : "");
    }
    if (wrong > 0)
        fail_msg("got %zu of %zu replies wrong, want none", wrong, count);
    return generic;
}

static void every_rule_of_the_public_sets_means_what_it_should(void **state)
{
    (void)state;
    size_t count = sizeof REFERENCE / sizeof *REFERENCE;
    assert_int_equal(count, 78);
    size_t generic = check(REFERENCE, count);
    if (generic > 0)
        fail_msg("got %zu unknown texts, want none", generic);
}

static void the_words_of_real_servers_are_told_apart(void **state)
{
    (void)state;
    size_t count = sizeof SEEN / sizeof *SEEN, generic = check(SEEN, count);
    if (generic * 20 > count)
        fail_msg("got %zu of %zu replies that no text decided, want at most one in twenty", generic, count);
}

// Everybody writes capitals, blanks and line breaks in other places.
static void capitals_and_lines_do_not_matter(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof REFERENCE / sizeof *REFERENCE; i++) {
        struct reply r = REFERENCE[i];
        struct verdict want = verdict_of(&r);
        char upper[600], lines[1300];
        size_t n = 0;
        snprintf(upper, sizeof upper, "%s", r.text);
        for (char *c = upper; *c != '\0'; c++)
            *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
        for (const char *c = r.text; *c != '\0'; c++) {
            if (*c == ' ' && c - r.text > 12 && n < sizeof lines - 20)
                n += (size_t)snprintf(lines + n, sizeof lines - n, "\r\n%.3s-", r.text);
            else
                lines[n++] = *c;
        }
        lines[n] = '\0';
        const char *const variants[] = { upper, lines };
        for (size_t k = 0; k < 2; k++) {
            r.text = variants[k];
            struct verdict got = verdict_of(&r);
            if (strcmp(got.rule, want.rule) != 0)
                fail_msg("%s: got %s, want %s as for \"%s\"", r.text, got.rule, want.rule, REFERENCE[i].text);
        }
    }
}

static void a_5xx_that_asks_for_time_is_no_bounce(void **state)
{
    (void)state;
    static const char *const WORDS[] = { "temporarily", "rate limit", "frequency limited", "try again later",
                                         "too many connections" };
    static const int CODES[] = { 500, 550, 551, 552, 553, 554 };
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) {
        for (size_t k = 0; k < sizeof CODES / sizeof *CODES; k++) {
            char text[80];
            snprintf(text, sizeof text, "%d xyz %s xyz", CODES[k], WORDS[i]);
            struct verdict v =
                verdict_of(&(struct reply){ .phase = PHASE_RCPT, .provider = "smtp", .text = text });
            if (v.class != FAILURE_THROTTLED || v.suppress)
                fail_msg("%s: got %s by %s, want throttled", text, failure_name(v.class), v.rule);
        }
    }
}

static void a_4xx_never_suppresses_but_for_a_null_mx(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SEEN / sizeof *SEEN; i++) {
        char text[1200];
        if (provider_family(SEEN[i].provider) != RULE_SMTP || strstr(SEEN[i].text, "ull MX") ||
            strstr(SEEN[i].text, "1.10") || strstr(SEEN[i].text, "nullMX"))
            continue;
        snprintf(text, sizeof text, "451 %s", SEEN[i].text + 4);
        struct reply soft = SEEN[i];
        soft.text = text;
        struct verdict v = verdict_of(&soft);
        if (v.suppress || v.class == FAILURE_REPUTATION || v.class == FAILURE_ROUTE)
            fail_msg("%s: got %s by %s, want nothing that is worse than a retry or a dead letter", text,
                     failure_name(v.class), v.rule);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_of_the_public_sets_means_what_it_should),
        cmocka_unit_test(the_words_of_real_servers_are_told_apart),
        cmocka_unit_test(capitals_and_lines_do_not_matter),
        cmocka_unit_test(a_5xx_that_asks_for_time_is_no_bounce),
        cmocka_unit_test(a_4xx_never_suppresses_but_for_a_null_mx),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
