// SPDX-License-Identifier: Apache-2.0
// backoff: how long a failed job waits before its next attempt.
#ifndef COMMON_BACKOFF_H
#define COMMON_BACKOFF_H

#include "common/tiers.h"

struct backoff {
    int64_t base_ms;
    double factor; // >= 1
    int64_t cap_ms;
    double jitter; // 0.2 = +-20 %; 1 = full jitter (anything from 0 to the delay)
};

// min(cap, base * factor^retry), spread by the jitter, then snapped inside its jitter range to the delay with the
// fewest rides. retry: 0 for the first retry. random01: uniform in [0, 1), the caller's.
int64_t backoff_delay_ms(const struct backoff *b, const struct tiers *t, uint32_t retry, double random01);

#endif
