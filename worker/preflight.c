// SPDX-License-Identifier: Apache-2.0
// preflight: see preflight.h. A broker that does not answer is an outage and is waited for; a topic that is missing
// or has the wrong settings is a mistake that only a person can mend, so the worker ends and says how.
#include "worker/preflight.h"

#include "common/broker.h"
#include "common/log.h"

#include <time.h>

enum { AGAIN_SECONDS = 3, PLANS_MAX = TOPIC_FIXED_COUNT + TIERS_MAX };

static bool check(const struct topic_plan *plan, const struct broker_topic_state *state, struct err *e)
{
    if (state->partitions == 0)
        return err_set(e, ERR_CONFIG, "topic %s does not exist: create it with \"sendfleet-producer topics\"", plan->name);
    if (state->settings_known && plan->log_append_time && !state->log_append_time)
        return err_set(e, ERR_CONFIG, "topic %s must have message.timestamp.type=LogAppendTime (retries would be early or "
                                      "late): see \"sendfleet-producer topics\"", plan->name);
    return true;
}

static bool check_all(struct broker_admin *admin, const struct config *c, struct err *e)
{
    struct topic_plan plans[PLANS_MAX];
    struct broker_topic_state states[PLANS_MAX];
    const char *names[PLANS_MAX];
    int count = topics_plan(&c->topics, c, plans);
    for (int i = 0; i < count; i++)
        names[i] = plans[i].name;
    if (!broker_admin_describe(admin, names, count, states, e))
        return false;
    for (int i = 0; i < count; i++)
        if (!check(&plans[i], &states[i], e))
            return false;
    return true;
}

bool preflight_topics(const struct config *c, struct err *e)
{
    struct broker_admin *admin = NULL;
    if (!broker_admin_new(&admin, c, e))
        return false;
    bool ok = check_all(admin, c, e);
    for (int round = 0; !ok && e->kind == ERR_UNAVAILABLE; round++) {
        if (round % 10 == 0)
            log_warn("worker", "waiting for the broker error=\"%s\"", e->text);
        nanosleep(&(struct timespec){ .tv_sec = AGAIN_SECONDS }, NULL);
        ok = check_all(admin, c, e);
    }
    broker_admin_free(admin);
    return ok;
}
