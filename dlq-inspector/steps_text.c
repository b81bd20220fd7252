// SPDX-License-Identifier: Apache-2.0
// steps_text: a step, and the end of a timeline, in words. The wording keeps two promises: "accepted" says that the next
// hop took custody and nothing about the mailbox behind it, and a job whose fate is open is never called failed.
#include "dlq-inspector/steps.h"

#include "common/clock.h"
#include "dlq-inspector/format.h"
#include "dlq-inspector/mask.h"

#include <inttypes.h>

static const char *const WAITS[WAIT_KIND_COUNT] = {
    [WAIT_NONE] = "",
    [WAIT_RETRY] = "to be tried again",
    [WAIT_THROTTLED] = "because they asked us to wait",
    [WAIT_UNKNOWN] = "for proof of what became of the attempt",
    [WAIT_BUSY] = "because another worker holds the claim",
    [WAIT_LIMITED] = "because its route or destination is over its share or paused",
    [WAIT_SCHEDULED] = "for its not_before",
    [WAIT_CARRY] = "as a copy of an attempt that still runs",
};

static void put_words(struct buf *out, const char *before, struct slice text, bool reveal)
{
    if (text.len == 0)
        return;
    buf_puts(out, before);
    mask_text(out, text, reveal);
}

// "450 4.2.2 mailbox full", or the reason when no server said anything.
static void put_reply(struct buf *out, const struct event *ev, bool reveal)
{
    if (ev->code != 0)
        buf_printf(out, "%d ", ev->code);
    if (ev->enhanced.len > 0)
        buf_printf(out, "%.*s ", (int)ev->enhanced.len, ev->enhanced.ptr);
    put_words(out, "", ev->text.len > 0 ? ev->text : ev->reason, reveal);
}

static void describe_waiting(const struct event *ev, bool reveal, struct buf *out)
{
    char when[CLOCK_RFC3339_SIZE];
    buf_puts(out, wait_name(ev->wait));
    if (ev->class != FAILURE_NONE && ev->class != FAILURE_TRANSIENT)
        buf_printf(out, " (%s)", failure_name(ev->class));
    put_words(out, " on ", ev->tier, true);
    if (ev->due_ms != 0)
        buf_printf(out, " until %s", clock_format_rfc3339(ev->due_ms, when));
    buf_puts(out, ": ");
    put_reply(out, ev, reveal);
}

static void describe_accepted(const struct event *ev, bool reveal, struct buf *out)
{
    buf_puts(out, "by the next hop");
    put_words(out, ", ", ev->transport, true);
    put_words(out, ", ", ev->provider_id, reveal);
    if (ev->attempt_us > 0)
        buf_printf(out, ", took %" PRId64 " ms", ev->attempt_us / 1000);
}

static void describe_notes(const struct step *s, struct buf *out)
{
    const struct event *ev = &s->ev;
    if (ev->lateness_ms > 0)
        buf_printf(out, " (started %" PRId64 " ms after due)", ev->lateness_ms);
    if (ev->unfenced)
        buf_puts(out, " (sent without a claim: Redis was away)");
    if (s->copies > 0)
        buf_printf(out, " (reported %d times)", s->copies + 1);
    put_words(out, " [", ev->worker, true);
    buf_puts(out, ev->worker.len > 0 ? "]" : "");
}

void step_describe(const struct step *s, bool reveal, struct buf *out)
{
    const struct event *ev = &s->ev;
    switch (ev->type) {
    case EVENT_ACCEPTED:
        describe_accepted(ev, reveal, out);
        break;
    case EVENT_WAITING:
    case EVENT_UNKNOWN:
        describe_waiting(ev, reveal, out);
        break;
    case EVENT_DUPLICATE:
        put_words(out, "dropped: duplicates job ", ev->duplicate_of, true);
        break;
    case EVENT_REPLAYED:
    case EVENT_DISCARDED:
        put_words(out, "", ev->detail, true);
        break;
    case EVENT_DEAD:
    case EVENT_REVIEW:
    case EVENT_WORKER:
    case EVENT_TYPE_COUNT:
        put_words(out, "", ev->reason.len > 0 ? ev->reason : ev->text, reveal);
        break;
    }
    describe_notes(s, out);
}

static void where_waiting(const struct event *ev, int64_t now_ms, bool reveal, struct buf *out)
{
    char when[CLOCK_RFC3339_SIZE], span[FORMAT_AGE_SIZE];
    buf_puts(out, "waiting");
    put_words(out, " on retry.", ev->tier, true);
    if (ev->due_ms > now_ms)
        buf_printf(out, " until %s (in %s)", clock_format_rfc3339(ev->due_ms, when),
                   format_span(ev->due_ms - now_ms, span));
    else if (ev->due_ms != 0)
        buf_printf(out, ", due %s ago; a worker has it or takes it next", format_span(now_ms - ev->due_ms, span));
    if (ev->wait != WAIT_NONE)
        buf_printf(out, ", %s", WAITS[ev->wait]);
    if (ev->code != 0 || ev->text.len > 0 || ev->reason.len > 0) {
        buf_puts(out, ": ");
        put_reply(out, ev, reveal);
    }
}

void steps_where(const struct steps *s, int64_t now_ms, bool reveal, struct buf *out)
{
    if (s->count == 0)
        return;
    const struct event *ev = &s->list[s->count - 1].ev;
    char span[FORMAT_AGE_SIZE];
    switch (ev->type) {
    case EVENT_ACCEPTED:
        buf_printf(out, "accepted by the next hop %s ago", format_span(now_ms - ev->at_ms, span));
        break;
    case EVENT_WAITING:
    case EVENT_UNKNOWN:
        where_waiting(ev, now_ms, reveal, out);
        break;
    case EVENT_DEAD:
        buf_printf(out, "dead letter since %s", format_span(now_ms - ev->at_ms, span));
        put_words(out, ": ", ev->reason, reveal);
        break;
    case EVENT_DUPLICATE:
        put_words(out, "dropped as a duplicate of job ", ev->duplicate_of, true);
        break;
    case EVENT_REVIEW:
        put_words(out, "waiting for a person: ", ev->reason, reveal);
        break;
    case EVENT_REPLAYED:
        put_words(out, "sent back to its main topic ", ev->detail, true);
        buf_puts(out, "; no worker has reported since");
        break;
    case EVENT_DISCARDED:
        put_words(out, "dead letter closed ", ev->detail, true);
        break;
    case EVENT_WORKER:
    case EVENT_TYPE_COUNT:
        break;
    }
}
