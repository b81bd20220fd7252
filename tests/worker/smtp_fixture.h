// SPDX-License-Identifier: Apache-2.0
// smtp_fixture: a route to a scripted relay, mails on it, and what they ended as. Names are resolved by a stand-in,
// so that addresses can be many, missing or slow, and the kernel can be told to take less than it is given.
// To be included by one file of a test program.
#ifndef TESTS_WORKER_SMTP_FIXTURE_H
#define TESTS_WORKER_SMTP_FIXTURE_H

#include "common/clock.h"
#include "common/loop.h"
#include "worker/resolver.h"
#include "worker/transport/smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/syscall.h>

#include "smtp_script.h"

// ---- a resolver ----------------------------------------------------------------------------------------------

struct resolver {
    struct loop *loop;
    struct resolver_answer answer;
    bool silent; // never answers
    int asked, answered, cancelled;
};

struct resolver_query {
    struct resolver *r;
    resolver_cb cb;
    void *arg;
    struct loop_timer *timer;
};

static void answer_query(void *arg)
{
    struct resolver_query q = *(struct resolver_query *)arg;
    loop_timer_free(q.timer);
    free(arg);
    q.cb(q.arg, &q.r->answer);
    q.r->answered++;
}

struct resolver_query *resolver_lookup(struct resolver *r, const char *host, resolver_cb cb, void *arg)
{
    assert_string_equal(host, "relay.example");
    struct resolver_query *q = calloc(1, sizeof *q);
    *q = (struct resolver_query){ .r = r, .cb = cb, .arg = arg };
    q->timer = loop_timer_new(r->loop, answer_query, q);
    if (!r->silent)
        loop_timer_in(q->timer, 0);
    r->asked++;
    return q;
}

void resolver_cancel(struct resolver_query *q)
{
    q->r->cancelled++;
    loop_timer_free(q->timer);
    free(q);
}

static void resolver_add(struct resolver *r, const char *ip)
{
    struct sockaddr_in *a = (struct sockaddr_in *)&r->answer.addresses[r->answer.count++];
    *a = (struct sockaddr_in){ .sin_family = AF_INET };
    inet_pton(AF_INET, ip, &a->sin_addr);
    r->answer.ok = true;
}

// ---- a kernel that takes no more than we say -------------------------------------------------------------------

static pthread_t client;
static size_t hold_back; // so many of the last octets of a message do not leave
static bool holding;

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    bool ours = hold_back > 0 && pthread_equal(client, pthread_self());
    if (ours && holding) {
        errno = EAGAIN;
        return -1;
    }
    if (ours && len > 5 && memcmp((const char *)bytes + len - 5, "\r\n.\r\n", 5) == 0) {
        holding = true;
        len -= hold_back;
    }
    return syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
}

// ---- a route with its relay ------------------------------------------------------------------------------------

enum { MAILS_MAX = 8, LONG_MS = 60000, SHORT_MS = 30 };

struct fixture;

struct mail {
    struct fixture *f;
    struct attempt attempt;
    struct job job;
    char json[1024];
    struct outcome o;
    char response[OUTCOME_RESPONSE_MAX + 1];
    bool done;
};

struct fixture {
    struct loop *loop;
    struct resolver resolver;
    struct route_config route;
    struct dkim *dkim; // NULL = not signed
    struct transport *t;
    struct server server;
    struct mail mails[MAILS_MAX];
    int started, done;
    int stop_at; // done so many: the loop stops
    void (*on_done)(struct fixture *f, struct mail *m);
};

static void on_done(struct attempt *a, const struct outcome *o)
{
    struct mail *m = a->owner;
    struct fixture *f = m->f;
    assert_false(m->done); // exactly once
    assert_null(a->state);
    m->done = true;
    m->o = *o;
    snprintf(m->response, sizeof m->response, "%.*s", (int)o->response.len, o->response.len > 0 ? o->response.ptr : "");
    f->done++;
    if (f->on_done != NULL)
        f->on_done(f, m);
    if (f->done >= f->stop_at)
        loop_stop(f->loop);
}

static inline void open_transport(struct fixture *f)
{
    struct transport_env env = { .loop = f->loop, .resolver = &f->resolver, .dkim = f->dkim };
    struct err e = { 0 };
    f->route.port = f->server.port;
    if (!transport_smtp.open(&f->t, &f->route, &env, &e))
        fail_msg("open: %s", e.text);
    *smtp_limits(f->t) = (struct smtp_limits){ LONG_MS, LONG_MS, LONG_MS, LONG_MS, LONG_MS, LONG_MS, LONG_MS,
                                               LONG_MS, LONG_MS, LONG_MS, LONG_MS, LONG_MS, LONG_MS };
}

static inline void setup(struct fixture *f, const char *const *const *scripts, int count, int max_connections)
{
    *f = (struct fixture){ .loop = loop_new() };
    alarm(20); // a limit that is not the one under test would take longer
    client = pthread_self();
    hold_back = 0;
    holding = false;
    f->resolver.loop = f->loop;
    resolver_add(&f->resolver, "127.0.0.1");
    f->route = (struct route_config){ .name = (char *)"mail", .host = (char *)"relay.example", .helo = (char *)"me.example",
                                      .max_connections = max_connections, .connect_timeout_ms = LONG_MS };
    server_start(&f->server, scripts, count);
    open_transport(f);
}

