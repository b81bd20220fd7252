// SPDX-License-Identifier: Apache-2.0
// LABEL: integration
// dedup: the table of findings, the transitions, lost replies, and what happens when Redis forgets or goes
// away.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/worker/dedup_fixture.h"
#include "worker/dedup_ring.h"

#define KEY    "t:d:hash"
#define MINE   "00000000000000aa"
#define THEIRS "00000000000000bb"

static const struct dedup_subject SUBJECT = {
    .key_hash = "hash", .fingerprint = 0xf0, .job_id = "job|1", .epoch = { 1, 2 }, .token = MINE
};

static int setup(void **state)
{
    *state = world_new();
    return 0;
}

static int teardown(void **state)
{
    world_free(*state);
    return 0;
}

// `state|epoch|token|fingerprint|version|` + job + `|` + detail
#define RECORD(state, epoch, token, print, job, detail)                                                      \
    state "|" epoch "|" token "|00000000000000" print "|7|5|" job "|" detail
#define CLAIM_OF(epoch, token) RECORD("c", epoch, token, "f0", "job|1", "1000000,60000,w2")

static void assert_value(struct world *w, const char *case_name, const char *want)
{
    const char *got = redis(w, "GET " KEY);
    if (strcmp(got, want) != 0)
        fail_msg("%s: got %s, want %s", case_name, got, want);
}

// ---- findings ---------------------------------------------------------------------------------------------

static const struct {
    const char *name;
    const char *before; // "" = nothing
    int elapsed_ms;
    enum dedup_finding want;
    const char *detail;
    int wait_at_least_ms;
    const char *after; // NULL = as before; of a claim. A look-up only ever turns a dead claim into `unknown`.
} FINDINGS[] = {
    { "nothing there: go", "", 0, DEDUP_GO, "", 0,
      "c|1.2|" MINE "|00000000000000f0|1|5|job|1|1000000,60000,w1" },
    { "our own claim: go, and the lease begins again", CLAIM_OF("1.2", MINE), 70000, DEDUP_GO, "", 0,
      "c|1.2|" MINE "|00000000000000f0|8|5|job|1|1000000,60000,w1" },
    { "other content is a conflict, whatever its state", RECORD("s", "9.9", THEIRS, "f1", "job|1", "p"), 0,
      DEDUP_CONFLICT, "job|1", 0, NULL },
    { "another job's content is a duplicate of it", RECORD("s", "0.0", THEIRS, "f0", "job|2", "p"), 0,
      DEDUP_DUPLICATE, "job|2", 0, NULL },
    { "sent stays sent", RECORD("s", "0.0", THEIRS, "f0", "job|1", "provider 1"), 0, DEDUP_SENT, "provider 1",
      0, NULL },
    { "sent stays sent for an older record too", RECORD("s", "2.0", THEIRS, "f0", "job|1", "p"), 0,
      DEDUP_SENT, "p", 0, NULL },
    { "a later try makes us stale", RECORD("q", "1.3", THEIRS, "f0", "job|1", ""), 0, DEDUP_STALE, "", 0,
      NULL },
    { "a later generation makes us stale", RECORD("f", "2.0", THEIRS, "f0", "job|1", "x"), 0, DEDUP_STALE, "",
      0, NULL },
    { "a replay waits for a live claim", CLAIM_OF("0.9", THEIRS), 10000, DEDUP_PARK, "", 49000, NULL },
    { "a replay goes when that claim's lease is over", CLAIM_OF("0.9", THEIRS), 60001, DEDUP_GO, "", 0,
      "c|1.2|" MINE "|00000000000000f0|8|5|job|1|1000000,60000,w1" },
    { "a continuation goes past the claim it continues", CLAIM_OF("1.1", THEIRS), 0, DEDUP_GO, "", 0,
      "c|1.2|" MINE "|00000000000000f0|8|5|job|1|1000000,60000,w1" },
    { "an older verdict is settled: go", RECORD("d", "0.9", THEIRS, "f0", "job|1", "x"), 0, DEDUP_GO, "", 0,
      "c|1.2|" MINE "|00000000000000f0|8|5|job|1|1000000,60000,w1" },
    { "queued for us: go", RECORD("q", "1.2", THEIRS, "f0", "job|1", ""), 0, DEDUP_GO, "", 0,
      "c|1.2|" MINE "|00000000000000f0|8|5|job|1|1000000,60000,w1" },
    { "a live claim parks us until its lease ends", CLAIM_OF("1.2", THEIRS), 20000, DEDUP_PARK, "", 39000,
      NULL },
    { "a claim whose lease is over becomes unknown", CLAIM_OF("1.2", THEIRS), 60001, DEDUP_NOW_UNKNOWN, "w2",
      0, "u|1.2|" THEIRS "|00000000000000f0|8|5|job|1|w2" },
    { "a claim is judged by the settings it was made with",
      RECORD("c", "1.2", THEIRS, "f0", "job|1", "2000000,1200000,w2"), 0, DEDUP_PARK, "", 190000, NULL },
    { "failed: file the retry again", RECORD("f", "1.2", THEIRS, "f0", "job|1", "{\"due\":1}"), 0,
      DEDUP_FAILED, "{\"due\":1}", 0, NULL },
    { "unknown: file the waiting record again", RECORD("u", "1.2", THEIRS, "f0", "job|1", "w2"), 0,
      DEDUP_UNKNOWN, "w2", 0, NULL },
    { "dead: file the letter again", RECORD("d", "1.2", THEIRS, "f0", "job|1", "why|so"), 0, DEDUP_DEAD,
      "why|so", 0, NULL },
    { "an own token on anything but a claim means nothing", RECORD("f", "1.2", MINE, "f0", "job|1", "x"), 0,
      DEDUP_FAILED, "x", 0, NULL },
    { "what is not ours is waited for", "something", 0, DEDUP_PARK, "", LEASE_MS, NULL },
};

