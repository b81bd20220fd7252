// SPDX-License-Identifier: Apache-2.0
// store_resolve: a host name to addresses without stopping the loop.
#ifndef COMMON_STORE_RESOLVE_H
#define COMMON_STORE_RESOLVE_H

#include "common/err.h"

#include <sys/socket.h>

struct loop;
struct store_resolve;

enum { STORE_ADDRESSES_MAX = 8 };

struct store_addresses {
    int count; // 0: error says why
    struct {
        struct sockaddr_storage addr;
        socklen_t len;
    } list[STORE_ADDRESSES_MAX];
    struct err error;
};

typedef void (*store_resolve_cb)(void *arg, const struct store_addresses *found);

// Addresses and "localhost" are answered at once, from within; then the result is NULL.
struct store_resolve *store_resolve_start(struct loop *l, const char *host, int port, store_resolve_cb cb,
                                          void *arg);
void store_resolve_cancel(struct store_resolve *r); // cb is not called any more; not from within cb

#endif
