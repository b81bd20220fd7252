// SPDX-License-Identifier: Apache-2.0
// LABEL: integration
#include "producer/publisher.h"

#include "tests/common/broker_fixture.h"

#include <string.h>

static struct fixture fx;

static int start(void **state)
{
    (void)state;
    struct tiers tiers = { 0 };
    struct err e;
    fixture_start(&fx);
    fixture_pair(&fx, "delivery.timeout.ms", "2000");
    if (!topics_init(&fx.config.topics, "t", &tiers, &e))
        return -1;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_stop(&fx);
    return 0;
}

static void create_topics(void)
{
    fixture_topic(&fx, "t.main", 2);
    fixture_topic(&fx, "t.main.critical", 1);
    fixture_topic(&fx, "t.main.bulk", 1);
}

static struct publisher *open_publisher(void)
{
    struct publisher *p = NULL;
    struct err e = { 0 };
    create_topics();
    if (!publisher_open(&p, &fx.config, &e))
        fail_msg("publisher_open: %s", e.text);
    return p;
}

struct got { // results, and the last one
    int counts[4];
    char id[140], key[260], topic[128], error[256];
    int32_t partition;
    int64_t offset;
    unsigned char *seen; // by number, where the numbers matter
};

struct mark {
    struct got *got;
    int number;
};

static void keep(struct got *g, const struct sendfleet_result *r)
{
    g->counts[r->status]++;
    g->partition = r->partition;
    g->offset = r->offset;
    snprintf(g->id, sizeof g->id, "%s", r->id);
    snprintf(g->key, sizeof g->key, "%s", r->idempotency_key);
    snprintf(g->topic, sizeof g->topic, "%s", r->topic);
    snprintf(g->error, sizeof g->error, "%s", r->error != NULL ? r->error : "");
}

static void on_result(void *arg, const struct sendfleet_result *r)
{
    keep(arg, r);
}

static void on_marked(void *arg, const struct sendfleet_result *r)
{
    struct mark *m = arg;
    m->got->seen[m->number]++;
    m->got->counts[r->status]++;
}

static enum sendfleet_status offer(struct publisher *p, const char *job, struct got *g)
{
    return publisher_offer(p, slice_of(job), on_result, g);
}

static void a_published_job_is_told_with_its_names_and_place(void **state)
{
    (void)state;
    static const struct {
        const char *job, *id, *key, *topic;
    } cases[] = {
        { "{\"v\":1,\"to\":\"a@b.c\",\"id\":\"one\",\"idempotency_key\":\"k\"}", "one", "k", "t.main" },
        // the key: SHA-256 of {"to":"a@b.c"}
        { "{\"v\":1,\"to\":\"a@b.c\",\"priority\":\"critical\"}", "t.main.critical-0-0",
          "5fbae3841fb4f233a3a4775a0edc224f3932dedd801eb3350131879430fbc0c7", "t.main.critical" },
        { "{\"v\":1,\"to\":\"a@b.c\",\"id\":\"two\",\"priority\":\"bulk\",\"idempotency_key\":\"\\u00e9\"}", "two",
          "\xc3\xa9", "t.main.bulk" },
    };
    struct publisher *p = open_publisher();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct got g = { 0 };
        assert_int_equal(offer(p, cases[i].job, &g), SENDFLEET_PUBLISHED);
        assert_int_equal(g.counts[SENDFLEET_PUBLISHED], 0); // not before it is acknowledged
        assert_int_equal(publisher_flush(p, 10000), 0);
        assert_int_equal(g.counts[SENDFLEET_PUBLISHED], 1);
        assert_string_equal(g.id, cases[i].id);
        assert_string_equal(g.key, cases[i].key);
        assert_string_equal(g.topic, cases[i].topic);
        assert_int_equal(g.offset, 0);
        assert_string_equal(g.error, "");
    }
    publisher_close(p, 0);
}

static void a_refused_job_is_told_at_once_by_the_names_that_can_be_read(void **state)
{
    (void)state;
    static const struct {
        const char *job, *id, *key, *says;
    } cases[] = {
        { "{\"v\":1,\"id\":\"one\",\"to\":\"nobody\",\"idempotency_key\":\"k\"}", "one", "k", "to: has no '@'" },
        { "{\"v\":1,\"id\":7,\"to\":\"a@b.c\"}", "", "", "id: has to be a string" },
        { "{\"v\":1,\"id\":\"a\\nb\",\"to\":\"a@b.c\"}", "", "", "id: contains a line break" },
        { "{\"v\":1,", "", "", "not JSON" },
        { "[1]", "", "", "object" },
        { "", "", "", "not JSON" },
        { "{\"v\":2,\"id\":\"one\",\"to\":\"a@b.c\"}", "one", "", "v: is not supported" },
    };
    struct publisher *p = open_publisher();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct got g = { 0 };
        assert_int_equal(offer(p, cases[i].job, &g), SENDFLEET_REFUSED);
        assert_int_equal(g.counts[SENDFLEET_REFUSED], 1);
        if (strcmp(g.id, cases[i].id) != 0 || strcmp(g.key, cases[i].key) != 0 || strstr(g.error, cases[i].says) == NULL)
            fail_msg("%s: got id \"%s\" key \"%s\" error \"%s\", want \"%s\", \"%s\" and \"%s\"", cases[i].job, g.id,
                     g.key, g.error, cases[i].id, cases[i].key, cases[i].says);
        assert_int_equal(g.offset, -1);
    }
    assert_int_equal(publisher_pending(p), 0);
    publisher_close(p, 0);
}

