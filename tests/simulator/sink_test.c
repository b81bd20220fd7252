// SPDX-License-Identifier: Apache-2.0
// sink: transcripts. A row is one request; rows of a table meet the same sink, so their order is the story.
#include "api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct request request_for(struct buf *text, const char *to, const char *key)
{
    struct request r;
    struct buf body = { 0 };
    buf_printf(&body, "{\"metadata\":{\"to\":\"wrong@example.com\"},\"id\":\"job\",\"to\":\"%s\"}", to);
    buf_reset(text);
    buf_printf(text, "POST /send HTTP/1.1\r\nIdempotency-Key: %s\r\ncontent-length: %zu\r\n\r\n%s", key,
               body.len, body.data);
    buf_clear(&body);
    if (wire_parse(buf_slice(text), &r) != WIRE_COMPLETE)
        fail_msg("the request of this test is not complete");
    return r;
}

struct row {
    const char *to, *key;
    bool dedup;
    enum carry_out want;
    int want_status;
};

static void play(struct sink *s, const struct row *rows, size_t count, const char *story)
{
    struct buf text = { 0 };
    for (size_t i = 0; i < count; i++) {
        struct request r = request_for(&text, rows[i].to, rows[i].key);
        struct verdict v = sink_decide(s, &r, rows[i].dedup, 1000 + (int64_t)i);
        if (v.how != rows[i].want || (v.how == CARRY_ANSWER && v.status != rows[i].want_status))
            fail_msg("%s, request %zu: got %d/%d, want %d/%d", story, i, v.how, v.status, rows[i].want,
                     rows[i].want_status);
    }
    buf_clear(&text);
}

#define PLAY(sink, story, ...)                                                                               \
    do {                                                                                                     \
        static const struct row rows[] = { __VA_ARGS__ };                                                    \
        play(sink, rows, sizeof rows / sizeof rows[0], story);                                               \
    } while (0)

static const struct entry *entry_of(const struct sink *s, const char *key)
{
    const struct entry *e;
    for (size_t i = 0; (e = ledger_at(s->ledger, i)) != NULL; i++) {
        if (slice_is(e->key, key))
            return e;
    }
    fail_msg("no entry for %s", key);
    return NULL;
}

static void want_counts(const struct sink *s, const char *key, uint32_t requests, uint32_t accepted)
{
    const struct entry *e = entry_of(s, key);
    if (e->requests != requests || e->accepted != accepted)
        fail_msg("%s: got %u requests and %u accepted, want %u and %u", key, e->requests, e->accepted,
                 requests, accepted);
}

static void control(struct sink *s, const char *json, int64_t now)
{
    struct err e;
    int64_t refuse_ms;
    if (!sink_control(s, slice_of(json), now, &refuse_ms, &e))
        fail_msg("%s: %s", json, e.text);
}

static int new_sink(void **state)
{
    struct sink *s = calloc(1, sizeof *s);
    s->ledger = ledger_new(NULL);
    *state = s;
    return 0;
}

static int free_sink(void **state)
{
    struct sink *s = *state;
    ledger_free(s->ledger);
    free(s);
    return 0;
}

static void every_request_to_send_counts(void **state)
{
    struct sink *s = *state;
    PLAY(s, "the same key twice", { "a@example.com", "k", false, CARRY_ANSWER, 200 },
         { "a@example.com", "k", false, CARRY_ANSWER, 200 });
    want_counts(s, "k", 2, 2);
    assert_int_equal(ledger_totals(s->ledger)->accepted_twice, 1);
}

static void dedup_replays_an_acceptance_and_only_that(void **state)
{
    struct sink *s = *state;
    PLAY(s, "fails, is accepted, is replayed", { "a+flaky-1@example.com", "k", true, CARRY_ANSWER, 503 },
         { "a+flaky-1@example.com", "k", true, CARRY_ANSWER, 200 },
         { "a+flaky-1@example.com", "k", true, CARRY_ANSWER, 200 });
    want_counts(s, "k", 3, 1);
    assert_int_equal(entry_of(s, "k")->replayed, 1);
    assert_int_equal(ledger_totals(s->ledger)->accepted_twice, 0);
}

static void scripts_do_what_they_say(void **state)
{
    struct sink *s = *state;
    PLAY(s, "scripts", { "a+fail-422@example.com", "1", false, CARRY_ANSWER, 422 },
         { "a+fail-422@example.com", "1", false, CARRY_ANSWER, 422 },
         { "fail-401-1@example.com", "2", false, CARRY_ANSWER, 401 },
         { "fail-401-1@example.com", "2", false, CARRY_ANSWER, 200 },
         { "a+throttle-7@example.com", "3", false, CARRY_ANSWER, 429 },
         { "a+throttle-7@example.com", "3", false, CARRY_ANSWER, 200 },
         { "a+hang@example.com", "4", false, CARRY_SILENCE, 0 },
         { "a+drop-once@example.com", "5", false, CARRY_CLOSE, 0 },
         { "a+drop-once@example.com", "5", false, CARRY_ANSWER, 200 },
         { "a+reset@example.com", "6", false, CARRY_RESET, 0 },
         { "a+newsletter@example.com", "7", false, CARRY_ANSWER, 200 });
    want_counts(s, "4", 1, 0);
    want_counts(s, "5", 2, 2); // the drop was an acceptance
    want_counts(s, "6", 1, 0);
}

