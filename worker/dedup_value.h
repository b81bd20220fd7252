// SPDX-License-Identifier: Apache-2.0
// dedup_value: the text of a dedup record, and the owner tokens. See dedup.h for the format.
#ifndef WORKER_DEDUP_VALUE_H
#define WORKER_DEDUP_VALUE_H

#include "worker/dedup.h"

// Everything up to and with the bar before the detail; the detail is appended by the caller.
void dedup_value_put(struct buf *out, char state, const struct dedup_subject *s, int version);

// The provider id of the acceptance that value records ("-" when it has no name); "" when value records none,
// or when the owner of token wrote it. Borrowed from value.
struct slice dedup_value_acceptance(struct slice value, const char *token);

struct dedup_tokens { // all zero is ready to use
    uint64_t state[2];
    unsigned forks; // of the process when it was seeded
    bool seeded;
};

void dedup_tokens_next(struct dedup_tokens *t, char token[DEDUP_TOKEN_SIZE]);

#endif
