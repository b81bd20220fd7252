// SPDX-License-Identifier: Apache-2.0
// LABEL: integration
// The explorer proves its own rules.c; this proves that the scripts do the same. A long random walk over one
// key: every step is taken by the rules and by Redis, and both must answer and leave the same.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/worker/dedup_fixture.h"

#include "tests/explorer/rules.c" // the very same

enum { STEPS = 6000, TOKENS = 3 };

static uint64_t random_state = 88172645463325252u; // fixed: a failure can be run again

static unsigned pick(unsigned below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 33) % below;
}

static struct value parse_value(struct world *w)
{
    const char *text = redis(w, "GET t:d:hash");
    struct value v = { 0 };
    unsigned generation, try_no, token, version, job;
    char state;
    if (w->reply.type == STORE_NIL)
        return v;
    if (sscanf(text, "%c|%u.%u|%x|f0f0f0f0f0f0f0f0|%u|4|job%u", &state, &generation, &try_no, &token,
               &version, &job) != 6)
        fail_msg("got %s, want a record", text);
    v = (struct value){ .state = (uint8_t)state,
                        .epoch = (uint8_t)(generation * TRY_LIMIT + try_no),
                        .token = (uint8_t)token,
                        .job = (uint8_t)job,
                        .version = (uint8_t)version };
    redis(w, "PTTL t:d:hash");
    v.live = state == 'c' && w->reply.integer > LIFE_MS - LEASE_MS;
    return v;
}

static struct dedup_subject subject_of(const struct caller *me, char job[8])
{
    snprintf(job, 8, "job%u", me->job);
    struct dedup_subject s = { .key_hash = "hash",
                               .fingerprint = 0xf0f0f0f0f0f0f0f0u,
                               .job_id = job,
                               .epoch = { me->epoch / TRY_LIMIT, me->epoch % TRY_LIMIT } };
    snprintf(s.token, sizeof s.token, "%016x", me->token);
    return s;
}

static void expire_lease(struct world *w, struct value *now)
{
    if (now->state == CLAIMED && now->live) {
        redis(w, "PEXPIRE t:d:hash %d", LIFE_MS - LEASE_MS - 1);
        now->live = 0;
    }
}

// One step both ways. Returns its name; *rules and *redis are what each answered.
static const char *step(struct world *w, struct value *now, int *by_rules, int *by_redis)
{
    struct caller me = { .job = pick(8) == 0,
                         .epoch = (uint8_t)pick(7),
                         .token = (uint8_t)(1 + pick(TOKENS)) };
    if (now->state != 0 && pick(2) == 0)
        me.epoch = now->epoch;
    char job[8];
    struct dedup_subject s = subject_of(&me, job);
    static const char MARKS[] = "fuds";
    unsigned what = pick(10);
    if (what == 7 && me.epoch % TRY_LIMIT == TRY_LIMIT - 1) // its continuation would be a generation here
        what = 0;
    if (what <= 3) {
        bool claiming = what != 0;
        *by_rules = (int)rules_find(now, &me, claiming, false, 0);
        *by_redis = (int)(claiming ? claim(w, &s) : look_up(w, &s));
        return claiming ? "claim" : "look up";
    }
    if (what <= 6) {
        char letter = MARKS[pick(pick(6) == 0 ? 4 : 3)];
        struct value v = { .state = (uint8_t)letter, .epoch = me.epoch, .token = me.token, .job = me.job };
        *by_rules = rules_mark(now, &v, 0);
        *by_redis = mark(w, &s, letter, "D");
        return "mark";
    }
    if (what == 7) {
        *by_rules = rules_queued(now, &me, 0);
        *by_redis = mark(w, &s, 'q', NULL);
        return "queued";
    }
    if (what == 8) {
        *by_rules = rules_release(now, &me, 0);
        *by_redis = mark(w, &s, 'r', NULL);
        return "release";
    }
    expire_lease(w, now);
    return "lease over";
}

static void the_scripts_do_what_the_explored_rules_do(void **state)
{
    struct world *w = world_new();
    struct value now = { 0 };
    (void)state;
    for (int i = 0; i < STEPS; i++) {
        struct value before = now;
        int by_rules = 0, by_redis = 0;
        if (now.state == SENT && pick(4) == 0) { // nothing ever leaves `sent`
            redis(w, "DEL t:d:hash");
            now = (struct value){ 0 };
        }
        const char *what = step(w, &now, &by_rules, &by_redis);
        struct value got = parse_value(w);
        if (now.state == SENT) // is written without asking for the version before
            now.version = got.version;
        if (by_rules != by_redis || memcmp(&got, &now, sizeof got) != 0)
            fail_msg("step %d, %s over %c %u token %u: got %d and %c epoch=%u token=%u version=%u live=%u, "
                     "want %d and %c epoch=%u token=%u version=%u live=%u",
                     i, what, before.state, before.epoch, before.token, by_redis, got.state, got.epoch,
                     got.token, got.version, got.live, by_rules, now.state, now.epoch, now.token, now.version,
                     now.live);
        if (now.version > 200) {
            redis(w, "DEL t:d:hash");
            now = (struct value){ 0 };
        }
    }
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_scripts_do_what_the_explored_rules_do) };
    return cmocka_run_group_tests_name("dedup_rules", tests, NULL, NULL);
}
