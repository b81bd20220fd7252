// SPDX-License-Identifier: Apache-2.0
// dkim_canon: the relaxed forms.
//
// A receiver computes the same from what arrived, after relays may have refolded headers or trimmed lines;
// whatever differs between its idea and ours by one octet makes the signature worthless. So this follows the
// letter of the RFC and is tested with its vectors, not with our own messages only.
//
// The body is not copied: runs that stay as they are go to the hash where they lie, which for the lines of a
// base64 file is all of them.
#include "worker/dkim_canon.h"

#include <strings.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

// ---- fields -----------------------------------------------------------------------------------------------

// Length of the field at s, its folded lines included, without the last CRLF; s.len when there is none.
static size_t field_length(struct slice s)
{
    for (size_t from = 0;;) {
        const char *end = memmem(s.ptr + from, s.len - from, "\r\n", 2);
        if (end == NULL)
            return s.len;
        size_t len = (size_t)(end - s.ptr);
        if (len + 2 >= s.len || !is_blank(s.ptr[len + 2]))
            return len;
        from = len + 2;
    }
}

bool dkim_split(struct dkim_message *m, struct slice message, struct err *e)
{
    struct slice rest = message;
    m->count = 0;
    while (rest.len >= 2 && memcmp(rest.ptr, "\r\n", 2) != 0) {
        size_t len = field_length(rest);
        const char *colon = memchr(rest.ptr, ':', len);
        if (colon == NULL || len + 2 > rest.len || m->count == DKIM_FIELDS_MAX)
            return err_set(e, ERR_INPUT, "cannot be signed: field %d is none, or one too many", m->count + 1);
        size_t name = (size_t)(colon - rest.ptr);
        while (name > 0 && is_blank(rest.ptr[name - 1]))
            name--;
        m->fields[m->count++] = (struct dkim_field){ .name = { rest.ptr, name }, .whole = { rest.ptr, len } };
        rest = (struct slice){ rest.ptr + len + 2, rest.len - len - 2 };
    }
    if (rest.len == 1)
        return err_set(e, ERR_INPUT, "cannot be signed: the head does not end");
    m->body = rest.len == 0 ? rest : (struct slice){ rest.ptr + 2, rest.len - 2 };
    return true;
}

void dkim_relax_field(struct slice field, struct buf *out)
{
    const char *colon = memchr(field.ptr, ':', field.len);
    size_t i = 0, name = colon != NULL ? (size_t)(colon - field.ptr) : field.len;
    buf_reserve(out, field.len + 1);
    char *to = out->data + out->len;
    for (; i < name && !is_blank(field.ptr[i]); i++)
        *to++ = (char)(field.ptr[i] >= 'A' && field.ptr[i] <= 'Z' ? field.ptr[i] | 0x20 : field.ptr[i]);
    *to++ = ':';
    const char *value = to;
    bool gap = false;
    for (i = name + 1; i < field.len; i++) {
        char c = field.ptr[i];
        if (is_blank(c) || c == '\r' || c == '\n') {
            gap = to > value; // none at the start
            continue;
        }
        if (gap)
            *to++ = ' ';
        gap = false;
        *to++ = c;
    }
    *to = '\0';
    out->len = (size_t)(to - out->data);
}

static bool same_name(struct slice a, struct slice b)
{
    return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

// The nth field of this name from the bottom, 0 = the last one.
static const struct dkim_field *nth_from_below(const struct dkim_message *m, struct slice name, int n)
{
    for (int i = m->count - 1; i >= 0; i--)
        if (same_name(m->fields[i].name, name) && n-- == 0)
            return &m->fields[i];
    return NULL;
}

void dkim_put_signed(const struct dkim_message *m, const struct slice *names, int count, struct buf *out)
{
    for (int i = 0; i < count; i++) {
        int before = 0;
        for (int k = 0; k < i; k++)
            before += same_name(names[k], names[i]);
        const struct dkim_field *field = nth_from_below(m, names[i], before);
        if (field == NULL)
            continue;
        dkim_relax_field(field->whole, out);
        buf_puts(out, "\r\n");
    }
}

// ---- body -------------------------------------------------------------------------------------------------

// Without the empty lines at the end, where a line of blanks is empty, too.
static struct slice without_empty_end(struct slice s)
{
    for (size_t end = s.len;;) {
        size_t i = end >= 2 && memcmp(s.ptr + end - 2, "\r\n", 2) == 0 ? end - 2 : end;
        while (i > 0 && is_blank(s.ptr[i - 1]))
            i--;
        if (i > 0 && s.ptr[i - 1] != '\n') // the last line has something on it
            return (struct slice){ s.ptr, end };
        if (i == 0)
            return (struct slice){ s.ptr, 0 };
        end = i;
    }
}

static size_t blanks(struct slice s, size_t i)
{
    size_t n = 0;
    while (i + n < s.len && is_blank(s.ptr[i + n]))
        n++;
    return n;
}

static void add_run(struct slice s, size_t from, size_t to)
{
    if (to > from)
        digest_add((struct slice){ s.ptr + from, to - from });
}

void dkim_hash_body(struct slice body, unsigned char hash[DIGEST_SIZE])
{
    struct slice s = without_empty_end(body);
    size_t from = 0; // what lies before it is in the hash
    digest_begin();
    for (size_t i = 0; i < s.len;) {
        size_t n = blanks(s, i);
        bool line_ends =
            i + n == s.len || (s.ptr[i + n] == '\r' && i + n + 1 < s.len && s.ptr[i + n + 1] == '\n');
        bool kept = n == 1 && s.ptr[i] == ' ' && !line_ends;
        if (n == 0 || kept) {
            i++;
            continue;
        }
        add_run(s, from, i);
        if (!line_ends)
            digest_add(SLICE(" "));
        i += n;
        from = i;
    }
    add_run(s, from, s.len);
    if (s.len > 0 && (s.len < 2 || memcmp(s.ptr + s.len - 2, "\r\n", 2) != 0))
        digest_add(SLICE("\r\n"));
    digest_end(hash);
}
