// SPDX-License-Identifier: Apache-2.0
// broker: Kafka (librdkafka), in the two shapes the programs need.
//
// A producer answers every record exactly once. A consumer hands out partitions, each with its own queue that is
// read only when its owner wants a record (not reading is the back-pressure), and offsets are stored by its owner.
// Nothing here blocks unless its name says so. One thread drives a handle through broker_*_poll; the descriptor
// becomes readable when there may be something to poll.
#ifndef COMMON_BROKER_H
#define COMMON_BROKER_H

#include "common/config.h"
#include "common/err.h"
#include "common/record.h"

// ---- producer -------------------------------------------------------------------------------------------------

struct broker_producer;

struct broker_receipt { // what became of one record
    bool ok;
    int32_t partition;
    int64_t offset;
    // The broker's append time where the topic has it (belts, events), else the record's; -1 unknown (the mock broker
    // has no sensible one).
    int64_t timestamp_ms;
    const struct err *err; // when !ok
};
typedef void (*broker_receipt_cb)(void *arg, const struct broker_receipt *receipt);

struct broker_message { // all borrowed during broker_produce
    const char *topic;
    int32_t partition; // -1: by key (murmur2, as the Java client does), or any
    struct slice key;  // ptr NULL: none
    struct slice value;
    const struct headers *headers; // may be NULL
    int64_t timestamp_ms; // 0: now
};

enum broker_producer_kind {
    BROKER_PUBLISH,  // publishers: throughput, delivery within delivery.timeout.ms
    BROKER_SETTLE,   // workers: retries and letters, low latency, waits for the broker without limit
    BROKER_JOURNAL,  // workers: events, batched (worker.events_linger_ms), waits without limit
};

MUST_CHECK bool broker_producer_new(struct broker_producer **p, const struct config *c, enum broker_producer_kind kind,
                                    struct err *e);
// Blocks up to timeout_ms for what is under way, then drops the rest (their receipts say !ok), then frees.
void broker_producer_free(struct broker_producer *p, int64_t timeout_ms);
int broker_producer_fd(const struct broker_producer *p);
int broker_producer_poll(struct broker_producer *p); // calls receipts; returns how many
int broker_producer_wait(struct broker_producer *p, int64_t timeout_ms); // as poll, but blocks for the first one
size_t broker_producer_pending(const struct broker_producer *p);
// A fatal client error: the process has to be restarted. NULL when there is none.
const char *broker_producer_fatal(const struct broker_producer *p);

// False: ERR_TRANSIENT = the local queue is full, poll and offer it again; anything else will not get better by
// itself (unknown topic: ERR_CONFIG, it is asked for again once a second, so offering it again works once somebody
// has created it; record too large: ERR_INPUT). True: the receipt will come.
MUST_CHECK bool broker_produce(struct broker_producer *p, const struct broker_message *m, broker_receipt_cb cb, void *arg,
                               struct err *e);

// ---- consumer group member ------------------------------------------------------------------------------------

struct broker_consumer;
struct broker_partition; // valid from on_assigned until broker_partition_release, or on_lost

struct broker_consumer_events {
    // A partition is ours. Its queue is separate and nothing is read until broker_partition_next.
    void (*on_assigned)(void *arg, struct broker_partition *p);
    // The group wants it back: stop starting, drain, broker_partition_store, then broker_partition_release (from in
    // here too). The group gets all partitions of one revoke together, when the last one is released, and until then
    // librdkafka delivers nothing on this handle, not even for partitions that stay: drain in seconds.
    void (*on_revoked)(void *arg, struct broker_partition *p);
    // It is gone already (session lost), revoked before or not: forget it, without storing or releasing. Valid
    // until return.
    void (*on_lost)(void *arg, struct broker_partition *p);
    void *arg;
};

struct broker_consumer_options {
    const char *group;
    const char *const *topics;
    int topic_count;
    int64_t prefetch_bytes; // per partition
    int fetch_wait_ms;
    const char *idle_topic; // a quiet topic that is read along at its end, so that librdkafka's fetcher never finds
                            // every queue full and sleeps for a second; not one of topics; NULL = none
};

MUST_CHECK bool broker_consumer_new(struct broker_consumer **c, const struct config *config,
                                    const struct broker_consumer_options *o, const struct broker_consumer_events *events,
                                    struct err *e);
