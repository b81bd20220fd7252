// SPDX-License-Identifier: Apache-2.0
// http_scene: what the tests of the HTTP transport share: a loop, a transport of one route, attempts and what
// became of them, and a resolver of the tests' own that stands in for worker/resolver.c.
#ifndef TESTS_WORKER_HTTP_SCENE_H
#define TESTS_WORKER_HTTP_SCENE_H

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

// ---- the resolver's stand-in ----------------------------------------------------------------------------

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

static inline void answer_query(void *arg)
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

// ---- the scene ------------------------------------------------------------------------------------------

static inline void on_done(struct attempt *a, const struct outcome *o)
{
    struct seen *s = a->owner;
    assert_false(scene.inside_start);
    s->outcome = *o;
    snprintf(s->response, sizeof s->response, "%.*s", (int)o->response.len,
             o->response.ptr != NULL ? o->response.ptr : "");
    s->done++;
    if (++scene.ended == scene.wanted)
        loop_stop(scene.loop);
}

static inline struct seen *start(void)
{
    struct seen *s = &scene.seen[scene.started++];
    s->attempt =
        (struct attempt){ .job = &scene.job, .job_id = "job-1", .number = 3, .done = on_done, .owner = s };
    s->attempt.idempotency_key = slice_of("key-1");
    scene.inside_start = true;
    transport_http.start(scene.transport, &s->attempt);
    scene.inside_start = false;
    return s;
}

static inline void run_until_ended(int count)
{
    scene.wanted = count;
    if (scene.ended < count)
        loop_run(scene.loop);
}

static inline struct seen *send_one(void)
{
    struct seen *s = start();
    run_until_ended(scene.ended + 1);
    return s;
}

static inline void stop_loop(void *arg)
{
    loop_stop(arg);
}

static inline void run_for(int64_t ms)
{
    struct loop_timer *t = loop_timer_new(scene.loop, stop_loop, scene.loop);
    scene.wanted = 0;
    loop_timer_in(t, ms);
    loop_run(scene.loop);
    loop_timer_free(t);
}

static inline void set_job(const char *json)
{
    struct err e;
    if (!job_parse(&scene.job, json, strlen(json), JOB_MAX_BYTES_DEFAULT, &e))
        fail_msg("job: %s", e.text);
}

static inline void set_large_job(size_t body)
{
    static char *json;
    free(json);
    json = xmalloc(body + 256);
    int at = sprintf(
        json, "{\"v\":1,\"to\":\"a@example.com\",\"from\":\"b@example.com\",\"subject\":\"s\",\"text\":\"");
    memset(json + at, 'x', body);
    strcpy(json + at + body, "\"}");
    struct err e;
    if (!job_parse(&scene.job, json, strlen(json), 64 << 20, &e))
        fail_msg("job: %s", e.text);
}

static inline void open_url(const char *url)
{
    struct err e;
    struct transport_env env = { .loop = scene.loop, .resolver = &names };
    snprintf(scene.url, sizeof scene.url, "%s", url);
    if (!transport_http.open(&scene.transport, &scene.route, &env, &e))
        fail_msg("open %s: %s", url, e.text);
}

static inline void open_path(const char *path)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", peer.port, path);
    open_url(url);
}

static inline int setup(void **state)
{
    (void)state;
    struct job job = scene.job;
    memset(&scene, 0, sizeof scene);
    memset(&names, 0, sizeof names);
    scene.job = job;
    scene.loop = loop_new();
    scene.route =
        (struct route_config){ .name = "r", .transport = "http", .url = scene.url, .max_connections = 4 };
    scene.route.idempotency_header = "Idempotency-Key";
    scene.route.connect_timeout_ms = scene.route.write_timeout_ms = scene.route.reply_timeout_ms = 3000;
    set_job("{\"v\":1,\"to\":\"a@example.com\",\"from\":\"b@example.com\",\"subject\":\"s\",\"text\":\"t\"}");
    peer_reset();
    return 0;
}

static inline int teardown(void **state)
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

static inline void expect(const struct seen *s, enum attempt_result result, enum attempt_phase phase,
                          int code)
{
    const struct outcome *o = &s->outcome;
    if (s->done != 1 || o->result != result || o->phase != phase || o->code != code)
        fail_msg("got %s phase %s code %d done %d \"%s\", want %s phase %s code %d", result_name(o->result),
                 phase_name(o->phase), o->code, s->done, o->text, result_name(result), phase_name(phase),
                 code);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static inline int run_cases(const struct CMUnitTest *tests, size_t count, const char *name)
{
    int failed = _cmocka_run_group_tests(name, tests, count, peer_start, peer_stop);
    job_clear(&scene.job);
    return failed;
}

#endif
