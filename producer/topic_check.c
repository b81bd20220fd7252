// SPDX-License-Identifier: Apache-2.0
// topic_check: see topic_check.h.
//
// A set-up that breaks a promise is unsafe: a topic that forgets records while they are needed loses jobs, a belt
// stamped by publishers makes retries early or late, a main topic that keeps records longer than the dedup record
// lives sends twice when it is read again, a topic with fewer replicas than asked for loses acknowledged jobs. What
// merely differs (partitions, a longer retention) is said and accepted. Each text names the setting as Kafka knows it.
#include "producer/topic_check.h"

#include "common/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { NO_LIMIT = -1, SPAN_SIZE = 32 };

struct subject {
    const struct config *config;
    const struct topic_plan *plan;
    const struct broker_topic_state *state;
    char *text;
};

static bool found(struct subject *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool found(struct subject *s, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(s->text, FINDING_TEXT_SIZE, fmt, args);
    va_end(args);
    return true;
}

static const char *span(int64_t ms, char out[SPAN_SIZE])
{
    return ms == NO_LIMIT ? "ever" : clock_format_duration(ms, out, SPAN_SIZE);
}

static bool is_main(const struct subject *s)
{
    const struct topics *t = &s->config->topics;
    return s->plan->name == t->fixed[TOPIC_MAIN] || s->plan->name == t->fixed[TOPIC_MAIN_CRITICAL] ||
           s->plan->name == t->fixed[TOPIC_MAIN_BULK];
}

// What is only told there can be counted again or done without.
static bool is_journal(const struct subject *s)
{
    const struct topics *t = &s->config->topics;
    return s->plan->name == t->fixed[TOPIC_EVENTS] || s->plan->name == t->fixed[TOPIC_FEEDBACK];
}

static bool keeps(const struct subject *s, int64_t ms)
{
    return s->state->retention_ms == NO_LIMIT || s->state->retention_ms >= ms;
}

// ---- what breaks a promise: each says whether it does ---------------------------------------------------------

static bool deletes_before_the_ride_ends(struct subject *s)
{
    char kept[SPAN_SIZE], ride[SPAN_SIZE];
    int tier = topics_tier_of(&s->config->topics, s->plan->name);
    if (tier < 0 || keeps(s, s->config->tiers.list[tier].length_ms + 1))
        return false;
    return found(s, "keeps records for %s, a ride takes %s: jobs would be lost; set retention.ms=%" PRId64,
                 span(s->state->retention_ms, kept), span(s->config->tiers.list[tier].length_ms, ride),
                 s->plan->retention_ms);
}

static bool deletes_before_jobs_expire(struct subject *s)
{
    char kept[SPAN_SIZE], age[SPAN_SIZE];
    if (!is_main(s) || keeps(s, s->config->max_age_ms))
        return false;
    return found(s, "keeps records for %s, a job may wait for %s (max_age): jobs would be lost; set retention.ms=%" PRId64,
                 span(s->state->retention_ms, kept), span(s->config->max_age_ms, age), s->plan->retention_ms);
}

static bool deletes_by_size(struct subject *s)
{
    if (s->plan->compacted || is_journal(s) || s->state->retention_bytes == NO_LIMIT)
        return false;
    return found(s, "keeps %" PRId64 " bytes a partition, older records would be lost; set retention.bytes=-1",
                 s->state->retention_bytes);
}

static bool outlives_dedup(struct subject *s)
{
    char kept[SPAN_SIZE], life[SPAN_SIZE];
    const struct tiers *tiers = &s->config->tiers;
    int64_t longest_ms = tiers->count > 0 ? tiers->list[tiers->count - 1].length_ms : 0;
    bool forever = s->state->retention_ms == NO_LIMIT;
    if (!is_main(s) || (!forever && s->state->retention_ms + longest_ms <= s->config->dedup.life_ms))
        return false;
    return found(s, "keeps records for %s, dedup.life is %s: a job read again later would be sent twice; "
                    "set retention.ms=%" PRId64 " or raise dedup.life",
                 span(s->state->retention_ms, kept), span(s->config->dedup.life_ms, life), s->plan->retention_ms);
}

static bool is_stamped_by_publishers(struct subject *s)
{
    return s->plan->log_append_time && !s->state->log_append_time &&
           found(s, "is stamped by its publishers: times would be theirs; set message.timestamp.type=LogAppendTime");
}

static bool has_another_cleanup(struct subject *s)
{
    if (s->plan->compacted && (!s->state->compacted || s->state->deleted))
        return found(s, "forgets what became of letters, they could be replayed twice; set cleanup.policy=compact");
    if (!s->plan->compacted && s->state->compacted)
        return found(s, "is compacted, records without a key would be refused; set cleanup.policy=delete");
    return false;
}

static bool refuses_large_records(struct subject *s)
{
    return s->state->max_message_bytes < s->plan->max_message_bytes &&
           found(s, "takes records of %" PRId64 " bytes, the largest job needs more; set max.message.bytes=%" PRId64,
                 s->state->max_message_bytes, s->plan->max_message_bytes);
}

static bool has_few_replicas(struct subject *s)
{
    int asked = s->config->layout.min_insync_replicas;
    if (s->state->min_insync_replicas > s->state->replication)
        return found(s, "has min.insync.replicas=%d but %d replicas: nothing can be written; lower it",
                     s->state->min_insync_replicas, s->state->replication);
    if (s->state->replication < s->plan->replication)
        return found(s, "has %d replicas, topics.replication is %d: acknowledged jobs could be lost; reassign its partitions",
                     s->state->replication, s->plan->replication);
    return s->state->min_insync_replicas < asked &&
           found(s, "has min.insync.replicas=%d, topics.min_insync_replicas is %d: acknowledged jobs could be lost; raise it",
                 s->state->min_insync_replicas, asked);
}

static bool (*const UNSAFE[])(struct subject *) = {
    deletes_before_the_ride_ends, deletes_before_jobs_expire, deletes_by_size,       outlives_dedup,
    is_stamped_by_publishers,     has_another_cleanup,        refuses_large_records, has_few_replicas,
};

// ---- the rest ---------------------------------------------------------------------------------------------------

static bool differs(struct subject *s)
{
    char is[SPAN_SIZE], planned[SPAN_SIZE];
    if (s->state->partitions != s->plan->partitions)
        return found(s, "has %d partitions, configured are %d", s->state->partitions, s->plan->partitions);
    if (!s->state->settings_known)
        return false;
    if (s->state->replication != s->plan->replication)
        return found(s, "has %d replicas, configured are %d", s->state->replication, s->plan->replication);
    if (!s->plan->compacted && s->state->retention_ms != s->plan->retention_ms)
        return found(s, "keeps records for %s, configured is %s", span(s->state->retention_ms, is),
                     span(s->plan->retention_ms, planned));
    return false;
}

enum finding topic_check(const struct config *c, const struct topic_plan *plan, const struct broker_topic_state *state,
                         char text[FINDING_TEXT_SIZE])
{
    struct subject s = { .config = c, .plan = plan, .state = state, .text = text };
    text[0] = '\0';
    for (size_t i = 0; state->settings_known && i < sizeof UNSAFE / sizeof UNSAFE[0]; i++)
        if (UNSAFE[i](&s))
            return FINDING_UNSAFE;
    if (differs(&s))
        return FINDING_DIFFERS;
    if (state->settings_known)
        return FINDING_OK;
    found(&s, "its settings could not be read (not allowed to, or a mock broker)");
    return FINDING_UNREAD;
}

const char *finding_name(enum finding f)
{
    static const char *const NAMES[] = {
        [FINDING_OK] = "ok",           [FINDING_CREATED] = "created", [FINDING_UNREAD] = "unread",
        [FINDING_DIFFERS] = "differs", [FINDING_MISSING] = "missing", [FINDING_UNSAFE] = "unsafe",
    };
    return NAMES[f];
}
