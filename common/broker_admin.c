// SPDX-License-Identifier: Apache-2.0
// broker_admin: topics as they are and as they shall be (broker_ranges.c: how far they are written and read).
// Everything here blocks. A topic that was just created has no leaders yet, so creation waits for them.
//
// The mock broker has no admin API and would let us run into a timeout for each call; its cluster id gives it away.
// There topics can only be made by asking for them, with as many partitions as it likes.
#include "common/broker_internal.h"

#include "common/alloc.h"
#include "common/clock.h"
#include "common/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REQUEST_MS = BROKER_ADMIN_REQUEST_MS, LEADERS_MS = 5000, PAUSE_MS = 50 };

static const struct broker_setting FIXED[] = {
    { .key = "allow.auto.create.topics", .value = "false" },
    { .key = "isolation.level", .value = "read_uncommitted" }, // "latest" is the high watermark then
};

bool broker_admin_new(struct broker_admin **out, const struct config *c, struct err *e)
{
    struct broker_admin *a = xcalloc(1, sizeof *a);
    struct broker_conf conf;
    broker_conf_init(&conf, e);
    broker_conf_pairs(&conf, c);
    broker_conf_apply(&conf, FIXED, sizeof FIXED / sizeof FIXED[0]);
    if (!broker_client_open(&a->client, "admin", RD_KAFKA_PRODUCER, &conf)) {
        free(a);
        return false;
    }
    a->queue = rd_kafka_queue_new(a->client.rk);
    *out = a;
    return true;
}

void broker_admin_free(struct broker_admin *a)
{
    if (a == NULL)
        return;
    rd_kafka_queue_destroy(a->queue);
    rd_kafka_destroy(a->client.rk);
    free(a);
}

void broker_admin_pause(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = PAUSE_MS * 1000L * 1000 }, NULL);
}

static bool ask(struct broker_admin *a, struct err *e)
{
    if (!broker_client_await(&a->client, REQUEST_MS, e))
        return false;
    if (a->asked)
        return true;
    char *id = rd_kafka_clusterid(a->client.rk, REQUEST_MS);
    a->mock = id != NULL && strncmp(id, "mockCluster", strlen("mockCluster")) == 0;
    a->asked = true;
    if (id != NULL)
        rd_kafka_mem_free(a->client.rk, id);
    return true;
}

// All topics: asking for one that is missing could create it.
bool broker_admin_metadata(struct broker_admin *a, const struct rd_kafka_metadata **metadata, struct err *e)
{
    if (!ask(a, e))
        return false;
    rd_kafka_resp_err_t code = rd_kafka_metadata(a->client.rk, 1, NULL, metadata, REQUEST_MS);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
           err_set(e, broker_err_kind(code), "broker: %s: metadata: %s", a->client.address, rd_kafka_err2str(code));
}

