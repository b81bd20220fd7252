// SPDX-License-Identifier: Apache-2.0
// store_queue: commands, formatted once and kept until they are answered.
#ifndef COMMON_STORE_QUEUE_H
#define COMMON_STORE_QUEUE_H

#include "common/store.h"

struct store_command { // in exactly one queue, or free
    struct store_command *next;
    store_cb cb; // NULL: nobody asks
    void *arg;
    struct store_script *script; // borrowed; NULL = none
    int64_t queued_ms;           // when it was given to us
    int64_t written_ms;          // when it last went to the link
    bool internal;               // of the connection (handshake, PING): dies with it
    bool first;                  // goes before everything that is held back
    struct buf bytes;            // RESP
};

struct store_queue { // all zero is empty
    struct store_command *head, *tail;
    size_t count;
};

void store_queue_push(struct store_queue *q, struct store_command *c);
struct store_command *store_queue_pop(struct store_queue *q); // NULL when empty
// Puts all of `from` before everything in q, keeping its order; from is empty afterwards.
void store_queue_prepend(struct store_queue *q, struct store_queue *from);

struct store_pool { // all zero is empty: commands and their memory, for the next ones
    struct store_queue spare;
};

struct store_command *store_pool_get(struct store_pool *p);
void store_pool_put(struct store_pool *p, struct store_command *c);
void store_pool_clear(struct store_pool *p);
void store_command_delete(struct store_command *c);

void store_format_head(struct buf *out, size_t count); // *<count>
void store_format_arg(struct buf *out, struct slice arg);

#endif
