// SPDX-License-Identifier: Apache-2.0
// base64: bytes as RFC 4648 text, with padding and without line breaks.
#ifndef COMMON_BASE64_H
#define COMMON_BASE64_H

#include "common/buf.h"

void base64_put(struct buf *out, struct slice bytes);

// Letters, digits, "+" and "/"; not the padding.
static inline bool base64_is_digit(char c)
{
    char lower = (char)(c | 0x20);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

#endif
