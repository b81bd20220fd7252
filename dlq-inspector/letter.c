// SPDX-License-Identifier: Apache-2.0
// letter: see letter.h. Anything may lie on a dead-letter topic: workers file records there whose headers or values
// nobody can read. Such a letter is still listed (reason "invalid", the id it came with or its own place), only never
// replayed. The value is scanned without being validated as a job: a letter that is here because its job is wrong
// should still tell whom it was meant for.
#include "dlq-inspector/letter.h"

#include "common/address.h"
#include "common/job.h"

#include <inttypes.h>
#include <stdio.h>

char *letter_origin(const struct record *r, char out[LETTER_ORIGIN_SIZE])
{
    snprintf(out, LETTER_ORIGIN_SIZE, "%s-%" PRId32 "-%" PRId64, r->topic, r->partition, r->offset);
    return out;
}

// "permanent: 550 no such user" -> word and detail.
static void split_reason(struct letter *l, struct slice text)
{
    const char *colon = text.len > 0 ? memchr(text.ptr, ':', text.len) : NULL;
    l->reason = text;
    l->detail = (struct slice){ 0 };
    if (colon == NULL)
        return;
    l->reason.len = (size_t)(colon - text.ptr);
    const char *rest = colon + 1, *end = text.ptr + text.len;
    while (rest < end && *rest == ' ')
        rest++;
    if (rest < end)
        l->detail = (struct slice){ rest, (size_t)(end - rest) };
}

static void name_letter(struct letter *l)
{
    if (l->env.id[0] != '\0') {
        snprintf(l->id, sizeof l->id, "%s", l->env.id);
    } else if (l->env.origin.len > 0 && l->env.origin.len < LETTER_ORIGIN_SIZE) {
        snprintf(l->id, sizeof l->id, "%.*s", (int)l->env.origin.len, l->env.origin.ptr);
    } else {
        letter_origin(l->record, l->id);
    }
    // The id is bounded by both sources, so the generation always fits.
    snprintf(l->key, sizeof l->key, "%.*s/%" PRIu32, LETTER_KEY_SIZE - 12, l->id, l->env.epoch.generation);
}

void letter_read(struct letter *l, const struct record *r)
{
    l->record = r;
    l->mark = NULL;
    l->last_read = l->has_last = l->job_read = false;
    l->last = (struct trail_entry){ 0 };
    l->job = (struct letter_job){ 0 };
    l->broken = (struct err){ 0 };
    buf_reset(&l->scratch);
    if (!envelope_read(&l->env, r->headers, r->header_count, &l->broken))
        l->env = (struct envelope){ .others = r->headers, .other_count = r->header_count };
    struct slice reason = record_header(r, "sf-reason");
    if (reason.len == 0)
        reason = l->env.class != FAILURE_NONE ? slice_of(failure_name(l->env.class)) : SLICE("invalid");
    split_reason(l, reason);
    name_letter(l);
}

void letter_clear(struct letter *l)
{
    attempts_clear(&l->attempts);
    json_clear(&l->doc);
    buf_clear(&l->scratch);
    *l = (struct letter){ 0 };
}

const struct trail_entry *letter_last(struct letter *l)
{
    if (!l->last_read) {
        l->last_read = true;
        attempts_open(&l->attempts, l->env.trail);
        l->has_last = attempts_last(&l->attempts, &l->last);
    }
    return l->has_last ? &l->last : NULL;
}

static struct slice member(struct letter *l, const char *name)
{
    uint32_t i = json_member(&l->doc, 0, name);
    if (i == 0 || l->doc.tokens[i].type != JSON_TYPE_STRING)
        return (struct slice){ 0 };
    return json_text(&l->doc, i, &l->scratch);
}

// The host of a webhook's URL: "https://user@example.com:8443/x" -> "example.com".
static struct slice url_host(struct slice url)
{
    const char *end = url.ptr + url.len;
    const char *start = url.len > 0 ? memmem(url.ptr, url.len, "://", 3) : NULL;
    if (start == NULL)
        return (struct slice){ 0 };
    start += 3;
    const char *stop = start;
    while (stop < end && strchr("/?#", *stop) == NULL)
        stop++;
    const char *at = memrchr(start, '@', (size_t)(stop - start));
    start = at != NULL ? at + 1 : start;
    const char *colon = memchr(start, ':', (size_t)(stop - start));
    stop = colon != NULL ? colon : stop;
    return (struct slice){ start, (size_t)(stop - start) };
}

const struct letter_job *letter_job(struct letter *l)
{
    if (l->job_read)
        return &l->job;
    l->job_read = true;
    const struct record *r = l->record;
    if (!r->has_value || !json_parse(&l->doc, r->value.ptr, r->value.len, NULL) || l->doc.tokens[0].type != JSON_TYPE_OBJECT)
        return &l->job;
    buf_reserve(&l->scratch, r->value.len); // decoded text is never longer, so nothing moves
    l->job.to = member(l, "to");
    l->job.route = member(l, "route");
    l->job.priority = member(l, "priority");
    struct address to;
    if (l->job.to.len > 0 && address_parse(&to, l->job.to, NULL))
        l->job.domain = to.domain;
    else if (l->job.to.ptr == NULL)
        l->job.domain = url_host(member(l, "url"));
    if (l->job.route.ptr == NULL)
        l->job.route = SLICE("default");
    return &l->job;
}

int letter_code(struct letter *l)
{
    if (l->env.code != 0)
        return l->env.code;
    const struct trail_entry *last = letter_last(l);
    return last != NULL ? last->code : 0;
}

struct slice letter_text(struct letter *l)
{
    const struct trail_entry *last = letter_last(l);
    return last != NULL && last->text.len > 0 ? last->text : l->detail;
}

struct slice letter_lane(struct letter *l)
{
    struct slice lane = l->env.lane;
    for (int tries = 0; tries < 2; tries++) {
        for (int p = JOB_NORMAL; p <= JOB_BULK; p++)
            if (slice_is(lane, job_priority_name((enum job_priority)p)))
                return lane;
        lane = letter_job(l)->priority;
    }
    return SLICE("normal");
}