static void put(struct world *w, const char *value, int elapsed_ms)
{
    struct slice args[] = { SLICE("SET"), SLICE(KEY), slice_of(value), SLICE("PX"), { 0 } };
    char life[24];
    snprintf(life, sizeof life, "%d", LIFE_MS - elapsed_ms);
    args[4] = slice_of(life);
    if (value[0] == '\0') {
        redis(w, "DEL " KEY);
        return;
    }
    store_command(w->store, args, 5, world_on_redis, w);
    world_wait(w);
}

static void check_finding(struct world *w, size_t i, bool claiming)
{
    const char *after = FINDINGS[i].after, *before = FINDINGS[i].before;
    put(w, before, FINDINGS[i].elapsed_ms);
    enum dedup_finding got = claiming ? claim(w, &SUBJECT) : look_up(w, &SUBJECT);
    if (got != FINDINGS[i].want)
        fail_msg("%s: got %d, want %d", FINDINGS[i].name, got, FINDINGS[i].want);
    if (strcmp(w->detail, FINDINGS[i].detail) != 0)
        fail_msg("%s: got detail %s, want %s", FINDINGS[i].name, w->detail, FINDINGS[i].detail);
    if (w->found.wait_ms < FINDINGS[i].wait_at_least_ms)
        fail_msg("%s: got wait %d, want at least %d", FINDINGS[i].name, (int)w->found.wait_ms,
                 FINDINGS[i].wait_at_least_ms);
    bool writes = after != NULL && (claiming || FINDINGS[i].want == DEDUP_NOW_UNKNOWN);
    assert_value(w, FINDINGS[i].name, writes ? after : before);
    redis(w, "PTTL " KEY);
    if (writes && w->reply.integer < LIFE_MS - 5000)
        fail_msg("%s: got a life of %d ms, want it to begin again", FINDINGS[i].name, (int)w->reply.integer);
}

static void claims_find_what_the_table_says(void **state)
{
    for (size_t i = 0; i < sizeof FINDINGS / sizeof FINDINGS[0]; i++)
        check_finding(*state, i, true);
}

static void look_ups_find_the_same_and_claim_nothing(void **state)
{
    for (size_t i = 0; i < sizeof FINDINGS / sizeof FINDINGS[0]; i++)
        check_finding(*state, i, false);
}

static void the_epoch_that_was_found_is_reported(void **state)
{
    struct world *w = *state;
    put(w, RECORD("q", "3.4", THEIRS, "f0", "job|1", ""), 0);
    claim(w, &SUBJECT);
    assert_int_equal(w->found.epoch.generation, 3);
    assert_int_equal(w->found.epoch.try_no, 4);
}

// ---- marks ------------------------------------------------------------------------------------------------

