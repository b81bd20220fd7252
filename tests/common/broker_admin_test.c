// SPDX-License-Identifier: Apache-2.0
// LABEL: integration
// What tools learn about topics, and reading ranges to their end. With SENDFLEET_TEST_KAFKA=host:port the same
// promises are also checked on a real Kafka, where topics can be created and have settings.
#include "tests/common/broker_fixture.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static struct fixture fx;

static int start(void **state)
{
    (void)state;
    fixture_start(&fx);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_stop(&fx);
    return 0;
}

static struct broker_admin *open_admin(void)
{
    struct broker_admin *a = NULL;
    struct err e = { 0 };
    if (!broker_admin_new(&a, &fx.config, &e))
        fail_msg("got \"%s\", want an admin", e.text);
    return a;
}

static void publish(const char *topic, int32_t partition, int from, int count)
{
    struct broker_producer *p = NULL;
    struct err e = { 0 };
    struct receipts got = { 0 };
    assert_true(broker_producer_new(&p, &fx.config, BROKER_PUBLISH, &e));
    for (int i = from; i < from + count; i++) {
        char value[32];
        int len = snprintf(value, sizeof value, "%d", i);
        struct broker_message m = { .topic = topic, .partition = partition, .value = { value, (size_t)len } };
        assert_true(broker_produce(p, &m, receipts_count, &got, &e));
    }
    receipts_await(p, &got, count, 10000);
    assert_int_equal(got.ok, count);
    broker_producer_free(p, 1000);
}

static struct broker_range *ranges_of(struct broker_admin *a, const char *topic, const char *group, int want)
{
    struct broker_range *ranges = NULL;
    struct err e = { 0 };
    int count = 0;
    if (!broker_admin_ranges(a, &topic, 1, group, &ranges, &count, &e))
        fail_msg("got \"%s\", want ranges", e.text);
    assert_int_equal(count, want);
    return ranges;
}

// Reads everything; every partition's offsets must rise. Returns how many records came.
static int read_ranges(const struct broker_range *ranges, int count)
{
    struct broker_reader *r = NULL;
    struct err e = { 0 };
    if (!broker_reader_new(&r, &fx.config, ranges, count, &e))
        fail_msg("got \"%s\", want a reader", e.text);
    int64_t last[64];
    memset(last, -1, sizeof last);
    int n = 0, got;
    struct record *record = NULL;
    while ((got = broker_reader_next(r, 5000, &record, &e)) == 1) {
        if (record->offset <= last[record->partition])
            fail_msg("got offset %" PRId64 " after %" PRId64, record->offset, last[record->partition]);
        last[record->partition] = record->offset;
        for (int i = 0; i < count; i++)
            if (ranges[i].partition == record->partition)
                assert_in_range(record->offset, ranges[i].low, ranges[i].high - 1);
        record_free(record);
        n++;
    }
    if (got != 0)
        fail_msg("got \"%s\", want the end", e.text);
    broker_reader_free(r);
    return n;
}

static void topics_are_described_and_missing_ones_have_no_partitions(void **state)
{
    (void)state;
    fixture_topic(&fx, "three", 3);
    struct broker_admin *a = open_admin();
    struct broker_topic_state t[2];
    struct err e = { 0 };
    int64_t start_ms = clock_mono_ms();
    assert_true(broker_admin_describe(a, (const char *const[]){ "three", "none" }, 2, t, &e));
    if (clock_mono_ms() - start_ms > 2000)
        fail_msg("got an answer after %lld ms, want no waiting for an API the mock has not",
                 (long long)(clock_mono_ms() - start_ms));
    assert_string_equal(t[0].name, "three");
    assert_int_equal(t[0].partitions, 3);
    assert_int_equal(t[0].replication, 1);
    assert_int_equal(t[0].retention_ms, -1);
    assert_int_equal(t[1].partitions, 0);
    broker_admin_free(a);
}

static void the_mock_makes_a_topic_and_cannot_widen_it(void **state)
{
    (void)state;
    struct broker_admin *a = open_admin();
    struct topic_plan plan = { .name = "made", .partitions = 4, .replication = 1 };
    struct broker_topic_state t;
    struct err e = { 0 };
    assert_true(broker_admin_create(a, &plan, 1, &e));
    assert_true(broker_admin_create(a, &plan, 1, &e)); // twice is fine
    assert_true(broker_admin_describe(a, &plan.name, 1, &t, &e));
    assert_int_equal(t.partitions, 4);
    assert_false(broker_admin_add_partitions(a, "made", 8, &e));
    assert_int_equal(e.kind, ERR_CONFIG);
    broker_admin_free(a);
}

