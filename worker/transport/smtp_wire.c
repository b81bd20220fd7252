// SPDX-License-Identifier: Apache-2.0
// smtp_wire: the socket under an SMTP session.
//
// Written on plain non-blocking sockets, because the whole safety of a retry hangs on one number: how many bytes
// the kernel has taken. Every send is tried at once, so a short command costs one system call and no wake-up.
// A failed write is not reported: what the server said before it went away (often a 421 with the reason) is still
// to be read, and the descriptor becomes readable by itself. After a failed write nothing is written any more, so
// unsent stays what it was.
#include "worker/transport/smtp_wire.h"

#include "common/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

static void on_watch(void *arg, int fd, int what)
{
    (void)fd;
    struct smtp_wire *w = arg;
    if ((what & LOOP_READ) != 0)
        w->readable = true;
    w->cb(w->arg, what); // the last thing: it may have closed or freed the wire
}

static void watch(struct smtp_wire *w, int what)
{
    if (w->watching == what)
        return;
    w->watching = what;
    loop_watch_set(w->watch, what);
}

bool smtp_wire_open(struct smtp_wire *w, const struct sockaddr *address, struct err *e)
{
    socklen_t len = address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(e, ERR_TRANSIENT, "socket: %s", strerror(errno));
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // a dialogue: every write waits for its answer
    if (connect(fd, address, len) != 0 && errno != EINPROGRESS && errno != EINTR) {
        int cause = errno;
        close(fd);
        return err_set(e, ERR_UNAVAILABLE, "%s", strerror(cause));
    }
    w->fd = fd;
    w->watching = LOOP_WRITE;
    w->watch = loop_watch_new(w->loop, fd, LOOP_WRITE, on_watch, w);
    w->out = (struct slice){ NULL, 0 };
    w->broken = w->readable = false;
    w->start = w->len = 0;
    return true;
}

bool smtp_wire_connected(struct smtp_wire *w, struct err *e)
{
    int cause = 0;
    socklen_t len = sizeof cause;
    if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &cause, &len) != 0)
        cause = errno;
    if (cause != 0)
        return err_set(e, ERR_UNAVAILABLE, "%s", strerror(cause));
    watch(w, LOOP_READ);
    return true;
}

void smtp_wire_close(struct smtp_wire *w)
{
    if (w->fd < 0)
        return;
    loop_watch_free(w->watch);
    w->watch = NULL;
    close(w->fd);
    w->fd = -1;
    w->start = w->len = 0;
}

void smtp_wire_flush(struct smtp_wire *w)
{
    while (w->out.len > 0 && !w->broken) {
        ssize_t n = send(w->fd, w->out.ptr, w->out.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n < 0) {
            w->broken = true;
            break;
        }
        w->out.ptr += n;
        w->out.len -= (size_t)n;
    }
    watch(w, w->out.len > 0 && !w->broken ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

void smtp_wire_send(struct smtp_wire *w, struct slice bytes)
{
    w->out = bytes;
    smtp_wire_flush(w);
}

size_t smtp_wire_unsent(const struct smtp_wire *w)
{
    return w->out.len;
}

// Takes the next line out of the buffer.
static bool buffered_line(struct smtp_wire *w, struct slice *line)
{
    const char *from = w->in + w->start;
    const char *end = memchr(from, '\n', w->len);
    if (end == NULL)
        return false;
    size_t len = (size_t)(end - from);
    w->start += len + 1;
    w->len -= len + 1;
    *line = (struct slice){ from, len > 0 && from[len - 1] == '\r' ? len - 1 : len };
    return true;
}

enum smtp_wire_result smtp_wire_line(struct smtp_wire *w, struct slice *line)
{
    while (!buffered_line(w, line)) {
        if (w->len == sizeof w->in)
            return SMTP_WIRE_LONG;
        if (!w->readable)
            return SMTP_WIRE_AGAIN;
        memmove(w->in, w->in + w->start, w->len);
        w->start = 0;
        ssize_t n = recv(w->fd, w->in + w->len, sizeof w->in - w->len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        w->readable = false; // one read a wake-up: the loop calls again while there is more
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return SMTP_WIRE_AGAIN;
        if (n <= 0) {
            errno = n < 0 ? errno : 0;
            return SMTP_WIRE_LOST;
        }
        w->len += (size_t)n;
    }
    return SMTP_WIRE_LINE;
}

bool smtp_wire_pending(const struct smtp_wire *w)
{
    return w->len > 0;
}
