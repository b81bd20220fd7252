// SPDX-License-Identifier: Apache-2.0
// Rule files: what they may say, what is refused and where, which rule is asked first, and what a reload
// does.
#include "common/alloc.h"
#include "worker/classify.h"
#include "worker/classify_builtin.h"
#include "worker/literals.h"
#include "worker/ruleset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define REST                                                                                                 \
    "rule accepted result=accepted -> none\nrule lost result=unknown -> unknown\n"                           \
    "rule failed result=failed -> transient\nrule rest -> transient generic\n"

static struct verdict ask(const char *provider, int code, const char *text)
{
    struct outcome o = { .result = ATTEMPT_REFUSED, .phase = PHASE_RCPT, .code = code, .retry_after_ms = -1 };
    snprintf(o.text, sizeof o.text, "%s", text);
    return classify(provider, &o, false);
}

// A rule file on disk, rewritten at will.
static char path[64];

static void write_rules(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/ruleset_test.XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
    (void)state;
    classify_clear();
    return unlink(path);
}

// ---- mistakes ------------------------------------------------------------------------------------------

static void mistakes_are_named_with_file_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "", "rules: no rule catches the rest" },
        { "rule a -> transient\n", "rules: no rule catches the rest" },
        { "\n\nrool a -> transient\n", "rules:3: a line starts with rule, words, include or #" },
        { "rule a code=5xx\n", "rules:1: rule a: \"-> CLASS\" is missing" },
        { "rule a code=5yx -> permanent\n", "rules:1: rule a: code=5yx" },
        { "rule a code=600-500 -> permanent\n", "rules:1: rule a: code=600-500" },
        { "rule a code= -> permanent\n", "rules:1: rule a: code= needs a value" },
        { "rule a enhanced=5.1 -> permanent\n", "rules:1: rule a: enhanced=5.1" },
        { "rule a phase=lunch -> permanent\n", "rules:1: rule a: phase=lunch" },
        { "rule a if=sunday -> permanent\n", "rules:1: rule a: if=sunday" },
        { "rule a colour=red -> permanent\n", "rules:1: rule a: \"colour=red\" is none of" },
        { "rule a -> forever\n", "rules:1: rule a: \"forever\" is no class" },
        { "rule a -> expired\n", "rules:1: rule a: class expired is not for replies" },
        { "rule a -> none\n", "rules:1: rule a: result=accepted is class none" },
        { "rule a result=unknown -> transient\n", "rules:1: rule a: result=unknown is class unknown" },
        { "rule a result=failed -> unknown\n", "rules:1: rule a: result=failed was certainly not accepted" },
        { "rule a -> reputation suppress\n", "rules:1: rule a: suppress is only for class permanent" },
        { "rule a -> throttled wait=soon\n", "rules:1: rule a: wait=soon" },
        { "rule a -> throttled wait=9999d\n", "rules:1: rule a: wait=9999d" },
        { "rule a/b -> throttled\n", "rules:1: \"a/b\" is no name" },
        { "rule a -> transient\n# x\nrule a -> transient\n",
          "rules:3: rule a: there is one of this id in line 1" },
        { "    text abc\n", "rules:1: an indented line belongs to a rule" },
        { "rule a -> transient\n  text ab\n", "rules:2: text \"ab\": needs 3 characters" },
        { "rule a -> transient\n  text abc||def\n", "rules:2: text \"\": needs 3 characters" },
        { "rule a -> transient\n  text @nowhere\n", "rules:2: there is no list \"words nowhere\" above" },
        { "rule a -> transient\n  texts abc\n",
          "rules:2: \"texts\" is none of text, regex, unless, example" },
        { "rule a -> transient\n  text\n", "rules:2: \"text\" of what?" },
        { "rule a -> transient\n  regex abc(\n", "rules:2: regex \"abc(\"" },
        { "rule a -> transient\n  regex a.c\n", "rules:2: regex \"a.c\": each alternative needs 3" },
        { "rule a -> transient\n  regex abc|d.*\n", "rules:2: regex \"abc|d.*\": each alternative needs 3" },
        { "rule a -> transient\n  regex (abc)\\1def\n", "rules:2: regex: back references" },
        { "include everything\n", "rules:1: only \"include builtin\"" },
        { "words w\n  text abc\nwords w\n", "rules:3: words w: there is a list of this name" },
        { "rule wide code=5xx -> permanent\nrule narrow code=550 -> permanent\n  text nobody\n  example 550 "
          "nobody\n" REST,
          "rules:4: rule narrow: its example is decided by rule wide (line 1)" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ruleset *s = NULL;
        struct err e = { 0 };
        bool good = ruleset_parse(&s, "rules", slice_of(cases[i].text), &e);
        if (good || e.kind != ERR_CONFIG || strncmp(e.text, cases[i].want, strlen(cases[i].want)) != 0)
            fail_msg("%s: got %s, want %s", cases[i].text, good ? "no error" : e.text, cases[i].want);
    }
}

