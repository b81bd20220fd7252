// SPDX-License-Identifier: Apache-2.0
#include "producer/topic_check.h"

#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const int64_t DAY = CLOCK_DAY_MS, HOUR = CLOCK_HOUR_MS;

static struct config config;

static int load(void **state)
{
    (void)state;
    char replication[] = "topics.replication=3", insync[] = "topics.min_insync_replicas=2";
    char *sets[] = { replication, insync };
    struct config_sources from = { .sets = sets, .set_count = 2 };
    struct err e;
    return config_load(&config, &from, &e) ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    config_clear(&config);
    return 0;
}

// One setting of a topic that is otherwise as planned.
enum change {
    NONE, UNKNOWN, PARTITIONS, REPLICATION, RETENTION, RETENTION_BYTES, MESSAGE_BYTES, INSYNC, COMPACTED, COMPACT_DELETE,
    DELETED, CREATE_TIME,
};

static void apply(struct broker_topic_state *s, enum change change, int64_t value)
{
    switch (change) {
    case NONE:
        break;
    case UNKNOWN: // what is not known must not be judged
        *s = (struct broker_topic_state){ .partitions = s->partitions, .replication = 1, .retention_ms = -1,
                                          .retention_bytes = -1, .max_message_bytes = -1 };
        break;
    case PARTITIONS:
        s->partitions = (int)value;
        break;
    case REPLICATION:
        s->replication = (int)value;
        break;
    case RETENTION:
        s->retention_ms = value;
        break;
    case RETENTION_BYTES:
        s->retention_bytes = value;
        break;
    case MESSAGE_BYTES:
        s->max_message_bytes = value;
        break;
    case INSYNC:
        s->min_insync_replicas = (int)value;
        break;
    case COMPACTED:
        s->compacted = true;
        s->deleted = false;
        break;
    case COMPACT_DELETE:
        s->compacted = s->deleted = true;
        break;
    case DELETED:
        s->compacted = false;
        s->deleted = true;
        break;
    case CREATE_TIME:
        s->log_append_time = false;
        break;
    }
}

static struct topic_plan plan_of(const char *name)
{
    static struct topic_plan plans[TOPIC_FIXED_COUNT + TIERS_MAX];
    int count = topics_plan(&config.topics, &config, plans);
    for (int i = 0; i < count; i++)
        if (strcmp(plans[i].name, name) == 0)
            return plans[i];
    fail_msg("there is no topic %s", name);
    return plans[0];
}

static void a_set_up_that_breaks_a_promise_is_unsafe(void **state)
{
    (void)state;
    static const struct {
        const char *name, *topic;
        enum change change;
        int64_t value;
        enum finding want;
        const char *says;
    } cases[] = {
        { "main as planned is fine", "sendfleet.main", NONE, 0, FINDING_OK, "" },
        { "a belt as planned is fine", "sendfleet.retry.2h", NONE, 0, FINDING_OK, "" },
        { "the letters' log as planned is fine", "sendfleet.dlq.log", NONE, 0, FINDING_OK, "" },
        { "the log's retention means nothing", "sendfleet.dlq.log", RETENTION, 1, FINDING_OK, "" },
        { "settings that cannot be read are not called fine", "sendfleet.retry.2h", UNKNOWN, 0, FINDING_UNREAD, "read" },
        { "a belt shorter than its ride loses jobs", "sendfleet.retry.2h", RETENTION, HOUR, FINDING_UNSAFE,
          "retention.ms=612000000" },
        { "as long as its ride is too short", "sendfleet.retry.2h", RETENTION, 2 * HOUR, FINDING_UNSAFE, "lost" },
        { "a belt without limit is only different", "sendfleet.retry.2h", RETENTION, -1, FINDING_DIFFERS, "for ever" },
        { "a belt stamped by publishers", "sendfleet.retry.1s", CREATE_TIME, 0, FINDING_UNSAFE,
          "message.timestamp.type=LogAppendTime" },
        { "a belt bounded by size", "sendfleet.retry.1s", RETENTION_BYTES, 1 << 30, FINDING_UNSAFE, "retention.bytes=-1" },
        { "main bounded by size", "sendfleet.main.bulk", RETENTION_BYTES, 0, FINDING_UNSAFE, "retention.bytes=-1" },
        { "events may be bounded by size", "sendfleet.events", RETENTION_BYTES, 1 << 30, FINDING_OK, "" },
        { "main forgets jobs that may still wait", "sendfleet.main", RETENTION, DAY, FINDING_UNSAFE, "max_age" },
        { "main outlives the dedup record", "sendfleet.main.critical", RETENTION, 10 * DAY, FINDING_UNSAFE, "dedup.life" },
        { "main without limit does, too", "sendfleet.main", RETENTION, -1, FINDING_UNSAFE, "sent twice" },
        { "main may keep up to the dedup record's life", "sendfleet.main", RETENTION, 10 * DAY - 2 * HOUR,
          FINDING_DIFFERS, "9d22h" },
        { "letters may be kept for ever", "sendfleet.dlq", RETENTION, -1, FINDING_DIFFERS, "for ever" },
        { "main compacted", "sendfleet.main", COMPACTED, 0, FINDING_UNSAFE, "cleanup.policy=delete" },
        { "main compacted and deleted", "sendfleet.main", COMPACT_DELETE, 0, FINDING_UNSAFE, "cleanup.policy=delete" },
        { "the log deleted", "sendfleet.dlq.log", DELETED, 0, FINDING_UNSAFE, "cleanup.policy=compact" },
        { "the log compacted and deleted", "sendfleet.dlq.log", COMPACT_DELETE, 0, FINDING_UNSAFE, "replayed twice" },
        { "records too small for a job", "sendfleet.main", MESSAGE_BYTES, 1000, FINDING_UNSAFE,
          "max.message.bytes=1114112" },
        { "larger records than needed are fine", "sendfleet.main", MESSAGE_BYTES, 1 << 30, FINDING_OK, "" },
        { "fewer replicas than asked for", "sendfleet.main", REPLICATION, 2, FINDING_UNSAFE, "topics.replication" },
        { "fewer in sync than asked for", "sendfleet.main", INSYNC, 1, FINDING_UNSAFE, "topics.min_insync_replicas" },
        { "more in sync than there are", "sendfleet.main", INSYNC, 4, FINDING_UNSAFE, "nothing can be written" },
        { "more replicas are only different", "sendfleet.main", REPLICATION, 5, FINDING_DIFFERS, "5 replicas" },
        { "other partitions are only different", "sendfleet.main", PARTITIONS, 4, FINDING_DIFFERS, "4 partitions" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct topic_plan plan = plan_of(cases[i].topic);
        struct broker_topic_state is = {
            .partitions = plan.partitions,
            .replication = plan.replication,
            .settings_known = true,
            .retention_ms = plan.retention_ms,
            .retention_bytes = -1,
            .max_message_bytes = plan.max_message_bytes,
            .min_insync_replicas = config.layout.min_insync_replicas,
            .compacted = plan.compacted,
            .deleted = !plan.compacted,
            .log_append_time = plan.log_append_time,
        };
        char text[FINDING_TEXT_SIZE];
        apply(&is, cases[i].change, cases[i].value);
        enum finding got = topic_check(&config, &plan, &is, text);
        if (got != cases[i].want || strstr(text, cases[i].says) == NULL || (got == FINDING_OK && text[0] != '\0'))
            fail_msg("%s: got %s \"%s\", want %s saying \"%s\"", cases[i].name, finding_name(got), text,
                     finding_name(cases[i].want), cases[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_up_that_breaks_a_promise_is_unsafe),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
