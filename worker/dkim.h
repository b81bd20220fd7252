// SPDX-License-Identifier: Apache-2.0
// dkim: signs messages with the keys of the configuration (RFC 6376; c=relaxed/relaxed).
#ifndef WORKER_DKIM_H
#define WORKER_DKIM_H

#include "common/config.h"
#include "worker/dkim_key.h"

struct dkim;

// Reads every key. False: ERR_CONFIG naming domain, selector and file.
MUST_CHECK bool dkim_open(struct dkim **d, const struct config *c, struct err *e);
void dkim_close(struct dkim *d);

// Puts a DKIM-Signature for each key of the domain (of the From address) on top of a message with CRLF line
// ends; none when the domain has no key. The domain's keys are those under its own name, else under the
// nearest parent that is configured. The same bytes for the same arguments. d may be NULL: no keys.
// False: the message cannot be signed and is as it was; it should not go out so.
MUST_CHECK bool dkim_sign(struct dkim *d, struct slice domain, int64_t date_ms, struct buf *message,
                          struct err *e);

struct dkim_counts {
    uint64_t made[DKIM_ALGORITHMS]; // signatures
    uint64_t failed;                // messages
};
struct dkim_counts dkim_counts(const struct dkim *d);

#endif
