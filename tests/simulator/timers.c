// SPDX-License-Identifier: Apache-2.0
// timers: see timers.h. Simulated latency must not cost the sink its speed: a heap makes 100,000 answers that
// are waiting cost a handful of comparisons each, and one deadline for epoll, instead of a descriptor or a
// sleep each.
#include "timers.h"

#include "common/alloc.h"

#include <stdlib.h>

void timers_clear(struct timers *t)
{
    free(t->heap);
    *t = (struct timers){ 0 };
}

void timers_add(struct timers *t, int64_t due_us, uint64_t what)
{
    if (t->count == t->capacity) {
        t->capacity = t->capacity > 0 ? t->capacity * 2 : 64;
        t->heap = xrealloc(t->heap, t->capacity * sizeof *t->heap);
    }
    size_t at = t->count++;
    for (; at > 0 && t->heap[(at - 1) / 2].due_us > due_us; at = (at - 1) / 2)
        t->heap[at] = t->heap[(at - 1) / 2];
    t->heap[at] = (struct timer){ due_us, what };
}

bool timers_next(const struct timers *t, int64_t *due_us)
{
    if (t->count == 0)
        return false;
    *due_us = t->heap[0].due_us;
    return true;
}

bool timers_take(struct timers *t, int64_t now_us, uint64_t *what)
{
    if (t->count == 0 || t->heap[0].due_us > now_us)
        return false;
    *what = t->heap[0].what;
    struct timer last = t->heap[--t->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < t->count && t->heap[child + 1].due_us < t->heap[child].due_us)
            child++;
        if (child >= t->count || t->heap[child].due_us >= last.due_us)
            break;
        t->heap[at] = t->heap[child];
        at = child;
    }
    t->heap[at] = last;
    return true;
}
