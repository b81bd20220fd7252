// SPDX-License-Identifier: Apache-2.0
// brokerclock: see brokerclock.h.
//
// Belts are stamped by the broker (LogAppendTime), so everything that is due is compared in the broker's time. A
// stamp is never later than the moment its acknowledgement arrives; the difference to our monotonic clock is thus a
// lower bound of the offset between the clocks, and the highest of many such bounds is a tight one. Using a lower
// bound means: never early. Both readings are cut to whole milliseconds, which can make their difference up to one
// too large; so one is taken off. Two windows of a minute let the estimate follow drift and a corrected broker clock;
// a step of this machine's wall clock does not matter at all.
#include "worker/brokerclock.h"

enum { WINDOW_MS = 60000 };

void brokerclock_sample(struct brokerclock *c, int64_t stamped_ms, int64_t mono_ms)
{
    int64_t offset = stamped_ms - mono_ms - 1;
    if (!c->known) {
        *c = (struct brokerclock){ .best = offset, .previous = offset, .window_since_ms = mono_ms, .known = true };
        return;
    }
    if (mono_ms - c->window_since_ms >= WINDOW_MS) {
        c->previous = c->best;
        c->best = offset;
        c->window_since_ms = mono_ms;
    } else if (offset > c->best) {
        c->best = offset;
    }
}

int64_t brokerclock_now_ms(const struct brokerclock *c, int64_t mono_ms)
{
    return mono_ms + (c->best > c->previous ? c->best : c->previous);
}
