// SPDX-License-Identifier: Apache-2.0
// json_value: reading the tokens that json_parse left behind (declared in json.h). Nothing here can fail on a
// parsed text; a token of another type than asked for counts as absent. The canonical form recurses no deeper than
// json_parse let the text nest.
#include "common/json.h"
#include "common/json_names.h"
#include "common/json_string.h"

#include <stdlib.h>

struct slice json_raw(const struct json_doc *doc, uint32_t index)
{
    const struct json_token *t = &doc->tokens[index];
    return (struct slice){ doc->text + t->start, t->end - t->start };
}

uint32_t json_member(const struct json_doc *doc, uint32_t object, const char *key)
{
    if (object >= doc->count || doc->tokens[object].type != JSON_TYPE_OBJECT)
        return 0;
    struct slice wanted = slice_of(key);
    uint32_t end = doc->tokens[object].next;
    for (uint32_t i = object + 1; i < end; i = doc->tokens[i + 1].next) {
        struct slice name = json_raw(doc, i);
        if (doc->tokens[i].escaped) {
            // The wanted name is plain text, in which a backslash would read as an escape.
            if (memchr(wanted.ptr, '\\', wanted.len) == NULL && json_string_compare(name, wanted, true) == 0)
                return i + 1;
        } else if (slice_eq(name, wanted)) {
            return i + 1;
        }
    }
    return 0;
}

struct slice json_text(const struct json_doc *doc, uint32_t index, struct buf *scratch)
{
    struct slice raw = json_raw(doc, index);
    if (!doc->tokens[index].escaped)
        return raw;
    buf_reserve(scratch, raw.len);
    size_t at = scratch->len;
    json_string_decode(raw, scratch);
    return (struct slice){ scratch->data + at, scratch->len - at };
}

bool json_int(const struct json_doc *doc, uint32_t index, int64_t *out)
{
    if (doc->tokens[index].type != JSON_TYPE_NUMBER)
        return false;
    struct slice raw = json_raw(doc, index);
    bool negative = raw.ptr[0] == '-';
    uint64_t n = 0, limit = (uint64_t)INT64_MAX + negative;
    for (size_t i = negative; i < raw.len; i++) {
        if (raw.ptr[i] < '0' || raw.ptr[i] > '9')
            return false; // a fraction or an exponent
        uint64_t digit = (uint64_t)(raw.ptr[i] - '0');
        if (n > (limit - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *out = negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

static void put_string(const struct json_doc *doc, uint32_t index, struct buf *out)
{
    buf_putc(out, '"');
    if (doc->tokens[index].escaped)
        json_string_canonical(json_raw(doc, index), out);
    else
        buf_put_slice(out, json_raw(doc, index));
    buf_putc(out, '"');
}

static void put_object(const struct json_doc *doc, uint32_t index, struct buf *out)
{
    uint32_t few[JSON_NAMES_FEW], count;
    uint32_t *keys = json_names_sorted(doc, index, few, &count);
    buf_putc(out, '{');
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            buf_putc(out, ',');
        put_string(doc, keys[i], out);
        buf_putc(out, ':');
        json_canonical(doc, keys[i] + 1, out);
    }
    buf_putc(out, '}');
    if (keys != few)
        free(keys);
}

static void put_array(const struct json_doc *doc, uint32_t index, struct buf *out)
{
    buf_putc(out, '[');
    for (uint32_t i = index + 1; i < doc->tokens[index].next; i = doc->tokens[i].next) {
        if (i > index + 1)
            buf_putc(out, ',');
        json_canonical(doc, i, out);
    }
    buf_putc(out, ']');
}

void json_canonical(const struct json_doc *doc, uint32_t index, struct buf *out)
{
    switch (doc->tokens[index].type) {
    case JSON_TYPE_OBJECT:
        put_object(doc, index, out);
        break;
    case JSON_TYPE_ARRAY:
        put_array(doc, index, out);
        break;
    case JSON_TYPE_STRING:
        put_string(doc, index, out);
        break;
    default: // as written
        buf_put_slice(out, json_raw(doc, index));
    }
}
