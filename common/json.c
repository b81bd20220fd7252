// SPDX-License-Identifier: Apache-2.0
// json: see json.h.
//
// One pass, one flat array of tokens, no copy: a worker does this to every job, so plain string bytes (nearly all
// of a mail) are taken eight at a time. Containers recurse, bounded by JSON_MAX_DEPTH. What comes out of a successful
// parse is trusted by the files that read it: escapes are complete, surrogates come in pairs, all of it is UTF-8.
// The token memory stays with the document, but for what one hostile text blew up.
#include "common/json.h"

#include "common/alloc.h"
#include "common/json_names.h"
#include "common/json_string.h"

#include <stdlib.h>

enum {
    TOKENS_FIRST = 64,
    TOKENS_KEPT = 4096, // a larger array is not kept for the next parse
};

struct scan {
    struct json_doc *doc;
    const char *text, *p, *end;
    int depth;
    struct err *e;
};

// Bytes that stand for themselves within a string: ASCII from the space on, but the quote and the backslash.
static const uint8_t PLAIN[256] = {
    [0x20] = 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, //
    [0x30] = 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, //
    [0x40] = 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, //
    [0x50] = 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, //
    [0x60] = 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, //
    [0x70] = 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
};

static bool scan_value(struct scan *s);

static bool fail_at(struct scan *s, const char *at, const char *what)
{
    return err_set(s->e, ERR_INPUT, "byte %zu: %s", (size_t)(at - s->text), what);
}

static bool fail(struct scan *s, const char *what)
{
    return fail_at(s, s->p, s->p == s->end ? "the text ends too early" : what);
}

static uint32_t push(struct scan *s, enum json_type type, const char *start)
{
    struct json_doc *doc = s->doc;
    if (doc->count == doc->cap) {
        doc->cap = doc->cap > 0 ? 2 * doc->cap : TOKENS_FIRST;
        doc->tokens = xrealloc(doc->tokens, doc->cap * sizeof *doc->tokens);
    }
    uint32_t index = doc->count++;
    uint32_t at_byte = (uint32_t)(start - s->text);
    doc->tokens[index] = (struct json_token){ .start = at_byte, .next = index + 1, .type = (uint8_t)type };
    return index;
}

static void finish(struct scan *s, uint32_t index, const char *end)
{
    s->doc->tokens[index].end = (uint32_t)(end - s->text);
    s->doc->tokens[index].next = s->doc->count;
}

