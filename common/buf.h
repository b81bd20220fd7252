// SPDX-License-Identifier: Apache-2.0
// buf: a growing run of bytes, and slice: a borrowed one.
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice { // borrowed; not NUL-terminated unless said so; ptr NULL means "absent"
    const char *ptr;
    size_t len;
};

#define SLICE(literal) ((struct slice){ "" literal, sizeof(literal) - 1 })

static inline struct slice slice_of(const char *text)
{
    return (struct slice){ text, text != NULL ? strlen(text) : 0 };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_eq(a, slice_of(text));
}

struct buf { // all zero is an empty buffer
    char *data; // owned; always followed by a NUL once anything was put
    size_t len;
    size_t cap;
};

void buf_clear(struct buf *b);                 // frees; the buffer is empty and usable again
void buf_reset(struct buf *b);                 // len = 0, keeps the memory
void buf_reserve(struct buf *b, size_t extra); // room for extra more bytes and a NUL

// A job's way through a worker is a few hundred of these, most of them of a constant length: in line, a copy of a
// few bytes is a move or two.
static inline void buf_put(struct buf *b, const void *bytes, size_t len)
{
    if (b->len + len >= b->cap)
        buf_reserve(b, len);
    if (len > 0)
        memcpy(b->data + b->len, bytes, len);
    b->len += len;
    b->data[b->len] = '\0';
}

static inline void buf_puts(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text));
}

static inline void buf_putc(struct buf *b, char c)
{
    buf_put(b, &c, 1);
}

static inline void buf_put_slice(struct buf *b, struct slice s)
{
    buf_put(b, s.ptr, s.len);
}

void buf_put_i64(struct buf *b, int64_t n); // decimal; the hot path's printf
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Quotes and escapes a string as JSON (RFC 8259). Bytes that are not UTF-8 become U+FFFD.
void buf_put_json(struct buf *b, struct slice s);

static inline struct slice buf_slice(const struct buf *b)
{
    return (struct slice){ b->data != NULL ? b->data : "", b->len };
}

// Length (1-4) of the well-formed UTF-8 sequence at p, 0 when there is none (overlong, surrogate, cut off).
size_t utf8_sequence(const char *p, size_t len);

#endif