static const struct {
    const char *name;
    const char *before;
    char mark;
    bool taken;
    const char *after; // NULL = as before
} MARKS[] = {
    { "failed over our claim", CLAIM_OF("1.2", MINE), 'f', true,
      "f|1.2|" MINE "|00000000000000f0|8|5|job|1|D" },
    { "unknown over our claim", CLAIM_OF("1.2", MINE), 'u', true,
      "u|1.2|" MINE "|00000000000000f0|8|5|job|1|D" },
    { "dead over our claim", CLAIM_OF("1.2", MINE), 'd', true,
      "d|1.2|" MINE "|00000000000000f0|8|5|job|1|D" },
    { "a gate's dead over nothing", "", 'd', true, "d|1.2|" MINE "|00000000000000f0|1|5|job|1|D" },
    { "a gate's dead over an older epoch", RECORD("u", "1.1", THEIRS, "f0", "job|1", ""), 'd', true,
      "d|1.2|" MINE "|00000000000000f0|8|5|job|1|D" },
    { "a gate's dead over the same epoch's queued", RECORD("q", "1.2", THEIRS, "f0", "job|1", ""), 'd', true,
      "d|1.2|" MINE "|00000000000000f0|8|5|job|1|D" },
    { "no verdict over a newer epoch", RECORD("q", "1.3", THEIRS, "f0", "job|1", ""), 'f', false, NULL },
    { "no verdict over sent", RECORD("s", "0.0", THEIRS, "f0", "job|1", "p"), 'd', false, NULL },
    { "no verdict over unknown", RECORD("u", "1.2", MINE, "f0", "job|1", "w1"), 'f', false, NULL },
    { "no verdict over another's claim", CLAIM_OF("1.2", THEIRS), 'd', false, NULL },
    { "no verdict over another job's record", RECORD("f", "0.0", THEIRS, "f0", "job|2", ""), 'f', false,
      NULL },
    { "no verdict over other content", RECORD("f", "0.0", THEIRS, "f1", "job|1", ""), 'f', false, NULL },
    { "a verdict whose reply was lost is taken again", RECORD("f", "1.2", MINE, "f0", "job|1", "D"), 'f',
      true, NULL },
    { "queued over failed", RECORD("f", "1.2", MINE, "f0", "job|1", "D"), 'q', true,
      "q|1.3|" MINE "|00000000000000f0|8|5|job|1|" },
    { "queued over another worker's failed", RECORD("f", "1.2", THEIRS, "f0", "job|1", "D"), 'q', true,
      "q|1.3|" MINE "|00000000000000f0|8|5|job|1|" },
    { "queued over unknown", RECORD("u", "1.2", THEIRS, "f0", "job|1", "w2"), 'q', true,
      "q|1.3|" MINE "|00000000000000f0|8|5|job|1|" },
    { "no queued over the continuation's own claim", CLAIM_OF("1.3", THEIRS), 'q', false, NULL },
    { "no queued over another's claim of the epoch it follows", CLAIM_OF("1.2", THEIRS), 'q', false, NULL },
    { "no queued over sent", RECORD("s", "1.2", MINE, "f0", "job|1", "p"), 'q', false, NULL },
    { "queued whose reply was lost is taken again", RECORD("q", "1.3", MINE, "f0", "job|1", ""), 'q', true,
      NULL },
    { "a release leaves the record queued", CLAIM_OF("1.2", MINE), 'r', true,
      "q|1.2|" MINE "|00000000000000f0|8|5|job|1|" },
    { "a release whose reply was lost is taken again", RECORD("q", "1.2", MINE, "f0", "job|1", ""), 'r', true,
      NULL },
    { "no release of another's claim", CLAIM_OF("1.2", THEIRS), 'r', false, NULL },
    { "no release of what was settled", RECORD("f", "1.2", MINE, "f0", "job|1", ""), 'r', false, NULL },
    { "a renewal of our claim", CLAIM_OF("1.2", MINE), 'n', true, NULL },
    { "no renewal of another's claim", CLAIM_OF("1.2", THEIRS), 'n', false, NULL },
    { "no renewal of a claim that became unknown", RECORD("u", "1.2", MINE, "f0", "job|1", "w1"), 'n', false,
      NULL },
    { "sent over our claim", CLAIM_OF("1.2", MINE), 's', true,
      "s|1.2|" MINE "|00000000000000f0|0|5|job|1|D" },
    { "sent over anything", RECORD("d", "9.9", THEIRS, "f0", "job|1", ""), 's', true,
      "s|1.2|" MINE "|00000000000000f0|0|5|job|1|D" },
};

