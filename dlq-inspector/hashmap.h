// SPDX-License-Identifier: Apache-2.0
// hashmap: 64-bit hashes to small numbers, for folding letters and finding their marks without keeping their names.
#ifndef DLQ_INSPECTOR_HASHMAP_H
#define DLQ_INSPECTOR_HASHMAP_H

#include "common/buf.h"

struct hashmap { // all zero is an empty one
    struct hashmap_slot *slots; // owned
    size_t cap, count;
};

void hashmap_clear(struct hashmap *m);
// The number stored under hash, or NULL. Valid until the next hashmap_put.
uint32_t *hashmap_find(const struct hashmap *m, uint64_t hash);
// True when the hash was not there; otherwise nothing changes.
bool hashmap_put(struct hashmap *m, uint64_t hash, uint32_t value);

// A hash that differs from process to process, so that nobody can choose job ids that collide.
uint64_t hashmap_hash(struct slice bytes);

#endif
