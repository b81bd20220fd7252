// SPDX-License-Identifier: Apache-2.0
// filter: which letters a command is about. All that is given must hold.
#ifndef DLQ_INSPECTOR_FILTER_H
#define DLQ_INSPECTOR_FILTER_H

#include "common/options.h"
#include "dlq-inspector/letter.h"

struct filter_args { // as typed; all zero selects everything
    const char *reason;      // the dead-letter reason, in commands that change nothing
    const char *dead_reason; // the same, in all commands
    const char *domain, *provider, *since, *until, *text;
    struct option_list ids;
};

// Rows for a command's option table.
#define FILTER_OPTIONS(args)                                                                                           \
    { .name = "dead-reason", .type = OPTION_STRING, .target = &(args).dead_reason, .value = "WORD[,...]",              \
      .help = "why it is dead: permanent, reputation, exhausted, expired, unknown, invalid, conflict, …" },            \
    { .name = "domain", .type = OPTION_STRING, .target = &(args).domain, .value = "NAME[,...]",                        \
      .help = "the recipient's domain (a webhook's host)" },                                                           \
    { .name = "provider", .type = OPTION_STRING, .target = &(args).provider, .value = "NAME[,...]",                    \
      .help = "the route, or the transport of the last attempt" },                                                     \
    { .name = "since", .type = OPTION_STRING, .target = &(args).since, .value = "WHEN",                                \
      .help = "died at or after: a duration ago (2h) or an RFC 3339 time" },                                           \
    { .name = "until", .type = OPTION_STRING, .target = &(args).until, .value = "WHEN", .help = "died before" },       \
    { .name = "text", .type = OPTION_STRING, .target = &(args).text, .value = "WORDS",                                 \
      .help = "found in the last reply or in the reason's detail (case does not matter)" },                            \
    { .name = "id", .type = OPTION_LIST, .target = &(args).ids, .value = "ID[/GENERATION]",                            \
      .help = "this job; repeatable" }

#define FILTER_REASON_OPTION(args)                                                                                     \
    { .name = "reason", .type = OPTION_STRING, .target = &(args).reason, .value = "WORD[,...]",                        \
      .help = "short for --dead-reason" }

enum { FILTER_WORDS_MAX = 16 };

struct filter_words {
    struct slice list[FILTER_WORDS_MAX]; // borrowed from argv
    int count;
};

struct filter {
    struct filter_words reasons, domains, providers;
    int64_t since_ms, until_ms; // 0 = open
    struct slice text;
    const struct option_list *ids;
};

// ERR_USAGE names the option. now_ms: what "ago" counts from. Borrows from args.
MUST_CHECK bool filter_init(struct filter *f, const struct filter_args *args, int64_t now_ms, struct err *e);
bool filter_match(const struct filter *f, struct letter *l);
// The reason was named by the operator (alone or among others).
bool filter_names_reason(const struct filter *f, const char *word);

#endif
