// SPDX-License-Identifier: Apache-2.0
// route: one way out as this worker sees it: its transport, and whether it is paused.
#ifndef WORKER_ROUTE_H
#define WORKER_ROUTE_H

#include "common/config.h"
#include "worker/classify.h"
#include "worker/transport/transport.h"

struct delivery;

struct route {
    const struct route_config *config;
    const struct transport_ops *ops;
    struct transport *transport;  // owned, through ops
    int64_t paused_until_ms;      // broker time; 0 = open
    int64_t pause_ms;             // the last pause; the next one is twice as long
    bool probing;                 // one attempt is under way to see whether it works again
    int unknown_in_a_row;
    int claims;                   // jobs that hold a claim for it, at most about as many as it has connections
    struct delivery *line_first, *line_last; // borrowed: those waiting to claim (line.c)
};

struct routes {
    struct route *list; // owned
    int count;
    int64_t first_pause_ms, longest_pause_ms;
};

// A worker without any route can do nothing: ERR_CONFIG with an example.
MUST_CHECK bool routes_check(const struct config *c, struct err *e);
MUST_CHECK bool routes_open(struct routes *r, const struct config *c, const struct transport_env *env, struct err *e);
void routes_close(struct routes *r);
struct route *routes_find(const struct routes *r, struct slice name); // NULL when there is none

// Paused: *until_ms says when to come back (broker time). Changes nothing.
bool route_is_paused(const struct route *r, int64_t now_ms, int64_t *until_ms);

// May an attempt start now? False: *until_ms says when to come back (broker time). After a pause, the first one to
// ask is the probe; the others wait until it is back.
bool route_admit(struct route *r, int64_t now_ms, int64_t *until_ms);

// What an attempt taught about the route itself: class route or many unknowns in a row pause it, anything that shows
// it working opens it.
void route_learn(struct routes *all, struct route *r, enum failure_class class, int64_t now_ms);

// The attempt that route_admit let through ended without an answer from the route (released, aborted).
void route_forget_probe(struct route *r);

#endif
