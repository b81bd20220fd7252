// SPDX-License-Identifier: Apache-2.0
// pace: see pace.h. Replayed jobs meet a provider that may have been the reason why they died, so they come evenly
// and never make up for a pause with a burst; only the coarseness of sleeping (20 ms) may be caught up with.
#include "dlq-inspector/pace.h"

enum { CATCH_UP_US = 20000 };

void pace_init(struct pace *p, int64_t per_second)
{
    *p = (struct pace){ .interval_us = per_second > 0 ? 1000000 / per_second : 0 };
}

int64_t pace_take(struct pace *p, int64_t now_us)
{
    if (p->interval_us == 0)
        return 0;
    if (now_us < p->next_us)
        return p->next_us - now_us;
    int64_t earliest_us = now_us - CATCH_UP_US;
    p->next_us = (p->next_us > earliest_us ? p->next_us : earliest_us) + p->interval_us;
    return 0;
}
