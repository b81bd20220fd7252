// SPDX-License-Identifier: Apache-2.0
// delivery: one record from the moment it was taken until its offset may be committed.
#ifndef WORKER_DELIVERY_H
#define WORKER_DELIVERY_H

#include "common/loop.h"
#include "common/trail.h"
#include "worker/budget.h"
#include "worker/dedup.h"
#include "worker/ending.h"
#include "worker/meters.h"
#include "worker/policy.h"
#include "worker/post.h"
#include "worker/route.h"

enum delivery_state {
    DELIVERY_FREE,
    DELIVERY_ARRIVED, // taken; nothing asked yet
    DELIVERY_WAITING, // in line for a connection of its route, not claimed
    DELIVERY_ASKING,  // a claim or look-up is on its way to Redis
    DELIVERY_SENDING, // the attempt runs, the claim is ours
    DELIVERY_VERDICT, // settle 1: the verdict is on its way to Redis
    DELIVERY_FILING,  // settle 2: record, letter or event are on their way to Kafka
    DELIVERY_PROVING, // settle 3: `queued` is on its way to Redis
    DELIVERY_RELEASING, // the claim is being given back, nothing was begun
    DELIVERY_STATE_COUNT
};

struct delivery_report { // what the attempt said; lives here because the transport's words are only borrowed
    bool made;
    enum attempt_phase phase;
    int code;
    char enhanced[12];
    char text[OUTCOME_TEXT_MAX + 1];
    char provider_id[OUTCOME_PROVIDER_ID_MAX];
    const char *rule;
    struct buf response;
    int64_t attempt_us, lateness_ms;
};

struct delivery {
    struct deliveries *all;
    enum delivery_state state;
    struct delivery *prev, *next; // in the list of those under way, oldest first

    struct record *record; // owned
    struct source *source; // NULL once its offset is finished
    uint64_t seq;
    enum lane lane;
    struct job job;
    struct envelope env;
    struct dedup_subject subject;

    struct route *route;
    struct destination *destination; // a slot of it is taken while holds_destination
    struct delivery *line_prev, *line_next; // while WAITING
    bool holds_place;                       // one of its route's claims
    bool holds_slot, holds_destination, probe, refiled, unfenced, refused;
    bool over_once_carried, finished; // it ended while its carried copy was on the way to Kafka
    bool aborting; // the drain deadline cut this attempt
    enum failure_class gate; // look-up instead of claim: why it must not be sent
    bool gate_review;
    struct attempt attempt;
    int64_t taken_ms; // monotonic
    int64_t asked_ms; // monotonic; the claim: its lease began then or later
    int64_t begun_ms, renewed_ms; // monotonic; the attempt (or the wait in line), the lease

    struct delivery_report report;
    struct ending ending;
    struct slice duplicate_of; // into detail
    struct buf detail;         // what the dedup record said, or is to say
    struct parcel record_parcel, event_parcel, carry_parcel;
    int acks_due;
    bool record_filed, event_filed; // acknowledged
    bool bare; // the letter goes without the job: no topic of ours takes it
    bool carry_due;
    int64_t again_ms; // monotonic; file once more then; 0 = no
};

struct deliveries {
    const struct config *config; // all borrowed
    struct loop *loop;
    struct dedup *dedup;
    struct post *post;
    struct routes *routes;
    struct meters *meters;
    struct budget budget;
    const char *worker;
    struct delivery *first, *last; // under way
    struct delivery *spare;        // free list, linked by next
    size_t count;
    struct loop_timer *tick; // leases, carried attempts, second tries
    uint64_t random;
    bool draining;
    struct headers headers; // scratch
    struct buf trail;       // scratch
    // The delivery calls back when a slot came free, so that the intake looks again.
    void (*on_room)(void *arg);
    void *on_room_arg;
};

struct deliveries_env {
    const struct config *config;
    struct loop *loop;
    struct dedup *dedup;
    struct post *post;
    struct routes *routes;
    struct meters *meters;
    const char *worker;
    void (*on_room)(void *arg);
    void *on_room_arg;
};

void deliveries_init(struct deliveries *d, const struct deliveries_env *env);
// No parcel and no attempt may be under way. What waits for Redis or for its next try is left to the next reader.
void deliveries_clear(struct deliveries *d);

// Takes the record. source->outstanding and its tracker already count it. The lane must have room (budget).
void deliveries_take(struct deliveries *d, struct record *record, struct source *source, uint64_t seq);

// Nothing new is begun from now on; claims whose attempt has not begun are given back.
void deliveries_drain(struct deliveries *d);
// The drain deadline: every attempt still running is cut and settles as what it then is (released, failed, unknown).
void deliveries_cut(struct deliveries *d);

// A partition goes: what of it has not claimed anything is left to its next reader.
void deliveries_leave_source(struct deliveries *d, const struct source *s);

int64_t deliveries_now_ms(const struct deliveries *d); // broker time

// ---- the steps, one door into each -----------------------------------------------------------------------------

struct delivery *delivery_acquire(struct deliveries *all); // FREE, at the end of the list
void delivery_enter(struct delivery *d, enum delivery_state next); // asserts that it may
void delivery_give_back_slot(struct delivery *d); // the attempt is over, or there is none; from now on it settles
void delivery_leave_destination(struct delivery *d, int64_t attempt_us); // < 0: no attempt was made
// The end. finished: the record needs no second look (otherwise it is left for whoever reads the partition next).
void delivery_over(struct delivery *d, bool finished);
void delivery_count(struct delivery *d); // its outcome
// Makes an attempt the ending's line of the trail; time, epoch and transport are filled in.
void delivery_note(struct delivery *d, struct trail_entry *attempt);
struct policy_case delivery_policy_case(struct delivery *d);
double delivery_random01(struct deliveries *d);

void arrival_judge(struct delivery *d); // is it to be sent at all? Again after every wait

void claim_ask(struct delivery *d); // claims, or looks up for a gate
void claim_found(void *arg, const struct dedup_reply *reply);
void claim_park(struct delivery *d, enum wait_kind wait, int64_t due_ms); // a copy of the same epoch, on a belt

void attempt_start(struct delivery *d); // the claim is ours

void settle_verdict(struct delivery *d); // 1: d->ending to Redis
void settle_filing(struct delivery *d);  // 2: d->ending to Kafka
void settle_file(struct delivery *d);    // 2 once more
void settle_release(struct delivery *d); // nothing was begun: the claim is given back

// ---- filing.c: what delivery.c asks to be written --------------------------------------------------------------

// Hands over what of the ending's record (or letter) and event is not acknowledged yet. acks_due says how many of
// them were taken; when the last one is answered, delivery_filed is called.
void delivery_file(struct delivery *d);
bool delivery_is_filed(const struct delivery *d); // nothing is missing
void delivery_filed(struct delivery *d);
bool delivery_file_carry(struct delivery *d); // false: not taken now
void delivery_carried(struct delivery *d, bool acknowledged);

#endif
