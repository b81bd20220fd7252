// SPDX-License-Identifier: Apache-2.0
// model: the dedup and settle protocol of worker/dedup.h, small enough to visit every state it can get into.
//
// One idempotency key, two workers with one attempt each, records on topics as a bag (order between
// partitions and belts is not promised to anybody), Redis as one value. See README.md for what is left out
// and why.
#ifndef EXPLORER_MODEL_H
#define EXPLORER_MODEL_H

#include "worker/dedup.h"

enum { WORKERS = 2, WRITERS = 3, POOL = 8, RING = 2, HISTORY = 2, TRY_LIMIT = 4 };
enum { FEEDBACK_WRITER = 2 }; // whoever consumes the feedback topic; never crashes

// The letters of worker/dedup.h; 0 is "no key".
enum record_state { CLAIMED = 'c', FAILED = 'f', QUEUED = 'q', UNKNOWN = 'u', SENT = 's', DEAD = 'd' };

struct value {
    uint8_t state; // enum record_state, 0 = nothing
    uint8_t epoch; // generation * TRY_LIMIT + try
    uint8_t token; // 0 = none
    uint8_t job;
    uint8_t live;    // claimed: the lease runs
    uint8_t held;    // dead: the letter's reason is `unknown`
    uint8_t version; // counts the writes of this key; only repairs read it
};

// A record on a topic. Stored in bags as bytes, see record_pack.
struct copy {
    uint8_t job, epoch;
    uint8_t held; // the wait of an unknown outcome under `hold`: ends in a letter, never in an attempt
};

enum step { // where a worker stands with the record it holds
    IDLE,
    CLAIM,     // claim to be sent (again: its reply was lost, or the lease ran out before the attempt began)
    LOOK,      // gate: look up
    GATE,      // gate: looked up, nothing in the way; `dead` to be written
    READY,     // claimed, nothing begun
    SENDING,   // the next hop may have it
    RELEASE,   // nothing begun and never will be: claim to be given back
    VERDICT,   // (1) verdict to Redis
    FILE_IT,   // (2) next record, letter or event to Kafka
    QUEUE,     // (3) `queued` to Redis
    COMPLETE,  // (4) offset
    EARLY_FILE // only with --break settle-order: files after completing
};

enum filing { // what step FILE_IT produces
    FILE_NOTHING,
    FILE_RETRY,
    FILE_WAIT, // the waiting record of an unknown outcome
    FILE_LETTER,
    FILE_LETTER_UNKNOWN,
    FILE_ACCEPTED,
    FILE_DUPLICATE,
    FILE_BUSY
};

struct worker {
    uint8_t step;
    uint8_t verdict; // enum record_state at VERDICT and GATE
    uint8_t filing;  // enum filing at FILE_IT
    uint8_t record;  // packed copy, 0 = none
    uint8_t token;
    uint8_t owned;   // completing the offset means something: the assignment is still ours
    uint8_t carried; // a same-epoch copy was filed
    uint8_t stopped; // SIGSTOP, long garbage collection of a hypervisor, …
    uint8_t late;    // own clock says that the lease is over
};

enum fault {
    CRASH,
    STOP,
    LOST_REPLY,
    LOST_WRITE,
    REBALANCE,
    CARRY,
    GIVE_BACK,
    REPLAY,
    FEEDBACK,
    EXPIRE,
    FAULTS
};

struct state { // all bytes, no padding: compared and hashed as memory
    struct value now;
    struct value before[HISTORY];     // value before the last write, before the one before that
    uint8_t writes;                   // how many of them can be undone
    uint8_t repairing;                // bit a writer: has to write its marks again
    struct value ring[WRITERS][RING]; // what they write again after Redis lost its memory; state 0 = empty
    struct worker worker[WORKERS];
    uint8_t pool[POOL];        // packed copies, sorted
    uint8_t accepted_event[2]; // by job
    uint8_t duplicate_event[2];
    uint8_t letter_dead[2]; // by job, bit a generation
    uint8_t letter_unknown[2];
    uint8_t replayed[2];
    uint8_t accepted;     // by the next hop, counted, never deduplicated
    uint8_t resent[2];    // bit an epoch: a policy or a person decided to send an unknown outcome again
    uint8_t settled;      // highest epoch (+ 1) with a verdict in Redis
    uint8_t left[FAULTS]; // faults that may still happen
};

enum policy { HOLD_AT_ONCE, HOLD_AFTER_WINDOW, RESEND };

struct scenario {
    const char *name;
    enum policy policy;
    uint8_t max_try;   // a failure at this try is final
    uint8_t copies[2]; // records on main at the start, by job
    bool conflict;     // the second job has the key but other content
    bool residue;      // count violations instead of failing
    uint8_t left[FAULTS];
};

enum broken { // rules that --break switches off, one bit each
    BREAK_CLAIM = 1 << 0,
    BREAK_OWN_TOKEN = 1 << 1,
    BREAK_SENT = 1 << 2,
    BREAK_STALE = 1 << 3,
    BREAK_FAILED = 1 << 4,
    BREAK_UNKNOWN = 1 << 5,
    BREAK_LEASE = 1 << 6,
    BREAK_DEAD = 1 << 7,
    BREAK_REFUSE = 1 << 8,
    BREAK_ABSORB = 1 << 9,
    BREAK_SETTLE_ORDER = 1 << 10,
    BREAK_VERDICT_FIRST = 1 << 11,
    BREAK_REPAIR = 1 << 12,
    BREAK_GRACE = 1 << 13,
    BREAK_LATE = 1 << 14,
    BREAK_LOOK_AGAIN = 1 << 15,
    BREAK_CARRY_COPY = 1 << 16,
    BREAK_RELEASE = 1 << 18,
    BREAK_VERSION = 1 << 19,
};

// rules.c: what the scripts of worker/dedup do to the value. Break bits in `broken`.
struct caller {
    uint8_t job, epoch, token;
};

enum dedup_finding rules_find(struct value *now, const struct caller *me, bool claim, bool conflict,
                              unsigned broken);
bool rules_mark(struct value *now, const struct value *mark, unsigned broken);
bool rules_queued(struct value *now, const struct caller *me, unsigned broken);
bool rules_release(struct value *now, const struct caller *me, unsigned broken);
void rules_repair(struct value *now, const struct value *mark, unsigned broken);

// model.c: everything that can happen next.
struct step_sink {
    void *arg;
    // progress: happens without anybody's bad luck. violation: NULL or what this step broke.
    void (*next)(void *arg, const struct state *s, const char *what, int worker, bool progress,
                 const char *violation);
};

void model_start(const struct scenario *sc, struct state *s);
void model_next(const struct scenario *sc, unsigned broken, const struct state *s,
                const struct step_sink *sink);
bool model_at_rest(const struct state *s);      // nothing to do: no record anywhere, workers idle
const char *model_judge(const struct state *s); // of a state at rest: NULL or what is wrong with the ends
void model_canonical(struct state *s);          // one of all states that differ only by names

struct copy record_unpack(uint8_t packed);
uint8_t record_pack(struct copy c); // never 0

#endif
