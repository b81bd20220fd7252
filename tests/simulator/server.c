// SPDX-License-Identifier: Apache-2.0
// server: see server.h.
//
// Level-triggered epoll; what an event belongs to is a slot number and its generation, so an event or timer
// of a connection that was closed a moment ago finds nobody instead of a stranger. Time is read once a turn.
// Refusing connections means really closing the listener (a client sees "connection refused", not a slow
// accept), and all connections with it, because a kept-alive one would go on as if nothing had happened.
#include "server.h"

#include "common/alloc.h"
#include "common/clock.h"
#include "conn.h"
#include "timers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, SCRATCH_SIZE = 256 * 1024, BACKLOG = 4096, LOG_FLUSH_MS = 200 };

#define WHO_LISTENER (UINT64_MAX)
#define WHO_SIGNAL   (UINT64_MAX - 1)
#define WHO_REOPEN   (UINT64_MAX - 2)

struct slot {
    struct conn *conn;   // owned; NULL = free
    uint32_t generation; // of whoever had the slot last
};

struct server {
    struct sink *sink;            // borrowed
    FILE *log;                    // borrowed
    int epoll, signals, listener; // owned; listener -1 while refusing
    int port;
    struct slot *slots; // owned
    uint32_t slot_count;
    uint32_t *free_slots; // owned; a stack
    uint32_t free_count;
    struct timers timers;
    int64_t flushed_ms; // monotonic
    bool stopping;
    char scratch[SCRATCH_SIZE];
};

static bool watch(struct server *s, int fd, uint32_t events, uint64_t who)
{
    struct epoll_event ev = { .events = events, .data.u64 = who };
    return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static bool open_listener(struct server *s, struct err *e)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->port) };
    socklen_t len = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->listener < 0)
        return err_set(e, ERR_FATAL, "socket: %s", strerror(errno));
    setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
    if (bind(s->listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(s->listener, BACKLOG) != 0)
        return err_set(e, ERR_CONFIG, "listen on 127.0.0.1:%d: %s", s->port, strerror(errno));
    if (getsockname(s->listener, (struct sockaddr *)&at, &len) != 0 ||
        !watch(s, s->listener, EPOLLIN, WHO_LISTENER))
        return err_set(e, ERR_FATAL, "listener: %s", strerror(errno));
    s->port = ntohs(at.sin_port); // so that it comes back on the same one
    return true;
}

static bool open_signals(struct server *s, struct err *e)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    s->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (s->signals < 0 || !watch(s, s->signals, EPOLLIN, WHO_SIGNAL))
        return err_set(e, ERR_FATAL, "signalfd: %s", strerror(errno));
    return true;
}

struct server *server_new(struct sink *sink, int port, FILE *log, struct err *e)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    struct server *s = xcalloc(1, sizeof *s);
    s->sink = sink;
    s->log = log;
    s->port = port;
    s->signals = s->listener = -1;
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!open_signals(s, e) || !open_listener(s, e)) {
        server_free(s);
        return NULL;
    }
    return s;
}

void server_free(struct server *s)
{
    if (s == NULL)
        return;
    for (uint32_t i = 0; i < s->slot_count; i++)
        conn_free(s->slots[i].conn, false);
    if (s->listener >= 0)
        close(s->listener);
    if (s->signals >= 0)
        close(s->signals);
    close(s->epoll);
    timers_clear(&s->timers);
    free(s->slots);
    free(s->free_slots);
    free(s);
}

int server_port(const struct server *s)
{
    return s->port;
}

static uint64_t who(uint32_t slot, uint32_t generation)
{
    return (uint64_t)generation << 32 | slot;
}

static uint32_t take_slot(struct server *s)
{
    if (s->free_count == 0) {
        uint32_t old = s->slot_count;
        s->slot_count = old > 0 ? old * 2 : 64;
        s->slots = xrealloc(s->slots, s->slot_count * sizeof *s->slots);
        s->free_slots = xrealloc(s->free_slots, s->slot_count * sizeof *s->free_slots);
        memset(s->slots + old, 0, (s->slot_count - old) * sizeof *s->slots);
        for (uint32_t i = old; i < s->slot_count; i++)
            s->free_slots[s->free_count++] = i;
    }
    return s->free_slots[--s->free_count];
}

static void close_conn(struct server *s, uint32_t slot)
{
    struct conn *c = s->slots[slot].conn;
    conn_free(c, c->state == CONN_RESETTING);
    s->slots[slot].conn = NULL;
    s->slots[slot].generation++;
    s->free_slots[s->free_count++] = slot;
}

