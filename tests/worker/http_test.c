// SPDX-License-Identifier: Apache-2.0
// The HTTP transport against a peer that misbehaves as told (http_peer.h). Names are looked up by a resolver of the
// test's own, which stands in for worker/resolver.c.
#include "common/alloc.h"
#include "common/loop.h"
#include "tests/worker/http_peer.h"
#include "worker/resolver.h"
#include "worker/transport/transport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { ATTEMPTS_MAX = 400 };

struct seen { // one attempt and what became of it
    struct attempt attempt;
    struct outcome outcome;
    char response[OUTCOME_RESPONSE_MAX + 1];
    int done;
};

static struct {
    struct loop *loop;
    struct transport *transport;
    struct route_config route;
    char url[64];
    struct job job;
    struct seen seen[ATTEMPTS_MAX];
    int started, ended, wanted;
    bool inside_start;
} scene;

// ---- the resolver's stand-in ------------------------------------------------------------------------------

struct resolver {
    int asked;
    bool sick; // temporary failures from now on
};
static struct resolver names;

struct resolver_query {
    struct loop_timer *timer;
    char host[64];
    resolver_cb cb;
    void *arg;
};

static void answer_query(void *arg)
{
    struct resolver_query *q = arg;
    struct resolver_answer answer = { .ttl_ms = 0, .text = "no such host" }; // fresh for no time at all
    if (names.sick) {
        answer.temporary = true;
        answer.text = "cannot look up";
    } else if (strcmp(q->host, "relay.test") == 0) {
        struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        answer.ok = true;
        answer.count = 1;
        memcpy(&answer.addresses[0], &sin, sizeof sin);
    }
    struct resolver_query copy = *q;
    resolver_cancel(q);
    copy.cb(copy.arg, &answer);
}

struct resolver_query *resolver_lookup(struct resolver *r, const char *host, resolver_cb cb, void *arg)
{
    struct resolver_query *q = xcalloc(1, sizeof *q);
    r->asked++;
    q->cb = cb;
    q->arg = arg;
    snprintf(q->host, sizeof q->host, "%s", host);
    q->timer = loop_timer_new(scene.loop, answer_query, q);
    loop_timer_in(q->timer, 0);
    return q;
}

void resolver_cancel(struct resolver_query *q)
{
    if (q == NULL)
        return;
    loop_timer_free(q->timer);
    free(q);
}

// ---- the scene --------------------------------------------------------------------------------------------

static void on_done(struct attempt *a, const struct outcome *o)
{
    struct seen *s = a->owner;
    assert_false(scene.inside_start);
    s->outcome = *o;
    snprintf(s->response, sizeof s->response, "%.*s", (int)o->response.len, o->response.ptr != NULL ? o->response.ptr : "");
    s->done++;
    if (++scene.ended == scene.wanted)
        loop_stop(scene.loop);
}

static struct seen *start(void)
{
    struct seen *s = &scene.seen[scene.started++];
    s->attempt = (struct attempt){ .job = &scene.job, .job_id = "job-1", .number = 3, .done = on_done, .owner = s };
    s->attempt.idempotency_key = slice_of("key-1");
    scene.inside_start = true;
    transport_http.start(scene.transport, &s->attempt);
    scene.inside_start = false;
    return s;
}

static void run_until_ended(int count)
{
    scene.wanted = count;
    if (scene.ended < count)
        loop_run(scene.loop);
}

static struct seen *send_one(void)
{
    struct seen *s = start();
    run_until_ended(scene.ended + 1);
    return s;
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

static void run_for(int64_t ms)
{
    struct loop_timer *t = loop_timer_new(scene.loop, stop_loop, scene.loop);
    scene.wanted = 0;
    loop_timer_in(t, ms);
    loop_run(scene.loop);
    loop_timer_free(t);
}

static void set_job(const char *json)
{
    struct err e;
    if (!job_parse(&scene.job, json, strlen(json), JOB_MAX_BYTES_DEFAULT, &e))
        fail_msg("job: %s", e.text);
}

static void open_url(const char *url)
{
    struct err e;
    struct transport_env env = { .loop = scene.loop, .resolver = &names };
    snprintf(scene.url, sizeof scene.url, "%s", url);
    if (!transport_http.open(&scene.transport, &scene.route, &env, &e))
        fail_msg("open %s: %s", url, e.text);
}

static void open_path(const char *path)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", peer.port, path);
    open_url(url);
}

