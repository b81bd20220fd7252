// SPDX-License-Identifier: Apache-2.0
// attempts: see attempts.h. A trail travels through other people's clients, so everything in it is optional: a member
// of the wrong type reads as absent, and an entry that is no object is passed over.
#include "dlq-inspector/attempts.h"

void attempts_open(struct attempts *a, struct slice trail)
{
    a->ok = trail.len > 0 && json_parse(&a->doc, trail.ptr, trail.len, NULL) && a->doc.tokens[0].type == JSON_TYPE_ARRAY;
    a->next = 1;
}

void attempts_clear(struct attempts *a)
{
    json_clear(&a->doc);
    buf_clear(&a->scratch);
    *a = (struct attempts){ 0 };
}

static struct slice text_of(struct attempts *a, uint32_t object, const char *name)
{
    uint32_t i = json_member(&a->doc, object, name);
    if (i == 0 || a->doc.tokens[i].type != JSON_TYPE_STRING)
        return (struct slice){ 0 };
    return json_text(&a->doc, i, &a->scratch);
}

static int64_t int_of(const struct attempts *a, uint32_t object, const char *name)
{
    int64_t n = 0;
    uint32_t i = json_member(&a->doc, object, name);
    return i != 0 && json_int(&a->doc, i, &n) ? n : 0;
}

static void read_entry(struct attempts *a, uint32_t i, struct trail_entry *entry)
{
    buf_reset(&a->scratch);
    buf_reserve(&a->scratch, a->doc.tokens[i].end - a->doc.tokens[i].start); // decoded text is never longer
    *entry = (struct trail_entry){
        .at_ms = int_of(a, i, "at"),
        .generation = (uint32_t)int_of(a, i, "gen"),
        .try_no = (uint32_t)int_of(a, i, "try"),
        .worker = text_of(a, i, "worker"),
        .transport = text_of(a, i, "transport"),
        .phase = text_of(a, i, "phase"),
        .enhanced = text_of(a, i, "enhanced"),
        .text = text_of(a, i, "text"),
        .rule = text_of(a, i, "rule"),
        .code = (int)int_of(a, i, "code"),
    };
    if (!failure_parse(text_of(a, i, "class"), &entry->class))
        entry->class = FAILURE_NONE;
}

bool attempts_next(struct attempts *a, struct trail_entry *entry, int64_t *omitted)
{
    while (a->ok && a->next < a->doc.tokens[0].next) {
        uint32_t i = a->next;
        a->next = a->doc.tokens[i].next;
        if (a->doc.tokens[i].type != JSON_TYPE_OBJECT)
            continue;
        *omitted = int_of(a, i, "omitted");
        if (*omitted > 0)
            *entry = (struct trail_entry){ 0 };
        else
            read_entry(a, i, entry);
        return true;
    }
    return false;
}

bool attempts_last(struct attempts *a, struct trail_entry *entry)
{
    uint32_t last = 0;
    for (uint32_t i = 1; a->ok && i < a->doc.tokens[0].next; i = a->doc.tokens[i].next)
        if (a->doc.tokens[i].type == JSON_TYPE_OBJECT && int_of(a, i, "omitted") == 0)
            last = i;
    if (last != 0)
        read_entry(a, last, entry);
    return last != 0;
}
