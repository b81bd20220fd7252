// SPDX-License-Identifier: Apache-2.0
// What is understood of a letter, whole or broken.
#include "tests/dlq-inspector/fixture.h"

static const struct {
    const char *name;
    struct sample sample;
    const char *key, *reason, *detail, *text, *domain, *lane;
} CASES[] = {
    { "reason and detail are two things",
      { .id = "j", .reason = "permanent: 550: gone", .value = "{\"to\":\"a@b.example\"}" },
      "j/0", "permanent", "550: gone", "550: gone", "b.example", "normal" },
    { "a reason without detail", { .id = "j", .generation = "3", .reason = "expired", .value = "{}" },
      "j/3", "expired", "", "", "", "normal" },
    { "the last attempt's text comes before the detail",
      { .id = "j", .reason = "exhausted: 12 attempts", .trail = "[{\"text\":\"one\"},{\"omitted\":4},{\"text\":\"two\"}]" },
      "j/0", "exhausted", "12 attempts", "two", "", "normal" },
    { "a letter without an id is named after where its job came from",
      { .reason = "invalid: not JSON", .origin = "sendfleet.main-2-17", .value = "nonsense" },
      "sendfleet.main-2-17/0", "invalid", "not JSON", "not JSON", "", "normal" },
    { "a letter without anything is named after itself", { .offset = 9 }, "sendfleet.dlq-1-9/0", "invalid", "", "", "", "normal" },
    { "unreadable headers make an invalid letter with a name",
      { .id = "j", .extra_name = "sf-try", .extra_value = "many", .offset = 5 },
      "sendfleet.dlq-1-5/0", "invalid", "", "", "", "normal" },
    { "a webhook's domain is its host", { .id = "w", .reason = "permanent", .value = "{\"url\":\"https://u@hooks.example:8443/x?a@b\"}" },
      "w/0", "permanent", "", "", "hooks.example", "normal" },
    { "the lane header comes before the value",
      { .id = "j", .reason = "expired", .lane = "critical", .value = "{\"priority\":\"bulk\"}" },
      "j/0", "expired", "", "", "", "critical" },
    { "the value's priority is the lane otherwise", { .id = "j", .reason = "expired", .value = "{\"priority\":\"bulk\"}" },
      "j/0", "expired", "", "", "", "bulk" },
    { "a broken trail is no trail", { .id = "j", .reason = "expired: d", .trail = "[{\"text\":" },
      "j/0", "expired", "d", "d", "", "normal" },
};

static void letters(void **state)
{
    (void)state;
    struct letter l = { 0 }; // reused on purpose: nothing of the former letter may show
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct record *r = sample_record(&CASES[i].sample);
        letter_read(&l, r);
        expect_text(CASES[i].name, slice_of(l.key), CASES[i].key);
        expect_text(CASES[i].name, l.reason, CASES[i].reason);
        expect_text(CASES[i].name, l.detail, CASES[i].detail);
        expect_text(CASES[i].name, letter_text(&l), CASES[i].text);
        expect_text(CASES[i].name, letter_job(&l)->domain, CASES[i].domain);
        expect_text(CASES[i].name, letter_lane(&l), CASES[i].lane);
        record_free(r);
    }
    letter_clear(&l);
}

static void attempts_in_order(void **state)
{
    (void)state;
    struct attempts a = { 0 };
    struct trail_entry entry;
    int64_t omitted;
    attempts_open(&a, SLICE("[{\"try\":1,\"class\":\"transient\",\"text\":\"line \\\"one\\\"\"},{\"omitted\":7},"
                            "17,{\"try\":9,\"code\":550,\"class\":\"permanent\",\"gen\":1}]"));
    assert_true(attempts_next(&a, &entry, &omitted));
    expect_text("the first text", entry.text, "line \"one\"");
    expect_int("the first class", entry.class, FAILURE_TRANSIENT);
    assert_true(attempts_next(&a, &entry, &omitted));
    expect_int("attempts left out", omitted, 7);
    assert_true(attempts_next(&a, &entry, &omitted)); // 17 is no attempt
    expect_int("the last try", entry.try_no, 9);
    expect_int("its generation", entry.generation, 1);
    assert_false(attempts_next(&a, &entry, &omitted));
    assert_true(attempts_last(&a, &entry));
    expect_int("the last code", entry.code, 550);
    attempts_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters),
        cmocka_unit_test(attempts_in_order),
    };
    return cmocka_run_group_tests_name("letter", tests, NULL, NULL);
}
