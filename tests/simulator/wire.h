// SPDX-License-Identifier: Apache-2.0
// wire: HTTP/1.1 as far as a sink needs it. A request is recognised in place; its slices point into the
// input.
#ifndef SIMULATOR_WIRE_H
#define SIMULATOR_WIRE_H

#include "common/buf.h"

enum { WIRE_HEAD_MAX = 32 * 1024, WIRE_BODY_MAX = 16 * 1024 * 1024 };

enum wire_state {
    WIRE_HEAD,     // the head is not there yet; nothing of the request may be used
    WIRE_BODY,     // all but the body; request.body is what has come of it
    WIRE_COMPLETE, // request.total bytes of the input are this request
    WIRE_BAD,      // request.refusal is the status to answer before closing
};

struct request {
    struct slice method, path, query; // query without '?', empty when there is none
    struct slice idempotency_key;     // header Idempotency-Key; ptr NULL = absent
    struct slice job_id;              // header X-Sendfleet-Id; ptr NULL = absent
    struct slice body;
    size_t body_len; // announced
    size_t total;
    bool keep_alive;
    bool expects_continue;
    int refusal;
};

enum wire_state wire_parse(struct slice in, struct request *r);

// A whole response. retry_after_s < 0 = no such header. body is JSON.
void wire_put_response(struct buf *out, int status, int retry_after_s, struct slice body);

// The head of a response whose body comes in chunks; wire_put_chunk with an empty slice ends it.
void wire_put_stream_head(struct buf *out);
void wire_put_chunk(struct buf *out, struct slice chunk);

#endif
