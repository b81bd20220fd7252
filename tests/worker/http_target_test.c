// SPDX-License-Identifier: Apache-2.0
// Where the HTTP transport sends to: names it has to resolve, and URLs that come with a job.
#include "tests/worker/http_scene.h"

// ---- names ----------------------------------------------------------------------------------------------

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

// ---- URLs that come with a job --------------------------------------------------------------------------

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
    expect(send_one(), ATTEMPT_REFUSED, PHASE_RESPONSE,
           500); // back to the route's own url, with the credential
    assert_non_null(strstr(peer.requests[3].head, "Bearer secret"));
}

static void a_job_cannot_reach_into_our_networks(void **state)
{
    (void)state;
    int other_port = peer.port;
    static const char *const hosts[] = { "127.0.0.1", "0x7f000001",         "2130706433", "127.1",
                                         "[::1]",     "[::ffff:127.0.0.1]", "relay.test" };
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
    static const char *const urls[] = { "ftp://127.0.0.1/", "nonsense", "http://user:pw@127.0.0.1/",
                                        "http://" };
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(names_are_resolved_by_us_and_used_while_they_are_asked_again),
        CASE(a_name_that_cannot_be_found_is_a_failure_to_resolve),
        CASE(a_webhook_gets_its_body_as_written_and_not_our_credential),
        CASE(a_job_cannot_reach_into_our_networks),
        CASE(a_job_without_any_url_is_refused),
        CASE(a_route_with_a_bad_url_does_not_open),
    };
    return run_cases(tests, sizeof tests / sizeof *tests, "http_target");
}
