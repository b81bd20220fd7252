// SPDX-License-Identifier: Apache-2.0
// loop: libevent behind our own names, so that nothing else depends on it.
//
// The loop is driven one turn at a time (EVLOOP_ONCE): sleep, handle what is ready, call the turn hooks, sleep
// again. The hooks are where output is flushed once for everything a turn produced. A hook that wants another turn
// right away arms a timer with delay 0.
//
// The time of a turn is read when somebody first asks for it and forgotten before the next sleep. libevent counts a
// timeout from its own cached time, which may lie before the time the caller saw; a timer therefore remembers its
// deadline and goes back to sleep when it is woken too soon. The precise clock is asked for because the default
// one (CLOCK_MONOTONIC_COARSE) is up to 4 ms behind, which would make every timer early.
//
// What can go wrong: one slow callback delays everybody. A turn over half a second is logged.
#include "common/loop.h"

#include "common/alloc.h"
#include "common/clock.h"
#include "common/log.h"

#include <event2/event.h>
#include <event2/event_struct.h>

#include <assert.h>
#include <stdlib.h>

enum { SLOW_TURN_MS = 500, SLOW_LOG_EVERY_MS = 1000 };

struct turn {
    int64_t now_ms; // 0 = not read yet
};

struct hook {
    loop_turn_cb cb; // NULL = removed
    void *arg;
};

struct watched_signal {
    struct event event;
    loop_signal_cb cb;
    void *arg;
    struct watched_signal *next;
};

struct loop {
    struct event_base *base;
    struct turn *turn; // owned; apart, so that asking for the time needs no writable loop
    struct hook *hooks; // owned
    int hook_count;
    struct watched_signal *signals; // owned list
    int64_t slow_logged_ms;
    bool stopping;
};

struct loop_timer {
    struct event event;
    struct loop *loop;
    loop_timer_cb cb;
    void *arg;
    int64_t deadline_ms;
};

struct loop_watch {
    struct event event;
    struct loop *loop;
    int fd;
    int what;
    loop_watch_cb cb;
    void *arg;
};

struct loop *loop_new(void)
{
    struct loop *l = xcalloc(1, sizeof *l);
    struct event_config *config = event_config_new();
    if (config == NULL)
        abort();
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    l->base = event_base_new_with_config(config);
    event_config_free(config);
    if (l->base == NULL) {
        log_error("loop", "cannot create an event loop: out of memory or descriptors");
        abort();
    }
    l->turn = xcalloc(1, sizeof *l->turn);
    return l;
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    while (l->signals != NULL) {
        struct watched_signal *s = l->signals;
        l->signals = s->next;
        event_del(&s->event);
        free(s);
    }
    event_base_free(l->base);
    free(l->turn);
    free(l->hooks);
    free(l);
}

struct event_base *loop_base(struct loop *l)
{
    return l->base;
}

int64_t loop_now_ms(const struct loop *l)
{
    if (l->turn->now_ms == 0)
        l->turn->now_ms = clock_mono_ms();
    return l->turn->now_ms;
}

// ---- turns ------------------------------------------------------------------------------------------------------

static void call_hooks(struct loop *l)
{
    for (int i = 0; i < l->hook_count; i++) // a hook may add or remove hooks
        if (l->hooks[i].cb != NULL)
            l->hooks[i].cb(l->hooks[i].arg);
    int kept = 0;
    for (int i = 0; i < l->hook_count; i++)
        if (l->hooks[i].cb != NULL)
            l->hooks[kept++] = l->hooks[i];
    l->hook_count = kept;
}

static void end_turn(struct loop *l)
{
    int64_t end_ms = clock_mono_ms(), took_ms = end_ms - loop_now_ms(l);
    l->turn->now_ms = 0;
    if (took_ms <= SLOW_TURN_MS || end_ms - l->slow_logged_ms < SLOW_LOG_EVERY_MS)
        return;
    l->slow_logged_ms = end_ms;
    log_warn("loop", "slow turn ms=%lld", (long long)took_ms);
}

void loop_run(struct loop *l)
{
    while (!l->stopping) {
        l->turn->now_ms = 0;
        int idle = event_base_loop(l->base, EVLOOP_ONCE); // 1: there is nothing to wait for
        call_hooks(l);
        end_turn(l);
        if (idle != 0 && event_base_get_num_events(l->base, EVENT_BASE_COUNT_ADDED) == 0)
            break;
    }
    l->stopping = false;
}

