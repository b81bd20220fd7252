// SPDX-License-Identifier: Apache-2.0
// What becomes of a job, by class: the table of worker/README.md, row by row.
#include "worker/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NOW = 1700000000, HOUR = 3600 * 1000 };
static const int64_t NOW_MS = (int64_t)NOW * 1000;

static struct config config;
static struct route_config route;
static struct job job;
static struct envelope env;

static int reset(void **state)
{
    (void)state;
    struct err e;
    config = (struct config){ .backoff = { 5000, 2, 4 * HOUR, 0.2 }, .backoff_busy = { 30000, 2, 4 * HOUR, 0.2 },
                              .throttle_wait_ms = 30000, .route_wait_ms = 30000, .max_attempts = 3,
                              .max_age_ms = 48 * (int64_t)HOUR };
    if (!tiers_parse(&config.tiers, "1s,5s,30s,2m,10m,30m,2h", &e))
        return -1;
    route = (struct route_config){ .name = "r", .idempotency_life_ms = 24 * (int64_t)HOUR };
    job = (struct job){ .created_at_ms = NOW_MS - 1000 };
    env = (struct envelope){ .first_seen_ms = NOW_MS - 500 };
    return 0;
}

static struct policy_case the_case(void)
{
    return (struct policy_case){ .config = &config, .route = &route, .job = &job, .env = &env, .now_ms = NOW_MS,
                                 .random01 = 0.5, .worker = "w1" };
}

static struct ending after(enum failure_class class, int64_t retry_after_ms)
{
    struct policy_case c = the_case();
    struct verdict v = { .class = class, .rule = "test", .retry_after_ms = retry_after_ms };
    struct outcome o = { .code = 450, .text = "told so", .phase = PHASE_RESPONSE };
    struct ending end = { 0 };
    policy_after_attempt(&c, &v, &o, &end);
    return end;
}

static void expect_wait(const struct ending *end, enum wait_kind wait, int64_t low_ms, int64_t high_ms)
{
    int64_t delay_ms = end->due_ms - NOW_MS;
    if (end->kind != ENDING_WAIT || end->wait != wait || delay_ms < low_ms || delay_ms > high_ms)
        fail_msg("got kind %d wait %s in %lld ms (%s), want %s in %lld..%lld ms", end->kind, wait_name(end->wait),
                 (long long)delay_ms, end->reason, wait_name(wait), (long long)low_ms, (long long)high_ms);
    assert_true(end->continues);
}

static void expect_letter(const struct ending *end, enum failure_class class)
{
    if (end->kind != ENDING_LETTER || end->class != class)
        fail_msg("got kind %d class %s (%s), want a letter of class %s", end->kind, failure_name(end->class), end->reason,
                 failure_name(class));
    assert_int_equal(strncmp(end->reason, failure_name(class), strlen(failure_name(class))), 0);
}

static void a_transient_failure_backs_off_and_is_charged(void **state)
{
    (void)state;
    struct ending end = after(FAILURE_TRANSIENT, -1);
    expect_wait(&end, WAIT_RETRY, 4000, 6000);
    assert_int_equal(end.attempt, 1);
}

static void a_busy_mailbox_waits_longer_than_a_transient_failure(void **state)
{
    (void)state;
    struct ending end = after(FAILURE_MAILBOX_BUSY, -1);
    expect_wait(&end, WAIT_RETRY, 24000, 36000);
}

static void a_throttled_attempt_waits_as_long_as_asked_and_is_not_charged(void **state)
{
    (void)state;
    struct ending end = after(FAILURE_THROTTLED, 7123);
    expect_wait(&end, WAIT_THROTTLED, 7123, 7623);
    assert_int_equal(end.attempt, 0);
    end = after(FAILURE_THROTTLED, 30000);
    expect_wait(&end, WAIT_THROTTLED, 30000, 30500);
    assert_int_equal(tiers_hops(&config.tiers, end.due_ms - NOW_MS), 1);
}