static int setup(void **state)
{
    (void)state;
    struct job job = scene.job;
    memset(&scene, 0, sizeof scene);
    memset(&names, 0, sizeof names);
    scene.job = job;
    scene.loop = loop_new();
    scene.route = (struct route_config){ .name = "r", .transport = "http", .url = scene.url, .max_connections = 4 };
    scene.route.idempotency_header = "Idempotency-Key";
    scene.route.connect_timeout_ms = scene.route.write_timeout_ms = scene.route.reply_timeout_ms = 3000;
    set_job("{\"v\":1,\"to\":\"a@example.com\",\"from\":\"b@example.com\",\"subject\":\"s\",\"text\":\"t\"}");
    peer_reset();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (scene.transport != NULL)
        transport_http.close(scene.transport);
    loop_free(scene.loop);
    return 0;
}

static const char *result_name(enum attempt_result r)
{
    static const char *const words[] = { "ACCEPTED", "REFUSED", "FAILED", "UNKNOWN" };
    return words[r];
}

static void expect(const struct seen *s, enum attempt_result result, enum attempt_phase phase, int code)
{
    const struct outcome *o = &s->outcome;
    if (s->done != 1 || o->result != result || o->phase != phase || o->code != code)
        fail_msg("got %s phase %s code %d done %d \"%s\", want %s phase %s code %d", result_name(o->result),
                 phase_name(o->phase), o->code, s->done, o->text, result_name(result), phase_name(phase), code);
}

// ---- what goes out, and what comes back -------------------------------------------------------------------

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
        "POST /ok HTTP/1.1\r\n", "\r\nContent-Type: application/json\r\n", "\r\nIdempotency-Key: key-1\r\n",
        "\r\nX-Sendfleet-Id: job-1\r\n", "\r\nX-Sendfleet-Attempt: 3\r\n", "\r\nAuthorization: Bearer secret\r\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (strstr(peer.requests[0].head, lines[i]) == NULL)
            fail_msg("got %s, want %s in it", peer.requests[0].head, lines[i]);
    }
    assert_null(strstr(peer.requests[0].head, "Expect"));
    assert_int_equal(peer.requests[0].body_len, scene.job.value.len);
    assert_memory_equal(peer.requests[0].body, scene.job.value.ptr, scene.job.value.len);
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

// ---- connections ------------------------------------------------------------------------------------------

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
        s->attempt = (struct attempt){ .job = &scene.job, .job_id = ids[i], .number = 1, .done = on_done, .owner = s };
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

static void a_fresh_connection_that_dies_is_unknown_with_a_key_too(void **state)
{
    (void)state;
    scene.route.idempotent = true;
    open_path("/dies");
    expect(send_one(), ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0);
    assert_int_equal(peer_count(), 1);
}

// ---- time -------------------------------------------------------------------------------------------------

static void set_large_job(size_t body)
{
    static char *json;
    free(json);
    json = xmalloc(body + 256);
    int at = sprintf(json, "{\"v\":1,\"to\":\"a@example.com\",\"from\":\"b@example.com\",\"subject\":\"s\",\"text\":\"");
    memset(json + at, 'x', body);
    strcpy(json + at + body, "\"}");
    struct err e;
    if (!job_parse(&scene.job, json, strlen(json), 64 << 20, &e))
        fail_msg("job: %s", e.text);
}

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

// ---- abort ------------------------------------------------------------------------------------------------

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
    expect(s, ATTEMPT_FAILED, PHASE_CONNECT, 0);
    run_for(30);
    assert_int_equal(peer_count(), 1);
}

// ---- names ------------------------------------------------------------------------------------------------

