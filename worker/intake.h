// SPDX-License-Identifier: Apache-2.0
// intake: which record is taken next, from the main lanes and from the belts.
#ifndef WORKER_INTAKE_H
#define WORKER_INTAKE_H

#include "worker/delivery.h"
#include "worker/dueheap.h"

struct census;
struct hop;

struct intake {
    const struct config *config; // borrowed, as are the next four
    struct loop *loop;
    struct deliveries *deliveries;
    struct post *post;
    struct meters *meters;
    struct broker_consumer *main, *retry; // owned
    struct loop_watch *main_watch, *retry_watch;
    struct loop_timer *wake;    // the next head or heap entry that comes due
    int64_t next_due_ms;        // broker time at which to look at the belts again; INT64_MAX = when something arrives
    struct source *mains, *belts; // lists, linked by next
    struct dueheap heap;
    struct hop *first_hop;      // those under way
    struct hop *spare_hops;     // free list
    size_t hops, hop_bytes;     // under way
    bool open;                  // claims can be made: Redis is up, not draining, broker time known
    bool dirty;                 // something may be startable: look at the end of this turn
    bool closing;
};

MUST_CHECK bool intake_open(struct intake *in, const struct config *c, struct loop *loop, struct deliveries *d,
                            struct post *post, struct err *e);
void intake_close_begin(struct intake *in); // leaves both groups; partitions are released once drained
bool intake_closed(const struct intake *in);
void intake_clear(struct intake *in); // no parcel may be under way

void intake_set_open(struct intake *in, bool open);
void intake_poke(struct intake *in); // a slot came free
void intake_turn(struct intake *in); // once a turn of the loop: take what can be taken
void intake_poll(struct intake *in); // at least every second
void intake_measure(struct intake *in, struct census *census); // gauges
const char *intake_fatal(const struct intake *in);

// ---- belts.c -----------------------------------------------------------------------------------------------------

void belts_turn(struct intake *in);
void belts_drop(struct intake *in, struct source *s); // its partition goes: forget heads and heap entries
void belts_clear(struct intake *in);

// ---- shared --------------------------------------------------------------------------------------------------------

// True while the source's window (records received but not finished) has room.
bool intake_window_has_room(const struct intake *in, const struct source *s);
// Counts the record in tracker and source. Returns its sequence number.
uint64_t intake_track(struct source *s, const struct record *r);

#endif
