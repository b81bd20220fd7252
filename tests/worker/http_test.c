// SPDX-License-Identifier: Apache-2.0
// The HTTP transport against a peer that misbehaves as told (http_peer.h): what goes out, what comes back,
// and what happens when a connection dies.
#include "tests/worker/http_scene.h"

// ---- what goes out, and what comes back -----------------------------------------------------------------

static void the_request_carries_the_job_and_its_names(void **state)
{
    (void)state;
    scene.route.authorization = "Bearer secret";
    open_path("/ok");
    struct seen *s = send_one();
    expect(s, ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
    assert_string_equal(s->outcome.provider_id, "m-1");
    assert_string_equal(s->response, "{\"id\":\"m-1\"}");
    assert_true(s->outcome.begun_us > 0);
    static const char *const lines[] = {
        "POST /ok HTTP/1.1\r\n",          "\r\nContent-Type: application/json\r\n",
        "\r\nIdempotency-Key: key-1\r\n", "\r\nX-Sendfleet-Id: job-1\r\n",
        "\r\nX-Sendfleet-Attempt: 3\r\n", "\r\nAuthorization: Bearer secret\r\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (strstr(peer.requests[0].head, lines[i]) == NULL)
            fail_msg("got %s, want %s in it", peer.requests[0].head, lines[i]);
    }
    assert_null(strstr(peer.requests[0].head, "Expect"));
    assert_int_equal(peer.requests[0].body_len, scene.job.value.len);
    assert_memory_equal(peer.requests[0].body, scene.job.value.ptr, scene.job.value.len);
}

static void a_value_that_would_break_a_header_line_is_never_sent(void **state)
{
    (void)state;
    static char too_long[1000];
    memset(too_long, 'k', sizeof too_long - 1);
    const char *const keys[] = { "a\r\nX-Evil: 1", "a\nb", "a\x7f", too_long };
    open_path("/ok");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct seen *s = start();
        s->attempt.idempotency_key = slice_of(keys[i]);
        transport_http.abort(scene.transport, &s->attempt); // start again, with that key
        s->done = 0;
        transport_http.start(scene.transport, &s->attempt);
        run_until_ended(scene.ended + 1);
        expect(s, ATTEMPT_REFUSED, PHASE_QUEUED, 0);
        assert_non_null(strstr(s->outcome.text, "Idempotency-Key"));
    }
    expect(send_one(), ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
    assert_int_equal(peer_count(), 1);
}

static void every_reply_becomes_an_outcome(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum attempt_result result;
        enum attempt_phase phase;
        int code;
        const char *text, *id;
        int64_t retry_after_ms;
    } cases[] = {
        { "/ok", ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200, "HTTP 200", "m-1", -1 },
        { "/by-header", ATTEMPT_ACCEPTED, PHASE_RESPONSE, 202, "HTTP 202", "by-header-1", -1 },
        { "/later", ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200, "HTTP 200", "after-103", -1 },
        { "/status/400", ATTEMPT_REFUSED, PHASE_RESPONSE, 400, "because \xe2\x98\x83", "", -1 },
        { "/status/500", ATTEMPT_REFUSED, PHASE_RESPONSE, 500, "because \xe2\x98\x83", "", -1 },
        { "/throttle", ATTEMPT_REFUSED, PHASE_RESPONSE, 429, "slow", "", 7000 },
        { "/redirect", ATTEMPT_REFUSED, PHASE_RESPONSE, 302, "HTTP 302", "", -1 },
        { "/torn", ATTEMPT_ACCEPTED, PHASE_RESPONSE, 201, "HTTP 201", "", -1 },
        { "/big", ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200, "HTTP 200", "", -1 },
        { "/garbage", ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0, NULL, "", -1 },
        { "/dies", ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0, NULL, "", -1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_path(cases[i].path);
        struct seen *s = send_one();
        print_message("%s: %s\n", cases[i].path, s->outcome.text);
        expect(s, cases[i].result, cases[i].phase, cases[i].code);
        if (cases[i].text != NULL)
            assert_string_equal(s->outcome.text, cases[i].text);
        assert_string_equal(s->outcome.provider_id, cases[i].id);
        assert_int_equal(s->outcome.retry_after_ms, cases[i].retry_after_ms);
        transport_http.close(scene.transport);
        scene.transport = NULL;
    }
    assert_int_equal(peer_count(), sizeof cases / sizeof *cases); // one POST each, whatever came of it
}

static void nobody_listening_is_a_failure_to_connect(void **state)
{
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0); // bound, not listening
    getsockname(fd, (struct sockaddr *)&at, &len);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(at.sin_port));
    open_url(url);
    expect(send_one(), ATTEMPT_FAILED, PHASE_CONNECT, 0);
    close(fd);
}

