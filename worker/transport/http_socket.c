// SPDX-License-Identifier: Apache-2.0
// http_socket: libcurl's sockets and its one timer, on the worker's loop.
//
// Watches are lazy. libcurl tells after every request that it no longer cares for the socket, and before the
// next one that it does: two system calls per job for nothing. So a watch stays when libcurl lets go, and
// goes when the socket is closed. Only when an idle socket becomes readable after all (the peer closed it, or
// talks out of turn) is its watch really taken off; libcurl looks at the socket itself before it uses it
// again.
//
// The same news tell when a request is completely written without asking for it: from then on libcurl waits
// only for input. That moment starts the reply's time-out.
//
// When a connection ends under a request, the kernel knows one thing that decides between "failed" and
// "unknown": whether the peer hung up before it had received the request. It is asked at the moment of
// closing.
//
// What can go wrong: a descriptor number is reused at once after a close, so a closed socket's watch must go
// before the number comes back (the close callback), and never later.
#include "worker/transport/http.h"

#include "common/alloc.h"
#include "common/clock.h"
#include "common/loop.h"

#include <curl/curl.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct socket_state {
    struct loop_watch *watch; // NULL: none
    int watched;              // what the watch waits for
    int wanted;               // what libcurl waits for; 0: idle
    struct line *line;        // which last cared for it; may have another socket by now
};

struct http_sockets {
    struct socket_state *by_fd;
    int cap;
};

static struct socket_state *state_of(struct transport *t, int fd)
{
    struct http_sockets *s = t->sockets;
    if (fd >= s->cap) {
        int cap = fd + 64;
        s->by_fd = xrealloc(s->by_fd, (size_t)cap * sizeof *s->by_fd);
        memset(s->by_fd + s->cap, 0, (size_t)(cap - s->cap) * sizeof *s->by_fd);
        s->cap = cap;
    }
    return &s->by_fd[fd];
}

static void watch_for(struct socket_state *state, int what)
{
    if (state->watch != NULL && state->watched != what) {
        state->watched = what;
        loop_watch_set(state->watch, what);
    }
}

static void on_ready(void *arg, int fd, int what)
{
    struct transport *t = arg;
    struct socket_state *state = state_of(t, fd);
    if (state->wanted == 0) {
        watch_for(state, 0);
        return;
    }
    int running, bits = (what & LOOP_READ ? CURL_CSELECT_IN : 0) | (what & LOOP_WRITE ? CURL_CSELECT_OUT : 0);
    curl_multi_socket_action(t->multi, fd, bits, &running);
    http_reap(t);
}

// NULL: one of libcurl's own, or idle.
static struct line *line_of(CURL *easy)
{
    char *private = NULL;
    if (easy == NULL || curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private) != CURLE_OK || private == NULL)
        return NULL;
    struct line *l = (struct line *)(void *)private;
    return l->call != NULL ? l : NULL;
}

// libcurl waits only for input now: the request is written, or, before that, the peer's part of a TLS
// handshake is due (a connection that is being made waits for output).
static void note_listening(struct line *l)
{
    if (l->call->step == CALL_WRITE)
        http_call_move(l->call, CALL_REPLY);
    else if (l->call->step == CALL_CONNECT)
        l->in_handshake = true;
}

static int on_interest(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
    (void)unused;
    struct transport *t = arg;
    struct socket_state *state = state_of(t, fd);
    if (what == CURL_POLL_REMOVE) {
        state->wanted = 0;
        if (state->watched != 0)
            watch_for(state, LOOP_READ); // an idle socket is always writable
        return 0;
    }
    state->wanted = (what & CURL_POLL_IN ? LOOP_READ : 0) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0);
    state->line = line_of(easy);
    if (what == CURL_POLL_IN && state->line != NULL)
        note_listening(state->line);
    if (state->watch == NULL) {
        state->watch = loop_watch_new(t->env.loop, fd, state->wanted, on_ready, t);
        state->watched = state->wanted;
        return 0;
    }
    watch_for(state, state->wanted);
    return 0;
}

static void forget(struct socket_state *state)
{
    loop_watch_free(state->watch);
    *state = (struct socket_state){ 0 };
}

// A FIN acknowledges everything that the peer's kernel had received when the peer closed. If that leaves some
// of what we wrote unacknowledged, the request was not complete when the peer had already ended the
// conversation, so nobody there acts on it. A reset alone proves nothing: its acknowledgement is not looked
// at, and a peer may read a request, act on it, and reset.
static bool ended_before_it_arrived(int fd)
{
    struct tcp_info info = { 0 };
    socklen_t info_len = sizeof info;
    int error = 0, unacknowledged = 0;
    socklen_t error_len = sizeof error;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &info_len) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) != 0 ||
        ioctl(fd, TIOCOUTQ, &unacknowledged) != 0)
        return false;
    // EPIPE: reset after the FIN (our request met a closed socket). A reset without one is ECONNRESET.
    bool fin = info.tcpi_state == TCP_CLOSE_WAIT || (info.tcpi_state == TCP_CLOSE && error == EPIPE);
    return fin && unacknowledged > 0;
}

