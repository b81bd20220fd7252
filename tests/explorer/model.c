// SPDX-License-Identifier: Apache-2.0
// model: everything that can happen next, one function a happening.
//
// A worker goes IDLE -> CLAIM -> READY -> SENDING -> VERDICT -> FILE_IT -> QUEUE -> COMPLETE -> IDLE, or by
// way of LOOK and GATE, or falls back to CLAIM or RELEASE while nothing has begun. Between any two of these
// it can be killed or stopped, its partition can move, and the other worker can do anything. A step that
// talks to Redis is the command and its reply in one; the reply can be lost, then the same command is sent
// again.
//
// Time has no clock: what takes long (a lease, a wait on a belt) is over whenever the explorer says so,
// unless the protocol keeps it alive (a renewed lease).
#include "tests/explorer/model.h"

#include <stdlib.h>

struct turn {
    const struct scenario *sc;
    unsigned broken;
    const struct state *s;
    const struct step_sink *sink;
};

static void emit(const struct turn *t, const struct state *n, const char *what, int w, bool progress)
{
    t->sink->next(t->sink->arg, n, what, w, progress, NULL);
}

struct copy record_unpack(uint8_t packed)
{
    uint8_t code = (uint8_t)(packed - 1);
    return (struct copy){ .job = (code >> 6) & 1, .held = (code >> 5) & 1, .epoch = code & 31 };
}

uint8_t record_pack(struct copy c)
{
    return (uint8_t)(1 + (c.job << 6 | c.held << 5 | c.epoch));
}

static void pool_add(struct state *n, struct copy c)
{
    for (int i = 0; i < POOL; i++) {
        if (n->pool[i] == 0) {
            n->pool[i] = record_pack(c);
            return;
        }
    }
    abort(); // a scenario outgrew the bag: raise POOL
}

static void set_epoch_bit(uint8_t *bits, uint8_t epoch)
{
    *bits = (uint8_t)(*bits | 1U << (epoch & 7));
}

// --- Redis -------------------------------------------------------------------------------------------------

static bool redis_open(const struct turn *t, int w)
{
    if (t->broken & BREAK_GRACE)
        return (t->s->repairing >> w & 1) == 0;
    return t->s->repairing == 0;
}

static void keep_history(struct state *n, struct value before)
{
    if (n->left[LOST_WRITE] == 0 || memcmp(&before, &n->now, sizeof before) == 0)
        return;
    n->before[1] = n->before[0];
    n->before[0] = before;
    if (n->writes < HISTORY)
        n->writes++;
}

static void remember(struct state *n, int writer)
{
    struct value *ring = n->ring[writer];
    if (n->left[LOST_WRITE] == 0)
        return;
    if (ring[0].state != 0 && ring[1].state != 0)
        ring[0] = ring[1];
    ring[ring[0].state != 0 ? 1 : 0] = n->now;
}

static struct caller caller_of(const struct worker *w)
{
    struct copy c = record_unpack(w->record);
    return (struct caller){ .job = c.job, .epoch = c.epoch, .token = w->token };
}

static void settle_epoch(struct state *n, uint8_t epoch)
{
    if (n->settled < epoch + 1)
        n->settled = (uint8_t)(epoch + 1);
}

static bool token_used(const struct state *n, uint8_t token)
{
    bool used = n->now.token == token || n->before[0].token == token || n->before[1].token == token;
    for (int i = 0; i < WORKERS; i++)
        used = used || n->worker[i].token == token;
    for (int i = 0; i < WRITERS; i++)
        used = used || n->ring[i][0].token == token || n->ring[i][1].token == token;
    return used;
}

static uint8_t new_token(const struct state *n)
{
    uint8_t token = 1;
    while (token_used(n, token))
        token++;
    return token;
}

// --- A worker's own way ------------------------------------------------------------------------------------

static void go_idle(struct worker *w)
{
    *w = (struct worker){ 0 };
}

static void file_next(struct worker *w, enum filing what)
{
    w->step = FILE_IT;
    w->filing = (uint8_t)what;
}

static enum filing after_unknown(const struct turn *t, const struct worker *w)
{
    struct copy c = record_unpack(w->record);
    if (t->sc->policy == HOLD_AT_ONCE || c.epoch % TRY_LIMIT >= t->sc->max_try)
        return FILE_LETTER_UNKNOWN;
    return FILE_WAIT;
}

