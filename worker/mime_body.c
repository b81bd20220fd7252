// SPDX-License-Identifier: Apache-2.0
// mime_body: transfer encodings.
//
// A text goes as it is when no mail system has a reason to touch it. Reasons are octets that are not
// printable ASCII, lines that are too long, and lines that begin with "From " (mailbox files put a ">" before
// those, which breaks the signature). The other danger is text that looks like the end of a part: text that
// contains the start of one of our boundaries ("--=_") is sent quoted-printable, where "=" never stands for
// itself, or in base64, which has no "-".
//
// Quoted-printable keeps a mostly ASCII text readable for people and filters; base64 is for languages of
// which it would make three times as much.
#include "worker/mime.h"

#include "common/base64.h"

enum {
    QP_WIDTH = 75, // and a "=" for the soft break
    BASE64_WIDTH = 76,
    BASE64_LINE_BYTES = BASE64_WIDTH / 4 * 3,
};

static const struct slice FROM = { "From ", 5 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_break(char c)
{
    return c == '\r' || c == '\n';
}

// Octets of the line break at i: CR LF is one.
static size_t break_length(struct slice s, size_t i)
{
    return s.ptr[i] == '\r' && i + 1 < s.len && s.ptr[i + 1] == '\n' ? 2 : 1;
}

static bool starts_from(struct slice s, size_t i)
{
    return s.len - i >= FROM.len && memcmp(s.ptr + i, FROM.ptr, FROM.len) == 0;
}

static size_t line_end(struct slice s, size_t i)
{
    while (i < s.len && !is_break(s.ptr[i]))
        i++;
    return i;
}

// ---- which one --------------------------------------------------------------------------------------------

struct shape {
    size_t odd; // octets that quoted-printable writes as three
    bool plain; // can go as it is
};

static struct shape measure(struct slice s)
{
    struct shape shape = { .plain = memmem(s.ptr, s.len, "--=_", 4) == NULL };
    for (size_t i = 0; i < s.len;) {
        size_t end = line_end(s, i), odd = 0, equals = 0;
        for (size_t k = i; k < end; k++) {
            unsigned char c = (unsigned char)s.ptr[k];
            odd += c >= 0x7f || (c < 0x20 && c != '\t');
            equals += c == '=';
        }
        if (odd > 0 || end - i > MIME_LINE_MAX || starts_from(s, i))
            shape.plain = false;
        shape.odd += odd + equals;
        i = end < s.len ? end + break_length(s, end) : end;
    }
    return shape;
}

// ---- as it is, quoted-printable, base64 -------------------------------------------------------------------

static void put_lines(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.len;) {
        size_t end = line_end(s, i);
        buf_put(out, s.ptr + i, end - i);
        if (end == s.len)
            return;
        buf_puts(out, "\r\n");
        i = end + break_length(s, end);
    }
}

static bool is_literal(struct slice s, size_t i)
{
    unsigned char c = (unsigned char)s.ptr[i];
    if (is_blank(s.ptr[i])) // at the end of a line they get lost on the way
        return i + 1 < s.len && !is_break(s.ptr[i + 1]);
    return c > 0x20 && c < 0x7f && c != '=';
}

static size_t literal_run(struct slice s, size_t i, size_t end, size_t max)
{
    size_t n = 0;
    while (i + n < end && n < max && is_literal(s, i + n))
        n++;
    return n;
}

// One line without its break, soft breaks where it is too long.
static void put_quoted_line(struct buf *out, struct slice s, size_t i, size_t end)
{
    static const char HEX[] = "0123456789ABCDEF";
    size_t col = 0;
    while (i < end) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool escape = !is_literal(s, i) || (col == 0 && starts_from(s, i));
        size_t n = escape ? 1 : literal_run(s, i, end, QP_WIDTH - col);
        if (n == 0 || (escape && col + 3 > QP_WIDTH)) {
            buf_puts(out, "=\r\n");
            col = 0;
            continue;
        }
        if (escape)
            buf_put(out, (char[]){ '=', HEX[c >> 4], HEX[c & 15] }, 3);
        else
            buf_put(out, s.ptr + i, n);
        col += escape ? 3 : n;
        i += n;
    }
}

