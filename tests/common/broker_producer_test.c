// SPDX-License-Identifier: Apache-2.0
// LABEL: integration
// Every record is answered exactly once, whatever happens to the broker.
#include "tests/common/broker_fixture.h"

#include <string.h>

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

static struct broker_producer *open_producer(enum broker_producer_kind kind)
{
    struct broker_producer *p = NULL;
    struct err e = { 0 };
    if (!broker_producer_new(&p, &fx.config, kind, &e))
        fail_msg("got \"%s\", want a producer", e.text);
    return p;
}

static bool produce(struct broker_producer *p, const char *topic, const char *key, struct receipts *got, struct err *e)
{
    struct broker_message m = { .topic = topic, .partition = -1, .key = slice_of(key), .value = SLICE("value") };
    return broker_produce(p, &m, receipts_count, got, e);
}

static void every_record_is_answered_once_with_its_place(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    fixture_topic(&fx, "places", 1);
    for (int kind = BROKER_PUBLISH; kind <= BROKER_JOURNAL; kind++) {
        struct broker_producer *p = open_producer((enum broker_producer_kind)kind);
        struct receipts got = { 0 };
        struct err e = { 0 };
        for (int i = 0; i < COUNT; i++)
            assert_true(produce(p, "places", NULL, &got, &e));
        assert_int_equal(broker_producer_pending(p), COUNT);
        receipts_await(p, &got, COUNT, 10000);
        if (got.ok != COUNT || got.failed != 0 || broker_producer_pending(p) != 0)
            fail_msg("kind %d: got %d ok, %d failed, %zu pending, want %d ok", kind, got.ok, got.failed,
                     broker_producer_pending(p), COUNT);
        assert_int_equal(got.offset, (kind + 1) * COUNT - 1);
        if (got.timestamp_ms != -1) // the mock has no clock worth knowing
            fail_msg("got timestamp %lld, want -1", (long long)got.timestamp_ms);
        broker_producer_free(p, 1000);
    }
}

static void keys_choose_partitions_as_the_java_client_does(void **state)
{
    (void)state;
    // toPositive(murmur2(key)) % 5, hashes from Kafka's own UtilsTest
    static const struct {
        const char *key;
        int32_t partition;
    } CASES[] = { { "21", 0 }, { "foobar", 1 }, { "abc", 2 }, { "a-little-bit-long-string", 2 } };
    fixture_topic(&fx, "keys", 5);
    struct broker_producer *p = open_producer(BROKER_SETTLE);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct receipts got = { 0 };
        struct err e = { 0 };
        assert_true(produce(p, "keys", CASES[i].key, &got, &e));
        receipts_await(p, &got, 1, 10000);
        assert_int_equal(got.ok, 1);
        if (got.partition != CASES[i].partition)
            fail_msg("key %s: got partition %d, want %d", CASES[i].key, got.partition, CASES[i].partition);
    }
    broker_producer_free(p, 1000);
}

static void the_first_record_to_an_announced_topic_is_not_late(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct tiers tiers;
    assert_true(tiers_parse(&tiers, "1s,5s", &e));
    assert_true(topics_init(&fx.config.topics, "first", &tiers, &e));
    struct broker_producer *p = open_producer(BROKER_SETTLE);
    struct receipts got = { 0 };
    assert_true(produce(p, fx.config.topics.retry[0], NULL, &got, &e)); // connects
    receipts_await(p, &got, 1, 10000);
    int64_t start_ms = clock_mono_ms();
    assert_true(produce(p, fx.config.topics.fixed[TOPIC_DLQ], NULL, &got, &e));
    receipts_await(p, &got, 2, 10000);
    int64_t took_ms = clock_mono_ms() - start_ms;
    assert_int_equal(got.ok, 2);
    if (took_ms > 300)
        fail_msg("got the receipt after %lld ms, want less than 300", (long long)took_ms);
    broker_producer_free(p, 1000);
}

static void a_settling_producer_outwaits_an_outage(void **state)
{
    (void)state;
    fixture_topic(&fx, "outage", 1);
    struct broker_producer *p = open_producer(BROKER_SETTLE);
    struct receipts got = { 0 };
    struct err e = { 0 };
    assert_true(produce(p, "outage", NULL, &got, &e));
    receipts_await(p, &got, 1, 10000);
    rd_kafka_mock_broker_set_down(fx.mock, -1);
    assert_true(produce(p, "outage", NULL, &got, &e));
    receipts_await(p, &got, 2, 2000);
    assert_int_equal(got.ok + got.failed, 1);
    rd_kafka_mock_broker_set_up(fx.mock, -1);
    receipts_await(p, &got, 2, 20000);
    if (got.ok != 2)
        fail_msg("got %d ok and %d failed (%s), want 2 ok", got.ok, got.failed, got.err.text);
    broker_producer_free(p, 1000);
}

static void a_publisher_gives_up_after_its_delivery_timeout(void **state)
{
    (void)state;
    fixture_topic(&fx, "patience", 1);
    fixture_pair(&fx, "delivery.timeout.ms", "1000");
    struct broker_producer *p = open_producer(BROKER_PUBLISH);
    rd_kafka_mock_broker_set_down(fx.mock, -1);
    struct receipts got = { 0 };
    struct err e = { 0 };
    assert_true(produce(p, "patience", NULL, &got, &e));
    receipts_await(p, &got, 1, 10000);
    assert_int_equal(got.failed, 1);
    if (got.err.kind != ERR_UNAVAILABLE || strstr(got.err.text, "topic=patience") == NULL)
        fail_msg("got kind %d \"%s\", want ERR_UNAVAILABLE naming the topic", got.err.kind, got.err.text);
    broker_producer_free(p, 1000);
}

