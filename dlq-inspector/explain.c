// SPDX-License-Identifier: Apache-2.0
// explain: see explain.h. The texts say what is certain and no more: "accepted" is never called delivered, and an
// unknown outcome is never called a failure. A reason this version does not know still gets a sentence.
#include "dlq-inspector/explain.h"

#include "common/clock.h"
#include "dlq-inspector/mask.h"

#include <inttypes.h>

static const struct reason {
    const char *word;
    const char *verb; // "The last attempt … "; NULL: no attempt led here
    const char *meaning, *remedy;
} REASONS[] = {
    { "permanent", "was refused for good", "The other side will not take this job, however often it is sent.",
      "Correct the recipient or the content and publish a new job. Replay only when the cause is gone on their side." },
    { "reputation", "was refused because of who we are",
      "The other side refuses our address, domain or content by policy; the recipient is not at fault.",
      "Clear it with the provider first (blocklist, authentication, content), then replay by --domain or --provider." },
    { "exhausted", "failed and was the last one allowed",
      "Every attempt failed in a way that could have passed; the number of charged attempts is used up.",
      "Look at the attempts below; when the destination works again, replay." },
    { "expired", "was followed by the deadline",
      "The job grew older than its max age, or its next attempt would have come after its deadline.",
      "When it is still wanted, replay it; --extend DURATION gives it a new deadline." },
    { "unknown", "was completely written and never answered",
      "Whether the other side accepted it cannot be known; it is held so that nobody gets it twice by guesswork.",
      "Look for proof on their side. If it did not go out, replay with --include-unknown; if it did, discard." },
    { "invalid", NULL, "The record is not a job a worker can read; its bytes are kept as they came.",
      "See the detail, correct the publisher and publish a new job, then discard this letter. It cannot be replayed." },
    { "conflict", NULL,
      "Its idempotency key was used before, with other content; sending it would break the promise the key makes.",
      "If it is a job of its own, publish it with a key of its own, then discard this letter." },
    { "route", "failed because of our own set-up", "The route's credential or configuration is at fault.",
      "Repair the route, then replay by --provider." },
};

static const struct reason UNNAMED = { "", "ended it",
                                       "This version of the tool has no text for this reason.",
                                       "See the detail and the attempts; replay or discard it." };

static const struct reason *find(struct slice word)
{
    for (size_t i = 0; i < sizeof REASONS / sizeof REASONS[0]; i++)
        if (slice_is(word, REASONS[i].word))
            return &REASONS[i];
    return &UNNAMED;
}

const char *explain_meaning(struct slice reason)
{
    return find(reason)->meaning;
}

const char *explain_remedy(struct slice reason)
{
    return find(reason)->remedy;
}

static void put_attempt(const struct trail_entry *last, const char *verb, struct buf *out)
{
    char when[CLOCK_RFC3339_SIZE];
    buf_printf(out, "The last attempt (try %" PRIu32, last->try_no);
    if (last->transport.len > 0)
        buf_printf(out, ", %.*s", (int)last->transport.len, last->transport.ptr);
    if (last->phase.len > 0)
        buf_printf(out, ", phase %.*s", (int)last->phase.len, last->phase.ptr);
    if (last->worker.len > 0)
        buf_printf(out, ", worker %.*s", (int)last->worker.len, last->worker.ptr);
    buf_puts(out, ")");
    if (last->at_ms > 0)
        buf_printf(out, " at %s", clock_format_rfc3339(last->at_ms, when));
    buf_printf(out, " %s", verb);
    if (last->code != 0 || last->text.len > 0)
        buf_putc(out, ':');
    if (last->code != 0)
        buf_printf(out, " %d", last->code);
    if (last->enhanced.len > 0)
        buf_printf(out, " %.*s", (int)last->enhanced.len, last->enhanced.ptr);
    if (last->text.len > 0)
        buf_printf(out, " %.*s", (int)last->text.len, last->text.ptr);
}

static void end_sentence(struct buf *b)
{
    while (b->len > 0 && (b->data[b->len - 1] == ' ' || b->data[b->len - 1] == '\n' || b->data[b->len - 1] == '\r'))
        b->len--;
    if (b->len > 0 && strchr(".!?", b->data[b->len - 1]) == NULL)
        buf_putc(b, '.');
}

void explain_why(struct letter *l, bool reveal, struct buf *out)
{
    struct buf text = { 0 };
    const char *verb = find(l->reason)->verb;
    const struct trail_entry *last = verb != NULL ? letter_last(l) : NULL;
    if (last != NULL)
        put_attempt(last, verb, &text);
    else
        buf_puts(&text, "No attempt was made");
    if (l->detail.len > 0 && last != NULL)
        end_sentence(&text);
    if (l->detail.len > 0) {
        buf_puts(&text, last != NULL ? " Detail: " : ": ");
        buf_put_slice(&text, l->detail);
    }
    end_sentence(&text);
    mask_text(out, buf_slice(&text), reveal);
    buf_clear(&text);
}
