// SPDX-License-Identifier: Apache-2.0
// A job's events become a timeline: folded, in order, in words.
#include "dlq-inspector/steps.h"
#include "tests/dlq-inspector/fixture.h"

static void add(struct steps *s, const struct event *ev, int64_t offset)
{
    struct buf value = { 0 };
    event_format(ev, &value);
    struct record shape = { .topic = "sendfleet.events", .offset = offset, .has_value = true, .value = buf_slice(&value) };
    steps_add_take(s, SLICE("job-1"), record_new(&shape, NULL, 0));
    buf_clear(&value);
}

static struct event event(enum event_type type, int64_t at_ms, uint32_t try_no)
{
    return (struct event){
        .type = type,
        .at_ms = at_ms,
        .job = SLICE("job-1"),
        .worker = SLICE("w1"),
        .epoch = { .try_no = try_no },
        .source_topic = "send-fleet.main",
        .source_partition = 3,
        .source_offset = 4711,
        .source_ms = at_ms - 20,
        .lateness_ms = -1,
    };
}

static void folds_and_orders(void **state)
{
    (void)state;
    struct steps s = { 0 };
    struct event first = event(EVENT_WAITING, NOW_MS, 0), second = event(EVENT_WAITING, NOW_MS + 5000, 1);
    struct event last = event(EVENT_ACCEPTED, NOW_MS + 9000, 2), other = event(EVENT_ACCEPTED, NOW_MS + 1, 0);
    first.wait = second.wait = WAIT_RETRY;
    other.job = SLICE("job-2");
    add(&s, &last, 0); // another worker's batch was faster
    add(&s, &first, 1);
    add(&s, &second, 2);
    add(&s, &other, 3);
    last.at_ms += 60000; // found again after a crash, and filed again
    last.refiled = true;
    add(&s, &last, 4);
    steps_sort(&s);
    expect_int("steps", (int64_t)s.count, 3);
    expect_int("the first step's time", s.list[0].ev.at_ms, NOW_MS);
    expect_int("the second step's try", s.list[1].ev.epoch.try_no, 1);
    expect_int("the last step", s.list[2].ev.type, EVENT_ACCEPTED);
    expect_int("its own time, not that of the copy", s.list[2].ev.at_ms, NOW_MS + 9000);
    expect_int("copies of it", s.list[2].copies, 1);
    expect_text("the topic it came from, dashes and all", slice_of(s.list[0].source_topic), "send-fleet.main");
    expect_int("the partition", s.list[0].ev.source_partition, 3);
    expect_int("the offset", s.list[0].ev.source_offset, 4711);
    expect_int("the time there", s.list[0].ev.source_ms, NOW_MS - 20);
    steps_clear(&s);
}

static void a_replay_begins_its_generation(void **state)
{
    (void)state;
    struct steps s = { 0 };
    struct event dead = event(EVENT_DEAD, NOW_MS + 4, 3), replayed = event(EVENT_REPLAYED, NOW_MS + 7, 0);
    struct event accepted = event(EVENT_ACCEPTED, NOW_MS + 2, 0); // a worker's clock that is behind
    replayed.epoch.generation = accepted.epoch.generation = 1;
    add(&s, &accepted, 0);
    add(&s, &replayed, 1);
    add(&s, &dead, 2);
    steps_sort(&s);
    expect_int("first", s.list[0].ev.type, EVENT_DEAD);
    expect_int("then", s.list[1].ev.type, EVENT_REPLAYED);
    expect_int("and where it is now", s.list[2].ev.type, EVENT_ACCEPTED);
    steps_clear(&s);
}

static void what_is_no_event_is_dropped(void **state)
{
    (void)state;
    static const char *const values[] = { "nonsense", "{}", "[]", "{\"event\":\"exploded\",\"job\":\"job-1\"}",
                                          "{\"event\":\"dead\",\"job\":17}" };
    struct steps s = { 0 };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct record shape = { .topic = "t", .has_value = true, .value = slice_of(values[i]) };
        steps_add_take(&s, SLICE("job-1"), record_new(&shape, NULL, 0));
    }
    expect_int("steps", (int64_t)s.count, 0);
    steps_clear(&s);
}

#define CONST(text) { "" text, sizeof(text) - 1 } // SLICE is no constant for a static initialiser

static const struct {
    const char *name;
    struct event ev; // job, worker and time are filled in
    const char *step, *now;
} WORDS[] = {
    { "a retry that is to come says when and why",
      { .type = EVENT_WAITING, .wait = WAIT_RETRY, .due_ms = 1700000012000, .tier = CONST("30s"), .code = 450,
        .enhanced = CONST("4.2.2"), .text = CONST("<ada@x.example> is full"), .class = FAILURE_MAILBOX_BUSY },
      "retry (mailbox_busy) on 30s until 2023-11-14T22:13:32.000Z: 450 4.2.2 <a***@x.example> is full [w1]",
      "waiting on retry.30s until 2023-11-14T22:13:32.000Z (in 12s), to be tried again: 450 4.2.2 <a***@x.example> is full" },
    { "a retry that is due belongs to a worker",
      { .type = EVENT_WAITING, .wait = WAIT_RETRY, .due_ms = 1699999998000, .tier = CONST("1s"), .text = CONST("refused") },
      "retry on 1s until 2023-11-14T22:13:18.000Z: refused [w1]",
      "waiting on retry.1s, due 2s ago; a worker has it or takes it next, to be tried again: refused" },
    { "accepted is said of the next hop only",
      { .type = EVENT_ACCEPTED, .transport = CONST("smtp"), .provider_id = CONST("250 q1"), .attempt_us = 12000 },
      "by the next hop, smtp, 250 q1, took 12 ms [w1]", "accepted by the next hop 10s ago" },
    { "a letter says its reason", { .type = EVENT_DEAD, .reason = CONST("permanent: no such user") },
      "permanent: no such user [w1]", "dead letter since 10s: permanent: no such user" },
    { "a duplicate names the job it duplicates", { .type = EVENT_DUPLICATE, .duplicate_of = CONST("job-0") },
      "dropped: duplicates job job-0 [w1]", "dropped as a duplicate of job job-0" },
    { "a replay says who and why", { .type = EVENT_REPLAYED, .detail = CONST("by ada@ops: outage over") },
      "by ada@ops: outage over [w1]", "sent back to its main topic by ada@ops: outage over; no worker has reported since" },
};

static void words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
        struct steps s = { 0 };
        struct buf out = { 0 };
        struct event ev = WORDS[i].ev;
        ev.job = SLICE("job-1");
        ev.worker = SLICE("w1");
        ev.at_ms = NOW_MS - 10000;
        ev.lateness_ms = -1;
        add(&s, &ev, 0);
        expect_int(WORDS[i].name, (int64_t)s.count, 1);
        step_describe(&s.list[0], false, &out);
        expect_text(WORDS[i].name, buf_slice(&out), WORDS[i].step);
        buf_reset(&out);
        steps_where(&s, NOW_MS, false, &out);
        expect_text(WORDS[i].name, buf_slice(&out), WORDS[i].now);
        buf_clear(&out);
        steps_clear(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds_and_orders),
        cmocka_unit_test(a_replay_begins_its_generation),
        cmocka_unit_test(what_is_no_event_is_dropped),
        cmocka_unit_test(words),
    };
    return cmocka_run_group_tests_name("steps", tests, NULL, NULL);
}
