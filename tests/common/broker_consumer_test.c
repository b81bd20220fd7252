// SPDX-License-Identifier: Apache-2.0
// LABEL: integration
// A group's members: what they are given, what they give back, and that nothing is read twice in between.
#include "tests/common/broker_fixture.h"

#include <inttypes.h>
#include <string.h>

enum { PARTITIONS_MAX = 8, PAYLOADS_MAX = 4096 };

static struct fixture fx;

struct held { // a partition as its owner sees it
    struct member *member;
    struct broker_partition *partition;
    bool revoked;
};

struct member { // one consumer and what happened to it
    struct broker_consumer *consumer;
    struct held *held[PARTITIONS_MAX];
    int count, assigned, revoked, lost;
    bool hold; // do not release by itself
    bool late; // store only when asked to give a partition back
    int reads;
    unsigned char *seen; // by payload number; shared between members
    int64_t offset[PARTITIONS_MAX]; // last read, by partition
};

static unsigned char seen[PAYLOADS_MAX];

static int start(void **state)
{
    (void)state;
    memset(seen, 0, sizeof seen);
    fixture_start(&fx);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_stop(&fx);
    return 0;
}

static void forget(struct member *m, struct broker_partition *p)
{
    struct held *h = broker_partition_owner(p);
    for (int i = 0; i < m->count; i++) {
        if (m->held[i] == h) {
            m->held[i] = m->held[--m->count];
            break;
        }
    }
    free(h);
}

static void on_assigned(void *arg, struct broker_partition *p)
{
    struct member *m = arg;
    struct held *h = xcalloc(1, sizeof *h);
    *h = (struct held){ .member = m, .partition = p };
    broker_partition_set_owner(p, h);
    assert_true(m->count < PARTITIONS_MAX);
    m->held[m->count++] = h;
    m->assigned++;
    m->offset[broker_partition_id(p)] = -1;
}

static void on_revoked(void *arg, struct broker_partition *p)
{
    struct member *m = arg;
    m->revoked++;
    ((struct held *)broker_partition_owner(p))->revoked = true;
    if (m->hold)
        return;
    if (m->late)
        broker_partition_store(p, m->offset[broker_partition_id(p)] + 1);
    forget(m, p);
    broker_partition_release(p);
}

static void on_lost(void *arg, struct broker_partition *p)
{
    struct member *m = arg;
    m->lost++;
    forget(m, p);
}

static void join(struct member *m, const char *group, const char *topic, const char *idle)
{
    const char *topics[] = { topic };
    struct broker_consumer_options o = { .group = group,
                                         .topics = topics,
                                         .topic_count = 1,
                                         .prefetch_bytes = 1024 * 1024,
                                         .fetch_wait_ms = 10,
                                         .idle_topic = idle };
    struct broker_consumer_events events = {
        .on_assigned = on_assigned, .on_revoked = on_revoked, .on_lost = on_lost, .arg = m
    };
    struct err e = { 0 };
    m->seen = seen;
    if (!broker_consumer_new(&m->consumer, &fx.config, &o, &events, &e))
        fail_msg("got \"%s\", want a consumer", e.text);
}

static void take(struct member *m, const struct record *r)
{
    if (r->offset <= m->offset[r->partition])
        fail_msg("got offset %" PRId64 " after %" PRId64, r->offset, m->offset[r->partition]);
    m->offset[r->partition] = r->offset;
    int number = atoi(r->value.ptr); // values end with a blank
    assert_in_range(number, 0, PAYLOADS_MAX - 1);
    m->seen[number]++;
    m->reads++;
}

static void read_all(struct member *m)
{
    for (int i = 0; i < m->count; i++) {
        struct record *r;
        while (!m->held[i]->revoked && (r = broker_partition_next(m->held[i]->partition)) != NULL) {
            assert_int_equal(r->partition, broker_partition_id(m->held[i]->partition));
            take(m, r);
            if (!m->late)
                broker_partition_store(m->held[i]->partition, r->offset + 1);
            record_free(r);
        }
    }
}

