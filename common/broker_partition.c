// SPDX-License-Identifier: Apache-2.0
// broker_partition: one assigned partition with a queue of its own.
//
// owned -> (revoked ->) released, or lost from either. The queue is detached before the partition is assigned, so
// that not one record takes the common way. Errors come through the same queue; none of them ends the partition:
// librdkafka goes on by itself (a lost offset is reset to the earliest one), a person hears about it.
#include "common/broker_internal.h"

#include "common/alloc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct broker_partition *broker_partition_new(struct broker_consumer *c, const char *topic, int32_t id)
{
    struct broker_partition *p = xcalloc(1, sizeof *p);
    p->consumer = c;
    p->topic = broker_names_intern(&c->names, topic);
    p->id = id;
    p->queue = rd_kafka_queue_get_partition(c->client.rk, topic, id);
    rd_kafka_queue_forward(p->queue, NULL);
    broker_eventfd_watch(c->event_fd, p->queue);
    if (c->count == c->cap) {
        c->cap = c->cap > 0 ? 2 * c->cap : 16;
        c->list = xrealloc(c->list, c->cap * sizeof *c->list);
    }
    c->list[c->count++] = p;
    return p;
}

void broker_partition_free(struct broker_partition *p)
{
    struct broker_consumer *c = p->consumer;
    for (size_t i = 0; i < c->count; i++) {
        if (c->list[i] == p) {
            c->list[i] = c->list[--c->count];
            break;
        }
    }
    broker_eventfd_unwatch(p->queue);
    rd_kafka_queue_destroy(p->queue);
    free(p);
}

struct broker_partition *broker_partition_find(struct broker_consumer *c, const char *topic, int32_t id)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->list[i]->id == id && strcmp(c->list[i]->topic, topic) == 0)
            return c->list[i];
    return NULL;
}

const char *broker_partition_topic(const struct broker_partition *p)
{
    return p->topic;
}

int32_t broker_partition_id(const struct broker_partition *p)
{
    return p->id;
}

void broker_partition_set_owner(struct broker_partition *p, void *owner)
{
    p->owner = owner;
}

void *broker_partition_owner(const struct broker_partition *p)
{
    return p->owner;
}

struct record *broker_partition_next(struct broker_partition *p)
{
    for (;;) {
        rd_kafka_message_t *m = rd_kafka_consume_queue(p->queue, 0);
        if (m == NULL)
            return NULL;
        struct record *r = NULL;
        if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            r = broker_record_copy(m, p->topic);
        else if (m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
            broker_consumer_say(p->consumer, p->topic, p->id, m->err, rd_kafka_message_errstr(m));
        rd_kafka_message_destroy(m);
        if (r != NULL)
            return r;
    }
}

void broker_partition_store(struct broker_partition *p, int64_t offset)
{
    if (p->dirty && p->stored == offset)
        return;
    p->stored = offset;
    p->dirty = true;
}

void broker_partition_release(struct broker_partition *p)
{
    struct broker_consumer *c = p->consumer;
    assert(p->state == PARTITION_REVOKED);
    // the unassignment commits what librdkafka has: without this the next owner repeats the last records
    broker_consumer_store(c);
    broker_partition_free(p);
    broker_rebalance_released(c);
}
