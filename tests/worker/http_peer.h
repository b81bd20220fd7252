// SPDX-License-Identifier: Apache-2.0
// http_peer: the other side of http_test.c: an HTTP/1.1 server on raw sockets, a thread per connection, that
// behaves as the request's path says and remembers every request it received in full.
#ifndef TESTS_WORKER_HTTP_PEER_H
#define TESTS_WORKER_HTTP_PEER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEER_KEPT = 512 };

struct peer_request {
    char head[2048];
    size_t body_len;
    char body[256]; // its beginning
    int connection; // 1: the first that was accepted
    int nth;        // on that connection, from 1
};

static struct peer {
    int fd, port;
    pthread_t thread;
    pthread_mutex_t lock;
    int connections, open_now, open_most;
    int count;
    struct peer_request requests[PEER_KEPT];
} peer = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct peer_connection {
    int fd, number, nth;
    char *data; // what was read and not yet used
    size_t len, cap;
};

static inline bool peer_read_more(struct peer_connection *c)
{
    if (c->len + 65536 > c->cap) {
        c->cap = 2 * c->len + 65536;
        c->data = realloc(c->data, c->cap + 1);
    }
    ssize_t got = read(c->fd, c->data + c->len, c->cap - c->len);
    if (got <= 0)
        return false;
    c->len += (size_t)got;
    c->data[c->len] = '\0';
    return true;
}

static inline bool peer_read_head(struct peer_connection *c, size_t *head_len)
{
    for (;;) {
        char *end = c->len > 0 ? strstr(c->data, "\r\n\r\n") : NULL;
        if (end != NULL) {
            *head_len = (size_t)(end - c->data) + 4;
            return true;
        }
        if (!peer_read_more(c))
            return false;
    }
}

static inline size_t peer_body_len(const char *head)
{
    const char *at = strcasestr(head, "\r\nContent-Length:");
    return at != NULL ? strtoul(at + 17, NULL, 10) : 0;
}

static inline void peer_remember(struct peer_connection *c, size_t head_len, size_t body_len)
{
    pthread_mutex_lock(&peer.lock);
    struct peer_request *r = &peer.requests[peer.count++ % PEER_KEPT];
    snprintf(r->head, sizeof r->head, "%.*s", (int)head_len, c->data);
    snprintf(r->body, sizeof r->body, "%.*s", (int)(body_len < 255 ? body_len : 255), c->data + head_len);
    r->body_len = body_len;
    r->connection = c->number;
    r->nth = ++c->nth;
    pthread_mutex_unlock(&peer.lock);
}

static inline void peer_say(struct peer_connection *c, const char *text)
{
    for (size_t len = strlen(text); len > 0;) {
        ssize_t put = send(c->fd, text, len, MSG_NOSIGNAL);
        if (put <= 0)
            return;
        text += put;
        len -= (size_t)put;
    }
}

static inline void peer_reply(struct peer_connection *c, int status, const char *headers, const char *body)
{
    char text[4096];
    snprintf(text, sizeof text, "HTTP/1.1 %d Whatever\r\nContent-Length: %zu\r\n%s\r\n%s", status,
             strlen(body), headers, body);
    peer_say(c, text);
}

static inline void peer_say_big(struct peer_connection *c)
{
    static char chunk[4097];
    memset(chunk, 'x', sizeof chunk - 1);
    peer_say(c, "HTTP/1.1 200 Fine\r\nContent-Length: 10000000\r\n\r\n");
    for (int i = 0; i < 2400; i++)
        peer_say(c, chunk);
}

// Waits until the client hangs up.
static inline void peer_hang(struct peer_connection *c)
{
    while (peer_read_more(c))
        ;
}

static inline bool path_is(const char *head, const char *path)
{
    return strncmp(head + 5, path, strlen(path)) == 0 && strchr(" ?/", head[5 + strlen(path)]) != NULL;
}

// Before the body is read. True: the connection is done with.
static inline bool peer_act_early(struct peer_connection *c)
{
    if (path_is(c->data, "/deaf")) {
        sleep(2);
        return true;
    }
    if (path_is(c->data, "/half")) {
        while (c->len < 100000 && peer_read_more(c))
            ;
        return true;
    }
    if (path_is(c->data, "/early")) {
        peer_reply(c, 413, "Connection: close\r\n", "too large");
        peer_hang(c);
        return true;
    }
    return false;
}

