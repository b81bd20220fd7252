// SPDX-License-Identifier: Apache-2.0
// marks: see marks.h. The log is compacted by letter, so it holds one small record for each closed letter; of each only
// a hash, the time and two shared texts are kept. What can go wrong: a command that dies between a replay's
// acknowledgement and its mark leaves the letter open; replaying it again makes a record of the same epoch, which the
// workers' dedup record refuses to send twice.
#include "dlq-inspector/marks.h"

#include "common/alloc.h"
#include "common/json.h"
#include "dlq-inspector/jsonout.h"

#include <stdlib.h>

static const char *const ACTIONS[] = {
    [MARK_NONE] = "none",
    [MARK_REPLAYED] = "replayed",
    [MARK_DISCARDED] = "discarded",
};

const char *mark_action_name(enum mark_action a)
{
    return ACTIONS[a];
}

void marks_clear(struct marks *m)
{
    for (size_t i = 0; i < m->text_count; i++)
        free(m->texts[i]);
    free(m->texts);
    free(m->list);
    hashmap_clear(&m->index);
    hashmap_clear(&m->texts_index);
    *m = (struct marks){ 0 };
}

static const char *intern(struct marks *m, struct slice text)
{
    uint64_t hash = hashmap_hash(text);
    const uint32_t *known = hashmap_find(&m->texts_index, hash);
    if (known != NULL)
        return m->texts[*known];
    if (m->text_count == m->text_cap) {
        m->text_cap = m->text_cap > 0 ? m->text_cap * 2 : 16;
        m->texts = xrealloc(m->texts, m->text_cap * sizeof *m->texts);
    }
    hashmap_put(&m->texts_index, hash, (uint32_t)m->text_count);
    m->texts[m->text_count] = xstrndup(text.len > 0 ? text.ptr : "", text.len);
    return m->texts[m->text_count++];
}

static const char *text_member(struct marks *m, const struct json_doc *doc, const char *name)
{
    struct buf scratch = { 0 };
    uint32_t i = json_member(doc, 0, name);
    struct slice text = { 0 };
    if (i != 0 && doc->tokens[i].type == JSON_TYPE_STRING)
        text = json_text(doc, i, &scratch);
    const char *kept = intern(m, text);
    buf_clear(&scratch);
    return kept;
}

static void read_place(const struct json_doc *doc, struct mark *mark)
{
    int64_t partition, offset;
    uint32_t letter = json_member(doc, 0, "letter");
    mark->letter_offset = -1;
    if (letter == 0 || doc->tokens[letter].type != JSON_TYPE_OBJECT)
        return;
    uint32_t p = json_member(doc, letter, "partition"), o = json_member(doc, letter, "offset");
    if (p == 0 || o == 0 || !json_int(doc, p, &partition) || !json_int(doc, o, &offset))
        return;
    mark->letter_partition = (int32_t)partition;
    mark->letter_offset = offset;
}

static bool parse(struct marks *m, struct slice value, struct mark *mark)
{
    struct json_doc doc = { 0 };
    bool ok = json_parse(&doc, value.ptr, value.len, NULL) && doc.tokens[0].type == JSON_TYPE_OBJECT;
    if (ok) {
        uint32_t action = json_member(&doc, 0, "action"), at = json_member(&doc, 0, "at");
        struct slice word = action != 0 ? json_raw(&doc, action) : SLICE("");
        for (int a = MARK_REPLAYED; a <= MARK_DISCARDED; a++)
            if (slice_is(word, ACTIONS[a]))
                mark->action = (enum mark_action)a;
        ok = mark->action != MARK_NONE && at != 0 && json_int(&doc, at, &mark->at_ms);
    }
    if (ok) {
        mark->by = text_member(m, &doc, "by");
        mark->reason = text_member(m, &doc, "reason");
        read_place(&doc, mark);
    }
    json_clear(&doc);
    return ok;
}

void marks_add(struct marks *m, struct slice key, struct slice value)
{
    struct mark mark = { .action = MARK_NONE };
    if (key.len == 0 || (value.ptr != NULL && !parse(m, value, &mark)))
        return;
    uint64_t hash = hashmap_hash(key);
    const uint32_t *known = hashmap_find(&m->index, hash);
    if (known != NULL) {
        m->list[*known] = mark;
        return;
    }
    if (m->count == m->cap) {
        m->cap = m->cap > 0 ? m->cap * 2 : 256;
        m->list = xrealloc(m->list, m->cap * sizeof *m->list);
    }
    hashmap_put(&m->index, hash, (uint32_t)m->count);
    m->list[m->count++] = mark;
}

const struct mark *marks_find(const struct marks *m, const char *key)
{
    const uint32_t *i = hashmap_find(&m->index, hashmap_hash(slice_of(key)));
    return i != NULL && m->list[*i].action != MARK_NONE ? &m->list[*i] : NULL;
}

int64_t marks_count(const struct marks *m, int32_t partition, int64_t low)
{
    int64_t n = 0;
    for (size_t i = 0; i < m->count; i++)
        n += m->list[i].action != MARK_NONE && m->list[i].letter_partition == partition && m->list[i].letter_offset >= low;
    return n;
}

static void put_place(struct jsonout *j, const char *name, const struct mark_place *p)
{
    jsonout_open(j, name, '{');
    jsonout_string(j, "topic", p->topic);
    jsonout_int(j, "partition", p->partition);
    jsonout_int(j, "offset", p->offset);
    jsonout_close(j, '}');
}

void mark_format(const struct mark *mark, const struct mark_place *letter, const struct mark_place *record,
                 struct buf *out)
{
    struct jsonout j = { .out = out };
    jsonout_open(&j, NULL, '{');
    jsonout_int(&j, "v", 1);
    jsonout_string(&j, "action", mark_action_name(mark->action));
    jsonout_int(&j, "at", mark->at_ms);
    jsonout_string(&j, "by", mark->by);
    jsonout_string(&j, "reason", mark->reason);
    put_place(&j, "letter", letter);
    if (record->topic != NULL)
        put_place(&j, "record", record);
    jsonout_close(&j, '}');
}
