// SPDX-License-Identifier: Apache-2.0
// ledger: what the sink received, by idempotency key: how often, when, with which answer, how often accepted.
//
// This is the witness in tests of "never twice" and "nothing lost", so it counts raw requests and is told
// nothing by the program under test but the keys themselves.
#ifndef SIMULATOR_LEDGER_H
#define SIMULATOR_LEDGER_H

#include "common/buf.h"

#include <stdio.h>

enum { LEDGER_STATUS_MAX = 600 };

struct receipt {
    int64_t at_ms;   // wall clock
    uint16_t status; // answered; 0 = no answer
    bool accepted;   // counts as a mail that went out
    bool replayed;   // answered from an earlier acceptance of the same key
};

struct entry {
    struct slice key, id, to; // owned by the ledger
    struct receipt *receipts; // owned; `requests` of them
    uint32_t requests, capacity;
    uint32_t accepted, replayed;
    uint64_t serial; // of the first acceptance; 0 = not accepted
};

struct ledger_totals {
    uint64_t requests, accepted, replayed;
    uint64_t keys, accepted_keys, accepted_twice; // keys
    uint64_t by_status[LEDGER_STATUS_MAX];        // [0] = no answer
};

struct ledger;

// log: every receipt is also appended there as a JSON line (borrowed; NULL = nowhere).
struct ledger *ledger_new(FILE *log);
void ledger_free(struct ledger *l);
void ledger_clear(struct ledger *l);

// The entry of a key; made, with copies of all three, when it is new. Valid until the next call.
struct entry *ledger_entry(struct ledger *l, struct slice key, struct slice id, struct slice to);

// Files one receipt; an acceptance gets the next serial number, which is returned (the first one's for a
// replay).
uint64_t ledger_record(struct ledger *l, struct entry *e, struct receipt r);

const struct ledger_totals *ledger_totals(const struct ledger *l);

// Entries in the order of first sight, for reading. NULL behind the last one.
const struct entry *ledger_at(const struct ledger *l, size_t index);

// One JSON line. times and statuses are parallel.
void ledger_put_entry(struct buf *out, const struct entry *e);

#endif
