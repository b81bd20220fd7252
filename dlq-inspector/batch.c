// SPDX-License-Identifier: Apache-2.0
// batch: see batch.h. One pass over the snapshot: each letter is judged when it is read, started when the pace allows,
// and counted when the broker has acknowledged everything about it. Nothing is collected first, so a million letters
// need no more memory than the 2000 under way. A closed letter that a filter happens to select is passed over in
// silence (yesterday's replays are no news); one that was asked for by id is refused and says who closed it.
#include "dlq-inspector/batch.h"

#include "common/clock.h"
#include "dlq-inspector/format.h"
#include "dlq-inspector/pace.h"

#include <signal.h>
#include <unistd.h>

enum { REFUSALS_TOLD = 3, SERVE_MS = 50, DRAIN_MS = 120000, PROGRESS_MS = 200 };

struct run { // a batch under way
    struct batch *b;
    const struct session *s;
    const struct batch_terms *terms;
    struct replay_terms replay;
    struct closing_terms closing_terms;
    struct closing *closing;
    struct letters letters;
    struct job job;
    struct headers headers;
    struct pace pace;
    int64_t progress_ms;
    bool tty, asked_by_id;
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND }; // a second one ends it at once
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void show_progress(struct run *r, bool last)
{
    char done[FORMAT_COUNT_SIZE], of[FORMAT_COUNT_SIZE];
    int64_t now_ms = clock_mono_ms();
    if (!r->tty || r->terms->dry_run || (!last && now_ms - r->progress_ms < PROGRESS_MS))
        return;
    r->progress_ms = now_ms;
    fprintf(stderr, "\r\033[K%s %s, read %s", mark_action_name(r->terms->action),
            format_count(closing_counts(r->closing).done, done), format_count(r->letters.counts.read, of));
    fprintf(stderr, " of %s%s", format_count(r->letters.scan.total, of), last ? "\n" : "");
}

static void tell_refusal(struct run *r, const struct letter *l, const struct verdict *v)
{
    int64_t n = r->b->refused[v->refusal]++;
    if (r->terms->dry_run)
        return;
    if (n < REFUSALS_TOLD || r->asked_by_id)
        fprintf(stderr, "%srefused %s: %s\n", r->tty ? "\r\033[K" : "", l->key, v->text);
    else if (n == REFUSALS_TOLD)
        fprintf(stderr, "%srefused more: %s; the summary counts them\n", r->tty ? "\r\033[K" : "",
                refusal_name(v->refusal));
}

static void tell_unknown(struct run *r)
{
    if (r->b->unknown++ == 0)
        fprintf(stderr, "warning: letters with reason unknown may have been accepted already; "
                        "replaying one may send it a second time\n");
}

static void judge(struct run *r, struct letter *l, struct verdict *v)
{
    if (r->terms->action == MARK_REPLAYED) {
        replaying_judge(l, &r->job, &r->replay, v);
        return;
    }
    *v = (struct verdict){ .refusal = l->mark != NULL ? REFUSAL_CLOSED : REFUSAL_NONE };
    char when[CLOCK_RFC3339_SIZE];
    if (l->mark != NULL)
        snprintf(v->text, sizeof v->text, "already %s at %s by %s", mark_action_name(l->mark->action),
                 clock_format_rfc3339(l->mark->at_ms, when), l->mark->by);
}

static void count_dry(struct run *r, struct letter *l, const struct verdict *v)
{
    const char *what = mark_action_name(r->terms->action);
    if (v->refusal != REFUSAL_NONE)
        what = refusal_name(v->refusal);
    struct slice fields[] = { l->reason, letter_job(l)->domain, slice_of(what) };
    group_count(groups_at(&r->b->groups, fields), l->record->timestamp_ms, 0);
}

