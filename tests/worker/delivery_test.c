// SPDX-License-Identifier: Apache-2.0
// One record's way through the worker, with every answer given by hand: each path settles exactly once, in the order
// Redis, Kafka, Redis, offset, and leaves no counter behind.
#include "tests/worker/delivery_fixture.h"

// ---- the plain ways ----------------------------------------------------------------------------------------------

static void an_accepted_job_is_marked_then_told_then_finished(void **state)
{
    (void)state;
    take(record_with(JOB, NULL));
    redis_finds(ASKED_CLAIM, DEDUP_GO, "", 0);
    attempt_ends(w.attempt, ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
    assert_int_equal(w.posts, 0); // not before Redis knows
    redis_takes(ASKED_SENT, true);
    assert_int_equal(w.posts, 1);
    assert_int_equal(w.posted[0].event, EVENT_ACCEPTED);
    assert_int_equal(w.stored, -1); // not before Kafka has acknowledged
    kafka_acknowledges_all();
    expect_all_settled();
}

static void a_failed_attempt_goes_onto_a_belt_and_is_proven_queued(void **state)
{
    (void)state;
    take(record_with(JOB, NULL));
    redis_finds(ASKED_CLAIM, DEDUP_GO, "", 0);
    attempt_ends(w.attempt, ATTEMPT_FAILED, PHASE_CONNECT, 0);
    redis_takes(ASKED_FAILED, true);
    struct posted *retry = posted_to(".retry.1s");
    if (retry == NULL)
        retry = posted_to(".retry.5s");
    assert_non_null(retry);
    assert_string_equal(header_of(retry, "sf-try"), "1");
    assert_string_equal(header_of(retry, "sf-attempt"), "1");
    assert_string_equal(header_of(retry, "sf-wait"), "retry");
    assert_string_equal(header_of(retry, "sf-origin"), "t.main-0-0");
    assert_non_null(strstr(header_of(retry, "sf-trail"), "\"phase\":\"connect\""));
    kafka_acknowledges_all();
    assert_int_equal(w.stored, -1);
    struct question q = redis_takes(ASKED_QUEUED, true);
    assert_int_equal(q.epoch.try_no, 1);
    expect_all_settled();
}

static void a_letter_carries_what_a_person_needs(void **state)
{
    (void)state;
    take(record_with(JOB, NULL));
    redis_finds(ASKED_CLAIM, DEDUP_GO, "", 0);
    attempt_ends(w.attempt, ATTEMPT_REFUSED, PHASE_RESPONSE, 400);
    redis_takes(ASKED_DEAD, true);
    struct posted *letter = posted_to(".dlq");
    assert_non_null(letter);
    static const char *const PRESENT[] = { "sf-id", "sf-attempt", "sf-first-seen", "sf-class", "sf-code", "sf-rcpt",
                                           "sf-lane", "sf-trail", "sf-reason", "sf-origin", "sf-response" };
    for (size_t i = 0; i < sizeof PRESENT / sizeof PRESENT[0]; i++)
        if (header_of(letter, PRESENT[i])[0] == '\0')
            fail_msg("got no %s, want it on a letter", PRESENT[i]);
    assert_string_equal(header_of(letter, "sf-response"), "so it said in full");
    assert_non_null(strstr(header_of(letter, "sf-trail"), "\"code\":400"));
    assert_string_equal(header_of(letter, "sf-due"), "");
    assert_true(slice_is(letter->record->value, JOB));
    kafka_acknowledges_all();
    expect_all_settled();
}

static void what_is_no_job_becomes_a_letter_with_its_bytes(void **state)
{
    static const char *const DAMAGED[][2] = { { "sf-try", "many" }, { "mine", "1" }, { NULL, NULL } };
    static const struct {
        const char *value;
        const char *const (*headers)[2];
    } cases[] = { { "{broken", NULL }, { NULL, NULL }, { "", NULL }, { JOB, DAMAGED } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        take(record_with(cases[i].value, cases[i].headers));
        struct posted *letter = posted_to(".dlq");
        assert_non_null(letter);
        assert_int_equal(letter->record->has_value, cases[i].value != NULL);
        if (cases[i].value != NULL)
            assert_true(slice_is(letter->record->value, cases[i].value));
        assert_string_equal(header_of(letter, "sf-class"), "invalid");
        kafka_acknowledges_all();
        expect_all_settled();
    }
}

static void what_was_found_settled_is_only_filed_again(void **state)
{
    static const char WAIT[] = "{\"kind\":\"wait\",\"wait\":\"retry\",\"class\":\"transient\",\"due\":1700000009000,"
                               "\"continues\":1,\"attempt\":1,\"code\":0,\"reason\":\"x\"}";
    static const char LETTER[] = "{\"kind\":\"letter\",\"wait\":\"none\",\"class\":\"permanent\",\"due\":0,\"continues\":0,"
                                 "\"attempt\":1,\"code\":550,\"reason\":\"permanent: x\"}";
    static const struct {
        enum dedup_finding finding;
        const char *detail, *topic;
        bool queued;
    } cases[] = {
        { DEDUP_SENT, "p-9", "events", false },  { DEDUP_FAILED, WAIT, ".retry.5s", true },
        { DEDUP_UNKNOWN, WAIT, ".retry.5s", true }, { DEDUP_DEAD, LETTER, ".dlq", false },
        { DEDUP_NOW_UNKNOWN, "w0", ".dlq", false }, { DEDUP_UNKNOWN, "w0", ".dlq", false },
        { DEDUP_DUPLICATE, "j0", "events", false }, { DEDUP_CONFLICT, "j0", ".dlq", false },
        { DEDUP_PARK, "", ".retry.30s", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int before = w.posts;
        take(record_with(JOB, NULL));
        redis_finds(ASKED_CLAIM, cases[i].finding, cases[i].detail, 40000);
        struct posted *p = posted_to(cases[i].topic);
        if (p == NULL || p < &w.posted[before])
            fail_msg("finding %d: got nothing on %s, want it filed", cases[i].finding, cases[i].topic);
        kafka_acknowledges_all();
        if (cases[i].queued)
            redis_takes(ASKED_QUEUED, true);
        expect_all_settled();
    }
    assert_int_equal(w.started, 0);
}

static void a_dead_workers_attempt_is_in_the_trail(void **state)
{
    (void)state;
    take(record_with(JOB, NULL));
    redis_finds(ASKED_CLAIM, DEDUP_NOW_UNKNOWN, "w0", 0);
    struct posted *letter = posted_to(".dlq");
    assert_non_null(strstr(header_of(letter, "sf-trail"), "\"worker\":\"w0\""));
    assert_non_null(strstr(header_of(letter, "sf-reason"), "w0"));
    kafka_acknowledges_all();
    expect_all_settled();
}

static void a_newer_epoch_ends_it_without_a_word(void **state)
{
    (void)state;
    take(record_with(JOB, NULL));
    redis_finds(ASKED_CLAIM, DEDUP_STALE, "", 0);
    assert_int_equal(w.posts, 0);
    expect_all_settled();
}

// ---- what goes wrong ---------------------------------------------------------------------------------------------

static void only_what_kafka_did_not_take_is_filed_again(void **state)
{
    (void)state;
    take(record_with(JOB, NULL));
    redis_finds(ASKED_CLAIM, DEDUP_GO, "", 0);
    attempt_ends(w.attempt, ATTEMPT_FAILED, PHASE_CONNECT, 0);
    w.refuse_events = true;
    redis_takes(ASKED_FAILED, true);
    kafka_acknowledges_all();
    pass(5000); // the journal stays full for a while: no retry may be multiplied by that
    assert_int_equal(posted_records(), 1);
    w.refuse_events = false;
    pass(1000);
    kafka_acknowledges_all();
    redis_takes(ASKED_QUEUED, true);
    assert_int_equal(posted_records(), 1);
    expect_all_settled();
}

static void a_letter_that_is_not_acknowledged_is_filed_again(void **state)
{
    (void)state;
    take(record_with("{", NULL));
    kafka_answers(posted_to(".dlq"), false);
    kafka_answers(posted_to("events"), true);
    assert_int_equal(w.stored, -1);
    pass(2000);
    assert_int_equal(posted_records(), 2);
    kafka_acknowledges_all();
    expect_all_settled();
}

static void what_is_too_large_for_a_letter_does_not_hold_up_its_partition(void **state)
{
    (void)state;
    w.largest = 3;
    w.config.max_job_bytes = 4;
    take(record_with("{not a job", NULL));
    kafka_acknowledges_all(); // the event
    pass(2000);
    struct posted *letter = posted_to(".dlq");
    assert_non_null(letter);
    assert_false(letter->record->has_value);
    assert_non_null(strstr(header_of(letter, "sf-reason"), "stay at t.main-0-0"));
    kafka_acknowledges_all();
    expect_all_settled();
}

static void a_claim_that_was_answered_after_its_lease_is_made_again(void **state)
{
    (void)state;
    take(record_with(JOB, NULL));
    char token[DEDUP_TOKEN_SIZE];
    memcpy(token, w.questions[0].token, sizeof token);
    pass(60000); // stopped, or Redis was away
    redis_finds(ASKED_CLAIM, DEDUP_GO, "", 0);
    assert_int_equal(w.started, 0);
    assert_string_equal(w.questions[0].token, token);
    redis_finds(ASKED_CLAIM, DEDUP_GO, "", 0);
    assert_int_equal(w.started, 1);
    attempt_ends(w.attempt, ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
    redis_takes(ASKED_SENT, true);
    kafka_acknowledges_all();
    expect_all_settled();
}

static void a_deadline_that_passes_before_the_attempt_is_kept(void **state)
{
    (void)state;
    char expires[24];
    snprintf(expires, sizeof expires, "%lld", (long long)broker_now_ms() + 30000);
    const char *const headers[][2] = { { "sf-expires", expires }, { NULL, NULL } };
    take(record_with(JOB, headers)); // Redis is away
    int claims = 1;
    for (; w.all.last->state == DELIVERY_ASKING; claims++)
        take(record_with(JOB, headers)); // until one stands in line
    pass(31000);
    redis_finds(ASKED_CLAIM, DEDUP_GO, "", 0); // late, and to be judged again
    assert_int_equal(w.questions[w.asked - 1].kind, ASKED_LOOKUP);
    for (int i = 1; i < claims - 1; i++)
        redis_finds(ASKED_CLAIM, DEDUP_STALE, "", 0);
    while (w.asked > 0 && w.questions[0].kind == ASKED_LOOKUP)
        redis_finds(ASKED_LOOKUP, DEDUP_GO, "", 0);
    assert_int_equal(w.started, 0);
    while (w.asked > 0)
        redis_takes(ASKED_DEAD, true);
    assert_string_equal(header_of(posted_to(".dlq"), "sf-class"), "expired");
    kafka_acknowledges_all();
    expect_all_settled();
}

static void a_refused_verdict_looks_what_stands_there(void **state)
{
    (void)state;
    take(record_with(JOB, NULL));
    redis_finds(ASKED_CLAIM, DEDUP_GO, "", 0);
    attempt_ends(w.attempt, ATTEMPT_FAILED, PHASE_CONNECT, 0);
    redis_takes(ASKED_FAILED, false);
    redis_finds(ASKED_LOOKUP, DEDUP_GO, "", 0); // gone again: the verdict is written once more
    redis_takes(ASKED_FAILED, false);
    redis_finds(ASKED_LOOKUP, DEDUP_SENT, "p-2", 0);
    assert_int_equal(posted_records(), 0);
    assert_int_equal(w.posted[0].event, EVENT_ACCEPTED);
    kafka_acknowledges_all();
    expect_all_settled();
}

static void an_acceptance_that_redis_refuses_is_still_an_acceptance(void **state)
{
    (void)state;
    take(record_with(JOB, NULL));
    redis_finds(ASKED_CLAIM, DEDUP_GO, "", 0);
    attempt_ends(w.attempt, ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
    redis_takes(ASKED_SENT, false); // an error: something that is not ours lies under the key
    assert_int_equal(w.asked, 0);
    assert_int_equal(w.posted[0].event, EVENT_ACCEPTED);
    kafka_acknowledges_all();
    expect_all_settled();
}

// ---- long attempts and the end -----------------------------------------------------------------------------------

static void a_long_attempt_renews_and_is_carried_over(void **state)
{
    (void)state;
    take(record_with(JOB, NULL));
    redis_finds(ASKED_CLAIM, DEDUP_GO, "", 0);
    pass(31000);
    redis_takes(ASKED_RENEW, true);
    struct posted *copy = posted_to(".retry.30s");
    assert_non_null(copy);
    assert_string_equal(header_of(copy, "sf-wait"), "carry");
    assert_string_equal(header_of(copy, "sf-try"), "");
    assert_int_equal(w.stored, -1);
    kafka_answers(copy, true);
    assert_int_equal(w.stored, 1); // the partition goes on
    attempt_ends(w.attempt, ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
    redis_takes(ASKED_SENT, true);
    kafka_acknowledges_all();
    expect_all_settled();
}

static void the_oldest_record_under_way_is_told_until_it_is_carried_over(void **state)
{
    (void)state;
    struct buf out = { 0 };
    take(record_with(JOB, NULL));
    redis_finds(ASKED_CLAIM, DEDUP_GO, "", 0);
    pass(29000);
    metrics_print(w.meters.registry, &out);
    assert_non_null(strstr(out.data, "frontier_age_seconds 29"));
    buf_reset(&out);
    pass(2000);
    kafka_acknowledges_all();
    pass(1000);
    metrics_print(w.meters.registry, &out);
    assert_non_null(strstr(out.data, "frontier_age_seconds 0"));
    buf_clear(&out);
    redis_takes(ASKED_RENEW, true);
    attempt_ends(w.attempt, ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
    redis_takes(ASKED_SENT, true);
    kafka_acknowledges_all();
    expect_all_settled();
}

static void an_attempt_that_ends_while_its_copy_is_on_the_way_waits_for_it(void **state)
{
    static const bool answers[] = { true, false };
    (void)state;
    for (int i = 0; i < 2; i++) {
        take(record_with(JOB, NULL));
        redis_finds(ASKED_CLAIM, DEDUP_GO, "", 0);
        pass(31000);
        redis_takes(ASKED_RENEW, true);
        struct posted *copy = posted_to(".retry.30s");
        attempt_ends(w.attempt, ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
        redis_takes(ASKED_SENT, true);
        kafka_answers(posted_to("events"), true);
        assert_int_equal(w.all.count, 1);
        kafka_answers(copy, answers[i]);
        expect_all_settled();
    }
}

static void a_draining_worker_gives_back_what_it_has_not_begun(void **state)
{
    (void)state;
    take(record_with(JOB, NULL)); // its claim is answered after the signal
    take(record_with(JOB, NULL)); // runs
    struct question first = w.questions[0];
    w.questions[0] = w.questions[1];
    w.questions[1] = first;
    redis_finds(ASKED_CLAIM, DEDUP_GO, "", 0);
    deliveries_drain(&w.all);
    redis_finds(ASKED_CLAIM, DEDUP_GO, "", 0);
    redis_takes(ASKED_RELEASE, true);
    deliveries_cut(&w.all); // not begun either, as the transport says
    redis_takes(ASKED_RELEASE, true);
    assert_int_equal(w.all.count, 0);
    assert_int_equal(w.all.budget.inflight + w.all.budget.settling, 0);
    assert_int_equal(w.source->outstanding, 0);
    assert_int_equal(w.stored, -1); // both are read again
    assert_int_equal(w.posts, 0);
}

static void an_attempt_outlives_its_partition(void **state)
{
    (void)state;
    take(record_with(JOB, NULL));
    redis_finds(ASKED_CLAIM, DEDUP_GO, "", 0);
    struct source *gone = w.source;
    w.source = NULL;
    source_release(gone, true);
    attempt_ends(w.attempt, ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
    redis_takes(ASKED_SENT, true);
    kafka_acknowledges_all();
    assert_int_equal(w.all.count, 0);
    assert_int_equal(w.stored, -1);
}

static void what_is_under_way_at_the_end_is_let_go(void **state)
{
    (void)state; // in every state; the sanitizer counts what is left
    take(record_with(JOB, NULL));
    redis_finds(ASKED_CLAIM, DEDUP_GO, "", 0);
    attempt_ends(w.attempt, ATTEMPT_FAILED, PHASE_CONNECT, 0);
    take(record_with("{", NULL));
    take(record_with(JOB, NULL));
    struct source *gone = w.source;
    w.source = NULL;
    source_release(gone, true);
}

// ---- waiting outside ---------------------------------------------------------------------------------------------

static void a_due_time_on_main_is_kept(void **state)
{
    (void)state;
    char due[24];
    snprintf(due, sizeof due, "%lld", (long long)broker_now_ms() + 20000);
    const char *const headers[][2] = { { "sf-due", due }, { NULL, NULL } };
    take(record_with(JOB, headers));
    assert_int_equal(w.asked, 0);
    assert_string_equal(header_of(posted_to(".retry.5s"), "sf-due"), due);
    kafka_acknowledges_all();
    expect_all_settled();
}

static void an_unknown_outcome_that_was_parked_is_still_unknown(void **state)
{
    static const char *const WAITS[] = { "unknown", "busy", "limited", "carry" };
    (void)state;
    for (size_t i = 0; i < sizeof WAITS / sizeof WAITS[0]; i++) {
        const char *const headers[][2] = { { "sf-try", "1" }, { "sf-attempt", "1" }, { "sf-class", "unknown" },
                                           { "sf-wait", WAITS[i] }, { NULL, NULL } };
        take(record_with(JOB, headers));
        if (w.questions[0].kind != ASKED_LOOKUP)
            fail_msg("wait %s: got a claim, want the look-up of a gate", WAITS[i]);
        redis_finds(ASKED_LOOKUP, DEDUP_GO, "", 0);
        redis_takes(ASKED_DEAD, true);
        assert_string_equal(header_of(posted_to(".dlq"), "sf-class"), "unknown");
        kafka_acknowledges_all();
        expect_all_settled();
    }
    assert_int_equal(w.started, 0);
}

static void a_destination_has_its_share_from_arrival_on(void **state)
{
    (void)state;
    static const char SLOW[] = "{\"v\":1,\"idempotency_key\":\"%d\",\"route\":\"default\",\"url\":\"http://slow.example/x\","
                               "\"body\":{}}";
    char job[200];
    for (int i = 0; i < 9; i++) { // all but the first in one turn, before Redis has answered anything
        snprintf(job, sizeof job, SLOW, i);
        take(record_with(job, NULL));
        if (i == 0)
            redis_finds(ASKED_CLAIM, DEDUP_GO, "", 0);
        if (i == 0)
            pass(300); // slow
    }
    assert_int_equal(w.asked, 4); // half of the worker, not all of it
    assert_int_equal(posted_records(), 4);
    kafka_acknowledges_all();
    while (w.asked > 0)
        redis_finds(ASKED_CLAIM, DEDUP_STALE, "", 0);
    attempt_ends(w.attempt, ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
    redis_takes(ASKED_SENT, true);
    kafka_acknowledges_all();
    expect_all_settled();
}

static void a_probe_that_finds_nothing_to_send_frees_the_route(void **state)
{
    (void)state;
    w.route.paused_until_ms = broker_now_ms() - 1;
    take(record_with(JOB, NULL));
    assert_true(w.route.probing);
    take(record_with(JOB, NULL)); // the others wait outside
    assert_int_equal(w.asked, 1);
    redis_finds(ASKED_CLAIM, DEDUP_STALE, "", 0);
    assert_false(w.route.probing);
    kafka_acknowledges_all();
    expect_all_settled();
}

static void a_job_is_claimed_only_for_a_connection(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) // no connections configured: eight places
        take(record_with(JOB, NULL));
    assert_int_equal(w.asked, 8);
    redis_finds(ASKED_CLAIM, DEDUP_STALE, "", 0); // one comes to nothing: the next in line claims
    assert_int_equal(w.asked, 8);
    while (w.asked > 0)
        redis_finds(ASKED_CLAIM, DEDUP_STALE, "", 0);
    expect_all_settled();
}

static void those_in_line_are_left_to_others_at_the_end(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        take(record_with(JOB, NULL));
    deliveries_leave_source(&w.all, w.source);
    assert_int_equal(w.all.count, 8);
    take(record_with(JOB, NULL));
    deliveries_drain(&w.all);
    assert_int_equal(w.all.count, 8);
    assert_int_equal(w.asked, 8);
    while (w.asked > 0)
        redis_finds(ASKED_CLAIM, DEDUP_STALE, "", 0);
    assert_int_equal(w.all.count, 0);
    assert_int_equal(w.source->outstanding, 0);
    assert_int_equal(tracker_window(&w.source->tracker), 3); // read again by the next owner
}

static void those_in_line_of_a_slow_route_leave_for_the_belts(void **state)
{
    (void)state;
    static const char SLOW[] = "{\"v\":1,\"idempotency_key\":\"%d\",\"route\":\"default\",\"url\":\"http://slow.example/x\","
                               "\"body\":{}}";
    char job[200];
    for (int i = 0; i < 9; i++) {
        snprintf(job, sizeof job, SLOW, i);
        take(record_with(job, NULL));
    }
    assert_int_equal(w.asked, 8);
    pass(1100);
    assert_int_equal(posted_records(), 1);
    kafka_acknowledges_all();
    while (w.asked > 0)
        redis_finds(ASKED_CLAIM, DEDUP_STALE, "", 0);
    expect_all_settled();
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, world_begins, world_ends)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_accepted_job_is_marked_then_told_then_finished),
        CASE(a_failed_attempt_goes_onto_a_belt_and_is_proven_queued),
        CASE(a_letter_carries_what_a_person_needs),
        CASE(what_is_no_job_becomes_a_letter_with_its_bytes),
        CASE(what_was_found_settled_is_only_filed_again),
        CASE(a_dead_workers_attempt_is_in_the_trail),
        CASE(a_newer_epoch_ends_it_without_a_word),
        CASE(only_what_kafka_did_not_take_is_filed_again),
        CASE(a_letter_that_is_not_acknowledged_is_filed_again),
        CASE(what_is_too_large_for_a_letter_does_not_hold_up_its_partition),
        CASE(a_claim_that_was_answered_after_its_lease_is_made_again),
        CASE(a_deadline_that_passes_before_the_attempt_is_kept),
        CASE(a_refused_verdict_looks_what_stands_there),
        CASE(an_acceptance_that_redis_refuses_is_still_an_acceptance),
        CASE(a_long_attempt_renews_and_is_carried_over),
        CASE(the_oldest_record_under_way_is_told_until_it_is_carried_over),
        CASE(an_attempt_that_ends_while_its_copy_is_on_the_way_waits_for_it),
        CASE(a_draining_worker_gives_back_what_it_has_not_begun),
        CASE(an_attempt_outlives_its_partition),
        CASE(what_is_under_way_at_the_end_is_let_go),
        CASE(a_due_time_on_main_is_kept),
        CASE(an_unknown_outcome_that_was_parked_is_still_unknown),
        CASE(a_destination_has_its_share_from_arrival_on),
        CASE(a_probe_that_finds_nothing_to_send_frees_the_route),
        CASE(a_job_is_claimed_only_for_a_connection),
        CASE(those_in_line_are_left_to_others_at_the_end),
        CASE(those_in_line_of_a_slow_route_leave_for_the_belts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
