// SPDX-License-Identifier: Apache-2.0
// store_reply: hiredis's reader, building our own reply objects.
//
// hiredis would build each reply of several allocations, and its asynchronous context adds one a command;
// together that was most of what Redis cost us. The reader takes object functions, so ours bump a pointer in
// memory that is kept from reply to reply. The connection itself is ours as well (store_link.c): the
// asynchronous context of 0.14 has no timeouts and frees itself from within its own callbacks.
//
// What can go wrong: a reply larger than a block gets a block of its own, freed with the next reply.
#include "common/store_reply.h"

#include "common/alloc.h"

#include <hiredis/hiredis.h>

#include <stdlib.h>

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

enum { BLOCK_BYTES = 16 * 1024 };

struct block {
    struct block *next;
    size_t used, cap;
    max_align_t bytes[];
};

struct store_parser {
    redisReader *reader;
    struct block *first; // never freed before the parser
    struct block *large; // only for the reply at hand
};

static struct block *block_new(size_t cap)
{
    struct block *b = xmalloc(sizeof *b + cap);
    *b = (struct block){ .cap = cap };
    return b;
}

static void *take(struct store_parser *p, size_t size)
{
    size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    struct block *b = p->first;
    if (b->cap - b->used < size) {
        b = block_new(size);
        b->next = p->large;
        p->large = b;
    }
    void *at = (char *)b->bytes + b->used;
    b->used += size;
    return at;
}

static void recycle(struct store_parser *p)
{
    p->first->used = 0;
    while (p->large != NULL) {
        struct block *b = p->large;
        p->large = b->next;
        free(b);
    }
}

static struct store_reply *place(const redisReadTask *task)
{
    if (task->parent == NULL)
        return take(task->privdata, sizeof(struct store_reply));
    const struct store_reply *array = task->parent->obj;
    return (struct store_reply *)&array->items[task->idx];
}

static void *on_string(const redisReadTask *task, char *text, size_t len)
{
    struct store_reply *r = place(task);
    char *copy = take(task->privdata, len + 1); // the reader moves its buffer
    memcpy(copy, text, len);
    copy[len] = '\0';
    enum store_reply_type type = task->type == REDIS_REPLY_ERROR    ? STORE_ERROR
                                 : task->type == REDIS_REPLY_STATUS ? STORE_STATUS
                                                                    : STORE_STRING;
    *r = (struct store_reply){ .type = type, .text = { copy, len } };
    return r;
}

static void *on_array(const redisReadTask *task, element_count count)
{
    struct store_reply *r = place(task), *items = take(task->privdata, (size_t)count * sizeof *items);
    memset(items, 0, (size_t)count * sizeof *items);
    *r = (struct store_reply){ .type = STORE_ARRAY, .items = items, .count = (size_t)count };
    return r;
}

static void *on_integer(const redisReadTask *task, long long n)
{
    struct store_reply *r = place(task);
    *r = (struct store_reply){ .type = STORE_INTEGER, .integer = n };
    return r;
}

static void *on_nil(const redisReadTask *task)
{
    struct store_reply *r = place(task);
    *r = (struct store_reply){ .type = STORE_NIL };
    return r;
}

static void on_free(void *reply)
{
    (void)reply; // recycled as a whole
}

static redisReplyObjectFunctions functions = {
    .createString = on_string,
    .createArray = on_array,
    .createInteger = on_integer,
    .createNil = on_nil,
    .freeObject = on_free,
};

struct store_parser *store_parser_new(void)
{
    struct store_parser *p = xcalloc(1, sizeof *p);
    p->first = block_new(BLOCK_BYTES);
    p->reader = redisReaderCreateWithFunctions(&functions);
    if (p->reader == NULL)
        abort();
    p->reader->privdata = p;
    return p;
}

void store_parser_free(struct store_parser *p)
{
    if (p == NULL)
        return;
    redisReaderFree(p->reader);
    recycle(p);
    free(p->first);
    free(p);
}

bool store_parser_feed(struct store_parser *p, const char *bytes, size_t len, struct err *e)
{
    if (redisReaderFeed(p->reader, bytes, len) == REDIS_OK)
        return true;
    return err_set(e, ERR_TRANSIENT, "store: cannot read the reply: %s", p->reader->errstr);
}

const struct store_reply *store_parser_next(struct store_parser *p, struct err *e)
{
    void *reply = NULL;
    e->kind = ERR_NONE;
    // A reply that arrived in part is in our memory already: recycle only between replies.
    if (p->reader->ridx == -1)
        recycle(p);
    if (redisReaderGetReply(p->reader, &reply) != REDIS_OK) {
        err_set(e, ERR_TRANSIENT, "store: not a reply: %s", p->reader->errstr);
        return NULL;
    }
    return reply;
}