// With the whole request. True: the connection is done with.
static inline bool peer_act(struct peer_connection *c, const char *head, int nth)
{
    if (path_is(head, "/status")) {
        peer_reply(c, atoi(head + 5 + 8), "", "{\"message\":\"because \\u2603\",\"id\":\"not-accepted\"}");
    } else if (path_is(head, "/throttle")) {
        peer_reply(c, 429, "Retry-After: 7\r\n", "slow\ndown");
    } else if (path_is(head, "/by-header")) {
        peer_reply(c, 202, "X-Message-Id: by-header-1\r\n", "");
    } else if (path_is(head, "/second-dies") && nth == 2) {
        return true;
    } else if (path_is(head, "/last-words") && nth == 2) {
        shutdown(peer.fd, SHUT_RDWR); // nobody can connect any more
        return true;
    } else if (path_is(head, "/dies")) {
        return true;
    } else if (path_is(head, "/idle-dies")) {
        peer_reply(c, 200, "", "{}");
        return true;
    } else if (path_is(head, "/hang")) {
        peer_hang(c);
    } else if (path_is(head, "/big")) {
        peer_say_big(c);
    } else if (path_is(head, "/torn")) {
        peer_say(c, "HTTP/1.1 201 Fine\r\nContent-Length: 100\r\n\r\n{\"id\":");
        return true;
    } else if (path_is(head, "/stalls")) {
        peer_say(c, "HTTP/1.1 201 Fine\r\nContent-Length: 100\r\n\r\n{\"id\":");
        peer_hang(c);
    } else if (path_is(head, "/garbage")) {
        peer_say(c, "220 mail.example ESMTP\r\n");
        return true;
    } else if (path_is(head, "/redirect")) {
        peer_reply(c, 302, "Location: /ok\r\n", "");
    } else if (path_is(head, "/later")) {
        peer_say(c, "HTTP/1.1 103 Early Hints\r\n\r\n");
        peer_reply(c, 200, "", "{\"id\":\"after-103\"}");
    } else {
        peer_reply(c, 200, "", "{\"id\":\"m-1\"}");
    }
    return false;
}

static inline void *peer_serve(void *arg)
{
    struct peer_connection *c = arg;
    size_t head_len;
    bool over = false;
    while (!over && peer_read_head(c, &head_len)) {
        over = peer_act_early(c);
        size_t body_len = peer_body_len(c->data);
        while (!over && c->len < head_len + body_len)
            over = !peer_read_more(c);
        if (over)
            break;
        peer_remember(c, head_len, body_len);
        over = peer_act(c, c->data, c->nth);
        c->len = 0; // nobody pipelines
    }
    pthread_mutex_lock(&peer.lock);
    peer.open_now--;
    pthread_mutex_unlock(&peer.lock);
    close(c->fd);
    free(c->data);
    free(c);
    return NULL;
}

static inline void *peer_accept(void *arg)
{
    (void)arg;
    for (;;) {
        int fd = accept(peer.fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        struct peer_connection *c = calloc(1, sizeof *c);
        c->fd = fd;
        pthread_mutex_lock(&peer.lock);
        c->number = ++peer.connections;
        if (++peer.open_now > peer.open_most)
            peer.open_most = peer.open_now;
        pthread_mutex_unlock(&peer.lock);
        pthread_t thread;
        pthread_create(&thread, NULL, peer_serve, c);
        pthread_detach(thread);
    }
}

static inline int peer_start(void **state)
{
    (void)state;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    peer.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(peer.fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(peer.fd, 512) != 0 ||
        getsockname(peer.fd, (struct sockaddr *)&at, &len) != 0)
        return -1;
    peer.port = ntohs(at.sin_port);
    return pthread_create(&peer.thread, NULL, peer_accept, NULL);
}

static inline int peer_stop(void **state)
{
    (void)state;
    shutdown(peer.fd, SHUT_RDWR);
    pthread_join(peer.thread, NULL);
    close(peer.fd);
    return 0;
}

static inline void peer_reset(void)
{
    pthread_mutex_lock(&peer.lock);
    peer.connections = peer.count = 0;
    peer.open_most = peer.open_now;
    pthread_mutex_unlock(&peer.lock);
}

static inline int peer_count(void)
{
    pthread_mutex_lock(&peer.lock);
    int count = peer.count;
    pthread_mutex_unlock(&peer.lock);
    return count;
}

#endif
