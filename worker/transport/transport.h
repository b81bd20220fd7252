// SPDX-License-Identifier: Apache-2.0
// transport: how an attempt reaches the next hop. A transport is one file and one row in transport.c's table.
//
// The protocol code only reports; it never decides what happens next (worker/classify.c does). An attempt ends
// exactly once, through its done callback, with the phase it ended in and one of four results:
//
//   ACCEPTED  the next hop took custody (SMTP 250 after the dot, HTTP 2xx)
//   REFUSED   a definite answer that is not acceptance (code is set)
//   FAILED    no answer, and certainly not accepted: the request was not completely written
//   UNKNOWN   completely written, no verdict: it may have been accepted
#ifndef WORKER_TRANSPORT_TRANSPORT_H
#define WORKER_TRANSPORT_TRANSPORT_H

#include "common/config.h"
#include "common/err.h"
#include "common/job.h"

struct loop;
struct resolver;
struct metrics;
struct dkim;

enum attempt_result { ATTEMPT_ACCEPTED, ATTEMPT_REFUSED, ATTEMPT_FAILED, ATTEMPT_UNKNOWN };

enum attempt_phase { // in the order in which an attempt passes them
    PHASE_QUEUED,    // waits for a connection: nothing begun
    PHASE_RESOLVE,
    PHASE_CONNECT,
    PHASE_TLS,
    PHASE_GREETING, // smtp: up to and including EHLO/AUTH
    PHASE_MAIL,
    PHASE_RCPT,
    PHASE_DATA,     // smtp: DATA command and its reply
    PHASE_BODY,     // the message or request is being written
    PHASE_RESPONSE, // completely written, the verdict is awaited (smtp: after the final dot)
    PHASE_COUNT
};
const char *phase_name(enum attempt_phase p); // "queued", "resolve", …

enum { OUTCOME_TEXT_MAX = 300, OUTCOME_RESPONSE_MAX = 4096, OUTCOME_PROVIDER_ID_MAX = 256 };

struct outcome {
    enum attempt_result result;
    enum attempt_phase phase; // where it ended
    int code;                 // SMTP reply or HTTP status; 0 = none
    char enhanced[12];        // "5.1.1"; "" = none or not trusted
    char text[OUTCOME_TEXT_MAX + 1];           // one line: the reply's text or what went wrong
    char provider_id[OUTCOME_PROVIDER_ID_MAX]; // accepted: what the next hop calls it ("" = it did not say)
    int64_t retry_after_ms;   // asked for by the next hop, from now; -1 = not
    struct slice response;    // the last full reply, at most OUTCOME_RESPONSE_MAX; borrowed until done returns
    int64_t begun_us;         // monotonic: first connect or first byte of this attempt; 0 = never begun
};

// One attempt. Owned by the caller; borrowed by the transport from start until done was called.
struct attempt {
    const struct job *job;
    const char *job_id;          // sf-id
    struct slice idempotency_key;
    uint32_t generation, number; // number: 1 for the first attempt of this generation
    int64_t first_seen_ms;       // wall clock, the same at every attempt (smtp: Date of a job without created_at)
    void (*done)(struct attempt *a, const struct outcome *o); // never called from inside start or before it returns
    void *owner;                 // the caller's
    void *state;                 // the transport's, NULL when not started
};

struct transport_env { // what a transport may use; outlives it
    struct loop *loop;
    struct resolver *resolver;
    const struct config *config;
    struct dkim *dkim; // smtp: signs what goes out; NULL = nothing is signed
};

struct transport; // one per route and worker

struct transport_ops {
    const char *name; // "http", "smtp"
    MUST_CHECK bool (*open)(struct transport **t, const struct route_config *route, const struct transport_env *env,
                            struct err *e);
    void (*start)(struct transport *t, struct attempt *a);
    // The attempt must end now (drain deadline): done is called before this returns, FAILED when the request was not
    // completely written (the connection is cut), UNKNOWN when it was.
    void (*abort)(struct transport *t, struct attempt *a);
    // Closes idle connections. No attempt may be under way.
    void (*close)(struct transport *t);
};

extern const struct transport_ops transport_http, transport_smtp;
const struct transport_ops *transport_find(const char *name); // NULL when there is none

#endif
