// SPDX-License-Identifier: Apache-2.0
// json_string: strings as they stand in JSON text, between the quotes. For the json files only.
// But for json_hex4, all of it expects what json_parse has accepted: complete escapes, paired surrogates, UTF-8.
#ifndef COMMON_JSON_STRING_H
#define COMMON_JSON_STRING_H

#include "common/buf.h"

// What the letter after a backslash stands for; 0 = no such escape (\u is treated apart).
extern const char JSON_ESCAPES[256];

// The number written in the four hexadecimal digits at p, -1 when they are not there.
int32_t json_hex4(const char *p, const char *end);

// Order (<0, 0, >0) of two strings by their decoded bytes. escaped: one of them may have escapes.
int json_string_compare(struct slice a, struct slice b, bool escaped);

// Appends the decoded bytes, never more than raw.len.
void json_string_decode(struct slice raw, struct buf *out);

// Appends the string with the fewest escapes, without quotes; never more than raw.len bytes.
void json_string_canonical(struct slice raw, struct buf *out);

#endif
