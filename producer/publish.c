// SPDX-License-Identifier: Apache-2.0
// publish: JSON lines in, one result a line out.
//
// Asynchronous with back-pressure: reading stops while too much is under way. A bad line is reported with its number
// and does not stop the rest. Results come in the order of the acknowledgements, not of the lines, and do not wait for
// more input. An interrupt stops reading, waits for what is under way and says what was not read; a second one gives
// up waiting. Losing the reader of the results stops it too: jobs whose fate nobody hears of help nobody.
#include "producer/commands.h"

#include "common/clock.h"
#include "producer/lines.h"
#include "producer/progress.h"
#include "producer/publisher.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 100 };

static bool quiet, summary_only;

const struct option publish_options[] = {
    { .name = "quiet", .letter = 'q', .type = OPTION_FLAG, .target = &quiet, .help = "no progress on standard error" },
    { .name = "summary", .type = OPTION_FLAG, .target = &summary_only,
      .help = "print results of refused and failed lines only, and a summary object at the end" },
    { 0 },
};

// The line number travels as the callback's argument; the run is the only one of the process.
static struct run {
    struct lines lines;
    struct publisher *publisher;
    int64_t published, refused, failed;
    int write_error; // errno of the first result that could not be written; 0 = none
    struct progress progress;
} run;

static volatile sig_atomic_t interrupts;

static void on_interrupt(int signo)
{
    (void)signo;
    interrupts++;
}

static void catch_signals(void)
{
    struct sigaction stop = { .sa_handler = on_interrupt }, ignore = { .sa_handler = SIG_IGN };
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL); // writing fails then, and what is under way still gets its result
}

static void on_result(void *arg, const struct sendfleet_result *r)
{
    int64_t *counts[] = { [SENDFLEET_PUBLISHED] = &run.published,
                          [SENDFLEET_REFUSED] = &run.refused,
                          [SENDFLEET_FAILED] = &run.failed };
    ++*counts[r->status];
    if (!summary_only || r->status != SENDFLEET_PUBLISHED)
        print_result(stdout, (int64_t)(intptr_t)arg, r);
    if (run.write_error == 0 && ferror(stdout))
        run.write_error = errno;
}

static struct progress_counts counts(void)
{
    return (struct progress_counts){ .published = run.published,
                                     .refused = run.refused,
                                     .failed = run.failed,
                                     .under_way = run.publisher != NULL ? publisher_pending(run.publisher) : 0,
                                     .bytes = run.lines.bytes,
                                     .total_bytes = run.lines.total_bytes };
}

// Hands on the results that are there, waiting for one when timeout_ms > 0.
static void turn(int timeout_ms)
{
    publisher_poll(run.publisher, timeout_ms);
    struct progress_counts now = counts();
    progress_draw(&run.progress, stderr, clock_mono_ms(), &now);
}

static void refuse_long_line(void)
{
    char text[120];
    snprintf(text, sizeof text, "the line is longer than a job may be (max_job_bytes: %zu bytes)", run.lines.max_len);
    struct sendfleet_result r = { .status = SENDFLEET_REFUSED, .partition = -1, .offset = -1, .error = text };
    on_result((void *)(intptr_t)run.lines.number, &r);
}

// False: interrupted before there was room for it.
static bool offer(struct slice line)
{
    void *number = (void *)(intptr_t)run.lines.number;
    while (publisher_offer(run.publisher, line, on_result, number) == SENDFLEET_FULL) {
        if (interrupts > 0)
            return false;
        turn(WAIT_MS);
    }
    return true;
}

// Reads on when there is something to read; meanwhile results are handed on.
static bool await_input(struct err *e)
{
    struct pollfd fds[] = { { .fd = run.lines.fd, .events = POLLIN },
                            { .fd = publisher_fd(run.publisher), .events = POLLIN } };
    if (poll(fds, 2, 0) == 0) {
        fflush(stdout); // somebody may be waiting for a result before going on
        poll(fds, 2, WAIT_MS);
    }
    turn(0);
    return fds[0].revents == 0 || lines_fill(&run.lines, e);
}

static bool stopped(int64_t last_line, struct err *e)
{
    if (run.write_error != 0)
        return err_set(e, ERR_TRANSIENT, "results cannot be written: %s; lines after %" PRId64 " were not published",
                       strerror(run.write_error), last_line);
    return err_set(e, ERR_TRANSIENT, "interrupted; lines after %" PRId64 " were not published", last_line);
}

static bool read_all(struct err *e)
{
    while (interrupts == 0 && run.write_error == 0) {
        struct slice line;
        switch (lines_next(&run.lines, &line)) {
        case LINES_LINE:
            if (!offer(line))
                return stopped(run.lines.number - 1, e);
            break;
        case LINES_TOO_LONG:
            refuse_long_line();
            break;
        case LINES_MORE:
            if (!await_input(e))
                return false;
            break;
        case LINES_END:
            return true;
        }
    }
    return stopped(run.lines.number, e);
}

// Every job gets its result within delivery.timeout.ms, whatever happens to the brokers.
static void wait_for_results(void)
{
    bool said = false;
    fflush(stdout);
    while (publisher_pending(run.publisher) > 0 && interrupts < 2) {
        if (interrupts > 0 && !said) {
            fprintf(stderr, "\nsendfleet-producer: waiting for %zu jobs under way, interrupt again to give them up\n",
                    publisher_pending(run.publisher));
            said = true;
        }
        turn(WAIT_MS);
    }
}

static void print_summary(void)
{
    printf("{\"published\":%" PRId64 ",\"refused\":%" PRId64 ",\"failed\":%" PRId64 ",\"elapsed_ms\":%" PRId64 "}\n",
           run.published, run.refused, run.failed, clock_mono_ms() - run.progress.started_ms);
}

// Everything has its result.
static int conclude(const struct err *e)
{
    struct progress_counts last = counts();
    progress_finish(&run.progress, stderr, clock_mono_ms(), &last);
    if (summary_only)
        print_summary();
    bool written = fflush(stdout) == 0 && !ferror(stdout);
    if (e != NULL)
        return fail(e);
    if (!written)
        fprintf(stderr, "sendfleet-producer: results could not be written: %s\n",
                strerror(run.write_error != 0 ? run.write_error : errno));
    if (run.failed > 0 || !written)
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
    if (!lines_open(&run.lines, argc > 0 ? argv[0] : NULL, (size_t)c.max_job_bytes, &e))
        return fail(&e);
    if (!publisher_open(&run.publisher, &c, &e)) {
        lines_close(&run.lines);
        return fail(&e);
    }
    catch_signals();
    // a terminal that shows the results would show both in one line
    bool shown = !quiet && isatty(STDERR_FILENO) && (summary_only || !isatty(STDOUT_FILENO));
    run.progress = (struct progress){ .shown = shown, .started_ms = clock_mono_ms() };
    bool all_read = read_all(&e);
    wait_for_results();
    publisher_close(run.publisher, 0); // only after a second interrupt there is still something under way
    run.publisher = NULL;
    status = conclude(all_read ? NULL : &e);
    lines_close(&run.lines);
    config_clear(&c);
    return status;
}
