// SPDX-License-Identifier: Apache-2.0
// record: a Kafka record and its headers, as the programs see them (no client library's types).
#ifndef COMMON_RECORD_H
#define COMMON_RECORD_H

#include "common/buf.h"

struct header {
    struct slice name, value; // values are bytes
};

// Headers being put together for a record that is to be produced. All zero is empty; names may repeat, the last
// one wins. Names and values are copied into one arena, so building a set is two allocations at most.
struct headers {
    struct header *list; // valid until the next headers_add
    size_t count, cap;
    struct buf bytes; // owned arena
};

void headers_clear(struct headers *h);
void headers_reset(struct headers *h); // empty, memory kept
void headers_add(struct headers *h, const char *name, struct slice value);
void headers_add_slice(struct headers *h, struct slice name, struct slice value);
void headers_add_i64(struct headers *h, const char *name, int64_t value); // ASCII decimal
// Total size on the wire, names and values.
size_t headers_bytes(const struct headers *h);
// The i-th header, valid until the next headers_add (the arena may move).
struct header headers_at(const struct headers *h, size_t i);

// A consumed record: one allocation, owned by whoever took it (record_free). Slices point into it.
struct record {
    const char *topic; // borrowed from the consumer that read it; lives as long as that does
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; // the broker's append time on belts, the publisher's time elsewhere
    bool has_key, has_value; // Kafka tells null from empty
    struct slice key, value;
    size_t bytes; // what it weighs in memory budgets
    size_t header_count;
    struct header headers[];
};

void record_free(struct record *r);

// Copies key, value and headers into one block. name/value slices of h may point anywhere.
struct record *record_new(const struct record *shape, const struct header *h, size_t header_count);

// Last value of a header, or an absent slice.
struct slice record_header(const struct record *r, const char *name);

#endif