const struct rd_kafka_metadata_topic *broker_admin_find(const struct rd_kafka_metadata *metadata, const char *name)
{
    for (int i = 0; i < metadata->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *topic = &metadata->topics[i];
        if (strcmp(topic->topic, name) == 0 && topic->err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            return topic;
    }
    return NULL;
}

rd_kafka_AdminOptions_t *broker_admin_options(struct broker_admin *a, rd_kafka_admin_op_t op)
{
    char why[128];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(a->client.rk, op);
    rd_kafka_AdminOptions_set_request_timeout(options, REQUEST_MS, why, sizeof why);
    if (op == RD_KAFKA_ADMIN_OP_CREATETOPICS || op == RD_KAFKA_ADMIN_OP_CREATEPARTITIONS)
        rd_kafka_AdminOptions_set_operation_timeout(options, LEADERS_MS, why, sizeof why);
    return options;
}

// The result of the request that was just made; the caller destroys the event.
bool broker_admin_result(struct broker_admin *a, const char *what, rd_kafka_event_t **event, struct err *e)
{
    *event = rd_kafka_queue_poll(a->queue, REQUEST_MS + CLOCK_SECOND_MS);
    rd_kafka_resp_err_t code = *event != NULL ? rd_kafka_event_error(*event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    err_set(e, broker_err_kind(code), "broker: %s: %s: %s", a->client.address, what,
            *event != NULL ? rd_kafka_event_error_string(*event) : rd_kafka_err2str(code));
    if (*event != NULL)
        rd_kafka_event_destroy(*event);
    *event = NULL;
    return false;
}

// ---- topics as they are -----------------------------------------------------------------------------------------

static void read_config(struct broker_topic_state *t, const char *name, const char *value)
{
    if (value == NULL)
        return;
    if (strcmp(name, "retention.ms") == 0)
        t->retention_ms = strtoll(value, NULL, 10);
    else if (strcmp(name, "retention.bytes") == 0)
        t->retention_bytes = strtoll(value, NULL, 10);
    else if (strcmp(name, "max.message.bytes") == 0)
        t->max_message_bytes = strtoll(value, NULL, 10);
    else if (strcmp(name, "min.insync.replicas") == 0)
        t->min_insync_replicas = (int)strtol(value, NULL, 10);
    else if (strcmp(name, "message.timestamp.type") == 0)
        t->log_append_time = strcmp(value, "LogAppendTime") == 0;
    else if (strcmp(name, "cleanup.policy") == 0) {
        t->compacted = strstr(value, "compact") != NULL;
        t->deleted = strstr(value, "delete") != NULL;
    }
}

static void read_resource(const rd_kafka_ConfigResource_t *resource, struct broker_topic_state *out, int count)
{
    size_t entries = 0;
    const rd_kafka_ConfigEntry_t **list = rd_kafka_ConfigResource_configs(resource, &entries);
    for (int i = 0; i < count; i++) {
        if (strcmp(out[i].name, rd_kafka_ConfigResource_name(resource)) != 0)
            continue;
        out[i].settings_known = entries > 0; // none when we are not allowed to
        for (size_t k = 0; k < entries; k++)
            read_config(&out[i], rd_kafka_ConfigEntry_name(list[k]), rd_kafka_ConfigEntry_value(list[k]));
    }
}

static bool describe_configs(struct broker_admin *a, struct broker_topic_state *out, int count, struct err *e)
{
    rd_kafka_ConfigResource_t **wanted = xcalloc((size_t)count, sizeof *wanted);
    size_t n = 0;
    for (int i = 0; i < count; i++)
        if (out[i].partitions > 0)
            wanted[n++] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, out[i].name);
    rd_kafka_event_t *event = NULL;
    bool ok = true;
    if (n > 0) {
        rd_kafka_AdminOptions_t *options = broker_admin_options(a, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
        rd_kafka_DescribeConfigs(a->client.rk, wanted, n, options, a->queue);
        rd_kafka_AdminOptions_destroy(options);
        ok = broker_admin_result(a, "describe topics", &event, e);
    }
    if (event != NULL) {
        size_t got = 0;
        const rd_kafka_ConfigResource_t **list =
            rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &got);
        for (size_t i = 0; i < got; i++)
            read_resource(list[i], out, count);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_ConfigResource_destroy_array(wanted, n);
    free(wanted);
    return ok;
}

bool broker_admin_describe(struct broker_admin *a, const char *const *names, int count,
                           struct broker_topic_state *out, struct err *e)
{
    const struct rd_kafka_metadata *metadata = NULL;
    if (!broker_admin_metadata(a, &metadata, e))
        return false;
    for (int i = 0; i < count; i++) {
        out[i] = (struct broker_topic_state){ .retention_ms = -1, .retention_bytes = -1, .max_message_bytes = -1 };
        snprintf(out[i].name, sizeof out[i].name, "%s", names[i]);
        const struct rd_kafka_metadata_topic *topic = broker_admin_find(metadata, names[i]);
        if (topic == NULL)
            continue;
        out[i].partitions = topic->partition_cnt;
        out[i].replication = topic->partition_cnt > 0 ? topic->partitions[0].replica_cnt : 0;
    }
    rd_kafka_metadata_destroy(metadata);
    return a->mock || describe_configs(a, out, count, e);
}

// ---- topics as they shall be ------------------------------------------------------------------------------------

static bool has_leaders(const struct rd_kafka_metadata_topic *topic)
{
    if (topic == NULL || topic->partition_cnt == 0)
        return false;
    for (int i = 0; i < topic->partition_cnt; i++)
        if (topic->partitions[i].leader < 0)
            return false;
    return true;
}

// What was created is usable a moment later. Not reaching that is no failure of ours.
static bool await_leaders(struct broker_admin *a, const char *name, int *partitions, struct err *e)
{
    int64_t deadline_ms = clock_mono_ms() + LEADERS_MS;
    for (bool ready = false; !ready && clock_mono_ms() < deadline_ms;) {
        const struct rd_kafka_metadata *metadata = NULL;
        if (!broker_admin_metadata(a, &metadata, e))
            return false;
        const struct rd_kafka_metadata_topic *topic = broker_admin_find(metadata, name);
        ready = has_leaders(topic);
        *partitions = topic != NULL ? topic->partition_cnt : 0;
        rd_kafka_metadata_destroy(metadata);
        if (!ready)
            broker_admin_pause();
    }
    return true;
}

// Any question about a topic makes the mock broker create it.
static bool create_on_mock(struct broker_admin *a, const struct topic_plan *plan, struct err *e)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(a->client.rk, plan->name, NULL);
    if (topic == NULL)
        return err_set(e, ERR_CONFIG, "broker: \"%s\" is not a topic name Kafka allows", plan->name);
    const struct rd_kafka_metadata *metadata = NULL;
    if (rd_kafka_metadata(a->client.rk, 0, topic, &metadata, REQUEST_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
    int partitions = 0;
    if (!await_leaders(a, plan->name, &partitions, e))
        return false;
    if (partitions == 0)
        return err_set(e, ERR_CONFIG, "broker: the mock broker cannot create %s: start it with --topics %s:%d",
                       plan->name, plan->name, plan->partitions);
    if (partitions != plan->partitions)
        log_warn("broker", "mock topic=%s partitions=%d wanted=%d", plan->name, partitions, plan->partitions);
    return true;
}

static rd_kafka_NewTopic_t *new_topic(const struct topic_plan *plan, int min_insync_replicas, struct err *e)
{
    char why[160], retention[24], bytes[24], insync[24];
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(plan->name, plan->partitions, plan->replication, why, sizeof why);
    if (topic == NULL) {
        err_set(e, ERR_CONFIG, "broker: create topic=%s: %s", plan->name, why);
        return NULL;
    }
    snprintf(retention, sizeof retention, "%lld", (long long)plan->retention_ms);
    snprintf(bytes, sizeof bytes, "%lld", (long long)plan->max_message_bytes);
    snprintf(insync, sizeof insync, "%d", min_insync_replicas);
    rd_kafka_NewTopic_set_config(topic, "retention.ms", retention);
    rd_kafka_NewTopic_set_config(topic, "max.message.bytes", bytes);
    rd_kafka_NewTopic_set_config(topic, "min.insync.replicas", insync);
    rd_kafka_NewTopic_set_config(topic, "cleanup.policy", plan->compacted ? "compact" : "delete");
    rd_kafka_NewTopic_set_config(topic, "message.timestamp.type",
                                 plan->log_append_time ? "LogAppendTime" : "CreateTime");
    return topic;
}

static bool read_topic_results(const rd_kafka_topic_result_t *const *list, size_t count, const char *what,
                               struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = rd_kafka_topic_result_error(list[i]);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            continue;
        const char *text = rd_kafka_topic_result_error_string(list[i]);
        return err_set(e, broker_err_kind(code), "broker: %s topic=%s: %s%s", what,
                       rd_kafka_topic_result_name(list[i]), text != NULL ? text : rd_kafka_err2str(code),
                       code == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR ? " (topics.replication)" : "");
    }
    return true;
}

bool broker_admin_create(struct broker_admin *a, const struct topic_plan *plan, int min_insync_replicas,
                         struct err *e)
{
    if (!ask(a, e))
        return false;
    if (a->mock)
        return create_on_mock(a, plan, e);
    rd_kafka_NewTopic_t *topic = new_topic(plan, min_insync_replicas, e);
    if (topic == NULL)
        return false;
    rd_kafka_AdminOptions_t *options = broker_admin_options(a, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_CreateTopics(a->client.rk, &topic, 1, options, a->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_event_t *event = NULL;
    if (!broker_admin_result(a, "create topics", &event, e))
        return false;
    size_t count = 0;
    const rd_kafka_topic_result_t **list =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    bool ok = read_topic_results(list, count, "create", e);
    rd_kafka_event_destroy(event);
    int partitions = 0;
    return ok && await_leaders(a, plan->name, &partitions, e);
}

bool broker_admin_add_partitions(struct broker_admin *a, const char *topic, int partitions, struct err *e)
{
    if (!ask(a, e))
        return false;
    if (a->mock)
        return err_set(e, ERR_CONFIG, "broker: the mock broker cannot widen %s: start it with --topics %s:%d", topic,
                       topic, partitions);
    char why[160];
    rd_kafka_NewPartitions_t *wanted = rd_kafka_NewPartitions_new(topic, (size_t)partitions, why, sizeof why);
    if (wanted == NULL)
        return err_set(e, ERR_CONFIG, "broker: widen topic=%s: %s", topic, why);
    rd_kafka_AdminOptions_t *options = broker_admin_options(a, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS);
    rd_kafka_CreatePartitions(a->client.rk, &wanted, 1, options, a->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewPartitions_destroy(wanted);
    rd_kafka_event_t *event = NULL;
    if (!broker_admin_result(a, "widen topics", &event, e))
        return false;
    size_t count = 0;
    const rd_kafka_topic_result_t **list =
        rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event), &count);
    bool ok = read_topic_results(list, count, "widen", e);
    rd_kafka_event_destroy(event);
    int now = 0;
    return ok && await_leaders(a, topic, &now, e);
}
