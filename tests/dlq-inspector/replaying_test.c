// SPDX-License-Identifier: Apache-2.0
// Which letters may be replayed, and what the new record carries.
#include "dlq-inspector/marks.h"
#include "dlq-inspector/replaying.h"
#include "tests/dlq-inspector/fixture.h"

#define JOB(more) "{\"v\":1,\"idempotency_key\":\"k\",\"from\":\"a@b.example\",\"to\":\"c@d.example\",\"subject\":\"s\",\"text\":\"t\"" more "}"

static const struct replay_terms TERMS = {
    .by = "ada@ops",
    .reason = "their outage is over",
    .max_age_ms = 48 * 3600 * 1000,
    .window_ms = INT64_C(7) * 86400 * 1000,
    .max_job_bytes = 1 << 20,
};

static const struct mark MARK = { .action = MARK_REPLAYED, .at_ms = 1700000000000, .by = "bob@ops", .reason = "again" };

static const struct {
    const char *name;
    struct sample sample;
    bool marked, unknown_too, old_too;
    int64_t extend_ms;
    enum refusal want;
    const char *text; // in the refusal
} CASES[] = {
    { "an exhausted letter is replayed", { .id = "j", .reason = "exhausted", .value = JOB("") }, .want = REFUSAL_NONE },
    { "a permanent one too, when a person says so", { .id = "j", .reason = "permanent", .value = JOB("") }, .want = REFUSAL_NONE },
    { "a closed letter is not replayed again", { .id = "j", .reason = "exhausted", .value = JOB("") }, .marked = true,
      .want = REFUSAL_CLOSED, .text = "already replayed at 2023-11-14T22:13:20.000Z by bob@ops" },
    { "an invalid letter would come straight back", { .id = "j", .reason = "invalid: no to", .value = JOB("") },
      .want = REFUSAL_INVALID, .text = "not a valid job" },
    { "a conflict would come straight back", { .id = "j", .reason = "conflict", .value = JOB("") },
      .want = REFUSAL_CONFLICT, .text = "key of its own" },
    { "an unknown outcome is not repeated by accident", { .id = "j", .reason = "unknown", .value = JOB("") },
      .want = REFUSAL_UNKNOWN, .text = "--include-unknown" },
    { "an unknown outcome is repeated on demand", { .id = "j", .reason = "unknown", .value = JOB("") }, .unknown_too = true,
      .want = REFUSAL_NONE },
    { "a job may forbid replays", { .id = "j", .reason = "exhausted", .value = JOB(",\"replay\":\"never\"") },
      .want = REFUSAL_NEVER, .text = "never" },
    { "a job may ask for an approval", { .id = "j", .reason = "exhausted", .value = JOB(",\"replay\":\"approval\"") },
      .want = REFUSAL_APPROVAL, .text = "approval" },
    { "an approved job is replayed",
      { .id = "j", .reason = "exhausted",
        .value = JOB(",\"replay\":\"approval\",\"approval\":{\"required\":true,\"state\":\"approved\"}") },
      .want = REFUSAL_NONE },
    { "an approval given later counts",
      { .id = "j", .reason = "exhausted", .extra_name = "sf-approval", .extra_value = "approved",
        .value = JOB(",\"replay\":\"approval\"") },
      .want = REFUSAL_NONE },
    { "a job over its own deadline is not replayed",
      { .id = "j", .reason = "expired", .value = JOB(",\"expires_at\":1699999999000") },
      .want = REFUSAL_EXPIRED, .text = "--extend" },
    { "unless it is given a new one", { .id = "j", .reason = "expired", .value = JOB(",\"expires_at\":1699999999000") },
      .extend_ms = 1000, .want = REFUSAL_NONE },
    { "a letter beyond the replay window is not protected any more",
      { .id = "j", .reason = "exhausted", .value = JOB(""), .age_ms = INT64_C(8) * 86400 * 1000 },
      .want = REFUSAL_OLD, .text = "--include-old" },
    { "it can be replayed all the same",
      { .id = "j", .reason = "exhausted", .value = JOB(""), .age_ms = INT64_C(8) * 86400 * 1000 }, .old_too = true,
      .want = REFUSAL_NONE },
    { "bytes that are no job are not sent, whatever the reason says", { .id = "j", .reason = "exhausted", .value = "{}" },
      .want = REFUSAL_INVALID, .text = "not a valid job" },
    { "a record without a value", { .id = "j", .reason = "exhausted" }, .want = REFUSAL_INVALID, .text = "no value" },
    { "unreadable headers", { .id = "j", .extra_name = "sf-try", .extra_value = "x", .value = JOB("") },
      .want = REFUSAL_INVALID, .text = "sf-try" },
};