static void a_repaired_provider_accepts_what_it_refused(void **state)
{
    struct sink *s = *state;
    PLAY(s, "before", { "a+fail-403@example.com", "k", false, CARRY_ANSWER, 403 });
    control(s, "{\"heal\":true}", 0);
    PLAY(s, "after", { "a+fail-403@example.com", "k", false, CARRY_ANSWER, 200 });
}

static void a_mode_ends_by_itself(void **state)
{
    struct sink *s = *state;
    control(s, "{\"mode\":\"fail-503\",\"for_ms\":1001}", 0);
    PLAY(s, "the second request comes after the end", { "a@example.com", "1", false, CARRY_ANSWER, 503 },
         { "a@example.com", "2", false, CARRY_ANSWER, 200 });
}

static void a_share_meets_about_that_many_keys_and_always_the_same(void **state)
{
    struct sink *s = *state;
    struct buf text = { 0 };
    int failed[2] = { 0 };
    control(s, "{\"share\":{\"fail-500\":0.1,\"fail-503\":0.2}}", 0);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 10000; i++) {
            char key[32];
            snprintf(key, sizeof key, "order-%d", i);
            struct request r = request_for(&text, "a@example.com", key);
            failed[round] += sink_decide(s, &r, false, 0).status != 200;
        }
    }
    buf_clear(&text);
    if (failed[0] < 2700 || failed[0] > 3300)
        fail_msg("got %d of 10000, want about 3000", failed[0]);
    assert_int_equal(failed[0], failed[1]);
}

static void a_wrong_control_changes_nothing(void **state)
{
    struct sink *s = *state;
    static const char *const wrong[] = {
        "",
        "[]",
        "{\"mode\":\"nonsense\"}",
        "{\"share\":{\"flakey\":0.1}}",
        "{\"share\":{\"drop\":0.7,\"hang\":0.4}}",
        "{\"latency_ms\":-1}",
        "{\"latency\":5}",
        "{\"mode\":\"refuse\"}",
        "{\"for_ms\":5}",
        "{\"latency_ms\":50,\"heal\":1}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct err e;
        int64_t refuse_ms;
        if (sink_control(s, slice_of(wrong[i]), 0, &refuse_ms, &e))
            fail_msg("%s was taken", wrong[i]);
        assert_int_equal(s->latency_ms, 0);
        assert_int_equal(s->share_count, 0);
        assert_int_equal(s->mode_until_ms, 0);
    }
}

static void a_reset_comes_before_the_body_is_complete(void **state)
{
    struct sink *s = *state;
    struct request r;
    struct slice cut = SLICE("POST /send HTTP/1.1\r\nContent-Length: "
                             "1000\r\n\r\n{\"to\":\"a+reset@example.com\",\"text\":\"and so");
    assert_int_equal(wire_parse(cut, &r), WIRE_BODY);
    assert_true(sink_resets_early(s, &r, 0));
    r.body.len = 8; // the recipient is not known yet
    assert_false(sink_resets_early(s, &r, 0));
}

static void the_ledger_grows_past_its_first_sizes(void **state)
{
    struct sink *s = *state;
    char key[32];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20000; i++) {
            int len = snprintf(key, sizeof key, "%d", i);
            struct entry *e =
                ledger_entry(s->ledger, (struct slice){ key, (size_t)len }, SLICE("id"), SLICE("to"));
            ledger_record(s->ledger, e, (struct receipt){ .status = 200, .accepted = true });
        }
    }
    assert_int_equal(ledger_totals(s->ledger)->keys, 20000);
    assert_int_equal(ledger_totals(s->ledger)->accepted_twice, 20000);
    want_counts(s, "19999", 2, 2);
}

static void an_entry_is_one_json_line(void **state)
{
    struct sink *s = *state;
    struct buf line = { 0 };
    struct entry *e = ledger_entry(s->ledger, SLICE("a\"b"), SLICE("j"), SLICE("t@example.com"));
    ledger_record(s->ledger, e, (struct receipt){ .at_ms = 5, .status = 503 });
    ledger_record(s->ledger, e, (struct receipt){ .at_ms = 7, .status = 200, .accepted = true });
    ledger_put_entry(&line, e);
    assert_string_equal(
        line.data, "{\"key\":\"a\\\"b\",\"id\":\"j\",\"to\":\"t@example.com\",\"requests\":2,\"accepted\":1,"
                   "\"replayed\":0,\"times\":[5,7],\"statuses\":[503,200]}\n");
    buf_clear(&line);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, new_sink, free_sink)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_request_to_send_counts),
        CASE(dedup_replays_an_acceptance_and_only_that),
        CASE(scripts_do_what_they_say),
        CASE(a_repaired_provider_accepts_what_it_refused),
        CASE(a_mode_ends_by_itself),
        CASE(a_share_meets_about_that_many_keys_and_always_the_same),
        CASE(a_wrong_control_changes_nothing),
        CASE(a_reset_comes_before_the_body_is_complete),
        CASE(the_ledger_grows_past_its_first_sizes),
        CASE(an_entry_is_one_json_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
