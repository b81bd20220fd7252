// SPDX-License-Identifier: Apache-2.0
// tiers: which belt to ride, and how many rides a delay costs.
//
// A ride begins when the broker appends the record, a little after it was decided on. TIERS_IN_HAND_MS is kept for
// that, so a ride costs its length and anything from nothing to the time in hand. Counting is done for both ends.
//
// Snapping uses that longest-first riding is a positional notation: writing a delay as rides is writing a number in
// digits, and delays compare as their rides do, first ride first. So the largest delay of k rides that is not above
// x is x cut off after k rides, and the smallest one above x raises one of those rides to the next longer belt. A
// handful of candidates is therefore enough, no search. A snapped delay is the sum of its rides' lengths plus the
// time in hand of each; what is left of that at the end is waited in memory.
#include "common/tiers.h"

#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHORTEST_MS = 100, LONGEST_MS = CLOCK_DAY_MS, ITEM_SIZE = 32, SNAP_RIDES_MAX = 64 };

static int64_t cost_ms(const struct tiers *t, int tier)
{
    return t->list[tier].length_ms + TIERS_IN_HAND_MS;
}

// ---- reading ----------------------------------------------------------------------------------------------------

static int by_length(const void *a, const void *b)
{
    const struct tier *x = a, *y = b;
    return (x->length_ms > y->length_ms) - (x->length_ms < y->length_ms);
}

static bool add(struct tiers *t, const char *item, struct err *e)
{
    int64_t length_ms;
    if (!clock_parse_duration(item, &length_ms))
        return err_set(e, ERR_CONFIG, "tiers: \"%s\" is not a length of time such as 30s or 10m", item);
    if (length_ms < SHORTEST_MS || length_ms > LONGEST_MS)
        return err_set(e, ERR_CONFIG, "tiers: %s is outside 100ms to 1d", item);
    if (t->count == TIERS_MAX)
        return err_set(e, ERR_CONFIG, "tiers: more than %d", TIERS_MAX);
    for (int i = 0; i < t->count; i++)
        if (t->list[i].length_ms == length_ms)
            return err_set(e, ERR_CONFIG, "tiers: %s is there twice", item);
    struct tier *tier = &t->list[t->count++];
    tier->length_ms = length_ms;
    // One name for one length: "60s" and "1m" are the same topic.
    clock_format_duration(length_ms, tier->name, sizeof tier->name);
    return true;
}

bool tiers_parse(struct tiers *t, const char *names, struct err *e)
{
    struct tiers parsed = { 0 };
    const char *p = names;
    for (bool last = false; !last;) {
        char item[ITEM_SIZE];
        p += strspn(p, " ");
        size_t len = strcspn(p, ", ");
        if (len == 0 || len >= sizeof item)
            return err_set(e, ERR_CONFIG, "tiers: \"%s\" is not a list such as 1s,30s,10m", names);
        memcpy(item, p, len);
        item[len] = '\0';
        if (!add(&parsed, item, e))
            return false;
        p += len;
        p += strspn(p, " ");
        last = *p == '\0';
        if (!last && *p++ != ',')
            return err_set(e, ERR_CONFIG, "tiers: a comma is missing in \"%s\"", names);
    }
    qsort(parsed.list, (size_t)parsed.count, sizeof parsed.list[0], by_length);
    *t = parsed;
    return true;
}

// ---- riding -----------------------------------------------------------------------------------------------------

int tiers_pick(const struct tiers *t, int64_t remaining_ms)
{
    int pick = 0;
    for (int i = 1; i < t->count; i++)
        if (cost_ms(t, i) <= remaining_ms)
            pick = i;
    return pick;
}

bool tiers_is_short(const struct tiers *t, int64_t remaining_ms)
{
    return remaining_ms < cost_ms(t, 0);
}

// used_ms: how much of its time in hand a ride uses up.
static int count_rides(const struct tiers *t, int64_t delay_ms, int64_t used_ms)
{
    int64_t rides = 0, rest_ms = delay_ms;
    for (int i = t->count - 1; i >= 0; i--) {
        if (rest_ms < cost_ms(t, i))
            continue;
        int64_t ride_ms = t->list[i].length_ms + used_ms;
        int64_t n = (rest_ms - cost_ms(t, i)) / ride_ms + 1;
        rides += n;
        rest_ms -= n * ride_ms;
    }
    return rides > 0 ? (int)rides : 1; // even the shortest delay leaves main on a belt
}

int tiers_hops(const struct tiers *t, int64_t delay_ms)
{
    if (delay_ms <= 0)
        return 0;
    int prompt = count_rides(t, delay_ms, 0), slow = count_rides(t, delay_ms, TIERS_IN_HAND_MS);
    return prompt > slow ? prompt : slow;
}

// ---- snapping ---------------------------------------------------------------------------------------------------

struct snap {
    const struct tiers *tiers;
    int64_t low_ms, want_ms, high_ms;
    int64_t best_ms; // -1 = none yet
    int best_hops;
};

static void consider(struct snap *s, int64_t delay_ms)
{
    if (delay_ms < s->low_ms || delay_ms > s->high_ms || tiers_is_short(s->tiers, delay_ms))
        return;
    int hops = tiers_hops(s->tiers, delay_ms);
    bool closer = llabs(delay_ms - s->want_ms) < llabs(s->best_ms - s->want_ms);
    if (s->best_ms >= 0 && (hops > s->best_hops || (hops == s->best_hops && !closer)))
        return;
    s->best_ms = delay_ms;
    s->best_hops = hops;
}

// Offers delay_ms cut off after each of its rides, and each of those with its last ride on the next longer belt.
static void consider_rides_of(struct snap *s, int64_t delay_ms)
{
    const struct tiers *t = s->tiers;
    int longest = t->count - 1;
    // Whole rides on the longest belt that every candidate shares are not taken one by one.
    int64_t shared = s->low_ms / cost_ms(t, longest) - 1;
    int64_t sum_ms = shared > 0 ? shared * cost_ms(t, longest) : 0;
    for (int i = 0; i < SNAP_RIDES_MAX; i++) {
        bool ended = tiers_is_short(t, delay_ms - sum_ms);
        int tier = ended ? -1 : tiers_pick(t, delay_ms - sum_ms);
        if (tier < longest)
            consider(s, sum_ms + cost_ms(t, tier + 1));
        if (ended)
            break;
        sum_ms += cost_ms(t, tier);
        consider(s, sum_ms);
    }
}

int64_t tiers_snap(const struct tiers *t, int64_t low_ms, int64_t want_ms, int64_t high_ms)
{
    struct snap s = { .tiers = t, .low_ms = low_ms, .want_ms = want_ms, .high_ms = high_ms, .best_ms = -1 };
    consider_rides_of(&s, want_ms);
    // Where the sum lies below the range, the rest up to its lower end is waited in memory.
    if (s.best_ms < 0 || tiers_hops(t, low_ms) < s.best_hops)
        consider(&s, low_ms);
    return s.best_ms >= 0 ? s.best_ms : want_ms;
}
