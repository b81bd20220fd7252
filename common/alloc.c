// SPDX-License-Identifier: Apache-2.0
// alloc: see alloc.h.
#include "common/alloc.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *check(void *p, size_t size)
{
    if (p != NULL)
        return p;
    fprintf(stderr, "level=error at=alloc out of memory size=%zu\n", size);
    abort();
}

void *xmalloc(size_t size)
{
    return check(malloc(size > 0 ? size : 1), size);
}

void *xcalloc(size_t count, size_t size)
{
    return check(calloc(count > 0 ? count : 1, size > 0 ? size : 1), size);
}

void *xrealloc(void *old, size_t size)
{
    return check(realloc(old, size > 0 ? size : 1), size);
}

char *xstrdup(const char *text)
{
    return xstrndup(text, strlen(text));
}

char *xstrndup(const char *bytes, size_t len)
{
    char *copy = xmalloc(len + 1);
    if (len > 0)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

// glibc raises this limit to the size of whatever large block is freed, and keeps blocks below it: a process that
// fetches megabytes from many partitions then holds on to most of what it ever fetched.
void alloc_return_large(void)
{
    enum { LARGE_BYTES = 512 * 1024 };
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
}
