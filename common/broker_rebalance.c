// SPDX-License-Identifier: Apache-2.0
// broker_rebalance: the group gives partitions and takes them back (cooperative protocol).
//
//   assign                     -> detach queues, incremental_assign, on_assigned each
//   revoke                     -> on_revoked each, and nothing else: the group waits for us (up to
//                                 max.poll.interval.ms) while the owner drains
//   last one of it is released -> offsets stored, incremental_unassign of the whole list, which commits
//   revoke, session lost       -> on_lost each, incremental_unassign at once, nothing stored
//   close                      -> a revoke of everything; when one is being answered already librdkafka would drop
//                                 the rest without a word after it, so the rest joins that answer (the idle topic
//                                 is left to librdkafka)
//
// While a revoke is being answered librdkafka has paused every partition of the handle, those that stay included
// (and thrown away what it had prefetched for them): a long drain is an idle worker.
//
// One revoke is answered by one incremental_unassign: librdkafka takes the first one it gets for the answer and
// would rejoin, so partitions of the same revoke that still drain could be read by two members. A list with one
// partition that does not exist any more is refused as a whole, therefore lost ones are taken off a pending list.
#include "common/broker_internal.h"

#include "common/log.h"

static void check(rd_kafka_error_t *error, const char *what)
{
    if (error == NULL)
        return;
    log_error("broker", "%s error=\"%s\"", what, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
}

static void add_idle(const struct broker_consumer *c, rd_kafka_topic_partition_list_t *parts)
{
    for (int i = 0; i < c->idle_partitions; i++)
        rd_kafka_topic_partition_list_add(parts, c->idle_topic, i)->offset = RD_KAFKA_OFFSET_END;
}

static void assign(struct broker_consumer *c, const rd_kafka_topic_partition_list_t *parts)
{
    for (int i = 0; i < parts->cnt; i++)
        broker_partition_new(c, parts->elems[i].topic, parts->elems[i].partition);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(parts);
    if (c->idle_topic != NULL && !c->idle_assigned && parts->cnt > 0) {
        add_idle(c, list);
        c->idle_assigned = true;
    }
    check(rd_kafka_incremental_assign(c->client.rk, list), "assign");
    rd_kafka_topic_partition_list_destroy(list);
    for (int i = 0; i < parts->cnt; i++)
        c->events.on_assigned(c->events.arg,
                              broker_partition_find(c, parts->elems[i].topic, parts->elems[i].partition));
}

static void finish(struct broker_consumer *c)
{
    rd_kafka_topic_partition_list_t *list = c->leaving;
    c->leaving = NULL;
    check(rd_kafka_incremental_unassign(c->client.rk, list), "unassign");
    rd_kafka_topic_partition_list_destroy(list);
}

void broker_rebalance_released(struct broker_consumer *c)
{
    if (--c->draining == 0 && c->leaving != NULL)
        finish(c);
}

static void revoke_one(struct broker_consumer *c, struct broker_partition *p)
{
    if (p == NULL || p->state == PARTITION_REVOKED)
        return;
    rd_kafka_topic_partition_list_add(c->leaving, p->topic, p->id);
    p->state = PARTITION_REVOKED;
    c->draining++;
    c->events.on_revoked(c->events.arg, p);
}

static void revoke(struct broker_consumer *c, const rd_kafka_topic_partition_list_t *parts)
{
    if (c->leaving == NULL)
        c->leaving = rd_kafka_topic_partition_list_new(parts->cnt);
    c->draining++; // ourselves: an owner may release from within on_revoked
    for (int i = 0; i < parts->cnt; i++)
        revoke_one(c, broker_partition_find(c, parts->elems[i].topic, parts->elems[i].partition));
    broker_rebalance_released(c);
}

static void lose(struct broker_consumer *c, rd_kafka_topic_partition_list_t *parts)
{
    for (int i = 0; i < parts->cnt; i++) {
        const rd_kafka_topic_partition_t *part = &parts->elems[i];
        struct broker_partition *p = broker_partition_find(c, part->topic, part->partition);
        if (c->leaving != NULL)
            rd_kafka_topic_partition_list_del(c->leaving, part->topic, part->partition);
        if (p == NULL)
            continue;
        if (p->state == PARTITION_REVOKED)
            c->draining--;
        c->events.on_lost(c->events.arg, p);
        broker_partition_free(p);
    }
    check(rd_kafka_incremental_unassign(c->client.rk, parts), "unassign lost");
    if (c->leaving != NULL && c->draining == 0)
        finish(c);
}

void broker_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *parts, void *opaque)
{
    struct broker_consumer *c = opaque;
    switch (code) {
    case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
        log_info("broker", "assigned partitions=%d", parts->cnt);
        assign(c, parts);
        break;
    case RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS:
        if (rd_kafka_assignment_lost(rk)) {
            log_warn("broker", "lost partitions=%d", parts->cnt);
            lose(c, parts);
        } else {
            log_info("broker", "revoked partitions=%d", parts->cnt);
            revoke(c, parts);
        }
        break;
    default:
        log_error("broker", "rebalance error=\"%s\"", rd_kafka_err2str(code));
        rd_kafka_assign(rk, NULL);
        break;
    }
}

void broker_rebalance_close(struct broker_consumer *c)
{
    if (c->leaving == NULL)
        return; // librdkafka will ask
    c->draining++;
    for (size_t i = c->count; i-- > 0;) // backwards: a release inside takes one off the list
        revoke_one(c, c->list[i]);
    broker_rebalance_released(c);
}