static void found(const struct turn *t, struct state *n, int i, enum dedup_finding finding, bool claim)
{
    struct worker *w = &n->worker[i];
    switch (finding) {
    case DEDUP_GO:
        w->step = claim ? READY : GATE;
        w->late = 0;
        if (claim)
            remember(n, i);
        break;
    case DEDUP_CONFLICT:
        file_next(w, FILE_LETTER);
        break;
    case DEDUP_DUPLICATE:
        file_next(w, FILE_DUPLICATE);
        break;
    case DEDUP_SENT:
        file_next(w, FILE_ACCEPTED);
        break;
    case DEDUP_STALE:
        w->step = COMPLETE;
        break;
    case DEDUP_PARK:
        file_next(w, FILE_BUSY);
        break;
    case DEDUP_NOW_UNKNOWN:
        remember(n, i);
        settle_epoch(n, n->now.epoch);
        file_next(w, after_unknown(t, w));
        break;
    case DEDUP_FAILED:
        file_next(w, FILE_RETRY);
        break;
    case DEDUP_UNKNOWN:
        file_next(w, after_unknown(t, w));
        break;
    default:
        file_next(w, n->now.held ? FILE_LETTER_UNKNOWN : FILE_LETTER);
    }
}

static const char *const FOUND_NAMES[] = {
    [DEDUP_GO] = "go",
    [DEDUP_CONFLICT] = "conflict",
    [DEDUP_DUPLICATE] = "duplicate",
    [DEDUP_SENT] = "sent",
    [DEDUP_STALE] = "stale",
    [DEDUP_PARK] = "park",
    [DEDUP_FAILED] = "failed",
    [DEDUP_NOW_UNKNOWN] = "lease over: unknown",
    [DEDUP_UNKNOWN] = "unknown",
    [DEDUP_DEAD] = "dead",
};

static void ask(const struct turn *t, struct state *n, int i, bool claim)
{
    if (!redis_open(t, i))
        return;
    struct worker *w = &n->worker[i];
    struct value before = n->now;
    struct caller me = caller_of(w);
    enum dedup_finding finding = rules_find(&n->now, &me, claim, t->sc->conflict, t->broken);
    keep_history(n, before);
    if (t->s->left[LOST_REPLY] > 0 && memcmp(&before, &n->now, sizeof before) != 0) {
        struct state lost = *n;
        lost.left[LOST_REPLY]--;
        lost.worker[i].step = claim ? CLAIM : LOOK;
        emit(t, &lost, claim ? "claims, reply lost" : "looks up, reply lost", i, false);
    }
    found(t, n, i, finding, claim);
    bool nobody_died = n->left[CRASH] == t->sc->left[CRASH] && n->left[STOP] == t->sc->left[STOP];
    t->sink->next(t->sink->arg, n, FOUND_NAMES[finding], i, true,
                  finding == DEDUP_NOW_UNKNOWN && nobody_died ? "unknown though nobody died" : NULL);
}

static void take(const struct turn *t, int i)
{
    for (int r = 0; r < POOL; r++) {
        if (t->s->pool[r] == 0 || (r > 0 && t->s->pool[r] == t->s->pool[r - 1]))
            continue;
        struct state n = *t->s;
        struct worker *w = &n.worker[i];
        *w = (struct worker){ .record = n.pool[r], .owned = 1, .token = new_token(&n), .verdict = DEAD };
        n.pool[r] = 0;
        bool held = record_unpack(w->record).held;
        if (n.left[EXPIRE] > 0 && !held) {
            struct state late = n;
            late.left[EXPIRE]--;
            ask(t, &late, i, false);
        }
        ask(t, &n, i, !held);
    }
}

static void begin(const struct turn *t, int i)
{
    struct state n = *t->s;
    struct worker *w = &n.worker[i];
    if (n.left[GIVE_BACK] > 0) {
        struct state back = n;
        back.left[GIVE_BACK]--;
        back.worker[i].step = RELEASE;
        emit(t, &back, "drains: gives the claim back", i, false);
    }
    if (w->late && !(t->broken & BREAK_LATE)) {
        w->step = CLAIM;
        emit(t, &n, "too late to begin", i, true);
        return;
    }
    w->step = SENDING;
    bool early = n.settled > record_unpack(w->record).epoch;
    t->sink->next(t->sink->arg, &n, "begins the attempt", i, true,
                  early ? "an attempt begins at an epoch that was settled" : NULL);
}

static void outcome(const struct turn *t, int i, const char *what, enum record_state verdict, bool accepted)
{
    struct state n = *t->s;
    n.worker[i].step = VERDICT;
    n.worker[i].verdict = (uint8_t)verdict;
    n.accepted = (uint8_t)(n.accepted + accepted);
    int allowed = 1 + __builtin_popcount(n.resent[0]) + __builtin_popcount(n.resent[1]);
    t->sink->next(t->sink->arg, &n, what, i, true, n.accepted > allowed ? "accepted twice" : NULL);
}