static void skip_space(struct scan *s)
{
    const char *p = s->p;
    while (p < s->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    s->p = p;
}

static bool at(const struct scan *s, char c)
{
    return s->p < s->end && *s->p == c;
}

// ---- strings ------------------------------------------------------------------------------------------------

// The first byte from p on that is not plain. Eight bytes at a time: subtracting carries a byte's top bit out when
// it is below what is subtracted, so the top bits tell "control", "quote", "backslash" or "not ASCII".
static const char *skip_plain(const char *p, const char *end)
{
    const uint64_t ones = 0x0101010101010101u;
    for (; end - p >= 8; p += 8) {
        uint64_t w;
        memcpy(&w, p, sizeof w);
        uint64_t stop = (w - ones * 0x20) | ((w ^ ones * '"') - ones) | ((w ^ ones * '\\') - ones) | w;
        if ((stop & ones * 0x80) != 0)
            break;
    }
    while (p < end && PLAIN[(unsigned char)*p])
        p++;
    return p;
}

// p: at a backslash. Returns what follows the escape, or NULL.
static const char *skip_escape(struct scan *s, const char *p)
{
    if (s->end - p >= 2 && JSON_ESCAPES[(unsigned char)p[1]] != 0)
        return p + 2;
    int32_t unit = s->end - p >= 2 && p[1] == 'u' ? json_hex4(p + 2, s->end) : -1;
    const char *wrong = NULL;
    if (unit < 0)
        wrong = "unknown or incomplete escape in a string";
    else if (unit == 0)
        wrong = "NUL in a string";
    else if (unit >= 0xdc00 && unit <= 0xdfff)
        wrong = "lone surrogate in a string";
    if (wrong != NULL) {
        (void)fail_at(s, p, wrong);
        return NULL;
    }
    p += 6;
    if (unit < 0xd800 || unit > 0xdbff)
        return p;
    int32_t low = s->end - p >= 2 && p[0] == '\\' && p[1] == 'u' ? json_hex4(p + 2, s->end) : -1;
    if (low >= 0xdc00 && low <= 0xdfff)
        return p + 6;
    (void)fail_at(s, p - 6, "lone surrogate in a string");
    return NULL;
}

// The end of the UTF-8 sequences at p, or NULL.
static const char *skip_utf8(struct scan *s, const char *p)
{
    while (p < s->end && (unsigned char)*p >= 0x80) {
        size_t n = utf8_sequence(p, (size_t)(s->end - p));
        if (n == 0) {
            (void)fail_at(s, p, "not UTF-8");
            return NULL;
        }
        p += n;
    }
    return p;
}

// s->p: at the opening quote.
static bool scan_string(struct scan *s)
{
    const char *p = s->p + 1;
    uint32_t index = push(s, JSON_TYPE_STRING, p);
    bool escaped = false;
    for (;;) {
        p = skip_plain(p, s->end);
        if (p == s->end)
            return fail_at(s, s->p, "a string without an end");
        if (*p == '"')
            break;
        if (*p == '\\') {
            escaped = true;
            p = skip_escape(s, p);
        } else if ((unsigned char)*p >= 0x80) {
            p = skip_utf8(s, p);
        } else {
            return fail_at(s, p, *p == '\0' ? "NUL in a string"
                                            : "control character in a string, it has to be escaped");
        }
        if (p == NULL)
            return false;
    }
    finish(s, index, p);
    s->doc->tokens[index].escaped = escaped;
    s->p = p + 1;
    return true;
}

// ---- values -------------------------------------------------------------------------------------------------

static bool fail_duplicate(struct scan *s, uint32_t key)
{
    struct slice name = json_raw(s->doc, key);
    return err_set(s->e, ERR_INPUT, "byte %u: duplicate key \"%.*s\"", s->doc->tokens[key].start - 1,
                   (int)(name.len < 64 ? name.len : 64), name.ptr);
}

static bool open_container(struct scan *s)
{
    if (++s->depth > JSON_MAX_DEPTH)
        return err_set(s->e, ERR_INPUT, "byte %zu: nested deeper than %d", (size_t)(s->p - s->text), JSON_MAX_DEPTH);
    s->p++;
    skip_space(s);
    return true;
}

static void close_container(struct scan *s, uint32_t index)
{
    s->p++;
    s->depth--;
    finish(s, index, s->p);
}

// After an element: another one follows, or the container ends.
static bool scan_separator(struct scan *s, char close, bool *more)
{
    skip_space(s);
    *more = at(s, ',');
    if (*more)
        s->p++;
    else if (!at(s, close))
        return fail(s, close == '}' ? "expected ',' or '}' after a value" : "expected ',' or ']' after a value");
    return true;
}

static bool scan_member(struct scan *s, struct json_names *names, uint32_t object)
{
    skip_space(s);
    if (!at(s, '"'))
        return fail(s, "expected a key");
    uint32_t key = s->doc->count;
    if (!scan_string(s))
        return false;
    uint32_t twice = json_names_add(names, s->doc, object, key);
    if (twice != 0)
        return fail_duplicate(s, twice);
    skip_space(s);
    if (!at(s, ':'))
        return fail(s, "expected ':' after a key");
    s->p++;
    return scan_value(s);
}

static bool scan_object(struct scan *s)
{
    uint32_t index = push(s, JSON_TYPE_OBJECT, s->p);
    struct json_names names = { 0 };
    if (!open_container(s))
        return false;
    bool more = !at(s, '}');
    while (more)
        if (!scan_member(s, &names, index) || !scan_separator(s, '}', &more))
            return false;
    close_container(s, index);
    uint32_t twice = json_names_close(&names, s->doc, index);
    return twice == 0 || fail_duplicate(s, twice);
}

static bool scan_array(struct scan *s)
{
    uint32_t index = push(s, JSON_TYPE_ARRAY, s->p);
    if (!open_container(s))
        return false;
    bool more = !at(s, ']');
    while (more)
        if (!scan_value(s) || !scan_separator(s, ']', &more))
            return false;
    close_container(s, index);
    return true;
}

static bool scan_word(struct scan *s, enum json_type type, struct slice word)
{
    if ((size_t)(s->end - s->p) < word.len || memcmp(s->p, word.ptr, word.len) != 0)
        return fail(s, "expected a value");
    uint32_t index = push(s, type, s->p);
    s->p += word.len;
    finish(s, index, s->p);
    return true;
}

static bool skip_digits(struct scan *s)
{
    const char *first = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        s->p++;
    return s->p > first;
}

static bool scan_number(struct scan *s)
{
    uint32_t index = push(s, JSON_TYPE_NUMBER, s->p);
    if (at(s, '-'))
        s->p++;
    if (at(s, '0'))
        s->p++; // nothing may follow a leading zero; a digit there is refused by whoever comes next
    else if (!skip_digits(s))
        return fail(s, "expected a value");
    if (at(s, '.')) {
        s->p++;
        if (!skip_digits(s))
            return fail(s, "expected a digit after '.'");
    }
    if (at(s, 'e') || at(s, 'E')) {
        s->p++;
        if (at(s, '+') || at(s, '-'))
            s->p++;
        if (!skip_digits(s))
            return fail(s, "expected a digit in an exponent");
    }
    finish(s, index, s->p);
    return true;
}

static bool scan_value(struct scan *s)
{
    skip_space(s);
    if (s->p == s->end)
        return fail(s, "expected a value");
    switch (*s->p) {
    case '"':
        return scan_string(s);
    case '{':
        return scan_object(s);
    case '[':
        return scan_array(s);
    case 't':
        return scan_word(s, JSON_TYPE_TRUE, SLICE("true"));
    case 'f':
        return scan_word(s, JSON_TYPE_FALSE, SLICE("false"));
    case 'n':
        return scan_word(s, JSON_TYPE_NULL, SLICE("null"));
    default:
        return scan_number(s);
    }
}

static bool scan_text(struct scan *s)
{
    if (!scan_value(s))
        return false;
    skip_space(s);
    return s->p == s->end || fail(s, "something follows the value");
}

void json_clear(struct json_doc *doc)
{
    if (doc == NULL)
        return;
    free(doc->tokens);
    *doc = (struct json_doc){ 0 };
}

bool json_parse(struct json_doc *doc, const char *text, size_t len, struct err *e)
{
    if (doc->cap > TOKENS_KEPT)
        json_clear(doc);
    doc->text = text;
    doc->count = 0;
    if (len >= UINT32_MAX / 2)
        return err_set(e, ERR_INPUT, "%zu bytes are too many for one text", len);
    struct scan s = { .doc = doc, .text = text, .p = text, .end = text + len, .e = e };
    if (scan_text(&s))
        return true;
    doc->count = 0;
    return false;
}
