// SPDX-License-Identifier: Apache-2.0
// classify_rules: what a rule is. The engine (classify.c) knows no code or text of any provider; the table
// (classify_rules.c) has no logic.
#ifndef WORKER_CLASSIFY_RULES_H
#define WORKER_CLASSIFY_RULES_H

#include "common/failure.h"
#include "worker/transport/transport.h"

enum rule_family { RULE_ANY, RULE_SMTP, RULE_HTTP };

enum rule_flag {
    RULE_IF_IDEMPOTENT = 1 << 0, // the receiver honours our key
    RULE_IF_NOT_IDEMPOTENT = 1 << 1,
    RULE_IF_ASKED = 1 << 2,     // a wait was asked for in so many words (Retry-After)
    RULE_WAIT_IN_TEXT = 1 << 3, // not a condition: "try again in 5 minutes" sets the wait
};

#define RULE_RESULT(r) (1u << (r))
#define RULE_PHASE(p)  (1u << (p))

struct rule { // all conditions that are given must hold; the first rule that matches wins
    const char *id;
    enum rule_family family;
    const char *provider; // NULL: any of the family
    unsigned results;     // RULE_RESULT bits; 0: REFUSED
    unsigned phases;      // RULE_PHASE bits; 0: any
    int low, high;        // codes; high 0: only low; both 0: any
    const char *enhanced; // patterns separated by spaces: "5.1.1", "5.7.*" (prefix), "-" (none); NULL: any
    const char *text;     // alternatives separated by "|", found anywhere, ASCII case ignored; NULL: any
    unsigned flags;       // RULE_… bits
    enum failure_class class;
    int64_t wait_ms; // when no wait was asked for; 0 = the configured one
    bool suppress;   // proof that the mailbox is dead
};

extern const struct rule CLASSIFY_RULES[]; // ends with id == NULL; its last rules match everything

#endif
