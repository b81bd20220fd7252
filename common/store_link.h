// SPDX-License-Identifier: Apache-2.0
// store_link: one connection to Redis at a time: bytes out once a turn, replies in.
#ifndef COMMON_STORE_LINK_H
#define COMMON_STORE_LINK_H

#include "common/store.h"

struct config;
struct loop;
struct store_link;

struct store_link_events {
    void (*on_open)(void *arg);
    void (*on_reply)(void *arg, const struct store_reply *reply); // may close the link
    void (*on_lost)(void *arg, const char *why); // it is closed already; open it again from a timer
    void *arg;
};

struct store_link *store_link_new(struct loop *l, const struct config *c,
                                  const struct store_link_events *events);
void store_link_free(struct store_link *k);

void store_link_open(struct store_link *k);
void store_link_close(struct store_link *k); // without on_lost
void store_link_write(struct store_link *k, const void *bytes,
                      size_t len);                       // copied; leaves at the end of the turn
void store_link_read(struct store_link *k);              // what has arrived, now; may call everything above
const char *store_link_name(const struct store_link *k); // "127.0.0.1:6379" or the socket's path, for logs

#endif
