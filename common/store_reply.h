// SPDX-License-Identifier: Apache-2.0
// store_reply: bytes from Redis in, replies out (RESP2).
#ifndef COMMON_STORE_REPLY_H
#define COMMON_STORE_REPLY_H

#include "common/store.h"

struct store_parser;

struct store_parser *store_parser_new(void);
void store_parser_free(struct store_parser *p);

// False (ERR_TRANSIENT): what came is no RESP; nothing after it can be trusted.
MUST_CHECK bool store_parser_feed(struct store_parser *p, const char *bytes, size_t len, struct err *e);

// The next complete reply, or NULL with e->kind == ERR_NONE when there is none yet. Valid until the next
// call.
const struct store_reply *store_parser_next(struct store_parser *p, struct err *e);

#endif
