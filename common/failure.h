// SPDX-License-Identifier: Apache-2.0
// failure: the one taxonomy over SMTP and HTTP. The class, and nothing else, decides a job's path.
#ifndef COMMON_FAILURE_H
#define COMMON_FAILURE_H

#include "common/buf.h"

enum failure_class {
    FAILURE_NONE,
    FAILURE_TRANSIENT,    // certainly not accepted, worth trying again             backoff
    FAILURE_THROTTLED,    // they asked us to wait                                  wait as asked, not charged
    FAILURE_MAILBOX_BUSY, // this recipient cannot take it now                      slower backoff
    FAILURE_PERMANENT,    // never going to work                                    dead letter
    FAILURE_REPUTATION,   // we are refused for who we are                          dead letter, never suppress
    FAILURE_ROUTE,        // our credential or set-up is at fault                   route waits, not charged
    FAILURE_UNKNOWN,      // completely written, no verdict                         never silently resent
    FAILURE_EXPIRED,      // older than its max age                                 dead letter
    FAILURE_EXHAUSTED,    // charged attempts used up                               dead letter
    FAILURE_INVALID,      // not a job                                              dead letter, raw bytes kept
    FAILURE_CONFLICT,     // an idempotency key used with other content             dead letter
    FAILURE_CLASS_COUNT
};

// "transient", "mailbox_busy" … ("none" for FAILURE_NONE): the words of headers, metrics, events and rules.
const char *failure_name(enum failure_class c);
bool failure_parse(struct slice name, enum failure_class *c);

// True when the attempt that ended so counts towards max_attempts.
bool failure_is_charged(enum failure_class c);

#endif
