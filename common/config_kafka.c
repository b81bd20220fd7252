// SPDX-License-Identifier: Apache-2.0
// config_kafka: the pass-through to the Kafka client, and what does not pass.
//
// Whatever the client library knows may be set, because clusters differ in ways we cannot list (security, tuning).
// Not what the promises rest on: those keys are refused with the reason, so that nobody believes to have changed
// something. Passwords are secrets like all others.
#include "common/config_keys.h"

#include "common/alloc.h"

#include <stdlib.h>

static const struct fixed {
    const char *name, *reason;
} FIXED[] = {
    { "enable.auto.offset.store", "an offset is stored when its job is settled" },
    { "enable.auto.commit", "settled offsets are committed by the worker" },
    { "auto.commit.enable", "settled offsets are committed by the worker" },
    { "auto.offset.reset", "a new group starts at the oldest record, or jobs are lost" },
    { "allow.auto.create.topics", "topics are created by \"sendfleet-producer topics\", with the right settings" },
    { "partition.assignment.strategy", "partitions move one by one (cooperative-sticky)" },
    { "session.timeout.ms", "it is tuned together with the lease of a claim" },
    { "heartbeat.interval.ms", "it is tuned together with the lease of a claim" },
    { "enable.idempotence", "records are written once and in order" },
    { "acks", "a record counts when all in-sync replicas have it" },
    { "request.required.acks", "a record counts when all in-sync replicas have it" },
    { "transactional.id", "the settle order takes the place of transactions" },
    { "partitioner", "a key has to land where every other client puts it" },
    { "group.id", "it is <prefix>.main and <prefix>.retry; change prefix" },
    { "group.instance.id", "workers are alike and come and go" },
    { "isolation.level", "nothing is written in transactions" },
    { "fetch.wait.max.ms", "belts need a short one to be on time" },
    { "enable.partition.eof", "the programs that need it set it" },
    { "log_level", "use log_level at the top" },
};

static const char *fixed_reason(const char *name)
{
    for (size_t i = 0; i < sizeof FIXED / sizeof FIXED[0]; i++)
        if (strcmp(FIXED[i].name, name) == 0)
            return FIXED[i].reason;
    return NULL;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

// Names under which the client library takes something that nobody else may see.
static bool must_be_secret(const char *name)
{
    return ends_with(name, ".password") || ends_with(name, ".secret") || strcmp(name, "ssl.key.pem") == 0 ||
           strcmp(name, "sasl.oauthbearer.config") == 0;
}

static struct config_pair *pair_named(struct config *c, const char *name)
{
    for (int i = 0; i < c->kafka_count; i++)
        if (strcmp(c->kafka[i].key, name) == 0)
            return &c->kafka[i];
    if (c->kafka_count == CONFIG_KAFKA_MAX)
        return NULL;
    struct config_pair *pair = &c->kafka[c->kafka_count++];
    *pair = (struct config_pair){ .key = xstrdup(name), .value = xstrdup("") };
    return pair;
}

bool config_kafka_set(struct config *c, const char *name, const struct given *g, struct err *e)
{
    const char *reason = fixed_reason(name);
    if (reason != NULL)
        return err_set(e, ERR_CONFIG, "cannot be changed: %s", reason);
    if (*name == '\0' || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._") != strlen(name))
        return err_set(e, ERR_CONFIG, "is not a key of the Kafka client");
    bool secret = g->kind == GIVEN_ENV || g->kind == GIVEN_FILE;
    char *value = NULL;
    if (secret || must_be_secret(name)) {
        if (!config_secret_read(&value, g, e))
            return false;
    } else {
        value = xstrdup(g->text);
    }
    struct config_pair *pair = pair_named(c, name);
    if (pair == NULL) {
        free(value);
        return err_set(e, ERR_CONFIG, "is one too many, at most %d keys are passed on", CONFIG_KAFKA_MAX);
    }
    free(pair->value);
    pair->value = value;
    pair->secret = secret;
    return true;
}
