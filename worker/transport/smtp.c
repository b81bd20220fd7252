// SPDX-License-Identifier: Apache-2.0
// smtp: mails to one relay, over a pool of connections.
//
// A mail takes the connection that became free last (so that those beyond the need grow idle and close), else a new
// one, else its turn in the queue. A server that thinks about one mail for minutes holds one connection, nothing
// else. The queue is first come, first served, and waiting in it is bounded.
//
// start only queues: whatever happens to an attempt happens in a later turn of the loop, when the pump hands queued
// mails to connections. The pump can end attempts (a message that cannot be built), and whoever hears of it may
// start others, abort them or even close the transport: while the pump runs, closing waits for it to return.
#include "worker/transport/smtp.h"

#include "common/alloc.h"
#include "common/loop.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CONNECTIONS_DEFAULT = 20, QUEUE_EXTRA_MS = 60000, PUMP_MAX = 256 };

struct transport {
    struct smtp_setup setup;
    char *helo;                       // owned
    struct smtp_session **sessions;   // owned array of owned sessions, room for max
    struct smtp_session **idle;       // owned array; the last one became idle last
    int session_count, idle_count, max;
    struct smtp_mail *first, *last;   // the queue
    struct loop_timer *pump;          // owned
    bool woken;                       // the pump runs in the next turn
    bool pumping, closing;
};

// The pump, in the next turn.
static void wake(struct transport *t)
{
    if (t->woken)
        return;
    t->woken = true;
    loop_timer_in(t->pump, 0);
}

// ---- queue ---------------------------------------------------------------------------------------------------

static void enqueue(struct transport *t, struct smtp_mail *m, struct smtp_mail *before)
{
    m->next = before;
    m->before = before != NULL ? before->before : t->last;
    *(m->before != NULL ? &m->before->next : &t->first) = m;
    *(before != NULL ? &before->before : &t->last) = m;
}

static void dequeue(struct transport *t, struct smtp_mail *m)
{
    *(m->before != NULL ? &m->before->next : &t->first) = m->next;
    *(m->next != NULL ? &m->next->before : &t->last) = m->before;
    m->before = m->next = NULL;
}

static void finished(void *owner, struct smtp_mail *m, struct outcome *o)
{
    (void)owner; // may be freed in done
    struct attempt *a = m->attempt;
    free(m);
    a->state = NULL;
    a->done(a, o);
}

static void give_up(struct transport *t, struct smtp_mail *m, const char *text)
{
    struct outcome o = { .result = ATTEMPT_FAILED, .phase = PHASE_QUEUED, .retry_after_ms = -1 };
    snprintf(o.text, sizeof o.text, "%s", text);
    dequeue(t, m);
    finished(t, m, &o);
}

// ---- pool ----------------------------------------------------------------------------------------------------

static bool drop(struct smtp_session **list, int *count, const struct smtp_session *s)
{
    for (int i = *count - 1; i >= 0; i--) {
        if (list[i] != s)
            continue;
        memmove(&list[i], &list[i + 1], (size_t)(*count - i - 1) * sizeof list[0]);
        --*count;
        return true;
    }
    return false;
}

static void on_idle(void *owner, struct smtp_session *s, bool idle)
{
    struct transport *t = owner;
    if (!idle) {
        drop(t->idle, &t->idle_count, s);
        return;
    }
    t->idle[t->idle_count++] = s;
    if (t->first != NULL)
        wake(t);
}

static void on_gone(void *owner, struct smtp_session *s)
{
    struct transport *t = owner;
    drop(t->idle, &t->idle_count, s);
    drop(t->sessions, &t->session_count, s);
    if (t->first != NULL)
        wake(t);
}

static void on_again(void *owner, struct smtp_mail *m)
{
    struct transport *t = owner;
    enqueue(t, m, t->first);
    wake(t);
}

static const struct smtp_hooks HOOKS = { .idle = on_idle, .gone = on_gone, .again = on_again, .finished = finished };

// Hands the first mail of the queue to a connection; false when none can be had.
static bool assign(struct transport *t)
{
    struct smtp_mail *m = t->first;
    if (!m->fresh && t->idle_count > 0) {
        dequeue(t, m);
        smtp_session_take(t->idle[t->idle_count - 1], m);
        return true;
    }
    if (t->session_count == t->max) // a fresh one always finds the place of the connection that was dead
        return false;
    dequeue(t, m);
    t->sessions[t->session_count++] = smtp_session_new(&t->setup, m);
    return true;
}

static void destroy(struct transport *t)
{
    while (t->session_count > 0)
        smtp_session_free(t->sessions[--t->session_count]);
    loop_timer_free(t->pump);
    free(t->sessions);
    free(t->idle);
    free(t->helo);
    free(t);
}

