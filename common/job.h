// SPDX-License-Identifier: Apache-2.0
// job: the value of a record on a main topic, parsed and validated. It never changes after it was published.
//
// Everything borrows: strings point into the record's bytes, or into the job's own scratch memory where the JSON
// had escapes. A struct job is reusable (job_parse clears it but keeps the memory) and belongs to one thread.
#ifndef COMMON_JOB_H
#define COMMON_JOB_H

#include "common/address.h"
#include "common/json.h"

enum job_priority { JOB_NORMAL, JOB_CRITICAL, JOB_BULK };
enum job_on_unknown { JOB_UNKNOWN_DEFAULT, JOB_UNKNOWN_HOLD, JOB_UNKNOWN_RESEND };
enum job_replay { JOB_REPLAY_ALLOWED, JOB_REPLAY_APPROVAL, JOB_REPLAY_NEVER };

enum { JOB_KEY_HASH_SIZE = 33, JOB_MAX_BYTES_DEFAULT = 1 << 20 };

struct job {
    struct slice value;           // the whole JSON text, as published
    struct slice id;              // absent (ptr NULL) when the publisher gave none
    struct slice idempotency_key; // always set: the publisher's, or SHA-256 (hex) over the content
    struct slice route;           // "default" when absent
    struct slice subject, text, html, template_id, url; // absent: ptr NULL
    struct address from, to, reply_to;                  // spec.ptr NULL when absent
    struct slice recipient_id, draft_id, agent_task_id;
    enum job_priority priority;
    enum job_on_unknown on_unknown;
    enum job_replay replay;
    bool approval_required;
    struct slice approval_state; // "approved", "pending" …; absent: ptr NULL
    int64_t created_at_ms;       // 0 when absent
    int64_t not_before_ms;       // 0 when absent
    int64_t expires_at_ms;       // 0 when absent
    int64_t max_age_ms;          // 0 when absent
    uint64_t fingerprint;        // over the content fields, see job.c
    char key_hash[JOB_KEY_HASH_SIZE]; // 128 bits of SHA-256 of the idempotency key, hex
    uint32_t headers, attachments, vars, body; // token index in doc, 0 when absent
    struct json_doc doc;         // for the fields above that are structures
    struct buf scratch;          // owned; decoded strings. Do not append to it: the slices above point into it
};

// Parses and validates. max_bytes: the size limit of a job (JOB_MAX_BYTES_DEFAULT).
// False: ERR_INPUT with a text that names the field and the reason; the job is then only fit for job_clear or
// another job_parse. Unknown fields are kept (they are part of value) and ignored. A null counts as absent.
// "created_at", "not_before", "expires_at" are milliseconds since the epoch or RFC 3339 strings.
MUST_CHECK bool job_parse(struct job *job, const char *bytes, size_t len, size_t max_bytes, struct err *e);
void job_clear(struct job *job);

const char *job_priority_name(enum job_priority p);   // "normal", "critical", "bulk"

// When the job is over: min of expires_at and lifetime start + max age (its own or the default).
// first_seen_ms restarts the lifetime for a replay (0 = not a replay): lifetimes count from
// max(created_at, not_before, first_seen). INT64_MAX when none of these is known and there is no expires_at.
int64_t job_deadline_ms(const struct job *job, int64_t first_seen_ms, int64_t default_max_age_ms);

#endif