static void put_quoted_printable(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.len;) {
        size_t end = line_end(s, i);
        put_quoted_line(out, s, i, end);
        if (end == s.len)
            return;
        buf_puts(out, "\r\n");
        i = end + break_length(s, end);
    }
}

static void put_base64_text(struct buf *out, struct slice s)
{
    struct buf lines = { 0 }; // RFC 2045 6.8: the line breaks inside are CRLF as well
    buf_reserve(&lines, s.len + s.len / 16);
    put_lines(&lines, s);
    for (size_t i = 0; i < lines.len; i += BASE64_LINE_BYTES) {
        size_t left = lines.len - i;
        if (i > 0)
            buf_puts(out, "\r\n");
        base64_put(out,
                   (struct slice){ lines.data + i, left < BASE64_LINE_BYTES ? left : BASE64_LINE_BYTES });
    }
    buf_clear(&lines);
}

void mime_put_text(struct buf *out, struct slice text)
{
    enum { AS_IT_IS, QUOTED_PRINTABLE, BASE64 };
    static const struct {
        const char *name;
        void (*put)(struct buf *out, struct slice s);
    } ENCODINGS[] = {
        [AS_IT_IS] = { "7bit", put_lines },
        [QUOTED_PRINTABLE] = { "quoted-printable", put_quoted_printable },
        [BASE64] = { "base64", put_base64_text },
    };
    struct slice s = { text.ptr != NULL ? text.ptr : "", text.len };
    struct shape shape = measure(s);
    int chosen = shape.plain ? AS_IT_IS : shape.odd > s.len / 2 ? BASE64 : QUOTED_PRINTABLE;
    buf_reserve(out, s.len + s.len / 8 + 128);
    buf_printf(out, "Content-Transfer-Encoding: %s\r\n\r\n", ENCODINGS[chosen].name);
    ENCODINGS[chosen].put(out, s);
}

// ---- files ------------------------------------------------------------------------------------------------

struct wrapping {
    struct buf *out;
    size_t count;   // characters written
    size_t padding; // how many of them are "="
};

// Up to as many characters as the line has room for; the number taken.
static size_t take_line(struct wrapping *w, struct slice s)
{
    size_t room = BASE64_WIDTH - w->count % BASE64_WIDTH, n = 0;
    while (n < s.len && n < room && base64_is_digit(s.ptr[n]))
        n++;
    if (n > 0 && w->count > 0 && w->count % BASE64_WIDTH == 0)
        buf_puts(w->out, "\r\n");
    buf_put(w->out, s.ptr, n);
    w->count += n;
    return n;
}

bool mime_put_base64(struct buf *out, struct slice base64, struct err *e)
{
    struct wrapping w = { .out = out };
    buf_reserve(out, base64.len + base64.len / 32 + 128);
    buf_puts(out, "Content-Transfer-Encoding: base64\r\n\r\n");
    for (size_t i = 0; i < base64.len;) {
        char c = base64.ptr[i];
        size_t taken = w.padding == 0 ? take_line(&w, (struct slice){ base64.ptr + i, base64.len - i }) : 0;
        if (taken == 0 && c == '=' && ++w.padding <= 2) {
            buf_putc(out, c);
            w.count++;
        } else if (taken == 0 && !is_break(c) && !is_blank(c)) {
            return err_set(e, ERR_INPUT, "attachment: content_base64 is not base64 at character %zu", i);
        }
        i += taken > 0 ? taken : 1;
    }
    if (w.count % 4 != 0)
        return err_set(e, ERR_INPUT, "attachment: content_base64 is cut off (%zu characters)", w.count);
    return true;
}