static void sending(const struct turn *t, int i)
{
    const struct worker *w = &t->s->worker[i];
    struct copy c = record_unpack(w->record);
    bool last = c.epoch % TRY_LIMIT >= t->sc->max_try;
    outcome(t, i, "accepted", SENT, true);
    outcome(t, i, last ? "fails, exhausted" : "fails for now", last ? DEAD : FAILED, false);
    outcome(t, i, "fails for good", DEAD, false);
    outcome(t, i, "accepted, nobody knows", UNKNOWN, true);
    outcome(t, i, "not accepted, nobody knows", UNKNOWN, false);
    struct state n = *t->s;
    if (w->carried && w->owned) {
        n.worker[i].owned = 0;
        emit(t, &n, "completes the carried record", i, true);
    } else if (!w->carried && w->owned && n.left[CARRY] > 0) {
        n.left[CARRY]--;
        n.worker[i].carried = 1;
        if (!(t->broken & BREAK_CARRY_COPY))
            pool_add(&n, c);
        emit(t, &n, "carries the record over", i, false);
    }
}

static enum filing filing_after(const struct turn *t, const struct worker *w)
{
    switch (w->verdict) {
    case SENT:
        return FILE_ACCEPTED;
    case FAILED:
        return FILE_RETRY;
    case UNKNOWN:
        return after_unknown(t, w);
    default:
        return record_unpack(w->record).held ? FILE_LETTER_UNKNOWN : FILE_LETTER;
    }
}

static void file_it(const struct turn *t, struct state *n, int i);

static void verdict(const struct turn *t, int i)
{
    if (!redis_open(t, i))
        return;
    struct state n = *t->s;
    struct worker *w = &n.worker[i];
    if ((t->broken & BREAK_VERDICT_FIRST) && w->filing == FILE_NOTHING && w->verdict == FAILED) {
        w->filing = FILE_RETRY;
        file_it(t, &n, i);
        w->step = VERDICT;
        emit(t, &n, "files before the verdict", i, true);
        return;
    }
    struct copy c = record_unpack(w->record);
    struct value before = n.now;
    struct value mark = { .state = w->verdict,
                          .epoch = c.epoch,
                          .token = w->token,
                          .job = c.job,
                          .held = w->verdict == DEAD && c.held };
    bool taken = rules_mark(&n.now, &mark, t->broken);
    keep_history(&n, before);
    if (taken && w->verdict != SENT)
        settle_epoch(&n, c.epoch);
    if (t->s->left[LOST_REPLY] > 0 && taken) {
        struct state lost = n;
        lost.left[LOST_REPLY]--;
        emit(t, &lost, "writes the verdict, reply lost", i, false);
    }
    if (!taken) {
        // What stands in the way may rest on the very record we hold (its partition moved), or may not have
        // been made visible yet: completing now could lose the job. Looking again sorts that out.
        w->step = t->broken & BREAK_LOOK_AGAIN ? COMPLETE : LOOK;
        emit(t, &n, "verdict refused", i, true);
        return;
    }
    remember(&n, i);
    if (w->filing != FILE_NOTHING)
        w->step = COMPLETE;
    else
        file_next(w, filing_after(t, w));
    emit(t, &n, "verdict written", i, true);
}

static void release(const struct turn *t, int i)
{
    if (!redis_open(t, i))
        return;
    struct state n = *t->s;
    struct worker *w = &n.worker[i];
    struct caller me = caller_of(w);
    struct value before = n.now;
    rules_release(&n.now, &me, t->broken);
    keep_history(&n, before);
    if (t->s->left[LOST_REPLY] > 0) {
        struct state lost = n;
        lost.left[LOST_REPLY]--;
        emit(t, &lost, "releases, reply lost", i, false);
    }
    remember(&n, i);
    if (w->owned)
        pool_add(&n, record_unpack(w->record)); // not completed: whoever gets the partition reads it again
    go_idle(w);
    emit(t, &n, "released", i, true);
}

