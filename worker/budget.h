// SPDX-License-Identifier: Apache-2.0
// budget: who may start how many attempts, so that a bad neighbour stays alone.
#ifndef WORKER_BUDGET_H
#define WORKER_BUDGET_H

#include "common/config.h"
#include "worker/source.h"

struct destination { // one next hop: a route's fixed peer, or the host of a job's own url
    uint64_t key;    // 0 = free slot
    int inflight;        // slots taken for it
    int share;           // so many at once are never parked
    int64_t latency_us;  // smoothed duration of an attempt
    int64_t last_due_us; // of the last job parked for it, broker time
    int64_t moved_ms;    // monotonic: an attempt ended, or the first one began
};

enum { BUDGET_DESTINATIONS = 4096 };

struct budget {
    int max_inflight;
    int64_t max_bytes;
    double share;
    int inflight;               // attempts and what leads to them
    int by_lane[LANE_COUNT];
    int64_t bytes;              // records of these, and of what is being settled
    int settling;               // verdict known, not finished yet
    int64_t settling_bytes;     // their records; Kafka's client holds a copy of each besides
    struct destination *table;  // BUDGET_DESTINATIONS, open addressing
};

void budget_init(struct budget *b, const struct config *c);
void budget_clear(struct budget *b);

// May this lane start one more now?
bool budget_has_room(const struct budget *b, enum lane lane);

// alone: the only next hop there is, so nobody else needs the rest.
struct destination *budget_destination(struct budget *b, struct slice name, bool alone);

// Over its share, slow, and the rest is needed: half of all slots are taken. Otherwise it may use what is idle. now_ms:
// monotonic.
bool budget_is_over_share(const struct budget *b, const struct destination *d, int64_t now_ms);

// When a job for a full destination should come back (broker time): the parked ones are spaced by the rate at which
// the destination is being served, so that they do not circle.
int64_t destination_park(struct destination *d, int64_t now_ms);

// A slot is taken for it, before its claim is asked for, and given back. attempt_us: < 0 = no attempt was made.
void destination_begin(struct destination *d, int64_t now_ms);
void destination_end(struct destination *d, int64_t attempt_us, int64_t now_ms);

#endif
