// SPDX-License-Identifier: Apache-2.0
// broker_internal: what the broker_*.c files share. The only header that knows librdkafka's types; nothing outside
// common/broker*.c may include it.
#ifndef COMMON_BROKER_INTERNAL_H
#define COMMON_BROKER_INTERNAL_H

#include "common/broker.h"

#include <librdkafka/rdkafka.h>

// ---- client: one librdkafka handle, and its connection's state as a person would tell it ------------------------

enum { BROKER_ADDRESS_SIZE = 128, BROKER_REASON_SIZE = 176 };

struct broker_client { // first member of what owns it: librdkafka's callbacks get its address
    rd_kafka_t *rk;
    const char *role; // literal, for logs: "settle", "consumer"
    char address[BROKER_ADDRESS_SIZE]; // bootstrap.servers, cut
    char reason[BROKER_REASON_SIZE];   // of the last connection error
    char fatal[BROKER_REASON_SIZE];    // "" = none
    bool lost;    // no broker is connected; said once
    bool refused; // credentials or TLS do not fit; said once
    int64_t checked_ms; // monotonic, when it was last asked whether it is back
};

// Settings being put together. The first failure sticks and is reported by broker_client_open.
struct broker_conf {
    rd_kafka_conf_t *rk; // owned until broker_client_open took it
    struct err *e;
    bool ok;
};

struct broker_setting {
    const char *key, *value;
    bool optional; // newer than librdkafka 2.0: left out where it is not known
};

// Order decides: what was set later wins. Defaults of ours, the user's kafka.* pairs, then what is fixed.
void broker_conf_init(struct broker_conf *b, struct err *e);
void broker_conf_apply(struct broker_conf *b, const struct broker_setting *settings, size_t count);
void broker_conf_number(struct broker_conf *b, const char *key, int64_t value);
void broker_conf_pairs(struct broker_conf *b, const struct config *c);

// Ends the life of *b in either case. False: ERR_CONFIG.
MUST_CHECK bool broker_client_open(struct broker_client *c, const char *role, rd_kafka_type_t type,
                                   struct broker_conf *b);
// Says so once when a lost connection is back. Call it on every poll, it is free while nothing is lost.
void broker_client_check(struct broker_client *c);
// Waits until any broker answers; false when none does: ERR_UNAVAILABLE, or ERR_CONFIG when we are refused.
MUST_CHECK bool broker_client_await(struct broker_client *c, int64_t timeout_ms, struct err *e);

// An eventfd that librdkafka's queues write to, and its reset.
MUST_CHECK bool broker_eventfd(int *fd, struct err *e);
void broker_eventfd_watch(int fd, rd_kafka_queue_t *queue);
void broker_eventfd_unwatch(rd_kafka_queue_t *queue);
void broker_eventfd_drain(int fd);

// The one place where librdkafka's codes become kinds.
enum err_kind broker_err_kind(rd_kafka_resp_err_t code);

// ---- messages ---------------------------------------------------------------------------------------------------

// Copies a message into a record of ours, so that its fetch buffer can go (a held message pins megabytes).
struct record *broker_record_copy(const rd_kafka_message_t *m, const char *topic);

// Names of topics that records borrow.
struct broker_names {
    char **list; // owned
    size_t count;
};
const char *broker_names_intern(struct broker_names *n, const char *name);
void broker_names_clear(struct broker_names *n);

// ---- consumer and its partitions --------------------------------------------------------------------------------

enum broker_partition_state {
    PARTITION_OWNED,
    PARTITION_REVOKED, // its owner drains it
};

struct broker_partition {
    struct broker_consumer *consumer;
    const char *topic; // interned in the consumer
    int32_t id;
    enum broker_partition_state state;
    rd_kafka_queue_t *queue; // owned reference
    void *owner;
    int64_t stored; // what librdkafka shall commit
    bool dirty;     // stored was not told to librdkafka yet
};

struct broker_consumer {
    struct broker_client client;
    struct broker_consumer_events events;
    int event_fd;
    rd_kafka_queue_t *queue;       // rebalances, errors, the idle topic
    rd_kafka_queue_t *close_queue; // instead of queue, once closing
    struct broker_names names;
    char *idle_topic; // NULL = none
    int idle_partitions;
    bool idle_assigned;
    struct broker_partition **list; // ours and draining ones
    size_t count, cap;
    rd_kafka_topic_partition_list_t *leaving; // the revoke being answered; NULL = none
    size_t draining; // partitions of it that are not released yet (plus one inside the callback)
    int64_t stored_ms; // monotonic, when stored offsets were last handed over
    rd_kafka_resp_err_t said; // the last error logged, so that one trouble is one line
    int64_t said_ms;
};

// Detaches the partition's queue; must come before the assignment.
struct broker_partition *broker_partition_new(struct broker_consumer *c, const char *topic, int32_t id);
void broker_partition_free(struct broker_partition *p); // also takes it off its consumer's list
struct broker_partition *broker_partition_find(struct broker_consumer *c, const char *topic, int32_t id);
// Hands stored offsets to librdkafka, which commits them in the background.
void broker_consumer_store(struct broker_consumer *c);
void broker_consumer_say(struct broker_consumer *c, const char *topic, int32_t id, rd_kafka_resp_err_t code,
                         const char *text);

// ---- administration ---------------------------------------------------------------------------------------------

enum { BROKER_ADMIN_REQUEST_MS = 10000 };

struct broker_admin {
    struct broker_client client; // first: librdkafka's opaque
    rd_kafka_queue_t *queue;     // results
    bool asked;                  // a broker answered once, mock is known
    bool mock;
};

// All topics: asking for one that is missing could create it.
MUST_CHECK bool broker_admin_metadata(struct broker_admin *a, const struct rd_kafka_metadata **metadata,
                                      struct err *e);
const struct rd_kafka_metadata_topic *broker_admin_find(const struct rd_kafka_metadata *metadata, const char *name);
rd_kafka_AdminOptions_t *broker_admin_options(struct broker_admin *a, rd_kafka_admin_op_t op);
// The result of the request that was just made; the caller destroys the event.
MUST_CHECK bool broker_admin_result(struct broker_admin *a, const char *what, rd_kafka_event_t **event,
                                    struct err *e);
void broker_admin_pause(void); // before asking again

// ---- rebalances -------------------------------------------------------------------------------------------------

// broker_rebalance.c: librdkafka's rebalance callback, and the answer to a revoke.
void broker_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *parts, void *opaque);
void broker_rebalance_released(struct broker_consumer *c);
void broker_rebalance_close(struct broker_consumer *c); // before librdkafka is told to close

#endif
