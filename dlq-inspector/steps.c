// SPDX-License-Identifier: Apache-2.0
// steps: see steps.h. A job's events share one key and so one partition, but workers batch them: what two workers
// wrote can lie in either order, and each stamps with its own clock. Time first is right in practice, because nothing
// happens to the same job on two workers within the few milliseconds their clocks differ; the epoch settles the rest.
// Only a replay is different: a worker's clock may say that it was done before the operator's says that it began. A
// replay begins its generation, whatever the time.
// A worker that finds a job already accepted files that event again with the same id: it is one step, not two.
#include "dlq-inspector/steps.h"

#include "common/alloc.h"
#include "common/json.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static void step_clear(struct step *s)
{
    record_free(s->record);
    buf_clear(&s->scratch);
}

void steps_clear(struct steps *s)
{
    for (size_t i = 0; i < s->count; i++)
        step_clear(&s->list[i]);
    free(s->list);
    *s = (struct steps){ 0 };
}

static const struct text_member {
    const char *name;
    size_t offset;
} TEXTS[] = {
    { "job", offsetof(struct event, job) },
    { "worker", offsetof(struct event, worker) },
    { "route", offsetof(struct event, route) },
    { "transport", offsetof(struct event, transport) },
    { "tier", offsetof(struct event, tier) },
    { "phase", offsetof(struct event, phase) },
    { "enhanced", offsetof(struct event, enhanced) },
    { "rule", offsetof(struct event, rule) },
    { "text", offsetof(struct event, text) },
    { "reason", offsetof(struct event, reason) },
    { "detail", offsetof(struct event, detail) },
    { "provider_id", offsetof(struct event, provider_id) },
    { "duplicate_of", offsetof(struct event, duplicate_of) },
};

static struct slice text_of(const struct json_doc *doc, const char *name, struct buf *scratch)
{
    uint32_t i = json_member(doc, 0, name);
    if (i == 0 || doc->tokens[i].type != JSON_TYPE_STRING)
        return (struct slice){ 0 };
    return json_text(doc, i, scratch);
}

static int64_t int_of(const struct json_doc *doc, const char *name)
{
    int64_t n = 0;
    uint32_t i = json_member(doc, 0, name);
    return i != 0 && json_int(doc, i, &n) ? n : 0;
}

static bool is_true(const struct json_doc *doc, const char *name)
{
    uint32_t i = json_member(doc, 0, name);
    return i != 0 && doc->tokens[i].type == JSON_TYPE_TRUE;
}

// "sendfleet.main-3-4711": the topic may have dashes of its own, so it is read from the end.
static void read_source(struct step *s, struct slice source)
{
    size_t dash[2] = { 0 }; // last, last but one
    for (size_t i = source.len, n = 0; i > 0 && n < 2; i--)
        if (source.ptr[i - 1] == '-')
            dash[n++] = i - 1;
    if (dash[1] == 0 || dash[1] >= sizeof s->source_topic || source.len - dash[1] > 40)
        return;
    char numbers[48];
    snprintf(numbers, sizeof numbers, "%.*s", (int)(source.len - dash[1]), source.ptr + dash[1]);
    memcpy(s->source_topic, source.ptr, dash[1]);
    s->ev.source_partition = (int32_t)strtol(numbers + 1, NULL, 10);
    s->ev.source_offset = strtoll(numbers + (dash[0] - dash[1]) + 1, NULL, 10);
}

static void read_members(struct step *s, const struct json_doc *doc)
{
    struct event *ev = &s->ev;
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++)
        *(struct slice *)((char *)ev + TEXTS[i].offset) = text_of(doc, TEXTS[i].name, &s->scratch);
    ev->at_ms = int_of(doc, "at");
    ev->epoch = (struct epoch){ (uint32_t)int_of(doc, "gen"), (uint32_t)int_of(doc, "try") };
    ev->attempt = (uint32_t)int_of(doc, "attempt");
    ev->first_seen_ms = int_of(doc, "first_seen");
    ev->due_ms = int_of(doc, "due");
    ev->code = (int)int_of(doc, "code");
    ev->attempt_us = int_of(doc, "attempt_us");
    ev->lateness_ms = json_member(doc, 0, "lateness_ms") != 0 ? int_of(doc, "lateness_ms") : -1;
    ev->unfenced = is_true(doc, "unfenced");
    ev->refiled = is_true(doc, "refiled");
    if (!failure_parse(text_of(doc, "class", &s->scratch), &ev->class))
        ev->class = FAILURE_NONE;
    if (!wait_parse(text_of(doc, "wait", &s->scratch), &ev->wait))
        ev->wait = WAIT_NONE;
    read_source(s, text_of(doc, "source", &s->scratch));
    ev->source_ms = int_of(doc, "source_at");
}

static bool read_step(struct step *s, struct slice job)
{
    struct json_doc doc = { 0 };
    const struct record *r = s->record;
    bool ok = r->has_value && json_parse(&doc, r->value.ptr, r->value.len, NULL) &&
              doc.tokens[0].type == JSON_TYPE_OBJECT;
    if (ok) {
        buf_reserve(&s->scratch, r->value.len); // decoded text is never longer, so nothing moves
        s->id = text_of(&doc, "id", &s->scratch);
        ok = event_parse_name(text_of(&doc, "event", &s->scratch), &s->ev.type);
        read_members(s, &doc);
    }
    json_clear(&doc);
    return ok && slice_eq(s->ev.job, job);
}

static struct step *find(const struct steps *s, struct slice id)
{
    for (size_t i = 0; i < s->count && id.len > 0; i++)
        if (slice_eq(s->list[i].id, id))
            return &s->list[i];
    return NULL;
}

static struct step *add(struct steps *s)
{
    if (s->count == s->cap) {
        s->cap = s->cap > 0 ? s->cap * 2 : 16;
        s->list = xrealloc(s->list, s->cap * sizeof *s->list);
    }
    return &s->list[s->count++];
}

void steps_add_take(struct steps *s, struct slice job, struct record *r)
{
    struct step step = { .record = r };
    bool ok = read_step(&step, job);
    struct step *known = ok ? find(s, step.id) : NULL;
    if (known != NULL)
        known->copies++;
    if (ok && known == NULL)
        *add(s) = step;
    else
        step_clear(&step);
}

static int compare(const void *a, const void *b)
{
    const struct step *x = a, *y = b;
    if (x->ev.epoch.generation != y->ev.epoch.generation)
        return x->ev.epoch.generation < y->ev.epoch.generation ? -1 : 1;
    bool x_begins = x->ev.type == EVENT_REPLAYED, y_begins = y->ev.type == EVENT_REPLAYED;
    if (x_begins != y_begins)
        return x_begins ? -1 : 1;
    if (x->ev.at_ms != y->ev.at_ms)
        return x->ev.at_ms < y->ev.at_ms ? -1 : 1;
    int epoch = epoch_compare(x->ev.epoch, y->ev.epoch);
    if (epoch != 0)
        return epoch;
    return (x->record->offset > y->record->offset) - (x->record->offset < y->record->offset);
}

void steps_sort(struct steps *s)
{
    if (s->count > 0)
        qsort(s->list, s->count, sizeof *s->list, compare);
}
