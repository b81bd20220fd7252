// SPDX-License-Identifier: Apache-2.0
// census: how far belts and main topics reach, asked of the broker now and then on a thread of its own.
#ifndef WORKER_CENSUS_H
#define WORKER_CENSUS_H

#include "common/config.h"
#include "common/err.h"

struct census;

// Starts the thread. config is borrowed until census_stop.
MUST_CHECK bool census_start(struct census **c, const struct config *config, struct err *e);
// Waits a second for a question that is under way; the thread is then left to the end of the process.
void census_stop(struct census *c);

// Offset of the next record to be written to a partition of a belt or main topic, as of the last answer; -1 = not known
// yet.
int64_t census_high(struct census *c, const char *topic, int32_t partition);

#endif
