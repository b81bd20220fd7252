// SPDX-License-Identifier: Apache-2.0
// address: one mailbox, as it may appear in "from", "to" and "reply_to" (RFC 5322 3.4 without groups, comments,
// routes, literals and quoted local parts; RFC 5321 4.5.3.1 lengths).
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include "common/buf.h"
#include "common/err.h"

struct address { // slices borrow from the parsed text
    struct slice display; // "" when absent; quotes removed when it has no escapes
    struct slice spec;    // local@domain
    struct slice local;
    struct slice domain;
};

// Accepts "a@b.example", "<a@b.example>" and "Display Name <a@b.example>". Refuses control characters, a second
// address, more than 254 octets, empty or malformed labels. Non-ASCII is accepted in display names and, as
// UTF-8, in the local part and domain (SMTPUTF8; the transport decides whether its peer can take it).
MUST_CHECK bool address_parse(struct address *a, struct slice text, struct err *e);

#endif
