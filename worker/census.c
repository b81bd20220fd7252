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
#include <string.h>
#include <time.h>

enum { EVERY_SECONDS = 10, STOP_SECONDS = 1, PARTITIONS_MAX = 1024, MAINS = 3, TOPICS_MAX = TIERS_MAX + MAINS };

static const enum topic_role MAIN_ROLES[MAINS] = { TOPIC_MAIN, TOPIC_MAIN_CRITICAL, TOPIC_MAIN_BULK };

struct census {
    const struct config *config;
    struct broker_admin *admin;
    pthread_t thread;
    pthread_mutex_t lock; // over what follows
    pthread_cond_t stopping;
    bool stop;
    int64_t *high[TOPICS_MAX]; // owned; by topic and partition, -1 = not known
};

// Index of a topic that is asked for, or -1.
static int index_of(const struct census *c, const char *topic)
{
    for (int i = 0; i < MAINS; i++)
        if (strcmp(c->config->topics.fixed[MAIN_ROLES[i]], topic) == 0)
            return TIERS_MAX + i;
    return topics_tier_of(&c->config->topics, topic);
}

static void keep(struct census *c, const struct broker_range *ranges, int count)
{
    pthread_mutex_lock(&c->lock);
    for (int i = 0; i < count; i++) {
        int topic = index_of(c, ranges[i].topic);
        if (topic >= 0 && ranges[i].partition < PARTITIONS_MAX)
            c->high[topic][ranges[i].partition] = ranges[i].high;
    }
    pthread_mutex_unlock(&c->lock);
}

static void ask(struct census *c)
{
    const char *names[TOPICS_MAX];
    struct broker_range *ranges = NULL;
    struct err e;
    int count = 0, tiers = c->config->topics.tiers.count;
    for (int i = 0; i < tiers; i++)
        names[i] = c->config->topics.retry[i];
    for (int i = 0; i < MAINS; i++)
        names[tiers + i] = c->config->topics.fixed[MAIN_ROLES[i]];
    if (broker_admin_ranges(c->admin, names, tiers + MAINS, NULL, &ranges, &count, &e)) {
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
    for (int topic = 0; topic < TOPICS_MAX; topic++) {
        c->high[topic] = xmalloc(PARTITIONS_MAX * sizeof *c->high[topic]);
        for (int i = 0; i < PARTITIONS_MAX; i++)
            c->high[topic][i] = -1;
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
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_SECONDS;
    if (pthread_timedjoin_np(c->thread, NULL, &until) != 0)
        return; // no broker answers; it still uses all of this
    broker_admin_free(c->admin);
    for (int topic = 0; topic < TOPICS_MAX; topic++)
        free(c->high[topic]);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->stopping);
    free(c);
}

int64_t census_high(struct census *c, const char *name, int32_t partition)
{
    int topic = index_of(c, name);
    if (topic < 0 || partition >= PARTITIONS_MAX)
        return -1;
    pthread_mutex_lock(&c->lock);
    int64_t high = c->high[topic][partition];
    pthread_mutex_unlock(&c->lock);
    return high;
}
