// SPDX-License-Identifier: Apache-2.0
// The HTTP transport's patience: time-outs of each step, and being told to stop.
#include "tests/worker/http_scene.h"

// ---- time -----------------------------------------------------------------------------------------------

static void no_reply_in_time_is_unknown(void **state)
{
    (void)state;
    scene.route.reply_timeout_ms = 100;
    open_path("/hang");
    struct seen *s = send_one();
    expect(s, ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0);
    assert_string_equal(s->outcome.text, "no reply: none within 100 ms");
}

static void a_status_is_a_verdict_even_when_the_body_stalls(void **state)
{
    (void)state;
    scene.route.reply_timeout_ms = 100;
    open_path("/stalls");
    expect(send_one(), ATTEMPT_ACCEPTED, PHASE_RESPONSE, 201);
}

static void a_request_that_is_not_taken_in_time_failed(void **state)
{
    (void)state;
    scene.route.write_timeout_ms = 200;
    scene.route.reply_timeout_ms = 60000;
    set_large_job(16 << 20);
    open_path("/deaf");
    expect(send_one(), ATTEMPT_FAILED, PHASE_BODY, 0);
}

static void a_connection_cut_in_the_middle_of_the_request_failed(void **state)
{
    (void)state;
    set_large_job(16 << 20);
    open_path("/half");
    expect(send_one(), ATTEMPT_FAILED, PHASE_BODY, 0);
}

static void a_large_request_starts_its_reply_time_when_it_is_written(void **state)
{
    (void)state;
    scene.route.write_timeout_ms = 60000;
    scene.route.reply_timeout_ms = 300;
    set_large_job(4 << 20);
    open_path("/hang");
    expect(send_one(), ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0);
    assert_true(peer.requests[0].body_len > 4 << 20);
}

static void a_refusal_before_the_end_of_the_request_counts(void **state)
{
    (void)state;
    set_large_job(4 << 20);
    open_path("/early");
    expect(send_one(), ATTEMPT_REFUSED, PHASE_RESPONSE, 413);
}

// ---- abort ----------------------------------------------------------------------------------------------

static void an_abort_says_how_far_it_came(void **state)
{
    (void)state;
    scene.route.max_connections = 1;
    open_path("/hang");
    struct seen *written = start(), *queued = start();
    run_for(100);
    assert_int_equal(peer_count(), 1);
    transport_http.abort(scene.transport, &queued->attempt);
    expect(queued, ATTEMPT_FAILED, PHASE_QUEUED, 0);
    assert_int_equal(queued->outcome.begun_us, 0);
    transport_http.abort(scene.transport, &written->attempt);
    expect(written, ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0);
}

static void an_abort_right_after_the_start_is_a_failure(void **state)
{
    (void)state;
    open_path("/ok");
    expect(send_one(), ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
    struct seen *s = start(); // takes the same handle, which still remembers a 200
    transport_http.abort(scene.transport, &s->attempt);
    expect(s, ATTEMPT_FAILED, PHASE_QUEUED, 0);
    assert_int_equal(s->outcome.begun_us, 0);
    run_for(30);
    assert_int_equal(peer_count(), 1);
}

static void aborting_one_does_not_begin_the_next(void **state)
{
    (void)state;
    scene.route.max_connections = 1;
    open_path("/hang");
    struct seen *written = start(), *queued = start(), *kept = start();
    run_for(50);
    transport_http.abort(scene.transport, &written->attempt);
    transport_http.abort(scene.transport, &queued->attempt);
    expect(queued, ATTEMPT_FAILED, PHASE_QUEUED, 0);
    assert_int_equal(queued->outcome.begun_us, 0);
    run_for(50); // who is not aborted goes on
    assert_int_equal(peer_count(), 2);
    transport_http.abort(scene.transport, &kept->attempt);
    expect(kept, ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(no_reply_in_time_is_unknown),
        CASE(a_status_is_a_verdict_even_when_the_body_stalls),
        CASE(a_request_that_is_not_taken_in_time_failed),
        CASE(a_connection_cut_in_the_middle_of_the_request_failed),
        CASE(a_large_request_starts_its_reply_time_when_it_is_written),
        CASE(a_refusal_before_the_end_of_the_request_counts),
        CASE(an_abort_says_how_far_it_came),
        CASE(an_abort_right_after_the_start_is_a_failure),
        CASE(aborting_one_does_not_begin_the_next),
    };
    return run_cases(tests, sizeof tests / sizeof *tests, "http_time");
}
