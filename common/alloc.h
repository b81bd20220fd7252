// SPDX-License-Identifier: Apache-2.0
// alloc: allocation that cannot fail. Input sizes are bounded before anything is allocated, so running out of
// memory means the machine is in trouble: say so and abort, the supervisor starts a new process.
#ifndef COMMON_ALLOC_H
#define COMMON_ALLOC_H

#include <stddef.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *old, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));
// Copies len bytes and adds a NUL.
char *xstrndup(const char *bytes, size_t len) __attribute__((malloc, returns_nonnull));

// From now on, blocks of half a megabyte and more go back to the system as soon as they are freed.
void alloc_return_large(void);

#endif
