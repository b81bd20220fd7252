// SPDX-License-Identifier: Apache-2.0
// census: see census.h.
//
// "How many are waiting in retry right now" is high watermark minus frontier. The client library's cached watermarks
// only move with fetches, and a belt whose head is not due is not fetched, so they are stale exactly when many wait.
// Asking is a blocking call: it has a thread, and the event loop only ever copies numbers out under a lock.
#include "worker/census.h"

#include "common/alloc.h"
#include "common/broker.h"
#include "common/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { EVERY_SECONDS = 10, PARTITIONS_MAX = 1024 };

struct census {
    const struct config *config;
    struct broker_admin *admin;
    pthread_t thread;
    pthread_mutex_t lock; // over what follows
    pthread_cond_t stopping;
    bool stop;
    int64_t *high[TIERS_MAX]; // owned; by partition, -1 = not known
};

static void keep(struct census *c, const struct broker_range *ranges, int count)
{
    pthread_mutex_lock(&c->lock);
    for (int i = 0; i < count; i++) {
        int tier = topics_tier_of(&c->config->topics, ranges[i].topic);
        if (tier >= 0 && ranges[i].partition < PARTITIONS_MAX)
            c->high[tier][ranges[i].partition] = ranges[i].high;
    }
    pthread_mutex_unlock(&c->lock);
}

static void ask(struct census *c)
{
    const char *names[TIERS_MAX];
    struct broker_range *ranges = NULL;
    struct err e;
    int count = 0, tiers = c->config->topics.tiers.count;
    for (int i = 0; i < tiers; i++)
        names[i] = c->config->topics.retry[i];
    if (broker_admin_ranges(c->admin, names, tiers, NULL, &ranges, &count, &e)) {
        keep(c, ranges, count);
        free(ranges);
    } else {
        log_debug("census", "no answer error=\"%s\"", e.text);
    }
}

static bool wait_for_the_next(struct census *c)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += EVERY_SECONDS;
    pthread_mutex_lock(&c->lock);
    if (!c->stop)
        pthread_cond_timedwait(&c->stopping, &c->lock, &until);
    bool go_on = !c->stop;
    pthread_mutex_unlock(&c->lock);
    return go_on;
}

static void *run(void *arg)
{
    struct census *c = arg;
    do
        ask(c);
    while (wait_for_the_next(c));
    return NULL;
}

bool census_start(struct census **out, const struct config *config, struct err *e)
{
    struct census *c = xcalloc(1, sizeof *c);
    c->config = config;
    if (!broker_admin_new(&c->admin, config, e)) {
        free(c);
        return false;
    }
    for (int tier = 0; tier < TIERS_MAX; tier++) {
        c->high[tier] = xmalloc(PARTITIONS_MAX * sizeof *c->high[tier]);
        for (int i = 0; i < PARTITIONS_MAX; i++)
            c->high[tier][i] = -1;
    }
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->stopping, NULL);
    if (pthread_create(&c->thread, NULL, run, c) != 0) {
        broker_admin_free(c->admin);
        free(c);
        return err_set(e, ERR_TRANSIENT, "census: cannot start a thread");
    }
    *out = c;
    return true;
}

void census_stop(struct census *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_signal(&c->stopping);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    broker_admin_free(c->admin);
    for (int tier = 0; tier < TIERS_MAX; tier++)
        free(c->high[tier]);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->stopping);
    free(c);
}

int64_t census_high(struct census *c, int tier, int32_t partition)
{
    if (partition >= PARTITIONS_MAX)
        return -1;
    pthread_mutex_lock(&c->lock);
    int64_t high = c->high[tier][partition];
    pthread_mutex_unlock(&c->lock);
    return high;
}
