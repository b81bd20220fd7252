// SPDX-License-Identifier: Apache-2.0
// line: jobs that wait for a connection of their route, not claimed yet.
#ifndef WORKER_LINE_H
#define WORKER_LINE_H

#include "worker/delivery.h"

// Claims at once when its route has a connection for it, else stands in line (state WAITING). The delivery is ARRIVED.
void line_join(struct delivery *d);

// Its attempt is over, or there will be none: the next in line claims. Nothing happens when it held no place.
void line_leave(struct delivery *d);

// Out of the line without having claimed anything; the caller decides what then.
void line_remove(struct delivery *d);

#endif