// ---- what rules mean -----------------------------------------------------------------------------------

static void conditions_are_all_asked(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *provider;
        int code;
        const char *text;
        bool want;
    } cases[] = {
        { "for=smtp", "smtp", 550, "", true },
        { "for=smtp", "mx", 550, "", true },
        { "for=smtp", "sendgrid", 550, "", false },
        { "for=http", "sendgrid", 550, "", true },
        { "for=sendgrid,ses", "ses", 550, "", true },
        { "for=sendgrid,ses", "mailgun", 550, "", false },
        { "code=4xx,550", "smtp", 499, "", true },
        { "code=4xx,550", "smtp", 550, "", true },
        { "code=4xx,550", "smtp", 551, "", false },
        { "code=551-553", "smtp", 552, "", true },
        { "enhanced=5.1.1", "smtp", 550, "5.1.1 x", true },
        { "enhanced=5.1.1", "smtp", 550, "5.1.10 x", false },
        { "enhanced=5.1.1", "smtp", 450, "5.1.1 x", false },
        { "enhanced=-", "smtp", 450, "5.1.1 x", true },
        { "enhanced=-", "smtp", 450, "4.1.1 x", false },
        { "enhanced=*.7.*", "smtp", 450, "4.7.25 x", true },
        { "enhanced=5.7.606-649", "smtp", 550, "5.7.620 x", true },
        { "enhanced=5.7.606-649", "smtp", 550, "5.7.650 x", false },
        { "phase=rcpt,data", "smtp", 550, "", true },
        { "phase=greeting", "smtp", 550, "", false },
        { "result=failed", "smtp", 550, "", false },
        { "if=idempotent", "smtp", 550, "", false },
        { "if=not-idempotent", "smtp", 550, "", true },
        { "if=asked", "smtp", 550, "", false },
        { "-> permanent\n text black  CAT", "smtp", 550, "A Black\t cat", true },
        { "-> permanent\n text black cat", "smtp", 550, "a black dog", false },
        { "-> permanent\n text dog | cat", "smtp", 550, "a black dog", true },
        { "-> permanent\n text black * sat", "smtp", 550, "a black cat sat", true },
        { "-> permanent\n text black * sat", "smtp", 550, "sat a black cat", false },
        { "-> permanent\n text cat\n unless dog", "smtp", 550, "cat and dog", false },
        { "-> permanent\n text cat\n unless dog", "smtp", 550, "cat and mouse", true },
        { "-> permanent\n regex (^|[^a-z])cats?([^a-z]|$)", "smtp", 550, "the CAT.", true },
        { "-> permanent\n regex (^|[^a-z])cats?([^a-z]|$)", "smtp", 550, "concatenate", false },
        { "-> permanent\n regex \\[tss[0-9]+\\]|cat$", "smtp", 550, "see [TSS09] there", true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char rules[400];
        snprintf(rules, sizeof rules, "rule it %s%s\n" REST, cases[i].rule,
                 strstr(cases[i].rule, "->") ? "" : " -> permanent");
        if (strstr(cases[i].rule, "result=failed") != NULL)
            snprintf(rules, sizeof rules, "rule it %s -> transient\n" REST, cases[i].rule);
        write_rules(rules);
        struct err e = { 0 };
        if (!classify_load(path, &e))
            fail_msg("%s: got %s", cases[i].rule, e.text);
        struct verdict v = ask(cases[i].provider, cases[i].code, cases[i].text);
        bool got = strcmp(v.rule, "it") == 0;
        if (got != cases[i].want)
            fail_msg("%s on %s %d %s: got %s, want %s", cases[i].rule, cases[i].provider, cases[i].code,
                     cases[i].text, v.rule, cases[i].want ? "it" : "rest");
    }
}

static void a_providers_rule_is_asked_before_the_familys(void **state)
{
    (void)state;
    write_rules("rule family for=http code=403 -> reputation\nrule second for=ses code=403 -> permanent\n"
                "rule own for=sendgrid code=403 -> route\nrule late for=sendgrid -> permanent\n" REST);
    struct err e;
    assert_true(classify_load(path, &e));
    assert_string_equal(ask("sendgrid", 403, "").rule, "own");
    assert_string_equal(ask("sendgrid", 500, "").rule, "late");
    assert_string_equal(ask("ses", 403, "").rule, "second");
    assert_string_equal(ask("http", 403, "").rule, "family");
    assert_string_equal(ask("mailjet", 403, "").rule, "family");
    assert_string_equal(ask("smtp", 403, "").rule, "rest");
}

