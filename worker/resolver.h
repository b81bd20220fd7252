// SPDX-License-Identifier: Apache-2.0
// resolver: all name look-ups of the worker (c-ares), with a cache that keeps to the records' TTLs (bounded below
// and above) and remembers failures for a short while. Concurrent look-ups of one name share one query.
#ifndef WORKER_RESOLVER_H
#define WORKER_RESOLVER_H

#include "common/err.h"

#include <stdint.h>
#include <sys/socket.h>

struct loop;
struct resolver;

enum { RESOLVER_ADDRESSES_MAX = 16 };

struct resolver_answer { // borrowed during the callback
    bool ok;
    bool temporary;   // !ok: SERVFAIL, timeout … (else: the name does not exist or has no address)
    const char *text; // !ok: "no such host relay.example"
    int64_t ttl_ms;   // how much longer this answer holds; asking earlier brings the same one
    int count;
    struct sockaddr_storage addresses[RESOLVER_ADDRESSES_MAX]; // port is 0
};

typedef void (*resolver_cb)(void *arg, const struct resolver_answer *answer);

// servers: "127.0.0.1:5353,[::1]:53" or NULL for the system's.
MUST_CHECK bool resolver_new(struct resolver **r, struct loop *loop, const char *servers, struct err *e);
void resolver_free(struct resolver *r); // outstanding look-ups are dropped without a callback

struct resolver_query; // a handle to give up with; invalid once the callback was called
// IP literals and "localhost" are answered without a query. The callback is never called before this returns.
struct resolver_query *resolver_lookup(struct resolver *r, const char *host, resolver_cb cb, void *arg);
void resolver_cancel(struct resolver_query *q);
// As if the time of every answer were over: the next look-up of a name asks again.
void resolver_forget(struct resolver *r);

#endif
