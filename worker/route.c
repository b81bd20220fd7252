// SPDX-License-Identifier: Apache-2.0
// route: see route.h.
//
// A wrong credential fails every job of a route; a provider in trouble answers none. Neither may burn the queue into
// the dead-letter topic (P7), so the route pauses: 30 s, doubling to 10 min, with one probe at the end of each
// pause. Jobs that arrive meanwhile are parked on the belts until the pause is over.
//
//   open -> paused (class route, or UNKNOWN_ROW unknowns without anything else between) -> probing -> open | paused
#include "worker/route.h"

#include "common/alloc.h"
#include "common/log.h"

#include <inttypes.h>
#include <stdlib.h>

enum { UNKNOWN_ROW = 10, PROBE_PATIENCE_MS = 1000 };

bool routes_check(const struct config *c, struct err *e)
{
    if (c->route_count > 0)
        return true;
    return err_set(e, ERR_CONFIG, "config: no route: add at least \"routes\": {\"default\": {\"transport\": \"http\", "
                                  "\"url\": \"https://…\"}}");
}

bool routes_open(struct routes *r, const struct config *c, const struct transport_env *env, struct err *e)
{
    *r = (struct routes){ .first_pause_ms = c->route_wait_ms, .longest_pause_ms = c->route_wait_cap_ms };
    if (!routes_check(c, e))
        return false;
    r->list = xcalloc((size_t)c->route_count, sizeof *r->list);
    for (int i = 0; i < c->route_count; i++) {
        struct route *route = &r->list[i];
        route->config = &c->routes[i];
        route->ops = transport_find(route->config->transport);
        if (route->ops == NULL) {
            routes_close(r);
            return err_set(e, ERR_CONFIG, "config: routes.%s.transport: there is no transport \"%s\"", c->routes[i].name,
                           c->routes[i].transport);
        }
        if (!route->ops->open(&route->transport, route->config, env, e)) {
            routes_close(r);
            return err_prefix(e, "routes.%s", c->routes[i].name);
        }
        r->count++;
    }
    return true;
}

void routes_close(struct routes *r)
{
    for (int i = 0; i < r->count; i++)
        r->list[i].ops->close(r->list[i].transport);
    free(r->list);
    *r = (struct routes){ 0 };
}

struct route *routes_find(const struct routes *r, struct slice name)
{
    for (int i = 0; i < r->count; i++)
        if (slice_is(name, r->list[i].config->name))
            return &r->list[i];
    return NULL;
}

bool route_is_paused(const struct route *r, int64_t now_ms, int64_t *until_ms)
{
    if (now_ms >= r->paused_until_ms)
        return false;
    *until_ms = r->paused_until_ms;
    return true;
}

bool route_admit(struct route *r, int64_t now_ms, int64_t *until_ms)
{
    if (r->paused_until_ms == 0)
        return true;
    if (now_ms < r->paused_until_ms) {
        *until_ms = r->paused_until_ms;
        return false;
    }
    if (r->probing) {
        *until_ms = now_ms + PROBE_PATIENCE_MS;
        return false;
    }
    r->probing = true;
    return true;
}

static void pause_route(struct routes *all, struct route *r, int64_t now_ms, const char *why)
{
    if (r->paused_until_ms > now_ms && !r->probing)
        return; // others that were under way already say the same
    int64_t next_ms = r->pause_ms > 0 ? r->pause_ms * 2 : all->first_pause_ms;
    r->pause_ms = next_ms < all->longest_pause_ms ? next_ms : all->longest_pause_ms;
    r->paused_until_ms = now_ms + r->pause_ms;
    r->probing = false;
    r->unknown_in_a_row = 0;
    log_warn("route", "paused route=%s for_ms=%" PRId64 " because=\"%s\"", r->config->name, r->pause_ms, why);
}

void route_learn(struct routes *all, struct route *r, enum failure_class class, int64_t now_ms)
{
    if (class == FAILURE_ROUTE) {
        pause_route(all, r, now_ms, "our credential or set-up is refused");
        return;
    }
    if (class == FAILURE_UNKNOWN) {
        if (++r->unknown_in_a_row >= UNKNOWN_ROW || r->probing)
            pause_route(all, r, now_ms, "no verdict on anything it was given");
        return;
    }
    r->unknown_in_a_row = 0;
    if (class == FAILURE_TRANSIENT && r->probing) {
        pause_route(all, r, now_ms, "still failing");
        return;
    }
    if (r->paused_until_ms == 0 || (!r->probing && now_ms < r->paused_until_ms))
        return;
    log_info("route", "open route=%s", r->config->name);
    r->paused_until_ms = 0;
    r->pause_ms = 0;
    r->probing = false;
}

void route_forget_probe(struct route *r)
{
    r->probing = false;
}
