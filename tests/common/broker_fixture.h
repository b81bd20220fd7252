// SPDX-License-Identifier: Apache-2.0
// A mock cluster inside the test's own process, and a configuration that points at it.
#ifndef TESTS_COMMON_BROKER_FIXTURE_H
#define TESTS_COMMON_BROKER_FIXTURE_H

#include "common/alloc.h"
#include "common/broker.h"
#include "common/clock.h"
#include "common/log.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct fixture {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *mock;
    struct config config;
    char address[256];
};

static inline void fixture_pair(struct fixture *f, const char *key, const char *value)
{
    f->config.kafka[f->config.kafka_count++] =
        (struct config_pair){ .key = (char *)(uintptr_t)key, .value = (char *)(uintptr_t)value };
}

static inline void fixture_start(struct fixture *f)
{
    char why[256];
    *f = (struct fixture){ 0 };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "3", NULL, 0);
    f->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    assert_non_null(f->rk);
    f->mock = rd_kafka_mock_cluster_new(f->rk, 1);
    assert_non_null(f->mock);
    snprintf(f->address, sizeof f->address, "%s", rd_kafka_mock_cluster_bootstraps(f->mock));
    f->config.max_job_bytes = 1024 * 1024;
    f->config.worker.events_linger_ms = 20;
    f->config.layout.partitions_other = 3;
    fixture_pair(f, "bootstrap.servers", f->address);
    log_set_level(getenv("SENDFLEET_TEST_DEBUG") != NULL ? LOG_DEBUG : LOG_ERROR);
}

static inline void fixture_stop(struct fixture *f)
{
    rd_kafka_mock_cluster_destroy(f->mock);
    rd_kafka_destroy(f->rk);
}

static inline void fixture_topic(struct fixture *f, const char *name, int partitions)
{
    assert_int_equal(rd_kafka_mock_topic_create(f->mock, name, partitions, 1), 0);
}

// What receipts said, for tests that count them.
struct receipts {
    int ok, failed;
    int32_t partition; // of the last
    int64_t offset, timestamp_ms;
    struct err err;
};

static inline void receipts_count(void *arg, const struct broker_receipt *r)
{
    struct receipts *got = arg;
    got->partition = r->partition;
    got->offset = r->offset;
    got->timestamp_ms = r->timestamp_ms;
    if (r->ok) {
        got->ok++;
        return;
    }
    got->failed++;
    got->err = *r->err;
}

static inline void receipts_await(struct broker_producer *p, struct receipts *got, int count, int64_t timeout_ms)
{
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    while (got->ok + got->failed < count && clock_mono_ms() < deadline_ms)
        broker_producer_wait(p, 100);
}

#endif
