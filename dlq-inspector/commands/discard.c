// SPDX-License-Identifier: Apache-2.0
// discard: closes letters without sending them. Nothing is deleted: the letter stays on its topic until retention, its
// mark hides it, and ls --all still shows it. As in replay, --reason is the mandatory why.
#include "dlq-inspector/commands/commands.h"
#include "dlq-inspector/commands/because.h"
#include "dlq-inspector/commands/select.h"

#include "dlq-inspector/batch.h"

static struct {
    struct filter_args filter;
    const char *reason;
    bool dry_run;
    int64_t limit;
} args;

const struct option DISCARD_OPTIONS[] = {
    { .name = "reason", .type = OPTION_STRING, .target = &args.reason, .value = "TEXT",
      .help = "why you close them; recorded; mandatory" },
    FILTER_OPTIONS(args.filter),
    { .name = "dry-run", .type = OPTION_FLAG, .target = &args.dry_run, .help = "only say what would happen" },
    { .name = "limit", .letter = 'n', .type = OPTION_INT, .target = &args.limit, .value = "N", .help = "at most so many" },
    { .name = NULL },
};

static int discard(const struct session *s, const struct filter *f)
{
    struct batch b;
    struct batch_terms terms = {
        .action = MARK_DISCARDED,
        .reason = args.reason,
        .limit = args.limit,
        .dry_run = args.dry_run,
    };
    batch_run(&b, s, f, &terms);
    int status = because_finish(&b, s, &terms, f);
    batch_clear(&b);
    return status;
}

int discard_run(int argc, char **argv)
{
    struct err e;
    if (!because_check(args.reason, args.dry_run, &e))
        return session_fail(&e);
    struct selection sel = { .command = "discard", .args = &args.filter, .ids = true, .body = discard };
    return select_run(&sel, argc, argv);
}
