// SPDX-License-Identifier: Apache-2.0
// worker: the process that consumes jobs and hands them to their next hop.
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include "common/config.h"
#include "common/err.h"

// Runs until SIGTERM or SIGINT. Returns the exit status: 0 drained; 69 a broker never answered; 75 partly unsettled
// at the drain deadline, or "restart me"; 78 the set-up has to change (*e says what).
int worker_run(const struct config *c, struct err *e);

#endif
