// SPDX-License-Identifier: Apache-2.0
// scan: all records of some topics, from the first kept to the end as it was when the scan began.
#ifndef DLQ_INSPECTOR_SCAN_H
#define DLQ_INSPECTOR_SCAN_H

#include "common/broker.h"

struct scan {
    struct broker_reader *reader; // owned; NULL when there was nothing to read
    int64_t total;                // records in the snapshot; an upper bound where a topic is compacted
};

// Takes the snapshot of the end offsets now. Record topics are valid until scan_close.
MUST_CHECK bool scan_open(struct scan *s, const struct config *c, const char *const *topics, int count, struct err *e);
// The same over ranges of the caller's choice; empty ones are fine.
MUST_CHECK bool scan_open_ranges(struct scan *s, const struct config *c, const struct broker_range *ranges, int count,
                                 struct err *e);
// 1: *record is the caller's; 0: the end; -1: failed.
int scan_next(struct scan *s, struct record **record, struct err *e);
void scan_close(struct scan *s);

#endif
