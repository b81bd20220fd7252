// SPDX-License-Identifier: Apache-2.0
// smtp_dial: from a relay's name to a socket that connects: look the name up, try one address after the other.
#ifndef WORKER_TRANSPORT_SMTP_DIAL_H
#define WORKER_TRANSPORT_SMTP_DIAL_H

#include "worker/resolver.h"
#include "worker/transport/smtp_wire.h"

struct smtp_dial { // set up the first six; the rest zero
    struct resolver *resolver; // borrowed, as are host and wire
    const char *host;
    int port;
    struct smtp_wire *wire;
    void (*resolved)(void *arg, const char *failure); // NULL: there are addresses, go on with smtp_dial_next
    void *arg;
    struct resolver_query *query; // NULL when none is out
    struct resolver_answer found;
    int tried; // of found.addresses
};

void smtp_dial_start(struct smtp_dial *d); // resolved is called later, never from inside
void smtp_dial_cancel(struct smtp_dial *d);

// Starts to connect the wire to the next address. why: what was wrong with the one before (NULL: there was none).
// False: there is no other; text then names the last one and what was wrong with it.
MUST_CHECK bool smtp_dial_next(struct smtp_dial *d, const char *why, char *text, size_t size);

#endif