static void marks_are_written_and_refused_by_the_rules(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < sizeof MARKS / sizeof MARKS[0]; i++) {
        put(w, MARKS[i].before, 30000);
        bool taken = mark(w, &SUBJECT, MARKS[i].mark, "D");
        if (taken != MARKS[i].taken)
            fail_msg("%s: got taken=%d, want %d", MARKS[i].name, taken, MARKS[i].taken);
        assert_value(w, MARKS[i].name, MARKS[i].after != NULL ? MARKS[i].after : MARKS[i].before);
        assert_string_equal(w->previous, "");
    }
}

static void a_renewal_starts_the_lease_again(void **state)
{
    struct world *w = *state;
    put(w, CLAIM_OF("1.2", MINE), 50000);
    assert_true(mark(w, &SUBJECT, 'n', NULL));
    struct dedup_subject other = SUBJECT;
    memcpy(other.token, THEIRS, sizeof other.token);
    assert_int_equal(claim(w, &other), DEDUP_PARK);
    assert_true(w->found.wait_ms > LEASE_MS - 5000 && w->found.wait_ms <= LEASE_MS);
}

static void a_second_acceptance_names_the_first(void **state)
{
    struct world *w = *state;
    struct dedup_subject other = SUBJECT;
    memcpy(other.token, THEIRS, sizeof other.token);
    mark(w, &SUBJECT, 's', "first");
    mark(w, &SUBJECT, 's', "first"); // the reply was lost
    assert_string_equal(w->previous, "");
    mark(w, &other, 's', "second");
    assert_string_equal(w->previous, "first");
    mark(w, &SUBJECT, 's', "");
    assert_string_equal(w->previous, "second");
    mark(w, &other, 's', "third");
    assert_string_equal(w->previous, "-");
}

static void a_claim_sent_twice_goes_twice(void **state)
{
    struct world *w = *state;
    assert_int_equal(claim(w, &SUBJECT), DEDUP_GO);
    assert_int_equal(claim(w, &SUBJECT), DEDUP_GO);
    assert_true(mark(w, &SUBJECT, 'f', "D"));
}

// ---- outages ----------------------------------------------------------------------------------------------

static void marks_are_written_again_when_redis_forgot_them(void **state)
{
    struct world *w = *state;
    struct dedup_subject second = SUBJECT, third = SUBJECT;
    second.key_hash = "second";
    third.key_hash = "third";
    claim(w, &SUBJECT);
    mark(w, &SUBJECT, 's', "p");
    claim(w, &second);
    mark(w, &second, 'f', "D");
    mark(w, &second, 'q', NULL);
    claim(w, &third);
    redis_kill(&w->redis);
    redis_start(&w->redis, NULL);
    int64_t start_ms = loop_now_ms(w->loop);
    assert_value(w, "sent",
                 "s|1.2|" MINE "|00000000000000f0|0|5|job|1|p"); // waited for the server to grow old
    int64_t waited_ms = loop_now_ms(w->loop) - start_ms;
    if (waited_ms < STORE_YOUNG_MS - 500)
        fail_msg("got on after %d ms, want the others to have %d", (int)waited_ms, STORE_YOUNG_MS);
    assert_int_equal(w->amnesia, 2);
    assert_string_equal(redis(w, "GET t:d:second"), "q|1.3|" MINE "|00000000000000f0|3|5|job|1|");
    assert_string_equal(redis(w, "GET t:d:third"),
                        "c|1.2|" MINE "|00000000000000f0|1|5|job|1|1000000,60000,w1");
}

static void a_repair_does_not_touch_what_is_newer(void **state)
{
    struct world *w = *state;
    struct dedup_subject second = SUBJECT;
    second.key_hash = "second";
    claim(w, &SUBJECT);
    claim(w, &second);
    redis(w, "SET " KEY " %s", "f|1.2|" THEIRS "|00000000000000f0|2|5|job|1|x");
    redis(w, "SET t:d:second %s", "s|1.2|" THEIRS "|00000000000000f0|0|5|job|1|x");
    dedup_repair(w->dedup);
    assert_value(w, "newer", "f|1.2|" THEIRS "|00000000000000f0|2|5|job|1|x");
    assert_string_equal(redis(w, "GET t:d:second"), "s|1.2|" THEIRS "|00000000000000f0|0|5|job|1|x");
}

static void a_claim_answered_too_late_is_made_again(void **state)
{
    struct world *w = *state;
    redis(w, "PING");
    w->config.worker.lease_ms = 1000;
    kill(w->redis.pid, SIGSTOP);
    dedup_claim(w->dedup, &SUBJECT, world_on_found, w);
    world_run(w, 700);
    kill(w->redis.pid, SIGCONT);
    world_wait(w);
    assert_int_equal(w->found.finding, DEDUP_GO);
    assert_value(w, "made twice", "c|1.2|" MINE "|00000000000000f0|2|5|job|1|1000000,60000,w1");
}

