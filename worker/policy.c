// SPDX-License-Identifier: Apache-2.0
// policy: see policy.h and the table of failure classes in worker/README.md.
//
// Two rules hold everywhere. A due time beyond the job's deadline is not waited for: the job expires at once and
// says so. An attempt whose outcome is unknown is only repeated with proof that this is harmless (a receiver that
// honours idempotency keys, within the life of the key) or on the operator's or publisher's explicit word (resend).
#include "worker/policy.h"

#include "common/backoff.h"
#include "common/clock.h"
#include "common/trail.h"

#include <stdio.h>

enum {
    SLACK_MS = 500,
    CLOCKS_MS = 20, // another worker may be that much surer of the broker's time than we were
};

int64_t policy_deadline_ms(const struct policy_case *c)
{
    if (c->env->expires_ms > 0)
        return c->env->expires_ms;
    int64_t restarted_ms = c->env->epoch.generation > 0 ? c->env->first_seen_ms : 0;
    if (c->job->created_at_ms == 0 && restarted_ms == 0)
        restarted_ms = c->env->first_seen_ms;
    return job_deadline_ms(c->job, restarted_ms, c->config->max_age_ms);
}

static void end_letter(struct ending *end, enum failure_class class, const char *detail)
{
    end->kind = ENDING_LETTER;
    end->class = class;
    snprintf(end->reason, sizeof end->reason, "%s: %s", failure_name(class), detail);
}

static void end_wait(const struct policy_case *c, struct ending *end, enum wait_kind wait, int64_t delay_ms)
{
    int64_t deadline_ms = policy_deadline_ms(c);
    end->kind = ENDING_WAIT;
    end->wait = wait;
    end->continues = true;
    end->due_ms = c->now_ms + delay_ms;
    if (end->due_ms < deadline_ms || wait == WAIT_UNKNOWN)
        return;
    char due[CLOCK_RFC3339_SIZE], deadline[CLOCK_RFC3339_SIZE], last[200], detail[300];
    snprintf(last, sizeof last, "%s", end->reason);
    snprintf(detail, sizeof detail, "the next attempt would be at %s, after the deadline %s; last: %s",
             clock_format_rfc3339(end->due_ms, due), clock_format_rfc3339(deadline_ms, deadline), last);
    end_letter(end, FAILURE_EXPIRED, detail);
}

static int64_t retry_delay_ms(const struct policy_case *c, const struct backoff *b, uint32_t charged)
{
    return backoff_delay_ms(b, &c->config->tiers, charged > 0 ? charged - 1 : 0, c->random01);
}

// As asked, never less; up to SLACK_MS more where that saves rides (exactly 30 s would miss the 30 s belt by a breath).
static int64_t asked_delay_ms(const struct policy_case *c, int64_t asked_ms)
{
    return tiers_snap(&c->config->tiers, asked_ms + CLOCKS_MS, asked_ms + CLOCKS_MS, asked_ms + SLACK_MS);
}

static bool wants_resend(const struct policy_case *c)
{
    if (c->job->on_unknown != JOB_UNKNOWN_DEFAULT)
        return c->job->on_unknown == JOB_UNKNOWN_RESEND;
    return c->route != NULL && c->route->on_unknown == ON_UNKNOWN_RESEND;
}

// The receiver still remembers the key when the next attempt comes.
static bool key_protects(const struct policy_case *c, int64_t due_ms)
{
    return c->route != NULL && c->route->idempotent && due_ms < c->env->first_seen_ms + c->route->idempotency_life_ms;
}

static void end_unknown(const struct policy_case *c, struct ending *end, const char *detail)
{
    int64_t backoff_ms = retry_delay_ms(c, &c->config->backoff, end->attempt);
    int64_t window_ms = c->route != NULL ? c->route->unknown_window_ms : 0;
    bool attempts_left = end->attempt < (uint32_t)c->config->max_attempts;
    end->class = FAILURE_UNKNOWN;
    snprintf(end->reason, sizeof end->reason, "%s", detail);
    if (attempts_left && key_protects(c, c->now_ms + backoff_ms))
        end_wait(c, end, WAIT_UNKNOWN, backoff_ms);
    else if (window_ms > 0)
        end_wait(c, end, WAIT_UNKNOWN, window_ms);
    else if (attempts_left && wants_resend(c))
        end_wait(c, end, WAIT_UNKNOWN, backoff_ms);
    else
        end_letter(end, FAILURE_UNKNOWN, detail);
}

