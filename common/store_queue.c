// SPDX-License-Identifier: Apache-2.0
// store_queue: see store_queue.h. A command's text is made once and sent as often as the connection breaks;
// its memory goes back to a pool, because there are three of them to every job.
#include "common/store_queue.h"

#include "common/alloc.h"

#include <stdlib.h>

enum { SPARE_MAX = 4096, SPARE_BYTES_MAX = 4096 };

void store_queue_push(struct store_queue *q, struct store_command *c)
{
    c->next = NULL;
    if (q->tail != NULL)
        q->tail->next = c;
    else
        q->head = c;
    q->tail = c;
    q->count++;
}

struct store_command *store_queue_pop(struct store_queue *q)
{
    struct store_command *c = q->head;
    if (c == NULL)
        return NULL;
    q->head = c->next;
    if (q->head == NULL)
        q->tail = NULL;
    q->count--;
    c->next = NULL;
    return c;
}

void store_queue_prepend(struct store_queue *q, struct store_queue *from)
{
    if (from->head == NULL)
        return;
    from->tail->next = q->head;
    if (q->tail == NULL)
        q->tail = from->tail;
    q->head = from->head;
    q->count += from->count;
    *from = (struct store_queue){ 0 };
}

struct store_command *store_pool_get(struct store_pool *p)
{
    struct store_command *c = store_queue_pop(&p->spare);
    if (c == NULL)
        return xcalloc(1, sizeof *c);
    struct buf bytes = c->bytes;
    buf_reset(&bytes);
    *c = (struct store_command){ .bytes = bytes };
    return c;
}

void store_pool_put(struct store_pool *p, struct store_command *c)
{
    if (p->spare.count >= SPARE_MAX || c->bytes.cap > SPARE_BYTES_MAX)
        store_command_delete(c);
    else
        store_queue_push(&p->spare, c);
}

void store_pool_clear(struct store_pool *p)
{
    while (p->spare.head != NULL)
        store_command_delete(store_queue_pop(&p->spare));
}

void store_command_delete(struct store_command *c)
{
    buf_clear(&c->bytes);
    free(c);
}

static void put_count(struct buf *out, char sign, size_t n)
{
    buf_putc(out, sign);
    buf_put_i64(out, (int64_t)n);
    buf_put(out, "\r\n", 2);
}

void store_format_head(struct buf *out, size_t count)
{
    put_count(out, '*', count);
}

void store_format_arg(struct buf *out, struct slice arg)
{
    buf_reserve(out, arg.len + 24);
    put_count(out, '$', arg.len);
    buf_put_slice(out, arg);
    buf_put(out, "\r\n", 2);
}
