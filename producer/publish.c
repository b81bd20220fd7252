// SPDX-License-Identifier: Apache-2.0
// publish: JSON lines in, one result a line out.
//
// Asynchronous with back-pressure: reading stops while too much is under way. A bad line is reported with its number
// and does not stop the rest. Results come in the order of the acknowledgements, not of the lines. An interrupt stops
// reading, waits for what is under way and says what was not read.
#include "producer/commands.h"

#include "common/alloc.h"
#include "common/clock.h"
#include "producer/lines.h"
#include "producer/publisher.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { POLL_EVERY = 256, WAIT_MS = 100, FLUSH_MS = 130000, PROGRESS_MS = 200 };

static bool quiet, summary_only;

const struct option publish_options[] = {
    { .name = "quiet", .letter = 'q', .type = OPTION_FLAG, .target = &quiet, .help = "no progress on standard error" },
    { .name = "summary", .type = OPTION_FLAG, .target = &summary_only,
      .help = "print results of refused and failed lines only, and a summary object at the end" },
    { 0 },
};

struct run {
    struct lines lines;
    struct publisher *publisher;
    int64_t published, refused, failed;
    int64_t started_ms, shown_ms;
    bool progress;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signo)
{
    (void)signo;
    interrupted = 1;
}

// The line number travels as the callback's argument; the run is the only one of the process.
static struct run run;

static void on_result(void *arg, const struct sendfleet_result *r)
{
    int64_t *counts[] = { [SENDFLEET_PUBLISHED] = &run.published, [SENDFLEET_REFUSED] = &run.refused,
                          [SENDFLEET_FAILED] = &run.failed };
    ++*counts[r->status];
    if (!summary_only || r->status != SENDFLEET_PUBLISHED)
        print_result(stdout, (int64_t)(intptr_t)arg, r);
}

static void show_progress(bool last)
{
    int64_t now_ms = clock_mono_ms();
    if (!run.progress || (!last && now_ms - run.shown_ms < PROGRESS_MS))
        return;
    run.shown_ms = now_ms;
    double seconds = (double)(now_ms - run.started_ms) / 1e3;
    fprintf(stderr, "\r\033[Kpublished %" PRId64 "  refused %" PRId64 "  failed %" PRId64 "  under way %zu  %.0f jobs/s",
            run.published, run.refused, run.failed, publisher_pending(run.publisher),
            seconds > 0 ? (double)run.published / seconds : 0);
    if (run.lines.total_bytes > 0)
        fprintf(stderr, "  %3.0f %%", 100.0 * (double)run.lines.bytes / (double)run.lines.total_bytes);
    if (last)
        fputc('\n', stderr);
}

static void refuse_long_line(void)
{
    char text[100];
    snprintf(text, sizeof text, "the line is longer than max_job_bytes (%zu)", run.lines.max_len);
    struct sendfleet_result r = { .status = SENDFLEET_REFUSED, .partition = -1, .offset = -1, .error = text };
    on_result((void *)(intptr_t)run.lines.number, &r);
}

static void offer(struct slice line)
{
    void *number = (void *)(intptr_t)run.lines.number;
    while (publisher_offer(run.publisher, line, on_result, number) == SENDFLEET_FULL) {
        publisher_poll(run.publisher, WAIT_MS);
        show_progress(false);
    }
}

static bool read_all(struct err *e)
{
    struct slice line;
    while (!interrupted) {
        enum lines_result got = lines_next(&run.lines, &line);
        if (got == LINES_END)
            return true;
        if (got == LINES_ERROR)
            return err_set(e, ERR_TRANSIENT, "reading stopped at line %" PRId64, run.lines.number);
        if (got == LINES_TOO_LONG)
            refuse_long_line();
        else
            offer(line);
        if (run.lines.number % POLL_EVERY == 0) {
            publisher_poll(run.publisher, 0);
            show_progress(false);
        }
    }
    return err_set(e, ERR_TRANSIENT, "interrupted after line %" PRId64 ": the lines after it were not published", run.lines.number);
}

static void wait_for_results(void)
{
    int64_t until_ms = clock_mono_ms() + FLUSH_MS;
    while (publisher_pending(run.publisher) > 0 && clock_mono_ms() < until_ms) {
        publisher_flush(run.publisher, WAIT_MS);
        show_progress(false);
    }
}

static int exit_status(bool all_read)
{
    if (!all_read || run.failed > 0)
        return 75;
    return run.refused > 0 ? 65 : 0;
}

int publish_run(int argc, char **argv)
{
    static struct config c;
    struct err e;
    int status = load_config(&c);
    if (status != 0)
        return status;
    if (argc > 1)
        return fail((err_set(&e, ERR_USAGE, "publish takes one file, or - for standard input"), &e));
    if (!lines_open(&run.lines, argc > 0 ? argv[0] : NULL, (size_t)c.max_job_bytes, &e) ||
        !publisher_open(&run.publisher, &c, &e))
        return fail(&e);
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    run.started_ms = clock_mono_ms();
    run.progress = !quiet && isatty(STDERR_FILENO);
    bool all_read = read_all(&e);
    wait_for_results();
    publisher_close(run.publisher, 0);
    run.publisher = NULL;
    if (run.progress)
        fprintf(stderr, "\r\033[Kpublished %" PRId64 "  refused %" PRId64 "  failed %" PRId64 "\n", run.published, run.refused, run.failed);
    if (summary_only)
        printf("{\"published\":%" PRId64 ",\"refused\":%" PRId64 ",\"failed\":%" PRId64 ",\"elapsed_ms\":%" PRId64 "}\n",
               run.published, run.refused, run.failed, clock_mono_ms() - run.started_ms);
    if (!all_read)
        fprintf(stderr, "sendfleet-producer: %s\n", e.text);
    lines_close(&run.lines);
    config_clear(&c);
    return fflush(stdout) == 0 ? exit_status(all_read) : 75;
}
