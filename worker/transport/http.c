// SPDX-License-Identifier: Apache-2.0
// http: POSTs jobs, one connection per request at a time, over libcurl's multi interface on the worker's
// loop.
//
// A call is in exactly one list, its step, and moves on:
//
//   naming -> queued -> connect -> write -> reply -> done
//      |        |         `----------`--------`---> done (time-out, error, abort)
//      `--------`-> over -> done                    (ended before it began)
//
// Only as many calls are launched as the route has connections: the queue in front is ours, so libcurl never
// holds one back and a launched call's time-outs mean what they say. In each list the time allowed is the
// same for everybody, so the head is always the next to time out and one timer looks after all of them.
//
// What became of a call that ends without a status depends on one thing: was its request completely written?
// Then the peer may have accepted it (UNKNOWN), else certainly not (FAILED). http_line.c decides that.
//
// done() may start further calls: nothing here is used after it that a new call could have changed.
#include "worker/transport/http.h"

#include "common/alloc.h"
#include "common/clock.h"
#include "common/loop.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

// ---- steps and their time -------------------------------------------------------------------------------

static int64_t allowed_ms(const struct route_config *r, enum call_step step)
{
    switch (step) {
    case CALL_NAMING:
    case CALL_CONNECT:
        return r->connect_timeout_ms;
    case CALL_WRITE:
        return r->write_timeout_ms;
    case CALL_REPLY:
        return r->reply_timeout_ms;
    case CALL_OVER:
        return 0;
    case CALL_QUEUED:
    case CALL_STEPS:
        break;
    }
    return -1;
}

static void arm_deadline(struct transport *t, int64_t at_ms)
{
    if (t->deadline_armed_ms != 0 && t->deadline_armed_ms <= at_ms)
        return;
    t->deadline_armed_ms = at_ms;
    loop_timer_in(t->deadline_timer, at_ms - loop_now_ms(t->env.loop));
}

void http_call_move(struct call *c, enum call_step step)
{
    struct transport *t = c->transport;
    TAILQ_REMOVE(&t->steps[c->step], c, link);
    TAILQ_INSERT_TAIL(&t->steps[step], c, link);
    c->step = step;
    int64_t ms = allowed_ms(t->route, step);
    if (ms >= 0) {
        c->deadline_ms = loop_now_ms(t->env.loop) + ms;
        arm_deadline(t, c->deadline_ms);
    }
}

static struct call *call_new(struct transport *t, struct attempt *a)
{
    struct call *c = TAILQ_FIRST(&t->spare);
    if (c != NULL)
        TAILQ_REMOVE(&t->spare, c, link);
    else
        c = xmalloc(sizeof *c);
    c->transport = t;
    c->attempt = a;
    c->origin = NULL;
    c->line = NULL;
    c->begun_us = 0;
    c->step = CALL_QUEUED;
    TAILQ_INSERT_TAIL(&t->steps[CALL_QUEUED], c, link);
    a->state = c;
    return c;
}

// ---- the end --------------------------------------------------------------------------------------------

// The line goes back only after done, which may look at the reply in it.
static void finish(struct call *c, const struct outcome *o)
{
    struct transport *t = c->transport;
    struct attempt *a = c->attempt;
    struct line *l = c->line;
    TAILQ_REMOVE(&t->steps[c->step], c, link);
    TAILQ_INSERT_HEAD(&t->spare, c, link);
    if (c->origin != NULL)
        c->origin->users--;
    if (l != NULL)
        curl_multi_remove_handle(t->multi, l->easy);
    a->state = NULL;
    a->done(a, o);
    if (l == NULL)
        return;
    l->call = NULL;
    l->next = t->idle_lines;
    t->idle_lines = l;
    t->busy_lines--;
}

static void launch_queued(struct transport *t);

void http_reap(struct transport *t)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(t->multi, &left)) != NULL) {
        char *private = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        struct line *l = (struct line *)(void *)private;
        struct outcome o;
        http_line_outcome(l, (int)message->data.result, NULL, &o);
        finish(l->call, &o);
    }
    launch_queued(t);
}

// Ends a call that is not over by itself.
static void cut(struct call *c, const char *why)
{
    struct outcome o = { .result = ATTEMPT_FAILED, .retry_after_ms = -1 };
    if (c->line != NULL) {
        http_line_outcome(c->line, -1, why, &o);
    } else if (c->step == CALL_OVER) {
        o.result = c->over_result;
        o.phase = c->over_phase;
        snprintf(o.text, sizeof o.text, "%s", c->over_text);
    } else {
        o.phase = c->step == CALL_NAMING ? PHASE_RESOLVE : PHASE_QUEUED;
        snprintf(o.text, sizeof o.text, "%s", why);
    }
    finish(c, &o);
}

static void cut_late(struct transport *t, enum call_step step, int64_t now_ms, const char *what)
{
    struct call *c;
    char why[96];
    snprintf(why, sizeof why, "%s within %lld ms", what, (long long)allowed_ms(t->route, step));
    while ((c = TAILQ_FIRST(&t->steps[step])) != NULL && c->deadline_ms <= now_ms)
        cut(c, why);
}

