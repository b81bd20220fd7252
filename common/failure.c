// SPDX-License-Identifier: Apache-2.0
// failure: see failure.h.
#include "common/failure.h"

static const char *const NAMES[FAILURE_CLASS_COUNT] = {
    [FAILURE_NONE] = "none",
    [FAILURE_TRANSIENT] = "transient",
    [FAILURE_THROTTLED] = "throttled",
    [FAILURE_MAILBOX_BUSY] = "mailbox_busy",
    [FAILURE_PERMANENT] = "permanent",
    [FAILURE_REPUTATION] = "reputation",
    [FAILURE_ROUTE] = "route",
    [FAILURE_UNKNOWN] = "unknown",
    [FAILURE_EXPIRED] = "expired",
    [FAILURE_EXHAUSTED] = "exhausted",
    [FAILURE_INVALID] = "invalid",
    [FAILURE_CONFLICT] = "conflict",
};

const char *failure_name(enum failure_class c)
{
    return c < FAILURE_CLASS_COUNT ? NAMES[c] : "none";
}

bool failure_parse(struct slice name, enum failure_class *c)
{
    for (int i = 0; i < FAILURE_CLASS_COUNT; i++) {
        if (slice_is(name, NAMES[i])) {
            *c = (enum failure_class)i;
            return true;
        }
    }
    return false;
}

bool failure_is_charged(enum failure_class c)
{
    return c != FAILURE_NONE && c != FAILURE_THROTTLED && c != FAILURE_ROUTE;
}
