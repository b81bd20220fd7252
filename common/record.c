// SPDX-License-Identifier: Apache-2.0
// record: see record.h. Both shapes avoid an allocation per header: a set under construction copies into one
// arena, a record is one block with everything behind the struct. When the arena has to grow it is copied, not
// reallocated, so that the slices of the list can be moved over while the old bytes still exist.
#include "common/record.h"

#include "common/alloc.h"

#include <stdlib.h>

void headers_clear(struct headers *h)
{
    if (h == NULL)
        return;
    free(h->list);
    buf_clear(&h->bytes);
    *h = (struct headers){ 0 };
}

void headers_reset(struct headers *h)
{
    h->count = 0;
    buf_reset(&h->bytes);
}

static struct slice moved(struct slice s, const char *from, const char *to)
{
    return s.ptr == NULL ? s : (struct slice){ to + (s.ptr - from), s.len };
}

static void reserve_bytes(struct headers *h, size_t extra)
{
    if (h->bytes.len + extra < h->bytes.cap)
        return;
    struct buf bigger = { 0 };
    buf_reserve(&bigger, 2 * (h->bytes.len + extra) + 256);
    buf_put_slice(&bigger, buf_slice(&h->bytes));
    for (size_t i = 0; i < h->count; i++) {
        h->list[i].name = moved(h->list[i].name, h->bytes.data, bigger.data);
        h->list[i].value = moved(h->list[i].value, h->bytes.data, bigger.data);
    }
    buf_clear(&h->bytes);
    h->bytes = bigger;
}

static struct slice keep(struct buf *arena, struct slice s)
{
    if (s.ptr == NULL)
        return s;
    size_t at = arena->len;
    buf_put_slice(arena, s);
    return (struct slice){ arena->data + at, s.len };
}

void headers_add_slice(struct headers *h, struct slice name, struct slice value)
{
    if (h->count == h->cap) {
        h->cap = h->cap > 0 ? 2 * h->cap : 24;
        h->list = xrealloc(h->list, h->cap * sizeof *h->list);
    }
    reserve_bytes(h, name.len + value.len);
    h->list[h->count].name = keep(&h->bytes, name);
    h->list[h->count].value = keep(&h->bytes, value);
    h->count++;
}

void headers_add(struct headers *h, const char *name, struct slice value)
{
    headers_add_slice(h, slice_of(name), value);
}

void headers_add_i64(struct headers *h, const char *name, int64_t value)
{
    char room[24];
    char *p = room + sizeof room;
    uint64_t rest = value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value;
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        *--p = '-';
    headers_add(h, name, (struct slice){ p, (size_t)(room + sizeof room - p) });
}

size_t headers_bytes(const struct headers *h)
{
    return h->bytes.len;
}

struct header headers_at(const struct headers *h, size_t i)
{
    return h->list[i];
}

void record_free(struct record *r)
{
    free(r);
}

static struct slice pack(char **at, struct slice s)
{
    if (s.ptr == NULL)
        return (struct slice){ 0 };
    struct slice copy = { *at, s.len };
    if (s.len > 0)
        memcpy(*at, s.ptr, s.len);
    *at += s.len;
    return copy;
}

struct record *record_new(const struct record *shape, const struct header *h, size_t header_count)
{
    size_t head = sizeof(struct record) + header_count * sizeof(struct header);
    size_t size = head + shape->key.len + shape->value.len + 1; // so that an empty value has an address of its own
    for (size_t i = 0; i < header_count; i++)
        size += h[i].name.len + h[i].value.len;
    struct record *r = xmalloc(size);
    *r = *shape; // all but the flexible array
    r->bytes = size;
    r->header_count = header_count;
    char *at = (char *)r + head;
    r->key = pack(&at, shape->key);
    r->value = pack(&at, shape->value);
    for (size_t i = 0; i < header_count; i++)
        r->headers[i] = (struct header){ pack(&at, h[i].name), pack(&at, h[i].value) };
    return r;
}

struct slice record_header(const struct record *r, const char *name)
{
    struct slice wanted = slice_of(name);
    for (size_t i = r->header_count; i-- > 0;)
        if (slice_eq(r->headers[i].name, wanted))
            return r->headers[i].value;
    return (struct slice){ 0 };
}