static void talking_tls_to_a_plain_server_fails_in_that_phase(void **state)
{
    (void)state;
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", peer.port);
    scene.route.connect_timeout_ms = 200;
    open_url(url);
    expect(send_one(), ATTEMPT_FAILED, PHASE_TLS, 0);
}

// ---- connections ----------------------------------------------------------------------------------------

static void connections_are_reused_and_never_more_than_allowed(void **state)
{
    (void)state;
    open_path("/ok");
    for (int i = 0; i < 200; i++)
        start();
    run_until_ended(200);
    for (int i = 0; i < 200; i++)
        expect(&scene.seen[i], ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
    assert_int_equal(peer_count(), 200);
    if (peer.connections > 4)
        fail_msg("got %d connections, want at most 4", peer.connections);
}

static void calls_leave_in_the_order_in_which_they_came(void **state)
{
    (void)state;
    static char ids[20][8];
    scene.route.max_connections = 1;
    open_path("/ok");
    for (int i = 0; i < 20; i++) {
        struct seen *s = &scene.seen[scene.started++];
        snprintf(ids[i], sizeof ids[i], "n-%d", i);
        s->attempt =
            (struct attempt){ .job = &scene.job, .job_id = ids[i], .number = 1, .done = on_done, .owner = s };
        transport_http.start(scene.transport, &s->attempt);
    }
    run_until_ended(20);
    for (int i = 0; i < 20; i++) {
        char want[64];
        snprintf(want, sizeof want, "\r\nX-Sendfleet-Id: n-%d\r\n", i);
        if (strstr(peer.requests[i].head, want) == NULL)
            fail_msg("request %d: got %s, want %s", i, peer.requests[i].head, want);
    }
}

static void a_request_that_got_lost_on_a_reused_connection_is_not_sent_again(void **state)
{
    (void)state;
    open_path("/second-dies");
    expect(send_one(), ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
    struct seen *s = send_one();
    print_message("%s\n", s->outcome.text);
    expect(s, ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0);
    run_for(50);
    assert_int_equal(peer_count(), 2);
    assert_int_equal(peer.requests[1].nth, 2); // it was the same connection
    expect(send_one(), ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
}

static void a_receiver_that_knows_our_key_may_get_it_again(void **state)
{
    (void)state;
    scene.route.idempotent = true;
    open_path("/second-dies");
    send_one();
    expect(send_one(), ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
    assert_int_equal(peer_count(), 3);
}

// libcurl reports that it could not connect; what counts is that the first request went out.
static void a_lost_request_stays_unknown_when_the_second_try_cannot_connect(void **state)
{
    (void)state;
    scene.route.idempotent = true;
    open_path("/last-words");
    expect(send_one(), ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
    struct seen *s = send_one();
    print_message("%s\n", s->outcome.text);
    expect(s, ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0);
    assert_int_equal(peer_count(), 2);
}

static void a_connection_that_died_idle_costs_nothing(void **state)
{
    (void)state;
    open_path("/idle-dies");
    for (int i = 0; i < 20; i++) {
        expect(send_one(), ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
        run_for(5); // the peer's FIN arrives
    }
    assert_int_equal(peer_count(), 20);
    assert_int_equal(peer.connections, 20);
}

// The next request leaves while the peer is closing, and some of them meet the reset of a peer that never
// read them. From here that cannot be told from one that did: unknown, and never a second request.
static void a_request_that_crosses_with_a_close_is_sent_at_most_once(void **state)
{
    (void)state;
    int count[4] = { 0 };
    open_path("/idle-dies");
    for (int i = 0; i < 390; i++)
        count[send_one()->outcome.result]++;
    print_message("%d accepted, %d failed, %d unknown\n", count[ATTEMPT_ACCEPTED], count[ATTEMPT_FAILED],
                  count[ATTEMPT_UNKNOWN]);
    assert_int_equal(count[ATTEMPT_REFUSED], 0);
    if (peer_count() != count[ATTEMPT_ACCEPTED])
        fail_msg("got %d requests, want one for each of %d accepted", peer_count(), count[ATTEMPT_ACCEPTED]);
}

// A peer of few words: its kernel takes what fits the window, it reads nothing and ends the conversation.
static void a_peer_that_hangs_up_before_it_has_the_request_cannot_have_accepted_it(void **state)
{
    (void)state;
    static const struct {
        size_t body;
        enum attempt_result result;
        enum attempt_phase phase;
    } cases[] = {
        { 9000, ATTEMPT_FAILED, PHASE_BODY }, // more than the window: some of it cannot have arrived
        { 10, ATTEMPT_UNKNOWN,
          PHASE_RESPONSE }, // received by the kernel; who knows what the peer did with it
    };
    for (size_t i = 0; i < 2; i++) {
        int small = 2304, listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof at;
        setsockopt(listening, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        assert_int_equal(bind(listening, (struct sockaddr *)&at, sizeof at), 0);
        assert_int_equal(listen(listening, 8), 0);
        getsockname(listening, (struct sockaddr *)&at, &len);
        char url[64];
        snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(at.sin_port));
        set_large_job(cases[i].body);
        open_url(url);
        struct seen *s = start();
        run_for(50); // connected by the kernel, and as far written as its window allows
        int fd = accept(listening, NULL, NULL);
        shutdown(fd, SHUT_WR);
        run_until_ended(scene.ended + 1);
        print_message("%s\n", s->outcome.text);
        expect(s, cases[i].result, cases[i].phase, 0);
        close(fd);
        close(listening);
        transport_http.close(scene.transport);
        scene.transport = NULL;
    }
}

static void a_fresh_connection_that_dies_is_unknown_with_a_key_too(void **state)
{
    (void)state;
    scene.route.idempotent = true;
    open_path("/dies");
    expect(send_one(), ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0);
    assert_int_equal(peer_count(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_request_carries_the_job_and_its_names),
        CASE(a_value_that_would_break_a_header_line_is_never_sent),
        CASE(every_reply_becomes_an_outcome),
        CASE(nobody_listening_is_a_failure_to_connect),
        CASE(talking_tls_to_a_plain_server_fails_in_that_phase),
        CASE(connections_are_reused_and_never_more_than_allowed),
        CASE(calls_leave_in_the_order_in_which_they_came),
        CASE(a_request_that_got_lost_on_a_reused_connection_is_not_sent_again),
        CASE(a_receiver_that_knows_our_key_may_get_it_again),
        CASE(a_connection_that_died_idle_costs_nothing),
        CASE(a_request_that_crosses_with_a_close_is_sent_at_most_once),
        CASE(a_peer_that_hangs_up_before_it_has_the_request_cannot_have_accepted_it),
        CASE(a_fresh_connection_that_dies_is_unknown_with_a_key_too),
        CASE(a_lost_request_stays_unknown_when_the_second_try_cannot_connect), // ends the peer
    };
    return run_cases(tests, sizeof tests / sizeof *tests, "http");
}
