// SPDX-License-Identifier: Apache-2.0
// smtp_script: a server for tests whose connections follow scripts that read like transcripts.
//
//   "S:220 hello"    says a line              "R:250 ok\r\n421 bye\r\n"  says exactly these octets
//   "C:EHLO me"      expects this line        "C:RCPT TO:*"              … one that starts so
//   "M"              expects a message, up to the final dot; it is kept as it came
//   "SIGNAL"         lets the test know       "WAIT"   until the test says go
//   "CLOSE"          closes                   "RST"    closes with a reset
//   "EOF"            expects that the client closes; so does the end of a script
//
// The first connection gets the first script, and so on; there are no more connections than scripts. What did not
// happen as written is found in the text that server_stop returns.
#ifndef TESTS_WORKER_SMTP_SCRIPT_H
#define TESTS_WORKER_SMTP_SCRIPT_H

#include "common/buf.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SCRIPTS_MAX = 8, SCRIPT_PATIENCE_MS = 10000 };

struct server;

struct connection {
    struct server *server;
    const char *const *script;
    int number, fd;
    pthread_t thread;
    char in[8192];
    size_t start, len;
};

struct server {
    int fd, port, count, accepted;
    const char *const *const *scripts;
    struct connection connections[SCRIPTS_MAX];
    pthread_t thread;
    pthread_mutex_t mutex;
    sem_t go;
    int signal[2];   // a pipe: "SIGNAL" writes the connection's number to it
    struct buf mail; // all messages, as they came
    char wrong[512]; // the first thing that was not as written
};

static void server_wrong(struct connection *c, const char *want, const char *got)
{
    pthread_mutex_lock(&c->server->mutex);
    if (c->server->wrong[0] == '\0')
        snprintf(c->server->wrong, sizeof c->server->wrong, "connection %d: got \"%.150s\", want \"%.150s\"", c->number,
                 got, want);
    pthread_mutex_unlock(&c->server->mutex);
}

static const char *connection_line(struct connection *c, size_t *len)
{
    for (;;) {
        char *from = c->in + c->start, *end = memchr(from, '\n', c->len);
        if (end != NULL) {
            *len = (size_t)(end - from) + 1;
            c->start += *len;
            c->len -= *len;
            return from;
        }
        memmove(c->in, from, c->len);
        c->start = 0;
        struct pollfd p = { .fd = c->fd, .events = POLLIN };
        ssize_t n = poll(&p, 1, SCRIPT_PATIENCE_MS) == 1 ? recv(c->fd, c->in + c->len, sizeof c->in - c->len, 0) : -2;
        if (n <= 0) {
            *len = 0;
            return n == -2 ? "(nothing)" : "(connection closed)";
        }
        c->len += (size_t)n;
    }
}

static bool connection_expect(struct connection *c, const char *want)
{
    size_t len, n = strlen(want);
    const char *line = connection_line(c, &len);
    bool prefix = n > 0 && want[n - 1] == '*';
    if (len >= 2 && line[len - 2] == '\r' && (prefix ? len >= n && memcmp(line, want, n - 1) == 0
                                                     : len - 2 == n && memcmp(line, want, n) == 0))
        return true;
    char got[200];
    snprintf(got, sizeof got, "%.*s", len > 0 ? (int)len : 100, line);
    server_wrong(c, want, got);
    return false;
}

static bool connection_message(struct connection *c)
{
    for (;;) {
        size_t len;
        const char *line = connection_line(c, &len);
        if (len == 0) {
            server_wrong(c, "a message", line);
            return false;
        }
        pthread_mutex_lock(&c->server->mutex);
        buf_put(&c->server->mail, line, len);
        pthread_mutex_unlock(&c->server->mutex);
        if (len == 3 && memcmp(line, ".\r\n", 3) == 0)
            return true;
    }
}

static bool connection_eof(struct connection *c)
{
    size_t len;
    const char *line = connection_line(c, &len);
    if (len == 0 && strcmp(line, "(nothing)") != 0)
        return true;
    char got[200];
    snprintf(got, sizeof got, "%.*s", len > 0 ? (int)len : 100, line);
    server_wrong(c, "the client closes", got);
    return false;
}

static bool connection_step(struct connection *c, const char *step)
{
    if (step[0] == 'S' && step[1] == ':') {
        char line[4096];
        int n = snprintf(line, sizeof line, "%s\r\n", step + 2);
        return send(c->fd, line, (size_t)n, MSG_NOSIGNAL) == n;
    }
    if (step[0] == 'R' && step[1] == ':')
        return send(c->fd, step + 2, strlen(step + 2), MSG_NOSIGNAL) == (ssize_t)strlen(step + 2);
    if (step[0] == 'C' && step[1] == ':')
        return connection_expect(c, step + 2);
    if (strcmp(step, "M") == 0)
        return connection_message(c);
    if (strcmp(step, "SIGNAL") == 0)
        return write(c->server->signal[1], &c->number, sizeof c->number) == sizeof c->number;
    if (strcmp(step, "WAIT") == 0)
        return sem_wait(&c->server->go) == 0;
    if (strcmp(step, "EOF") == 0)
        return connection_eof(c);
    if (strcmp(step, "RST") == 0) {
        struct linger none = { .l_onoff = 1, .l_linger = 0 };
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    }
    return false; // CLOSE, RST
}

static void *connection_run(void *arg)
{
    struct connection *c = arg;
    bool going = true;
    for (size_t i = 0; going && c->script[i] != NULL; i++)
        going = connection_step(c, c->script[i]);
    if (going) { // whatever is left to say does not matter (QUIT)
        size_t len = 1;
        while (len > 0)
            (void)connection_line(c, &len);
    }
    close(c->fd);
    return NULL;
}

static void *server_run(void *arg)
{
    struct server *s = arg;
    while (s->accepted < s->count) {
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0)
            break;
        struct connection *c = &s->connections[s->accepted];
        *c = (struct connection){ .server = s, .script = s->scripts[s->accepted], .number = s->accepted, .fd = fd };
        if (pthread_create(&c->thread, NULL, connection_run, c) != 0)
            abort();
        s->accepted++;
    }
    return NULL;
}

static inline void server_start(struct server *s, const char *const *const *scripts, int count)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    *s = (struct server){ .scripts = scripts, .count = count };
    int small = 4096; // a server that stops reading stops the client soon
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (bind(s->fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(s->fd, 64) != 0 ||
        getsockname(s->fd, (struct sockaddr *)&a, &len) != 0 || pipe(s->signal) != 0)
        abort();
    s->port = ntohs(a.sin_port);
    pthread_mutex_init(&s->mutex, NULL);
    sem_init(&s->go, 0, 0);
    if (pthread_create(&s->thread, NULL, server_run, s) != 0)
        abort();
}

// Waits for the scripts to end. Returns what went wrong, "" when nothing did; valid until server_clear.
static inline const char *server_stop(struct server *s)
{
    shutdown(s->fd, SHUT_RDWR); // ends accept
    pthread_join(s->thread, NULL);
    close(s->fd);
    for (int i = 0; i < s->accepted; i++)
        pthread_join(s->connections[i].thread, NULL);
    if (s->accepted < s->count && s->wrong[0] == '\0')
        snprintf(s->wrong, sizeof s->wrong, "got %d connections, want %d", s->accepted, s->count);
    return s->wrong;
}

static inline void server_clear(struct server *s)
{
    close(s->signal[0]);
    close(s->signal[1]);
    sem_destroy(&s->go);
    pthread_mutex_destroy(&s->mutex);
    buf_clear(&s->mail);
}

#endif