static void proceed_goes_on_without_redis_and_marks_later(void **state)
{
    struct world *w = *state;
    redis(w, "PING");
    w->config.dedup.on_unavailable = ON_UNAVAILABLE_PROCEED;
    redis_kill(&w->redis);
    while (store_is_up(w->store))
        world_run(w, 50);
    assert_int_equal(claim(w, &SUBJECT), DEDUP_UNAVAILABLE);
    struct dedup_subject short_lived = SUBJECT; // as the caller's is: gone once it was called back
    assert_true(mark(w, &short_lived, 's', "p"));
    memset(&short_lived, 0, sizeof short_lived);
    redis_start(&w->redis, NULL);
    assert_value(w, "mark", "s|1.2|" MINE "|00000000000000f0|0|5|job|1|p");
}

// ---- parts ------------------------------------------------------------------------------------------------

static void tokens_differ_even_between_parent_and_child(void **state)
{
    struct world *w = *state;
    char mine[DEDUP_TOKEN_SIZE], childs[DEDUP_TOKEN_SIZE] = "", first[DEDUP_TOKEN_SIZE];
    int ends[2];
    dedup_token(w->dedup, first);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dedup_token(w->dedup, mine);
        _exit(write(ends[1], mine, sizeof mine) == sizeof mine ? 0 : 1);
    }
    dedup_token(w->dedup, mine);
    assert_int_equal(read(ends[0], childs, sizeof childs), sizeof childs);
    waitpid(pid, NULL, 0);
    close(ends[0]);
    close(ends[1]);
    assert_string_not_equal(mine, first);
    assert_string_not_equal(mine, childs);
    assert_int_equal(strlen(mine), 16);
}

struct seen {
    int count, last;
    bool ordered;
};

static void see(void *arg, struct slice key, struct slice value)
{
    struct seen *s = arg;
    int n = atoi(key.ptr);
    s->ordered = s->ordered && n == s->last + 1 && value.len == (size_t)(n % 97);
    s->last = n;
    s->count++;
}

static void the_ring_keeps_the_last_seconds_in_order(void **state)
{
    (void)state;
    struct dedup_ring ring = { 0 };
    char key[16], value[97] = { 0 };
    for (int n = 1; n <= 20000; n++) {
        int len = snprintf(key, sizeof key, "%d|", n);
        dedup_ring_add(&ring, (struct slice){ key, (size_t)len }, (struct slice){ value, (size_t)(n % 97) },
                       n, 500);
    }
    struct seen s = { .last = 19499, .ordered = true };
    dedup_ring_each(&ring, see, &s);
    if (s.count != 501 || !s.ordered)
        fail_msg("got %d entries, ordered=%d, want the last 501 in order", s.count, s.ordered);
    dedup_ring_clear(&ring);
}

static void the_ring_is_bounded(void **state)
{
    (void)state;
    struct dedup_ring ring = { 0 };
    static char value[1000];
    for (int n = 1; n <= 50000; n++) {
        char key[16];
        int len = snprintf(key, sizeof key, "%d|", n);
        dedup_ring_add(&ring, (struct slice){ key, (size_t)len }, (struct slice){ value, sizeof value }, 1,
                       5000);
    }
    assert_true(ring.cap <= 16 << 20);
    assert_true(ring.len <= ring.cap && ring.len > ring.cap - 2000);
    dedup_ring_clear(&ring);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(claims_find_what_the_table_says),
        CASE(look_ups_find_the_same_and_claim_nothing),
        CASE(the_epoch_that_was_found_is_reported),
        CASE(marks_are_written_and_refused_by_the_rules),
        CASE(a_renewal_starts_the_lease_again),
        CASE(a_second_acceptance_names_the_first),
        CASE(a_claim_sent_twice_goes_twice),
        CASE(marks_are_written_again_when_redis_forgot_them),
        CASE(a_repair_does_not_touch_what_is_newer),
        CASE(a_claim_answered_too_late_is_made_again),
        CASE(proceed_goes_on_without_redis_and_marks_later),
        CASE(tokens_differ_even_between_parent_and_child),
        cmocka_unit_test(the_ring_keeps_the_last_seconds_in_order),
        cmocka_unit_test(the_ring_is_bounded),
    };
    return cmocka_run_group_tests_name("dedup", tests, NULL, NULL);
}