static void file_it(const struct turn *t, struct state *n, int i)
{
    struct worker *w = &n->worker[i];
    struct copy c = record_unpack(w->record), next = c;
    next.epoch = (uint8_t)(c.epoch + 1);
    uint8_t generation = (uint8_t)(1U << c.epoch / TRY_LIMIT);
    w->step = COMPLETE;
    switch (w->filing) {
    case FILE_WAIT:
        next.held = t->sc->policy == HOLD_AFTER_WINDOW;
        if (!next.held)
            set_epoch_bit(&n->resent[c.job], next.epoch);
        // fall through
    case FILE_RETRY:
        pool_add(n, next);
        w->step = QUEUE;
        break;
    case FILE_LETTER:
        n->letter_dead[c.job] |= generation;
        break;
    case FILE_LETTER_UNKNOWN:
        n->letter_unknown[c.job] |= generation;
        break;
    case FILE_ACCEPTED:
        n->accepted_event[c.job] = 1;
        break;
    case FILE_DUPLICATE:
        n->duplicate_event[c.job] = 1;
        break;
    default:
        pool_add(n, c);
    }
}

static void file_step(const struct turn *t, int i)
{
    struct state n = *t->s;
    if ((t->broken & BREAK_SETTLE_ORDER) && n.worker[i].step == FILE_IT) {
        n.worker[i].owned = 0;
        n.worker[i].step = EARLY_FILE;
        emit(t, &n, "completes before filing", i, true);
        return;
    }
    static const char *const NAMES[] = { "files nothing",
                                         "files the retry",
                                         "files the waiting record",
                                         "files the letter",
                                         "files the unknown letter",
                                         "files the accepted event",
                                         "files the duplicate event",
                                         "parks a copy" };
    file_it(t, &n, i);
    emit(t, &n, NAMES[n.worker[i].filing], i, true);
}

static void queue(const struct turn *t, int i)
{
    if (!redis_open(t, i))
        return;
    struct state n = *t->s;
    struct value before = n.now;
    struct caller me = caller_of(&n.worker[i]);
    bool taken = rules_queued(&n.now, &me, t->broken);
    keep_history(&n, before);
    if (t->s->left[LOST_REPLY] > 0 && taken) {
        struct state lost = n;
        lost.left[LOST_REPLY]--;
        emit(t, &lost, "marks queued, reply lost", i, false);
    }
    if (taken)
        remember(&n, i);
    n.worker[i].step = COMPLETE;
    emit(t, &n, taken ? "marks queued" : "queued refused", i, true);
}

static void own_way(const struct turn *t, int i)
{
    struct state n = *t->s;
    switch (n.worker[i].step) {
    case IDLE:
        take(t, i);
        break;
    case CLAIM:
        ask(t, &n, i, true);
        break;
    case LOOK:
        ask(t, &n, i, false);
        break;
    case READY:
        begin(t, i);
        break;
    case SENDING:
        sending(t, i);
        break;
    case RELEASE:
        release(t, i);
        break;
    case GATE:
    case VERDICT:
        verdict(t, i);
        break;
    case FILE_IT:
    case EARLY_FILE:
        file_step(t, i);
        break;
    case QUEUE:
        queue(t, i);
        break;
    default:
        go_idle(&n.worker[i]);
        emit(t, &n, "completes", i, true);
    }
}

// --- Bad luck ----------------------------------------------------------------------------------------------

static void crash(const struct turn *t, int i)
{
    const struct worker *w = &t->s->worker[i];
    bool has_marks = t->s->ring[i][0].state != 0;
    if (t->s->left[CRASH] == 0 || (w->step == IDLE && !has_marks))
        return;
    struct state n = *t->s;
    n.left[CRASH]--;
    if (w->owned)
        pool_add(&n, record_unpack(w->record));
    go_idle(&n.worker[i]);
    memset(n.ring[i], 0, sizeof n.ring[i]);
    n.repairing = (uint8_t)(n.repairing & ~(1U << i));
    emit(t, &n, "is killed", i, false);
    if (w->step == SENDING) {
        n.accepted++;
        int allowed = 1 + __builtin_popcount(n.resent[0]) + __builtin_popcount(n.resent[1]);
        t->sink->next(t->sink->arg, &n, "is killed, but the mail went out", i, false,
                      n.accepted > allowed ? "accepted twice" : NULL);
    }
}

static void stop_or_move(const struct turn *t, int i)
{
    const struct worker *w = &t->s->worker[i];
    if (w->step == IDLE || t->s->repairing != 0)
        return;
    if (t->s->left[STOP] > 0) {
        struct state n = *t->s;
        n.left[STOP]--;
        n.worker[i].stopped = 1;
        emit(t, &n, "is stopped", i, false);
        if (w->owned) {
            n.worker[i].owned = 0;
            pool_add(&n, record_unpack(w->record));
            emit(t, &n, "is stopped and loses its partition", i, false);
        }
    }
    if (t->s->left[REBALANCE] > 0 && w->owned) {
        struct state n = *t->s;
        n.left[REBALANCE]--;
        n.worker[i].owned = 0;
        pool_add(&n, record_unpack(w->record));
        emit(t, &n, "loses its partition", i, false);
    }
}

