// SPDX-License-Identifier: Apache-2.0
// dkim_key: a private key that signs mail (RFC 6376, 8301, 8463), OpenSSL inside.
#ifndef WORKER_DKIM_KEY_H
#define WORKER_DKIM_KEY_H

#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"

enum dkim_algorithm { DKIM_RSA_SHA256, DKIM_ED25519_SHA256, DKIM_ALGORITHMS };
const char *dkim_algorithm_name(enum dkim_algorithm a); // "rsa-sha256", "ed25519-sha256"

struct dkim_key; // belongs to one thread

// A PEM private key without passphrase: RSA of 1024 to 8192 bits, or Ed25519. False: ERR_CONFIG saying why
// not.
MUST_CHECK bool dkim_key_new(struct dkim_key **k, const char *pem, struct err *e);
void dkim_key_free(struct dkim_key *k);
enum dkim_algorithm dkim_key_algorithm(const struct dkim_key *k);

// Appends the signature over a SHA-256 as base64; the same for the same hash. False: ERR_TRANSIENT.
MUST_CHECK bool dkim_key_sign(struct dkim_key *k, const unsigned char hash[DIGEST_SIZE], struct buf *out,
                              struct err *e);

// Appends "v=DKIM1; k=…; p=…": what <selector>._domainkey.<domain> has to say as TXT.
MUST_CHECK bool dkim_key_record(const struct dkim_key *k, struct buf *out, struct err *e);

#endif
