// SPDX-License-Identifier: Apache-2.0
// tiers: the conveyor belts' lengths, and the arithmetic of riding them.
//
// A record rides a belt for exactly the belt's length, so a belt is first in, first out, and its head never blocks
// anything that is due. Long delays are several rides ("hops").
#ifndef COMMON_TIERS_H
#define COMMON_TIERS_H

#include "common/err.h"

#include <stdint.h>

enum { TIERS_MAX = 16, TIERS_IN_HAND_MS = 50 };

struct tiers {
    int count;
    struct tier {
        char name[16];     // "5s": also the topic's last part
        int64_t length_ms; // ascending
    } list[TIERS_MAX];
};

// From names such as "1s,5s,30s"; sorted, duplicates and lengths below 100 ms or above 1 day refused. Names become
// canonical: "60s" is the tier "1m".
MUST_CHECK bool tiers_parse(struct tiers *t, const char *names, struct err *e);

// The belt for a wait of remaining_ms: the longest one that leaves TIERS_IN_HAND_MS in hand, or the shortest.
int tiers_pick(const struct tiers *t, int64_t remaining_ms);

// True when what remains is too short for any belt, so the record waits in memory (the due-heap).
bool tiers_is_short(const struct tiers *t, int64_t remaining_ms);

// Rides needed at most for a delay when each one takes the longest belt that fits (the first one in any case, so
// 1 for anything above 0). A ride may use up its time in hand or not; the larger count is returned.
int tiers_hops(const struct tiers *t, int64_t delay_ms);

// The delay within [low, high] that needs the fewest rides; of those the sum of rides (each with its time in hand)
// that is closest to want. want itself when high is too short for any belt.
int64_t tiers_snap(const struct tiers *t, int64_t low_ms, int64_t want_ms, int64_t high_ms);

#endif
