// SPDX-License-Identifier: Apache-2.0
// base64: see base64.h. Room is made once and written through a pointer: parts of a message and signatures
// pass here, and a function call a character would be most of what they cost.
#include "common/base64.h"

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_put(struct buf *out, struct slice bytes)
{
    const unsigned char *in = (const unsigned char *)bytes.ptr;
    buf_reserve(out, (bytes.len + 2) / 3 * 4);
    char *to = out->data + out->len;
    for (size_t left = bytes.len; left > 0; left -= left < 3 ? left : 3, in += 3) {
        uint32_t bits =
            (uint32_t)in[0] << 16 | (left > 1 ? (uint32_t)in[1] << 8 : 0) | (left > 2 ? in[2] : 0);
        *to++ = DIGITS[bits >> 18];
        *to++ = DIGITS[bits >> 12 & 63];
        *to++ = left > 1 ? DIGITS[bits >> 6 & 63] : '=';
        *to++ = left > 2 ? DIGITS[bits & 63] : '=';
    }
    *to = '\0';
    out->len = (size_t)(to - out->data);
}
