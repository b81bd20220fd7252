// SPDX-License-Identifier: Apache-2.0
// store_link: a non-blocking stream to Redis, over TCP or a unix socket.
//
//   CLOSED -> RESOLVING -> CONNECTING -> OPEN -> CLOSED
//
// What is written during a turn is collected and leaves in one write when the turn ends: a write a command
// costs more than all the rest of talking to Redis. The descriptor is watched for writing only while the
// kernel's buffer is full. A name with several addresses is tried one address an attempt.
//
// What can go wrong: any callback may close the link, so nothing of it is touched after one without looking
// at `generation` again.
#include "common/store_link.h"

#include "common/alloc.h"
#include "common/config.h"
#include "common/loop.h"
#include "common/store_reply.h"
#include "common/store_resolve.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024, READS_A_TURN = 16, OUT_KEEP_BYTES = 1 << 20 };

enum link_state { CLOSED, RESOLVING, CONNECTING, OPEN };

struct store_link {
    struct loop *loop;
    const struct config *config;
    struct store_link_events events;
    enum link_state state;
    uint64_t generation; // rises when the link closes
    struct store_resolve *resolve;
    unsigned attempts; // picks the address
    int fd;
    struct loop_watch *watch;
    struct store_parser *parser;
    struct buf out;
    size_t out_sent; // of out
    struct loop_timer
        *wake; // makes sure that the turn ends: what is written outside of one, or by a later hook
    char name[160];
};

static void on_turn(void *arg);

static void on_wake(void *arg)
{
    (void)arg; // on_turn follows
}

struct store_link *store_link_new(struct loop *l, const struct config *c,
                                  const struct store_link_events *events)
{
    struct store_link *k = xcalloc(1, sizeof *k);
    *k = (struct store_link){ .loop = l, .config = c, .events = *events, .fd = -1 };
    if (c->redis.unix_path != NULL)
        snprintf(k->name, sizeof k->name, "%s", c->redis.unix_path);
    else
        snprintf(k->name, sizeof k->name, "%s:%d", c->redis.host, c->redis.port);
    k->wake = loop_timer_new(l, on_wake, NULL);
    loop_on_turn(l, on_turn, k);
    return k;
}

void store_link_free(struct store_link *k)
{
    if (k == NULL)
        return;
    store_link_close(k);
    loop_off_turn(k->loop, on_turn, k);
    loop_timer_free(k->wake);
    buf_clear(&k->out);
    free(k);
}

const char *store_link_name(const struct store_link *k)
{
    return k->name;
}

void store_link_close(struct store_link *k)
{
    store_resolve_cancel(k->resolve);
    k->resolve = NULL;
    loop_watch_free(k->watch);
    k->watch = NULL;
    store_parser_free(k->parser);
    k->parser = NULL;
    if (k->fd >= 0)
        close(k->fd);
    k->fd = -1;
    k->out_sent = 0;
    buf_reset(&k->out);
    if (k->out.cap > OUT_KEEP_BYTES)
        buf_clear(&k->out);
    k->state = CLOSED;
    k->generation++;
}

static void lose(struct store_link *k, const char *why)
{
    store_link_close(k);
    k->events.on_lost(k->events.arg, why);
}

// ---- connecting -------------------------------------------------------------------------------------------

static void on_ready(void *arg, int fd, int what);

