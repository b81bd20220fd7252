// SPDX-License-Identifier: Apache-2.0
// steps: see steps.h. A job's events share one key and so one partition, but workers batch them: what two workers
// wrote can lie in either order, and each stamps with its own clock. Time first is right in practice, because nothing
// happens to the same job on two workers within the few milliseconds their clocks differ; the epoch settles the rest.
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

static struct slice text_of(const struct json_doc *doc, uint32_t object, const char *name, struct buf *scratch)
{
    uint32_t i = json_member(doc, object, name);
    if (i == 0 || doc->tokens[i].type != JSON_TYPE_STRING)
        return (struct slice){ 0 };
    return json_text(doc, i, scratch);
}

static int64_t int_of(const struct json_doc *doc, uint32_t object, const char *name)
{
    int64_t n = 0;
    uint32_t i = json_member(doc, object, name);
    return i != 0 && json_int(doc, i, &n) ? n : 0;
}

static bool is_true(const struct json_doc *doc, const char *name)
{
    uint32_t i = json_member(doc, 0, name);
    return i != 0 && doc->tokens[i].type == JSON_TYPE_TRUE;
}

static void read_source(struct step *s, const struct json_doc *doc)
{
    uint32_t source = json_member(doc, 0, "source");
    if (source == 0 || doc->tokens[source].type != JSON_TYPE_OBJECT)
        return;
    struct slice topic = text_of(doc, source, "topic", &s->scratch);
    snprintf(s->source_topic, sizeof s->source_topic, "%.*s", (int)topic.len, topic.len > 0 ? topic.ptr : "");
    s->ev.source_partition = (int32_t)int_of(doc, source, "partition");
    s->ev.source_offset = int_of(doc, source, "offset");
    s->ev.source_ms = int_of(doc, source, "at");
}

static void read_members(struct step *s, const struct json_doc *doc)
{
    struct event *ev = &s->ev;
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++)
        *(struct slice *)((char *)ev + TEXTS[i].offset) = text_of(doc, 0, TEXTS[i].name, &s->scratch);
    ev->at_ms = int_of(doc, 0, "at");
    ev->epoch = (struct epoch){ (uint32_t)int_of(doc, 0, "generation"), (uint32_t)int_of(doc, 0, "try") };
    ev->attempt = (uint32_t)int_of(doc, 0, "attempt");
    ev->first_seen_ms = int_of(doc, 0, "first_seen");
    ev->due_ms = int_of(doc, 0, "due");
    ev->code = (int)int_of(doc, 0, "code");
    ev->attempt_us = int_of(doc, 0, "attempt_us");
    ev->lateness_ms = json_member(doc, 0, "lateness_ms") != 0 ? int_of(doc, 0, "lateness_ms") : -1;
    ev->unfenced = is_true(doc, "unfenced");
    ev->refiled = is_true(doc, "refiled");
    if (!failure_parse(text_of(doc, 0, "class", &s->scratch), &ev->class))
        ev->class = FAILURE_NONE;
    if (!wait_parse(text_of(doc, 0, "wait", &s->scratch), &ev->wait))
        ev->wait = WAIT_NONE;
    read_source(s, doc);
}

static bool read_step(struct step *s, struct slice job)
{
    struct json_doc doc = { 0 };
    const struct record *r = s->record;
    bool ok = r->has_value && json_parse(&doc, r->value.ptr, r->value.len, NULL) &&
              doc.tokens[0].type == JSON_TYPE_OBJECT;
    if (ok) {
        buf_reserve(&s->scratch, r->value.len); // decoded text is never longer, so nothing moves
        s->id = text_of(&doc, 0, "id", &s->scratch);
        ok = event_parse_name(text_of(&doc, 0, "type", &s->scratch), &s->ev.type);
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
