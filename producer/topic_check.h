// SPDX-License-Identifier: Apache-2.0
// topic_check: is a topic that exists fit for its role?
#ifndef PRODUCER_TOPIC_CHECK_H
#define PRODUCER_TOPIC_CHECK_H

#include "common/broker.h"

enum finding { // from harmless to not
    FINDING_OK,
    FINDING_CREATED,
    FINDING_UNREAD,  // exists, but its settings could not be read
    FINDING_DIFFERS, // not as configured, breaks no promise
    FINDING_MISSING,
    FINDING_UNSAFE,  // breaks a promise
};

enum { FINDING_TEXT_SIZE = 256 };

// state: of a topic that exists. text: what is wrong and what to set, "" when it is fine.
enum finding topic_check(const struct config *c, const struct topic_plan *plan, const struct broker_topic_state *state,
                         char text[FINDING_TEXT_SIZE]);

const char *finding_name(enum finding f); // "ok", "created" …

#endif
