// SPDX-License-Identifier: Apache-2.0
// rules: the table of worker/dedup_scripts.c over one struct value instead of one Redis key.
//
// The order of the tests is the protocol. Where this file and the scripts differ, one of them is wrong:
// change both, and let the explorer say whether the change holds.
#include "tests/explorer/model.h"

static void put(struct value *now, struct value next)
{
    next.version = (uint8_t)(now->version + 1); // 0 + 1 where there was nothing
    *now = next;
}

static struct value value_of(enum record_state state, const struct caller *me)
{
    return (struct value){ .state = (uint8_t)state,
                           .epoch = me->epoch,
                           .token = me->token,
                           .job = me->job,
                           .live = state == CLAIMED };
}

// Same job, same epoch.
static enum dedup_finding find_same_epoch(struct value *now, unsigned broken)
{
    switch (now->state) {
    case QUEUED:
        return DEDUP_GO;
    case CLAIMED:
        if (now->live)
            return broken & BREAK_CLAIM ? DEDUP_GO : DEDUP_PARK;
        if (broken & BREAK_LEASE)
            return DEDUP_GO;
        now->version++;
        now->state = UNKNOWN; // keeps epoch and token: a late verdict of that claim is refused by the state
        return DEDUP_NOW_UNKNOWN;
    case FAILED:
        return broken & BREAK_FAILED ? DEDUP_GO : DEDUP_FAILED;
    case UNKNOWN:
        return broken & BREAK_UNKNOWN ? DEDUP_GO : DEDUP_UNKNOWN;
    default:
        return broken & BREAK_DEAD ? DEDUP_GO : DEDUP_DEAD;
    }
}

static enum dedup_finding find(struct value *now, const struct caller *me, bool conflict, unsigned broken)
{
    if (now->state == 0)
        return DEDUP_GO;
    if (now->state == CLAIMED && now->token == me->token && !(broken & BREAK_OWN_TOKEN))
        return DEDUP_GO;
    if (now->job != me->job)
        return conflict ? DEDUP_CONFLICT : DEDUP_DUPLICATE;
    if (now->state == SENT && !(broken & BREAK_SENT))
        return DEDUP_SENT;
    if (now->epoch > me->epoch)
        return broken & BREAK_STALE ? DEDUP_GO : DEDUP_STALE;
    bool older_generation = now->epoch / TRY_LIMIT < me->epoch / TRY_LIMIT;
    if (older_generation && now->state == CLAIMED && now->live)
        return DEDUP_PARK;
    if (now->epoch < me->epoch)
        return DEDUP_GO;
    return find_same_epoch(now, broken);
}

enum dedup_finding rules_find(struct value *now, const struct caller *me, bool claim, bool conflict,
                              unsigned broken)
{
    enum dedup_finding finding = find(now, me, conflict, broken);
    if (finding == DEDUP_GO && claim)
        put(now, value_of(CLAIMED, me));
    return finding;
}

static bool mark_allowed(const struct value *now, const struct value *mark, unsigned broken)
{
    if (now->state == 0 || (broken & BREAK_REFUSE))
        return true;
    if (now->state == SENT)
        return (broken & BREAK_ABSORB) != 0;
    if (now->job != mark->job)
        return false;
    if (now->epoch != mark->epoch)
        return now->epoch < mark->epoch;
    return now->state == QUEUED || (now->state == CLAIMED && now->token == mark->token);
}

bool rules_mark(struct value *now, const struct value *mark, unsigned broken)
{
    bool again = now->state == mark->state && now->epoch == mark->epoch && now->token == mark->token;
    if (mark->state != SENT && again)
        return true; // the reply was lost
    if (mark->state != SENT && !mark_allowed(now, mark, broken))
        return false;
    put(now, *mark);
    return true;
}

bool rules_queued(struct value *now, const struct caller *me, unsigned broken)
{
    struct caller continuation = { .job = me->job, .epoch = (uint8_t)(me->epoch + 1), .token = me->token };
    if (now->state == QUEUED && now->token == me->token && now->epoch == continuation.epoch)
        return true; // the reply was lost
    if (now->state != 0 && !(broken & BREAK_REFUSE)) {
        if (now->state == SENT || now->job != me->job || now->epoch >= continuation.epoch)
            return false;
        if (now->state == CLAIMED && now->token != me->token)
            return false;
    }
    put(now, value_of(QUEUED, &continuation));
    return true;
}

bool rules_release(struct value *now, const struct caller *me, unsigned broken)
{
    if (now->token != me->token || now->epoch != me->epoch || (now->state != CLAIMED && now->state != QUEUED))
        return false;
    if (now->state == QUEUED)
        return true; // the reply was lost
    if (broken & BREAK_RELEASE)
        *now = (struct value){ 0 };
    else
        put(now,
            value_of(QUEUED, me)); // the caller's record exists, and it is the continuation of this epoch
    return true;
}

void rules_repair(struct value *now, const struct value *mark, unsigned broken)
{
    bool newer = broken & BREAK_VERSION ? now->epoch < mark->epoch : now->version < mark->version;
    if (mark->state != 0 && (now->state == 0 || (now->state != SENT && (mark->state == SENT || newer))))
        *now = *mark;
}
