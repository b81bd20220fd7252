// SPDX-License-Identifier: Apache-2.0
// smtp_dial: finding a relay that answers.
//
// A name may have several addresses, and one of them being down is what the others are for: they are tried in the
// resolver's order, each with the full connect timeout (the session keeps the time). Only a failure to connect leads
// to the next one: once a server has greeted, what it says is the answer.
#include "worker/transport/smtp_dial.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

static void on_answer(void *arg, const struct resolver_answer *answer)
{
    struct smtp_dial *d = arg;
    d->query = NULL;
    if (answer->ok && answer->count > 0) {
        d->found = *answer;
        d->resolved(d->arg, NULL);
    } else {
        d->resolved(d->arg, !answer->ok && answer->text != NULL ? answer->text : "the relay's name has no address");
    }
}

void smtp_dial_start(struct smtp_dial *d)
{
    d->query = resolver_lookup(d->resolver, d->host, on_answer, d);
}

void smtp_dial_cancel(struct smtp_dial *d)
{
    if (d->query != NULL)
        resolver_cancel(d->query);
    d->query = NULL;
}

static void set_port(struct sockaddr_storage *address, int port)
{
    in_port_t number = htons((uint16_t)port);
    if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = number;
    else
        ((struct sockaddr_in *)address)->sin_port = number;
}

static const char *address_text(const struct sockaddr_storage *address, char ip[INET6_ADDRSTRLEN])
{
    const void *bytes = address->ss_family == AF_INET6
                            ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)address)->sin_addr;
    return inet_ntop(address->ss_family, bytes, ip, INET6_ADDRSTRLEN) != NULL ? ip : "?";
}

bool smtp_dial_next(struct smtp_dial *d, const char *why, char *text, size_t size)
{
    struct err e = { 0 };
    while (d->tried < d->found.count) {
        struct sockaddr_storage *address = &d->found.addresses[d->tried++];
        set_port(address, d->port);
        if (smtp_wire_open(d->wire, (const struct sockaddr *)address, &e))
            return true;
        why = e.text;
    }
    char ip[INET6_ADDRSTRLEN];
    snprintf(text, size, "connect to %.120s [%s]:%d: %s", d->host, address_text(&d->found.addresses[d->tried - 1], ip),
             d->port, why != NULL ? why : "failed");
    return false;
}
