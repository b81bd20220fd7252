// SPDX-License-Identifier: Apache-2.0
// dedup_ring: see dedup_ring.h. Entries lie one after the other in one block, so that remembering costs a
// copy and no allocation. An entry is never wrapped: one that does not fit at the end starts at the front,
// and a header with no key fills the gap. Five seconds of 10,000 jobs/s are some 17 MB; above LIMIT_BYTES the
// oldest go early, which still leaves more than the second or two that Redis can lose. An idle worker holds a
// few kilobytes.
#include "worker/dedup_ring.h"

#include "common/alloc.h"

#include <stdlib.h>

enum { FIRST_BYTES = 16 * 1024, LIMIT_BYTES = 16 * 1024 * 1024 };

struct entry { // followed by key and value, padded to the alignment of this
    int64_t at_ms;
    uint32_t key_len, value_len; // key_len 0: only fills up to the end of the block
};

static size_t padded(size_t size)
{
    return (size + sizeof(struct entry) - 1) / sizeof(struct entry) * sizeof(struct entry);
}

static struct entry *entry_at(const struct dedup_ring *r, size_t offset)
{
    return (struct entry *)(void *)(r->bytes + offset % r->cap);
}

static size_t entry_size(const struct dedup_ring *r, size_t offset)
{
    const struct entry *e = entry_at(r, offset);
    if (e->key_len == 0)
        return r->cap - offset % r->cap;
    return padded(sizeof *e + e->key_len + e->value_len);
}

static void drop_first(struct dedup_ring *r)
{
    size_t size = entry_size(r, r->head);
    r->head = (r->head + size) % r->cap;
    r->len -= size;
}

static void drop_old(struct dedup_ring *r, int64_t before_ms)
{
    while (r->len > 0) {
        const struct entry *e = entry_at(r, r->head);
        if (e->key_len != 0 && e->at_ms >= before_ms)
            return;
        drop_first(r);
    }
}

// There is room (has_room).
static void put(struct dedup_ring *r, const struct entry *head, const char *key, const char *value)
{
    size_t tail = (r->head + r->len) % r->cap, size = padded(sizeof *head + head->key_len + head->value_len);
    if (r->cap - tail < size) { // sizes are multiples of a header, so one always fits
        *entry_at(r, tail) = (struct entry){ 0 };
        r->len += r->cap - tail;
        tail = 0;
    }
    char *at = r->bytes + tail;
    memcpy(at, head, sizeof *head);
    memcpy(at + sizeof *head, key, head->key_len);
    memcpy(at + sizeof *head + head->key_len, value, head->value_len);
    r->len += size;
}

static bool has_room(const struct dedup_ring *r, size_t size)
{
    if (r->cap == 0)
        return false;
    size_t tail = (r->head + r->len) % r->cap, to_end = r->cap - tail;
    size_t need = size + (to_end < size ? to_end : 0);
    return r->cap - r->len >= need;
}

static void grow(struct dedup_ring *r, size_t size)
{
    struct dedup_ring bigger = { .cap = r->cap > 0 ? r->cap * 2 : FIRST_BYTES };
    while (bigger.cap < 2 * size)
        bigger.cap *= 2;
    bigger.bytes = xmalloc(bigger.cap);
    for (size_t done = 0; done < r->len; done += entry_size(r, r->head + done)) {
        const struct entry *e = entry_at(r, r->head + done);
        const char *key = (const char *)(e + 1);
        if (e->key_len != 0)
            put(&bigger, e, key, key + e->key_len);
    }
    free(r->bytes);
    *r = bigger;
}

void dedup_ring_add(struct dedup_ring *r, struct slice key, struct slice value, int64_t now_ms,
                    int64_t keep_ms)
{
    struct entry head = { now_ms, (uint32_t)key.len, (uint32_t)value.len };
    size_t size = padded(sizeof head + key.len + value.len);
    drop_old(r, now_ms - keep_ms);
    while (!has_room(r, size)) {
        if (r->cap >= LIMIT_BYTES && r->len > 0)
            drop_first(r);
        else
            grow(r, size);
    }
    put(r, &head, key.ptr, value.ptr);
}

void dedup_ring_each(const struct dedup_ring *r, void (*see)(void *arg, struct slice key, struct slice value),
                     void *arg)
{
    for (size_t done = 0; done < r->len; done += entry_size(r, r->head + done)) {
        const struct entry *e = entry_at(r, r->head + done);
        const char *key = (const char *)(e + 1);
        if (e->key_len != 0)
            see(arg, (struct slice){ key, e->key_len }, (struct slice){ key + e->key_len, e->value_len });
    }
}

void dedup_ring_clear(struct dedup_ring *r)
{
    free(r->bytes);
    *r = (struct dedup_ring){ 0 };
}