static void commit(const char *group, const char *topic, int32_t partition, int64_t offset)
{
    char why[128];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", fx.address, why, sizeof why);
    rd_kafka_conf_set(conf, "group.id", group, why, sizeof why);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
    assert_int_equal(rd_kafka_commit(rk, list, 0), 0);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
}

static void ranges_tell_what_is_written_and_what_a_group_has_read(void **state)
{
    (void)state;
    fixture_topic(&fx, "ranges", 3);
    publish("ranges", 0, 0, 10);
    publish("ranges", 2, 10, 5);
    struct broker_admin *a = open_admin();
    struct broker_range *r = ranges_of(a, "ranges", "nobody", 3);
    static const int64_t HIGH[] = { 10, 0, 5 };
    for (int i = 0; i < 3; i++) {
        assert_int_equal(r[i].partition, i);
        assert_int_equal(r[i].low, 0);
        assert_int_equal(r[i].high, HIGH[i]);
        assert_int_equal(r[i].committed, -1);
    }
    free(r);
    commit("somebody", "ranges", 0, 7);
    r = ranges_of(a, "ranges", "somebody", 3);
    assert_int_equal(r[0].committed, 7);
    assert_int_equal(r[2].committed, -1);
    free(r);

    const char *missing[] = { "ranges", "missing" };
    struct err e = { 0 };
    int count = 0;
    assert_false(broker_admin_ranges(a, missing, 2, NULL, &r, &count, &e));
    if (e.kind != ERR_CONFIG || strstr(e.text, "missing") == NULL)
        fail_msg("got kind %d \"%s\", want ERR_CONFIG naming the topic", e.kind, e.text);
    broker_admin_free(a);
}

static void a_reader_reads_its_snapshot_and_ends(void **state)
{
    (void)state;
    enum { PARTITIONS = 12 }; // more than are open at a time
    fixture_topic(&fx, "snapshot", PARTITIONS);
    for (int i = 0; i < PARTITIONS; i++)
        if (i != 5) // one is empty
            publish("snapshot", i, 0, 20 + i);
    struct broker_admin *a = open_admin();
    struct broker_range *r = ranges_of(a, "snapshot", NULL, PARTITIONS);
    publish("snapshot", 3, 1000, 50); // too late
    int want = 0;
    for (int i = 0; i < PARTITIONS; i++)
        want += (int)(r[i].high - r[i].low);
    assert_int_equal(read_ranges(r, PARTITIONS), want);

    r[0].low = 15;
    assert_int_equal(read_ranges(r, 1), 5);
    r[0].high = 1000; // more than there is: the partition's end is the end
    assert_int_equal(read_ranges(r, 1), 5);
    assert_int_equal(read_ranges(r, 0), 0);
    free(r);
    broker_admin_free(a);
}

static void a_broker_that_is_away_is_named_soon(void **state)
{
    (void)state;
    fixture_topic(&fx, "away", 1);
    publish("away", 0, 0, 10);
    struct broker_range range = { .topic = "away", .high = 10 };
    struct broker_reader *reader = NULL;
    struct record *record = NULL;
    struct err e = { 0 };
    rd_kafka_mock_broker_set_down(fx.mock, -1);
    struct broker_admin *a = open_admin();
    struct broker_topic_state t;
    const char *name = "away";
    int64_t start_ms = clock_mono_ms();
    assert_false(broker_admin_describe(a, &name, 1, &t, &e));
    int64_t took_ms = clock_mono_ms() - start_ms;
    if (e.kind != ERR_UNAVAILABLE || strstr(e.text, fx.address) == NULL || strstr(e.text, "refused") == NULL)
        fail_msg("got kind %d \"%s\", want ERR_UNAVAILABLE with address and reason", e.kind, e.text);
    if (took_ms > 6000)
        fail_msg("got the answer after %lld ms, want it soon", (long long)took_ms);
    assert_true(broker_reader_new(&reader, &fx.config, &range, 1, &e));
    assert_int_equal(broker_reader_next(reader, 1000, &record, &e), -1);
    if (e.kind != ERR_UNAVAILABLE || strstr(e.text, fx.address) == NULL)
        fail_msg("got kind %d \"%s\", want ERR_UNAVAILABLE with the address", e.kind, e.text);
    rd_kafka_mock_broker_set_up(fx.mock, -1);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(broker_reader_next(reader, 5000, &record, &e), 1);
        record_free(record);
    }
    assert_int_equal(broker_reader_next(reader, 5000, &record, &e), 0);
    broker_reader_free(reader);
    assert_true(broker_admin_describe(a, &name, 1, &t, &e));
    assert_int_equal(t.partitions, 1);
    broker_admin_free(a);
}