// By the class, not by the kind of waiting: the wait after an unknown outcome may have become another one (busy, limited,
// carried over) on the way here. And by the trail: a definite failure of the next attempt says nothing about the unknown
// one before it, which the receiver's memory of the key has covered so far.
static bool unknown_is_over_for_good(const struct policy_case *c)
{
    const struct envelope *env = c->env;
    bool last = env->class == FAILURE_UNKNOWN;
    if (env->wait == WAIT_NONE || (!last && !trail_has(env->trail, env->epoch.generation, FAILURE_UNKNOWN)))
        return false;
    bool attempts_left = !last || env->attempt < (uint32_t)c->config->max_attempts;
    return !attempts_left || (!key_protects(c, c->now_ms) && !wants_resend(c));
}

enum failure_class policy_gate(const struct policy_case *c, struct ending *end)
{
    *end = (struct ending){ .attempt = c->env->attempt, .class = c->env->class, .code = c->env->code };
    char when[CLOCK_RFC3339_SIZE], detail[200];
    int64_t deadline_ms = policy_deadline_ms(c);
    if (unknown_is_over_for_good(c)) {
        end_letter(end, FAILURE_UNKNOWN, "no proof of acceptance came while it waited, and it must not be sent again by guesswork");
        return FAILURE_UNKNOWN;
    }
    if (c->now_ms >= deadline_ms) {
        snprintf(detail, sizeof detail, "its deadline was %s", clock_format_rfc3339(deadline_ms, when));
        end_letter(end, FAILURE_EXPIRED, detail);
        return FAILURE_EXPIRED;
    }
    bool approved = slice_is(c->job->approval_state, "approved") || slice_is(c->env->approval, "approved");
    if (c->job->approval_required && !approved) {
        end->kind = ENDING_REVIEW;
        snprintf(end->reason, sizeof end->reason, "approval: required and not given");
    }
    return FAILURE_NONE;
}

static void end_retry(const struct policy_case *c, const struct verdict *v, struct ending *end)
{
    const struct backoff *b = v->class == FAILURE_MAILBOX_BUSY ? &c->config->backoff_busy : &c->config->backoff;
    if (end->attempt >= (uint32_t)c->config->max_attempts) {
        char detail[300], last[200];
        snprintf(last, sizeof last, "%s", end->reason);
        snprintf(detail, sizeof detail, "%u attempts, last: %s", end->attempt, last);
        end_letter(end, FAILURE_EXHAUSTED, detail);
        return;
    }
    int64_t delay_ms = retry_delay_ms(c, b, end->attempt);
    end_wait(c, end, WAIT_RETRY, v->retry_after_ms > delay_ms ? asked_delay_ms(c, v->retry_after_ms) : delay_ms);
}

void policy_after_attempt(const struct policy_case *c, const struct verdict *v, const struct outcome *o,
                          struct ending *end)
{
    end->class = v->class;
    end->code = o->code;
    end->attempt = c->env->attempt + (failure_is_charged(v->class) || v->class == FAILURE_NONE ? 1 : 0);
    snprintf(end->reason, sizeof end->reason, "%s", o->text);
    char detail[ENDING_REASON_MAX - 16];
    switch (v->class) {
    case FAILURE_NONE:
        end->kind = ENDING_ACCEPTED;
        break;
    case FAILURE_TRANSIENT:
    case FAILURE_MAILBOX_BUSY:
        end_retry(c, v, end);
        break;
    case FAILURE_THROTTLED:
        end_wait(c, end, WAIT_THROTTLED, asked_delay_ms(c, v->retry_after_ms >= 0 ? v->retry_after_ms : c->config->throttle_wait_ms));
        break;
    case FAILURE_ROUTE:
        end_wait(c, end, WAIT_LIMITED, c->route_until_ms > c->now_ms ? c->route_until_ms - c->now_ms : c->config->route_wait_ms);
        break;
    case FAILURE_UNKNOWN:
        snprintf(detail, sizeof detail, "worker %s wrote everything and got no verdict (phase %s): %.180s", c->worker,
                 phase_name(o->phase), o->text);
        end_unknown(c, end, detail);
        break;
    default:
        snprintf(detail, sizeof detail, "%.280s", o->text);
        end_letter(end, v->class, detail);
    }
}

void policy_after_dead_claim(const struct policy_case *c, const char *dead_worker, struct ending *end)
{
    *end = (struct ending){ .attempt = c->env->attempt + 1 };
    char detail[200];
    snprintf(detail, sizeof detail, "worker %s ended while it held the claim (phase claimed): it may have been sent", dead_worker);
    end_unknown(c, end, detail);
}
