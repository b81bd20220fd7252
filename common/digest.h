// SPDX-License-Identifier: Apache-2.0
// digest: SHA-256 (OpenSSL) and hexadecimal.
#ifndef COMMON_DIGEST_H
#define COMMON_DIGEST_H

#include "common/buf.h"

enum { DIGEST_SIZE = 32 };

void digest_sha256(struct slice bytes, unsigned char out[DIGEST_SIZE]);

// The same over pieces. One at a time in a thread, and none of the functions here between begin and end.
void digest_begin(void);
void digest_add(struct slice bytes);
void digest_end(unsigned char out[DIGEST_SIZE]);

// Lower-case hex of len bytes and a NUL; out has 2 * len + 1 bytes. Returns out.
char *digest_hex(const unsigned char *bytes, size_t len, char *out);

// SHA-1 as 40 hex digits and a NUL: only for what is named by it elsewhere (Redis scripts). Returns out.
enum { DIGEST_SHA1_HEX_SIZE = 41 };
char *digest_sha1_hex(struct slice bytes, char out[DIGEST_SHA1_HEX_SIZE]);

// First 128 bits of SHA-256 as 32 hex digits and a NUL: how recipients and keys appear in headers, Redis and logs.
enum { DIGEST_SHORT_SIZE = 33 };
char *digest_short(struct slice bytes, char out[DIGEST_SHORT_SIZE]);

#endif