void loop_stop(struct loop *l)
{
    l->stopping = true;
}

void loop_on_turn(struct loop *l, loop_turn_cb cb, void *arg)
{
    l->hooks = xrealloc(l->hooks, (size_t)(l->hook_count + 1) * sizeof *l->hooks);
    l->hooks[l->hook_count++] = (struct hook){ .cb = cb, .arg = arg };
}

void loop_off_turn(struct loop *l, loop_turn_cb cb, void *arg)
{
    for (int i = 0; i < l->hook_count; i++)
        if (l->hooks[i].cb == cb && l->hooks[i].arg == arg)
            l->hooks[i].cb = NULL; // swept after the hooks ran: one of them may be calling this
}

// ---- timers -----------------------------------------------------------------------------------------------------

static void arm(struct loop_timer *t, int64_t delay_ms)
{
    struct timeval tv = { .tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000 };
    int failed = evtimer_add(&t->event, &tv);
    assert(failed == 0);
    (void)failed;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct loop_timer *t = arg;
    int64_t left_ms = t->deadline_ms - loop_now_ms(t->loop);
    if (left_ms > 0)
        arm(t, left_ms);
    else
        t->cb(t->arg); // may free t
}

struct loop_timer *loop_timer_new(struct loop *l, loop_timer_cb cb, void *arg)
{
    struct loop_timer *t = xcalloc(1, sizeof *t);
    t->loop = l;
    t->cb = cb;
    t->arg = arg;
    evtimer_assign(&t->event, l->base, on_timer, t);
    return t;
}

void loop_timer_free(struct loop_timer *t)
{
    if (t == NULL)
        return;
    evtimer_del(&t->event);
    free(t);
}

void loop_timer_in(struct loop_timer *t, int64_t delay_ms)
{
    if (delay_ms < 0)
        delay_ms = 0;
    t->deadline_ms = loop_now_ms(t->loop) + delay_ms;
    arm(t, delay_ms);
}

void loop_timer_cancel(struct loop_timer *t)
{
    evtimer_del(&t->event);
}

bool loop_timer_armed(const struct loop_timer *t)
{
    return evtimer_pending(&t->event, NULL) != 0;
}

// ---- descriptors and signals ------------------------------------------------------------------------------------

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct loop_watch *w = arg;
    loop_now_ms(w->loop); // the turn begins now, for whoever measures it
    int ready = ((what & EV_READ) != 0 ? LOOP_READ : 0) | ((what & EV_WRITE) != 0 ? LOOP_WRITE : 0);
    w->cb(w->arg, (int)fd, ready); // may free w
}

struct loop_watch *loop_watch_new(struct loop *l, int fd, int what, loop_watch_cb cb, void *arg)
{
    struct loop_watch *w = xcalloc(1, sizeof *w);
    w->loop = l;
    w->fd = fd;
    w->cb = cb;
    w->arg = arg;
    loop_watch_set(w, what);
    return w;
}

void loop_watch_set(struct loop_watch *w, int what)
{
    if (what == w->what)
        return;
    if (w->what != 0)
        event_del(&w->event);
    w->what = what;
    if (what == 0)
        return;
    int events = EV_PERSIST | ((what & LOOP_READ) != 0 ? EV_READ : 0) | ((what & LOOP_WRITE) != 0 ? EV_WRITE : 0);
    event_assign(&w->event, w->loop->base, w->fd, (short)events, on_ready, w);
    if (event_add(&w->event, NULL) != 0)
        log_error("loop", "cannot watch fd=%d: not a pollable descriptor", w->fd);
}

void loop_watch_free(struct loop_watch *w)
{
    if (w == NULL)
        return;
    loop_watch_set(w, 0);
    free(w);
}

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
    (void)what;
    struct watched_signal *s = arg;
    s->cb(s->arg, (int)signo);
}

void loop_on_signal(struct loop *l, int signo, loop_signal_cb cb, void *arg)
{
    struct watched_signal *s = xcalloc(1, sizeof *s);
    s->cb = cb;
    s->arg = arg;
    s->next = l->signals;
    l->signals = s;
    evsignal_assign(&s->event, l->base, signo, on_signal, s);
    event_add(&s->event, NULL);
}