static void a_file_may_add_to_the_built_in_rules_and_replace_some(void **state)
{
    (void)state;
    write_rules("words nobody\n    text gone fishing\n"
                "rule ours for=smtp code=550 -> transient wait=1h\n    text we are moving\n"
                "rule http-429 for=http code=429 -> throttled wait=90s\n"
                "include builtin\n");
    struct err e = { 0 };
    if (!classify_load(path, &e))
        fail_msg("got %s", e.text);
    struct verdict v = ask("smtp", 550, "5.1.1 sorry, WE ARE MOVING");
    assert_string_equal(v.rule, "ours");
    assert_int_equal(v.retry_after_ms, 3600000);
    assert_string_equal(ask("smtp", 550, "5.1.1 whatever").rule, "smtp-5.1.1");
    assert_string_equal(ask("smtp", 550, "gone fishing").rule, "smtp-nobody");
    assert_int_equal(ask("http", 429, "").retry_after_ms, 90000);
}

static void only_replies_that_no_text_decided_are_generic(void **state)
{
    (void)state;
    classify_clear();
    assert_true(ask("smtp", 550, "xyzzy").generic);
    assert_true(ask("smtp", 451, "xyzzy").generic);
    assert_true(ask("http", 499, "").generic);
    assert_false(ask("smtp", 550, "5.1.1 xyzzy").generic);
    assert_false(ask("smtp", 550, "no such user").generic);
    assert_false(ask("http", 429, "").generic);
}

// ---- reloading -----------------------------------------------------------------------------------------

static void a_reload_takes_all_or_nothing(void **state)
{
    (void)state;
    struct err e = { 0 };
    write_rules("rule old code=550 -> permanent\n" REST);
    assert_true(classify_load(path, &e));
    struct verdict before = ask("smtp", 550, "");
    assert_string_equal(before.rule, "old");
    write_rules("rule new code=550 -> transient\nrule bad code=55O -> permanent\n" REST);
    assert_false(classify_reload(&e));
    char want[128];
    snprintf(want, sizeof want, "%s:2: rule bad: code=55O", path);
    if (strncmp(e.text, want, strlen(want)) != 0)
        fail_msg("got %s, want %s", e.text, want);
    assert_string_equal(ask("smtp", 550, "").rule, "old");
    write_rules("rule new code=550 -> transient\n" REST);
    assert_true(classify_reload(&e));
    assert_string_equal(ask("smtp", 550, "").rule, "new");
    assert_int_equal(ask("smtp", 550, "").class, FAILURE_TRANSIENT);
    assert_string_equal(before.rule, "old"); // an attempt that is still being settled names its rule
    assert_int_equal(unlink(path), 0);
    assert_false(classify_reload(&e));
    assert_string_equal(ask("smtp", 550, "").rule, "new");
    write_rules("");
}

static void a_bad_file_is_no_start(void **state)
{
    (void)state;
    struct err e = { 0 };
    classify_clear();
    assert_false(classify_load("/nonexistent/rules", &e));
    assert_int_equal(e.kind, ERR_CONFIG);
    assert_non_null(strstr(e.text, "/nonexistent/rules"));
    assert_true(classify_load(NULL, &e));
    assert_true(classify_reload(&e)); // the built-in ones: nothing to do
    assert_string_equal(ask("smtp", 550, "5.1.1 x").rule, "smtp-5.1.1");
}

// ---- anything at all -----------------------------------------------------------------------------------

static uint32_t random_next(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    return *x ^= *x << 5;
}

// Half of it bytes, half of it pieces of what the format is made of.
static size_t random_text(uint32_t *x, char *out, size_t size)
{
    static const char *const PIECES[] = {
        "rule ",
        "words ",
        "include builtin",
        "-> ",
        "permanent",
        "throttled ",
        "text ",
        "regex ",
        "unless ",
        "example ",
        "\n",
        "\n    ",
        "code=",
        "5xx",
        "550",
        "for=smtp",
        "enhanced=",
        "5.1.1",
        "5.7.*",
        "wait=",
        "|",
        "@",
        "*",
        "(",
        "[a-z]",
        "\\",
        "{1,9}",
        "+",
        "user unknown",
        "550-5.1.1 ",
        "try again in 5 minutes",
        "#",
        ",",
        "=",
        "a",
        "suppress",
        "\r\n",
        "9999999999",
    };
    size_t n = 0;
    while (n + 40 < size && random_next(x) % 60 != 0) {
        if (random_next(x) % 4 == 0)
            out[n++] = (char)random_next(x);
        else
            n += (size_t)snprintf(out + n, size - n, "%s",
                                  PIECES[random_next(x) % (sizeof PIECES / sizeof *PIECES)]);
    }
    out[n] = '\0';
    return n;
}

