// SPDX-License-Identifier: Apache-2.0
// topics: creates what is missing, checks what is there (topic_check.c), changes nothing that exists. All topics are
// gone through before anything is refused, so one run tells everything there is to mend.
#include "producer/commands.h"

#include "common/broker.h"
#include "producer/topic_check.h"

#include <inttypes.h>

enum { PLANS_MAX = TOPIC_FIXED_COUNT + TIERS_MAX };

static bool check_only, as_json;

const struct option topics_options[] = {
    { .name = "check", .type = OPTION_FLAG, .target = &check_only, .help = "create nothing, only say what is missing or wrong" },
    { .name = "json", .type = OPTION_FLAG, .target = &as_json, .help = "one JSON object a topic" },
    { 0 },
};

struct check {
    const struct config *config;
    const struct topic_plan *plan;
    const struct broker_topic_state *state;
    char text[FINDING_TEXT_SIZE];
};

static void print_json(const struct check *c, enum finding f)
{
    struct buf line = { 0 };
    buf_printf(&line, "{\"topic\":\"%s\",\"finding\":\"%s\"", c->plan->name, finding_name(f));
    bool exists = c->state->partitions > 0;
    buf_printf(&line, ",\"partitions\":%d,\"replication\":%d", exists ? c->state->partitions : c->plan->partitions,
               exists ? c->state->replication : c->plan->replication);
    if (!exists)
        buf_printf(&line, ",\"min_insync_replicas\":%d,\"retention_ms\":%" PRId64, c->config->layout.min_insync_replicas,
                   c->plan->retention_ms);
    else if (c->state->settings_known)
        buf_printf(&line, ",\"min_insync_replicas\":%d,\"retention_ms\":%" PRId64, c->state->min_insync_replicas,
                   c->state->retention_ms);
    else
        buf_puts(&line, ",\"min_insync_replicas\":null,\"retention_ms\":null");
    buf_puts(&line, ",\"text\":");
    buf_put_json(&line, slice_of(c->text));
    buf_puts(&line, "}\n");
    fwrite(line.data, 1, line.len, stdout);
    buf_clear(&line);
}

static void print_finding(const struct check *c, enum finding f)
{
    if (as_json)
        print_json(c, f);
    else if (c->text[0] == '\0')
        printf("%-8s  %s\n", finding_name(f), c->plan->name);
    else
        printf("%-8s  %-28s  %s\n", finding_name(f), c->plan->name, c->text);
}

static bool handle(struct broker_admin *admin, struct check *c, enum finding *f, struct err *e)
{
    const struct topic_plan *plan = c->plan;
    if (c->state->partitions > 0) {
        *f = topic_check(c->config, plan, c->state, c->text);
        return true;
    }
    if (check_only) {
        *f = FINDING_MISSING;
        snprintf(c->text, sizeof c->text, "create it with \"sendfleet-producer topics\"");
        return true;
    }
    *f = FINDING_CREATED;
    snprintf(c->text, sizeof c->text, "%d partitions, %d replicas", plan->partitions, plan->replication);
    return broker_admin_create(admin, plan, c->config->layout.min_insync_replicas, e);
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
            return false;
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
    enum finding worst = FINDING_OK;
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
    return worst >= FINDING_MISSING ? 78 : 0;
}
