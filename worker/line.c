// SPDX-License-Identifier: Apache-2.0
// line: see line.h.
//
// A claim says "this worker may be sending it", and when the worker dies every claim it held becomes an outcome that
// nobody knows. So a job is claimed only when its route has a connection for it, with a few ahead so that no
// connection waits for Redis. The others wait in memory, unclaimed, inside the budget of max_inflight; a password
// reset goes to the front. When the route turns out to be slow they leave for the belts (delivery.c's tick).
#include "worker/line.h"

static int places(const struct route *r)
{
    enum { AHEAD = 8 };
    return r->config->max_connections + r->config->max_connections / 4 + AHEAD;
}

static void claim(struct delivery *d)
{
    int64_t now_ms = deliveries_now_ms(d->all), until_ms = 0;
    if (d->state == DELIVERY_WAITING)
        arrival_judge(d); // its time may have run out in line
    if (d->gate != FAILURE_NONE) {
        claim_ask(d);
        return;
    }
    if (!route_admit(d->route, now_ms, &until_ms)) {
        claim_park(d, WAIT_LIMITED, until_ms + (int64_t)(delivery_random01(d->all) * 1000));
        return;
    }
    d->probe = d->route->probing;
    d->holds_place = true;
    d->route->claims++;
    claim_ask(d);
}

static struct delivery *last_critical(const struct route *r)
{
    struct delivery *last = NULL;
    for (struct delivery *d = r->line_first; d != NULL && d->lane == LANE_CRITICAL; d = d->line_next)
        last = d;
    return last;
}

static void stand(struct delivery *d)
{
    struct route *r = d->route;
    d->line_prev = d->lane == LANE_CRITICAL ? last_critical(r) : r->line_last;
    d->line_next = d->line_prev != NULL ? d->line_prev->line_next : r->line_first;
    if (d->line_prev != NULL)
        d->line_prev->line_next = d;
    else
        r->line_first = d;
    if (d->line_next != NULL)
        d->line_next->line_prev = d;
    else
        r->line_last = d;
}

void line_remove(struct delivery *d)
{
    struct route *r = d->route;
    if (d->line_prev != NULL)
        d->line_prev->line_next = d->line_next;
    else
        r->line_first = d->line_next;
    if (d->line_next != NULL)
        d->line_next->line_prev = d->line_prev;
    else
        r->line_last = d->line_prev;
    d->line_prev = d->line_next = NULL;
}

void line_join(struct delivery *d)
{
    if (d->route->claims < places(d->route) && d->route->line_first == NULL) {
        claim(d);
        return;
    }
    delivery_enter(d, DELIVERY_WAITING);
    d->begun_ms = loop_now_ms(d->all->loop);
    stand(d);
}

void line_leave(struct delivery *d)
{
    struct route *r = d->route;
    if (!d->holds_place)
        return;
    d->holds_place = false;
    r->claims--;
    while (r->claims < places(r) && r->line_first != NULL) {
        struct delivery *next = r->line_first;
        line_remove(next);
        claim(next);
    }
}