static void on_deadline(void *arg)
{
    static const struct {
        enum call_step step;
        const char *what;
    } timed[] = {
        { CALL_NAMING, "no address" },
        { CALL_CONNECT, "not connected" },
        { CALL_WRITE, "request not written" },
        { CALL_REPLY, "none" },
        { CALL_OVER, "" },
    };
    struct transport *t = arg;
    int64_t now_ms = loop_now_ms(t->env.loop);
    t->deadline_armed_ms = 0;
    for (size_t i = 0; i < sizeof timed / sizeof *timed; i++)
        cut_late(t, timed[i].step, now_ms, timed[i].what);
    for (size_t i = 0; i < sizeof timed / sizeof *timed; i++) {
        struct call *c = TAILQ_FIRST(&t->steps[timed[i].step]);
        if (c != NULL)
            arm_deadline(t, c->deadline_ms);
    }
    launch_queued(t);
}

void http_call_refuse(struct call *c, enum attempt_result result, enum attempt_phase phase, const char *text)
{
    c->over_result = result;
    c->over_phase = phase;
    snprintf(c->over_text, sizeof c->over_text, "%s", text);
    http_call_move(c, CALL_OVER);
}

// ---- the beginning --------------------------------------------------------------------------------------

static void launch(struct call *c)
{
    struct transport *t = c->transport;
    struct err e;
    struct line *l = http_line_take(t);
    if (!http_line_prepare(l, c, &e)) {
        l->next = t->idle_lines;
        t->idle_lines = l;
        http_call_refuse(c, ATTEMPT_REFUSED, PHASE_QUEUED, e.text);
        return;
    }
    c->line = l;
    t->busy_lines++;
    http_call_move(c, CALL_CONNECT);
    curl_multi_add_handle(t->multi, l->easy); // begins on the next turn
}

static void launch_queued(struct transport *t)
{
    struct call *c;
    while (t->busy_lines < t->route->max_connections && (c = TAILQ_FIRST(&t->steps[CALL_QUEUED])) != NULL)
        launch(c);
}

void http_call_named(struct call *c)
{
    http_call_move(c, CALL_QUEUED);
    launch_queued(c->transport);
}

static bool find_origin(struct transport *t, const struct job *job, struct origin **out, struct err *e)
{
    if (job->url.ptr == NULL) {
        *out = t->home;
        return t->home != NULL ||
               err_set(e, ERR_INPUT, "route %s has no url and the job names none", t->route->name);
    }
    char *url = xstrndup(job->url.ptr, job->url.len);
    bool ok = http_origin_find(t, url, out, e);
    free(url);
    return ok;
}

static void http_start(struct transport *t, struct attempt *a)
{
    struct err e;
    struct call *c = call_new(t, a);
    if (!find_origin(t, a->job, &c->origin, &e)) {
        c->origin = NULL;
        http_call_refuse(c, ATTEMPT_REFUSED, PHASE_QUEUED, e.text);
        return;
    }
    c->origin->users++;
    if (!http_origin_ready(c->origin))
        http_call_move(c, CALL_NAMING);
    else
        launch_queued(t);
}

// The freed connection is not given away here: whoever aborts one attempt is about to abort those that wait,
// too.
static void http_abort(struct transport *t, struct attempt *a)
{
    if (a->state == NULL)
        return;
    cut(a->state, "the worker is shutting down");
    arm_deadline(t, loop_now_ms(t->env.loop));
}

// ---- life -----------------------------------------------------------------------------------------------

static void http_close(struct transport *t)
{
    curl_multi_cleanup(t->multi); // closes its connections, whose users are looked up
    struct line *l;
    while ((l = t->idle_lines) != NULL) {
        t->idle_lines = l->next;
        http_line_free(l);
    }
    curl_url_cleanup(t->parsed_url);
    http_sockets_close(t);
    http_origins_close(t);
    loop_timer_free(t->deadline_timer);
    struct call *c;
    while ((c = TAILQ_FIRST(&t->spare)) != NULL) {
        TAILQ_REMOVE(&t->spare, c, link);
        free(c);
    }
    json_clear(&t->doc);
    buf_clear(&t->scratch);
    free(t);
    curl_global_cleanup();
}

static CURLU *parse_url(const char *text)
{
    CURLU *url = curl_url();
    if (curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK)
        return url;
    curl_url_cleanup(url);
    return NULL;
}

static bool http_open(struct transport **out, const struct route_config *route,
                      const struct transport_env *env, struct err *e)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return err_set(e, ERR_FATAL, "http: cannot start libcurl");
    struct transport *t = xcalloc(1, sizeof *t);
    t->route = route;
    t->env = *env;
    for (int i = 0; i < CALL_STEPS; i++)
        TAILQ_INIT(&t->steps[i]);
    TAILQ_INIT(&t->spare);
    t->multi = curl_multi_init();
    curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, (long)route->max_connections);
    t->deadline_timer = loop_timer_new(env->loop, on_deadline, t);
    http_sockets_open(t);
    http_origins_open(t);
    if (route->url != NULL && route->url[0] != '\0') {
        if (!http_origin_find(t, route->url, &t->home, e)) {
            http_close(t);
            e->kind = ERR_CONFIG;
            return err_prefix(e, "routes.%s.url", route->name);
        }
        t->parsed_url = parse_url(route->url);
        t->home->guarded = false;
        http_origin_ready(t->home); // ask for its addresses ahead of the first job
    }
    *out = t;
    return true;
}

const struct transport_ops transport_http = {
    .name = "http",
    .open = http_open,
    .start = http_start,
    .abort = http_abort,
    .close = http_close,
};
