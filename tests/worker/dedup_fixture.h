// SPDX-License-Identifier: Apache-2.0
// dedup_fixture: a loop, a store on a redis-server of its own, a dedup, and calls that wait for their answer.
#ifndef TESTS_WORKER_DEDUP_FIXTURE_H
#define TESTS_WORKER_DEDUP_FIXTURE_H

#include "common/config.h"
#include "common/log.h"
#include "common/loop.h"
#include "tests/common/redis_fixture.h"
#include "worker/dedup.h"

enum { LIFE_MS = 1000000, LEASE_MS = 60000 };

struct world {
    struct redis_fixture redis;
    struct config config;
    struct loop *loop;
    struct store *store;
    struct dedup *dedup;
    struct loop_timer *deadline;
    bool answered, timed_out, running;
    int amnesia;
    struct store_reply reply; // of redis(): type and integer
    char text[2600];          // of redis(): string, status or error
    struct dedup_reply found; // of claim() and look_up(); its detail is in detail
    char detail[2200];
    bool taken; // of the marks
    char previous[200];
};

static inline void world_stop(struct world *w)
{
    w->answered = true; // maybe from within the call, before anybody waits
    if (w->running)
        loop_stop(w->loop);
}

static inline void world_deadline(void *arg)
{
    struct world *w = arg;
    w->timed_out = true;
    loop_stop(w->loop);
}

// Until world_stop; false: not within at_most_ms.
static inline bool world_run(struct world *w, int64_t at_most_ms)
{
    w->timed_out = false;
    if (!w->answered) {
        loop_timer_in(w->deadline, at_most_ms);
        w->running = true;
        loop_run(w->loop);
        w->running = false;
        loop_timer_cancel(w->deadline);
    }
    w->answered = false;
    return !w->timed_out;
}

static inline void world_wait(struct world *w)
{
    if (!world_run(w, 10000)) {
        fprintf(stderr, "no answer within 10 s\n");
        abort();
    }
}

static inline void world_amnesia(void *arg)
{
    struct world *w = arg;
    if (w->amnesia++ == 0)
        store_resume(w->store); // the first connection; nobody waits for the server to grow old
    else
        dedup_repair(w->dedup);
}

static inline void world_open(struct world *w)
{
    struct store_events events = { .on_amnesia = world_amnesia, .arg = w };
    w->store = store_new(w->loop, &w->config, &events);
    w->dedup = dedup_new(w->store, &w->config, "w1");
}

static inline struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof *w);
    log_set_level(LOG_ERROR + 1);
    redis_prepare(&w->redis);
    redis_start(&w->redis, NULL);
    w->config.prefix = (char *)"t";
    w->config.redis.unix_path = w->redis.socket;
    w->config.worker.id = (char *)"w1";
    w->config.worker.lease_ms = LEASE_MS;
    w->config.dedup.life_ms = LIFE_MS;
    w->loop = loop_new();
    w->deadline = loop_timer_new(w->loop, world_deadline, w);
    world_open(w);
    return w;
}

static inline void world_free(struct world *w)
{
    dedup_free(w->dedup);
    store_free(w->store);
    loop_timer_free(w->deadline);
    loop_free(w->loop);
    redis_end(&w->redis);
    free(w);
}

static inline void world_on_redis(void *arg, const struct store_reply *reply)
{
    struct world *w = arg;
    w->reply = (struct store_reply){ .type = reply->type, .integer = reply->integer };
    snprintf(w->text, sizeof w->text, "%.*s", (int)reply->text.len,
             reply->text.ptr != NULL ? reply->text.ptr : "");
    world_stop(w);
}

// One command, words by blanks; waits. Returns the text of the answer.
static inline const char *redis(struct world *w, const char *fmt, ...)
{
    char line[2600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    struct slice args[8];
    size_t count = 0;
    for (char *p = line; *p != '\0';) {
        size_t len = strcspn(p, " ");
        args[count++] = (struct slice){ p, len };
        p += len + (p[len] == ' ');
    }
    store_command(w->store, args, count, world_on_redis, w);
    world_wait(w);
    return w->text;
}

static inline void world_on_found(void *arg, const struct dedup_reply *reply)
{
    struct world *w = arg;
    w->found = *reply;
    w->found.detail = (struct slice){ 0 };
    snprintf(w->detail, sizeof w->detail, "%.*s", (int)reply->detail.len,
             reply->detail.ptr != NULL ? reply->detail.ptr : "");
    world_stop(w);
}

static inline void world_on_mark(void *arg, bool taken, struct slice previous)
{
    struct world *w = arg;
    w->taken = taken;
    snprintf(w->previous, sizeof w->previous, "%.*s", (int)previous.len, previous.ptr);
    world_stop(w);
}

static inline enum dedup_finding claim(struct world *w, const struct dedup_subject *s)
{
    dedup_claim(w->dedup, s, world_on_found, w);
    world_wait(w);
    return w->found.finding;
}

static inline enum dedup_finding look_up(struct world *w, const struct dedup_subject *s)
{
    dedup_lookup(w->dedup, s, world_on_found, w);
    world_wait(w);
    return w->found.finding;
}

// f, u, d or s with its detail; q = queued with the next try, r = release, n = renew.
static inline bool mark(struct world *w, const struct dedup_subject *s, char what, const char *detail)
{
    struct slice d = slice_of(detail);
    struct epoch next = { s->epoch.generation, s->epoch.try_no + 1 };
    switch (what) {
    case 'f':
        dedup_failed(w->dedup, s, d, world_on_mark, w);
        break;
    case 'u':
        dedup_unknown(w->dedup, s, d, world_on_mark, w);
        break;
    case 'd':
        dedup_dead(w->dedup, s, d, world_on_mark, w);
        break;
    case 's':
        dedup_sent(w->dedup, s, d, world_on_mark, w);
        break;
    case 'q':
        dedup_queued(w->dedup, s, next, world_on_mark, w);
        break;
    case 'r':
        dedup_release(w->dedup, s, world_on_mark, w);
        break;
    default:
        dedup_renew(w->dedup, s, world_on_mark, w);
    }
    world_wait(w);
    return w->taken;
}

#endif
