// SPDX-License-Identifier: Apache-2.0
// brokerclock: the broker's time, as far as this worker can be sure that it has been reached.
#ifndef WORKER_BROKERCLOCK_H
#define WORKER_BROKERCLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct brokerclock { // all zero: nothing known yet
    int64_t best, previous; // highest (broker time - monotonic time) in this and the last window
    int64_t window_since_ms; // monotonic
    bool known;
};

// An acknowledgement that arrived at mono_ms says that the broker's clock read stamped_ms at or before then.
void brokerclock_sample(struct brokerclock *c, int64_t stamped_ms, int64_t mono_ms);

// A time that the broker's clock has reached by now, normally within the round trip of one acknowledgement.
// Only when c->known.
int64_t brokerclock_now_ms(const struct brokerclock *c, int64_t mono_ms);

#endif