static void a_route_failure_waits_for_the_route_and_is_not_charged(void **state)
{
    (void)state;
    struct policy_case c = the_case();
    c.route_until_ms = NOW_MS + 90000;
    struct verdict v = { .class = FAILURE_ROUTE, .rule = "test", .retry_after_ms = -1 };
    struct outcome o = { .code = 401 };
    struct ending end = { 0 };
    policy_after_attempt(&c, &v, &o, &end);
    expect_wait(&end, WAIT_LIMITED, 90000, 90000);
    assert_int_equal(end.attempt, 0);
}

static void permanent_and_reputation_failures_are_never_retried(void **state)
{
    (void)state;
    struct ending end = after(FAILURE_PERMANENT, -1);
    expect_letter(&end, FAILURE_PERMANENT);
    end = after(FAILURE_REPUTATION, -1);
    expect_letter(&end, FAILURE_REPUTATION);
}

static void the_last_charged_attempt_exhausts(void **state)
{
    (void)state;
    env.attempt = 2; // the third is the last
    struct ending end = after(FAILURE_TRANSIENT, -1);
    expect_letter(&end, FAILURE_EXHAUSTED);
    assert_int_equal(end.attempt, 3);
}

static void a_wait_beyond_the_deadline_expires_at_once(void **state)
{
    (void)state;
    job.expires_at_ms = NOW_MS + 2000;
    struct ending end = after(FAILURE_TRANSIENT, -1);
    expect_letter(&end, FAILURE_EXPIRED);
    assert_non_null(strstr(end.reason, "told so"));
}

static void an_unknown_outcome_is_held_when_nothing_protects_a_resend(void **state)
{
    (void)state;
    struct ending end = after(FAILURE_UNKNOWN, -1);
    expect_letter(&end, FAILURE_UNKNOWN);
    assert_non_null(strstr(end.reason, "w1"));
    assert_non_null(strstr(end.reason, "response"));
}

static void an_unknown_outcome_retries_while_the_receiver_remembers_the_key(void **state)
{
    (void)state;
    route.idempotent = true;
    struct ending end = after(FAILURE_UNKNOWN, -1);
    expect_wait(&end, WAIT_UNKNOWN, 4000, 6000);
    env.first_seen_ms = NOW_MS - 24 * (int64_t)HOUR; // the key is forgotten by then
    end = after(FAILURE_UNKNOWN, -1);
    expect_letter(&end, FAILURE_UNKNOWN);
}

static void an_unknown_outcome_waits_for_feedback_where_there_is_a_source(void **state)
{
    (void)state;
    route.unknown_window_ms = 15 * 60 * 1000;
    struct ending end = after(FAILURE_UNKNOWN, -1);
    expect_wait(&end, WAIT_UNKNOWN, 15 * 60 * 1000, 15 * 60 * 1000);
}

static void a_publisher_may_ask_for_a_resend_and_may_forbid_it(void **state)
{
    (void)state;
    job.on_unknown = JOB_UNKNOWN_RESEND;
    struct ending end = after(FAILURE_UNKNOWN, -1);
    expect_wait(&end, WAIT_UNKNOWN, 4000, 6000);
    job.on_unknown = JOB_UNKNOWN_HOLD;
    route.on_unknown = ON_UNKNOWN_RESEND;
    end = after(FAILURE_UNKNOWN, -1);
    expect_letter(&end, FAILURE_UNKNOWN);
}

static void a_dead_claim_names_its_worker(void **state)
{
    (void)state;
    struct policy_case c = the_case();
    struct ending end;
    policy_after_dead_claim(&c, "w7", &end);
    expect_letter(&end, FAILURE_UNKNOWN);
    assert_non_null(strstr(end.reason, "w7"));
    assert_int_equal(end.attempt, 1);
}

