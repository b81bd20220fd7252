// SPDX-License-Identifier: Apache-2.0
// config_check: numbers that are each fine by themselves and break a promise together.
//
// The two that matter most: the dedup record must outlive everything that can still bring its job back (a replay of
// a letter, a record re-read from main and its longest ride), or a mail is sent twice; and a topic must keep its
// records longer than they can be waiting there, or a job is lost. Each error names both keys and a way out.
#include "common/config.h"

#include "common/clock.h"

#include <string.h>

static int64_t longest_belt_ms(const struct config *c)
{
    return c->tiers.count > 0 ? c->tiers.list[c->tiers.count - 1].length_ms : 0;
}

static bool check_life(const struct config *c, struct err *e)
{
    char life[32], need[32];
    int64_t replayed_ms = c->max_age_ms + c->dedup.replay_window_ms;
    int64_t reread_ms = c->layout.retention_main_ms + longest_belt_ms(c);
    int64_t need_ms = replayed_ms > reread_ms ? replayed_ms : reread_ms;
    if (c->dedup.life_ms >= need_ms)
        return true;
    clock_format_duration(c->dedup.life_ms, life, sizeof life);
    clock_format_duration(need_ms, need, sizeof need);
    return err_set(e, ERR_CONFIG, "dedup.life: %s is too short for %s, a job could be sent twice; make it at least %s",
                   life,
                   replayed_ms > reread_ms ? "max_age + dedup.replay_window" : "topics.retention_main + the longest tier",
                   need);
}

static bool check_retention(const struct config *c, struct err *e)
{
    if (c->layout.retention_main_ms < c->max_age_ms)
        return err_set(e, ERR_CONFIG,
                       "topics.retention_main: shorter than max_age, a waiting job could vanish; raise it");
    if (c->layout.retention_retry_extra_ms <= 0)
        return err_set(e, ERR_CONFIG,
                       "topics.retention_retry_extra: a belt must keep records longer than it is; raise it");
    if (c->layout.min_insync_replicas > c->layout.replication)
        return err_set(e, ERR_CONFIG, "topics.min_insync_replicas: %d is more than topics.replication %d",
                       c->layout.min_insync_replicas, c->layout.replication);
    return true;
}

static bool check_worker(const struct config *c, struct err *e)
{
    if (c->worker.renew_ms * 2 > c->worker.lease_ms)
        return err_set(e, ERR_CONFIG,
                       "worker.renew: must be at most half of worker.lease, or one slow renewal loses a claim");
    if (c->worker.carry_after_ms >= c->worker.lease_ms)
        return err_set(e, ERR_CONFIG, "worker.carry_after: must be below worker.lease");
    if (c->dedup.life_ms <= c->worker.lease_ms)
        return err_set(e, ERR_CONFIG, "dedup.life: must be above worker.lease");
    if (c->worker.window_bytes < c->max_job_bytes || c->worker.max_inflight_bytes < c->max_job_bytes)
        return err_set(e, ERR_CONFIG, "max_job_bytes: must fit into worker.window_bytes and worker.max_inflight_bytes");
    if (c->route_wait_cap_ms < c->route_wait_ms)
        return err_set(e, ERR_CONFIG, "route_wait_cap: must not be below route_wait");
    if (c->backoff.cap_ms < c->backoff.base_ms || c->backoff_busy.cap_ms < c->backoff_busy.base_ms)
        return err_set(e, ERR_CONFIG, "backoff.cap: must not be below backoff.base (the same for backoff_busy)");
    return true;
}

static bool check_http(const struct route_config *r, struct err *e)
{
    if (r->url == NULL)
        return err_set(e, ERR_CONFIG, "routes.%s.url: missing; an http route needs it", r->name);
    if (strncmp(r->url, "http://", 7) != 0 && strncmp(r->url, "https://", 8) != 0)
        return err_set(e, ERR_CONFIG, "routes.%s.url: must start with http:// or https://", r->name);
    const char *header = r->idempotency_header != NULL ? r->idempotency_header : "";
    size_t token = strspn(header, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~");
    if (token != strlen(header)) // RFC 9110 5.6.2
        return err_set(e, ERR_CONFIG, "routes.%s.idempotency_header: is not a header name", r->name);
    if (r->idempotent && *header == '\0')
        return err_set(e, ERR_CONFIG, "routes.%s.idempotent: needs an idempotency_header", r->name);
    return true;
}

static bool check_route(const struct route_config *r, struct err *e)
{
    if (r->transport == NULL)
        return err_set(e, ERR_CONFIG, "routes.%s.transport: missing; http or smtp", r->name);
    if (strcmp(r->transport, "http") == 0)
        return check_http(r, e);
    if (r->host == NULL)
        return err_set(e, ERR_CONFIG, "routes.%s.host: missing; an smtp route needs it", r->name);
    return true;
}

bool config_check_promises(const struct config *c, struct err *e)
{
    if (!check_life(c, e) || !check_retention(c, e) || !check_worker(c, e))
        return false;
    for (int i = 0; i < c->route_count; i++)
        if (!check_route(&c->routes[i], e))
            return false;
    return true;
}