// One turn of a program: sleep until something happens, serve it, read what is there.
static void turn(struct member *members, int count)
{
    struct pollfd fds[4];
    for (int i = 0; i < count; i++)
        fds[i] = (struct pollfd){ .fd = broker_consumer_fd(members[i].consumer), .events = POLLIN };
    poll(fds, (nfds_t)count, 100);
    for (int i = 0; i < count; i++) {
        broker_consumer_poll(members[i].consumer);
        read_all(&members[i]);
    }
}

static void turns(struct member *members, int count, int64_t span_ms)
{
    for (int64_t end_ms = clock_mono_ms() + span_ms; clock_mono_ms() < end_ms;)
        turn(members, count);
}

#define UNTIL(condition, members, count, seconds)                                                                    \
    do {                                                                                                             \
        int64_t deadline_ms = clock_mono_ms() + 1000 * (seconds);                                                    \
        while (!(condition)) {                                                                                       \
            if (clock_mono_ms() > deadline_ms)                                                                       \
                fail_msg("got tired after %d s, want " #condition, seconds);                                         \
            turn(members, count);                                                                                    \
        }                                                                                                            \
    } while (0)

static void leave(struct member *m)
{
    broker_consumer_close(m->consumer);
    UNTIL(broker_consumer_closed(m->consumer), m, 1, 10);
    broker_consumer_free(m->consumer);
}

static void publish(const char *topic, int from, int count)
{
    struct broker_producer *p = NULL;
    struct err e = { 0 };
    struct receipts got = { 0 };
    assert_true(broker_producer_new(&p, &fx.config, BROKER_PUBLISH, &e));
    for (int i = from; i < from + count; i++) {
        char value[32];
        int len = snprintf(value, sizeof value, "%d ", i);
        struct broker_message m = { .topic = topic, .partition = -1, .value = { value, (size_t)len } };
        m.key = (struct slice){ value, (size_t)len };
        assert_true(broker_produce(p, &m, receipts_count, &got, &e));
    }
    receipts_await(p, &got, count, 10000);
    assert_int_equal(got.ok, count);
    broker_producer_free(p, 1000);
}

static void each_once(int count)
{
    for (int i = 0; i < count; i++)
        if (seen[i] != 1)
            fail_msg("record %d: got it %d times, want once", i, seen[i]);
}

static void a_record_comes_as_it_was_produced(void **state)
{
    (void)state;
    fixture_topic(&fx, "whole", 1);
    struct broker_producer *p = NULL;
    struct err e = { 0 };
    struct receipts got = { 0 };
    assert_true(broker_producer_new(&p, &fx.config, BROKER_SETTLE, &e));
    struct headers h = { 0 };
    headers_add(&h, "sf-id", SLICE("a"));
    headers_add(&h, "empty", SLICE(""));
    headers_add_i64(&h, "sf-try", 7);
    struct broker_message full = { .topic = "whole", .partition = 0, .key = SLICE("key"), .value = SLICE("0 \0x"),
                                   .headers = &h, .timestamp_ms = 1700000000123 };
    struct broker_message bare = { .topic = "whole", .partition = 0, .key = SLICE("") };
    assert_true(broker_produce(p, &full, receipts_count, &got, &e));
    assert_true(broker_produce(p, &bare, receipts_count, &got, &e));
    headers_clear(&h);
    receipts_await(p, &got, 2, 10000);
    broker_producer_free(p, 1000);

    struct broker_consumer_options o = { .group = "whole", .topics = (const char *const[]){ "whole" },
                                         .topic_count = 1, .prefetch_bytes = 1 << 20, .fetch_wait_ms = 10 };
    struct member m = { 0 };
    struct broker_consumer_events events = { on_assigned, on_revoked, on_lost, &m };
    assert_true(broker_consumer_new(&m.consumer, &fx.config, &o, &events, &e));
    struct record *r[2] = { NULL, NULL };
    int64_t deadline_ms = clock_mono_ms() + 15000;
    for (int n = 0; n < 2 && clock_mono_ms() < deadline_ms;) {
        poll(&(struct pollfd){ .fd = broker_consumer_fd(m.consumer), .events = POLLIN }, 1, 100);
        broker_consumer_poll(m.consumer);
        while (m.count > 0 && n < 2 && (r[n] = broker_partition_next(m.held[0]->partition)) != NULL)
            n++;
    }
    assert_non_null(r[1]);
    assert_string_equal(r[0]->topic, "whole");
    assert_int_equal(r[0]->timestamp_ms, 1700000000123);
    assert_true(slice_is(r[0]->key, "key"));
    assert_true(slice_eq(r[0]->value, SLICE("0 \0x")));
    assert_int_equal(r[0]->header_count, 3);
    assert_true(slice_is(record_header(r[0], "sf-try"), "7"));
    assert_true(slice_is(record_header(r[0], "empty"), ""));
    assert_true(r[1]->has_key && !r[1]->has_value);
    assert_int_equal(r[1]->offset, 1);
    assert_int_equal(r[1]->header_count, 0);
    leave(&m);
    record_free(r[0]);
    record_free(r[1]);
}

static void what_was_stored_is_not_read_again(void **state)
{
    (void)state;
    fixture_topic(&fx, "resume", 3);
    publish("resume", 0, 300);
    struct member first = { 0 };
    join(&first, "resume", "resume", NULL);
    UNTIL(first.reads == 300, &first, 1, 15);
    leave(&first);
    assert_int_equal(first.assigned, 3);
    assert_int_equal(first.revoked, 3);
    publish("resume", 300, 30);
    struct member second = { .late = true };
    join(&second, "resume", "resume", NULL);
    UNTIL(second.reads >= 30, &second, 1, 15);
    leave(&second);
    publish("resume", 330, 30);
    struct member third = { 0 };
    join(&third, "resume", "resume", NULL);
    UNTIL(third.reads >= 30, &third, 1, 15);
    leave(&third);
    each_once(360);
}

static void a_handover_waits_for_the_last_release_and_repeats_nothing(void **state)
{
    (void)state;
    fixture_topic(&fx, "hand", 4);
    fixture_topic(&fx, "quiet", 3);
    publish("hand", 0, 400);
    struct member m[2] = { { .hold = true }, { 0 } };
    join(&m[0], "hand", "hand", "quiet");
    UNTIL(m[0].reads == 400, m, 1, 15);
    turns(m, 1, 800); // committed: the mock, unlike Kafka, may refuse commits in the middle of a rebalance
    join(&m[1], "hand", "hand", NULL);
    UNTIL(m[0].revoked == 2, m, 2, 30);

    publish("hand", 400, 400); // half of it for partitions that move
    struct held *draining[2];
    int n = 0;
    for (int i = 0; i < m[0].count; i++)
        if (m[0].held[i]->revoked)
            draining[n++] = m[0].held[i];
    assert_int_equal(n, 2);
    struct broker_partition *p = draining[0]->partition;
    forget(&m[0], p);
    broker_partition_release(p);
    turns(m, 2, 1500);
    if (m[1].assigned != 0)
        fail_msg("got %d partitions handed over while one still drains, want 0", m[1].assigned);
    p = draining[1]->partition;
    forget(&m[0], p);
    broker_partition_release(p);
    UNTIL(m[1].assigned == 2 && m[0].reads + m[1].reads >= 800, m, 2, 30);
    m[0].hold = false;
    leave(&m[1]);
    leave(&m[0]);
    each_once(800);
}

static void a_close_in_the_middle_of_a_handover_asks_for_every_partition(void **state)
{
    (void)state;
    fixture_topic(&fx, "midway", 4);
    fixture_topic(&fx, "quiet", 3);
    publish("midway", 0, 40);
    struct member m[2] = { { .hold = true }, { 0 } };
    join(&m[0], "midway", "midway", "quiet");
    UNTIL(m[0].reads == 40, m, 1, 15);
    turns(m, 1, 800);
    join(&m[1], "midway", "midway", NULL);
    UNTIL(m[0].revoked == 2, m, 2, 30);
    broker_consumer_close(m[0].consumer);
    assert_int_equal(m[0].revoked, 4);
    turns(m, 2, 300);
    assert_false(broker_consumer_closed(m[0].consumer));
    while (m[0].count > 0) {
        struct broker_partition *p = m[0].held[0]->partition;
        forget(&m[0], p);
        broker_partition_release(p);
    }
    UNTIL(broker_consumer_closed(m[0].consumer), m, 2, 10);
    broker_consumer_free(m[0].consumer);
    publish("midway", 40, 40);
    UNTIL(m[1].reads >= 40, &m[1], 1, 30);
    leave(&m[1]);
    each_once(80);
}

static void a_member_the_group_forgot_loses_its_partitions_and_comes_back(void **state)
{
    (void)state;
    fixture_topic(&fx, "lost", 2);
    publish("lost", 0, 20);
    struct member m = { 0 };
    join(&m, "lost", "lost", NULL);
    UNTIL(m.reads == 20, &m, 1, 15);
    enum { HEARTBEAT = 12 };
    rd_kafka_mock_push_request_errors(fx.mock, HEARTBEAT, 1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
    UNTIL(m.lost == 2, &m, 1, 20);
    assert_int_equal(m.revoked, 0);
    UNTIL(m.assigned == 4, &m, 1, 30);
    publish("lost", 20, 20);
    UNTIL(m.reads >= 40, &m, 1, 15);
    leave(&m);
}

static void the_idle_topic_is_read_along_and_never_shown(void **state)
{
    (void)state;
    fixture_topic(&fx, "busy", 2);
    fixture_topic(&fx, "quiet", 2); // of the three that are asked for
    publish("busy", 0, 20);
    struct member m = { 0 };
    join(&m, "busy", "busy", "quiet");
    UNTIL(m.reads == 20, &m, 1, 15);
    publish("quiet", 1000, 100);
    publish("busy", 20, 20);
    UNTIL(m.reads >= 40, &m, 1, 15);
    turns(&m, 1, 300);
    assert_int_equal(m.reads, 40);
    assert_int_equal(m.assigned, 2);
    leave(&m);
    assert_int_equal(m.revoked, 2);
    each_once(40);
}

static void a_partition_nobody_reads_holds_back_no_other(void **state)
{
    (void)state;
    fixture_topic(&fx, "fair", 2);
    publish("fair", 0, 200);
    struct member m = { 0 };
    join(&m, "fair", "fair", NULL);
    UNTIL(m.count == 2, &m, 1, 15);
    m.held[0]->revoked = true; // not read any more, from the beginning
    publish("fair", 200, 2000);
    int64_t deadline_ms = clock_mono_ms() + 5000;
    int before = m.reads;
    while (m.reads < before + 500 && clock_mono_ms() < deadline_ms)
        turn(&m, 1);
    if (m.reads < before + 500)
        fail_msg("got %d records of the other partition, want about half of 2000", m.reads - before);
    leave(&m);
}

static void an_end_without_a_broker_is_quick(void **state)
{
    (void)state;
    fixture_topic(&fx, "away", 2);
    publish("away", 0, 20);
    struct member m = { 0 };
    join(&m, "away", "away", "away-idle");
    UNTIL(m.reads == 20, &m, 1, 15);
    rd_kafka_mock_broker_set_down(fx.mock, -1);
    int64_t start_ms = clock_mono_ms();
    broker_consumer_close(m.consumer);
    while (!broker_consumer_closed(m.consumer) && clock_mono_ms() - start_ms < 2000)
        turn(&m, 1);
    broker_consumer_free(m.consumer);
    int64_t took_ms = clock_mono_ms() - start_ms;
    for (; m.count > 0; m.count--)
        free(m.held[m.count - 1]);
    if (took_ms > 9000) // session.timeout.ms is how long librdkafka waits for a coordinator
        fail_msg("got an end after %lld ms, want less than 9000", (long long)took_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_record_comes_as_it_was_produced, start, stop),
        cmocka_unit_test_setup_teardown(what_was_stored_is_not_read_again, start, stop),
        cmocka_unit_test_setup_teardown(a_handover_waits_for_the_last_release_and_repeats_nothing, start, stop),
        cmocka_unit_test_setup_teardown(a_close_in_the_middle_of_a_handover_asks_for_every_partition, start, stop),
        cmocka_unit_test_setup_teardown(a_member_the_group_forgot_loses_its_partitions_and_comes_back, start, stop),
        cmocka_unit_test_setup_teardown(the_idle_topic_is_read_along_and_never_shown, start, stop),
        cmocka_unit_test_setup_teardown(a_partition_nobody_reads_holds_back_no_other, start, stop),
        cmocka_unit_test_setup_teardown(an_end_without_a_broker_is_quick, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
