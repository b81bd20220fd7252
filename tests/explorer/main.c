// SPDX-License-Identifier: Apache-2.0
// explorer: walks every interleaving of the dedup and settle protocol in small worlds and says whether its
// promises hold. See README.md.
#include "tests/explorer/search.h"

#include "common/clock.h"

#include <stdlib.h>

static const struct scenario SCENARIOS[] = {
    // Small worlds first: a broken rule is mostly found in one of them.
    { .name = "moved partitions and carried attempts",
      .policy = HOLD_AT_ONCE,
      .max_try = 1,
      .copies = { 1 },
      .left = { [CRASH] = 2, [REBALANCE] = 1, [CARRY] = 1, [GIVE_BACK] = 1 } },
    { .name = "two jobs with one key and other content",
      .policy = HOLD_AT_ONCE,
      .max_try = 1,
      .copies = { 1, 1 },
      .conflict = true,
      .left = { [CRASH] = 1, [STOP] = 1, [LOST_REPLY] = 1 } },
    { .name = "redis loses writes, hold",
      .policy = HOLD_AT_ONCE,
      .max_try = 1,
      .copies = { 2 },
      .left = { [LOST_WRITE] = 1, [LOST_REPLY] = 1, [REPLAY] = 1, [GIVE_BACK] = 1 } },
    { .name = "redis loses writes, a worker was stopped",
      .policy = HOLD_AFTER_WINDOW,
      .max_try = 1,
      .copies = { 2 },
      .left = { [LOST_WRITE] = 1, [STOP] = 1, [FEEDBACK] = 1 } },
    { .name = "gates against claims",
      .policy = HOLD_AFTER_WINDOW,
      .max_try = 1,
      .copies = { 1 },
      .left = { [CRASH] = 1, [REBALANCE] = 1, [STOP] = 1, [EXPIRE] = 1, [GIVE_BACK] = 1, [LOST_REPLY] = 1 } },
    { .name = "redis loses writes, partitions move",
      .policy = RESEND,
      .max_try = 1,
      .copies = { 1 },
      .left = { [LOST_WRITE] = 1, [REBALANCE] = 1, [CARRY] = 1, [GIVE_BACK] = 1, [EXPIRE] = 1 } },
    { .name = "two copies, crash and stopped worker, hold",
      .policy = HOLD_AT_ONCE,
      .max_try = 1,
      .copies = { 2 },
      .left = { [CRASH] = 1, [STOP] = 1, [LOST_REPLY] = 1, [REPLAY] = 1 } },
    { .name = "one copy, crashes and a stopped worker, hold",
      .policy = HOLD_AT_ONCE,
      .max_try = 1,
      .copies = { 1 },
      .left = { [CRASH] = 2, [STOP] = 1, [LOST_REPLY] = 1, [REPLAY] = 1 } },
    { .name = "two copies, resend",
      .policy = RESEND,
      .max_try = 2,
      .copies = { 2 },
      .left = { [CRASH] = 1, [STOP] = 1, [FEEDBACK] = 1 } },
    { .name = "two copies, hold after a window, feedback",
      .policy = HOLD_AFTER_WINDOW,
      .max_try = 1,
      .copies = { 2 },
      .left = { [CRASH] = 1, [STOP] = 1, [REPLAY] = 1, [FEEDBACK] = 1 } },
    { .name = "two jobs with one content",
      .policy = HOLD_AT_ONCE,
      .max_try = 1,
      .copies = { 1, 1 },
      .left = { [CRASH] = 1, [STOP] = 1, [REPLAY] = 1, [GIVE_BACK] = 1 } },
    { .name = "moved partitions, carried attempts, replay",
      .policy = HOLD_AT_ONCE,
      .max_try = 1,
      .copies = { 1 },
      .left = { [CRASH] = 1,
                [REBALANCE] = 1,
                [CARRY] = 1,
                [GIVE_BACK] = 1,
                [REPLAY] = 1,
                [LOST_REPLY] = 1 } },
    { .name = "redis loses writes and a worker dies",
      .policy = HOLD_AT_ONCE,
      .max_try = 1,
      .copies = { 2 },
      .residue = true,
      .left = { [LOST_WRITE] = 1, [CRASH] = 1, [REPLAY] = 1 } },
    { .name = "redis loses writes while a worker is stopped",
      .policy = HOLD_AT_ONCE,
      .max_try = 1,
      .copies = { 2 },
      .residue = true,
      .left = { [LOST_WRITE] = 1, [STOP] = 1 } },
};
enum { SCENARIO_COUNT = sizeof SCENARIOS / sizeof SCENARIOS[0] };