static inline void close_transport(struct fixture *f)
{
    if (f->t != NULL)
        transport_smtp.close(f->t);
    f->t = NULL;
}

static inline void teardown(struct fixture *f, const char *name)
{
    close_transport(f);
    const char *wrong = server_stop(&f->server);
    if (wrong[0] != '\0')
        fail_msg("%s: server: %s", name, wrong);
    server_clear(&f->server);
    for (int i = 0; i < f->started; i++)
        job_clear(&f->mails[i].job);
    loop_free(f->loop);
    alarm(0);
}

// Starts a mail; fields: more members for the job ("" = none).
static inline struct mail *start(struct fixture *f, const char *to, const char *fields)
{
    struct mail *m = &f->mails[f->started++];
    struct err e = { 0 };
    snprintf(m->json, sizeof m->json, "{\"v\":1,\"from\":\"shop@example.com\",\"to\":\"%s\",\"subject\":\"s\"%s%s}", to,
             strstr(fields, "\"text\"") != NULL ? "" : ",\"text\":\"hi\"", fields);
    if (!job_parse(&m->job, m->json, strlen(m->json), JOB_MAX_BYTES_DEFAULT, &e))
        fail_msg("job: %s", e.text);
    m->f = f;
    m->attempt = (struct attempt){ .job = &m->job, .job_id = "job-1", .done = on_done, .owner = m, .number = 1 };
    transport_smtp.start(f->t, &m->attempt);
    assert_false(m->done); // never from inside start
    return m;
}

static inline void run_until(struct fixture *f, int done)
{
    f->stop_at = done;
    if (f->done < done)
        loop_run(f->loop);
    assert_true(f->done >= done);
}

struct want {
    enum attempt_result result;
    enum attempt_phase phase;
    int code;
    const char *enhanced, *text; // text: a part of it
};

static inline void check(const char *name, const struct mail *m, const struct want *w)
{
    static const char *const RESULTS[] = { "accepted", "refused", "failed", "unknown" };
    const struct outcome *o = &m->o;
    if (!m->done)
        fail_msg("%s: got no end, want one", name);
    if (o->result != w->result || o->phase != w->phase || o->code != w->code)
        fail_msg("%s: got %s in %s with %d (%s), want %s in %s with %d", name, RESULTS[o->result], phase_name(o->phase),
                 o->code, o->text, RESULTS[w->result], phase_name(w->phase), w->code);
    if (w->enhanced != NULL && strcmp(o->enhanced, w->enhanced) != 0)
        fail_msg("%s: got enhanced \"%s\", want \"%s\"", name, o->enhanced, w->enhanced);
    if (w->text != NULL && strstr(o->text, w->text) == NULL)
        fail_msg("%s: got text \"%s\", want in it \"%s\"", name, o->text, w->text);
    if (o->retry_after_ms != -1)
        fail_msg("%s: got retry_after %lld, want -1", name, (long long)o->retry_after_ms);
}

static void stop_loop(void *arg, int fd, int what)
{
    int number;
    (void)what;
    assert_int_equal(read(fd, &number, sizeof number), sizeof number);
    loop_stop(arg);
}

// Runs the loop until a script says SIGNAL.
static inline void run_to_signal(struct fixture *f)
{
    struct loop_watch *w = loop_watch_new(f->loop, f->server.signal[0], LOOP_READ, stop_loop, f->loop);
    f->stop_at = MAILS_MAX + 1;
    loop_run(f->loop);
    loop_watch_free(w);
}

// A port that takes a connection into its backlog and then answers no other.
static inline int full_port(struct fixture *f, int fds[3])
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    for (int i = 0; i < 3; i++)
        fds[i] = socket(AF_INET, SOCK_STREAM | (i > 0 ? SOCK_NONBLOCK : 0), 0);
    assert_int_equal(bind(fds[0], (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fds[0], 0), 0);
    assert_int_equal(getsockname(fds[0], (struct sockaddr *)&a, &len), 0);
    for (int i = 1; i < 3; i++)
        (void)connect(fds[i], (struct sockaddr *)&a, sizeof a);
    transport_smtp.close(f->t);
    f->server.port = ntohs(a.sin_port);
    open_transport(f);
    return f->server.port;
}

// ---- transcripts ---------------------------------------------------------------------------------------------

#define GREETED  "S:220 sink ready", "C:EHLO me.example", "S:250-sink greets me", "S:250-PIPELINING", "S:250 8BITMIME"
#define MAIL     "C:MAIL FROM:<shop@example.com>"
#define RCPT     "C:RCPT TO:<ann@example.org>"
#define MAILED   GREETED, MAIL
#define RCPTED   MAILED, "S:250 2.1.0 ok", RCPT
#define DATAED   RCPTED, "S:250 2.1.5 ok", "C:DATA"
#define WRITTEN  DATAED, "S:354 go on", "M"
#define NEXT_MAIL "C:MAIL FROM:*", "S:250 ok", "C:RCPT TO:*", "S:250 ok", "C:DATA", "S:354 go", "M", "S:250 ok"

#endif