static void accept_all(struct server *s)
{
    for (;;) {
        int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return; // nobody is left, or no descriptor is: the level-triggered event comes again
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
        uint32_t slot = take_slot(s);
        s->slots[slot].conn = conn_new(fd);
        if (!watch(s, fd, EPOLLIN, who(slot, s->slots[slot].generation)))
            close_conn(s, slot);
    }
}

static void refuse_for(struct server *s, uint32_t asker, int64_t refuse_ms)
{
    if (s->listener >= 0)
        close(s->listener);
    s->listener = -1;
    for (uint32_t i = 0; i < s->slot_count; i++) {
        if (s->slots[i].conn != NULL && i != asker)
            close_conn(s, i);
    }
    timers_add(&s->timers, clock_mono_us() + refuse_ms * 1000, WHO_REOPEN);
}

// Registers for EPOLLOUT while answers wait for room in the socket, and only then.
static void watch_writing(struct server *s, struct conn *c, uint64_t id)
{
    bool waits = c->out.len > 0 && c->state != CONN_DELAYED;
    if (waits == c->waits_write)
        return;
    struct epoll_event ev = { .events = EPOLLIN | (waits ? EPOLLOUT : 0u), .data.u64 = id };
    epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->fd, &ev);
    c->waits_write = waits;
}

typedef bool conn_step(struct conn *c, struct conn_turn *turn);

static void step(struct server *s, uint64_t id, conn_step *run, int64_t now_us, int64_t wall_ms)
{
    uint32_t slot = (uint32_t)id;
    struct conn *c = slot < s->slot_count ? s->slots[slot].conn : NULL;
    if (c == NULL || s->slots[slot].generation != (uint32_t)(id >> 32))
        return;
    struct conn_turn turn = {
        .sink = s->sink,
        .wall_ms = wall_ms,
        .scratch = s->scratch,
        .scratch_size = sizeof s->scratch,
        .refuse_ms = -1,
    };
    bool alive = run(c, &turn);
    if (turn.refuse_ms >= 0) {
        refuse_for(s, slot, turn.refuse_ms);
        alive = alive && conn_writable(c, &turn);
    }
    if (!alive) {
        close_conn(s, slot);
        return;
    }
    if (turn.delay_ms > 0)
        timers_add(&s->timers, now_us + turn.delay_ms * (int64_t)1000, id);
    watch_writing(s, c, id);
}

static bool run_timers(struct server *s, int64_t now_us, int64_t wall_ms, struct err *e)
{
    uint64_t what;
    while (timers_take(&s->timers, now_us, &what)) {
        if (what != WHO_REOPEN)
            step(s, what, conn_due, now_us, wall_ms);
        else if (s->listener < 0 && !open_listener(s, e))
            return false;
    }
    return true;
}

static void run_event(struct server *s, const struct epoll_event *ev, int64_t now_us, int64_t wall_ms)
{
    if (ev->data.u64 == WHO_SIGNAL) {
        s->stopping = true;
    } else if (ev->data.u64 == WHO_LISTENER) {
        if (s->listener >= 0)
            accept_all(s);
    } else if (ev->events & ~(uint32_t)EPOLLOUT) {
        step(s, ev->data.u64, conn_readable, now_us, wall_ms);
    } else {
        step(s, ev->data.u64, conn_writable, now_us, wall_ms);
    }
}

static int wait_ms(const struct server *s)
{
    int64_t due_us, ms = s->log != NULL ? LOG_FLUSH_MS : -1;
    if (timers_next(&s->timers, &due_us)) {
        int64_t left = (due_us - clock_mono_us() + 999) / 1000;
        left = left < 0 ? 0 : left;
        ms = ms < 0 || left < ms ? left : ms;
    }
    return ms > 1000 ? 1000 : (int)ms;
}

bool server_run(struct server *s, struct err *e)
{
    while (!s->stopping) {
        struct epoll_event events[EVENTS_MAX];
        int n = epoll_wait(s->epoll, events, EVENTS_MAX, wait_ms(s));
        if (n < 0 && errno != EINTR)
            return err_set(e, ERR_FATAL, "epoll_wait: %s", strerror(errno));
        int64_t now_us = clock_mono_us(), wall_ms = clock_wall_ms();
        for (int i = 0; i < n; i++)
            run_event(s, &events[i], now_us, wall_ms);
        if (!run_timers(s, now_us, wall_ms, e))
            return false;
        if (s->log != NULL && now_us / 1000 - s->flushed_ms >= LOG_FLUSH_MS) {
            fflush(s->log);
            s->flushed_ms = now_us / 1000;
        }
    }
    return true;
}
