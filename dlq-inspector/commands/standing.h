// SPDX-License-Identifier: Apache-2.0
// standing: what status found, and how it is printed.
#ifndef DLQ_INSPECTOR_COMMANDS_STANDING_H
#define DLQ_INSPECTOR_COMMANDS_STANDING_H

#include "dlq-inspector/belts.h"
#include "dlq-inspector/groups.h"
#include "dlq-inspector/session.h"

struct standing {
    struct belts belts;
    int64_t lag[JOB_BULK + 1]; // records on the main topics not finished, by lane
    int64_t letters;           // records on the dead-letter topic
    int64_t closed;            // of those; -1 = there are too many marks to count them quickly
    bool has_exact;
    struct groups exact; // tier, wait, class, domain
};

void standing_text(const struct standing *st, const struct session *s, struct buf *out);
void standing_json(const struct standing *st, const struct session *s, struct buf *out);

#endif