static void no_bytes_break_parser_or_classifier(void **state)
{
    (void)state;
    uint32_t x = 20261122;
    static const char *const PROVIDERS[] = { "smtp", "mx", "http", "ses", "postmark", "" };
    classify_clear();
    for (int round = 0; round < 4000; round++) {
        char text[1500];
        size_t len = random_text(&x, text, sizeof text);
        char *tight = xstrndup(text, len); // so that reading past the end shows
        struct ruleset *s = NULL;
        struct err e;
        if (ruleset_parse(&s, "random", (struct slice){ tight, len }, &e))
            ruleset_free(s);
        struct outcome o = { .result = (enum attempt_result)(random_next(&x) % 4),
                             .phase = (enum attempt_phase)(random_next(&x) % PHASE_COUNT),
                             .code = (int)(random_next(&x) % 1100) - 50,
                             .retry_after_ms = -1 };
        o.response = (struct slice){ tight, len };
        snprintf(o.enhanced, sizeof o.enhanced, "%.*s", 9, text);
        struct verdict v = classify(PROVIDERS[round % 6], &o, round % 2 == 0);
        if (v.rule == NULL ||
            (o.result == ATTEMPT_UNKNOWN) != (v.class == FAILURE_UNKNOWN && o.result == ATTEMPT_UNKNOWN) ||
            (v.class == FAILURE_NONE) != (o.result == ATTEMPT_ACCEPTED))
            fail_msg("round %d: got %s by %s for result %d", round, failure_name(v.class), v.rule,
                     (int)o.result);
        free(tight);
    }
}

static void the_built_in_rules_survive_damage(void **state)
{
    (void)state;
    uint32_t x = 7;
    struct slice whole = classify_builtin();
    for (int round = 0; round < 60; round++) {
        char *copy = xstrndup(whole.ptr, whole.len);
        for (int i = 0; i < 3; i++)
            copy[random_next(&x) % whole.len] = (char)random_next(&x);
        struct ruleset *s = NULL;
        struct err e;
        if (ruleset_parse(&s, "damaged", (struct slice){ copy, whole.len - random_next(&x) % 50 }, &e))
            ruleset_free(s);
        free(copy);
    }
}

static void note_found(void *arg, unsigned word)
{
    (void)word;
    (*(size_t *)arg)++;
}

static void words_are_found_as_strstr_finds_them(void **state)
{
    (void)state;
    uint32_t x = 99;
    for (int round = 0; round < 300; round++) {
        struct literals *l = literals_new();
        char words[40][8], text[120];
        int numbers[40];
        for (int i = 0; i < 40; i++) {
            size_t len = 1 + random_next(&x) % 6;
            for (size_t k = 0; k < len; k++)
                words[i][k] = (char)('a' + random_next(&x) % 3);
            words[i][len] = '\0';
            numbers[i] = literals_add(l, words[i], len);
        }
        literals_ready(l);
        for (size_t k = 0; k < sizeof text - 1; k++)
            text[k] = (char)('a' + random_next(&x) % 4);
        text[sizeof text - 1] = '\0';
        uint64_t hits[LITERALS_MAX / 64] = { 0 };
        size_t found = 0, want = 0;
        literals_scan(l, text, sizeof text - 1, hits, note_found, &found);
        bool seen[40] = { false };
        for (int i = 0; i < 40; i++) {
            bool there = strstr(text, words[i]) != NULL,
                 got = (hits[numbers[i] / 64] >> (numbers[i] % 64) & 1) != 0;
            if (there != got)
                fail_msg("%s in %s: got %d, want %d", words[i], text, got, there);
            want += there && !seen[numbers[i]];
            seen[numbers[i]] = true;
        }
        assert_int_equal(found, want);
        literals_free(l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_named_with_file_and_line),
        cmocka_unit_test(conditions_are_all_asked),
        cmocka_unit_test(a_providers_rule_is_asked_before_the_familys),
        cmocka_unit_test(a_file_may_add_to_the_built_in_rules_and_replace_some),
        cmocka_unit_test(only_replies_that_no_text_decided_are_generic),
        cmocka_unit_test(a_reload_takes_all_or_nothing),
        cmocka_unit_test(a_bad_file_is_no_start),
        cmocka_unit_test(no_bytes_break_parser_or_classifier),
        cmocka_unit_test(the_built_in_rules_survive_damage),
        cmocka_unit_test(words_are_found_as_strstr_finds_them),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
