// SPDX-License-Identifier: Apache-2.0
// trail: see trail.h.
//
// A trail comes back from Kafka, where anybody may have written it, so it is parsed as JSON before it is believed;
// what is no list of objects counts as no trail. When it gets full, the oldest entries but the first one go: the
// first failure and the last ones are what a person needs. Every string of an entry is bounded, so an entry of ours
// always fits; one that would not fit (a foreign one, in the first place) is counted as left out.
#include "common/trail.h"

#include "common/alloc.h"
#include "common/json.h"
#include "common/text.h"

#include <stdlib.h>

enum {
    WORD_MAX = 64,     // worker, transport, phase …
    MARKER_MAX = 32,   // {"omitted":1000000000} and a comma
    OMITTED_MAX = 1000000000,
};

static void put_name(struct buf *out, const char *name)
{
    buf_putc(out, ',');
    buf_putc(out, '"');
    buf_puts(out, name);
    buf_put(out, "\":", 2);
}

static void put_number(struct buf *out, const char *name, int64_t n)
{
    put_name(out, name);
    buf_put_i64(out, n);
}

static void put_text(struct buf *out, const char *name, struct slice text, size_t max)
{
    if (text.ptr == NULL || text.len == 0)
        return;
    struct slice cut = { text.ptr, text_cut(text, max) };
    char clean[TRAIL_TEXT_MAX];
    memcpy(clean, cut.ptr, cut.len);
    for (size_t i = 0; i < cut.len; i++)
        if ((unsigned char)clean[i] < 0x20 || clean[i] == 0x7f)
            clean[i] = ' ';
    put_name(out, name);
    buf_put_json(out, (struct slice){ clean, cut.len });
}

void trail_format(const struct trail_entry *entry, struct buf *out)
{
    buf_puts(out, "{\"at\":");
    buf_put_i64(out, entry->at_ms);
    put_number(out, "gen", entry->generation);
    put_number(out, "try", entry->try_no);
    put_text(out, "worker", entry->worker, WORD_MAX);
    put_text(out, "transport", entry->transport, WORD_MAX);
    put_text(out, "phase", entry->phase, WORD_MAX);
    if (entry->code != 0)
        put_number(out, "code", entry->code);
    put_text(out, "enhanced", entry->enhanced, WORD_MAX);
    if (entry->class != FAILURE_NONE)
        put_text(out, "class", slice_of(failure_name(entry->class)), WORD_MAX);
    put_text(out, "rule", entry->rule, WORD_MAX);
    put_text(out, "text", entry->text, TRAIL_TEXT_MAX);
    buf_putc(out, '}');
}

struct entries { // of a trail, without the marker
    struct slice *list;
    size_t count, bytes; // bytes: with a comma each
    int64_t omitted;
};

static bool is_marker(const struct json_doc *doc, uint32_t index, int64_t *omitted)
{
    uint32_t n = json_member(doc, index, "omitted");
    return n != 0 && json_int(doc, n, omitted) && *omitted >= 0 && *omitted <= OMITTED_MAX;
}

static bool collect(const struct json_doc *doc, struct entries *entries)
{
    if (doc->tokens[0].type != JSON_TYPE_ARRAY)
        return false;
    entries->list = xmalloc((doc->count + 1) * sizeof *entries->list); // and the one to come
    for (uint32_t i = 1; i < doc->count; i = doc->tokens[i].next) {
        int64_t omitted;
        if (doc->tokens[i].type != JSON_TYPE_OBJECT)
            return false;
        if (is_marker(doc, i, &omitted)) {
            entries->omitted = omitted;
            continue;
        }
        struct slice entry = json_raw(doc, i);
        entries->list[entries->count++] = entry;
        entries->bytes += entry.len + 1;
    }
    return true;
}

static void drop(struct entries *entries, size_t at)
{
    entries->bytes -= entries->list[at].len + 1;
    entries->count--;
    memmove(entries->list + at, entries->list + at + 1, (entries->count - at) * sizeof *entries->list);
    if (entries->omitted < OMITTED_MAX)
        entries->omitted++;
}

// Leaves out what lies between the first and the last ones, then the first; the newest goes last.
static void shorten(struct entries *entries)
{
    while (entries->count > 0 && entries->bytes + MARKER_MAX + 2 > TRAIL_MAX)
        drop(entries, entries->count > 2 ? 1 : 0);
}

static void write(const struct entries *entries, struct buf *out)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < entries->count; i++) {
        if (i > 0)
            buf_putc(out, ',');
        buf_put_slice(out, entries->list[i]);
        if (i == 0 && entries->omitted > 0) {
            buf_puts(out, ",{\"omitted\":");
            buf_put_i64(out, entries->omitted);
            buf_putc(out, '}');
        }
    }
    buf_putc(out, ']');
}

void trail_append(struct slice trail, struct slice entry, struct buf *out)
{
    struct json_doc doc = { 0 };
    struct entries entries = { 0 };
    bool known = trail.ptr != NULL && json_parse(&doc, trail.ptr, trail.len, NULL) && collect(&doc, &entries);
    if (!known) {
        free(entries.list);
        entries = (struct entries){ .list = xmalloc(sizeof *entries.list) };
    }
    entries.list[entries.count++] = entry;
    entries.bytes += entry.len + 1;
    shorten(&entries);
    write(&entries, out);
    free(entries.list);
    json_clear(&doc);
}

static bool is_of(const struct json_doc *doc, uint32_t entry, uint32_t generation, enum failure_class class)
{
    int64_t gen = -1;
    uint32_t at = json_member(doc, entry, "gen"), ended = json_member(doc, entry, "class");
    return at != 0 && json_int(doc, at, &gen) && gen == generation && ended != 0 &&
           doc->tokens[ended].type == JSON_TYPE_STRING && slice_is(json_raw(doc, ended), failure_name(class));
}

bool trail_has(struct slice trail, uint32_t generation, enum failure_class class)
{
    const char *name = failure_name(class);
    if (trail.ptr == NULL || memmem(trail.ptr, trail.len, name, strlen(name)) == NULL) // nearly always
        return false;
    struct json_doc doc = { 0 };
    bool found = false;
    if (json_parse(&doc, trail.ptr, trail.len, NULL) && doc.tokens[0].type == JSON_TYPE_ARRAY)
        for (uint32_t i = 1; i < doc.count && !found; i = doc.tokens[i].next)
            found = doc.tokens[i].type == JSON_TYPE_OBJECT && is_of(&doc, i, generation, class);
    json_clear(&doc);
    return found;
}
