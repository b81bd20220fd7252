// SPDX-License-Identifier: Apache-2.0
// pace: so many a second, evenly.
#ifndef DLQ_INSPECTOR_PACE_H
#define DLQ_INSPECTOR_PACE_H

#include <stdint.h>

struct pace {
    int64_t interval_us; // 0 = no limit
    int64_t next_us;
};

void pace_init(struct pace *p, int64_t per_second); // 0 = no limit
// 0: go now (the turn is taken); else how many microseconds to wait before asking again.
int64_t pace_take(struct pace *p, int64_t now_us);

#endif
