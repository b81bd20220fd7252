// SPDX-License-Identifier: Apache-2.0
// ruleset: an ordered list of rules, read from text (worker/rules/default.rules says in which form) and
// compiled.
//
// All conditions that a rule gives must hold; the first rule that matches wins. Rules that name a provider
// come before those for a whole family, wherever they stand in the file; else the order is the file's.
#ifndef WORKER_RULESET_H
#define WORKER_RULESET_H

#include "common/failure.h"
#include "worker/reply_text.h"

enum rule_family { RULE_SMTP = 1 << 0, RULE_HTTP = 1 << 1 };

enum rule_flag {
    RULE_IF_IDEMPOTENT = 1 << 0, // the receiver honours our key
    RULE_IF_NOT_IDEMPOTENT = 1 << 1,
    RULE_IF_ASKED = 1 << 2,     // a wait was asked for in so many words (Retry-After)
    RULE_WAIT_IN_TEXT = 1 << 3, // not a condition: "try again in 5 minutes" sets the wait
    RULE_GENERIC = 1 << 4,      // not a condition: the text meant nothing to us
};

enum { RULES_MAX = 1024, RULE_LIST_MAX = 12, RULE_NAME_MAX = 31, RULESET_BYTES_MAX = 1 << 20 };

struct range {
    int low, high;
};

struct status_pattern { // each part: low to high
    bool absent;        // "-": no enhanced code, or one that cannot be trusted
    struct range class, subject, detail;
};

struct phrase; // something looked for in a text
struct phrases {
    struct phrase *list; // owned
    size_t count, cap;
};

struct rule {
    const char *id;    // lives as long as the process
    int line;          // in the file
    unsigned families; // rule_family bits; 0: only the providers
    char providers[RULE_LIST_MAX][RULE_NAME_MAX + 1];
    int provider_count;
    unsigned results;                  // bits of 1 << attempt_result
    unsigned phases;                   // bits of 1 << attempt_phase; 0: any
    struct range codes[RULE_LIST_MAX]; // none: any
    int code_count;
    struct status_pattern statuses[RULE_LIST_MAX]; // none: any
    int status_count;
    unsigned flags;
    struct phrases texts;  // one of them is in the text; none: any text
    struct phrases unless; // none of them is
    enum failure_class class;
    int64_t wait_ms; // when no wait was asked for; 0 = the configured one
    bool suppress;   // proof that the mailbox is dead
    char *example;   // owned; "550 5.1.1 no such user": a reply that this rule must decide; NULL = none given
    int example_line;
    uint64_t digest; // of its lines, to tell what a reload changed
};

struct ruleset;

// name: of the file, for errors ("name:12: …"; ERR_CONFIG).
MUST_CHECK bool ruleset_parse(struct ruleset **out, const char *name, struct slice text, struct err *e);
void ruleset_free(struct ruleset *s);

size_t ruleset_count(const struct ruleset *s);
const struct rule *ruleset_rule(const struct ruleset *s, size_t i); // in the order in which they are asked

// NULL only when no rule matches, which a set that was parsed does not let happen.
const struct rule *ruleset_match(const struct ruleset *s, const char *provider, const struct outcome *o,
                                 const struct reply_text *text, bool idempotent);

unsigned provider_family(const char *provider); // rule_family

#endif
