// SPDX-License-Identifier: Apache-2.0
// store_resolve: getaddrinfo on a thread that lives for one question.
//
// The C library's resolver can take ten seconds and cannot be stopped, so nobody waits for it: the question
// is shared by the thread and the loop, and whoever lets go of it last frees it. It runs once a reconnect, a
// thread each time costs nothing that matters. Workers resolve next hops elsewhere (worker/resolver.h).
#include "common/store_resolve.h"

#include "common/alloc.h"
#include "common/loop.h"

#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct question {
    atomic_int holders; // the thread and the loop
    int done_fd;        // eventfd
    char host[256], port[8];
    struct store_addresses found;
};

struct store_resolve {
    struct question *question;
    struct loop_watch *watch;
    store_resolve_cb cb;
    void *arg;
};

static void let_go(struct question *q)
{
    if (atomic_fetch_sub(&q->holders, 1) > 1)
        return;
    close(q->done_fd);
    free(q);
}

static void look_up(const char *host, const char *port, int flags, struct store_addresses *found)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV }, *list = NULL;
    int code = getaddrinfo(host, port, &hints, &list);
    found->count = 0;
    if (code != 0)
        err_set(&found->error, ERR_TRANSIENT, "store: cannot resolve %s: %s", host, gai_strerror(code));
    for (struct addrinfo *a = list; a != NULL && found->count < STORE_ADDRESSES_MAX; a = a->ai_next) {
        memcpy(&found->list[found->count].addr, a->ai_addr, a->ai_addrlen);
        found->list[found->count++].len = a->ai_addrlen;
    }
    if (list != NULL)
        freeaddrinfo(list);
}

static void *thread_main(void *arg)
{
    struct question *q = arg;
    look_up(q->host, q->port, 0, &q->found);
    uint64_t one = 1;
    ssize_t written = write(q->done_fd, &one, sizeof one);
    (void)written; // an eventfd at 0 takes it
    let_go(q);
    return NULL;
}

static void on_done(void *arg, int fd, int what)
{
    struct store_resolve *r = arg;
    (void)fd;
    (void)what;
    struct question *q = r->question;
    store_resolve_cb cb = r->cb;
    void *cb_arg = r->arg;
    loop_watch_free(r->watch);
    free(r);
    cb(cb_arg, &q->found);
    let_go(q);
}

static bool start_thread(struct question *q)
{
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    bool ok = pthread_create(&thread, &attr, thread_main, q) == 0;
    pthread_attr_destroy(&attr);
    return ok;
}

struct store_resolve *store_resolve_start(struct loop *l, const char *host, int port, store_resolve_cb cb,
                                          void *arg)
{
    struct question *q = xcalloc(1, sizeof *q);
    snprintf(q->host, sizeof q->host, "%s", host);
    snprintf(q->port, sizeof q->port, "%d", port);
    look_up(q->host, q->port, strcmp(host, "localhost") == 0 ? 0 : AI_NUMERICHOST, &q->found);
    q->done_fd = q->found.count == 0 ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    atomic_init(&q->holders, 2);
    if (q->done_fd < 0 || !start_thread(q)) {
        cb(arg, &q->found);
        if (q->done_fd >= 0)
            close(q->done_fd);
        free(q);
        return NULL;
    }
    struct store_resolve *r = xcalloc(1, sizeof *r);
    *r = (struct store_resolve){ .question = q, .cb = cb, .arg = arg };
    r->watch = loop_watch_new(l, q->done_fd, LOOP_READ, on_done, r);
    return r;
}

void store_resolve_cancel(struct store_resolve *r)
{
    if (r == NULL)
        return;
    loop_watch_free(r->watch);
    let_go(r->question);
    free(r);
}
