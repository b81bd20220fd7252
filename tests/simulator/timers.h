// SPDX-License-Identifier: Apache-2.0
// timers: a binary heap of (due, what). Nothing is ever taken out early: whoever set a timer looks, when it
// is due, whether it still means anything.
#ifndef SIMULATOR_TIMERS_H
#define SIMULATOR_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
    int64_t due_us; // monotonic
    uint64_t what;
};

struct timers {         // all zero is empty
    struct timer *heap; // owned
    size_t count, capacity;
};

void timers_clear(struct timers *t);
void timers_add(struct timers *t, int64_t due_us, uint64_t what);
bool timers_next(const struct timers *t, int64_t *due_us);          // false when there is none
bool timers_take(struct timers *t, int64_t now_us, uint64_t *what); // one that is due, earliest first

#endif
