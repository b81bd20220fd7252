// SPDX-License-Identifier: Apache-2.0
// dueheap: see dueheap.h. A binary heap on due time. Its owner bounds the bytes: a full heap means that belts are
// not read, never that a record is dropped; a crash loses nothing, because the offsets of what waits here are not
// finished.
#include "worker/dueheap.h"

#include "common/alloc.h"

#include <assert.h>
#include <stdlib.h>

void dueheap_clear(struct dueheap *h)
{
    for (size_t i = 0; i < h->count; i++)
        record_free(h->items[i].record);
    free(h->items);
    *h = (struct dueheap){ 0 };
}

static void swap(struct dueheap_item *a, struct dueheap_item *b)
{
    struct dueheap_item t = *a;
    *a = *b;
    *b = t;
}

static void sift_up(struct dueheap *h, size_t i)
{
    for (; i > 0 && h->items[i].due_ms < h->items[(i - 1) / 2].due_ms; i = (i - 1) / 2)
        swap(&h->items[i], &h->items[(i - 1) / 2]);
}

static void sift_down(struct dueheap *h, size_t i)
{
    for (;;) {
        size_t least = i, left = 2 * i + 1, right = 2 * i + 2;
        if (left < h->count && h->items[left].due_ms < h->items[least].due_ms)
            least = left;
        if (right < h->count && h->items[right].due_ms < h->items[least].due_ms)
            least = right;
        if (least == i)
            return;
        swap(&h->items[i], &h->items[least]);
        i = least;
    }
}

void dueheap_push(struct dueheap *h, const struct dueheap_item *item)
{
    if (h->count == h->cap) {
        h->cap = h->cap > 0 ? h->cap * 2 : 64;
        h->items = xrealloc(h->items, h->cap * sizeof *h->items);
    }
    h->items[h->count++] = *item;
    h->bytes += item->record->bytes;
    sift_up(h, h->count - 1);
}

const struct dueheap_item *dueheap_top(const struct dueheap *h)
{
    return h->count > 0 ? &h->items[0] : NULL;
}

struct dueheap_item dueheap_pop(struct dueheap *h)
{
    assert(h->count > 0);
    struct dueheap_item top = h->items[0];
    h->items[0] = h->items[--h->count];
    h->bytes -= top.record->bytes;
    sift_down(h, 0);
    return top;
}

void dueheap_drop(struct dueheap *h, const struct source *source)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->count; i++) {
        if (h->items[i].source == source) {
            h->bytes -= h->items[i].record->bytes;
            record_free(h->items[i].record);
        } else {
            h->items[kept++] = h->items[i];
        }
    }
    h->count = kept;
    for (size_t i = kept / 2; i-- > 0;)
        sift_down(h, i);
}