// Ends what has waited too long. The oldest is first, but for a mail that was sent back to the front; that one has
// waited less than those behind it only by the time it had a connection.
static void expire(struct transport *t)
{
    int64_t now_ms = loop_now_ms(t->setup.loop);
    while (t->first != NULL && t->first->queued_ms + t->setup.limits.queue <= now_ms) {
        char text[OUTCOME_TEXT_MAX];
        snprintf(text, sizeof text, "no free connection to %.120s:%d within %lld ms (%d of %d in use)", t->setup.host,
                 t->setup.port, (long long)t->setup.limits.queue, t->session_count, t->max);
        give_up(t, t->first, text);
    }
}

static void on_pump(void *arg)
{
    struct transport *t = arg;
    t->pumping = true;
    t->woken = false;
    int handed = 0; // mails that end at once may each start another: the rest of the program wants its turn, too
    while (t->first != NULL && handed < PUMP_MAX && assign(t))
        handed++;
    if (handed == PUMP_MAX)
        wake(t);
    expire(t);
    t->pumping = false;
    if (t->closing)
        destroy(t);
    else if (t->first != NULL && !t->woken)
        loop_timer_in(t->pump, t->first->queued_ms + t->setup.limits.queue - loop_now_ms(t->setup.loop));
}

// ---- the transport -------------------------------------------------------------------------------------------

static struct smtp_limits limits_of(const struct route_config *route)
{
    return (struct smtp_limits){ // RFC 5321 4.5.3.2
        .queue = route->connect_timeout_ms + QUEUE_EXTRA_MS,
        .resolve = 30000,
        .connect = route->connect_timeout_ms > 0 ? route->connect_timeout_ms : 30000,
        .greeting = 300000,
        .ehlo = 300000,
        .mail = 300000,
        .rcpt = 300000,
        .data = 120000,
        .block = 180000,
        .dot = route->dot_timeout_ms > 0 ? route->dot_timeout_ms : 600000,
        .reset = 20000,
        .quit = 5000,
        .idle = 30000,
    };
}

static bool is_word(const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f)
            return false;
    return text[0] != '\0' && strlen(text) <= 255;
}

static bool check_route(const struct route_config *route, const char *helo, struct err *e)
{
    if (route->host == NULL || route->host[0] == '\0')
        return err_set(e, ERR_CONFIG, "routes.%s.host: an smtp route needs the name of its relay", route->name);
    if (route->port < 1 || route->port > 65535)
        return err_set(e, ERR_CONFIG, "routes.%s.port: %d is not a port", route->name, route->port);
    if (!is_word(helo))
        return err_set(e, ERR_CONFIG, "routes.%s.helo: \"%.80s\" is not a host name", route->name, helo);
    return true;
}

static bool smtp_open(struct transport **out, const struct route_config *route, const struct transport_env *env,
                      struct err *e)
{
    char name[256] = "";
    if (route->helo == NULL && (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0'))
        snprintf(name, sizeof name, "localhost");
    const char *helo = route->helo != NULL ? route->helo : name;
    if (!check_route(route, helo, e))
        return false;
    struct transport *t = xcalloc(1, sizeof *t);
    t->helo = xstrdup(helo);
    t->max = route->max_connections > 0 ? route->max_connections : CONNECTIONS_DEFAULT;
    t->sessions = xcalloc((size_t)t->max, sizeof t->sessions[0]);
    t->idle = xcalloc((size_t)t->max, sizeof t->idle[0]);
    t->pump = loop_timer_new(env->loop, on_pump, t);
    t->setup = (struct smtp_setup){ .loop = env->loop, .resolver = env->resolver, .dkim = env->dkim, .host = route->host,
                                    .port = route->port, .helo = t->helo, .limits = limits_of(route),
                                    .hooks = &HOOKS, .owner = t };
    *out = t;
    return true;
}

static void smtp_start(struct transport *t, struct attempt *a)
{
    struct smtp_mail *m = xcalloc(1, sizeof *m);
    m->attempt = a;
    m->queued_ms = loop_now_ms(t->setup.loop);
    a->state = m;
    enqueue(t, m, NULL);
    wake(t);
}

static void smtp_abort(struct transport *t, struct attempt *a)
{
    struct smtp_mail *m = a->state;
    assert(m != NULL);
    if (m->session != NULL)
        smtp_session_abort(m->session);
    else
        give_up(t, m, "given up before it had a connection: the worker is stopping");
}

static void smtp_close(struct transport *t)
{
    if (t == NULL)
        return;
    assert(t->first == NULL);
    if (t->pumping)
        t->closing = true;
    else
        destroy(t);
}

struct smtp_limits *smtp_limits(struct transport *t)
{
    return &t->setup.limits;
}

const struct transport_ops transport_smtp = {
    .name = "smtp",
    .open = smtp_open,
    .start = smtp_start,
    .abort = smtp_abort,
    .close = smtp_close,
};