static void judges(void **state)
{
    (void)state;
    struct letter l = { 0 };
    struct job job = { 0 };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct record *r = sample_record(&CASES[i].sample);
        struct replay_terms terms = TERMS;
        struct verdict v;
        terms.now_ms = NOW_MS;
        terms.unknown_too = CASES[i].unknown_too;
        terms.old_too = CASES[i].old_too;
        terms.extend_ms = CASES[i].extend_ms;
        letter_read(&l, r);
        l.mark = CASES[i].marked ? &MARK : NULL;
        replaying_judge(&l, &job, &terms, &v);
        if (v.refusal != CASES[i].want)
            fail_msg("%s: got %s (%s), want %s", CASES[i].name, refusal_name(v.refusal), v.text, refusal_name(CASES[i].want));
        if (CASES[i].text != NULL && strstr(v.text, CASES[i].text) == NULL)
            fail_msg("%s: got \"%s\", want something with \"%s\"", CASES[i].name, v.text, CASES[i].text);
        record_free(r);
    }
    job_clear(&job);
    letter_clear(&l);
}

static const struct {
    const char *name, *header, *want; // want NULL: must not be there
} HEADERS[] = {
    { "the id is kept", "sf-id", "j" },
    { "the generation rises", "sf-generation", "3" },
    { "the first attempt of a new life", "sf-attempt", NULL },
    { "and its first try", "sf-try", NULL },
    { "it is first seen now", "sf-first-seen", "1700000000000" },
    { "it lives as long as a new job", "sf-expires", "1700172800000" },
    { "the trail is preserved", "sf-trail", "[{\"try\":4}]" },
    { "the lane is kept", "sf-lane", "bulk" },
    { "the origin is kept", "sf-origin", "sendfleet.main-0-1" },
    { "who, why and which letter are recorded", "sf-replay",
      "{\"at\":1700000000000,\"by\":\"ada@ops\",\"reason\":\"their outage is over\",\"letter\":\"sendfleet.dlq-1-7\"}" },
    { "foreign headers travel along", "x-tenant", "acme" },
    { "the reason is gone", "sf-reason", NULL },
    { "the class is gone", "sf-class", NULL },
    { "the code is gone", "sf-code", NULL },
    { "the response is gone", "sf-response", NULL },
    { "nothing is due", "sf-due", NULL },
    { "nothing waits", "sf-wait", NULL },
};

static struct slice find_header(const struct headers *h, const char *name)
{
    struct slice found = { 0 };
    for (size_t i = 0; i < h->count; i++)
        if (slice_is(headers_at(h, i).name, name))
            found = headers_at(h, i).value;
    return found;
}

static void new_headers(void **state)
{
    (void)state;
    const struct sample sample = {
        .id = "j", .generation = "2", .reason = "exhausted: d", .code = "450", .lane = "bulk", .trail = "[{\"try\":4}]",
        .response = "450 busy", .origin = "sendfleet.main-0-1", .extra_name = "x-tenant", .extra_value = "acme",
        .value = JOB(""), .offset = 7,
    };
    struct record *r = sample_record(&sample);
    struct letter l = { 0 };
    struct job job = { 0 };
    struct verdict v;
    struct headers out = { 0 };
    struct replay_terms terms = TERMS;
    terms.now_ms = NOW_MS;
    letter_read(&l, r);
    l.env.epoch.try_no = 5;
    l.env.attempt = 4;
    l.env.due_ms = NOW_MS - 5;
    l.env.wait = WAIT_RETRY;
    l.env.class = FAILURE_EXHAUSTED;
    replaying_judge(&l, &job, &terms, &v);
    expect_int("it may be replayed", v.refusal, REFUSAL_NONE);
    expect_int("on its own lane", v.lane, JOB_BULK);
    replaying_headers(&l, &terms, &v, &out);
    for (size_t i = 0; i < sizeof HEADERS / sizeof HEADERS[0]; i++) {
        struct slice got = find_header(&out, HEADERS[i].header);
        if (HEADERS[i].want != NULL)
            expect_text(HEADERS[i].name, got, HEADERS[i].want);
        else if (got.ptr != NULL && !slice_is(got, "0"))
            fail_msg("%s: got \"%.*s\", want nothing", HEADERS[i].name, (int)got.len, got.ptr);
    }
    headers_clear(&out);
    job_clear(&job);
    letter_clear(&l);
    record_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges),
        cmocka_unit_test(new_headers),
    };
    return cmocka_run_group_tests_name("replaying", tests, NULL, NULL);
}