// Becomes readable when one of the queues stops being empty, and only then: read a partition until it returns NULL,
// or remember that it has more.
int broker_consumer_fd(const struct broker_consumer *c);
// Serves rebalances and errors, hands over stored offsets. Call when the descriptor is readable and at least every
// second.
void broker_consumer_poll(struct broker_consumer *c);
const char *broker_consumer_fatal(const struct broker_consumer *c);

// Leaves the group: on_revoked comes for every partition; broker_consumer_closed turns true when all are released
// and committed (while no broker answers: after the session timeout of 6 s). Go on polling until then.
void broker_consumer_close(struct broker_consumer *c);
bool broker_consumer_closed(const struct broker_consumer *c);
// Any time; partitions still held are invalid afterwards, and the group waits for our session to end if we did not
// close. Records outlive it, except for their topic.
void broker_consumer_free(struct broker_consumer *c);

const char *broker_partition_topic(const struct broker_partition *p);
int32_t broker_partition_id(const struct broker_partition *p);
void broker_partition_set_owner(struct broker_partition *p, void *owner); // the caller's own state
void *broker_partition_owner(const struct broker_partition *p);
// The next record, owned by the caller, or NULL when there is none right now (the descriptor will tell).
struct record *broker_partition_next(struct broker_partition *p);
// offset: the next one to read after a restart (lowest unfinished). Committed in the background.
void broker_partition_store(struct broker_partition *p, int64_t offset);
void broker_partition_release(struct broker_partition *p);

// ---- administration and reading without a group (blocking; for tools and helper threads) ------------------------

// Each waits up to 10 s for an answer, 3 s where every connection is refused: ERR_UNAVAILABLE naming the address.
struct broker_admin;
MUST_CHECK bool broker_admin_new(struct broker_admin **a, const struct config *c, struct err *e);
void broker_admin_free(struct broker_admin *a);

struct broker_topic_state {
    char name[TOPIC_NAME_SIZE];
    int partitions; // 0 = does not exist
    int replication;
    bool settings_known; // false: what follows could not be read (not allowed, or the mock broker: no admin API)
    int64_t retention_ms, retention_bytes; // -1 = without limit
    int64_t max_message_bytes;
    int min_insync_replicas;
    bool compacted, deleted; // cleanup.policy, which may be both
    bool log_append_time;
};
MUST_CHECK bool broker_admin_describe(struct broker_admin *a, const char *const *names, int count,
                                      struct broker_topic_state *out, struct err *e);
// Returns when the topic has leaders. One that exists already is left as it is. The mock broker makes it with as many
// partitions as it likes (4), which is logged.
MUST_CHECK bool broker_admin_create(struct broker_admin *a, const struct topic_plan *plan, int min_insync_replicas,
                                    struct err *e);
MUST_CHECK bool broker_admin_add_partitions(struct broker_admin *a, const char *topic, int partitions, struct err *e);

struct broker_range { // one partition, from low (first kept) to high (next to be written)
    char topic[TOPIC_NAME_SIZE];
    int32_t partition;
    int64_t low, high;
    int64_t committed; // of the group asked for; -1 = none
};
// Ranges of all partitions of the topics, in order. group may be NULL. *count on success; *out is the caller's (free).
// A topic that does not exist: ERR_CONFIG. A few milliseconds for a hundred partitions.
MUST_CHECK bool broker_admin_ranges(struct broker_admin *a, const char *const *topics, int topic_count,
                                    const char *group, struct broker_range **out, int *count, struct err *e);

struct broker_reader; // reads given ranges, oldest first within a partition, and ends
MUST_CHECK bool broker_reader_new(struct broker_reader **r, const struct config *c, const struct broker_range *ranges,
                                  int count, struct err *e);
// 1: *record is the caller's; 0: all ranges are read; -1: failed, *e tells. Blocks; gives up after timeout_ms
// without any progress (ERR_UNAVAILABLE); calling it again goes on. Prefetches 64 MiB at most.
int broker_reader_next(struct broker_reader *r, int64_t timeout_ms, struct record **record, struct err *e);
void broker_reader_free(struct broker_reader *r);

#endif