static void every_job_has_one_result_and_full_is_an_answer(void **state)
{
    (void)state;
    enum { COUNT = 60000 };
    static const char JOB[] = "{\"v\":1,\"to\":\"a@b.c\"}";
    struct publisher *p = open_publisher();
    struct got g = { .seen = xcalloc(COUNT, 1) };
    struct mark *marks = xcalloc(COUNT, sizeof *marks);
    int full = 0;
    for (int i = 0; i < COUNT; i++) {
        marks[i] = (struct mark){ .got = &g, .number = i };
        enum sendfleet_status s = publisher_offer(p, slice_of(JOB), on_marked, &marks[i]);
        for (; s == SENDFLEET_FULL; s = publisher_offer(p, slice_of(JOB), on_marked, &marks[i])) {
            full++;
            publisher_poll(p, 100);
        }
        assert_int_equal(s, SENDFLEET_PUBLISHED);
    }
    assert_int_equal(publisher_flush(p, 30000), 0);
    if (full == 0)
        fail_msg("never got FULL, want a bound on what is under way");
    assert_int_equal(g.counts[SENDFLEET_PUBLISHED], COUNT);
    for (int i = 0; i < COUNT; i++)
        if (g.seen[i] != 1)
            fail_msg("job %d: got %d results, want 1", i, g.seen[i]);
    publisher_close(p, 0);
    free(marks);
    free(g.seen);
}

static void a_broker_that_goes_away_fails_what_was_under_way(void **state)
{
    (void)state;
    struct publisher *p = open_publisher();
    struct got g = { 0 };
    assert_int_equal(offer(p, "{\"v\":1,\"to\":\"a@b.c\",\"id\":\"before\"}", &g), SENDFLEET_PUBLISHED);
    assert_int_equal(publisher_flush(p, 10000), 0);
    rd_kafka_mock_broker_set_down(fx.mock, 1);
    assert_int_equal(offer(p, "{\"v\":1,\"to\":\"a@b.c\",\"id\":\"after\"}", &g), SENDFLEET_PUBLISHED);
    assert_int_equal(publisher_flush(p, 10000), 0); // delivery.timeout.ms is two seconds here
    assert_int_equal(g.counts[SENDFLEET_PUBLISHED], 1);
    assert_int_equal(g.counts[SENDFLEET_FAILED], 1);
    assert_string_equal(g.id, "after");
    assert_int_equal(strlen(g.key), 64);
    if (strstr(g.error, "t.main") == NULL)
        fail_msg("got \"%s\", want it to name the topic", g.error);
    publisher_close(p, 0);
}

static void closing_gives_the_rest_its_result(void **state)
{
    (void)state;
    struct publisher *p = open_publisher();
    struct got g = { 0 };
    rd_kafka_mock_broker_set_down(fx.mock, 1);
    for (int i = 0; i < 100; i++)
        assert_int_equal(offer(p, "{\"v\":1,\"to\":\"a@b.c\"}", &g), SENDFLEET_PUBLISHED);
    publisher_close(p, 0);
    assert_int_equal(g.counts[SENDFLEET_FAILED], 100);
}

static void a_job_too_large_for_the_brokers_is_refused_not_failed(void **state)
{
    (void)state;
    struct publisher *p = open_publisher();
    struct got g = { 0 };
    struct buf job = { 0 };
    buf_puts(&job, "{\"v\":1,\"to\":\"a@b.c\",\"id\":\"big\",\"text\":\"");
    for (int i = 0; i < 1024 * 1024; i++)
        buf_putc(&job, 'x');
    buf_puts(&job, "\"}");
    assert_int_equal(publisher_offer(p, buf_slice(&job), on_result, &g), SENDFLEET_REFUSED);
    if (strstr(g.error, "1048576") == NULL)
        fail_msg("got \"%s\", want it to tell the limit", g.error);
    buf_clear(&job);
    publisher_close(p, 0);
}

static void opening_says_which_topic_is_missing(void **state)
{
    (void)state;
    struct publisher *p = NULL;
    struct err e = { 0 };
    fixture_topic(&fx, "t.main", 1);
    fixture_topic(&fx, "t.main.critical", 1);
    assert_false(publisher_open(&p, &fx.config, &e));
    assert_int_equal(e.kind, ERR_CONFIG);
    if (strstr(e.text, "t.main.bulk") == NULL || strstr(e.text, "sendfleet-producer topics") == NULL)
        fail_msg("got \"%s\", want the topic and what to do", e.text);
}

static void opening_without_a_broker_names_its_address(void **state)
{
    (void)state;
    struct publisher *p = NULL;
    struct err e = { 0 };
    create_topics();
    rd_kafka_mock_broker_set_down(fx.mock, 1);
    assert_false(publisher_open(&p, &fx.config, &e));
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    if (strstr(e.text, fx.address) == NULL)
        fail_msg("got \"%s\", want the address %s", e.text, fx.address);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_published_job_is_told_with_its_names_and_place, start, stop),
        cmocka_unit_test_setup_teardown(a_refused_job_is_told_at_once_by_the_names_that_can_be_read, start, stop),
        cmocka_unit_test_setup_teardown(every_job_has_one_result_and_full_is_an_answer, start, stop),
        cmocka_unit_test_setup_teardown(a_broker_that_goes_away_fails_what_was_under_way, start, stop),
        cmocka_unit_test_setup_teardown(closing_gives_the_rest_its_result, start, stop),
        cmocka_unit_test_setup_teardown(a_job_too_large_for_the_brokers_is_refused_not_failed, start, stop),
        cmocka_unit_test_setup_teardown(opening_says_which_topic_is_missing, start, stop),
        cmocka_unit_test_setup_teardown(opening_without_a_broker_names_its_address, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
