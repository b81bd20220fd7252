// SPDX-License-Identifier: Apache-2.0
// dkim_canon: what of a message goes under a signature, in the "relaxed" form (RFC 6376 3.4.2, 3.4.4, 5.4).
#ifndef WORKER_DKIM_CANON_H
#define WORKER_DKIM_CANON_H

#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"

enum { DKIM_FIELDS_MAX = 160 };

struct dkim_field { // borrowed from the message
    struct slice name;
    struct slice whole; // with its folded lines, without the CRLF at the end
};

struct dkim_message {
    struct dkim_field fields[DKIM_FIELDS_MAX]; // from the top
    int count;
    struct slice body;
};

// Takes a message with CRLF line ends apart. False: ERR_INPUT, it is not one or has too many fields.
MUST_CHECK bool dkim_split(struct dkim_message *m, struct slice message, struct err *e);

// The field "name:value" without a line end.
void dkim_relax_field(struct slice field, struct buf *out);

// The relaxed fields that names asks for, each with CRLF. A name asked for again is the next field of that
// name, from the bottom upwards; one that is not there adds nothing.
void dkim_put_signed(const struct dkim_message *m, const struct slice *names, int count, struct buf *out);

// SHA-256 of the relaxed body. Uses the running digest (common/digest.h).
void dkim_hash_body(struct slice body, unsigned char hash[DIGEST_SIZE]);

#endif
