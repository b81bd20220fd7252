// SPDX-License-Identifier: Apache-2.0
// dedup: the record in Redis that keeps the fleet from sending anything twice, and its legal transitions.
//
// Key <prefix>:d:<128-bit hash of the idempotency key>, one string:
//
//   state|generation.try|owner token|fingerprint|version|length of job id|job id|detail
//
// state is one letter: c claimed, f failed (definite; its continuation is not proven), q queued (the record
// with this epoch is on a topic), u unknown, s sent, d dead. detail belongs to the state: c has
// "life,lease,worker" (ms) as the claim was made with, f, u and d keep what is needed to file what follows
// again, s the provider's id. version is one higher than that of the value before; only repairs after amnesia
// compare it. TTL is dedup.life after every transition; the lease of a claim is judged by the server's clock:
// elapsed = life - PTTL.
//
// Every call is idempotent by owner token, so the store may send it twice. worker/dedup_scripts.c holds the
// scripts, tests/explorer walks all interleavings of the same protocol with the same state names.
//
// on_unavailable = proceed: while the store is down, claims and look-ups say DEDUP_UNAVAILABLE and marks say
// taken, both from within the call; the marks are written once it is back.
//
// A claim that answers GO has at least half of its lease left: begin the attempt in that very call. An
// attempt that could not begin (its turn in a pool did not come) while the process was stopped for a lease
// must not begin any more; a refused renewal tells.
#ifndef WORKER_DEDUP_H
#define WORKER_DEDUP_H

#include "common/envelope.h"
#include "common/job.h"
#include "common/store.h"

enum { DEDUP_TOKEN_SIZE = 17, DEDUP_DETAIL_MAX = 2048 };

struct dedup;

// What every call says about the record it speaks for. Borrowed until its callback was called.
struct dedup_subject {
    const char *key_hash; // struct job's
    uint64_t fingerprint;
    const char *job_id;
    struct epoch epoch;           // of the record that makes the call
    char token[DEDUP_TOKEN_SIZE]; // random per claim: dedup_token()
};

enum dedup_finding {   // result of a claim or a look-up, in the order in which they are tested
    DEDUP_GO,          // claimed (claim) / nothing stands in the way (look-up)
    DEDUP_CONFLICT,    // other fingerprint under this key
    DEDUP_DUPLICATE,   // other job, same content: detail = that job's id
    DEDUP_SENT,        // accepted already: detail = "provider id"
    DEDUP_STALE,       // a newer epoch speaks for this job
    DEDUP_PARK,        // somebody holds a live claim: wait_ms until its lease ends
    DEDUP_NOW_UNKNOWN, // the claim of this very epoch outlived its lease; it is `unknown` from now on.
                       // detail = the dead claim's owner (worker id)
    DEDUP_FAILED,      // failed, same epoch: file the continuation in detail again
    DEDUP_UNKNOWN,     // unknown, same epoch: file the waiting record in detail again
    DEDUP_DEAD,        // dead, same epoch: file the letter in detail again
    DEDUP_UNAVAILABLE, // only with on_unavailable = proceed: the store does not answer
};

struct dedup_reply { // borrowed during the callback
    enum dedup_finding finding;
    int64_t wait_ms;     // PARK
    struct slice detail; // see above
    struct epoch epoch;  // of the record that was found
};
typedef void (*dedup_claim_cb)(void *arg, const struct dedup_reply *reply);

// taken: the transition was written. !taken: refused by a newer epoch, `sent`, `unknown` or another's claim
// of the same epoch. A refused verdict (failed, unknown, dead) looks the record up again and acts on what is
// found; on DEDUP_GO it writes the verdict again. Completing at once can lose the job: what stands in the way
// may belong to a worker that died before it filed anything. A refused queued, renew or release needs
// nothing. previous: of sent(), the provider id of an earlier acceptance ("" = none, "-" = one without an
// id).
typedef void (*dedup_mark_cb)(void *arg, bool taken, struct slice previous);

struct dedup *dedup_new(struct store *store, const struct config *c, const char *worker_id);
void dedup_free(struct dedup *d);
void dedup_token(struct dedup *d, char token[DEDUP_TOKEN_SIZE]);

void dedup_claim(struct dedup *d, const struct dedup_subject *s, dedup_claim_cb cb, void *arg);
// The same tests without claiming, for gates. A same-epoch `claimed` with a live lease is PARK.
void dedup_lookup(struct dedup *d, const struct dedup_subject *s, dedup_claim_cb cb, void *arg);
// Renews the lease; !taken: the claim is no longer ours.
void dedup_renew(struct dedup *d, const struct dedup_subject *s, dedup_mark_cb cb, void *arg);
// claimed -> queued with the claim's own epoch (nothing was begun; the record is going to be read again).
void dedup_release(struct dedup *d, const struct dedup_subject *s, dedup_mark_cb cb, void *arg);

void dedup_sent(struct dedup *d, const struct dedup_subject *s, struct slice provider_id, dedup_mark_cb cb,
                void *arg);
void dedup_failed(struct dedup *d, const struct dedup_subject *s, struct slice detail, dedup_mark_cb cb,
                  void *arg);
void dedup_unknown(struct dedup *d, const struct dedup_subject *s, struct slice detail, dedup_mark_cb cb,
                   void *arg);
// Verdicts are written over our own claim, over nothing, an older epoch, or the same epoch's `queued`: also
// by gates.
void dedup_dead(struct dedup *d, const struct dedup_subject *s, struct slice detail, dedup_mark_cb cb,
                void *arg);
// failed/unknown(epoch) -> queued(continuation): the continuation with this epoch is acknowledged by Kafka.
void dedup_queued(struct dedup *d, const struct dedup_subject *s, struct epoch continuation, dedup_mark_cb cb,
                  void *arg);

// The store's on_amnesia ends here: writes the marks of the last 5 s again (where older ones or none are
// found), and resumes the store once every other live worker has had the time to do the same
// (STORE_YOUNG_MS).
void dedup_repair(struct dedup *d);

#endif
