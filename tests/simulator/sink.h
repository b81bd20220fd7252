// SPDX-License-Identifier: Apache-2.0
// sink: decides what becomes of a request, and files it in the ledger. No I/O: server.c carries the verdict
// out.
#ifndef SIMULATOR_SINK_H
#define SIMULATOR_SINK_H

#include "common/err.h"
#include "ledger.h"
#include "script.h"
#include "wire.h"

enum { SINK_SHARES_MAX = 16 };

struct share {
    struct script script;
    double upto; // cumulative: keys whose hash, as a fraction, is below it
};

struct sink {
    struct ledger *ledger;                // owned
    struct script mode;                   // for all requests until mode_until_ms
    int64_t mode_until_ms;                // wall clock; 0 = no mode
    int latency_ms;                       // of every answer
    bool healed;                          // recipients' scripts are not followed
    struct share shares[SINK_SHARES_MAX]; // recipients without a script
    int share_count;
};

enum carry_out {
    CARRY_ANSWER,
    CARRY_SILENCE, // neither answer nor close
    CARRY_CLOSE,   // close without a byte
    CARRY_RESET,   // the same with a reset
};

struct verdict {
    enum carry_out how;
    int status;        // CARRY_ANSWER
    int retry_after_s; // -1 = not said
    int delay_ms;
    uint64_t serial; // of an acceptance, for the id in the answer
};

// A complete request to /send, or to /dedup/send (dedup: a key that was accepted is answered as it was then).
struct verdict sink_decide(struct sink *s, const struct request *r, bool dedup, int64_t wall_ms);

// A request whose body has come in part: true when its script says reset, which is then filed.
bool sink_resets_early(struct sink *s, const struct request *r, int64_t wall_ms);

// The body of POST /control. refuse_ms is set to how long connections are to be refused, -1 = not asked for.
MUST_CHECK bool sink_control(struct sink *s, struct slice json, int64_t wall_ms, int64_t *refuse_ms,
                             struct err *e);

#endif