static const struct {
    const char *name;
    unsigned bit;
    const char *what;
} BREAKS[] = {
    { "claim", BREAK_CLAIM, "a live claim of the same epoch is ignored" },
    { "own-token", BREAK_OWN_TOKEN, "a claim sent twice does not know its own token" },
    { "sent", BREAK_SENT, "`sent` does not stop a claim" },
    { "stale", BREAK_STALE, "a newer epoch does not stop a claim" },
    { "failed", BREAK_FAILED, "`failed` of the same epoch is sent again at once" },
    { "unknown", BREAK_UNKNOWN, "`unknown` of the same epoch is sent again" },
    { "lease", BREAK_LEASE, "a claim whose lease is over is taken over instead of becoming `unknown`" },
    { "dead", BREAK_DEAD, "`dead` of the same epoch is sent again" },
    { "refuse", BREAK_REFUSE, "verdicts are never refused" },
    { "absorb", BREAK_ABSORB, "verdicts are written over `sent`" },
    { "settle-order", BREAK_SETTLE_ORDER, "the offset is completed before Kafka has what follows" },
    { "verdict-first", BREAK_VERDICT_FIRST, "the retry is filed before the verdict is written" },
    { "repair", BREAK_REPAIR, "marks are not written again after Redis lost its memory" },
    { "grace", BREAK_GRACE, "claims do not wait until the others have repaired too" },
    { "late", BREAK_LATE, "an attempt begins though its lease may be over" },
    { "look-again", BREAK_LOOK_AGAIN, "a refused verdict completes instead of looking again" },
    { "carry", BREAK_CARRY_COPY, "an attempt is carried over without a copy" },
    { "release", BREAK_RELEASE, "a release forgets the key" },
    { "version", BREAK_VERSION, "repairs compare epochs instead of versions" },
};
enum { BREAK_COUNT = sizeof BREAKS / sizeof BREAKS[0] };

static int usage(void)
{
    fprintf(
        stderr,
        "usage: explorer [--break RULE] [--quiet]\n\n"
        "Without --break: 0 when the protocol is clean. With it: 0 when a violation was found.\nrules:\n");
    for (int i = 0; i < BREAK_COUNT; i++)
        fprintf(stderr, "  %-16s %s\n", BREAKS[i].name, BREAKS[i].what);
    return 64;
}

// Returns the number of kinds of violation.
static int explore(const struct scenario *sc, unsigned broken, bool quiet)
{
    int64_t start_ms = clock_mono_ms();
    struct search *s = search_run(sc, broken);
    const struct finding *f = search_findings(s);
    int kinds = 0;
    for (; f[kinds].what != NULL; kinds++)
        ;
    printf("%-50s %8u states  %5lld ms  %s\n", sc->name, search_states(s),
           (long long)(clock_mono_ms() - start_ms),
           kinds == 0    ? "clean"
           : sc->residue ? "residue:"
                         : "VIOLATED:");
    for (int i = 0; i < kinds; i++) {
        printf("  %s (%u states), shortest way:\n", f[i].what, f[i].count);
        if (!quiet)
            search_print_way(s, f[i].state, stdout);
    }
    search_free(s);
    return kinds;
}

int main(int argc, char **argv)
{
    unsigned broken = 0;
    bool quiet = false;
    for (int i = 1; i < argc; i++) {
        unsigned bit = 0;
        for (int b = 0; b < BREAK_COUNT && i + 1 < argc && strcmp(argv[i], "--break") == 0; b++)
            bit |= strcmp(argv[i + 1], BREAKS[b].name) == 0 ? BREAKS[b].bit : 0;
        quiet = quiet || strcmp(argv[i], "--quiet") == 0;
        if (bit == 0 && strcmp(argv[i], "--quiet") != 0)
            return usage();
        broken |= bit;
        i += bit != 0;
    }
    int violated = 0;
    for (int i = 0; i < SCENARIO_COUNT && !(broken != 0 && violated > 0); i++)
        if (!(broken != 0 && SCENARIOS[i].residue))
            violated += explore(&SCENARIOS[i], broken, quiet) * !SCENARIOS[i].residue;
    if (broken != 0)
        printf("%s\n", violated > 0 ? "broken, and caught" : "broken, and NOT caught");
    else
        printf("%s\n", violated > 0 ? "the protocol is violated" : "the protocol is clean");
    return (violated > 0) == (broken != 0) ? 0 : 1;
}
