// SPDX-License-Identifier: Apache-2.0
// json: a strict, bounded scanner for JSON on the hot path (RFC 8259, UTF-8 only).
//
// It validates a whole text once and leaves a flat array of tokens that borrow from it. A DOM (jansson) costs
// more per job than everything else a worker does besides HTTP; configuration and tools use jansson.
// Refused besides bad syntax: duplicate keys in one object, NUL (raw or \u0000), lone surrogates, depth over 32.
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include "common/buf.h"
#include "common/err.h"

enum json_type { JSON_TYPE_NULL, JSON_TYPE_FALSE, JSON_TYPE_TRUE, JSON_TYPE_NUMBER, JSON_TYPE_STRING, JSON_TYPE_ARRAY, JSON_TYPE_OBJECT };

enum { JSON_MAX_DEPTH = 32 };

struct json_token {
    uint32_t start, end; // the value's bytes in the text; for strings without the quotes
    uint32_t next;       // index of the first token after this value and all it contains
    uint8_t type;        // enum json_type
    bool escaped;        // a string with at least one backslash
};
// An object is followed by key (a JSON_TYPE_STRING), value, key, value …; an array by its values.

struct json_doc { // all zero is an empty one; reusable: json_parse keeps the token memory
    const char *text; // borrowed from the caller of json_parse
    struct json_token *tokens; // owned; tokens[0] is the root value
    uint32_t count, cap;
};

// Error text: what is wrong and at which byte ("byte 17: expected ':' after a key").
MUST_CHECK bool json_parse(struct json_doc *doc, const char *text, size_t len, struct err *e);
void json_clear(struct json_doc *doc);

// The value of a member of the object at index, 0 when absent (0 is the root and never a member).
uint32_t json_member(const struct json_doc *doc, uint32_t object, const char *key);

// The raw text of a token (strings: between the quotes, escapes untouched).
struct slice json_raw(const struct json_doc *doc, uint32_t index);

// A string's value: borrowed from the text when it has no escapes, else decoded into scratch (appended; the
// slice is valid until scratch next grows, so reserve first when several are kept).
struct slice json_text(const struct json_doc *doc, uint32_t index, struct buf *scratch);

// Integer value; false when it is not an integer within int64.
bool json_int(const struct json_doc *doc, uint32_t index, int64_t *out);

// Appends the value in canonical form: keys sorted by bytes, no white space, strings with the fewest escapes
// (RFC 8785 style, lower-case \u00xx), numbers as written.
void json_canonical(const struct json_doc *doc, uint32_t index, struct buf *out);

#endif