static void the_gate_closes_at_the_deadline_and_after_a_fruitless_unknown_wait(void **state)
{
    (void)state;
    struct policy_case c = the_case();
    struct ending end;
    assert_int_equal(policy_gate(&c, &end), FAILURE_NONE);
    static const enum wait_kind WAITS[] = { WAIT_UNKNOWN, WAIT_BUSY, WAIT_LIMITED, WAIT_CARRY };
    env.class = FAILURE_UNKNOWN;
    for (size_t i = 0; i < sizeof WAITS / sizeof WAITS[0]; i++) {
        env.wait = WAITS[i];
        assert_int_equal(policy_gate(&c, &end), FAILURE_UNKNOWN);
    }
    job.on_unknown = JOB_UNKNOWN_RESEND;
    assert_int_equal(policy_gate(&c, &end), FAILURE_NONE);
    env.attempt = 3; // as often as allowed: or window and resend would take turns until the deadline
    assert_int_equal(policy_gate(&c, &end), FAILURE_UNKNOWN);
    env.attempt = 0;
    env.wait = WAIT_NONE; // replayed
    job.created_at_ms = NOW_MS - 49 * (int64_t)HOUR;
    assert_int_equal(policy_gate(&c, &end), FAILURE_EXPIRED);
    expect_letter(&end, FAILURE_EXPIRED);
    env.epoch.generation = 1; // a replay starts its lifetime anew
    assert_int_equal(policy_gate(&c, &end), FAILURE_NONE);
}

static void an_unknown_attempt_is_not_forgotten_when_the_next_one_fails_plainly(void **state)
{
    (void)state;
    struct policy_case c = the_case();
    struct ending end;
    route.idempotent = true;
    env.wait = WAIT_RETRY;
    env.class = FAILURE_TRANSIENT;
    env.trail = SLICE("[{\"at\":1,\"gen\":0,\"try\":0,\"class\":\"unknown\"},{\"at\":2,\"gen\":0,\"try\":1,\"class\":\"transient\"}]");
    assert_int_equal(policy_gate(&c, &end), FAILURE_NONE); // the key still covers it
    env.first_seen_ms = NOW_MS - 24 * (int64_t)HOUR;
    assert_int_equal(policy_gate(&c, &end), FAILURE_UNKNOWN);
    env.epoch.generation = 1; // somebody decided since
    env.first_seen_ms = NOW_MS - 24 * (int64_t)HOUR;
    assert_int_equal(policy_gate(&c, &end), FAILURE_NONE);
}

static void a_job_that_needs_approval_goes_to_review(void **state)
{
    (void)state;
    struct policy_case c = the_case();
    struct ending end;
    job.approval_required = true;
    assert_int_equal(policy_gate(&c, &end), FAILURE_NONE);
    assert_int_equal(end.kind, ENDING_REVIEW);
    job.approval_state = SLICE("approved");
    policy_gate(&c, &end);
    assert_int_not_equal(end.kind, ENDING_REVIEW);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup(f, reset)
    const struct CMUnitTest tests[] = {
        CASE(a_transient_failure_backs_off_and_is_charged),
        CASE(a_busy_mailbox_waits_longer_than_a_transient_failure),
        CASE(a_throttled_attempt_waits_as_long_as_asked_and_is_not_charged),
        CASE(a_route_failure_waits_for_the_route_and_is_not_charged),
        CASE(permanent_and_reputation_failures_are_never_retried),
        CASE(the_last_charged_attempt_exhausts),
        CASE(a_wait_beyond_the_deadline_expires_at_once),
        CASE(an_unknown_outcome_is_held_when_nothing_protects_a_resend),
        CASE(an_unknown_outcome_retries_while_the_receiver_remembers_the_key),
        CASE(an_unknown_outcome_waits_for_feedback_where_there_is_a_source),
        CASE(a_publisher_may_ask_for_a_resend_and_may_forbid_it),
        CASE(a_dead_claim_names_its_worker),
        CASE(the_gate_closes_at_the_deadline_and_after_a_fruitless_unknown_wait),
        CASE(an_unknown_attempt_is_not_forgotten_when_the_next_one_fails_plainly),
        CASE(a_job_that_needs_approval_goes_to_review),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
