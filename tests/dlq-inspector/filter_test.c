// SPDX-License-Identifier: Apache-2.0
// Which letters a filter selects, and which filters are refused.
#include "dlq-inspector/filter.h"
#include "tests/dlq-inspector/fixture.h"

#define TRAIL                                                                                                          \
    "[{\"at\":1,\"transport\":\"http\",\"code\":503,\"text\":\"first\"},"                                               \
    "{\"at\":2,\"transport\":\"smtp\",\"code\":550,\"text\":\"User Unknown\"}]"

static const struct sample LETTER = {
    .id = "job-1",
    .generation = "2",
    .reason = "permanent: no such mailbox",
    .code = "550",
    .trail = TRAIL,
    .response = "550-first line\n550 see policy 77",
    .value = "{\"to\":\"Ada <ada@Example.com>\",\"route\":\"mail\"}",
    .age_ms = 3600 * 1000,
};

static const struct {
    const char *name;
    struct filter_args args;
    const char *id;
    bool want;
} CASES[] = {
    { "nothing given selects everything", { 0 }, NULL, true },
    { "by reason", { .reason = "permanent" }, NULL, true },
    { "by another reason", { .reason = "expired" }, NULL, false },
    { "by one of several reasons", { .dead_reason = "expired,permanent" }, NULL, true },
    { "by domain, whatever its case", { .domain = "example.COM" }, NULL, true },
    { "by another domain", { .domain = "example.org" }, NULL, false },
    { "a subdomain is another domain", { .domain = "mail.example.com" }, NULL, false },
    { "by route", { .provider = "mail" }, NULL, true },
    { "by the transport of the last attempt", { .provider = "smtp" }, NULL, true },
    { "not by the transport of an earlier attempt", { .provider = "http" }, NULL, false },
    { "since before it died", { .since = "2h" }, NULL, true },
    { "since after it died", { .since = "30m" }, NULL, false },
    { "until after it died", { .until = "30m" }, NULL, true },
    { "until before it died", { .until = "2h" }, NULL, false },
    { "since a date", { .since = "2023-11-14T21:13:20Z" }, NULL, true },
    { "since a date one second later", { .since = "2023-11-14T21:13:21Z" }, NULL, false },
    { "by words of the last attempt, whatever their case", { .text = "user unknown" }, NULL, true },
    { "by words of the full reply", { .text = "POLICY 77" }, NULL, true },
    { "by words of the reason's detail", { .text = "no such mailbox" }, NULL, true },
    { "not by words of an earlier attempt", { .text = "first\"" }, NULL, false },
    { "by id", { 0 }, "job-1", true },
    { "by id and generation", { 0 }, "job-1/2", true },
    { "by id and another generation", { 0 }, "job-1/1", false },
    { "by the beginning of an id", { 0 }, "job", false },
    { "all that is given must hold", { .reason = "permanent", .domain = "example.org" }, NULL, false },
};

static void selects(void **state)
{
    (void)state;
    struct record *r = sample_record(&LETTER);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct letter l = { 0 };
        struct filter f;
        struct err e;
        struct filter_args args = CASES[i].args;
        if (CASES[i].id != NULL)
            args.ids.items[args.ids.count++] = (char *)CASES[i].id;
        if (!filter_init(&f, &args, NOW_MS, &e))
            fail_msg("%s: refused: %s", CASES[i].name, e.text);
        letter_read(&l, r);
        expect_int(CASES[i].name, filter_match(&f, &l), CASES[i].want);
        letter_clear(&l);
    }
    record_free(r);
}

static const struct {
    const char *name;
    struct filter_args args;
    const char *want; // in the error text
} REFUSED[] = {
    { "a typing error in a reason names the right one", { .reason = "permanant" }, "permanent" },
    { "both names of the same filter", { .reason = "expired", .dead_reason = "expired" }, "--dead-reason" },
    { "a time that is none", { .since = "yesterday" }, "--since yesterday" },
    { "a list without a word", { .domain = "," }, "--domain" },
};

static void refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++) {
        struct filter f;
        struct err e = { .kind = ERR_NONE };
        bool ok = filter_init(&f, &REFUSED[i].args, NOW_MS, &e);
        if (ok || e.kind != ERR_USAGE || strstr(e.text, REFUSED[i].want) == NULL)
            fail_msg("%s: got %s \"%s\", want a usage error with \"%s\"", REFUSED[i].name, ok ? "accepted" : "refused",
                     e.text, REFUSED[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selects),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
