// SPDX-License-Identifier: Apache-2.0
// replaying: see replaying.h. A replay is the same job in its next generation: same key, same bytes, hence the same
// idempotency key and dedup record. That record is never touched: it is what turns a second replay, or the replay of a
// mail that went out after all, into a duplicate instead of a second mail. It lives for dedup.life, which covers
// letters up to dedup.replay_window old; beyond that nothing protects, so older letters need --include-old.
#include "dlq-inspector/replaying.h"

#include "common/clock.h"
#include "dlq-inspector/format.h"
#include "dlq-inspector/jsonout.h"
#include "dlq-inspector/marks.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const NAMES[REFUSAL_COUNT] = {
    [REFUSAL_NONE] = "none",         [REFUSAL_CLOSED] = "already_closed", [REFUSAL_INVALID] = "invalid",
    [REFUSAL_CONFLICT] = "conflict", [REFUSAL_UNKNOWN] = "unknown",       [REFUSAL_NEVER] = "replay_never",
    [REFUSAL_APPROVAL] = "approval", [REFUSAL_EXPIRED] = "expired",       [REFUSAL_OLD] = "too_old",
};

const char *refusal_name(enum refusal r)
{
    return NAMES[r];
}

static void refuse(struct verdict *v, enum refusal why, const char *text)
{
    v->refusal = why;
    snprintf(v->text, sizeof v->text, "%s", text);
}

// What the letter's headers alone tell.
static void judge_letter(const struct letter *l, const struct replay_terms *t, struct verdict *v)
{
    char when[CLOCK_RFC3339_SIZE], age[FORMAT_AGE_SIZE], window[FORMAT_AGE_SIZE];
    if (l->mark != NULL) {
        v->refusal = REFUSAL_CLOSED;
        snprintf(v->text, sizeof v->text, "already %s at %s by %s", mark_action_name(l->mark->action),
                 clock_format_rfc3339(l->mark->at_ms, when), l->mark->by);
    } else if (l->broken.kind != ERR_NONE) {
        v->refusal = REFUSAL_INVALID;
        snprintf(v->text, sizeof v->text, "its headers cannot be read: %.180s", l->broken.text);
    } else if (slice_is(l->reason, "invalid")) {
        refuse(v, REFUSAL_INVALID, "it is not a valid job and would come straight back; publish a corrected one");
    } else if (slice_is(l->reason, "conflict")) {
        refuse(v, REFUSAL_CONFLICT, "its idempotency key belongs to other content and would come straight back; "
                                    "publish it with a key of its own");
    } else if (slice_is(l->reason, "unknown") && !t->unknown_too) {
        refuse(v, REFUSAL_UNKNOWN, "it may have been accepted already; --include-unknown takes the risk of a second one");
    } else if (t->now_ms - l->record->timestamp_ms > t->window_ms && !t->old_too) {
        v->refusal = REFUSAL_OLD;
        snprintf(v->text, sizeof v->text,
                 "it died %s ago, protection against duplicates is only certain for %s (dedup.replay_window); "
                 "--include-old replays it all the same",
                 format_age(t->now_ms - l->record->timestamp_ms, age), format_span(t->window_ms, window));
    }
}

// sf-approval is an approval given after the job was published: the bare state, or {"state":…}.
static bool is_approved(const struct letter *l, const struct job *job)
{
    struct json_doc doc = { 0 };
    struct slice given = l->env.approval;
    bool yes = slice_is(job->approval_state, "approved") || slice_is(given, "approved");
    if (!yes && given.len > 0 && json_parse(&doc, given.ptr, given.len, NULL) && doc.tokens[0].type == JSON_TYPE_OBJECT) {
        uint32_t state = json_member(&doc, 0, "state");
        yes = state != 0 && slice_is(json_raw(&doc, state), "approved");
    }
    json_clear(&doc);
    return yes;
}

static void judge_job(const struct letter *l, const struct job *job, const struct replay_terms *t, struct verdict *v)
{
    v->expires_ms = t->extend_ms > 0 ? t->now_ms + t->extend_ms : job_deadline_ms(job, t->now_ms, t->max_age_ms);
    if (job->replay == JOB_REPLAY_NEVER)
        refuse(v, REFUSAL_NEVER, "the job says \"replay\": \"never\"");
    else if (job->replay == JOB_REPLAY_APPROVAL && !is_approved(l, job))
        refuse(v, REFUSAL_APPROVAL, "the job says \"replay\": \"approval\" and its approval state is not \"approved\"");
    else if (v->expires_ms <= t->now_ms)
        refuse(v, REFUSAL_EXPIRED, "its own expires_at has passed; --extend DURATION gives it a new deadline");
}

static enum job_priority lane_of(struct letter *l)
{
    struct slice lane = letter_lane(l);
    for (int p = JOB_NORMAL; p <= JOB_BULK; p++)
        if (slice_is(lane, job_priority_name((enum job_priority)p)))
            return (enum job_priority)p;
    return JOB_NORMAL;
}

void replaying_judge(struct letter *l, struct job *job, const struct replay_terms *terms, struct verdict *v)
{
    *v = (struct verdict){ .refusal = REFUSAL_NONE };
    judge_letter(l, terms, v);
    if (v->refusal != REFUSAL_NONE)
        return;
    struct err e;
    const struct record *r = l->record;
    if (!r->has_value) {
        refuse(v, REFUSAL_INVALID, "the record has no value");
    } else if (!job_parse(job, r->value.ptr, r->value.len, (size_t)terms->max_job_bytes, &e)) {
        v->refusal = REFUSAL_INVALID;
        snprintf(v->text, sizeof v->text, "its value is not a valid job: %.200s", e.text);
    } else {
        v->lane = lane_of(l);
        judge_job(l, job, terms, v);
    }
}

static void put_replay(const struct letter *l, const struct replay_terms *t, struct buf *out)
{
    char origin[LETTER_ORIGIN_SIZE];
    struct jsonout j = { .out = out };
    jsonout_open(&j, NULL, '{');
    jsonout_int(&j, "at", t->now_ms);
    jsonout_string(&j, "by", t->by);
    jsonout_string(&j, "reason", t->reason);
    jsonout_string(&j, "letter", letter_origin(l->record, origin));
    jsonout_close(&j, '}');
}

void replaying_headers(const struct letter *l, const struct replay_terms *terms, const struct verdict *v,
                       struct headers *out)
{
    struct buf replay = { 0 };
    struct envelope next = l->env; // rcpt, origin, approval, trail, traceparent and foreign headers stay
    put_replay(l, terms, &replay);
    if (next.id[0] == '\0' && strlen(l->id) < sizeof next.id)
        memcpy(next.id, l->id, strlen(l->id) + 1);
    next.epoch = (struct epoch){ .generation = l->env.epoch.generation + 1, .try_no = 0 };
    next.attempt = 0;
    next.due_ms = 0;
    next.wait = WAIT_NONE;
    next.class = FAILURE_NONE;
    next.code = 0;
    next.reason = next.response = (struct slice){ 0 };
    next.first_seen_ms = terms->now_ms;
    next.expires_ms = v->expires_ms;
    next.lane = slice_of(job_priority_name(v->lane));
    next.replay = buf_slice(&replay);
    envelope_write(&next, out);
    buf_clear(&replay);
}
