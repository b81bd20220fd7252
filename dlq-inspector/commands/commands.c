// SPDX-License-Identifier: Apache-2.0
// commands: the table that is the program: parsing, --help and the list of commands all come from it. Reading commands
// stand first; the two that change something (replay, discard) ask for a --reason, which they record.
#include "dlq-inspector/commands/commands.h"

#include "dlq-inspector/session.h"

static const struct command COMMANDS[] = {
    {
        .name = "ls",
        .arguments = "",
        .summary = "list dead letters, newest first",
        .examples = "  sendfleet-dlq ls --reason permanent,reputation --domain example.com --since 2h\n"
                    "  sendfleet-dlq ls --text \"mailbox full\" --limit 10 --json\n",
        .options = LS_OPTIONS,
        .run = ls_run,
    },
    {
        .name = "show",
        .arguments = "ID[/GENERATION]",
        .summary = "everything about one letter: why it is dead and what one can do",
        .examples = "  sendfleet-dlq show order-4711\n",
        .options = SHOW_OPTIONS,
        .run = show_run,
    },
    {
        .name = "stats",
        .arguments = "",
        .summary = "count letters by reason, domain and provider",
        .examples = "  sendfleet-dlq stats --since 1d\n",
        .options = STATS_OPTIONS,
        .run = stats_run,
    },
    {
        .name = "replay",
        .arguments = "[ID...]",
        .summary = "send letters back to their main topic, each once",
        .examples = "  sendfleet-dlq replay --dead-reason exhausted --domain example.com --reason \"their outage is over\"\n"
                    "  sendfleet-dlq replay --provider smtp --dry-run\n"
                    "  (--reason says why you do it and is recorded; to select by why letters died, use --dead-reason)\n",
        .options = REPLAY_OPTIONS,
        .run = replay_run,
    },
    {
        .name = "discard",
        .arguments = "[ID...]",
        .summary = "close letters without sending them",
        .examples = "  sendfleet-dlq discard --dead-reason invalid --reason \"publisher fixed, jobs sent again\"\n",
        .options = DISCARD_OPTIONS,
        .run = discard_run,
    },
    {
        .name = "export",
        .arguments = "",
        .summary = "letters as JSON lines with headers and content, to standard output",
        .examples = "  sendfleet-dlq export --since 1d > letters.jsonl   (recipients and content are in it)\n",
        .options = EXPORT_OPTIONS,
        .run = export_run,
    },
    {
        .name = "status",
        .arguments = "",
        .summary = "how many jobs wait in retry, on which tier, since when and until when",
        .examples = "  sendfleet-dlq status\n  sendfleet-dlq status --exact --json\n",
        .options = STATUS_OPTIONS,
        .run = status_run,
    },
    {
        .name = "timeline",
        .arguments = "ID",
        .summary = "every step of one job, and where it is now",
        .examples = "  sendfleet-dlq timeline order-4711\n",
        .options = TIMELINE_OPTIONS,
        .run = timeline_run,
    },
    { .name = NULL },
};

const struct program INSPECTOR = {
    .name = "sendfleet-dlq",
    .summary = "lists, explains, replays and closes dead letters; shows what waits and where a job is",
    .commands = COMMANDS,
    .options = SESSION_OPTIONS,
    .epilogue = "Exit status: 0 done; 64 wrong usage; 65 some letters refused, or not found; 69 the broker does not\n"
                "answer; 75 partly done; 78 wrong configuration.\n",
};
