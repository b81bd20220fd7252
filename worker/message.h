// SPDX-License-Identifier: Apache-2.0
// message: a job as an Internet message (RFC 5322, MIME).
#ifndef WORKER_MESSAGE_H
#define WORKER_MESSAGE_H

#include "common/job.h"

// Appends the whole message to out: CRLF line ends, ends in CRLF, 7-bit but for addresses that are not ASCII, not
// dot-stuffed. The same bytes for the same arguments: Message-ID and boundaries are hashes of job id and recipient.
// job_id: sf-id, NUL-terminated. False: ERR_INPUT naming the field that cannot be sent; out is then to be reset.
MUST_CHECK bool message_build(const struct job *job, const char *job_id, int64_t date_ms, struct buf *out,
                              struct err *e);

// When the message says it was written: created_at or not_before, whichever is later, else when it was first seen.
int64_t message_date_ms(const struct job *job, int64_t first_seen_ms);

#endif
