// SPDX-License-Identifier: Apache-2.0
// closing: letters being replayed or discarded: the new record, then the letter's mark and the job's event, each
// counted only when the broker has acknowledged it.
#ifndef DLQ_INSPECTOR_CLOSING_H
#define DLQ_INSPECTOR_CLOSING_H

#include "common/config.h"
#include "dlq-inspector/letter.h"
#include "dlq-inspector/marks.h"

struct closing;

struct closing_terms { // borrowed by the closing
    enum mark_action action;
    int64_t at_ms;
    const char *by, *reason;
};

struct closing_counts {
    int64_t done;     // acknowledged and marked
    int64_t failed;   // not replayed (or, for a discard, not marked): the letter is open as before
    int64_t unmarked; // replayed, but its mark or event was not acknowledged
    int64_t pending;
};

MUST_CHECK bool closing_new(struct closing **c, const struct config *config, const struct closing_terms *terms,
                            struct err *e);
void closing_free(struct closing *c); // what is pending is given up; drain first

// Starts one letter; blocks while too many are under way. topic and headers: of the new record (replay); both NULL:
// only close the letter (discard). False: nothing can be produced any more.
MUST_CHECK bool closing_start(struct closing *c, const struct letter *l, const char *topic, const struct headers *headers,
                              struct err *e);
void closing_serve(struct closing *c, int64_t timeout_ms); // takes receipts, waits at most so long for the first
void closing_drain(struct closing *c, int64_t timeout_ms);
struct closing_counts closing_counts(const struct closing *c);
const struct err *closing_error(const struct closing *c); // the first one; kind ERR_NONE when there was none

#endif
