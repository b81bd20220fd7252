// SPDX-License-Identifier: Apache-2.0
// letters: see letters.h. A letter's identity is job id + generation, not its place: a worker that dies between filing
// it and saying so files it again. The first copy counts, later ones are folded, whatever the filter says, so that
// numbers of different commands agree. The letters' end offsets are taken before the log's, so every letter of a
// snapshot is judged by marks at least as new as itself.
#include "dlq-inspector/letters.h"

bool letters_read_marks(struct marks *m, const struct config *c, struct err *e)
{
    struct scan scan;
    struct record *r;
    const char *topic = c->topics.fixed[TOPIC_DLQ_LOG];
    int got = scan_open(&scan, c, &topic, 1, e) ? 1 : -1;
    for (got = got > 0 ? scan_next(&scan, &r, e) : got; got > 0; got = scan_next(&scan, &r, e)) {
        marks_add(m, r->key, r->has_value ? r->value : (struct slice){ 0 });
        record_free(r);
    }
    scan_close(&scan);
    return got == 0;
}

bool letters_open(struct letters *s, const struct config *c, const struct filter *filter, bool closed_too, struct err *e)
{
    *s = (struct letters){ .filter = filter, .closed_too = closed_too };
    const char *topic = c->topics.fixed[TOPIC_DLQ];
    return scan_open(&s->scan, c, &topic, 1, e) && letters_read_marks(&s->marks, c, e);
}

bool letters_admit(struct letters *s, const struct record *r)
{
    struct letter *l = &s->letter;
    s->counts.read++;
    letter_read(l, r);
    if (!hashmap_put(&s->seen, hashmap_hash(slice_of(l->key)), 0)) {
        s->counts.copies++;
        return false;
    }
    if (s->filter != NULL && !filter_match(s->filter, l))
        return false;
    l->mark = marks_find(&s->marks, l->key);
    if (l->mark != NULL) {
        s->counts.closed++;
        if (!s->closed_too)
            return false;
    }
    s->counts.matched++;
    return true;
}

int letters_next(struct letters *s, struct letter **letter, struct err *e)
{
    for (;;) {
        record_free(s->record);
        s->record = NULL;
        int got = scan_next(&s->scan, &s->record, e);
        if (got <= 0)
            return got;
        if (letters_admit(s, s->record)) {
            *letter = &s->letter;
            return 1;
        }
    }
}

struct record *letters_take(struct letters *s)
{
    struct record *r = s->record;
    s->record = NULL;
    return r;
}

void letters_close(struct letters *s)
{
    record_free(s->record);
    letter_clear(&s->letter);
    hashmap_clear(&s->seen);
    marks_clear(&s->marks);
    scan_close(&s->scan);
    *s = (struct letters){ 0 };
}
