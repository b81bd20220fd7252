// SPDX-License-Identifier: Apache-2.0
// sink: see sink.h.
//
// Everything is a function of the request, the count of requests with its key, and what /control last said;
// shares are picked by the key's hash. So a run can be repeated, and the second request of a key meets the
// same script. An acceptance is filed when the request has been read, not when its answer leaves: a provider
// has taken the mail over even if the client hangs up while waiting.
#include "sink.h"

#include "peek.h"

static double fraction_of(struct slice key)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < key.len; i++)
        h = (h ^ (unsigned char)key.ptr[i]) * 16777619u;
    h ^= h >> 15; // the last characters of a counter must reach the high bits
    h *= 0x2c1b3c6du;
    h ^= h >> 12;
    return h / 4294967296.0;
}

static struct script script_for(const struct sink *s, struct slice to, struct slice key, int64_t wall_ms)
{
    struct script script;
    if (s->mode_until_ms > wall_ms)
        return s->mode;
    if (s->healed)
        return (struct script){ .act = ACT_ACCEPT };
    if (script_of_recipient(to, &script))
        return script;
    double at = s->share_count > 0 ? fraction_of(key) : 0;
    for (int i = 0; i < s->share_count; i++) {
        if (at < s->shares[i].upto)
            return s->shares[i].script;
    }
    return (struct script){ .act = ACT_ACCEPT };
}

static struct entry *entry_for(struct sink *s, const struct request *r, struct peek *job)
{
    peek_job(r->body, job);
    struct slice id = r->job_id.ptr != NULL ? r->job_id : job->id;
    struct slice key = r->idempotency_key.ptr != NULL ? r->idempotency_key : id;
    return ledger_entry(s->ledger, key, id, job->to);
}

struct plan { // what an act means
    enum carry_out how;
    bool accepts;
};

static const struct plan plans[] = {
    [ACT_ACCEPT] = { CARRY_ANSWER, true }, [ACT_FAIL] = { CARRY_ANSWER, false },
    [ACT_SLOW] = { CARRY_ANSWER, true },   [ACT_HANG] = { CARRY_SILENCE, false },
    [ACT_DROP] = { CARRY_CLOSE, true },    [ACT_RESET] = { CARRY_RESET, false },
};

struct verdict sink_decide(struct sink *s, const struct request *r, bool dedup, int64_t wall_ms)
{
    struct peek job;
    struct entry *e = entry_for(s, r, &job);
    if (dedup && e->serial != 0) {
        uint64_t serial = ledger_record(s->ledger, e, (struct receipt){ wall_ms, 200, false, true });
        return (struct verdict){ CARRY_ANSWER, 200, -1, s->latency_ms, serial };
    }
    struct script script = script_for(s, job.to, e->key, wall_ms);
    if (script.times > 0 && e->requests >= (uint32_t)script.times)
        script = (struct script){ .act = ACT_ACCEPT };
    struct plan plan = plans[script.act];
    int status = plan.how != CARRY_ANSWER ? 0 : plan.accepts ? 200 : script.status;
    uint64_t serial =
        ledger_record(s->ledger, e, (struct receipt){ wall_ms, (uint16_t)status, plan.accepts, false });
    return (struct verdict){
        .how = plan.how,
        .status = status,
        .retry_after_s = script.act == ACT_FAIL ? script.retry_after_s : -1,
        .delay_ms = s->latency_ms + script.delay_ms,
        .serial = serial,
    };
}

bool sink_resets_early(struct sink *s, const struct request *r, int64_t wall_ms)
{
    struct peek job;
    peek_job(r->body, &job);
    if (job.to.ptr == NULL)
        return false;
    struct script script = script_for(s, job.to, r->idempotency_key, wall_ms);
    if (script.act != ACT_RESET)
        return false;
    return sink_decide(s, r, false, wall_ms).how == CARRY_RESET;
}