static void names_are_resolved_by_us_and_used_while_they_are_asked_again(void **state)
{
    (void)state;
    char url[64];
    snprintf(url, sizeof url, "http://relay.test:%d/ok", peer.port);
    open_url(url);
    for (int i = 0; i < 10; i++)
        start();
    run_until_ended(10);
    for (int i = 0; i < 10; i++)
        expect(&scene.seen[i], ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
    char host[64];
    snprintf(host, sizeof host, "\r\nHost: relay.test:%d\r\n", peer.port);
    assert_non_null(strstr(peer.requests[0].head, host));
    names.sick = true; // a name server in trouble does not stop what already works
    expect(send_one(), ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
    run_for(5);
    expect(send_one(), ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
    assert_true(names.asked >= 2);
}

static void a_name_that_cannot_be_found_is_a_failure_to_resolve(void **state)
{
    (void)state;
    open_url("http://gone.test/");
    struct seen *s = send_one();
    expect(s, ATTEMPT_FAILED, PHASE_RESOLVE, 0);
    assert_string_equal(s->outcome.text, "no such host");
    assert_int_equal(s->outcome.begun_us, 0);
}

// ---- URLs that come with a job ----------------------------------------------------------------------------

static void set_webhook(const char *url, const char *body)
{
    static char json[512];
    snprintf(json, sizeof json, "{\"v\":1,\"url\":\"%s\",\"body\":%s}", url, body);
    set_job(json);
}

static void a_webhook_gets_its_body_as_written_and_not_our_credential(void **state)
{
    (void)state;
    static const char *const bodies[] = { "{\"a\": [1, 2],\"b\":null}", "\"text\\n\"", "17" };
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/ok?hook=1", peer.port); // the operator's own host and port
    scene.route.authorization = "Bearer secret";
    open_path("/status/500");
    for (int i = 0; i < 3; i++) {
        set_webhook(url, bodies[i]);
        expect(send_one(), ATTEMPT_ACCEPTED, PHASE_RESPONSE, 200);
        assert_string_equal(peer.requests[i].body, bodies[i]);
        assert_null(strstr(peer.requests[i].head, "secret"));
    }
    set_job("{\"v\":1,\"to\":\"a@example.com\",\"from\":\"b@example.com\",\"subject\":\"s\",\"text\":\"t\"}");
    expect(send_one(), ATTEMPT_REFUSED, PHASE_RESPONSE, 500); // back to the route's own url, with the credential
    assert_non_null(strstr(peer.requests[3].head, "Bearer secret"));
}

static void a_job_cannot_reach_into_our_networks(void **state)
{
    (void)state;
    int other_port = peer.port;
    static const char *const hosts[] = { "127.0.0.1", "0x7f000001", "2130706433", "127.1", "[::1]", "[::ffff:127.0.0.1]",
                                         "relay.test" };
    open_url("http://127.0.0.1:1/"); // the operator's is elsewhere
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        char url[96];
        snprintf(url, sizeof url, "http://%s:%d/ok", hosts[i], other_port);
        set_webhook(url, "{}");
        struct seen *s = send_one();
        expect(s, ATTEMPT_REFUSED, PHASE_CONNECT, 0);
        if (strstr(s->outcome.text, "is not allowed: its address is loopback") == NULL)
            fail_msg("%s: got %s", url, s->outcome.text);
    }
    assert_int_equal(peer_count(), 0);
}

static void a_job_without_any_url_is_refused(void **state)
{
    (void)state;
    scene.route.url = NULL;
    open_url("");
    struct seen *s = send_one();
    expect(s, ATTEMPT_REFUSED, PHASE_QUEUED, 0);
    assert_string_equal(s->outcome.text, "route r has no url and the job names none");
}

static void a_route_with_a_bad_url_does_not_open(void **state)
{
    (void)state;
    static const char *const urls[] = { "ftp://127.0.0.1/", "nonsense", "http://user:pw@127.0.0.1/", "http://" };
    struct transport_env env = { .loop = scene.loop, .resolver = &names };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct err e = { 0 };
        snprintf(scene.url, sizeof scene.url, "%s", urls[i]);
        if (transport_http.open(&scene.transport, &scene.route, &env, &e))
            fail_msg("%s: got a transport, want an error", urls[i]);
        if (e.kind != ERR_CONFIG || strstr(e.text, "routes.r.url") == NULL)
            fail_msg("%s: got \"%s\", want it to name routes.r.url", urls[i], e.text);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_request_carries_the_job_and_its_names),
        CASE(every_reply_becomes_an_outcome),
        CASE(nobody_listening_is_a_failure_to_connect),
        CASE(talking_tls_to_a_plain_server_fails_in_that_phase),
        CASE(connections_are_reused_and_never_more_than_allowed),
        CASE(calls_leave_in_the_order_in_which_they_came),
        CASE(a_request_that_got_lost_on_a_reused_connection_is_not_sent_again),
        CASE(a_receiver_that_knows_our_key_may_get_it_again),
        CASE(a_connection_that_died_idle_costs_nothing),
        CASE(a_fresh_connection_that_dies_is_unknown_with_a_key_too),
        CASE(no_reply_in_time_is_unknown),
        CASE(a_status_is_a_verdict_even_when_the_body_stalls),
        CASE(a_request_that_is_not_taken_in_time_failed),
        CASE(a_connection_cut_in_the_middle_of_the_request_failed),
        CASE(a_large_request_starts_its_reply_time_when_it_is_written),
        CASE(a_refusal_before_the_end_of_the_request_counts),
        CASE(an_abort_says_how_far_it_came),
        CASE(an_abort_right_after_the_start_is_a_failure),
        CASE(names_are_resolved_by_us_and_used_while_they_are_asked_again),
        CASE(a_name_that_cannot_be_found_is_a_failure_to_resolve),
        CASE(a_webhook_gets_its_body_as_written_and_not_our_credential),
        CASE(a_job_cannot_reach_into_our_networks),
        CASE(a_job_without_any_url_is_refused),
        CASE(a_route_with_a_bad_url_does_not_open),
    };
    int failed = cmocka_run_group_tests(tests, peer_start, peer_stop);
    job_clear(&scene.job);
    return failed;
}