static int local_port(int fd)
{
    struct sockaddr_storage ss = { 0 };
    socklen_t len = sizeof ss;
    if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
        return 0;
    if (ss.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&ss)->sin_port);
    return ss.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&ss)->sin6_port) : 0;
}

// The line whose request is on this socket, or NULL: the one that last waited for it, or, when it ends so
// soon that nobody had waited yet, the one that last began.
static struct line *user_of(struct transport *t, int fd)
{
    struct line *candidates[] = { state_of(t, fd)->line, t->last_begun };
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        struct line *l = candidates[i];
        if (l != NULL && l->call != NULL && l->tries > 0 && l->local_port == local_port(fd))
            return l;
    }
    return NULL;
}

static int close_socket(void *arg, curl_socket_t fd)
{
    struct transport *t = arg;
    struct socket_state *state = state_of(t, fd);
    struct line *l = user_of(t, fd);
    if (l != NULL)
        l->never_arrived = ended_before_it_arrived(fd);
    if (state->watch != NULL)
        forget(state);
    return close(fd);
}

// libcurl repeats a request by itself when it finds a reused connection dead. That is only harmless when
// nothing of the first one had gone out or the receiver knows our key.
static bool may_begin(struct line *l)
{
    if (l->tries == 0)
        return true;
    long out_bytes = 0;
    curl_easy_getinfo(l->easy, CURLINFO_REQUEST_SIZE, &out_bytes);
    if (out_bytes == 0 || l->never_arrived)
        return true;
    l->written_once = true;
    l->stopped = !l->transport->route->idempotent;
    return !l->stopped;
}

static void note_begun(struct call *c)
{
    c->origin->loaded = true; // libcurl goes by the addresses we gave it
    if (c->begun_us == 0)
        c->begun_us = clock_mono_us();
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct line *l = arg;
    struct origin *origin = l->call->origin;
    if (!may_begin(l))
        return CURL_SOCKET_BAD;
    const char *denied = origin->guarded ? http_guard(&address->addr) : NULL;
    if (denied != NULL) {
        l->denied = denied;
        return CURL_SOCKET_BAD;
    }
    note_begun(l->call);
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    struct socket_state *state = state_of(l->transport, fd);
    if (state->watch != NULL)
        forget(state);
    return fd;
}

// Connected (or a connection was found): the request goes out next.
static int on_before_request(void *arg, char *to, char *from, int to_port, int from_port)
{
    (void)to, (void)from, (void)to_port;
    struct line *l = arg;
    if (!may_begin(l))
        return CURL_PREREQFUNC_ABORT;
    l->tries++;
    l->never_arrived = false;
    l->local_port = from_port;
    l->transport->last_begun = l;
    note_begun(l->call);
    http_call_move(l->call, CALL_WRITE);
    return CURL_PREREQFUNC_OK;
}

static int on_curl_timer(CURLM *multi, long in_ms, void *arg)
{
    (void)multi;
    struct transport *t = arg;
    if (in_ms < 0)
        loop_timer_cancel(t->curl_timer);
    else
        loop_timer_in(t->curl_timer, in_ms);
    return 0;
}

static void on_time(void *arg)
{
    struct transport *t = arg;
    int running;
    curl_multi_socket_action(t->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    http_reap(t);
}

void http_sockets_prepare(struct line *l)
{
    curl_easy_setopt(l->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(l->easy, CURLOPT_OPENSOCKETDATA, l);
    curl_easy_setopt(l->easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(l->easy, CURLOPT_CLOSESOCKETDATA, l->transport);
    curl_easy_setopt(l->easy, CURLOPT_PREREQFUNCTION, on_before_request);
    curl_easy_setopt(l->easy, CURLOPT_PREREQDATA, l);
}

void http_sockets_open(struct transport *t)
{
    t->sockets = xcalloc(1, sizeof *t->sockets);
    t->curl_timer = loop_timer_new(t->env.loop, on_time, t);
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, on_interest);
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
}

void http_sockets_close(struct transport *t)
{
    for (int fd = 0; fd < t->sockets->cap; fd++)
        loop_watch_free(t->sockets->by_fd[fd].watch);
    free(t->sockets->by_fd);
    free(t->sockets);
    loop_timer_free(t->curl_timer);
}