static void lease_ends(const struct turn *t)
{
    struct state n = *t->s;
    if (n.now.state != CLAIMED || !n.now.live)
        return;
    for (int i = 0; i < WORKERS; i++) {
        struct worker *w = &n.worker[i];
        if (w->token != n.now.token)
            continue;
        bool at_work = w->step == CLAIM || w->step == READY || w->step == SENDING || w->step == VERDICT ||
                       w->step == RELEASE;
        if (at_work && !w->stopped)
            return; // it renews, or is about to hear
        w->late = at_work;
    }
    n.now.live = 0;
    emit(t, &n, "the lease runs out", -1, true);
}

static void redis_forgets(const struct turn *t)
{
    const struct state *s = t->s;
    if (s->left[LOST_WRITE] == 0)
        return;
    for (int i = 0; i < WORKERS; i++)
        if (s->worker[i].stopped && !t->sc->residue)
            return; // a worker that is not there to repair is the same as a dead one: the residue's business
    for (int k = 0; k < s->writes; k++) {
        struct state n = *s;
        n.left[LOST_WRITE]--;
        n.now = s->before[k];
        n.writes = 0;
        memset(n.before, 0, sizeof n.before);
        for (int i = 0; i < WRITERS && !(t->broken & BREAK_REPAIR); i++)
            if (n.ring[i][0].state != 0 && !(i < WORKERS && n.worker[i].stopped))
                n.repairing = (uint8_t)(n.repairing | 1U << i);
        if (n.repairing == 0)
            memset(n.ring, 0, sizeof n.ring);
        emit(t, &n, k == 0 ? "redis loses its last write" : "redis loses its last two writes", -1, false);
    }
}

static void repair(const struct turn *t, int writer)
{
    struct state n = *t->s;
    for (int i = 0; i < RING; i++)
        rules_repair(&n.now, &n.ring[writer][i], t->broken);
    n.repairing = (uint8_t)(n.repairing & ~(1U << writer));
    memset(n.ring[writer], 0, sizeof n.ring[writer]);
    emit(t, &n, "writes its marks again", writer, true);
}

// --- Other people ------------------------------------------------------------------------------------------

static void replay(const struct turn *t)
{
    for (uint8_t job = 0; job < 2 && t->s->left[REPLAY] > 0; job++) {
        uint8_t open = (t->s->letter_dead[job] | t->s->letter_unknown[job]) & 1;
        if (!open || t->s->replayed[job])
            continue;
        struct state n = *t->s;
        n.left[REPLAY]--;
        n.replayed[job] = 1;
        if (n.letter_unknown[job] & 1)
            set_epoch_bit(&n.resent[job], TRY_LIMIT);
        pool_add(&n, (struct copy){ .job = job, .epoch = TRY_LIMIT });
        emit(t, &n, "somebody replays the letter", -1, false);
    }
}

static void feedback(const struct turn *t)
{
    if (t->s->left[FEEDBACK] == 0 || t->s->accepted == 0 || t->s->now.state == SENT ||
        !redis_open(t, FEEDBACK_WRITER))
        return;
    struct state n = *t->s;
    n.left[FEEDBACK]--;
    struct value before = n.now;
    n.now = (struct value){ .state = SENT, .epoch = n.now.epoch, .token = new_token(&n), .job = n.now.job };
    keep_history(&n, before);
    remember(&n, FEEDBACK_WRITER);
    n.accepted_event[n.now.job] = 1;
    emit(t, &n, "feedback proves acceptance", -1, false);
}

void model_next(const struct scenario *sc, unsigned broken, const struct state *s,
                const struct step_sink *sink)
{
    struct turn t = { sc, broken, s, sink };
    for (int i = 0; i < WORKERS; i++) {
        crash(&t, i);
        if (s->worker[i].stopped) {
            struct state n = *s;
            n.worker[i].stopped = 0;
            emit(&t, &n, "wakes", i, true);
            continue;
        }
        own_way(&t, i);
        stop_or_move(&t, i);
    }
    for (int i = 0; i < WRITERS; i++)
        if (s->repairing >> i & 1)
            repair(&t, i);
    lease_ends(&t);
    redis_forgets(&t);
    replay(&t);
    feedback(&t);
}
