// SPDX-License-Identifier: Apache-2.0
// budget: see budget.h.
//
// Slots are counted from the moment a record is taken until its attempt ended; what is then waiting for Redis and
// Kafka to confirm the settlement is bounded separately, or the linger of the event topic would cap the send rate.
// Retries and each lane of fresh work can take most slots but never all, and some are left to critical work whatever
// the others do together, so neither a flood of retries nor a backlog of newsletters keeps a password reset waiting.
//
// One destination may use idle slots, but from half on only up to its share, so that a slow one can hold half of the
// worker and never all of it. (A quick one frees its slots sooner than a belt brings a job back: it is never parked.)
// A job over that is not queued in memory: it is parked on a belt. To come back when there is
// room and not before, parked jobs get due times spaced by latency / share, a queue in time instead of in memory.
#include "worker/budget.h"

#include "common/alloc.h"

#include <stdlib.h>

static const int LANE_PERCENT[LANE_COUNT] = {
    [LANE_CRITICAL] = 100, [LANE_NORMAL] = 85, [LANE_BULK] = 70, [LANE_RETRY] = 85
};

enum { SETTLING_MAX = 3000, SETTLING_BYTES_MAX = 24 << 20 };
enum { RESERVE_PERCENT = 5, PARK_LEAST_MS = 1000, PARK_MOST_MS = 600000, SLOW_MS = 250, LATENCY_GUESS_US = 50000 };

void budget_init(struct budget *b, const struct config *c)
{
    *b = (struct budget){ .max_inflight = c->worker.max_inflight,
                          .max_bytes = c->worker.max_inflight_bytes,
                          .share = c->worker.destination_share };
    b->table = xcalloc(BUDGET_DESTINATIONS, sizeof *b->table);
}

void budget_clear(struct budget *b)
{
    free(b->table);
    b->table = NULL;
}

// Together the other lanes could take everything: so much is always left to what is critical.
static int reserve(const struct budget *b)
{
    int percent = b->max_inflight * RESERVE_PERCENT / 100;
    return percent > 0 ? percent : b->max_inflight > 1 ? 1 : 0;
}

bool budget_has_room(const struct budget *b, enum lane lane)
{
    int lane_max = b->max_inflight * LANE_PERCENT[lane] / 100;
    if (lane_max < 1)
        lane_max = 1;
    return b->inflight < b->max_inflight - (lane == LANE_CRITICAL ? 0 : reserve(b)) && b->by_lane[lane] < lane_max &&
           b->bytes < b->max_bytes && b->settling < SETTLING_MAX && b->settling_bytes < SETTLING_BYTES_MAX;
}

static uint64_t hash(struct slice name)
{
    uint64_t h = 1469598103934665603u; // FNV-1a
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ (unsigned char)name.ptr[i]) * 1099511628211u;
    return h | 1;
}

static bool is_idle(const struct destination *d)
{
    return d->inflight == 0;
}

struct destination *budget_destination(struct budget *b, struct slice name, bool alone)
{
    uint64_t key = hash(name);
    struct destination *spare = NULL;
    for (size_t probe = 0; probe < 64; probe++) {
        struct destination *d = &b->table[(key + probe) % BUDGET_DESTINATIONS];
        if (d->key == key)
            return d;
        if (spare == NULL && (d->key == 0 || is_idle(d)))
            spare = d;
        if (d->key == 0)
            break;
    }
    if (spare == NULL) // 64 busy neighbours: share the first one's budget, never run without one
        return &b->table[key % BUDGET_DESTINATIONS];
    int share = alone ? b->max_inflight : (int)(b->share * b->max_inflight);
    *spare = (struct destination){ .key = key, .share = share > 0 ? share : 1, .latency_us = LATENCY_GUESS_US };
    return spare;
}

static bool is_slow(const struct destination *d, int64_t now_ms)
{
    return d->latency_us > SLOW_MS * 1000 || now_ms - d->moved_ms > SLOW_MS;
}

bool budget_is_over_share(const struct budget *b, const struct destination *d, int64_t now_ms)
{
    return d->inflight >= d->share && b->inflight > b->max_inflight / 2 && is_slow(d, now_ms);
}

int64_t destination_park(struct destination *d, int64_t now_ms)
{
    int64_t due_us = d->last_due_us + d->latency_us / d->share;
    int64_t least_us = (now_ms + PARK_LEAST_MS) * 1000, most_us = (now_ms + PARK_MOST_MS) * 1000;
    if (due_us < least_us)
        due_us = least_us;
    if (due_us > most_us)
        due_us = most_us;
    d->last_due_us = due_us;
    return due_us / 1000;
}

void destination_begin(struct destination *d, int64_t now_ms)
{
    if (d->inflight++ == 0)
        d->moved_ms = now_ms;
}

void destination_end(struct destination *d, int64_t attempt_us, int64_t now_ms)
{
    d->inflight--;
    if (attempt_us < 0)
        return;
    d->moved_ms = now_ms;
    d->latency_us += (attempt_us - d->latency_us) / 8;
}
