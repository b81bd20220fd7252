// SPDX-License-Identifier: Apache-2.0
// peek: see peek.h.
//
// A search for the bytes "to": would also find the member of a nested object or a word inside a text, so the
// scan keeps the depth and walks over strings; those are skipped with memchr, and strings are most of a mail.
// It trusts that the JSON is well-formed: it comes from the program under test, and nonsense only leads to
// another answer.
#include "peek.h"

// p is behind the opening quote; returns the closing one, or NULL when the string is cut off.
static const char *string_end(const char *p, const char *end)
{
    while (p < end) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        if (quote == NULL)
            return NULL;
        const char *slash = quote;
        while (slash > p && slash[-1] == '\\')
            slash--;
        if ((quote - slash) % 2 == 0)
            return quote;
        p = quote + 1;
    }
    return NULL;
}

static void take(struct peek *p, struct slice name, struct slice value)
{
    if (slice_is(name, "to"))
        p->to = value;
    else if (slice_is(name, "id"))
        p->id = value;
}

void peek_job(struct slice json, struct peek *p)
{
    *p = (struct peek){ 0 };
    int depth = 0;
    bool is_value = false; // at depth 1: the next string is a value, of the member `name`
    struct slice name = { 0 };
    const char *end = json.ptr + json.len;
    for (const char *at = json.ptr; at < end; at++) {
        switch (*at) {
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            depth--;
            break;
        case ':':
            is_value = true;
            break;
        case ',':
            is_value = false;
            break;
        case '"': {
            const char *close = string_end(at + 1, end);
            if (close == NULL)
                return;
            struct slice text = { at + 1, (size_t)(close - at - 1) };
            if (depth == 1 && is_value)
                take(p, name, text);
            else if (depth == 1)
                name = text;
            at = close;
            break;
        }
        default:
            break;
        }
        if (p->to.ptr != NULL && p->id.ptr != NULL)
            return;
    }
}
