// SPDX-License-Identifier: Apache-2.0
// publisher: validates a job, puts it on the main topic of its lane, and tells what became of it. The library and
// the command line are both thin layers over this.
#ifndef PRODUCER_PUBLISHER_H
#define PRODUCER_PUBLISHER_H

#include "common/broker.h"
#include "producer/sendfleet.h"

struct publisher;

// Checks that the main topics exist before it returns: ERR_UNAVAILABLE when no broker answers, ERR_CONFIG when a topic
// is missing. config is borrowed.
MUST_CHECK bool publisher_open(struct publisher **p, const struct config *config, struct err *e);

// As sendfleet_publish, sendfleet_poll, sendfleet_flush, sendfleet_close, sendfleet_fd.
enum sendfleet_status publisher_offer(struct publisher *p, struct slice job, sendfleet_callback cb, void *arg);
int publisher_poll(struct publisher *p, int timeout_ms);
size_t publisher_flush(struct publisher *p, int timeout_ms);
void publisher_close(struct publisher *p, int timeout_ms);
int publisher_fd(const struct publisher *p);
size_t publisher_pending(const struct publisher *p);

#endif
