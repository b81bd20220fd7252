// SPDX-License-Identifier: Apache-2.0
// shown: a letter on paper.
#ifndef DLQ_INSPECTOR_COMMANDS_SHOWN_H
#define DLQ_INSPECTOR_COMMANDS_SHOWN_H

#include "dlq-inspector/letter.h"
#include "dlq-inspector/session.h"

enum { SHOWN_GENERATIONS_MAX = 32 };

struct shown_generation {
    uint32_t generation;
    const struct mark *mark; // borrowed; NULL = open
};

struct shown {
    const struct session *session; // borrowed
    bool reveal;
    struct record *record; // owned by whoever filled it
    uint32_t generation;
    struct shown_generation generations[SHOWN_GENERATIONS_MAX];
    int generation_count;
};

void shown_text(const struct shown *shown, struct letter *l, struct buf *out);
void shown_json(const struct shown *shown, struct letter *l, struct buf *out);

#endif
