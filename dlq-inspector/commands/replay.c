// SPDX-License-Identifier: Apache-2.0
// replay: sends letters back to the main topic of their lane, each at most once, and records who did it and why.
// --reason is that why here, and mandatory; the filter by dead-letter reason is --dead-reason. A --reason that is
// nothing but such a word ("permanent") is most likely meant as the filter, and would then replay far more than was
// wanted, so it is refused.
#include "dlq-inspector/commands/commands.h"
#include "dlq-inspector/commands/because.h"
#include "dlq-inspector/commands/select.h"

#include "dlq-inspector/batch.h"

static struct {
    struct filter_args filter;
    const char *reason;
    bool dry_run, include_unknown, include_old;
    int64_t rate, limit, extend_ms;
} args = { .rate = 100 };

const struct option REPLAY_OPTIONS[] = {
    { .name = "reason", .type = OPTION_STRING, .target = &args.reason, .value = "TEXT",
      .help = "why you replay them; recorded; mandatory" },
    FILTER_OPTIONS(args.filter),
    { .name = "dry-run", .type = OPTION_FLAG, .target = &args.dry_run, .help = "only say what would happen" },
    { .name = "rate", .type = OPTION_INT, .target = &args.rate, .value = "N",
      .help = "so many a second (default 100; 0 = as fast as it goes)" },
    { .name = "limit", .letter = 'n', .type = OPTION_INT, .target = &args.limit, .value = "N", .help = "at most so many" },
    { .name = "extend", .type = OPTION_DURATION, .target = &args.extend_ms, .value = "DURATION",
      .help = "how long they may be tried from now on (default: the job's max age)" },
    { .name = "include-unknown", .type = OPTION_FLAG, .target = &args.include_unknown,
      .help = "also those that may have been accepted (said anyway by --dead-reason unknown or an id)" },
    { .name = "include-old", .type = OPTION_FLAG, .target = &args.include_old,
      .help = "also those older than dedup.replay_window, which may outlive the protection against duplicates" },
    { .name = NULL },
};

static int replay(const struct session *s, const struct filter *f)
{
    struct batch b;
    struct batch_terms terms = {
        .action = MARK_REPLAYED,
        .reason = args.reason,
        .rate = args.rate,
        .limit = args.limit,
        .dry_run = args.dry_run,
        .replay = {
            .extend_ms = args.extend_ms,
            .max_age_ms = s->config.max_age_ms,
            .window_ms = s->config.dedup.replay_window_ms,
            .max_job_bytes = s->config.max_job_bytes,
            .unknown_too = args.include_unknown || filter_names_reason(f, "unknown") || f->ids->count > 0,
            .old_too = args.include_old,
        },
    };
    batch_run(&b, s, f, &terms);
    int status = because_finish(&b, s, &terms, f);
    batch_clear(&b);
    return status;
}

int replay_run(int argc, char **argv)
{
    struct err e;
    if (!because_check(args.reason, args.dry_run, &e))
        return session_fail(&e);
    struct selection sel = { .command = "replay", .args = &args.filter, .ids = true, .body = replay };
    return select_run(&sel, argc, argv);
}