static void wait_turn(struct run *r)
{
    for (int64_t wait_us = pace_take(&r->pace, clock_mono_us()); wait_us > 0 && !stop;
         wait_us = pace_take(&r->pace, clock_mono_us())) {
        int64_t wait_ms = wait_us / 1000 + 1;
        if (closing_counts(r->closing).pending > 0)
            closing_serve(r->closing, wait_ms < SERVE_MS ? wait_ms : SERVE_MS);
        else
            usleep((useconds_t)(wait_ms < SERVE_MS ? wait_ms : SERVE_MS) * 1000);
        show_progress(r, false);
    }
}

static bool start(struct run *r, const struct letter *l, const struct verdict *v, struct err *e)
{
    const char *topic = NULL;
    r->replay.now_ms = r->closing_terms.at_ms = clock_wall_ms(); // a long batch: deadlines count from each one's start
    headers_reset(&r->headers);
    if (r->terms->action == MARK_REPLAYED) {
        topic = topics_lane(&r->s->config.topics, v->lane);
        replaying_headers(l, &r->replay, v, &r->headers);
        r->b->lanes[v->lane]++;
    }
    return closing_start(r->closing, l, topic, &r->headers, e);
}

static bool take_letter(struct run *r, struct letter *l, struct err *e)
{
    struct verdict v;
    judge(r, l, &v);
    if (r->terms->dry_run)
        count_dry(r, l, &v);
    if (v.refusal != REFUSAL_NONE) {
        tell_refusal(r, l, &v);
        return true;
    }
    if (r->terms->action == MARK_REPLAYED && slice_is(l->reason, "unknown"))
        tell_unknown(r);
    if (!r->terms->dry_run)
        wait_turn(r);
    if (stop)
        return true;
    r->b->started++;
    if (r->terms->dry_run) {
        r->b->lanes[v.lane] += r->terms->action == MARK_REPLAYED;
        return true;
    }
    return start(r, l, &v, e);
}

static bool take_all(struct run *r, struct err *e)
{
    struct letter *l;
    while (!stop && (r->terms->limit == 0 || r->b->started < r->terms->limit)) {
        int got = letters_next(&r->letters, &l, e);
        if (got <= 0)
            return got == 0;
        if (!take_letter(r, l, e))
            return false;
        show_progress(r, false);
    }
    return true;
}

static bool run(struct run *r, const struct filter *f, struct err *e)
{
    r->asked_by_id = f->ids->count > 0;
    if (!letters_open(&r->letters, &r->s->config, f, r->asked_by_id, e))
        return false;
    if (r->terms->dry_run)
        return take_all(r, e);
    if (!closing_new(&r->closing, &r->s->config, &r->closing_terms, e))
        return false;
    catch_signals();
    bool ok = take_all(r, e);
    closing_drain(r->closing, DRAIN_MS);
    show_progress(r, true);
    if (!ok || closing_error(r->closing)->kind == ERR_NONE)
        return ok;
    *e = *closing_error(r->closing);
    return false;
}

void batch_run(struct batch *b, const struct session *s, const struct filter *f, const struct batch_terms *terms)
{
    *b = (struct batch){ .groups = { .fields = 3, .open_field = 1 } };
    struct run r = {
        .b = b,
        .s = s,
        .terms = terms,
        .replay = terms->replay,
        .closing_terms = { .action = terms->action, .at_ms = s->now_ms, .by = s->user, .reason = terms->reason },
        .tty = isatty(STDERR_FILENO) == 1,
    };
    struct err e = { .kind = ERR_NONE };
    r.replay.now_ms = s->now_ms;
    r.replay.by = s->user;
    r.replay.reason = terms->reason;
    pace_init(&r.pace, terms->rate);
    if (!run(&r, f, &e))
        b->error = e;
    b->interrupted = stop != 0;
    b->letters = r.letters.counts;
    if (r.closing != NULL)
        b->closing = closing_counts(r.closing);
    closing_free(r.closing);
    letters_close(&r.letters);
    headers_clear(&r.headers);
    job_clear(&r.job);
}

void batch_clear(struct batch *b)
{
    groups_clear(&b->groups);
}

int64_t batch_refused(const struct batch *b)
{
    int64_t n = 0;
    for (int i = 0; i < REFUSAL_COUNT; i++)
        n += b->refused[i];
    return n;
}