// ---- real Kafka -------------------------------------------------------------------------------------------------

static int use_kafka(void **state)
{
    const char *address = getenv("SENDFLEET_TEST_KAFKA");
    start(state);
    if (address == NULL)
        return 0;
    fx.config.kafka_count = 0;
    fixture_pair(&fx, "bootstrap.servers", address);
    snprintf(fx.address, sizeof fx.address, "%s", address);
    return 0;
}

static void on_kafka_topics_get_their_settings_and_receipts_the_append_time(void **state)
{
    (void)state;
    if (getenv("SENDFLEET_TEST_KAFKA") == NULL)
        skip();
    char name[64];
    snprintf(name, sizeof name, "admin-test-%d-%lld", (int)getpid(), (long long)clock_wall_ms());
    struct topic_plan plan = { .name = name, .partitions = 3, .replication = 1, .retention_ms = 86400000,
                               .max_message_bytes = 1200000, .log_append_time = true };
    struct broker_admin *a = open_admin();
    struct broker_topic_state t;
    struct err e = { 0 };
    if (!broker_admin_create(a, &plan, 1, &e) || !broker_admin_describe(a, &plan.name, 1, &t, &e))
        fail_msg("got \"%s\", want a topic", e.text);
    assert_int_equal(t.partitions, 3);
    assert_int_equal(t.retention_ms, 86400000);
    assert_int_equal(t.max_message_bytes, 1200000);
    assert_true(t.log_append_time && !t.compacted);
    assert_true(broker_admin_add_partitions(a, name, 5, &e));
    assert_true(broker_admin_create(a, &plan, 1, &e)); // exists: fine, and nothing changes
    assert_true(broker_admin_describe(a, &plan.name, 1, &t, &e));
    assert_int_equal(t.partitions, 5);

    struct broker_producer *p = NULL;
    struct receipts got = { 0 };
    assert_true(broker_producer_new(&p, &fx.config, BROKER_SETTLE, &e));
    struct broker_message m = { .topic = name, .partition = 4, .value = SLICE("v"), .timestamp_ms = 1700000000000 };
    int64_t before_ms = clock_wall_ms();
    assert_true(broker_produce(p, &m, receipts_count, &got, &e));
    receipts_await(p, &got, 1, 10000);
    assert_int_equal(got.ok, 1);
    assert_in_range(got.timestamp_ms, before_ms - 1, clock_wall_ms() + 1);
    char later[80];
    snprintf(later, sizeof later, "%s-later", name);
    m.topic = later;
    bool taken = broker_produce(p, &m, receipts_count, &got, &e); // not known yet: waits for metadata
    receipts_await(p, &got, 2, 40000);
    if (taken && (got.failed != 1 || got.err.kind != ERR_CONFIG))
        fail_msg("got %d failed, kind %d \"%s\", want ERR_CONFIG", got.failed, got.err.kind, got.err.text);
    assert_false(broker_produce(p, &m, receipts_count, &got, &e));
    assert_int_equal(e.kind, ERR_CONFIG);
    plan.name = later;
    plan.partitions = 5;
    assert_true(broker_admin_create(a, &plan, 1, &e));
    for (int64_t end_ms = clock_mono_ms() + 5000; !broker_produce(p, &m, receipts_count, &got, &e);) {
        if (clock_mono_ms() > end_ms)
            fail_msg("got \"%s\" for 5 s, want the new topic to be noticed", e.text);
        broker_producer_wait(p, 50);
    }
    receipts_await(p, &got, 3, 10000);
    assert_int_equal(got.ok, 2);
    broker_producer_free(p, 1000);
    fixture_pair(&fx, "linger.ms", "20");
    for (int i = 0; i < 5; i++)
        publish(name, i, 0, 1000);
    struct broker_range *r = ranges_of(a, name, "nobody", 5);
    assert_int_equal(read_ranges(r, 5), 5001);
    free(r);
    broker_admin_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(topics_are_described_and_missing_ones_have_no_partitions, start, stop),
        cmocka_unit_test_setup_teardown(the_mock_makes_a_topic_and_cannot_widen_it, start, stop),
        cmocka_unit_test_setup_teardown(ranges_tell_what_is_written_and_what_a_group_has_read, start, stop),
        cmocka_unit_test_setup_teardown(a_reader_reads_its_snapshot_and_ends, start, stop),
        cmocka_unit_test_setup_teardown(a_broker_that_is_away_is_named_soon, start, stop),
        cmocka_unit_test_setup_teardown(on_kafka_topics_get_their_settings_and_receipts_the_append_time, use_kafka,
                                        stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