static void connect_to(struct store_link *k, const struct sockaddr *addr, socklen_t len)
{
    k->state = CONNECTING;
    k->fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (k->fd < 0) {
        lose(k, strerror(errno));
        return;
    }
    if (addr->sa_family != AF_UNIX) {
        int on = 1;
        setsockopt(k->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(k->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    // A unix socket whose backlog is full says EAGAIN and would never become writable.
    if (connect(k->fd, addr, len) != 0 && errno != EINPROGRESS) {
        lose(k, strerror(errno));
        return;
    }
    k->watch = loop_watch_new(k->loop, k->fd, LOOP_WRITE, on_ready, k);
}

static void on_resolved(void *arg, const struct store_addresses *found)
{
    struct store_link *k = arg;
    k->resolve = NULL;
    if (found->count == 0) {
        lose(k, found->error.text);
        return;
    }
    unsigned i = k->attempts++ % (unsigned)found->count;
    connect_to(k, (const struct sockaddr *)&found->list[i].addr, found->list[i].len);
}

void store_link_open(struct store_link *k)
{
    const char *path = k->config->redis.unix_path;
    if (path == NULL) {
        k->state = RESOLVING;
        uint64_t generation = k->generation;
        struct store_resolve *r =
            store_resolve_start(k->loop, k->config->redis.host, k->config->redis.port, on_resolved, k);
        if (k->generation == generation && k->state == RESOLVING)
            k->resolve = r;
        return;
    }
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof addr.sun_path) {
        lose(k, "the socket's path is too long");
        return;
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    connect_to(k, (const struct sockaddr *)&addr, sizeof addr);
}

static void finish_connect(struct store_link *k)
{
    int code = 0;
    socklen_t len = sizeof code;
    if (getsockopt(k->fd, SOL_SOCKET, SO_ERROR, &code, &len) != 0 || code != 0) {
        lose(k, strerror(code != 0 ? code : errno));
        return;
    }
    k->state = OPEN;
    k->parser = store_parser_new();
    loop_watch_set(k->watch, LOOP_READ);
    k->events.on_open(k->events.arg);
}

// ---- open -------------------------------------------------------------------------------------------------

void store_link_write(struct store_link *k, const void *bytes, size_t len)
{
    if (k->out.len == 0)
        loop_timer_in(k->wake, 0);
    buf_put(&k->out, bytes, len);
}

static void flush(struct store_link *k)
{
    if (k->state != OPEN)
        return;
    while (k->out_sent < k->out.len) {
        ssize_t n = send(k->fd, k->out.data + k->out_sent, k->out.len - k->out_sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            loop_watch_set(k->watch, LOOP_READ | LOOP_WRITE);
            return;
        }
        if (n < 0) {
            lose(k, strerror(errno));
            return;
        }
        k->out_sent += (size_t)n;
    }
    k->out_sent = 0;
    buf_reset(&k->out);
    if (k->out.cap > OUT_KEEP_BYTES)
        buf_clear(&k->out);
}

static void on_turn(void *arg)
{
    struct store_link *k = arg;
    if (k->out.len == 0 || k->out_sent > 0)
        return;
    loop_timer_cancel(k->wake);
    flush(k);
}

// False: the link was closed meanwhile.
static bool deliver(struct store_link *k)
{
    uint64_t generation = k->generation;
    struct err e = { 0 };
    for (;;) {
        const struct store_reply *reply = store_parser_next(k->parser, &e);
        if (reply == NULL && e.kind != ERR_NONE)
            lose(k, e.text);
        if (reply == NULL)
            return k->generation == generation;
        k->events.on_reply(k->events.arg, reply);
        if (k->generation != generation)
            return false;
    }
}

void store_link_read(struct store_link *k)
{
    char bytes[READ_BYTES];
    for (int i = 0; i < READS_A_TURN && k->state == OPEN; i++) {
        ssize_t n = recv(k->fd, bytes, sizeof bytes, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            lose(k, n == 0 ? "closed by the server" : strerror(errno));
            return;
        }
        struct err e;
        if (!store_parser_feed(k->parser, bytes, (size_t)n, &e)) {
            lose(k, e.text);
            return;
        }
        if (!deliver(k) || (size_t)n < sizeof bytes)
            return;
    }
}

static void on_ready(void *arg, int fd, int what)
{
    struct store_link *k = arg;
    (void)fd;
    if (k->state == CONNECTING) {
        finish_connect(k);
        return;
    }
    uint64_t generation = k->generation;
    if (what & LOOP_READ)
        store_link_read(k);
    if (k->generation != generation || !(what & LOOP_WRITE))
        return;
    loop_watch_set(k->watch, LOOP_READ);
    flush(k);
}