static void a_full_queue_is_transient_and_the_rest_still_goes_out(void **state)
{
    (void)state;
    fixture_topic(&fx, "full", 1);
    fixture_pair(&fx, "queue.buffering.max.messages", "10");
    rd_kafka_mock_broker_set_down(fx.mock, -1);
    struct broker_producer *p = open_producer(BROKER_SETTLE);
    struct receipts got = { 0 };
    struct err e = { 0 };
    int taken = 0;
    while (taken < 1000 && produce(p, "full", NULL, &got, &e))
        taken++;
    if (taken != 10 || e.kind != ERR_TRANSIENT)
        fail_msg("got %d records taken and kind %d \"%s\", want 10 and ERR_TRANSIENT", taken, e.kind, e.text);
    rd_kafka_mock_broker_set_up(fx.mock, -1);
    receipts_await(p, &got, taken, 20000);
    assert_int_equal(got.ok, taken);
    assert_true(produce(p, "full", NULL, &got, &e));
    receipts_await(p, &got, taken + 1, 10000);
    assert_int_equal(got.ok, taken + 1);
    broker_producer_free(p, 1000);
}

static void a_record_that_is_too_large_is_refused_at_once(void **state)
{
    (void)state;
    fixture_topic(&fx, "large", 1);
    struct broker_producer *p = open_producer(BROKER_SETTLE);
    size_t len = 20 * 1024 * 1024;
    char *value = xcalloc(1, len);
    struct broker_message m = { .topic = "large", .partition = -1, .value = { value, len } };
    struct receipts got = { 0 };
    struct err e = { 0 };
    assert_false(broker_produce(p, &m, receipts_count, &got, &e));
    assert_int_equal(e.kind, ERR_INPUT);
    m.value.len = 1024 * 1024 + 64 * 1024;
    assert_true(broker_produce(p, &m, receipts_count, &got, &e));
    receipts_await(p, &got, 1, 10000);
    assert_int_equal(got.ok, 1);
    free(value);
    broker_producer_free(p, 1000);
}

static void what_cannot_be_sent_before_the_end_is_answered_too(void **state)
{
    (void)state;
    fixture_topic(&fx, "end", 1);
    rd_kafka_mock_broker_set_down(fx.mock, -1);
    struct broker_producer *p = open_producer(BROKER_JOURNAL);
    struct receipts got = { 0 };
    struct headers headers = { 0 };
    headers_add(&headers, "sf-id", SLICE("a"));
    struct broker_message m = { .topic = "end", .partition = -1, .value = SLICE("v"), .headers = &headers };
    struct err e = { 0 };
    for (int i = 0; i < 600; i++)
        assert_true(broker_produce(p, &m, receipts_count, &got, &e));
    headers_clear(&headers);
    int64_t start_ms = clock_mono_ms();
    broker_producer_free(p, 200);
    int64_t took_ms = clock_mono_ms() - start_ms;
    if (got.failed != 600 || got.ok != 0)
        fail_msg("got %d failed and %d ok, want 600 failed", got.failed, got.ok);
    if (took_ms > 5000)
        fail_msg("got an end after %lld ms, want it bounded", (long long)took_ms);
}

static void settings_that_do_not_exist_are_named(void **state)
{
    (void)state;
    struct broker_producer *p = NULL;
    struct err e = { 0 };
    fixture_pair(&fx, "linger.mss", "5");
    assert_false(broker_producer_new(&p, &fx.config, BROKER_PUBLISH, &e));
    if (e.kind != ERR_CONFIG || strstr(e.text, "kafka.linger.mss") == NULL)
        fail_msg("got kind %d \"%s\", want ERR_CONFIG naming kafka.linger.mss", e.kind, e.text);
    fx.config.kafka_count = 0;
    assert_false(broker_producer_new(&p, &fx.config, BROKER_PUBLISH, &e));
    if (e.kind != ERR_CONFIG || strstr(e.text, "kafka.bootstrap.servers") == NULL)
        fail_msg("got kind %d \"%s\", want ERR_CONFIG naming kafka.bootstrap.servers", e.kind, e.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_record_is_answered_once_with_its_place, start, stop),
        cmocka_unit_test_setup_teardown(keys_choose_partitions_as_the_java_client_does, start, stop),
        cmocka_unit_test_setup_teardown(the_first_record_to_an_announced_topic_is_not_late, start, stop),
        cmocka_unit_test_setup_teardown(a_settling_producer_outwaits_an_outage, start, stop),
        cmocka_unit_test_setup_teardown(a_publisher_gives_up_after_its_delivery_timeout, start, stop),
        cmocka_unit_test_setup_teardown(a_full_queue_is_transient_and_the_rest_still_goes_out, start, stop),
        cmocka_unit_test_setup_teardown(a_record_that_is_too_large_is_refused_at_once, start, stop),
        cmocka_unit_test_setup_teardown(what_cannot_be_sent_before_the_end_is_answered_too, start, stop),
        cmocka_unit_test_setup_teardown(settings_that_do_not_exist_are_named, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
