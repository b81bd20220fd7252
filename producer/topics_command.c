// SPDX-License-Identifier: Apache-2.0
// topics: creates what is missing, checks what is there, changes nothing that exists.
//
// A set-up that breaks a promise is refused by name: a belt whose retention is shorter than its ride would lose jobs,
// a belt stamped by publishers would make retries early or late, a main topic that keeps records longer than the
// dedup record lives could send twice. What merely differs (partitions, a longer retention) is said and accepted.
#include "producer/commands.h"

#include "common/broker.h"
#include "common/clock.h"

#include <inttypes.h>

enum { PLANS_MAX = TOPIC_FIXED_COUNT + TIERS_MAX };

static bool check_only, as_json;

const struct option topics_options[] = {
    { .name = "check", .type = OPTION_FLAG, .target = &check_only, .help = "create nothing, only say what is missing or wrong" },
    { .name = "json", .type = OPTION_FLAG, .target = &as_json, .help = "one JSON object a topic" },
    { 0 },
};

enum finding { FOUND_OK, FOUND_CREATED, FOUND_DIFFERS, FOUND_MISSING, FOUND_UNSAFE };

static const char *const FINDINGS[] = {
    [FOUND_OK] = "ok", [FOUND_CREATED] = "created", [FOUND_DIFFERS] = "differs", [FOUND_MISSING] = "missing", [FOUND_UNSAFE] = "unsafe"
};

struct check {
    const struct config *config;
    const struct topic_plan *plan;
    const struct broker_topic_state *state;
    char text[256];
};

static enum finding say(struct check *c, enum finding f, const char *text)
{
    snprintf(c->text, sizeof c->text, "%s", text);
    return f;
}

static int64_t belt_length_ms(const struct check *c)
{
    int tier = topics_tier_of(&c->config->topics, c->plan->name);
    return tier >= 0 ? c->config->tiers.list[tier].length_ms : 0;
}

static enum finding judge(struct check *c)
{
    const struct broker_topic_state *s = c->state;
    const struct topic_plan *plan = c->plan;
    char a[40], b[40], text[256];
    bool forever = s->retention_ms == -1;
    bool readable = s->max_message_bytes >= 0;
    if (!readable)
        return say(c, FOUND_OK, "settings cannot be read from this broker");
    if (!forever && !plan->compacted && s->retention_ms <= belt_length_ms(c)) {
        snprintf(text, sizeof text, "retention.ms %s is not longer than its ride of %s: jobs would be lost; set it to %s",
                 clock_format_duration(s->retention_ms, a, sizeof a), c->config->tiers.list[topics_tier_of(&c->config->topics, plan->name)].name,
                 clock_format_duration(plan->retention_ms, b, sizeof b));
        return say(c, FOUND_UNSAFE, text);
    }
    if (plan->log_append_time && !s->log_append_time)
        return say(c, FOUND_UNSAFE, "message.timestamp.type must be LogAppendTime");
    if (plan->compacted && !s->compacted)
        return say(c, FOUND_UNSAFE, "cleanup.policy must be compact");
    if (!plan->compacted && s->compacted)
        return say(c, FOUND_UNSAFE, "cleanup.policy is compact: records without a key would be refused, others lost");
    if (s->max_message_bytes < plan->max_message_bytes) {
        snprintf(text, sizeof text, "max.message.bytes is %" PRId64 ", the largest job needs %" PRId64, s->max_message_bytes, plan->max_message_bytes);
        return say(c, FOUND_UNSAFE, text);
    }
    if (s->partitions != plan->partitions || (!plan->compacted && s->retention_ms != plan->retention_ms)) {
        snprintf(text, sizeof text, "%d partitions (configured %d), retention %s (configured %s)", s->partitions, plan->partitions,
                 forever ? "unlimited" : clock_format_duration(s->retention_ms, a, sizeof a), clock_format_duration(plan->retention_ms, b, sizeof b));
        return say(c, FOUND_DIFFERS, text);
    }
    return FOUND_OK;
}

static void print_finding(const struct check *c, enum finding f)
{
    if (!as_json) {
        printf("%-10s %-32s %s\n", FINDINGS[f], c->plan->name, c->text);
        return;
    }
    struct buf line = { 0 };
    buf_printf(&line, "{\"topic\":\"%s\",\"finding\":\"%s\",\"partitions\":%d,\"text\":", c->plan->name, FINDINGS[f],
               c->state->partitions > 0 ? c->state->partitions : c->plan->partitions);
    buf_put_json(&line, slice_of(c->text));
    printf("%s}\n", line.data);
    buf_clear(&line);
}

static bool handle(struct broker_admin *admin, struct check *c, enum finding *f, struct err *e)
{
    if (c->state->partitions > 0) {
        *f = judge(c);
        return true;
    }
    if (check_only) {
        *f = say(c, FOUND_MISSING, "create it with \"sendfleet-producer topics\"");
        return true;
    }
    *f = FOUND_CREATED;
    return broker_admin_create(admin, c->plan, c->config->layout.min_insync_replicas, e);
}

static bool handle_all(struct broker_admin *admin, const struct config *config, enum finding *worst, struct err *e)
{
    struct topic_plan plans[PLANS_MAX];
    struct broker_topic_state states[PLANS_MAX];
    const char *names[PLANS_MAX];
    int count = topics_plan(&config->topics, config, plans);
    for (int i = 0; i < count; i++)
        names[i] = plans[i].name;
    if (!broker_admin_describe(admin, names, count, states, e))
        return false;
    for (int i = 0; i < count; i++) {
        struct check c = { .config = config, .plan = &plans[i], .state = &states[i] };
        enum finding f;
        if (!handle(admin, &c, &f, e))
            return err_prefix(e, "topic %s", plans[i].name);
        print_finding(&c, f);
        *worst = f > *worst ? f : *worst;
    }
    return true;
}

int topics_run(int argc, char **argv)
{
    static struct config c;
    struct err e;
    struct broker_admin *admin = NULL;
    enum finding worst = FOUND_OK;
    (void)argv;
    if (argc > 0)
        return fail((err_set(&e, ERR_USAGE, "topics takes no arguments: names follow from \"prefix\""), &e));
    int status = load_config(&c);
    if (status != 0)
        return status;
    bool ok = broker_admin_new(&admin, &c, &e) && handle_all(admin, &c, &worst, &e);
    broker_admin_free(admin);
    config_clear(&c);
    if (!ok)
        return fail(&e);
    return worst >= FOUND_MISSING ? 78 : 0;
}
