// SPDX-License-Identifier: Apache-2.0
// ledger: see ledger.h.
//
// Open addressing over indexes into one array of entries, so that growing moves 4 bytes a slot and the array
// stays in order of arrival for whoever reads it. Texts live in blocks that are only freed together: a
// million keys are a million small strings that never change. Most keys have one receipt; the list grows by
// doubling from one.
#include "ledger.h"

#include "common/alloc.h"

#include <stdlib.h>

enum { BLOCK_SIZE = 1 << 20, FIRST_SLOTS = 1 << 12 };

struct block {
    struct block *next;
    size_t used, size;
    char bytes[];
};

struct ledger {
    struct entry *entries;
    size_t count, capacity;
    uint32_t *slots; // index + 1; 0 = free
    size_t slot_count;
    struct block *blocks;
    struct ledger_totals totals;
    FILE *log; // borrowed
    struct buf line;
};

struct ledger *ledger_new(FILE *log)
{
    struct ledger *l = xcalloc(1, sizeof *l);
    l->log = log;
    l->slot_count = FIRST_SLOTS;
    l->slots = xcalloc(l->slot_count, sizeof *l->slots);
    return l;
}

void ledger_clear(struct ledger *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->entries[i].receipts);
    while (l->blocks != NULL) {
        struct block *next = l->blocks->next;
        free(l->blocks);
        l->blocks = next;
    }
    l->count = 0;
    memset(l->slots, 0, l->slot_count * sizeof *l->slots);
    l->totals = (struct ledger_totals){ 0 };
}

void ledger_free(struct ledger *l)
{
    if (l == NULL)
        return;
    ledger_clear(l);
    free(l->entries);
    free(l->slots);
    buf_clear(&l->line);
    free(l);
}

static struct slice keep(struct ledger *l, struct slice text)
{
    struct block *b = l->blocks;
    if (b == NULL || b->size - b->used < text.len) {
        size_t size = text.len > BLOCK_SIZE ? text.len : BLOCK_SIZE;
        b = xmalloc(sizeof *b + size);
        *b = (struct block){ .next = l->blocks, .size = size };
        l->blocks = b;
    }
    char *at = b->bytes + b->used;
    if (text.len > 0)
        memcpy(at, text.ptr, text.len);
    b->used += text.len;
    return (struct slice){ at, text.len };
}

// FNV-1a, folded: the low bits pick the slot.
static size_t hash(struct slice key)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < key.len; i++)
        h = (h ^ (unsigned char)key.ptr[i]) * 1099511628211u;
    return (size_t)(h ^ (h >> 32));
}

static uint32_t *slot_of(const struct ledger *l, struct slice key)
{
    size_t mask = l->slot_count - 1;
    size_t i = hash(key) & mask;
    while (l->slots[i] != 0 && !slice_eq(l->entries[l->slots[i] - 1].key, key))
        i = (i + 1) & mask;
    return &l->slots[i];
}

static void grow_slots(struct ledger *l)
{
    free(l->slots);
    l->slot_count *= 2;
    l->slots = xcalloc(l->slot_count, sizeof *l->slots);
    for (size_t i = 0; i < l->count; i++)
        *slot_of(l, l->entries[i].key) = (uint32_t)i + 1;
}

struct entry *ledger_entry(struct ledger *l, struct slice key, struct slice id, struct slice to)
{
    uint32_t *slot = slot_of(l, key);
    if (*slot != 0)
        return &l->entries[*slot - 1];
    if (l->count == l->capacity) {
        l->capacity = l->capacity > 0 ? l->capacity * 2 : FIRST_SLOTS / 2;
        l->entries = xrealloc(l->entries, l->capacity * sizeof *l->entries);
    }
    struct entry *e = &l->entries[l->count++];
    *e = (struct entry){ .key = keep(l, key), .id = keep(l, id), .to = keep(l, to) };
    *slot = (uint32_t)l->count;
    l->totals.keys++;
    if (l->count * 2 > l->slot_count)
        grow_slots(l);
    return e;
}

static void log_receipt(struct ledger *l, const struct entry *e, const struct receipt *r)
{
    struct buf *b = &l->line;
    buf_reset(b);
    buf_puts(b, "{\"at\":");
    buf_put_i64(b, r->at_ms);
    buf_puts(b, ",\"key\":");
    buf_put_json(b, e->key);
    buf_puts(b, ",\"id\":");
    buf_put_json(b, e->id);
    buf_puts(b, ",\"to\":");
    buf_put_json(b, e->to);
    buf_puts(b, ",\"status\":");
    buf_put_i64(b, r->status);
    buf_puts(b, r->accepted ? ",\"accepted\":true" : ",\"accepted\":false");
    buf_puts(b, r->replayed ? ",\"replayed\":true}\n" : ",\"replayed\":false}\n");
    fwrite(b->data, 1, b->len, l->log);
}

uint64_t ledger_record(struct ledger *l, struct entry *e, struct receipt r)
{
    if (e->requests == e->capacity) {
        e->capacity = e->capacity > 0 ? e->capacity * 2 : 1;
        e->receipts = xrealloc(e->receipts, e->capacity * sizeof *e->receipts);
    }
    e->receipts[e->requests++] = r;
    struct ledger_totals *t = &l->totals;
    t->requests++;
    t->by_status[r.status < LEDGER_STATUS_MAX ? r.status : 0]++;
    t->replayed += r.replayed;
    e->replayed += r.replayed;
    if (r.accepted) {
        t->accepted++;
        e->accepted++;
        t->accepted_keys += e->accepted == 1;
        t->accepted_twice += e->accepted == 2;
        if (e->accepted == 1)
            e->serial = t->accepted;
    }
    if (l->log != NULL)
        log_receipt(l, e, &r);
    return r.accepted ? t->accepted : e->serial;
}

const struct ledger_totals *ledger_totals(const struct ledger *l)
{
    return &l->totals;
}

const struct entry *ledger_at(const struct ledger *l, size_t index)
{
    return index < l->count ? &l->entries[index] : NULL;
}

void ledger_put_entry(struct buf *out, const struct entry *e)
{
    buf_puts(out, "{\"key\":");
    buf_put_json(out, e->key);
    buf_puts(out, ",\"id\":");
    buf_put_json(out, e->id);
    buf_puts(out, ",\"to\":");
    buf_put_json(out, e->to);
    buf_puts(out, ",\"requests\":");
    buf_put_i64(out, e->requests);
    buf_puts(out, ",\"accepted\":");
    buf_put_i64(out, e->accepted);
    buf_puts(out, ",\"replayed\":");
    buf_put_i64(out, e->replayed);
    buf_puts(out, ",\"times\":[");
    for (uint32_t i = 0; i < e->requests; i++) {
        buf_puts(out, i > 0 ? "," : "");
        buf_put_i64(out, e->receipts[i].at_ms);
    }
    buf_puts(out, "],\"statuses\":[");
    for (uint32_t i = 0; i < e->requests; i++) {
        buf_puts(out, i > 0 ? "," : "");
        buf_put_i64(out, e->receipts[i].status);
    }
    buf_puts(out, "]}\n");
}
