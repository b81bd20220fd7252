// SPDX-License-Identifier: Apache-2.0
// mask: what may be shown of other people's text on a terminal or in a ticket.
#ifndef DLQ_INSPECTOR_MASK_H
#define DLQ_INSPECTOR_MASK_H

#include "common/buf.h"

// Appends text with control characters (escape sequences, line breaks, C1) as spaces and broken UTF-8 as '?': a
// server's reply must not be able to drive the terminal it is read on.
void mask_plain(struct buf *out, struct slice text);

// Appends an address as "u***@domain" (reveal: as it is), cleaned as above. Anything without '@' becomes "***".
void mask_address(struct buf *out, struct slice address, bool reveal);

// Appends running text with every address in it masked (reveal: as it is), cleaned as above.
void mask_text(struct buf *out, struct slice text, bool reveal);

#endif
