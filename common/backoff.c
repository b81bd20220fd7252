// SPDX-License-Identifier: Apache-2.0
// backoff: exponential, with jitter, snapped to the belts.
//
// Snapping gathers delays on few exact sums of belts, which would send a crowd that failed together back together.
// So a little of the jitter is added again: up to 2 % or half a second, waited in memory after the last ride, and
// only when it costs no ride. Doubles are used for the growth only; everything is clamped before it becomes an
// integer, so a retry count of a million is a delay of the cap.
#include "common/backoff.h"

#include <assert.h>
#include <math.h>

enum { SPREAD_MAX_MS = 500 };
static const double SPREAD_SHARE = 0.02;

static int64_t spread(const struct tiers *t, int64_t delay_ms, int64_t high_ms, double random01)
{
    double room_ms = fmin(SPREAD_SHARE * (double)delay_ms, SPREAD_MAX_MS);
    room_ms = fmin(room_ms, (double)t->list[0].length_ms / 2);
    int64_t spread_ms = delay_ms + (int64_t)(room_ms * random01);
    if (spread_ms > high_ms || tiers_hops(t, spread_ms) > tiers_hops(t, delay_ms))
        return delay_ms;
    return spread_ms;
}

int64_t backoff_delay_ms(const struct backoff *b, const struct tiers *t, uint32_t retry, double random01)
{
    assert(random01 >= 0 && random01 < 1);
    double grown_ms = fmin((double)b->cap_ms, (double)b->base_ms * pow(b->factor, retry));
    bool full = b->jitter >= 1;
    int64_t low_ms = full ? 0 : (int64_t)ceil(grown_ms * (1 - b->jitter));
    int64_t high_ms = (int64_t)(full ? grown_ms : grown_ms * (1 + b->jitter));
    int64_t want_ms = low_ms + (int64_t)((double)(high_ms - low_ms) * random01);
    int64_t delay_ms = tiers_snap(t, low_ms, want_ms, high_ms);
    // The draw's low digits are as good as a second draw, and independent of which sum the first one chose.
    return spread(t, delay_ms, high_ms, fmod(random01 * 4096, 1));
}
