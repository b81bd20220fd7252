// SPDX-License-Identifier: Apache-2.0
// preflight: what must be true before a worker joins its groups.
#ifndef WORKER_PREFLIGHT_H
#define WORKER_PREFLIGHT_H

#include "common/config.h"
#include "common/err.h"

// All topics exist and the belts are stamped by the broker. Waits (with a log line now and then) while no broker
// answers; false when a topic is missing or wrong, naming it and what to do.
MUST_CHECK bool preflight_topics(const struct config *c, struct err *e);

#endif
